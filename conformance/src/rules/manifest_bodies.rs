//! What a manifest may say.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::http::{Request, at_once};
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{
    CONFIG, DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, Repo, Site, descriptor, index,
    manifest_descriptor, text,
};

rules! {
    "Manifests" {
        Must "manifest.kind.oci-manifest" "An OCI manifest is taken and given back as such." oci_manifest;
        Must "manifest.kind.oci-index" "An OCI index is taken and given back as such." oci_index;
        Client "manifest.kind.docker-manifest" "A Docker manifest is taken and given back as such." docker_manifest;
        Client "manifest.kind.docker-list" "A Docker manifest list is taken and given back as such." docker_list;
        Ours "manifest.kind.other" "Another type is 400 `MANIFEST_INVALID`." other_kind;
        Ours "manifest.kind.none" "A manifest whose type neither header nor body says is 400." no_kind;
        Must "manifest.kind.differs" "A `mediaType` that differs from the Content-Type is 400." kind_differs;
        Must "manifest.confused.layers" "`manifests` beside `layers` is 400, whatever type is said." confused_layers;
        Must "manifest.confused.config" "`manifests` beside `config` is 400, whatever type is said." confused_config;
        Must "manifest.confused.kind" "An image that says that it is an index, or the other way round, is 400." confused_kind;
        Must "manifest.json.not-json" "A body that is no JSON is 400 `MANIFEST_INVALID`." not_json;
        Must "manifest.json.not-an-object" "A body that is no JSON object is 400 `MANIFEST_INVALID`." not_an_object;
        Must "manifest.json.empty" "An empty body is 400 `MANIFEST_INVALID`." empty_body;
        Must "manifest.json.duplicate-key" "A key twice in one object, at any depth, is 400." duplicate_key;
        Must "manifest.json.too-deep" "A body nested far too deep is 400." far_too_deep;
        Must "manifest.schema-version" "Another `schemaVersion` than 2 is 400." schema_version;
        Must "manifest.descriptor.size" "A descriptor whose size is not that of the content is 400." wrong_size;
        Must "manifest.descriptor.digest" "A descriptor with a malformed digest is 400." malformed_digest;
        Must "manifest.missing.config" "A config that is not there is 400 `MANIFEST_BLOB_UNKNOWN`." missing_config;
        Must "manifest.missing.layer" "A layer that is not there is 400 `MANIFEST_BLOB_UNKNOWN`." missing_layer;
        Must "manifest.missing.child" "A child of an index that is not there is 400 `MANIFEST_BLOB_UNKNOWN`." missing_child;
        Must "manifest.missing.each" "Each blob that is missing has an error of its own." missing_each;
        Must "manifest.missing.other-repository" "A blob that only another repository has is missing." missing_elsewhere;
        Must "manifest.missing.keeps-nothing" "A refused manifest is not there, and moves no tag." refused_keeps_nothing;
        Must "manifest.child-is-a-manifest" "A blob is no child of an index." blob_is_no_child;
        Must "manifest.subject.absent" "A subject need not be there." subject_absent;
        Must "manifest.nondistributable" "Layers of a nondistributable or foreign type need not be there." nondistributable;
        Must "manifest.empty-layers" "A manifest may have no layers." empty_layers;
        Must "manifest.empty-index" "An index may have no children." empty_index;
        Must "manifest.nested-index" "An index may have indexes as children." nested_index;
        Must "manifest.data" "Descriptors may have `data`." data;
        Must "manifest.artifact" "An artifact has `artifactType` and the empty config." artifact;
        Must "manifest.any-config-type" "The type of a config may be any." any_config_type;
        Must "manifest.any-layer-type" "The types of layers may be any." any_layer_type;
        Client "manifest.same-layer-twice" "A layer may be there twice." same_layer_twice;
        Client "manifest.many-layers" "A manifest may have 500 layers." many_layers;
        Must "manifest.index-artifact" "An index may have `artifactType`, annotations and a subject." index_artifact;
    }
    "Fine print" {
        Ours "manifest.json.depth" "The root has depth 1: 32 is taken, 33 is 400." depth;
        Ours "manifest.put.too-large.code" "The code of a 413 is `SIZE_INVALID`." too_large_code;
        Ours "manifest.unlinked-blobs" "A stored manifest whose blobs are unlinked is 400 when it is put again." unlinked_blobs;
    }
    "Known failures of registries" {
        Must "manifest.huge-length" "A body that claims to be huge is refused without being waited for." huge_length;
    }
}

/// The manifest is taken under a tag and comes back with its bytes and type.
async fn taken(repo: &Repo<'_>, manifest: &Value) -> Result<(), Failure> {
    let tag = format!("t{}", repo.site.number());
    repo.put(&tag, manifest).await?.status(201)?;
    let reply = repo.site.get(repo.manifest(&tag)).await?;
    reply.status(200)?.body(&text(manifest))?;
    reply.has("content-type", manifest["mediaType"].as_str().unwrap_or(MANIFEST))?;
    Ok(())
}

async fn invalid(repo: &Repo<'_>, media_type: &str, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    repo.put_bytes("a", media_type, bytes).await?.refused(400, "MANIFEST_INVALID")?;
    Ok(())
}

async fn oci_manifest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    taken(&repo, &repo.image().await?).await
}

async fn oci_index(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let child = repo.image().await?;
    repo.put_by_digest(&child).await?;
    taken(&repo, &index(&[manifest_descriptor(&child)])).await
}

async fn docker_image(repo: &Repo<'_>) -> Result<Value, Failure> {
    let mut image = repo.image().await?;
    image["mediaType"] = DOCKER_MANIFEST.into();
    image["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    image["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
    Ok(image)
}

async fn docker_manifest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    taken(&repo, &docker_image(&repo).await?).await
}

async fn docker_list(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = docker_image(&repo).await?;
    repo.put_by_digest(&image).await?;
    let mut child = manifest_descriptor(&image);
    child["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    let list = json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child] });
    taken(&repo, &list).await
}

async fn other_kind(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    for media_type in ["application/vnd.oci.artifact.manifest.v1+json", "application/json"] {
        image["mediaType"] = media_type.into();
        invalid(&repo, media_type, text(&image)).await?;
    }
    Ok(())
}

async fn no_kind(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image.as_object_mut().map(|fields| fields.remove("mediaType"));
    let reply = site.send(Request::put(repo.manifest("a"), text(&image))).await?;
    reply.refused(400, "MANIFEST_INVALID")?;
    Ok(())
}

async fn kind_differs(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    invalid(&repo, DOCKER_MANIFEST, text(&image)).await?;
    invalid(&repo, INDEX, text(&image)).await?;
    invalid(&repo, MANIFEST, text(&index(&[]))).await
}

/// A body of both kinds, as a manifest and as an index, saying its type and not.
async fn confused(site: &Site, field: &str) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for media_type in [MANIFEST, INDEX] {
        let mut both = index(&[]);
        both["mediaType"] = media_type.into();
        both[field] = image[field].clone();
        if media_type == MANIFEST {
            both["config"] = image["config"].clone();
        }
        invalid(&repo, media_type, text(&both)).await?;
        both.as_object_mut().map(|fields| fields.remove("mediaType"));
        invalid(&repo, media_type, text(&both)).await?;
    }
    Ok(())
}

async fn confused_layers(site: &Site) -> Result<(), Failure> {
    confused(site, "layers").await
}

async fn confused_config(site: &Site) -> Result<(), Failure> {
    confused(site, "config").await
}

async fn confused_kind(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image.as_object_mut().map(|fields| fields.remove("mediaType"));
    invalid(&repo, INDEX, text(&image)).await?;
    let mut list = index(&[]);
    list.as_object_mut().map(|fields| fields.remove("mediaType"));
    invalid(&repo, MANIFEST, text(&list)).await
}

async fn not_json(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for bytes in [&b"nothing"[..], b"{", b"{\"schemaVersion\":2,}", b"\xff\xfe{}", b"{} {}"] {
        invalid(&repo, MANIFEST, bytes).await?;
    }
    Ok(())
}

async fn not_an_object(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for bytes in ["[]", "null", "2", "\"text\"", "[{}]"] {
        invalid(&repo, MANIFEST, bytes).await?;
    }
    Ok(())
}

async fn empty_body(site: &Site) -> Result<(), Failure> {
    invalid(&site.repo(), MANIFEST, b"").await
}

async fn duplicate_key(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = String::from_utf8_lossy(&text(&repo.image().await?)).into_owned();
    let twice = image.replacen('{', "{\"layers\":[],", 1);
    invalid(&repo, MANIFEST, twice).await?;
    let inner = image.replacen("\"config\":{", "\"config\":{\"size\":1,", 1);
    invalid(&repo, MANIFEST, inner).await?;
    let escaped = image.replacen('{', "{\"l\\u0061yers\":[],", 1);
    invalid(&repo, MANIFEST, escaped).await
}

/// An image with a field that makes the whole this deep; the root is 1.
async fn of_depth(repo: &Repo<'_>, depth: usize) -> Result<Vec<u8>, Failure> {
    let image = String::from_utf8_lossy(&text(&repo.image().await?)).into_owned();
    let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
    Ok(image.replacen('{', &format!("{{\"deep\":{open}{close},"), 1).into_bytes())
}

async fn far_too_deep(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = of_depth(&repo, 100_000).await?;
    invalid(&repo, MANIFEST, bytes).await
}

async fn depth(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (fits, does_not) = (of_depth(&repo, 32).await?, of_depth(&repo, 33).await?);
    repo.put_bytes("fits", MANIFEST, fits).await?.status(201)?;
    invalid(&repo, MANIFEST, does_not).await
}

async fn schema_version(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for version in [json!(1), json!(3), json!("2"), Value::Null] {
        let mut image = repo.image().await?;
        image["schemaVersion"] = version;
        invalid(&repo, MANIFEST, text(&image)).await?;
    }
    Ok(())
}

async fn wrong_size(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for field in ["/config/size", "/layers/0/size"] {
        for size in [json!(1), json!(1_000_000), json!(-1)] {
            let mut wrong = image.clone();
            if let Some(its) = wrong.pointer_mut(field) {
                *its = size;
            }
            repo.put("a", &wrong).await?.status(400)?.codes()?;
        }
    }
    Ok(())
}

async fn malformed_digest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for digest in ["sha256:bad", "", "../../etc/passwd", "sha256"] {
        let mut image = repo.image().await?;
        image["layers"][0]["digest"] = digest.into();
        let allowed = [(400, "MANIFEST_INVALID"), (400, "DIGEST_INVALID")];
        repo.put("a", &image).await?.refused_as(&allowed)?;
    }
    Ok(())
}

async fn missing_config(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["config"] = descriptor(CONFIG, &site.absent(), 10);
    repo.put("a", &image).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn missing_layer(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["layers"] = vec![descriptor(LAYER, &site.absent(), 10)].into();
    repo.put("a", &image).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn missing_child(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.some_blob().await?;
    let list = index(&[descriptor(MANIFEST, &site.absent(), 10)]);
    repo.put("a", &list).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn missing_each(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    let layers: Vec<Value> = (0..3).map(|_| descriptor(LAYER, &site.absent(), 10)).collect();
    image["layers"] = layers.clone().into();
    let reply = repo.put("a", &image).await?;
    let codes = reply.refused(400, "MANIFEST_BLOB_UNKNOWN")?.codes()?;
    let body = String::from_utf8_lossy(&reply.bytes).into_owned();
    let named =
        layers.iter().all(|layer| layer["digest"].as_str().is_some_and(|digest| body.contains(digest)));
    if codes.len() == 3 && named { Ok(()) } else { Err(reply.unlike("3 errors that name the blobs", body)) }
}

async fn missing_elsewhere(site: &Site) -> Result<(), Failure> {
    let (repo, other) = (site.repo(), site.repo());
    let mut image = repo.image().await?;
    let (digest, bytes) = other.some_blob().await?;
    image["layers"] = vec![descriptor(LAYER, &digest, bytes.len())].into();
    repo.put("a", &image).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    let child = other.image().await?;
    other.put_by_digest(&child).await?;
    let list = index(&[manifest_descriptor(&child)]);
    repo.put("a", &list).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn refused_keeps_nothing(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (before, _) = repo.tagged("a").await?;
    let mut image = repo.image().await?;
    image["layers"] = vec![descriptor(LAYER, &site.absent(), 10)].into();
    repo.put("a", &image).await?.status(400)?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&before)?;
    site.head(repo.manifest(Digest::of(text(&image)))).await?.status(404)?;
    Ok(())
}

async fn blob_is_no_child(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = text(&repo.image().await?);
    let digest = repo.push(&bytes).await?;
    let list = index(&[descriptor(MANIFEST, &digest, bytes.len())]);
    repo.put("a", &list).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn subject_absent(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["subject"] = descriptor(MANIFEST, &site.absent(), 1234);
    taken(&repo, &image).await
}

async fn nondistributable(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for media_type in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ] {
        let mut image = repo.image().await?;
        let mut layer = descriptor(media_type, &site.absent(), 1234);
        layer["urls"] = json!(["https://layers.example/one"]);
        image["layers"] = vec![layer].into();
        taken(&repo, &image).await?;
    }
    Ok(())
}

async fn empty_layers(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["layers"] = json!([]);
    taken(&repo, &image).await
}

async fn empty_index(site: &Site) -> Result<(), Failure> {
    taken(&site.repo(), &index(&[])).await
}

async fn nested_index(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let inner = index(&[]);
    repo.put_by_digest(&inner).await?;
    let middle = index(&[manifest_descriptor(&inner)]);
    repo.put_by_digest(&middle).await?;
    taken(&repo, &index(&[manifest_descriptor(&middle)])).await
}

async fn data(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    repo.push(b"{}").await?;
    image["config"] = descriptor(CONFIG, &Digest::of(b"{}"), 2);
    image["config"]["data"] = "e30=".into();
    taken(&repo, &image).await
}

async fn artifact(site: &Site) -> Result<(), Failure> {
    const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    let repo = site.repo();
    let mut image = repo.image().await?;
    repo.push(b"{}").await?;
    image["config"] = descriptor(EMPTY, &Digest::of(b"{}"), 2);
    image["artifactType"] = "application/vnd.example.thing+json".into();
    image["layers"] = vec![descriptor(EMPTY, &Digest::of(b"{}"), 2)].into();
    taken(&repo, &image).await
}

async fn any_config_type(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["config"]["mediaType"] = "application/vnd.example.config+toml".into();
    taken(&repo, &image).await
}

async fn any_layer_type(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for media_type in [
        "application/vnd.wasm.content.layer.v1+wasm",
        "application/vnd.module.wasm.content.layer.v1+wasm",
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
        "application/vnd.fermyon.spin.application.v1+config",
        "text/spdx",
    ] {
        let mut image = repo.image().await?;
        image["layers"][0]["mediaType"] = media_type.into();
        taken(&repo, &image).await?;
    }
    Ok(())
}

async fn same_layer_twice(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["layers"] = vec![image["layers"][0].clone(); 2].into();
    taken(&repo, &image).await
}

async fn many_layers(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["layers"] = vec![image["layers"][0].clone(); 500].into();
    taken(&repo, &image).await
}

async fn index_artifact(site: &Site) -> Result<(), Failure> {
    let mut list = index(&[]);
    list["artifactType"] = "application/vnd.example.list".into();
    list["annotations"] = json!({ "a": "b" });
    list["subject"] = descriptor(MANIFEST, &site.absent(), 10);
    taken(&site.repo(), &list).await
}

async fn too_large_code(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["annotations"] = json!({ "test": "x".repeat(4 * 1024 * 1024) });
    repo.put("a", &image).await?.refused(413, "SIZE_INVALID")?;
    Ok(())
}

async fn unlinked_blobs(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let (layer, bytes) = repo.some_blob().await?;
    let mut image = image;
    image["layers"] = vec![descriptor(LAYER, &layer, bytes.len())].into();
    repo.put("a", &image).await?.status(201)?;
    site.delete(repo.blob(&layer)).await?.status(202)?;
    repo.put("a", &image).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn huge_length(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let request = Request::new("PUT", repo.manifest("a")).header("Content-Type", MANIFEST);
    let request = request.header("Content-Length", "9000000000000000000");
    at_once(&request.named(), site.send(request.clone())).await?.status_in(&[400, 413])?;
    site.get("/v2/").await?.status(200)?;
    Ok(())
}
