//! Names of repositories and tags, and which part of a path is which.

use crate::digest::Digest;
use crate::http::Request;
use crate::outcome::Failure;
use crate::rule::rules;
use crate::site::{Repo, Site, same};

rules! {
    "Grammar and routing" {
        Must "name.separators" "Components may be joined inside by `.`, `_`, `__` and hyphens." separators;
        Must "name.many-components" "A name may have many components." many_components;
        Must "name.digits" "A component may be digits only." digits;
        Must "name.word-blobs" "A repository may be called `blobs`." word_blobs;
        Must "name.word-manifests" "A repository may be called `manifests`." word_manifests;
        Must "name.word-tags" "A repository may be called `tags`, and `tags/list`." word_tags;
        Must "name.word-uploads" "A repository may be called `blobs/uploads`." word_uploads;
        Must "name.uppercase" "A name with an uppercase letter is 400 `NAME_INVALID`." uppercase;
        Must "name.bad-separators" "A component that begins or ends with a separator, or joins by others, is 400." bad_separators;
        Must "name.empty-component" "A name with an empty component is 400 `NAME_INVALID`." empty_component;
        Must "name.other-characters" "A name with any other character is 400 `NAME_INVALID`." other_characters;
        Must "name.longest" "Host, slash and name may have 255 bytes." longest;
        Must "name.too-long" "A name that is longer is 400 `NAME_INVALID`." too_long;
        Client "name.percent-encoded" "A segment is percent-decoded once." percent_encoded;
        Must "name.decoded-once" "A segment is not decoded twice." decoded_once;
        Must "name.encoded-slash" "An encoded slash stays in its segment, where no name may have it: 400 `NAME_INVALID`." encoded_slash;
        Must "name.dots" "`..`, plain or encoded, is 400 `NAME_INVALID`." dots;
        Must "name.nul" "An encoded NUL is 400 `NAME_INVALID`." nul;
        Client "name.bad-percent" "A broken percent-encoding in a name is 400 with an error body." bad_percent;
        Client "name.uploads-without-slash" "`POST …/blobs/uploads` begins an upload as with the slash." uploads_without_slash;
        Ours "name.first-upload" "The first upload makes a repository: its tags are an empty list." first_upload;
        Must "tag.longest" "A tag may have 128 characters." longest_tag;
        Must "tag.characters" "A tag may begin with `_` and hold letters of both cases, digits, `.`, `-`." tag_characters;
        Must "tag.case" "Tags that differ in case are different." tag_case;
    }
    "Fine print" {
        Ours "tag.malformed" "A malformed tag is 400 `MANIFEST_INVALID`." malformed_tag;
        Ours "tag.too-long" "A tag of 129 characters is 400 `MANIFEST_INVALID`." tag_too_long;
    }
}

/// Pushes a blob and a manifest to a repository and reads them back.
async fn holds_content(repo: &Repo<'_>) -> Result<(), Failure> {
    let (digest, bytes) = repo.some_blob().await?;
    let (_, manifest) = repo.tagged("list").await?;
    repo.site.get(repo.blob(&digest)).await?.status(200)?.body(&bytes)?;
    repo.site.get(repo.manifest("list")).await?.status(200)?.body(&manifest)?;
    same(&repo.tags(), repo.listed("").await?, vec!["list".to_owned()])
}

async fn holds(site: &Site, below: &str) -> Result<(), Failure> {
    holds_content(&site.named(format!("{}/{below}", site.repo().name))).await
}

/// No request with such a name gets further than its name.
async fn refused(site: &Site, name: &str) -> Result<(), Failure> {
    let repo = site.named(name);
    for request in [
        Request::get(repo.tags()),
        Request::get(repo.manifest("a")),
        Request::get(repo.blob(&site.absent())),
        Request::post(repo.uploads()),
    ] {
        site.send(request).await?.refused(400, "NAME_INVALID")?;
    }
    Ok(())
}

async fn all_refused(site: &Site, components: &[&str]) -> Result<(), Failure> {
    let start = site.repo().name;
    for component in components {
        refused(site, &format!("{start}/{component}")).await?;
    }
    Ok(())
}

async fn separators(site: &Site) -> Result<(), Failure> {
    holds(site, "a.b_c__d-e--f---g/0-0").await
}

async fn many_components(site: &Site) -> Result<(), Failure> {
    holds(site, &["x"; 20].join("/")).await
}

async fn digits(site: &Site) -> Result<(), Failure> {
    holds(site, "0/123").await
}

async fn word_blobs(site: &Site) -> Result<(), Failure> {
    holds(site, "blobs").await?;
    holds(site, "blobs/a").await
}

async fn word_manifests(site: &Site) -> Result<(), Failure> {
    holds(site, "manifests").await?;
    holds(site, "manifests/a").await
}

async fn word_tags(site: &Site) -> Result<(), Failure> {
    holds(site, "tags").await?;
    holds(site, "tags/list").await
}

async fn word_uploads(site: &Site) -> Result<(), Failure> {
    holds(site, "uploads").await?;
    holds(site, "blobs/uploads").await
}

async fn uppercase(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["A", "aB", "a/B/c"]).await
}

async fn bad_separators(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["-a", "a-", ".a", "a.", "_a", "a_", "a..b", "a___b", "a._b", "a-_b", "a.-b"]).await
}

async fn empty_component(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["", "a//b", "a/"]).await
}

async fn other_characters(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["a+b", "a@b", "a~b", "a%20b", "a%C3%A4", "a:b"]).await
}

/// A name with which host, slash and name have so many bytes.
fn name_of_bytes(site: &Site, with_host: usize) -> String {
    let start = site.repo().name;
    let rest = with_host.saturating_sub(site.host.len() + 1 + start.len() + 1);
    format!("{start}/{}", "n".repeat(rest))
}

async fn longest(site: &Site) -> Result<(), Failure> {
    holds_content(&site.named(name_of_bytes(site, 255))).await
}

async fn too_long(site: &Site) -> Result<(), Failure> {
    refused(site, &name_of_bytes(site, 256)).await?;
    refused(site, &name_of_bytes(site, 2000)).await
}

async fn percent_encoded(site: &Site) -> Result<(), Failure> {
    let repo = site.named(format!("{}/abc", site.repo().name));
    let (digest, manifest) = repo.tagged("one").await?;
    let encoded = site.named(repo.name.replace("/abc", "/%61bc"));
    for reference in ["one", "%6fne", &digest.to_string().replace(':', "%3A")] {
        site.get(encoded.manifest(reference)).await?.status(200)?.body(&manifest)?;
    }
    Ok(())
}

async fn decoded_once(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["%2561", "%252e%252e"]).await
}

async fn encoded_slash(site: &Site) -> Result<(), Failure> {
    let repo = site.named(format!("{}/a/b", site.repo().name));
    repo.tagged("one").await?;
    refused(site, &repo.name.replace("a/b", "a%2Fb")).await?;
    refused(site, &repo.name.replace("a/b", "a%2fb")).await
}

async fn dots(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["..", ".", "%2e%2e", "a/../b", "a/%2E%2E/b", "..%2f..%2fetc"]).await
}

async fn nul(site: &Site) -> Result<(), Failure> {
    all_refused(site, &["a%00", "%00"]).await
}

async fn bad_percent(site: &Site) -> Result<(), Failure> {
    let name = site.repo().name;
    for bad in ["a%", "a%zz", "a%ff"] {
        site.get(format!("/v2/{name}/{bad}/tags/list")).await?.status(400)?;
    }
    Ok(())
}

async fn uploads_without_slash(site: &Site) -> Result<(), Failure> {
    let uploads = site.repo().uploads();
    site.post(uploads.trim_end_matches('/')).await?.status(202)?.location()?;
    Ok(())
}

async fn first_upload(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    site.get(repo.tags()).await?.refused(404, "NAME_UNKNOWN")?;
    repo.some_blob().await?;
    same(&repo.tags(), repo.listed("").await?, Vec::new())
}

async fn longest_tag(site: &Site) -> Result<(), Failure> {
    let (repo, tag) = (site.repo(), "t".repeat(128));
    let (_, bytes) = repo.tagged(&tag).await?;
    site.get(repo.manifest(&tag)).await?.status(200)?.body(&bytes)?;
    Ok(())
}

async fn tag_characters(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    for tag in ["_a", "A.b-C_9", "0", "__", "a..b"] {
        let (_, bytes) = repo.tagged(tag).await?;
        site.get(repo.manifest(tag)).await?.status(200)?.body(&bytes)?;
    }
    Ok(())
}

async fn tag_case(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let (lower, _) = repo.tagged("stable").await?;
    let (upper, _) = repo.tagged("STABLE").await?;
    site.head(repo.manifest("stable")).await?.status(200)?.digest(&lower)?;
    site.head(repo.manifest("STABLE")).await?.status(200)?.digest(&upper)?;
    Ok(())
}

async fn tag_is_refused(site: &Site, tag: &str) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    repo.put(tag, &image).await?.refused(400, "MANIFEST_INVALID")?;
    let digest = Digest::of(crate::site::text(&image));
    site.get(repo.manifest(&digest)).await?.status(404)?;
    Ok(())
}

async fn malformed_tag(site: &Site) -> Result<(), Failure> {
    for tag in [".a", "-a", "a+b", "a%20b", "a@b", "%C3%A4", "a%2Fb"] {
        tag_is_refused(site, tag).await?;
    }
    Ok(())
}

async fn tag_too_long(site: &Site) -> Result<(), Failure> {
    tag_is_refused(site, &"t".repeat(129)).await
}
