//! Pushes on a condition: safe tags for indexes that several people write.

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Repo, Site, same, text};

rules! {
    "Manifests" {
        Ours "condition.none-match.new" "`If-None-Match: *` on a tag that is not there is 201." none_match_new;
        Ours "condition.none-match.taken" "`If-None-Match: *` on a tag that is there is 412." none_match_taken;
        Ours "condition.match.current" "`If-Match` with the tag's digest is 201 and moves it." match_current;
        Ours "condition.match.other" "`If-Match` with another digest is 412." match_other;
        Ours "condition.match.absent" "`If-Match` on a tag that is not there is 412." match_absent;
        Ours "condition.refusal-moves-nothing" "After a 412 the tag is where it was." refusal_moves_nothing;
    }
    "Fine print" {
        Ours "condition.code" "The code of a 412 is `DENIED`." code;
    }
    "Known failures of registries" {
        Ours "condition.one-wins" "Of many who make a tag at once on `If-None-Match: *`, one wins." one_wins;
    }
}

async fn conditional(repo: &Repo<'_>, name: &str, value: &str) -> Result<(Request, Digest), Failure> {
    let image = repo.image().await?;
    Ok((repo.put_request("a", &image).header(name, value), Digest::of(text(&image))))
}

async fn none_match_new(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (request, digest) = conditional(&repo, "If-None-Match", "*").await?;
    site.send(request).await?.status(201)?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn none_match_taken(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let (request, _) = conditional(&repo, "If-None-Match", "*").await?;
    site.send(request).await?.status(412)?;
    Ok(())
}

async fn match_current(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (current, _) = repo.tagged("a").await?;
    let (request, digest) = conditional(&repo, "If-Match", &format!("\"{current}\"")).await?;
    site.send(request).await?.status(201)?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&digest)?;
    Ok(())
}

async fn match_other(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let (request, _) = conditional(&repo, "If-Match", &format!("\"{}\"", site.absent())).await?;
    site.send(request).await?.status(412)?;
    Ok(())
}

async fn match_absent(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (request, _) = conditional(&repo, "If-Match", &format!("\"{}\"", site.absent())).await?;
    site.send(request).await?.status(412)?;
    site.head(repo.manifest("a")).await?.status(404)?;
    Ok(())
}

async fn refusal_moves_nothing(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (before, _) = repo.tagged("a").await?;
    for (name, value) in [("If-None-Match", "*".to_owned()), ("If-Match", format!("\"{}\"", site.absent()))] {
        let (request, _) = conditional(&repo, name, &value).await?;
        site.send(request).await?.status(412)?;
        site.head(repo.manifest("a")).await?.status(200)?.digest(&before)?;
    }
    Ok(())
}

async fn code(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    let (request, _) = conditional(&repo, "If-None-Match", "*").await?;
    site.send(request).await?.refused(412, "DENIED")?;
    Ok(())
}

async fn one_wins(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let mut requests = Vec::new();
    for _ in 0..4 {
        requests.push(conditional(&repo, "If-None-Match", "*").await?);
    }
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| site.send(requests[at].0.clone()));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let (mut won, mut lost) = (Vec::new(), 0);
    for (reply, (_, digest)) in [a?, b?, c?, d?].into_iter().zip(&requests) {
        match reply.status_in(&[201, 412])?.status {
            201 => won.push(digest.clone()),
            _ => lost += 1,
        }
    }
    same("four at once", (won.len(), lost), (1, 3))?;
    site.head(repo.manifest("a")).await?.status(200)?.digest(&won[0])?;
    Ok(())
}
