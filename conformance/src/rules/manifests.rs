//! Manifests: pushed, and read with exactly their bytes.

use serde_json::json;

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{INDEX, MANIFEST, Repo, Site, index, manifest_descriptor, same, text};

rules! {
    "Endpoints" {
        Must "manifest.put.by-tag" "`PUT` of a manifest by tag is 201." put_by_tag;
        Must "manifest.put.by-digest" "`PUT` of a manifest by digest is 201." put_by_digest;
        Must "manifest.put.location" "The 201 leads to the manifest's digest, also of a push by tag." put_location;
        Client "manifest.put.location-is-a-path" "That Location is a path without a host." put_location_is_a_path;
        Must "manifest.put.digest-header" "The 201 says the manifest's digest." put_digest;
        Must "manifest.put.subject-header" "The 201 of a manifest with a subject says `OCI-Subject`." put_subject;
        Must "manifest.put.no-subject-header" "The 201 of a manifest without a subject does not." put_no_subject;
        Must "manifest.get.by-tag" "`GET` by tag is 200 with exactly the bytes that were pushed." get_by_tag;
        Must "manifest.get.by-digest" "`GET` by digest is 200 with exactly the bytes that were pushed." get_by_digest;
        Must "manifest.get.length" "`GET` says its Content-Length." get_length;
        Must "manifest.get.media-type" "`GET` has exactly the Content-Type that was pushed." get_media_type;
        Must "manifest.get.digest-header" "`GET` says the manifest's digest, by tag and by digest." get_digest;
        Must "manifest.get.etag" "`GET` has the quoted digest as ETag." get_etag;
        Must "manifest.get.unknown-tag" "A tag that is not there is 404 `MANIFEST_UNKNOWN`." unknown_tag;
        Must "manifest.get.unknown-digest" "A digest that is not there is 404 `MANIFEST_UNKNOWN`." unknown_digest;
        Must "manifest.get.unknown-repository" "A repository that is not there is 404 `NAME_UNKNOWN` or `MANIFEST_UNKNOWN`." unknown_repository;
        Must "manifest.head.ok" "`HEAD` is 200 without a body, by tag and by digest." head_ok;
        Must "manifest.head.headers" "`HEAD` has the length, type, digest and ETag of the `GET`." head_headers;
        Must "manifest.head.unknown" "`HEAD` of what is not there is 404 without a body." head_unknown;
    }
    "Manifests" {
        Must "manifest.put.chunked" "A manifest may come in chunks of the transfer coding, without a length." put_chunked;
        Must "manifest.put.large" "A manifest of 3.9 MB, 390 annotations of 10 kB, is taken and given back." put_large;
        Must "manifest.put.too-large" "A manifest of more than 4 MiB is 413." put_too_large;
        Must "manifest.put.too-large.chunked" "More than 4 MiB without a length before it is 413." put_too_large_chunked;
        Must "manifest.bytes.kept" "White space, order of keys and unknown fields are kept." bytes_kept;
        Must "manifest.type.parameters" "Parameters of the Content-Type are dropped." type_parameters;
        Client "manifest.type.absent" "Without a Content-Type the body's `mediaType` counts." type_absent;
        Must "manifest.digest.mismatch" "A body that does not hash to its reference is 400 `DIGEST_INVALID`." digest_mismatch;
        Must "manifest.digest.space" "A body with spaces after it is 400 `DIGEST_INVALID` under the digest without." digest_space;
        Client "manifest.accept.none" "Without Accept the manifest comes as it is." accept_none;
        Client "manifest.accept.any" "`Accept: */*` gets the manifest as it is." accept_any;
        Must "manifest.accept.other" "An Accept of something else gets it as well, never 406." accept_other;
        Client "manifest.accept.lines" "An Accept in many lines gets it, too." accept_lines;
        Must "manifest.accept.no-conversion" "A digest named by tag is what is stored, not a converted child." no_conversion;
        Client "manifest.not-modified" "`If-None-Match` with the ETag is 304 without a body." not_modified;
        Ours "manifest.immutable" "By digest a manifest may be cached for ever, by tag not." immutable;
        Must "manifest.tag.moves" "A tag moves to what was pushed last; the former manifest stays." tag_moves;
        Must "manifest.tag.same" "The same bytes may be pushed to a tag again." tag_same;
        Must "manifest.tag.many" "A manifest may have many tags." tag_many;
        Must "manifest.other-repository" "A manifest of one repository is not in another." other_repository;
    }
}

/// An image under the tag `a`: where, its digest, its bytes, the reply.
async fn tagged(site: &Site) -> Result<(Repo<'_>, Digest, Vec<u8>, Reply), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let reply = repo.put("a", &image).await?;
    reply.status(201)?;
    let bytes = text(&image);
    Ok((repo, Digest::of(&bytes), bytes, reply))
}

async fn put_by_tag(site: &Site) -> Result<(), Failure> {
    tagged(site).await.map(drop)
}

async fn put_by_digest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    repo.put_by_digest(&image).await.map(drop)
}

async fn put_location(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, reply) = tagged(site).await?;
    reply.leads_to(&repo.manifest(&digest))?;
    Ok(())
}

async fn put_location_is_a_path(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, reply) = tagged(site).await?;
    reply.has("location", repo.manifest(&digest))?;
    Ok(())
}

async fn put_digest(site: &Site) -> Result<(), Failure> {
    let (_, digest, _, reply) = tagged(site).await?;
    reply.digest(&digest)?;
    Ok(())
}

async fn put_subject(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let subject = repo.image().await?;
    let mut image = repo.image().await?;
    image["subject"] = manifest_descriptor(&subject);
    repo.put("a", &image).await?.status(201)?.has("oci-subject", Digest::of(text(&subject)).as_str())?;
    Ok(())
}

async fn put_no_subject(site: &Site) -> Result<(), Failure> {
    tagged(site).await?.3.lacks("oci-subject")?;
    Ok(())
}

async fn get_by_tag(site: &Site) -> Result<(), Failure> {
    let (repo, _, bytes, _) = tagged(site).await?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn get_by_digest(site: &Site) -> Result<(), Failure> {
    let (repo, digest, bytes, _) = tagged(site).await?;
    site.get(repo.manifest(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn get_length(site: &Site) -> Result<(), Failure> {
    let (repo, _, bytes, _) = tagged(site).await?;
    site.get(repo.manifest("a")).await?.status(200)?.has("content-length", bytes.len().to_string())?;
    Ok(())
}

async fn get_media_type(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, _) = tagged(site).await?;
    site.get(repo.manifest(&digest)).await?.status(200)?.has("content-type", MANIFEST)?;
    repo.put("i", &index(&[])).await?.status(201)?;
    site.get(repo.manifest("i")).await?.status(200)?.has("content-type", INDEX)?;
    Ok(())
}

async fn get_digest(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, _) = tagged(site).await?;
    site.get(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    site.get(repo.manifest(&digest)).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn get_etag(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, _) = tagged(site).await?;
    site.get(repo.manifest("a")).await?.status(200)?.has("etag", format!("\"{digest}\""))?;
    site.get(repo.manifest(&digest)).await?.status(200)?.has("etag", format!("\"{digest}\""))?;
    Ok(())
}

async fn unknown_tag(site: &Site) -> Result<(), Failure> {
    let (repo, ..) = tagged(site).await?;
    site.get(repo.manifest("gone")).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}

async fn unknown_digest(site: &Site) -> Result<(), Failure> {
    let (repo, ..) = tagged(site).await?;
    site.get(repo.manifest(site.absent())).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}

async fn unknown_repository(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let allowed = [(404, "NAME_UNKNOWN"), (404, "MANIFEST_UNKNOWN")];
    site.get(repo.manifest("a")).await?.refused_as(&allowed)?;
    site.get(repo.manifest(site.absent())).await?.refused_as(&allowed)?;
    Ok(())
}

async fn head_ok(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, _) = tagged(site).await?;
    site.head(repo.manifest("a")).await?.status(200)?.no_body()?;
    site.head(repo.manifest(&digest)).await?.status(200)?.no_body()?;
    Ok(())
}

async fn head_headers(site: &Site) -> Result<(), Failure> {
    let (repo, digest, bytes, _) = tagged(site).await?;
    for reference in ["a", digest.as_str()] {
        let reply = site.head(repo.manifest(reference)).await?;
        reply.status(200)?.has("content-length", bytes.len().to_string())?.has("content-type", MANIFEST)?;
        reply.digest(&digest)?.has("etag", format!("\"{digest}\""))?;
    }
    Ok(())
}

async fn head_unknown(site: &Site) -> Result<(), Failure> {
    let (repo, ..) = tagged(site).await?;
    for path in [repo.manifest("gone"), repo.manifest(site.absent()), site.repo().manifest("a")] {
        site.head(path).await?.status(404)?.no_body()?;
    }
    Ok(())
}

async fn put_chunked(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = text(&repo.image().await?);
    let request = Request::new("PUT", repo.manifest("a")).header("Content-Type", MANIFEST);
    site.send(request.chunked(&bytes, 50)).await?.status(201)?.digest(&Digest::of(&bytes))?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn put_large(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    for number in 0..390 {
        image["annotations"][format!("test.{number}")] = "x".repeat(10_000).into();
    }
    repo.put("a", &image).await?.status(201)?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&text(&image))?;
    Ok(())
}

/// An image of one annotation too many.
async fn too_large(repo: &Repo<'_>) -> Result<Vec<u8>, Failure> {
    let mut image = repo.image().await?;
    image["annotations"] = json!({ "test": "x".repeat(4 * 1024 * 1024) });
    Ok(text(&image))
}

async fn put_too_large(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = too_large(&repo).await?;
    repo.put_bytes("a", MANIFEST, bytes).await?.status(413)?;
    site.head(repo.manifest("a")).await?.status(404)?;
    Ok(())
}

async fn put_too_large_chunked(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = too_large(&repo).await?;
    let request = Request::new("PUT", repo.manifest("a")).header("Content-Type", MANIFEST);
    site.send(request.chunked(&bytes, 1_000_000)).await?.status(413)?;
    Ok(())
}

async fn bytes_kept(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut image = repo.image().await?;
    image["zzz"] = json!({ "b": [1, null], "a": "\u{e9}" });
    image["aaa"] = true.into();
    let pretty = format!("{image:#}").replace("\"aaa\"", " \t\"a\\u0061a\"");
    let bytes = format!("\n  {pretty}\n\n").into_bytes();
    repo.put_bytes("a", MANIFEST, &bytes).await?.status(201)?.digest(&Digest::of(&bytes))?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn type_parameters(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = text(&repo.image().await?);
    let typed = format!("{MANIFEST}; charset=utf-8");
    repo.put_bytes("a", &typed, &bytes).await?.status(201)?;
    site.get(repo.manifest("a")).await?.status(200)?.has("content-type", MANIFEST)?;
    Ok(())
}

async fn type_absent(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bytes = text(&repo.image().await?);
    site.send(Request::put(repo.manifest("a"), &bytes)).await?.status(201)?;
    site.get(repo.manifest("a")).await?.status(200)?.has("content-type", MANIFEST)?;
    Ok(())
}

async fn digest_mismatch(site: &Site) -> Result<(), Failure> {
    let (repo, absent) = (site.repo(), site.absent());
    let image = repo.image().await?;
    repo.put(&absent, &image).await?.refused(400, "DIGEST_INVALID")?;
    site.head(repo.manifest(&absent)).await?.status(404)?;
    Ok(())
}

async fn digest_space(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut bytes = text(&repo.image().await?);
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(b"  ");
    repo.put_bytes(&digest, MANIFEST, &bytes).await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

/// The manifest comes whole to whoever accepts these lines.
async fn accepts(site: &Site, lines: &[&str]) -> Result<(), Failure> {
    let (repo, digest, bytes, _) = tagged(site).await?;
    for reference in ["a", digest.as_str()] {
        let request = Request::get(repo.manifest(reference));
        let request = lines.iter().fold(request, |request, line| request.header("Accept", *line));
        site.send(request).await?.status(200)?.has("content-type", MANIFEST)?.body(&bytes)?;
    }
    Ok(())
}

async fn accept_none(site: &Site) -> Result<(), Failure> {
    accepts(site, &[]).await
}

async fn accept_any(site: &Site) -> Result<(), Failure> {
    accepts(site, &["*/*"]).await
}

async fn accept_other(site: &Site) -> Result<(), Failure> {
    accepts(site, &["text/html"]).await?;
    accepts(site, &[INDEX]).await?;
    accepts(site, &["not a media type"]).await
}

async fn accept_lines(site: &Site) -> Result<(), Failure> {
    accepts(site, &["application/vnd.docker.distribution.manifest.v1+json", INDEX, MANIFEST]).await
}

async fn no_conversion(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let child = repo.image().await?;
    repo.put_by_digest(&child).await?;
    let list = index(&[manifest_descriptor(&child)]);
    repo.put("a", &list).await?.status(201)?;
    let request = Request::get(repo.manifest("a")).header("Accept", MANIFEST);
    site.send(request).await?.status(200)?.has("content-type", INDEX)?.body(&text(&list))?;
    Ok(())
}

async fn not_modified(site: &Site) -> Result<(), Failure> {
    let (repo, digest, bytes, _) = tagged(site).await?;
    for reference in ["a", digest.as_str()] {
        let known = |of: &Digest| {
            let request = Request::get(repo.manifest(reference)).accepting();
            request.header("If-None-Match", format!("\"{of}\""))
        };
        site.send(known(&digest)).await?.status(304)?.no_body()?;
        site.send(known(&site.absent())).await?.status(200)?.body(&bytes)?;
    }
    Ok(())
}

async fn immutable(site: &Site) -> Result<(), Failure> {
    let (repo, digest, _, _) = tagged(site).await?;
    site.get(repo.manifest(&digest)).await?.status(200)?.mentions("cache-control", "immutable")?;
    let by_tag = site.get(repo.manifest("a")).await?;
    match by_tag.status(200)?.header("cache-control") {
        Some(value) if value.contains("immutable") => Err(by_tag.unlike("no `immutable`", value)),
        _ => Ok(()),
    }
}

async fn tag_moves(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (first, first_bytes) = repo.tagged("a").await?;
    let (second, second_bytes) = repo.tagged("a").await?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&second_bytes)?.digest(&second)?;
    site.get(repo.manifest(&first)).await?.status(200)?.body(&first_bytes)?;
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned()])
}

async fn tag_same(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for _ in 0..3 {
        repo.put("a", &image).await?.status(201)?.digest(&Digest::of(text(&image)))?;
    }
    Ok(())
}

async fn tag_many(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for tag in ["a", "b", "c"] {
        repo.put(tag, &image).await?.status(201)?;
    }
    for tag in ["a", "b", "c"] {
        site.head(repo.manifest(tag)).await?.status(200)?.digest(&Digest::of(text(&image)))?;
    }
    Ok(())
}

async fn other_repository(site: &Site) -> Result<(), Failure> {
    let (one, other) = (site.repo(), site.repo());
    let (digest, _) = one.tagged("a").await?;
    other.tagged("b").await?;
    site.get(other.manifest(&digest)).await?.refused(404, "MANIFEST_UNKNOWN")?;
    site.get(other.manifest("a")).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}
