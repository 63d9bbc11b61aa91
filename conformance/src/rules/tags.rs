//! What a list of tags holds.

use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Site, same};

rules! {
    "Endpoints" {
        Must "tags.shape" "A list of tags is 200 with `name` and `tags`." shape;
        Must "tags.unknown-repository" "The tags of a repository that is not there are 404 `NAME_UNKNOWN`." unknown_repository;
    }
    "Lists" {
        Must "tags.byte-order" "Tags are in the order of their bytes." byte_order;
        Must "tags.empty-list" "Without tags the list is `[]`, not null." empty_list;
        Must "tags.no-digests" "What was pushed by digest has no tag." no_digests;
        Must "tags.once" "A tag that was pushed twice is listed once." once;
        Must "tags.other-repository" "Tags of another repository are not listed, though its name begins alike." other_repository;
    }
    "The Wasm artifact" {
        Client "tags.one-error" "`NAME_UNKNOWN` is the only error of that 404: `wkg` goes on with no other." one_error;
    }
}

async fn shape(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let reply = site.get(repo.tags()).await?;
    let body = reply.status(200)?.media_type("application/json")?.json()?;
    same(&reply.named, body["name"].as_str(), Some(repo.name.as_str()))?;
    same(&reply.named, repo.listed("").await?, vec!["a".to_owned()])
}

async fn unknown_repository(site: &Site) -> Result<(), Failure> {
    site.get(site.repo().tags()).await?.refused(404, "NAME_UNKNOWN")?;
    Ok(())
}

async fn one_error(site: &Site) -> Result<(), Failure> {
    let reply = site.get(site.package().tags()).await?;
    let codes = reply.refused(404, "NAME_UNKNOWN")?.codes()?;
    same(&reply.named, codes, vec!["NAME_UNKNOWN".to_owned()])
}

async fn byte_order(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let mut tags = ["b", "B", "a10", "a9", "_x", "0", "a.b", "a-b", "Z", "ab", "a"];
    for tag in tags {
        repo.put(tag, &image).await?.status(201)?;
    }
    tags.sort_unstable();
    same(&repo.tags(), repo.listed("").await?, tags.map(str::to_owned).to_vec())
}

async fn empty_list(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    repo.put_by_digest(&image).await?;
    same(&repo.tags(), repo.listed("").await?, Vec::new())
}

async fn no_digests(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let image = repo.image().await?;
    repo.put_by_digest(&image).await?;
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned()])
}

async fn once(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    repo.tagged("a").await?;
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned()])
}

async fn other_repository(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let below = site.named(format!("{}/below", repo.name));
    let longer = site.named(format!("{}0", repo.name));
    repo.tagged("a").await?;
    below.tagged("b").await?;
    longer.tagged("c").await?;
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned()])?;
    same(&below.tags(), below.listed("").await?, vec!["b".to_owned()])
}
