//! Parts of blobs.

use crate::http::Request;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::Site;

rules! {
    "What clients do" {
        Must "range.first-last" "`bytes=a-b` is 206 with those bytes, both ends included." first_last;
        Must "range.one-byte" "`bytes=a-a` is one byte." one_byte;
        Must "range.to-the-end" "`bytes=a-` is all from there on." to_the_end;
        Must "range.suffix" "`bytes=-n` is the last n bytes." suffix;
        Must "range.suffix-too-long" "`bytes=-n` with more than there is, is all." suffix_too_long;
        Must "range.end-is-cut" "An end past the size is cut." end_is_cut;
        Must "range.digest-header" "A part says the digest of the whole blob." digest_header;
        Must "range.past-the-end" "A start past the end is 416 with `Content-Range: bytes */SIZE`." past_the_end;
        Must "range.backwards" "`bytes=500-0` is 416 with `Content-Range: bytes */SIZE`." backwards;
        Must "range.refusal-length" "The Content-Length of a 416 is that of its own body." refusal_length;
        Must "range.resumable" "A large blob can be fetched in parts." resumable;
        Ours "range.several" "More than one range is answered with all of the blob." several;
        Client "range.other-unit" "A range of another unit is answered with all of the blob." other_unit;
        Client "range.head-has-no-body" "`HEAD` with a range has no body." head_has_no_body;
    }
    "Endpoints" {
        Client "range.refusal-code" "The code of a 416 is `BLOB_UPLOAD_INVALID`: clients know no other that fits." refusal_code;
    }
}

const SIZE: usize = 400;

/// The reply to a range of a blob of [`SIZE`] bytes, and the blob.
async fn ranged(site: &Site, range: &str) -> Result<(Reply, Vec<u8>), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(SIZE));
    let digest = repo.push(&bytes).await?;
    let mut reply = site.send(Request::get(repo.blob(&digest)).header("Range", range)).await?;
    reply.named = format!("{} with Range: {range}", reply.named);
    Ok((reply, bytes))
}

async fn is_part(site: &Site, range: &str, first: usize, last: usize) -> Result<(), Failure> {
    let (reply, bytes) = ranged(site, range).await?;
    reply.status(206)?.has("content-range", format!("bytes {first}-{last}/{SIZE}"))?;
    reply.has("content-length", (last - first + 1).to_string())?.body(&bytes[first..=last])?;
    Ok(())
}

async fn is_refused(site: &Site, range: &str) -> Result<Reply, Failure> {
    let (reply, _) = ranged(site, range).await?;
    reply.status(416)?.has("content-range", format!("bytes */{SIZE}"))?;
    Ok(reply)
}

async fn is_whole(site: &Site, range: &str) -> Result<(), Failure> {
    let (reply, bytes) = ranged(site, range).await?;
    reply.status(200)?.lacks("content-range")?.body(&bytes)?;
    Ok(())
}

async fn first_last(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=0-9", 0, 9).await?;
    is_part(site, "bytes=100-299", 100, 299).await
}

async fn one_byte(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=0-0", 0, 0).await?;
    is_part(site, "bytes=399-399", 399, 399).await
}

async fn to_the_end(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=0-", 0, SIZE - 1).await?;
    is_part(site, "bytes=390-", 390, SIZE - 1).await
}

async fn suffix(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=-5", SIZE - 5, SIZE - 1).await
}

async fn suffix_too_long(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=-4000", 0, SIZE - 1).await
}

async fn end_is_cut(site: &Site) -> Result<(), Failure> {
    is_part(site, "bytes=390-100000", 390, SIZE - 1).await?;
    is_part(site, "bytes=0-18446744073709551615", 0, SIZE - 1).await
}

async fn digest_header(site: &Site) -> Result<(), Failure> {
    let (reply, bytes) = ranged(site, "bytes=1-2").await?;
    reply.status(206)?.digest(&crate::digest::Digest::of(bytes))?;
    Ok(())
}

async fn past_the_end(site: &Site) -> Result<(), Failure> {
    is_refused(site, "bytes=400-").await?;
    is_refused(site, "bytes=4000-5000").await.map(drop)
}

async fn backwards(site: &Site) -> Result<(), Failure> {
    is_refused(site, "bytes=500-0").await.map(drop)
}

/// 2.8 keeps the blob's length there, and clients wait for bytes that never come.
async fn refusal_length(site: &Site) -> Result<(), Failure> {
    let reply = is_refused(site, "bytes=500-600").await?;
    reply.has("content-length", reply.bytes.len().to_string())?;
    Ok(())
}

async fn refusal_code(site: &Site) -> Result<(), Failure> {
    is_refused(site, "bytes=500-600").await?.refused(416, "BLOB_UPLOAD_INVALID")?;
    Ok(())
}

async fn resumable(site: &Site) -> Result<(), Failure> {
    let (repo, bytes) = (site.repo(), site.many_bytes(3 * 1024 * 1024 + 7));
    let digest = repo.push(&bytes).await?;
    for (first, last) in [(0, 1_000_000), (1_000_001, 2_500_000), (2_500_001, bytes.len() - 1)] {
        let request = Request::get(repo.blob(&digest)).header("Range", format!("bytes={first}-{last}"));
        site.send(request).await?.status(206)?.body(&bytes[first..=last])?;
    }
    Ok(())
}

async fn several(site: &Site) -> Result<(), Failure> {
    is_whole(site, "bytes=0-1,5-6").await
}

async fn other_unit(site: &Site) -> Result<(), Failure> {
    is_whole(site, "lines=0-1").await
}

async fn head_has_no_body(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    let request = Request::head(repo.blob(&digest)).header("Range", "bytes=0-3");
    site.send(request).await?.status_in(&[200, 206])?.no_body()?;
    Ok(())
}
