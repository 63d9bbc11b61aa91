//! Wasm artifacts in the repository of a package: Wargate's own half.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{Repo, Site, descriptor, index, same, text};

rules! {
    "The Wasm artifact" {
        Ours "wasm.release" "A Wasm artifact under a version is 201 and comes back with its bytes." release;
        Ours "wasm.component" "A component may be released as a module may." component;
        Ours "wasm.wit-config" "The config's words are not checked: `wkg oci push` writes wrong ones." wit_config;
        Client "wasm.listed" "A released version is listed." listed;
        Ours "wasm.same-bytes" "The same manifest on its version again is 201." same_bytes;
        Ours "wasm.same-layer" "Another manifest of the same layer is 201 with the digest of the first." same_layer;
        Ours "wasm.other-content" "Other content on a released version is 409 `DENIED`." other_content;
        Ours "wasm.latest" "`latest` is the highest version that is no pre-release." latest;
        Ours "wasm.latest.pre-release" "With pre-releases only, `latest` is 404." latest_pre_release;
        Ours "wasm.latest.unlisted" "`latest` is not listed: `wkg` warns of tags that are no version." latest_unlisted;
        Ours "wasm.latest.put" "`PUT` of `latest` is 405 `UNSUPPORTED`." latest_put;
        Ours "wasm.latest.delete" "`DELETE` of `latest` is 405 `UNSUPPORTED`." latest_delete;
        Ours "wasm.foreign-manifest" "A manifest that is no Wasm artifact on a version is 400 `MANIFEST_INVALID`." foreign_manifest;
        Ours "wasm.index" "An index on a version is 400 `MANIFEST_INVALID`." index_on_version;
        Ours "wasm.layers" "An artifact of no or two layers is 400 `MANIFEST_INVALID`." layer_count;
        Ours "wasm.artifact-type" "An artifact with artifactType is 400 `MANIFEST_INVALID`." artifact_type;
        Ours "wasm.sha512-layer" "An artifact whose layer is named by sha512 is no release: 400." sha512_layer;
        Ours "wasm.not-wasm" "A layer that is no Wasm is 400 `MANIFEST_INVALID`." not_wasm;
        Ours "wasm.other-tags" "Other tags of a package's repository are plain and movable." other_tags;
        Must "wasm.build-metadata" "A version with `+` is no tag: 400." build_metadata;
        Ours "wasm.older-shapes" "Older shapes of Wasm are stored as they are, under other tags." older_shapes;
        Client "wasm.registry-json" "`registry.json` is 404, or JSON whose values are objects but for `preferredProtocol`." registry_json;
        Client "wasm.registry-json.oci" "`registry.json` says that OCI is spoken, and where." registry_json_oci;
    }
    "Fine print" {
        Ours "wasm.other-content.words" "The 409 names the version and the released layer." other_content_words;
        Ours "wasm.foreign-before" "Foreign content on a version is 201 before the first release, and hidden after." foreign_before;
        Ours "wasm.plain-repository" "In a repository that is no package's, a version is a tag like any other." plain_repository;
    }
    "Deletion and garbage collection" {
        Ours "wasm.delete.tag" "`DELETE` of a released version is 405 `UNSUPPORTED`." delete_tag;
        Ours "wasm.delete.digest" "`DELETE` of a release's manifest is 405 `UNSUPPORTED`." delete_digest;
        Ours "wasm.delete.blob" "`DELETE` of a release's blob is 405 `UNSUPPORTED`." delete_blob;
        Ours "wasm.delete.words" "That 405 tells to yank." delete_words;
    }
}

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// A core module that no other rule has: empty, but for a section of no meaning.
fn module(site: &Site) -> Vec<u8> {
    with_section(b"\0asm\x01\0\0\0", site)
}

fn with_section(head: &[u8], site: &Site) -> Vec<u8> {
    let content = site.bytes();
    let name = b"note";
    let size = 1 + name.len() + content.len();
    // One byte holds the size: the content is short.
    [head, &[0, (size & 0x7f) as u8, name.len() as u8], name, &content[..size.min(127) - 1 - name.len()]]
        .concat()
}

fn config() -> Vec<u8> {
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [],
        "component": null,
    });
    text(&config)
}

/// An artifact of these bytes, whose parts are pushed.
async fn artifact(repo: &Repo<'_>, wasm: &[u8]) -> Result<Value, Failure> {
    let (layer, settings) = (repo.push(wasm).await?, config());
    let config = repo.push(&settings).await?;
    Ok(json!({
        "schemaVersion": 2,
        "mediaType": crate::site::MANIFEST,
        "config": descriptor(CONFIG, &config, settings.len()),
        "layers": [descriptor(LAYER, &layer, wasm.len())],
    }))
}

/// A module of its own, released; the manifest.
async fn released(repo: &Repo<'_>, version: &str) -> Result<Value, Failure> {
    let manifest = artifact(repo, &module(repo.site)).await?;
    repo.put(version, &manifest).await?.status(201)?.digest(&Digest::of(text(&manifest)))?;
    Ok(manifest)
}

async fn refused(repo: &Repo<'_>, version: &str, manifest: &Value) -> Result<(), Failure> {
    repo.put(version, manifest).await?.refused(400, "MANIFEST_INVALID")?;
    repo.site.head(repo.manifest(version)).await?.status(404)?;
    Ok(())
}

async fn release(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let wasm = module(site);
    let manifest = artifact(&repo, &wasm).await?;
    repo.put("1.0.0", &manifest).await?.status(201)?;
    for reference in ["1.0.0", Digest::of(text(&manifest)).as_str()] {
        site.get(repo.manifest(reference)).await?.status(200)?.body(&text(&manifest))?;
    }
    site.get(repo.blob(&Digest::of(&wasm))).await?.status(200)?.body(&wasm)?;
    Ok(())
}

async fn component(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = artifact(&repo, &with_section(b"\0asm\x0d\0\x01\0", site)).await?;
    repo.put("1.0.0", &manifest).await?.status(201)?;
    Ok(())
}

async fn wit_config(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let mut manifest = artifact(&repo, &module(site)).await?;
    let wrong =
        json!({ "os": "wasip2", "architecture": "wasm", "component": { "exports": ["no:such/thing"] } });
    let digest = repo.push(text(&wrong)).await?;
    manifest["config"] = descriptor(CONFIG, &digest, text(&wrong).len());
    repo.put("1.0.0", &manifest).await?.status(201)?;
    Ok(())
}

async fn listed(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    for version in ["1.0.0", "1.1.0-rc.1"] {
        released(&repo, version).await?;
    }
    let tags = repo.listed("").await?;
    same(&repo.tags(), tags, vec!["1.0.0".to_owned(), "1.1.0-rc.1".to_owned()])
}

async fn same_bytes(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = released(&repo, "1.0.0").await?;
    repo.put("1.0.0", &manifest).await?.status(201)?.digest(&Digest::of(text(&manifest)))?;
    Ok(())
}

async fn same_layer(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let first = released(&repo, "1.0.0").await?;
    let mut second = first.clone();
    second["annotations"] = json!({ "org.example.run": "2" });
    let digest = Digest::of(text(&first));
    repo.put("1.0.0", &second).await?.status(201)?.digest(&digest)?.leads_to(&repo.manifest(&digest))?;
    site.get(repo.manifest("1.0.0")).await?.status(200)?.body(&text(&first))?;
    Ok(())
}

/// The refusal of other content on a released version, and what is released.
async fn conflict(repo: &Repo<'_>) -> Result<(Reply, Value), Failure> {
    let first = released(repo, "1.0.0").await?;
    let other = artifact(repo, &module(repo.site)).await?;
    Ok((repo.put("1.0.0", &other).await?, first))
}

async fn other_content(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let (reply, first) = conflict(&repo).await?;
    reply.refused(409, "DENIED")?;
    site.get(repo.manifest("1.0.0")).await?.status(200)?.body(&text(&first))?;
    Ok(())
}

async fn other_content_words(site: &Site) -> Result<(), Failure> {
    let (reply, first) = conflict(&site.package()).await?;
    let message = reply.refused(409, "DENIED")?.json()?["errors"][0]["message"].to_string();
    let layer = first["layers"][0]["digest"].as_str().unwrap_or_default();
    if message.contains("1.0.0") && message.contains(layer) {
        return Ok(());
    }
    Err(reply.unlike(format!("a message with 1.0.0 and {layer}"), message))
}

async fn latest(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.9.0").await?;
    let highest = released(&repo, "1.10.0").await?;
    released(&repo, "1.0.0").await?;
    released(&repo, "2.0.0-rc.1").await?;
    site.get(repo.manifest("latest")).await?.status(200)?.body(&text(&highest))?;
    Ok(())
}

async fn latest_pre_release(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0-rc.1").await?;
    site.get(repo.manifest("latest")).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}

async fn latest_unlisted(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    site.head(repo.manifest("latest")).await?.status(200)?;
    same(&repo.tags(), repo.listed("").await?, vec!["1.0.0".to_owned()])
}

async fn latest_put(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = released(&repo, "1.0.0").await?;
    repo.put("latest", &manifest).await?.refused(405, "UNSUPPORTED")?;
    Ok(())
}

async fn latest_delete(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    site.delete(repo.manifest("latest")).await?.refused(405, "UNSUPPORTED")?;
    site.head(repo.manifest("latest")).await?.status(200)?;
    Ok(())
}

async fn foreign_manifest(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    refused(&repo, "1.1.0", &repo.image().await?).await
}

async fn index_on_version(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    refused(&repo, "1.1.0", &index(&[])).await
}

async fn layer_count(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let mut manifest = artifact(&repo, &module(site)).await?;
    let layer = manifest["layers"][0].clone();
    for layers in [vec![], vec![layer.clone(), layer]] {
        manifest["layers"] = layers.into();
        refused(&repo, "1.0.0", &manifest).await?;
    }
    Ok(())
}

async fn artifact_type(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let mut manifest = artifact(&repo, &module(site)).await?;
    manifest["artifactType"] = "application/wasm".into();
    refused(&repo, "1.0.0", &manifest).await
}

async fn sha512_layer(site: &Site) -> Result<(), Failure> {
    let (repo, wasm) = (site.package(), module(site));
    let mut manifest = artifact(&repo, &wasm).await?;
    let digest = Digest::sha512(&wasm);
    repo.session().await?.put(&digest, &wasm).await?.status(201)?;
    manifest["layers"] = vec![descriptor(LAYER, &digest, wasm.len())].into();
    refused(&repo, "1.0.0", &manifest).await
}

async fn not_wasm(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = artifact(&repo, &site.bytes()).await?;
    refused(&repo, "1.0.0", &manifest).await?;
    let cut = module(site);
    let manifest = artifact(&repo, &cut[..cut.len() - 1]).await?;
    refused(&repo, "1.0.0", &manifest).await
}

async fn other_tags(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    for _ in 0..2 {
        let (digest, _) = repo.tagged("nightly").await?;
        site.head(repo.manifest("nightly")).await?.status(200)?.digest(&digest)?;
    }
    let layer = repo.push(site.bytes()).await?;
    site.delete(repo.blob(&layer)).await?.status(202)?;
    site.delete(repo.manifest("nightly")).await?.status(202)?;
    site.head(repo.manifest("nightly")).await?.status(404)?;
    Ok(())
}

async fn build_metadata(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = artifact(&repo, &module(site)).await?;
    for tag in ["1.0.0+b", "1.0.0%2Bb"] {
        repo.put(tag, &manifest).await?.status(400)?.codes()?;
    }
    Ok(())
}

async fn older_shapes(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    for (tag, config, layer) in [
        ("a", "application/vnd.wasm.config.v1+json", "application/vnd.wasm.content.layer.v1+wasm"),
        (
            "b",
            "application/vnd.module.wasm.config.v1+json",
            "application/vnd.module.wasm.content.layer.v1+wasm",
        ),
        ("c", crate::site::CONFIG, "application/vnd.wasm.content.bundle.v1.tar+gzip"),
    ] {
        let mut image = repo.image().await?;
        image["config"]["mediaType"] = config.into();
        image["layers"][0]["mediaType"] = layer.into();
        repo.put(tag, &image).await?.status(201)?;
        site.get(repo.manifest(tag)).await?.status(200)?.body(&text(&image))?;
    }
    Ok(())
}

const REGISTRY_JSON: &str = "/.well-known/wasm-pkg/registry.json";

async fn registry_json(site: &Site) -> Result<(), Failure> {
    let reply = site.get(REGISTRY_JSON).await?;
    if reply.status == 404 {
        return Ok(());
    }
    let body = reply.status(200)?.json()?;
    let top = body.as_object().into_iter().flatten();
    match top.into_iter().find(|(key, value)| *key != "preferredProtocol" && !value.is_object()) {
        Some((key, _)) => Err(reply.unlike("objects only", format!("`{key}`"))),
        None => Ok(()),
    }
}

async fn registry_json_oci(site: &Site) -> Result<(), Failure> {
    let reply = site.get(REGISTRY_JSON).await?;
    let body = reply.status(200)?.json()?;
    same(&reply.named, body["preferredProtocol"].as_str(), Some("oci"))?;
    match body["oci"]["registry"].as_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(reply.unlike("`oci.registry`", body.to_string())),
    }
}

async fn foreign_before(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let (foreign, _) = repo.tagged("0.1.0").await?;
    site.head(repo.manifest("0.1.0")).await?.status(200)?.digest(&foreign)?;
    released(&repo, "1.0.0").await?;
    site.head(repo.manifest("0.1.0")).await?.status(404)?;
    same(&repo.tags(), repo.listed("").await?, vec!["1.0.0".to_owned()])
}

async fn plain_repository(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for _ in 0..2 {
        for tag in ["1.0.0", "latest"] {
            let (digest, _) = repo.tagged(tag).await?;
            site.head(repo.manifest(tag)).await?.status(200)?.digest(&digest)?;
        }
    }
    Ok(())
}

async fn delete_tag(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    site.delete(repo.manifest("1.0.0")).await?.refused(405, "UNSUPPORTED")?;
    site.head(repo.manifest("1.0.0")).await?.status(200)?;
    Ok(())
}

async fn delete_digest(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = released(&repo, "1.0.0").await?;
    let path = repo.manifest(Digest::of(text(&manifest)));
    site.delete(&path).await?.refused(405, "UNSUPPORTED")?;
    site.head(path).await?.status(200)?;
    Ok(())
}

async fn delete_blob(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    let manifest = released(&repo, "1.0.0").await?;
    for part in ["/layers/0/digest", "/config/digest"] {
        let digest = manifest.pointer(part).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/v2/{}/blobs/{digest}", repo.name);
        site.delete(&path).await?.refused(405, "UNSUPPORTED")?;
        site.head(path).await?.status(200)?;
    }
    Ok(())
}

async fn delete_words(site: &Site) -> Result<(), Failure> {
    let repo = site.package();
    released(&repo, "1.0.0").await?;
    let reply = site.delete(repo.manifest("1.0.0")).await?;
    let message = reply.refused(405, "UNSUPPORTED")?.json()?["errors"][0]["message"].to_string();
    if message.contains("yank") { Ok(()) } else { Err(reply.unlike("a message that says yank", message)) }
}
