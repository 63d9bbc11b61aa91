//! Chunks that say where they belong.

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Repo, Session, Site};

rules! {
    "Upload sessions" {
        Must "chunk.in-order" "Chunks in order are 202 each, with the Range of all so far." in_order;
        Must "chunk.last-in-put" "The last chunk may come with the `PUT`." last_in_put;
        Client "chunk.bytes-form" "`Content-Range: bytes A-B/*` is as good as `A-B`." bytes_form;
        Must "chunk.first-not-at-zero" "A first chunk that does not begin at 0 is 416." first_not_at_zero;
        Must "chunk.gap" "A chunk that leaves a gap is 416." gap;
        Must "chunk.again" "A chunk that was taken already is 416." again;
        Must "chunk.overlap" "A chunk that overlaps what is there is 416." overlap;
        Must "chunk.put-out-of-order" "A `PUT` whose chunk does not begin at the end is 416." put_out_of_order;
        Must "chunk.refusal-headers" "A 416 says Location and Range." refusal_headers;
        Must "chunk.refusal-takes-nothing" "After a 416 the session is as before and can be used." refusal_takes_nothing;
        Must "chunk.put-refusal-takes-nothing" "After a 416 of a `PUT` the session can be used." put_refusal_takes_nothing;
        Must "chunk.too-short" "A body shorter than its range is 400 `SIZE_INVALID`." too_short;
        Must "chunk.too-long" "A body longer than its range is 400 `SIZE_INVALID`." too_long;
        Must "chunk.chunked-wrong-length" "A body in chunks of the transfer coding must fill its range, too." chunked_wrong_length;
        Must "chunk.mixed" "Chunks with and without Content-Range append to each other." mixed;
        Must "chunk.one-byte" "A chunk may be one byte." one_byte;
    }
    "Endpoints" {
        Client "chunk.refusal-code" "The code of that 416 is `BLOB_UPLOAD_INVALID`." refusal_code;
    }
    "Fine print" {
        Client "chunk.resume" "A client resumes: it tries at 0, takes the Range of the 416, and goes on there." resume;
    }
}

async fn finished(
    repo: &Repo<'_>,
    session: &mut Session<'_>,
    whole: &[u8],
    last: &[u8],
) -> Result<(), Failure> {
    let digest = Digest::of(whole);
    session.put(&digest, last).await?.status(201)?;
    repo.site.get(repo.blob(&digest)).await?.status(200)?.body(whole)?;
    Ok(())
}

async fn in_order(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(30));
    let mut session = repo.session().await?;
    session.patch_at("0-9", &bytes[..10]).await?.status(202)?.has("range", "0-9")?;
    session.patch_at("10-19", &bytes[10..20]).await?.status(202)?.has("range", "0-19")?;
    session.patch_at("20-29", &bytes[20..]).await?.status(202)?.has("range", "0-29")?;
    finished(&repo, &mut session, &bytes, b"").await
}

async fn last_in_put(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(30));
    let mut session = repo.session().await?;
    session.patch_at("0-19", &bytes[..20]).await?.status(202)?;
    let request = Request::put(session.end(Digest::of(&bytes)), &bytes[20..]);
    session.send(request.header("Content-Range", "20-29")).await?.status(201)?;
    site.get(repo.blob(&Digest::of(&bytes))).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn bytes_form(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(20));
    let mut session = repo.session().await?;
    session.patch_at("bytes 0-9/*", &bytes[..10]).await?.status(202)?.has("range", "0-9")?;
    session.patch_at("bytes 10-19/*", &bytes[10..]).await?.status(202)?.has("range", "0-19")?;
    finished(&repo, &mut session, &bytes, b"").await
}

async fn first_not_at_zero(site: &Site) -> Result<(), Failure> {
    let mut session = site.repo().session().await?;
    session.patch_at("5-9", b"56789").await?.status(416)?;
    Ok(())
}

/// What a session of ten bytes answers to a chunk of five at this range.
async fn at(site: &Site, range: &str) -> Result<crate::reply::Reply, Failure> {
    let mut session = site.repo().session().await?;
    session.patch_at("0-9", b"0123456789").await?.status(202)?;
    session.patch_at(range, b"abcde").await
}

async fn gap(site: &Site) -> Result<(), Failure> {
    at(site, "11-15").await?.status(416)?;
    Ok(())
}

async fn again(site: &Site) -> Result<(), Failure> {
    at(site, "0-4").await?.status(416)?;
    at(site, "5-9").await?.status(416)?;
    Ok(())
}

async fn overlap(site: &Site) -> Result<(), Failure> {
    at(site, "9-13").await?.status(416)?;
    Ok(())
}

async fn put_out_of_order(site: &Site) -> Result<(), Failure> {
    let bytes = site.many_bytes(20);
    let mut session = site.repo().session().await?;
    session.patch_at("0-9", &bytes[..10]).await?.status(202)?;
    let request = Request::put(session.end(Digest::of(&bytes)), &bytes[10..]);
    session.send(request.header("Content-Range", "15-24")).await?.status(416)?;
    Ok(())
}

async fn refusal_headers(site: &Site) -> Result<(), Failure> {
    let reply = at(site, "20-24").await?;
    reply.status(416)?.has("range", "0-9")?.location()?;
    let mut session = site.repo().session().await?;
    session.patch_at("5-9", b"56789").await?.status(416)?.has("range", "0-0")?.location()?;
    Ok(())
}

async fn refusal_code(site: &Site) -> Result<(), Failure> {
    at(site, "20-24").await?.refused(416, "BLOB_UPLOAD_INVALID")?;
    Ok(())
}

async fn refusal_takes_nothing(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(20));
    let mut session = repo.session().await?;
    session.patch_at("0-9", &bytes[..10]).await?.status(202)?;
    session.patch_at("15-19", b"wrong").await?.status(416)?;
    session.get().await?.status(204)?.has("range", "0-9")?;
    session.patch_at("10-19", &bytes[10..]).await?.status(202)?.has("range", "0-19")?;
    finished(&repo, &mut session, &bytes, b"").await
}

async fn put_refusal_takes_nothing(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(20));
    let mut session = repo.session().await?;
    session.patch_at("0-9", &bytes[..10]).await?.status(202)?;
    let request = Request::put(session.end(Digest::of(&bytes)), &bytes[10..]);
    session.send(request.header("Content-Range", "0-9")).await?.status(416)?;
    session.get().await?.status(204)?.has("range", "0-9")?;
    finished(&repo, &mut session, &bytes, &bytes[10..]).await
}

async fn too_short(site: &Site) -> Result<(), Failure> {
    at(site, "10-19").await?.refused(400, "SIZE_INVALID")?;
    Ok(())
}

async fn too_long(site: &Site) -> Result<(), Failure> {
    at(site, "10-12").await?.refused(400, "SIZE_INVALID")?;
    Ok(())
}

async fn chunked_wrong_length(site: &Site) -> Result<(), Failure> {
    for range in ["0-3", "0-11"] {
        let mut session = site.repo().session().await?;
        let request = Request::new("PATCH", &session.place).chunked(b"01234567", 3);
        session.send(request.header("Content-Range", range)).await?.refused(400, "SIZE_INVALID")?;
    }
    Ok(())
}

async fn mixed(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(30));
    let mut session = repo.session().await?;
    session.patch(&bytes[..10]).await?.status(202)?;
    session.patch_at("10-19", &bytes[10..20]).await?.status(202)?.has("range", "0-19")?;
    session.patch(&bytes[20..25]).await?.status(202)?.has("range", "0-24")?;
    finished(&repo, &mut session, &bytes, &bytes[25..]).await
}

async fn one_byte(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), b"ab");
    let mut session = repo.session().await?;
    session.patch_at("0-0", &bytes[..1]).await?.status(202)?.has("range", "0-0")?;
    session.patch_at("1-1", &bytes[1..]).await?.status(202)?.has("range", "0-1")?;
    finished(&repo, &mut session, bytes, b"").await
}

async fn resume(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(50));
    let mut session = repo.session().await?;
    session.patch_at("0-19", &bytes[..20]).await?.status(202)?;
    let refused = session.patch_at("0-49", &bytes).await?;
    let range = refused.status(416)?.must("range")?;
    let last = range.strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
    let Some(next) = last.map(|last| last + 1) else { return Err(refused.unlike("Range: 0-LAST", range)) };
    session.place = refused.location()?;
    session.patch_at(&format!("{next}-49"), &bytes[next..]).await?.status(202)?;
    finished(&repo, &mut session, &bytes, b"").await
}
