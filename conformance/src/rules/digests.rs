//! Which texts are digests, and SHA-512.

use serde_json::Value;

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{LAYER, Repo, Site, descriptor, manifest_descriptor, text};

rules! {
    "Grammar and routing" {
        Must "digest.length" "A sha256 digest has exactly 64 digits and a sha512 one 128: else 400 `DIGEST_INVALID`." length;
        Must "digest.uppercase" "A digest with uppercase digits is 400 `DIGEST_INVALID`." uppercase;
        Must "digest.not-hex" "A sha256 digest of other characters than hex digits is 400 `DIGEST_INVALID`." not_hex;
        Ours "digest.other-algorithm" "Other algorithms than sha256 and sha512 are 400 `DIGEST_INVALID`." other_algorithm;
        Must "digest.never-a-tag" "A reference with a colon is a digest and never a tag." never_a_tag;
        Client "digest.percent-encoded" "`sha256%3A…` is a digest in paths and queries." percent_encoded;
    }
    "Known failures of registries" {
        Must "digest.as-path" "A digest that looks like a path is 400 `DIGEST_INVALID`, and never 5xx." as_path;
    }
    "Upload sessions" {
        Must "sha512.put" "A blob may be named by sha512 in the `PUT` without a word before." put;
        Must "sha512.stream" "A streamed blob may be named by sha512 in the `PUT` without a word before." stream;
        Must "sha512.chunks" "A blob in chunks may be named by sha512 in the `PUT` without a word before." chunks;
        Must "sha512.head" "A blob named by sha512 is found by that digest, and `Docker-Content-Digest` is that digest." head;
        Must "sha512.wrong" "Bytes that do not hash to a sha512 digest are 400 `DIGEST_INVALID`." wrong;
        Must "sha512.empty" "An empty blob may be named by sha512." empty;
    }
    "Endpoints" {
        Must "sha512.hint" "`POST …/uploads/?digest-algorithm=sha512` begins an upload." hint;
        Must "sha512.single-post" "A single `POST` may name its blob by sha512." single_post;
        Must "sha512.mount" "A blob named by sha512 can be mounted." mount;
        Must "sha512.delete" "A blob named by sha512 can be deleted." delete;
    }
    "Manifests" {
        Must "sha512.manifest" "A manifest may be put under its sha512 digest, and then that digest is told." manifest;
        Must "sha512.manifest-get" "A manifest is found by its sha512 digest, and that digest is told." manifest_get;
        Must "sha512.manifest-wrong" "A manifest that does not hash to its sha512 reference is 400 `DIGEST_INVALID`." manifest_wrong;
        Must "sha512.tag-is-sha256" "A push by tag is known by its sha256 digest." tag_is_sha256;
        Must "sha512.layer" "A manifest may name a layer by sha512." layer;
        Must "sha512.index" "An index may name a child by sha512." index;
    }
    "Lists" {
        Must "sha512.referrers" "Referrers of a subject named by sha512 are listed." referrers;
    }
}

async fn is_no_digest(site: &Site, digest: &str) -> Result<(), Failure> {
    let repo = site.repo();
    repo.some_blob().await?;
    let name = &repo.name;
    site.get(format!("/v2/{name}/blobs/{digest}")).await?.refused(400, "DIGEST_INVALID")?;
    site.get(repo.manifest(digest)).await?.refused(400, "DIGEST_INVALID")?;
    let mut session = repo.session().await?;
    let request = Request::put(session.end(digest), b"abc");
    session.send(request).await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

async fn none_is_a_digest(site: &Site, digests: &[String]) -> Result<(), Failure> {
    for digest in digests {
        is_no_digest(site, digest).await?;
    }
    Ok(())
}

async fn length(site: &Site) -> Result<(), Failure> {
    let hex = |count| "a".repeat(count);
    let sha256 = [0, 1, 63, 65, 128].map(|count| format!("sha256:{}", hex(count)));
    let sha512 = [64, 127, 129].map(|count| format!("sha512:{}", hex(count)));
    none_is_a_digest(site, &[&sha256[..], &sha512[..]].concat()).await
}

async fn uppercase(site: &Site) -> Result<(), Failure> {
    let digest = site.absent();
    let upper = format!("sha256:{}", digest.encoded().to_uppercase());
    none_is_a_digest(site, &[upper, format!("SHA256:{}", digest.encoded())]).await
}

async fn not_hex(site: &Site) -> Result<(), Failure> {
    let with = |end: &str| format!("sha256:{}{end}", "a".repeat(64 - end.len()));
    none_is_a_digest(site, &[with("g"), with("-"), with("="), with("_")]).await
}

async fn other_algorithm(site: &Site) -> Result<(), Failure> {
    let hex = |algorithm: &str, count| format!("{algorithm}:{}", "a".repeat(count));
    none_is_a_digest(site, &[hex("md5", 32), hex("sha1", 40), hex("blake3", 64), hex("sha384", 96)]).await
}

async fn never_a_tag(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for reference in ["a:b", "latest:", "sha256:latest"] {
        repo.put(reference, &image).await?.refused(400, "DIGEST_INVALID")?;
        site.get(repo.manifest(reference)).await?.refused(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

async fn percent_encoded(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let encoded = Digest::of(&bytes).to_string().replace(':', "%3A");
    let mut session = repo.session().await?;
    let request = Request::put(session.end(&encoded), &bytes);
    session.send(request).await?.status(201)?;
    for encoded in [encoded.clone(), encoded.replace("%3A", "%3a")] {
        site.get(format!("/v2/{}/blobs/{encoded}", repo.name)).await?.status(200)?.body(&bytes)?;
    }
    Ok(())
}

async fn as_path(site: &Site) -> Result<(), Failure> {
    let dots = ["sha256:..%2f..%2f..%2fetc%2fpasswd", "sha256:bad", "..%2f..:aa", "sha256:%00"];
    none_is_a_digest(site, &dots.map(str::to_owned)).await
}

async fn found(repo: &Repo<'_>, digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
    repo.site.get(repo.blob(digest)).await?.status(200)?.body(bytes)?;
    Ok(())
}

/// Pushes bytes under their sha512 digest.
async fn pushed(repo: &Repo<'_>) -> Result<(Digest, Vec<u8>), Failure> {
    let bytes = repo.site.bytes();
    let digest = Digest::sha512(&bytes);
    repo.session().await?.put(&digest, &bytes).await?.status(201)?;
    Ok((digest, bytes))
}

async fn put(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::sha512(&bytes);
    let reply = repo.session().await?.put(&digest, &bytes).await?;
    reply.status(201)?.leads_to(&repo.blob(&digest))?.digest(&digest)?;
    found(&repo, &digest, &bytes).await
}

async fn stream(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(300_000));
    let digest = Digest::sha512(&bytes);
    let mut session = repo.session().await?;
    let request = Request::new("PATCH", &session.place).chunked(&bytes, 70_000);
    session.send(request).await?.status(202)?;
    session.put(&digest, b"").await?.status(201)?.digest(&digest)?;
    found(&repo, &digest, &bytes).await
}

async fn chunks(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(3000));
    let digest = Digest::sha512(&bytes);
    let mut session = repo.session().await?;
    session.patch_at("0-999", &bytes[..1000]).await?.status(202)?;
    session.patch_at("1000-1999", &bytes[1000..2000]).await?.status(202)?;
    session.put(&digest, &bytes[2000..]).await?.status(201)?;
    found(&repo, &digest, &bytes).await
}

async fn head(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = pushed(&repo).await?;
    let reply = site.head(repo.blob(&digest)).await?;
    reply.status(200)?.digest(&digest)?.has("content-length", bytes.len().to_string())?;
    site.get(repo.blob(&digest)).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn wrong(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let other = Digest::sha512(b"other");
    repo.session().await?.put(&other, &bytes).await?.refused(400, "DIGEST_INVALID")?;
    site.head(repo.blob(&other)).await?.status(404)?;
    Ok(())
}

async fn empty(site: &Site) -> Result<(), Failure> {
    let (repo, digest) = (site.repo(), Digest::sha512(b""));
    repo.session().await?.put(&digest, b"").await?.status(201)?;
    found(&repo, &digest, b"").await
}

async fn hint(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::sha512(&bytes);
    let begun = site.post(format!("{}?digest-algorithm=sha512", repo.uploads())).await?;
    begun.status(202)?;
    let mut session = crate::site::Session { site, place: begun.location()? };
    session.patch(&bytes).await?.status(202)?;
    session.put(&digest, b"").await?.status(201)?.digest(&digest)?;
    found(&repo, &digest, &bytes).await
}

async fn single_post(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::sha512(&bytes);
    let request = Request::post(format!("{}?digest={digest}", repo.uploads())).body(&bytes);
    site.send(request).await?.status(201)?.digest(&digest)?;
    found(&repo, &digest, &bytes).await
}

async fn mount(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, bytes) = pushed(&from).await?;
    let reply = site.post(format!("{}?mount={digest}&from={}", to.uploads(), from.name)).await?;
    reply.status(201)?.leads_to(&to.blob(&digest))?.digest(&digest)?;
    found(&to, &digest, &bytes).await
}

async fn delete(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = pushed(&repo).await?;
    site.delete(repo.blob(&digest)).await?.status(202)?;
    site.head(repo.blob(&digest)).await?.status(404)?;
    Ok(())
}

/// Puts an image under its sha512 digest.
async fn put_manifest(repo: &Repo<'_>) -> Result<(Digest, Value), Failure> {
    let image = repo.image().await?;
    let digest = Digest::sha512(text(&image));
    let reply = repo.put(&digest, &image).await?;
    reply.status(201)?.leads_to(&repo.manifest(&digest))?.digest(&digest)?;
    Ok((digest, image))
}

async fn manifest(site: &Site) -> Result<(), Failure> {
    put_manifest(&site.repo()).await.map(drop)
}

async fn manifest_get(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, image) = put_manifest(&repo).await?;
    site.get(repo.manifest(&digest)).await?.status(200)?.digest(&digest)?.body(&text(&image))?;
    site.head(repo.manifest(&digest)).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn manifest_wrong(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    repo.put(Digest::sha512(b"other"), &image).await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

async fn tag_is_sha256(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (_, image) = put_manifest(&repo).await?;
    let digest = Digest::of(text(&image));
    repo.put("a", &image).await?.status(201)?.digest(&digest)?.leads_to(&repo.manifest(&digest))?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn layer(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = pushed(&repo).await?;
    let mut image = repo.image().await?;
    image["layers"] = Value::from(vec![descriptor(LAYER, &digest, bytes.len())]);
    repo.put("a", &image).await?.status(201)?;
    image["layers"] = Value::from(vec![descriptor(LAYER, &Digest::sha512(site.bytes()), 3)]);
    repo.put("b", &image).await?.refused(400, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

async fn index(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, image) = put_manifest(&repo).await?;
    let mut child = manifest_descriptor(&image);
    child["digest"] = digest.as_str().into();
    repo.put("a", &crate::site::index(&[child])).await?.status(201)?;
    Ok(())
}

async fn referrers(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (subject, image) = put_manifest(&repo).await?;
    let mut referrer = repo.image().await?;
    referrer["subject"] = manifest_descriptor(&image);
    referrer["subject"]["digest"] = subject.as_str().into();
    let reply = repo.put("a", &referrer).await?;
    reply.status(201)?.has("oci-subject", subject.as_str())?;
    let listed = site.get(repo.referrers(&subject)).await?;
    let manifests = listed.status(200)?.json()?["manifests"].clone();
    let digests: Vec<&str> =
        manifests.as_array().into_iter().flatten().filter_map(|m| m["digest"].as_str()).collect();
    if digests == [Digest::of(text(&referrer)).as_str()] {
        return Ok(());
    }
    Err(listed.unlike("the referrer", manifests.to_string()))
}
