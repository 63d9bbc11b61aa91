//! Who refers to a manifest.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{INDEX, Repo, Site, index, manifest_descriptor, same, text};

rules! {
    "Endpoints" {
        Must "referrers.ok" "The referrers of a manifest are 200." ok;
        Must "referrers.media-type" "Their Content-Type is exactly that of an index, without parameters." media_type;
        Must "referrers.malformed" "A malformed digest is 400." malformed;
        Must "referrers.tag" "A tag is no digest: 400." tag;
        Must "referrers.filter" "`artifactType` lists those of that type only." filter;
        Must "referrers.filter-header" "A filtered list says `OCI-Filters-Applied: artifactType`." filter_header;
    }
    "Lists" {
        Must "referrers.unknown-repository" "Referrers in a repository that is not there are 200 with an empty list." unknown_repository;
        Must "referrers.unknown-subject" "Referrers of a manifest that is not there are 200 with an empty list." unknown_subject;
        Must "referrers.shape" "The body is a whole index: `schemaVersion`, `mediaType`, `manifests`." shape;
        Must "referrers.entry" "An entry has mediaType, size and digest of the referrer." entry;
        Must "referrers.annotations" "An entry has all annotations of the referrer." annotations;
        Must "referrers.artifact-type.own" "An entry's artifactType is the referrer's own." type_own;
        Must "referrers.artifact-type.config" "A manifest without artifactType has that of its config." type_of_config;
        Must "referrers.artifact-type.index" "An index with artifactType has it in its entry." type_of_index;
        Must "referrers.artifact-type.none" "An index without artifactType has none in its entry." type_none;
        Must "referrers.by-digest" "A referrer without a tag is listed." by_digest;
        Must "referrers.once" "A referrer with many tags is listed once." once;
        Must "referrers.before-subject" "A referrer may come before its subject." before_subject;
        Must "referrers.only-its" "Referrers of another subject are not listed." only_its;
        Must "referrers.other-repository" "Referrers in another repository are not listed." other_repository;
        Must "referrers.no-filter-header" "A list without filter does not say that there is one." no_filter_header;
        Must "referrers.filter.none-left" "A filter that nothing passes is 200 with an empty list." filter_none_left;
        Client "referrers.filter.plus" "A `+` in the filter means itself; it may be percent-encoded." filter_plus;
        Must "referrers.pages" "Pages are at most 4 MiB, and following the Links gives every referrer once." pages;
        Must "referrers.pages.filter" "The filter stays in the Link." pages_filter;
        Client "referrers.probe" "`sha256:000…0` is 200 with the Content-Type of an index: `oras` asks." probe;
        Client "referrers.fallback-tag" "The fallback tag `sha256-HEX` is a tag like any other." fallback_tag;
    }
    "Deletion and garbage collection" {
        Must "referrers.deleted" "A referrer that was deleted is not listed." deleted;
        Must "referrers.subject-deleted" "Referrers stay when their subject is deleted." subject_deleted;
    }
}

/// The longest page, in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A subject in a repository of its own.
async fn subject(site: &Site) -> Result<(Repo<'_>, Value, Digest), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = repo.put_by_digest(&image).await?;
    Ok((repo, manifest_descriptor(&image), digest))
}

/// Pushes a referrer of this type.
async fn refer(repo: &Repo<'_>, subject: &Value, artifact_type: &str) -> Result<(Digest, Value), Failure> {
    let mut image = repo.image().await?;
    image["subject"] = subject.clone();
    image["artifactType"] = artifact_type.into();
    Ok((repo.put_by_digest(&image).await?, image))
}

fn entries(reply: &Reply) -> Result<Vec<Value>, Failure> {
    let body = reply.status(200)?.json()?;
    let list = body["manifests"].as_array().cloned();
    list.ok_or_else(|| reply.unlike("a list `manifests`", body.to_string()))
}

async fn listed(repo: &Repo<'_>, subject: &Digest, query: &str) -> Result<Vec<Value>, Failure> {
    entries(&repo.site.get(format!("{}{query}", repo.referrers(subject))).await?)
}

fn digests(entries: &[Value]) -> Vec<String> {
    let mut all: Vec<String> =
        entries.iter().map(|entry| entry["digest"].as_str().unwrap_or_default().to_owned()).collect();
    all.sort_unstable();
    all
}

async fn lists(repo: &Repo<'_>, subject: &Digest, query: &str, these: &[&Digest]) -> Result<(), Failure> {
    let mut expected: Vec<String> = these.iter().map(ToString::to_string).collect();
    expected.sort_unstable();
    same(&repo.referrers(subject), digests(&listed(repo, subject, query).await?), expected)
}

async fn ok(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    lists(&repo, &digest, "", &[&referrer]).await
}

async fn media_type(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    refer(&repo, &its, "application/vnd.example.a").await?;
    site.get(repo.referrers(&digest)).await?.status(200)?.has("content-type", INDEX)?;
    site.get(repo.referrers(&site.absent())).await?.status(200)?.has("content-type", INDEX)?;
    Ok(())
}

async fn malformed(site: &Site) -> Result<(), Failure> {
    let (repo, ..) = subject(site).await?;
    for bad in ["sha256:bad", "sha256:", "md5:00", "sha256:..%2f.."] {
        site.get(format!("/v2/{}/referrers/{bad}", repo.name)).await?.refused(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

async fn tag(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    site.get(format!("/v2/{}/referrers/a", repo.name)).await?.status(400)?.codes()?;
    Ok(())
}

async fn filter(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (a, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    let (b, _) = refer(&repo, &its, "application/vnd.example.b").await?;
    lists(&repo, &digest, "?artifactType=application/vnd.example.a", &[&a]).await?;
    lists(&repo, &digest, "", &[&a, &b]).await
}

async fn filter_header(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    refer(&repo, &its, "application/vnd.example.a").await?;
    let reply = site.get(format!("{}?artifactType=x/y", repo.referrers(&digest))).await?;
    reply.status(200)?.has("oci-filters-applied", "artifactType")?;
    Ok(())
}

async fn no_filter_header(site: &Site) -> Result<(), Failure> {
    let (repo, _, digest) = subject(site).await?;
    site.get(repo.referrers(&digest)).await?.status(200)?.lacks("oci-filters-applied")?;
    Ok(())
}

async fn filter_none_left(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    refer(&repo, &its, "application/vnd.example.a").await?;
    lists(&repo, &digest, "?artifactType=application/vnd.example", &[]).await
}

async fn filter_plus(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (a, _) = refer(&repo, &its, "application/spdx+json").await?;
    refer(&repo, &its, "application/vnd.example.b").await?;
    lists(&repo, &digest, "?artifactType=application/spdx+json", &[&a]).await?;
    lists(&repo, &digest, "?artifactType=application%2Fspdx%2Bjson", &[&a]).await
}

fn empty(reply: &Reply) -> Result<(), Failure> {
    reply.status(200)?.has("content-type", INDEX)?;
    same(&reply.named, entries(reply)?, Vec::new())
}

async fn unknown_repository(site: &Site) -> Result<(), Failure> {
    empty(&site.get(site.repo().referrers(&site.absent())).await?)
}

async fn unknown_subject(site: &Site) -> Result<(), Failure> {
    let (repo, ..) = subject(site).await?;
    empty(&site.get(repo.referrers(&site.absent())).await?)
}

async fn shape(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    refer(&repo, &its, "application/vnd.example.a").await?;
    for subject in [digest, site.absent()] {
        let reply = site.get(repo.referrers(&subject)).await?;
        let body = reply.status(200)?.json()?;
        same(&reply.named, &body["schemaVersion"], &json!(2))?;
        same(&reply.named, &body["mediaType"], &json!(INDEX))?;
        entries(&reply)?;
    }
    Ok(())
}

/// The one entry of a subject's list.
async fn only_entry(repo: &Repo<'_>, subject: &Digest) -> Result<Value, Failure> {
    let mut list = listed(repo, subject, "").await?;
    same(&repo.referrers(subject), list.len(), 1)?;
    Ok(list.remove(0))
}

async fn entry(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (_, image) = refer(&repo, &its, "application/vnd.example.a").await?;
    let (seen, expected) = (only_entry(&repo, &digest).await?, manifest_descriptor(&image));
    for key in ["mediaType", "digest", "size"] {
        same(&repo.referrers(&digest), &seen[key], &expected[key])?;
    }
    Ok(())
}

async fn annotations(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let mut image = repo.image().await?;
    image["subject"] = its;
    image["annotations"] = json!({ "org.example.one": "1", "two": "\u{e9}\n\"", "": "" });
    repo.put("a", &image).await?.status(201)?;
    let seen = only_entry(&repo, &digest).await?;
    same(&repo.referrers(&digest), &seen["annotations"], &image["annotations"])
}

async fn entry_type(repo: &Repo<'_>, subject: &Digest, expected: Value) -> Result<(), Failure> {
    let seen = only_entry(repo, subject).await?;
    same(&repo.referrers(subject), seen["artifactType"].clone(), expected)
}

async fn type_own(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    refer(&repo, &its, "application/vnd.example.own").await?;
    entry_type(&repo, &digest, json!("application/vnd.example.own")).await
}

async fn type_of_config(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let mut image = repo.image().await?;
    image["subject"] = its;
    image["config"]["mediaType"] = "application/vnd.example.config".into();
    repo.put("a", &image).await?.status(201)?;
    entry_type(&repo, &digest, json!("application/vnd.example.config")).await
}

async fn type_of_index(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let mut list = index(&[]);
    list["subject"] = its;
    list["artifactType"] = "application/vnd.example.list".into();
    repo.put("a", &list).await?.status(201)?.has("oci-subject", digest.as_str())?;
    entry_type(&repo, &digest, json!("application/vnd.example.list")).await
}

async fn type_none(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let mut list = index(&[]);
    list["subject"] = its;
    repo.put("a", &list).await?.status(201)?;
    entry_type(&repo, &digest, Value::Null).await?;
    let seen = only_entry(&repo, &digest).await?;
    same(&repo.referrers(&digest), seen.get("artifactType"), None)
}

async fn by_digest(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    same(&repo.tags(), repo.listed("").await?, Vec::new())?;
    lists(&repo, &digest, "", &[&referrer]).await
}

async fn once(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, image) = refer(&repo, &its, "application/vnd.example.a").await?;
    for tag in ["a", "b"] {
        repo.put(tag, &image).await?.status(201)?.has("oci-subject", digest.as_str())?;
    }
    lists(&repo, &digest, "", &[&referrer]).await
}

async fn before_subject(site: &Site) -> Result<(), Failure> {
    let repo = site.repo();
    let image = repo.image().await?;
    let digest = Digest::of(text(&image));
    let (referrer, _) = refer(&repo, &manifest_descriptor(&image), "application/vnd.example.a").await?;
    lists(&repo, &digest, "", &[&referrer]).await?;
    repo.put("a", &image).await?.status(201)?;
    lists(&repo, &digest, "", &[&referrer]).await
}

async fn only_its(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, image) = refer(&repo, &its, "application/vnd.example.a").await?;
    let (second, _) = refer(&repo, &manifest_descriptor(&image), "application/vnd.example.a").await?;
    lists(&repo, &digest, "", &[&referrer]).await?;
    lists(&repo, &referrer, "", &[&second]).await?;
    lists(&repo, &second, "", &[]).await
}

async fn other_repository(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    let other = site.repo();
    refer(&other, &its, "application/vnd.example.a").await?;
    lists(&repo, &digest, "", &[&referrer]).await
}

/// A subject with four referrers of 1.5 MB each, two of them of another type.
async fn large(site: &Site) -> Result<(Repo<'_>, Digest, Vec<Digest>), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let mut referrers = Vec::new();
    for number in 0..8 {
        let mut image = repo.image().await?;
        image["subject"] = its.clone();
        image["artifactType"] = format!("application/vnd.example.{}", number % 2).into();
        image["annotations"] = json!({ "text": "x".repeat(1_500_000) });
        referrers.push(repo.put_by_digest(&image).await?);
    }
    Ok((repo, digest, referrers))
}

/// Walks the pages; the entries' digests, and how many pages.
async fn walked(site: &Site, first: String) -> Result<(Vec<String>, usize), Failure> {
    let (mut next, mut seen, mut pages) = (Some(first), Vec::new(), 0);
    while let Some(place) = next {
        let reply = site.get(place).await?;
        if reply.bytes.len() > PAGE_BYTES_MAX {
            return Err(reply.unlike("a page of at most 4 MiB", format!("{} bytes", reply.bytes.len())));
        }
        seen.extend(digests(&entries(&reply)?));
        pages += 1;
        next = reply.next_page()?.filter(|_| pages < 100);
    }
    seen.sort_unstable();
    Ok((seen, pages))
}

async fn pages(site: &Site) -> Result<(), Failure> {
    let (repo, digest, referrers) = large(site).await?;
    let mut expected: Vec<String> = referrers.iter().map(ToString::to_string).collect();
    expected.sort_unstable();
    let (seen, pages) = walked(site, repo.referrers(&digest)).await?;
    same(&repo.referrers(&digest), seen, expected)?;
    same("more than one page", pages > 1, true)
}

async fn pages_filter(site: &Site) -> Result<(), Failure> {
    let (repo, digest, referrers) = large(site).await?;
    let mut expected: Vec<String> = referrers.iter().step_by(2).map(ToString::to_string).collect();
    expected.sort_unstable();
    let first = format!("{}?artifactType=application/vnd.example.0", repo.referrers(&digest));
    let (seen, pages) = walked(site, first).await?;
    same(&repo.referrers(&digest), seen, expected)?;
    same("more than one page", pages > 1, true)
}

async fn probe(site: &Site) -> Result<(), Failure> {
    let path = format!("/v2/{}/referrers/sha256:{}", site.repo().name, "0".repeat(64));
    empty(&site.get(path).await?)
}

async fn fallback_tag(site: &Site) -> Result<(), Failure> {
    let (repo, _, digest) = subject(site).await?;
    let tag = format!("sha256-{}", digest.encoded());
    let child = repo.image().await?;
    repo.put_by_digest(&child).await?;
    for list in [index(&[]), index(&[manifest_descriptor(&child)])] {
        repo.put(&tag, &list).await?.status(201)?;
        site.get(repo.manifest(&tag)).await?.status(200)?.body(&text(&list))?;
    }
    site.delete(repo.manifest(&tag)).await?.status(202)?;
    site.head(repo.manifest(&tag)).await?.status(404)?;
    Ok(())
}

async fn deleted(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (first, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    let (second, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    site.delete(repo.manifest(&first)).await?.status(202)?;
    lists(&repo, &digest, "", &[&second]).await
}

async fn subject_deleted(site: &Site) -> Result<(), Failure> {
    let (repo, its, digest) = subject(site).await?;
    let (referrer, _) = refer(&repo, &its, "application/vnd.example.a").await?;
    site.delete(repo.manifest(&digest)).await?.status(202)?;
    lists(&repo, &digest, "", &[&referrer]).await?;
    site.head(repo.manifest(&referrer)).await?.status(200)?;
    Ok(())
}
