//! Upload sessions: how they begin, take bytes, and end.

use std::time::Duration;

use crate::digest::Digest;
use crate::http::{Request, at_once};
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Repo, Session, Site, same};

rules! {
    "Endpoints" {
        Must "upload.begin.ok" "`POST …/uploads/` is 202 with a Location." begin_ok;
        Must "upload.begin.range" "A new session has `Range: 0-0`." begin_range;
        Must "upload.begin.uuid" "A new session has a Docker-Upload-UUID." begin_uuid;
        Must "upload.begin.minimum" "`OCI-Chunk-Min-Length` is a number if it is there." begin_minimum;
        Ours "upload.begin.no-minimum" "There is no smallest chunk." begin_no_minimum;
        Client "upload.location-is-a-path" "Locations are paths without a host, which no header can forge." location_is_a_path;
        Must "upload.put.created" "`PUT` with all bytes is 201." put_created;
        Must "upload.put.location" "The 201 of a `PUT` leads to the blob." put_location;
        Must "upload.put.digest-header" "The 201 of a `PUT` says the blob's digest." put_digest;
        Must "upload.put.empty-after-patch" "A `PUT` without bytes ends a session that has them." put_empty_after_patch;
        Must "upload.put.no-digest" "A `PUT` without digest is 400 `DIGEST_INVALID`." put_no_digest;
        Must "upload.put.unknown-session" "`PUT` to a session that is not there is 404 `BLOB_UPLOAD_UNKNOWN`." put_unknown;
        Must "upload.patch.accepted" "`PATCH` is 202 with Location, Range and Docker-Upload-UUID." patch_accepted;
        Must "upload.patch.unknown-session" "`PATCH` to a session that is not there is 404 `BLOB_UPLOAD_UNKNOWN`." patch_unknown;
        Must "upload.get.ok" "`GET` of a session is 204 with Location and Range." get_ok;
        Must "upload.get.empty" "`GET` of an empty session is 204 with `Range: 0-0`." get_empty;
        Must "upload.get.unknown-session" "`GET` of a session that is not there is 404 `BLOB_UPLOAD_UNKNOWN`." get_unknown;
        Must "upload.cancel.ok" "`DELETE` of a session is 204, and then it is gone." cancel_ok;
        Must "upload.cancel.unknown-session" "`DELETE` of a session that is not there is 404 `BLOB_UPLOAD_UNKNOWN`." cancel_unknown;
        Must "upload.post.created" "A single `POST` with digest and bytes is 201." post_created;
        Must "upload.post.headers" "The 201 of a single `POST` leads to the blob and says its digest." post_headers;
        Must "upload.post.wrong-digest" "A single `POST` of other bytes is 400 `DIGEST_INVALID`." post_wrong;
        Must "upload.post.malformed-digest" "A single `POST` with a malformed digest is 400 `DIGEST_INVALID`." post_malformed;
        Must "upload.post.empty-body" "A `POST` with a digest and no bytes begins a session that can be used." post_empty_body;
        Must "upload.post.empty-blob" "A single `POST` may push the blob of no bytes." post_empty_blob;
    }
    "Upload sessions" {
        Must "upload.stream.sized" "A `PATCH` without Content-Range takes what it brings." stream_sized;
        Must "upload.stream.chunked" "A `PATCH` may come in chunks of the transfer coding, without a length." stream_chunked;
        Must "upload.stream.again" "A second `PATCH` without Content-Range appends." stream_again;
        Must "upload.put.chunked" "A `PUT` may come in chunks of the transfer coding." put_chunked;
        Must "upload.post.chunked" "A single `POST` may come in chunks of the transfer coding." post_chunked;
        Must "upload.range" "The Range of a session is `0-LAST` of what it has." range_of_what_it_has;
        Must "upload.wrong-digest" "A `PUT` of other bytes than its digest's is 400 `DIGEST_INVALID`." wrong_digest;
        Must "upload.wrong-digest.drops" "After a wrong digest the session is gone, and no blob is there." wrong_digest_drops;
        Must "upload.readable-at-once" "What was answered 201 is readable at once." readable_at_once;
        Must "upload.zero-bytes" "A blob of no bytes can be pushed by `POST` and `PUT`." zero_bytes;
        Must "upload.ended" "A session that ended is 404." ended;
        Must "upload.again" "A blob that is there can be pushed again." again;
        Must "upload.any-content-type" "Any Content-Type will do, and none." any_content_type;
        Ours "upload.second-writer" "Who writes to a session while another does gets 409." second_writer;
        Ours "upload.id-is-long" "Session ids are of 128 random bits: long, and never alike." id_is_long;
        Client "upload.oci-client" "4 MiB each by `PATCH`, then an empty `PUT`: the answers are 202, 202, 201." oci_client;
    }
    "Fine print" {
        Ours "upload.second-writer.code" "The code of that 409 is `BLOB_UPLOAD_INVALID`." second_writer_code;
    }
    "Known failures of registries" {
        Must "upload.other-repository" "A session of one repository is 404 in another, by any method." other_repository;
        Must "upload.other-repository.stays" "A session that another repository asked for can still be used." other_repository_stays;
    }
}

const UUID: &str = "docker-upload-uuid";

async fn readable(repo: &Repo<'_>, bytes: &[u8]) -> Result<(), Failure> {
    repo.site.get(repo.blob(&Digest::of(bytes))).await?.status(200)?.body(bytes)?;
    Ok(())
}

async fn begin_ok(site: &Site) -> Result<(), Failure> {
    site.post(site.repo().uploads()).await?.status(202)?.location()?;
    Ok(())
}

async fn begin_range(site: &Site) -> Result<(), Failure> {
    site.post(site.repo().uploads()).await?.status(202)?.has("range", "0-0")?;
    Ok(())
}

async fn begin_uuid(site: &Site) -> Result<(), Failure> {
    site.post(site.repo().uploads()).await?.status(202)?.must(UUID)?;
    Ok(())
}

async fn begin_minimum(site: &Site) -> Result<(), Failure> {
    let reply = site.post(site.repo().uploads()).await?;
    match reply.status(202)?.header("oci-chunk-min-length") {
        Some(text) if text.parse::<u64>().is_err() => Err(reply.unlike("a number of bytes", text)),
        _ => Ok(()),
    }
}

async fn begin_no_minimum(site: &Site) -> Result<(), Failure> {
    site.post(site.repo().uploads()).await?.status(202)?.lacks("oci-chunk-min-length")?;
    Ok(())
}

async fn location_is_a_path(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let forged = Request::post(repo.uploads()).header("X-Forwarded-Host", "evil.example");
    let forged = forged.header("X-Forwarded-Proto", "https").header("Forwarded", "host=evil.example");
    let reply = site.send(forged).await?;
    let location = reply.status(202)?.must("location")?;
    if !location.starts_with('/') || location.starts_with("//") {
        return Err(reply.unlike("a Location that is a path", location));
    }
    Ok(())
}

/// A blob that one `PUT` brings.
async fn put_whole(site: &Site) -> Result<(Repo<'_>, Digest, crate::reply::Reply), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::of(&bytes);
    let reply = repo.session().await?.put(&digest, &bytes).await?;
    reply.status(201)?;
    readable(&repo, &bytes).await?;
    Ok((repo, digest, reply))
}

async fn put_created(site: &Site) -> Result<(), Failure> {
    put_whole(site).await.map(drop)
}

async fn put_location(site: &Site) -> Result<(), Failure> {
    let (repo, digest, reply) = put_whole(site).await?;
    reply.leads_to(&repo.blob(&digest))?;
    Ok(())
}

async fn put_digest(site: &Site) -> Result<(), Failure> {
    let (_, digest, reply) = put_whole(site).await?;
    reply.digest(&digest)?;
    Ok(())
}

async fn put_empty_after_patch(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let mut session = repo.session().await?;
    session.patch(&bytes).await?.status(202)?;
    session.put(&Digest::of(&bytes), b"").await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn put_no_digest(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    let request = Request::put(&session.place, b"abc");
    session.send(request).await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

/// A session that was there and was given up, so that its place has the server's own form.
async fn gone(site: &Site) -> Result<Session<'_>, Failure> {
    let mut session = site.repo().session().await?;
    session.cancel().await?.status(204)?;
    Ok(session)
}

async fn put_unknown(site: &Site) -> Result<(), Failure> {
    gone(site).await?.put(&Digest::of(b"abc"), b"abc").await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    Ok(())
}

async fn patch_unknown(site: &Site) -> Result<(), Failure> {
    gone(site).await?.patch(b"abc").await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    Ok(())
}

async fn get_unknown(site: &Site) -> Result<(), Failure> {
    gone(site).await?.get().await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    Ok(())
}

async fn cancel_unknown(site: &Site) -> Result<(), Failure> {
    gone(site).await?.cancel().await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    Ok(())
}

async fn cancel_ok(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    session.patch(b"abc").await?.status(202)?;
    session.cancel().await?.status(204)?.no_body()?;
    session.get().await?.status(404)?;
    session.patch(b"abc").await?.status(404)?;
    Ok(())
}

async fn patch_accepted(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    let reply = session.patch(b"0123456789").await?;
    reply.status(202)?.has("range", "0-9")?.must("location")?;
    reply.must(UUID)?;
    Ok(())
}

async fn get_ok(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    session.patch(b"0123456789").await?.status(202)?;
    let reply = session.get().await?;
    reply.status(204)?.has("range", "0-9")?.must("location")?;
    Ok(())
}

async fn get_empty(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    session.get().await?.status(204)?.has("range", "0-0")?.must("location")?;
    Ok(())
}

async fn post_with(repo: &Repo<'_>, digest: &str, bytes: &[u8]) -> Result<crate::reply::Reply, Failure> {
    let request = Request::post(format!("{}?digest={digest}", repo.uploads())).body(bytes);
    repo.site.send(request.header("Content-Type", "application/octet-stream")).await
}

async fn post_created(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    post_with(&repo, Digest::of(&bytes).as_str(), &bytes).await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn post_headers(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::of(&bytes);
    let reply = post_with(&repo, digest.as_str(), &bytes).await?;
    reply.status(201)?.leads_to(&repo.blob(&digest))?.digest(&digest)?;
    Ok(())
}

async fn post_wrong(site: &Site) -> Result<(), Failure> {
    let (repo, absent) = (site.repo(), site.absent());
    post_with(&repo, absent.as_str(), b"other").await?.refused(400, "DIGEST_INVALID")?;
    site.head(repo.blob(&absent)).await?.status(404)?;
    Ok(())
}

async fn post_malformed(site: &Site) -> Result<(), Failure> {
    for digest in ["sha256:bad", "sha256", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        post_with(&site.repo(), digest, b"abc").await?.refused(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

async fn post_empty_body(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.bytes());
    let digest = Digest::of(&bytes);
    let reply = post_with(&repo, digest.as_str(), b"").await?;
    reply.status(202)?;
    let mut session = Session { site, place: reply.location()? };
    session.put(&digest, &bytes).await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn post_empty_blob(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    post_with(&repo, Digest::of(b"").as_str(), b"").await?.status(201)?;
    readable(&repo, b"").await
}

async fn stream_sized(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(200_000));
    let mut session = repo.session().await?;
    let request = Request::patch(&session.place, &bytes);
    session.send(request).await?.status(202)?.has("range", "0-199999")?;
    session.put(&Digest::of(&bytes), b"").await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn stream_chunked(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(200_000));
    let mut session = repo.session().await?;
    let request = Request::new("PATCH", &session.place).chunked(&bytes, 33_333);
    session.send(request).await?.status(202)?.has("range", "0-199999")?;
    session.put(&Digest::of(&bytes), b"").await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn stream_again(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(90));
    let mut session = repo.session().await?;
    session.patch(&bytes[..30]).await?.status(202)?.has("range", "0-29")?;
    let request = Request::new("PATCH", &session.place).chunked(&bytes[30..60], 7);
    session.send(request).await?.status(202)?.has("range", "0-59")?;
    session.put(&Digest::of(&bytes), &bytes[60..]).await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn put_chunked(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(100_000));
    let mut session = repo.session().await?;
    let request = Request::new("PUT", session.end(Digest::of(&bytes))).chunked(&bytes, 9999);
    session.send(request).await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn post_chunked(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(100_000));
    let target = format!("{}?digest={}", repo.uploads(), Digest::of(&bytes));
    site.send(Request::new("POST", target).chunked(&bytes, 9999)).await?.status(201)?;
    readable(&repo, &bytes).await
}

async fn range_of_what_it_has(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    for (bytes, range) in [(&b"a"[..], "0-0"), (b"b", "0-1"), (b"cde", "0-4")] {
        session.patch(bytes).await?.status(202)?.has("range", range)?;
        session.get().await?.status(204)?.has("range", range)?;
    }
    Ok(())
}

async fn wrong_digest(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    session.put(&site.absent(), b"other").await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

async fn wrong_digest_drops(site: &Site) -> Result<(), Failure> {
    let (repo, absent) = (site.repo(), site.absent());
    let mut session = repo.session().await?;
    session.patch(b"other").await?.status(202)?;
    session.put(&absent, b"").await?.status(400)?;
    session.get().await?.status(404)?;
    session.put(&Digest::of(b"other"), b"").await?.status(404)?;
    site.head(repo.blob(&absent)).await?.status(404)?;
    Ok(())
}

async fn readable_at_once(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for size in [1, 1000, 70_000, 2_000_000] {
        let bytes = site.many_bytes(size);
        let digest = repo.push(&bytes).await?;
        site.head(repo.blob(&digest)).await?.status(200)?;
        readable(&repo, &bytes).await?;
    }
    Ok(())
}

async fn zero_bytes(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.push(b"").await?;
    readable(&repo, b"").await
}

async fn ended(site: &Site) -> Result<(), Failure> {
    let bytes = site.bytes();
    let mut session = site.repo().session().await?;
    let place = session.place.clone();
    session.put(&Digest::of(&bytes), &bytes).await?.status(201)?;
    session.place = place;
    session.get().await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    session.patch(b"more").await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    Ok(())
}

async fn again(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (_, bytes) = repo.some_blob().await?;
    repo.push(&bytes).await?;
    readable(&repo, &bytes).await
}

async fn any_content_type(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for content_type in [None, Some("image/png"), Some("application/json"), Some("text/plain; charset=utf-8")]
    {
        let bytes = site.bytes();
        let mut session = repo.session().await?;
        let typed = |request: Request| match content_type {
            Some(text) => request.header("Content-Type", text),
            None => request,
        };
        let request = typed(Request::patch(&session.place, &bytes[..5]));
        session.send(request).await?.status(202)?;
        let request = typed(Request::put(session.end(Digest::of(&bytes)), &bytes[5..]));
        session.send(request).await?.status(201)?;
        readable(&repo, &bytes).await?;
    }
    Ok(())
}

/// A second request to a session whose first is still sending; the reply to it.
async fn writes_while_another_does(site: &Site) -> Result<crate::reply::Reply, Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(100_000));
    let mut session = repo.session().await?;
    let first = Request::new("PATCH", &session.place);
    let first = site.begin(first, &bytes[..60_000]).await?;
    // The first must have arrived before the second does.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = at_once("a second PATCH to a session", session.patch(b"in between")).await?;
    let reply = first.finish(&bytes[60_000..]).await?;
    reply.status(202)?.has("range", "0-99999")?;
    session.place = reply.location()?;
    session.put(&Digest::of(&bytes), b"").await?.status(201)?;
    readable(&repo, &bytes).await?;
    Ok(second)
}

async fn second_writer(site: &Site) -> Result<(), Failure> {
    writes_while_another_does(site).await?.status(409)?;
    Ok(())
}

async fn second_writer_code(site: &Site) -> Result<(), Failure> {
    writes_while_another_does(site).await?.refused(409, "BLOB_UPLOAD_INVALID")?;
    Ok(())
}

async fn id_is_long(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let reply = site.post(repo.uploads()).await?;
        let id = reply.status(202)?.must(UUID)?.replace('-', "");
        // 128 bits take 32 hex digits, or 22 of base64.
        if id.len() < 22 || !seen.insert(id.clone()) {
            return Err(reply.unlike("a long id that was not there before", id));
        }
    }
    Ok(())
}

async fn oci_client(site: &Site) -> Result<(), Failure> {
    const PIECE_BYTES: usize = 4 * 1024 * 1024;
    let (repo, bytes) = (site.repo(), site.many_bytes(2 * PIECE_BYTES + 3));
    let mut session = repo.session().await?;
    let mut start = 0;
    for piece in bytes.chunks(PIECE_BYTES) {
        let range = format!("{start}-{}", start + piece.len() - 1);
        session.patch_at(&range, piece).await?.status(202)?;
        start += piece.len();
    }
    let request = Request::put(session.end(Digest::of(&bytes)), b"");
    session.send(request).await?.status(201)?;
    readable(&repo, &bytes).await
}

/// The place of a session, as if it were another repository's.
fn moved(session: &Session<'_>, from: &Repo<'_>, to: &Repo<'_>) -> String {
    session.place.replace(&from.uploads(), &to.uploads())
}

async fn other_repository(site: &Site) -> Result<(), Failure> {
    let (one, other) = (site.repo(), site.repo());
    other.some_blob().await?;
    let session = one.session().await?;
    let mut stolen = Session { site, place: moved(&session, &one, &other) };
    let place = stolen.place.clone();
    stolen.get().await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    stolen.patch(b"abc").await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    stolen.put(&Digest::of(b"abc"), b"abc").await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    stolen.cancel().await?.refused(404, "BLOB_UPLOAD_UNKNOWN")?;
    same("the session's place", stolen.place, place)
}

async fn other_repository_stays(site: &Site) -> Result<(), Failure> {
    let (one, other, bytes) = (site.repo(), site.repo(), site.bytes());
    let mut session = one.session().await?;
    session.patch(&bytes[..5]).await?.status(202)?;
    let mut stolen = Session { site, place: moved(&session, &one, &other) };
    stolen.patch(b"evil").await?.status(404)?;
    stolen.cancel().await?.status(404)?;
    session.get().await?.status(204)?.has("range", "0-4")?;
    session.put(&Digest::of(&bytes), &bytes[5..]).await?.status(201)?;
    readable(&one, &bytes).await
}
