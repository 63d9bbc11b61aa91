//! Deleting tags, manifests and blobs.

use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Site, index, manifest_descriptor, same, text};

rules! {
    "Endpoints" {
        Must "delete.tag" "`DELETE` of a tag is 202, and the tag is gone." tag;
        Must "delete.tag.only" "`DELETE` of a tag leaves the manifest and its other tags." tag_only;
        Must "delete.tag.unlisted" "A deleted tag is not listed." tag_unlisted;
        Must "delete.tag.unknown" "`DELETE` of a tag that is not there is 404 `MANIFEST_UNKNOWN`." tag_unknown;
        Must "delete.tag.twice" "The second `DELETE` of a tag is 404." tag_twice;
        Must "delete.manifest" "`DELETE` by digest is 202, and the manifest is gone at once." manifest;
        Must "delete.manifest.tags" "`DELETE` by digest removes all tags of the manifest." manifest_tags;
        Must "delete.manifest.unknown" "`DELETE` of a digest that is not there is 404 `MANIFEST_UNKNOWN`." manifest_unknown;
        Must "delete.manifest.others" "`DELETE` by digest leaves other manifests and their tags." manifest_others;
        Must "delete.manifest.again" "A deleted manifest can be pushed again." manifest_again;
        Must "delete.blob" "`DELETE` of a blob is 202, and it is gone at once." blob;
        Must "delete.blob.unknown" "`DELETE` of a blob that is not there is 404 `BLOB_UNKNOWN`." blob_unknown;
        Must "delete.blob.other-repository" "`DELETE` of a blob leaves it in other repositories." blob_elsewhere;
        Must "delete.blob.again" "A deleted blob can be pushed again." blob_again;
        Must "delete.unknown-repository" "`DELETE` in a repository that is not there is 404." unknown_repository;
        Must "delete.malformed" "`DELETE` of a malformed digest is 400 `DIGEST_INVALID`." malformed;
    }
    "Deletion and garbage collection" {
        Must "delete.manifest.other-repository" "`DELETE` of a manifest leaves it in other repositories." manifest_elsewhere;
        Must "delete.index.children" "`DELETE` of an index leaves its children." index_children;
        Must "delete.manifest.blobs" "`DELETE` of a manifest leaves its blobs for a while." manifest_blobs;
        Must "delete.repository-stays" "A repository without tags has the list `[]`." repository_stays;
    }
    "Known failures of registries" {
        Must "delete.other-repository" "What another repository has cannot be deleted through this one." not_through_another;
    }
}

async fn tag(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.delete(repo.manifest("a")).await?.status(202)?;
    site.get(repo.manifest("a")).await?.refused(404, "MANIFEST_UNKNOWN")?;
    site.head(repo.manifest("a")).await?.status(404)?;
    Ok(())
}

async fn tag_only(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = repo.put_by_digest(&image).await?;
    for tag in ["a", "b"] {
        repo.put(tag, &image).await?.status(201)?;
    }
    site.delete(repo.manifest("a")).await?.status(202)?;
    site.get(repo.manifest("b")).await?.status(200)?.body(&text(&image))?;
    site.get(repo.manifest(&digest)).await?.status(200)?.body(&text(&image))?;
    Ok(())
}

async fn tag_unlisted(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for tag in ["a", "b", "c"] {
        repo.tagged(tag).await?;
    }
    site.delete(repo.manifest("b")).await?.status(202)?;
    same(&repo.tags(), repo.listed("").await?, vec!["a".to_owned(), "c".to_owned()])
}

async fn tag_unknown(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.delete(repo.manifest("b")).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}

async fn tag_twice(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.delete(repo.manifest("a")).await?.status(202)?;
    site.delete(repo.manifest("a")).await?.status(404)?;
    Ok(())
}

async fn manifest(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = repo.put_by_digest(&image).await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    site.get(repo.manifest(&digest)).await?.refused(404, "MANIFEST_UNKNOWN")?;
    site.head(repo.manifest(&digest)).await?.status(404)?;
    site.delete(repo.manifest(&digest)).await?.status(404)?;
    Ok(())
}

async fn manifest_tags(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.tagged("a").await?;
    let bytes = site.get(repo.manifest("a")).await?.bytes;
    repo.put_bytes("b", crate::site::MANIFEST, bytes).await?.status(201)?;
    repo.tagged("c").await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    site.head(repo.manifest("a")).await?.status(404)?;
    site.head(repo.manifest("b")).await?.status(404)?;
    same(&repo.tags(), repo.listed("").await?, vec!["c".to_owned()])
}

async fn manifest_unknown(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.delete(repo.manifest(site.absent())).await?.refused(404, "MANIFEST_UNKNOWN")?;
    Ok(())
}

async fn manifest_others(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (gone, _) = repo.tagged("a").await?;
    let (stays, bytes) = repo.tagged("b").await?;
    site.delete(repo.manifest(&gone)).await?.status(202)?;
    site.get(repo.manifest("b")).await?.status(200)?.body(&bytes)?;
    site.get(repo.manifest(&stays)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn manifest_again(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = repo.put_by_digest(&image).await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    repo.put("a", &image).await?.status(201)?;
    site.get(repo.manifest(&digest)).await?.status(200)?.body(&text(&image))?;
    Ok(())
}

async fn blob(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    site.head(repo.blob(&digest)).await?.status(200)?;
    site.delete(repo.blob(&digest)).await?.status(202)?;
    site.get(repo.blob(&digest)).await?.refused(404, "BLOB_UNKNOWN")?;
    site.head(repo.blob(&digest)).await?.status(404)?;
    site.delete(repo.blob(&digest)).await?.status(404)?;
    Ok(())
}

async fn blob_unknown(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.some_blob().await?;
    site.delete(repo.blob(&site.absent())).await?.refused(404, "BLOB_UNKNOWN")?;
    Ok(())
}

async fn blob_elsewhere(site: &Site) -> Result<(), Failure> {
    let (repo, other) = (site.repo(), site.repo());
    let (digest, bytes) = repo.some_blob().await?;
    other.push(&bytes).await?;
    site.delete(repo.blob(&digest)).await?.status(202)?;
    site.get(other.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn blob_again(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, bytes) = repo.some_blob().await?;
    site.delete(repo.blob(&digest)).await?.status(202)?;
    repo.push(&bytes).await?;
    site.get(repo.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn unknown_repository(site: &Site) -> Result<(), Failure> {
    let (repo, digest) = (site.repo(), site.absent());
    for path in [repo.manifest("a"), repo.manifest(&digest), repo.blob(&digest)] {
        site.delete(path).await?.status(404)?.codes()?;
    }
    Ok(())
}

async fn malformed(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.some_blob().await?;
    site.delete(repo.manifest("sha256:bad")).await?.refused(400, "DIGEST_INVALID")?;
    site.delete(format!("/v2/{}/blobs/sha256:bad", repo.name)).await?.refused(400, "DIGEST_INVALID")?;
    Ok(())
}

async fn manifest_elsewhere(site: &Site) -> Result<(), Failure> {
    let (repo, other) = (site.repo(), site.repo());
    let list = index(&[]);
    let digest = repo.put_by_digest(&list).await?;
    other.put_by_digest(&list).await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    site.head(repo.manifest(&digest)).await?.status(404)?;
    site.get(other.manifest(&digest)).await?.status(200)?.body(&text(&list))?;
    Ok(())
}

async fn index_children(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let child = repo.image().await?;
    let child_digest = repo.put_by_digest(&child).await?;
    let digest = repo.put_by_digest(&index(&[manifest_descriptor(&child)])).await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    site.get(repo.manifest(&child_digest)).await?.status(200)?.body(&text(&child))?;
    Ok(())
}

async fn manifest_blobs(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = repo.put_by_digest(&image).await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    let layer = image["layers"][0]["digest"].as_str().unwrap_or_default();
    site.head(format!("/v2/{}/blobs/{layer}", repo.name)).await?.status(200)?;
    Ok(())
}

async fn repository_stays(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.delete(repo.manifest("a")).await?.status(202)?;
    same(&repo.tags(), repo.listed("").await?, Vec::new())
}

async fn not_through_another(site: &Site) -> Result<(), Failure> {
    let (repo, other) = (site.repo(), site.repo());
    let (blob, bytes) = repo.some_blob().await?;
    let (manifest, manifest_bytes) = repo.tagged("a").await?;
    other.some_blob().await?;
    site.delete(other.blob(&blob)).await?.status(404)?;
    site.delete(other.manifest(&manifest)).await?.status(404)?;
    site.get(repo.blob(&blob)).await?.status(200)?.body(&bytes)?;
    site.get(repo.manifest("a")).await?.status(200)?.body(&manifest_bytes)?;
    Ok(())
}
