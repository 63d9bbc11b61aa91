//! Pages of tags.

use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{Repo, Site, same, strings};

rules! {
    "Lists" {
        Must "tags.n" "`n` tags are listed, and a Link leads on." n_limits;
        Must "tags.n.walk" "Following the Links gives every tag once, in order." walk;
        Must "tags.n.exact" "If all that is left fits, there is no Link." exact;
        Must "tags.n.zero" "`n=0` is an empty list without Link." zero;
        Client "tags.n.larger" "`n` above the number of tags gives all." larger;
        Ours "tags.n.link" "The Link is `</v2/N/tags/list?n=N&last=T>; rel=\"next\"`." link;
        Must "tags.last" "`last` is exclusive." last;
        Must "tags.last.without-n" "`last` works without `n`." last_without_n;
        Must "tags.last.gone" "`last` may be a tag that is gone or never was." last_gone;
        Client "tags.last.percent-encoded" "`last` may be percent-encoded." last_percent_encoded;
        Must "tags.last.past-the-end" "Nothing is after the last tag: an empty list without Link." past_the_end;
        Client "tags.all-without-n" "Without `n` all of 1,010 tags come at once: `wkg` follows no Link." all_without_n;
        Ours "tags.n.cap" "`n` above 1,000 is 1,000 and a Link." cap;
    }
    "Endpoints" {
        Ours "tags.n.malformed" "An `n` that is no number is 400 `UNSUPPORTED`: clients know no other code that fits." malformed;
    }
    "Known failures of registries" {
        Must "tags.n.huge" "A huge `n` is clamped: it is 200 or 400, and costs nothing." huge;
    }
}

/// Tags of the repository that has many.
const MANY_TAGS: usize = 1010;

/// How many of them are pushed at once.
const AT_ONCE: usize = 10;

/// A repository with the tags `a` to `e`.
async fn five(site: &Site) -> Result<Repo<'_>, Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    for tag in ["a", "b", "c", "d", "e"] {
        repo.put(tag, &image).await?.status(201)?;
    }
    Ok(repo)
}

async fn page(repo: &Repo<'_>, query: &str, tags: &str, more: bool) -> Result<Reply, Failure> {
    let reply = repo.site.get(format!("{}{query}", repo.tags())).await?;
    same(&reply.named, strings(&reply, "tags")?.concat(), tags.to_owned())?;
    match (reply.next_page()?, more) {
        (None, true) => Err(reply.unlike("a Link", "none")),
        (Some(link), false) => Err(reply.unlike("no Link", link)),
        _ => Ok(reply),
    }
}

async fn n_limits(site: &Site) -> Result<(), Failure> {
    page(&five(site).await?, "?n=2", "ab", true).await.map(drop)
}

async fn walk(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    for n in [1, 2, 3] {
        let (mut next, mut seen) = (Some(format!("{}?n={n}", repo.tags())), String::new());
        while let Some(place) = next {
            let reply = site.get(place).await?;
            seen.push_str(&strings(&reply, "tags")?.concat());
            next = reply.next_page()?.filter(|_| seen.len() < 20);
        }
        same(&repo.tags(), seen, "abcde".to_owned())?;
    }
    Ok(())
}

async fn exact(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    page(&repo, "?n=5", "abcde", false).await?;
    page(&repo, "?n=3&last=b", "cde", false).await.map(drop)
}

async fn zero(site: &Site) -> Result<(), Failure> {
    page(&five(site).await?, "?n=0", "", false).await.map(drop)
}

async fn larger(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    let mut tags = repo.listed("?n=500").await?;
    tags.sort_unstable();
    same(&repo.tags(), tags.concat(), "abcde".to_owned())
}

async fn link(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    let reply = page(&repo, "?n=2", "ab", true).await?;
    reply.has("link", format!("<{}?n=2&last=b>; rel=\"next\"", repo.tags()))?;
    Ok(())
}

async fn last(site: &Site) -> Result<(), Failure> {
    page(&five(site).await?, "?n=2&last=b", "cd", true).await.map(drop)
}

async fn last_without_n(site: &Site) -> Result<(), Failure> {
    page(&five(site).await?, "?last=b", "cde", false).await.map(drop)
}

async fn last_gone(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    page(&repo, "?n=2&last=bb", "cd", true).await?;
    page(&repo, "?last=0", "abcde", false).await.map(drop)
}

async fn last_percent_encoded(site: &Site) -> Result<(), Failure> {
    page(&five(site).await?, "?last=%63", "de", false).await.map(drop)
}

async fn past_the_end(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    page(&repo, "?n=2&last=e", "", false).await?;
    page(&repo, "?last=zz", "", false).await.map(drop)
}

async fn malformed(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    for n in ["x", "-1", "1.5", "1e3"] {
        site.get(format!("{}?n={n}", repo.tags())).await?.refused(400, "UNSUPPORTED")?;
    }
    Ok(())
}

async fn huge(site: &Site) -> Result<(), Failure> {
    let repo = five(site).await?;
    for n in ["2147483647", "9223372036854775807", "99999999999999999999999"] {
        let reply = site.get(format!("{}?n={n}", repo.tags())).await?;
        if reply.status_in(&[200, 400])?.status == 200 {
            let mut tags = strings(&reply, "tags")?;
            tags.sort_unstable();
            same(&reply.named, tags.concat(), "abcde".to_owned())?;
        }
    }
    Ok(())
}

/// The repository with many tags, made by who first needs it.
async fn many(site: &Site) -> Result<Repo<'_>, Failure> {
    let name = site.many_tags.get_or_try_init(|| async {
        let repo = site.repo();
        let image = repo.image().await?;
        let tags: Vec<String> = (0..MANY_TAGS).map(|number| format!("t{number:04}")).collect();
        let lanes = (0..AT_ONCE).map(|lane| {
            let (repo, image, tags) = (&repo, &image, &tags);
            async move {
                for tag in tags.iter().skip(lane).step_by(AT_ONCE) {
                    repo.put(tag, image).await?.status(201)?;
                }
                Ok::<(), Failure>(())
            }
        });
        futures::future::try_join_all(lanes).await?;
        Ok(repo.name)
    });
    Ok(site.named(name.await?))
}

async fn all_without_n(site: &Site) -> Result<(), Failure> {
    let repo = many(site).await?;
    let reply = site.get(repo.tags()).await?;
    same(&reply.named, strings(&reply, "tags")?.len(), MANY_TAGS)?;
    reply.lacks("link")?;
    Ok(())
}

async fn cap(site: &Site) -> Result<(), Failure> {
    let repo = many(site).await?;
    let reply = site.get(format!("{}?n=1005", repo.tags())).await?;
    same(&reply.named, strings(&reply, "tags")?.len(), 1000)?;
    let next = reply.next_page()?.ok_or_else(|| reply.unlike("a Link", "none"))?;
    let rest = site.get(next).await?;
    same(&rest.named, strings(&rest, "tags")?.len(), MANY_TAGS - 1000)
}
