//! Reading whole blobs.

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{INDEX, MANIFEST, Site, same};

rules! {
    "Endpoints" {
        Must "blob.get.bytes" "`GET` of a blob is 200 with exactly its bytes." get_bytes;
        Must "blob.get.length" "`GET` of a blob says its Content-Length." get_length;
        Must "blob.get.digest-header" "`GET` of a blob says its digest in Docker-Content-Digest." get_digest;
        Must "blob.get.accept-ranges" "`GET` of a blob says `Accept-Ranges: bytes`." get_accept_ranges;
        Must "blob.get.etag" "`GET` of a blob has its quoted digest as ETag." get_etag;
        Must "blob.get.media-type" "A blob is `application/octet-stream`, whatever was said when it was pushed." get_media_type;
        Must "blob.get.unknown" "A blob that is not there is 404 `BLOB_UNKNOWN`." get_unknown;
        Must "blob.get.unknown-repository" "A blob of a repository that is not there is 404." get_unknown_repository;
        Must "blob.get.large" "A blob of some megabytes comes whole." get_large;
        Must "blob.get.empty" "A blob of no bytes is read as such." get_empty;
        Must "blob.head.ok" "`HEAD` of a blob is 200 without a body." head_ok;
        Must "blob.head.length" "`HEAD` of a blob says the blob's length." head_length;
        Must "blob.head.digest-header" "`HEAD` of a blob says its digest." head_digest;
        Must "blob.head.as-get" "`HEAD` of a blob has the type, ETag and ranges of the `GET`." head_as_get;
        Must "blob.head.unknown" "`HEAD` of a blob that is not there is 404 without a body." head_unknown;
    }
    "Manifests" {
        Client "blob.get.accept-manifests" "A `GET` of a blob that accepts manifests only gets the blob." accept_manifests;
        Client "blob.get.not-modified" "`If-None-Match` with the blob's ETag is 304 without a body." not_modified;
        Ours "blob.get.immutable" "A blob may be cached for ever: `Cache-Control` says immutable." immutable;
    }
    "Known failures of registries" {
        Must "blob.other-repository" "A blob of one repository is not in another." other_repository;
        Ours "blob.same-refusal" "A blob that another repository has is refused as one that nobody has." same_refusal;
        Ours "blob.nosniff" "A blob says `X-Content-Type-Options: nosniff`." nosniff;
        Ours "blob.attachment" "A blob says `Content-Disposition: attachment`." attachment;
        Ours "blob.sandbox" "A blob's Content-Security-Policy has `sandbox`." sandbox;
    }
}

/// A pushed blob, as `GET` answers it.
async fn got(site: &Site) -> Result<(Digest, Vec<u8>, crate::reply::Reply), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    let reply = site.get(repo.blob(&digest)).await?;
    reply.status(200)?;
    Ok((digest, bytes, reply))
}

/// A pushed blob, as `HEAD` answers it.
async fn headed(site: &Site) -> Result<(Digest, Vec<u8>, crate::reply::Reply), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    let reply = site.head(repo.blob(&digest)).await?;
    reply.status(200)?;
    Ok((digest, bytes, reply))
}

async fn get_bytes(site: &Site) -> Result<(), Failure> {
    let (_, bytes, reply) = got(site).await?;
    reply.body(&bytes)?;
    Ok(())
}

async fn get_length(site: &Site) -> Result<(), Failure> {
    let (_, bytes, reply) = got(site).await?;
    reply.has("content-length", bytes.len().to_string())?;
    Ok(())
}

async fn get_digest(site: &Site) -> Result<(), Failure> {
    let (digest, _, reply) = got(site).await?;
    reply.digest(&digest)?;
    Ok(())
}

async fn get_accept_ranges(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.has("accept-ranges", "bytes")?;
    Ok(())
}

async fn get_etag(site: &Site) -> Result<(), Failure> {
    let (digest, _, reply) = got(site).await?;
    reply.has("etag", format!("\"{digest}\""))?;
    Ok(())
}

async fn get_media_type(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.has("content-type", "application/octet-stream")?;
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::of(&bytes);
    let mut session = repo.session().await?;
    let request = Request::put(session.end(&digest), &bytes).header("Content-Type", "text/html");
    session.send(request).await?.status(201)?;
    site.get(repo.blob(&digest)).await?.status(200)?.has("content-type", "application/octet-stream")?;
    Ok(())
}

async fn get_unknown(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.some_blob().await?;
    site.get(repo.blob(&site.absent())).await?.refused(404, "BLOB_UNKNOWN")?;
    Ok(())
}

async fn get_unknown_repository(site: &Site) -> Result<(), Failure> {
    let reply = site.get(site.repo().blob(&site.absent())).await?;
    reply.refused_as(&[(404, "BLOB_UNKNOWN"), (404, "NAME_UNKNOWN")])?;
    Ok(())
}

async fn get_large(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(9 * 1024 * 1024 + 1));
    let digest = repo.push(&bytes).await?;
    site.get(repo.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn get_empty(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let digest = repo.push(b"").await?;
    site.get(repo.blob(&digest)).await?.status(200)?.has("content-length", "0")?.body(b"")?;
    site.head(repo.blob(&digest)).await?.status(200)?.has("content-length", "0")?;
    Ok(())
}

async fn head_ok(site: &Site) -> Result<(), Failure> {
    headed(site).await?.2.no_body()?;
    Ok(())
}

async fn head_length(site: &Site) -> Result<(), Failure> {
    let (_, bytes, reply) = headed(site).await?;
    reply.has("content-length", bytes.len().to_string())?;
    Ok(())
}

async fn head_digest(site: &Site) -> Result<(), Failure> {
    let (digest, _, reply) = headed(site).await?;
    reply.digest(&digest)?;
    Ok(())
}

async fn head_as_get(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    let (get, head) = (site.get(repo.blob(&digest)).await?, site.head(repo.blob(&digest)).await?);
    for name in ["content-type", "etag", "accept-ranges", "content-length", "docker-content-digest"] {
        head.has(name, get.must(name)?)?;
    }
    Ok(())
}

async fn head_unknown(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    site.head(repo.blob(&site.absent())).await?.status(404)?.no_body()?;
    repo.some_blob().await?;
    site.head(repo.blob(&site.absent())).await?.status(404)?.no_body()?;
    Ok(())
}

async fn accept_manifests(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    let request = Request::get(repo.blob(&digest)).header("Accept", format!("{MANIFEST}, {INDEX}"));
    site.send(request).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn not_modified(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    let known = |etag: String| Request::get(repo.blob(&digest)).header("If-None-Match", etag);
    site.send(known(format!("\"{digest}\""))).await?.status(304)?.no_body()?;
    site.send(known(format!("\"{}\"", site.absent()))).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn immutable(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.mentions("cache-control", "immutable")?;
    Ok(())
}

async fn other_repository(site: &Site) -> Result<(), Failure> {
    let (one, other) = (site.repo(), site.repo());
    let (digest, _) = one.some_blob().await?;
    site.get(other.blob(&digest)).await?.status(404)?;
    other.some_blob().await?;
    site.get(other.blob(&digest)).await?.refused(404, "BLOB_UNKNOWN")?;
    site.head(other.blob(&digest)).await?.status(404)?;
    Ok(())
}

async fn same_refusal(site: &Site) -> Result<(), Failure> {
    let (one, other) = (site.repo(), site.repo());
    let (digest, _) = one.some_blob().await?;
    other.some_blob().await?;
    let absent = site.absent();
    let of_another = site.get(other.blob(&digest)).await?;
    let of_nobody = site.get(other.blob(&absent)).await?;
    of_another.status(404)?;
    let text = |reply: &crate::reply::Reply, digest: &Digest| {
        String::from_utf8_lossy(&reply.bytes).replace(digest.as_str(), "DIGEST")
    };
    same(&of_another.named, text(&of_another, &digest), text(&of_nobody, &absent))
}

async fn nosniff(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.has("x-content-type-options", "nosniff")?;
    Ok(())
}

async fn attachment(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.mentions("content-disposition", "attachment")?;
    Ok(())
}

async fn sandbox(site: &Site) -> Result<(), Failure> {
    got(site).await?.2.mentions("content-security-policy", "sandbox")?;
    Ok(())
}
