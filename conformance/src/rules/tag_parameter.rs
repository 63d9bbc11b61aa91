//! Many tags with one push: `PUT …/manifests/DIGEST?tag=a&tag=b`.

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{Repo, Site, same, text};

rules! {
    "Endpoints" {
        Must "tag-parameter.made" "Each `tag` of the query becomes a tag of the manifest." made;
        Must "tag-parameter.headers" "The 201 has one `OCI-Tag` a tag." headers;
        Must "tag-parameter.ten" "Ten tags are taken." ten;
        Ours "tag-parameter.fifty" "Fifty tags are taken." fifty;
        Ours "tag-parameter.too-many" "More than fifty are 414, and none is made." too_many;
        Must "tag-parameter.with-tag" "`tag` beside a tag as reference is 400." with_tag;
        Must "tag-parameter.moves" "A `tag` that is there moves." moves;
        Must "tag-parameter.sha512" "A tag that a push under a sha512 digest made tells that digest." sha512;
        Client "tag-parameter.percent-encoded" "A `tag` may be percent-encoded." percent_encoded;
    }
    "Fine print" {
        Ours "tag-parameter.malformed" "One malformed `tag` refuses all: 400." malformed;
        Ours "tag-parameter.wrong-digest" "With a wrong digest no tag is made." wrong_digest;
    }
}

/// Pushes an image under its digest with this query.
async fn put(repo: &Repo<'_>, query: &str) -> Result<(Digest, Reply), Failure> {
    let image = repo.image().await?;
    let digest = Digest::of(text(&image));
    let request = repo.put_request(format!("{digest}?{query}"), &image);
    Ok((digest, repo.site.send(request).await?))
}

fn query(count: usize) -> String {
    (0..count).map(|number| format!("tag=t{number}")).collect::<Vec<_>>().join("&")
}

async fn made(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, reply) = put(&repo, "tag=a&tag=b").await?;
    reply.status(201)?.digest(&digest)?;
    for tag in ["a", "b"] {
        site.head(repo.manifest(tag)).await?.status(200)?.digest(&digest)?;
    }
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned(), "b".to_owned()])
}

async fn headers(site: &Site) -> Result<(), Failure> {
    let (_, reply) = put(&site.repo(), "tag=b&tag=a").await?;
    let mut told: Vec<&str> = reply.status(201)?.lines("oci-tag").collect();
    told.sort_unstable();
    same(&reply.named, told, vec!["a", "b"])
}

async fn all_made(site: &Site, count: usize) -> Result<(), Failure> {
    let repo = site.repo();
    let (_, reply) = put(&repo, &query(count)).await?;
    same(&reply.named, reply.status(201)?.lines("oci-tag").count(), count)?;
    same(&repo.tags(), repo.listed("").await?.len(), count)
}

async fn ten(site: &Site) -> Result<(), Failure> {
    all_made(site, 10).await
}

async fn fifty(site: &Site) -> Result<(), Failure> {
    all_made(site, 50).await
}

async fn too_many(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, reply) = put(&repo, &query(51)).await?;
    reply.status(414)?.codes()?;
    site.head(repo.manifest("t0")).await?.status(404)?;
    site.head(repo.manifest(digest)).await?.status(404)?;
    Ok(())
}

async fn with_tag(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    site.send(repo.put_request("a?tag=b", &image)).await?.status(400)?.codes()?;
    site.head(repo.manifest("b")).await?.status(404)?;
    Ok(())
}

async fn moves(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let (digest, reply) = put(&repo, "tag=a").await?;
    reply.status(201)?.has("oci-tag", "a")?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn sha512(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = Digest::sha512(text(&image));
    let pushed = site.send(repo.put_request(format!("{digest}?tag=a"), &image)).await?;
    pushed.status(201)?.digest(&digest)?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    site.get(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn percent_encoded(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, reply) = put(&repo, "tag=%61%2Db").await?;
    reply.status(201)?.has("oci-tag", "a-b")?;
    site.head(repo.manifest("a-b")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn malformed(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for bad in ["-b", "", "a%2Fb"] {
        let (_, reply) = put(&repo, &format!("tag=good&tag={bad}")).await?;
        reply.status(400)?.codes()?;
        site.head(repo.manifest("good")).await?.status(404)?;
    }
    Ok(())
}

async fn wrong_digest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let request: Request = repo.put_request(format!("{}?tag=a", site.absent()), &image);
    site.send(request).await?.refused(400, "DIGEST_INVALID")?;
    site.head(repo.manifest("a")).await?.status(404)?;
    Ok(())
}
