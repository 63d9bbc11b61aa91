//! What every error has.

use serde_json::Value;

use crate::http::Request;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{MANIFEST, Site, same};

rules! {
    "Endpoints" {
        Must "error.media-type" "The type of an error body is `application/json`." media_type;
        Must "error.shape" "An error body is `{\"errors\":[{\"code\",\"message\"}]}`, with text in both." shape;
        Must "error.codes" "Codes are those of the specification and no others." codes;
        Must "error.length" "The Content-Length of an error is that of its body." length;
        Must "error.head" "An error to `HEAD` has no body." head;
        Must "error.no-html" "An error repeats nothing that a browser could run." no_html;
    }
    "Known failures of registries" {
        Must "error.never-5xx" "Nothing that a client writes is answered 5xx." never_5xx;
        Must "error.usable-after" "After all this the server still answers." usable_after;
    }
}

/// Requests that fail in many ways.
async fn failed(site: &Site) -> Result<Vec<Reply>, Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let name = &repo.name;
    let requests = [
        Request::get(repo.blob(&site.absent())),
        Request::get(repo.manifest("gone")),
        Request::get(site.repo().tags()),
        Request::get(format!("/v2/{name}/blobs/sha256:bad")),
        Request::get(format!("/v2/{name}/manifests/sha256:bad")),
        Request::get("/v2/UPPER/tags/list"),
        Request::put(repo.manifest("b"), b"{}").header("Content-Type", MANIFEST),
        Request::put(repo.manifest("b"), b"nothing").header("Content-Type", MANIFEST),
        Request::put(repo.manifest(site.absent()), b"{}").header("Content-Type", MANIFEST),
        Request::patch(format!("{}00000000000000000000000000000000", repo.uploads()), b"abc"),
        Request::put(format!("{}no-session?digest={}", repo.uploads(), site.absent()), b"abc"),
        Request::post(format!("{}?digest=bad", repo.uploads())).body(b"abc"),
    ];
    let mut replies = Vec::new();
    for request in requests {
        replies.push(site.send(request).await?);
    }
    Ok(replies)
}

async fn media_type(site: &Site) -> Result<(), Failure> {
    for reply in failed(site).await? {
        reply.media_type("application/json")?;
    }
    Ok(())
}

async fn shape(site: &Site) -> Result<(), Failure> {
    for reply in failed(site).await? {
        let body = reply.json()?;
        let full = |error: &Value| {
            ["code", "message"].iter().all(|key| error[key].as_str().is_some_and(|text| !text.is_empty()))
        };
        if !body["errors"].as_array().is_some_and(|errors| !errors.is_empty() && errors.iter().all(full)) {
            return Err(reply.unlike("errors with code and message", body.to_string()));
        }
    }
    Ok(())
}

async fn codes(site: &Site) -> Result<(), Failure> {
    for reply in failed(site).await? {
        reply.codes()?;
    }
    Ok(())
}

async fn length(site: &Site) -> Result<(), Failure> {
    for reply in failed(site).await? {
        if reply.header("transfer-encoding").is_none() {
            reply.has("content-length", reply.bytes.len().to_string())?;
            same(&reply.named, reply.stray_bytes, 0)?;
        }
    }
    Ok(())
}

async fn head(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let bad = format!("/v2/{}/blobs/sha256:bad", repo.name);
    for path in [repo.blob(&site.absent()), repo.manifest("gone"), bad, "/v2/UPPER/manifests/a".to_owned()] {
        site.head(path).await?.status_in(&[400, 404])?.no_body()?;
    }
    Ok(())
}

async fn no_html(site: &Site) -> Result<(), Failure> {
    let path = format!("/v2/{}/manifests/%3Cscript%3Ealert(1)%3C%2Fscript%3E", site.repo().name);
    let reply = site.get(path).await?;
    reply.status_in(&[400, 404])?.media_type("application/json")?;
    Ok(())
}

async fn never_5xx(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let mut session = repo.session().await?;
    let place = session.place.clone();
    let mut replies = failed(site).await?;
    for request in [
        Request::get(format!("/v2/{}/blobs/sha256:%00", repo.name)),
        Request::get(format!("/v2/{}/manifests/{}", repo.name, "a".repeat(5000))),
        Request::get(format!("/v2/{}/tags/list?n=&last=%00", repo.name)),
        Request::get(format!("/v2/{}/tags/list?n=%ff", repo.name)),
        Request::get(repo.manifest("a")).header("Range", "bytes=-"),
        Request::get(repo.manifest("a")).header("Accept", "\u{e9}"),
        Request::get(repo.manifest("a")).header("If-None-Match", "\"\u{e9}"),
        Request::patch(&place, b"abc").header("Content-Range", "nonsense"),
        Request::patch(&place, b"abc").header("Content-Range", "2-1"),
        Request::patch(&place, b"abc").header("Content-Range", "0-18446744073709551615"),
        Request::new("PUT", format!("{place}?digest=&digest=%zz")).body(b""),
        Request::post(format!("{}?mount=%zz&from=%zz", repo.uploads())),
    ] {
        replies.push(session.send(request).await?);
    }
    for reply in replies {
        if reply.status >= 500 {
            return Err(reply.unlike("2xx or 4xx", reply.status.to_string()));
        }
    }
    Ok(())
}

async fn usable_after(site: &Site) -> Result<(), Failure> {
    failed(site).await?;
    site.get("/v2/").await?.status(200)?;
    site.repo().tagged("a").await.map(drop)
}
