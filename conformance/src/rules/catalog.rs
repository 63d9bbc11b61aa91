//! The list of repositories, which is not OCI's.

use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Site, same, strings};

rules! {
    "Endpoints" {
        Ours "catalog.list" "`/v2/_catalog` is 200 and lists repositories that have content." list;
        Ours "catalog.pages" "`n` and `last` page through it in order, and Links lead on." pages;
        Ours "catalog.last" "`last` is exclusive and may be a name that is not there." last;
        Ours "catalog.zero" "`n=0` is an empty list without Link." zero;
        Ours "catalog.malformed" "An `n` that is no number is 400 `UNSUPPORTED`." malformed;
    }
    "Known failures of registries" {
        Must "catalog.huge" "A huge `n` is clamped, or refused with 400." huge;
    }
}

/// Three repositories next to each other in the list; what comes before them.
async fn three(site: &Site) -> Result<(String, Vec<String>), Failure> {
    let start = site.repo().name;
    let names: Vec<String> = ["a", "b/c", "d"].iter().map(|end| format!("{start}/{end}")).collect();
    for name in &names {
        site.named(name.as_str()).tagged("x").await?;
    }
    Ok((start, names))
}

async fn list(site: &Site) -> Result<(), Failure> {
    let (start, names) = three(site).await?;
    let (mut next, mut seen) = (Some("/v2/_catalog".to_owned()), Vec::new());
    while let Some(place) = next {
        let reply = site.get(place).await?;
        seen.extend(strings(reply.media_type("application/json")?, "repositories")?);
        next = reply.next_page()?;
    }
    seen.retain(|name| name.starts_with(&format!("{start}/")));
    same("/v2/_catalog", seen, names)
}

async fn pages(site: &Site) -> Result<(), Failure> {
    let (start, names) = three(site).await?;
    let first = site.get(format!("/v2/_catalog?n=2&last={start}")).await?;
    same(&first.named, strings(&first, "repositories")?, names[..2].to_vec())?;
    let next = first.next_page()?.ok_or_else(|| first.unlike("a Link", "none"))?;
    let second = site.get(next).await?;
    same(&second.named, strings(&second, "repositories")?.first(), names.get(2))
}

async fn last(site: &Site) -> Result<(), Failure> {
    let (start, names) = three(site).await?;
    for (last, expected) in [(names[0].clone(), &names[1]), (format!("{start}/aa"), &names[1])] {
        let reply = site.get(format!("/v2/_catalog?n=1&last={last}")).await?;
        same(&reply.named, strings(&reply, "repositories")?.first(), Some(expected))?;
    }
    Ok(())
}

async fn zero(site: &Site) -> Result<(), Failure> {
    let reply = site.get("/v2/_catalog?n=0").await?;
    same(&reply.named, strings(&reply, "repositories")?, Vec::new())?;
    reply.lacks("link")?;
    Ok(())
}

async fn malformed(site: &Site) -> Result<(), Failure> {
    for n in ["x", "-1"] {
        site.get(format!("/v2/_catalog?n={n}")).await?.refused(400, "UNSUPPORTED")?;
    }
    Ok(())
}

async fn huge(site: &Site) -> Result<(), Failure> {
    for n in ["2147483647", "9223372036854775807", "99999999999999999999999"] {
        site.get(format!("/v2/_catalog?n={n}")).await?.status_in(&[200, 400])?;
    }
    Ok(())
}
