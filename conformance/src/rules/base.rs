//! `/v2/` itself, and what all replies have.

use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::Site;

rules! {
    "Endpoints" {
        Must "base.ok" "`GET /v2/` answers 200 to who may come in." base_ok;
        Must "base.json" "The body of `/v2/` is an empty JSON object." base_json;
        Must "base.api-version.reads" "A read says `Docker-Distribution-Api-Version: registry/2.0`." version_of_reads;
        Must "base.api-version.writes" "A write says `Docker-Distribution-Api-Version: registry/2.0`." version_of_writes;
        Must "base.api-version.errors" "An error says `Docker-Distribution-Api-Version: registry/2.0`." version_of_errors;
        Client "base.head" "`HEAD /v2/` answers as `GET` does, without a body." base_head;
        Must "base.unknown-path" "A path that no endpoint has is 404 with an error body." unknown_path;
        Ours "base.unknown-method" "A method that an endpoint does not have is 405 `UNSUPPORTED`." unknown_method;
        Client "base.unknown-query" "Query keys that nobody knows are ignored." unknown_query;
    }
    "Grammar and routing" {
        Client "base.without-slash" "`/v2` is `/v2/`, not a redirect." without_slash;
    }
}

const VERSION: &str = "docker-distribution-api-version";

async fn base_ok(site: &Site) -> Result<(), Failure> {
    site.get("/v2/").await?.status(200)?;
    Ok(())
}

async fn base_json(site: &Site) -> Result<(), Failure> {
    let reply = site.get("/v2/").await?;
    let body = reply.status(200)?.media_type("application/json")?.json()?;
    match body.as_object() {
        Some(object) if object.is_empty() => Ok(()),
        _ => Err(reply.unlike("{}", body.to_string())),
    }
}

async fn version_of_reads(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    repo.tagged("a").await?;
    for path in ["/v2/".to_owned(), repo.blob(&digest), repo.manifest("a"), repo.tags()] {
        site.get(path).await?.status(200)?.has(VERSION, "registry/2.0")?;
    }
    site.head(repo.blob(&digest)).await?.has(VERSION, "registry/2.0")?;
    Ok(())
}

async fn version_of_writes(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    site.post(repo.uploads()).await?.status(202)?.has(VERSION, "registry/2.0")?;
    let bytes = site.bytes();
    let digest = crate::digest::Digest::of(&bytes);
    repo.session().await?.put(&digest, &bytes).await?.status(201)?.has(VERSION, "registry/2.0")?;
    let image = repo.image().await?;
    repo.put("a", &image).await?.status(201)?.has(VERSION, "registry/2.0")?;
    Ok(())
}

async fn version_of_errors(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for path in [repo.blob(&site.absent()), repo.manifest("gone"), repo.tags()] {
        site.get(path).await?.status(404)?.has(VERSION, "registry/2.0")?;
    }
    Ok(())
}

async fn base_head(site: &Site) -> Result<(), Failure> {
    site.head("/v2/").await?.status(200)?.no_body()?;
    Ok(())
}

async fn unknown_path(site: &Site) -> Result<(), Failure> {
    let name = site.repo().name;
    for path in [format!("/v2/{name}/nothing"), format!("/v2/{name}/tags"), format!("/v2/{name}")] {
        site.get(path).await?.status(404)?.codes()?;
    }
    Ok(())
}

async fn unknown_method(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    for request in [
        Request::post(repo.tags()),
        Request::patch(repo.blob(&digest), b"x"),
        Request::post(repo.manifest("a")),
        Request::delete(repo.uploads()),
    ] {
        site.send(request).await?.refused(405, "UNSUPPORTED")?;
    }
    Ok(())
}

async fn unknown_query(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    let (_, manifest) = repo.tagged("a").await?;
    let query = "?ns=docker.io&origin=x&flag&bad=%zz";
    site.get(format!("{}{query}", repo.blob(&digest))).await?.status(200)?.body(&bytes)?;
    site.get(format!("{}{query}", repo.manifest("a"))).await?.status(200)?.body(&manifest)?;
    site.get(format!("{}{query}", repo.tags())).await?.status(200)?;
    site.post(format!("{}{query}", repo.uploads())).await?.status(202)?;
    Ok(())
}

async fn without_slash(site: &Site) -> Result<(), Failure> {
    site.get("/v2").await?.status(200)?;
    Ok(())
}
