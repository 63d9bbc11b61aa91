//! Mounting a blob from another repository.

use super::auth::{token, with};
use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{LAYER, Repo, Session, Site, descriptor};

rules! {
    "Endpoints" {
        Must "mount.created" "A mount of a blob that is in `from` is 201." created;
        Must "mount.headers" "The 201 of a mount leads to the blob and says its digest." headers;
        Must "mount.readable" "A mounted blob is readable at once." readable;
        Must "mount.in-manifest" "A manifest may name a mounted blob." in_manifest;
        Must "mount.unknown-blob" "A mount of a blob that is not in `from` begins a session: 202." unknown_blob;
        Must "mount.unknown-from" "A mount from a repository that is not there begins a session: 202." unknown_from;
        Must "mount.malformed-from" "A mount from a malformed name begins a session: 202." malformed_from;
        Must "mount.session" "The session of a mount that was none can be used." session;
        Ours "mount.without-from" "A mount without `from` is 201 for a blob that the caller may read elsewhere." without_from;
        Must "mount.without-from.unknown" "A mount without `from` of a blob that nobody has begins a session: 202." without_from_unknown;
        Client "mount.percent-encoded" "`from` and `mount` may be percent-encoded." percent_encoded;
        Client "mount.own" "A mount of what the repository has already is 201." own;
    }
    "Fine print" {
        Ours "mount.malformed-digest" "A mount of a malformed digest begins a session: 202." malformed_digest;
    }
    "Known failures of registries" {
        Must "mount.not-linked" "A blob that only a third repository has is not mounted from `from`: 202." not_linked;
        Must "mount.deleted" "A blob that was deleted in `from` is not mounted: 202." deleted;
        Must "mount.outlives" "A mounted blob stays when it is deleted where it came from." outlives;
    }
}

async fn mount(to: &Repo<'_>, digest: &str, from: &str) -> Result<Reply, Failure> {
    to.site.post(format!("{}?mount={digest}&from={from}", to.uploads())).await
}

/// A blob in one repository, and the reply to its mount in another.
async fn mounted(site: &Site) -> Result<(Repo<'_>, Digest, Vec<u8>, Reply), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, bytes) = from.some_blob().await?;
    let reply = mount(&to, digest.as_str(), &from.name).await?;
    reply.status(201)?;
    Ok((to, digest, bytes, reply))
}

async fn created(site: &Site) -> Result<(), Failure> {
    mounted(site).await.map(drop)
}

async fn headers(site: &Site) -> Result<(), Failure> {
    let (to, digest, _, reply) = mounted(site).await?;
    reply.leads_to(&to.blob(&digest))?.digest(&digest)?;
    Ok(())
}

async fn readable(site: &Site) -> Result<(), Failure> {
    let (to, digest, bytes, _) = mounted(site).await?;
    site.get(to.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn in_manifest(site: &Site) -> Result<(), Failure> {
    let (to, digest, bytes, _) = mounted(site).await?;
    let mut image = to.image().await?;
    image["layers"] = vec![descriptor(LAYER, &digest, bytes.len())].into();
    to.put("a", &image).await?.status(201)?;
    Ok(())
}

/// A session began, as the reply to `POST` without a mount says it.
fn began(reply: &Reply) -> Result<(), Failure> {
    reply.status(202)?.has("range", "0-0")?.location()?;
    Ok(())
}

async fn unknown_blob(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    from.some_blob().await?;
    began(&mount(&to, site.absent().as_str(), &from.name).await?)
}

async fn unknown_from(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    began(&mount(&to, site.absent().as_str(), &from.name).await?)
}

async fn malformed_from(site: &Site) -> Result<(), Failure> {
    let to = site.repo();
    let (digest, _) = site.repo().some_blob().await?;
    for from in ["", "UPPER", "..%2f..", "a//b", "%00", "%zz"] {
        began(&mount(&to, digest.as_str(), from).await?)?;
    }
    Ok(())
}

async fn malformed_digest(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    from.some_blob().await?;
    for digest in ["", "sha256:bad", "latest", "md5:00"] {
        began(&mount(&to, digest, &from.name).await?)?;
    }
    Ok(())
}

async fn session(site: &Site) -> Result<(), Failure> {
    let (from, to, bytes) = (site.repo(), site.repo(), site.bytes());
    let digest = Digest::of(&bytes);
    let reply = mount(&to, digest.as_str(), &from.name).await?;
    reply.status(202)?;
    let mut session = Session { site, place: reply.location()? };
    session.patch(&bytes).await?.status(202)?;
    session.put(&digest, b"").await?.status(201)?;
    site.get(to.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn without_from(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, bytes) = from.some_blob().await?;
    let target = format!("{}?mount={digest}", to.uploads());
    let reply = match site.tokens.realm() {
        // What no token that came with it may read is not mounted from.
        Some(_) => {
            let scopes = format!("repository:{}:pull,push repository:{}:pull", to.name, from.name);
            with(site, &token(site, &scopes).await?, Request::post(target)).await?
        }
        None => site.post(target).await?,
    };
    reply.status(201)?.leads_to(&to.blob(&digest))?;
    site.get(to.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn without_from_unknown(site: &Site) -> Result<(), Failure> {
    let to = site.repo();
    began(&site.post(format!("{}?mount={}", to.uploads(), site.absent())).await?)
}

async fn percent_encoded(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, bytes) = from.some_blob().await?;
    let (name, text) = (from.name.replace('/', "%2F"), digest.to_string().replace(':', "%3A"));
    mount(&to, &text, &name).await?.status(201)?;
    site.get(to.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn own(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (digest, _) = repo.some_blob().await?;
    mount(&repo, digest.as_str(), &repo.name).await?.status(201)?;
    Ok(())
}

async fn not_linked(site: &Site) -> Result<(), Failure> {
    let (third, from, to) = (site.repo(), site.repo(), site.repo());
    let (digest, _) = third.some_blob().await?;
    from.some_blob().await?;
    began(&mount(&to, digest.as_str(), &from.name).await?)?;
    site.head(to.blob(&digest)).await?.status(404)?;
    Ok(())
}

async fn deleted(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, _) = from.some_blob().await?;
    // Read once, so that a cache has it.
    site.head(from.blob(&digest)).await?.status(200)?;
    site.delete(from.blob(&digest)).await?.status(202)?;
    began(&mount(&to, digest.as_str(), &from.name).await?)?;
    site.head(to.blob(&digest)).await?.status(404)?;
    Ok(())
}

async fn outlives(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, bytes) = from.some_blob().await?;
    mount(&to, digest.as_str(), &from.name).await?.status(201)?;
    site.delete(from.blob(&digest)).await?.status(202)?;
    site.head(from.blob(&digest)).await?.status(404)?;
    site.get(to.blob(&digest)).await?.status(200)?.body(&bytes)?;
    Ok(())
}
