//! Lists that grow: pages of tags, and what refers to one manifest.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use wargate_core::digest::Digest;

use super::artifact::{Load, MANIFEST_TYPE};
use super::push::push_blob;
use super::read::listed;
use crate::drive::{Target, Until};
use crate::http::{Connection, get, put};
use crate::options::Options;

/// Tags that a page is asked for.
const PAGE_TAGS: usize = 100;

/// The repository of the referrers.
const REPOSITORY: &str = "load/referrers";

/// What they are, but for the first [`RARE`] of them.
const COMMON_TYPE: &str = "application/vnd.load.common";

/// What those are.
const RARE_TYPE: &str = "application/vnd.load.rare";
const RARE: usize = 10;

/// Config and layer of every referrer: image-spec, "The empty descriptor".
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Pages of tags of one repository, each from another place in the list; that they give every tag once is looked at
/// before.
pub async fn tags_page(options: &Options) -> Result<Value> {
    let (target, load) = (Target::of(options)?, Load::of(options)?);
    let (repository, mut tags) = load.repositories()?.pop().context("no repository")?;
    tags.sort_unstable();
    let page = |last: &str| get(&target.server, &page_path(&repository, last));
    let mut connection = Connection::open(&target.server).await?;
    let (mut found, mut pages) = (Vec::new(), Vec::new());
    while found.len() < tags.len() {
        let request = page(found.last().map_or("", String::as_str));
        let answer = connection.send(&request).await?;
        answer.must_be(200)?;
        let listed = listed(&answer)?;
        ensure!(!listed.is_empty() && listed.len() <= PAGE_TAGS, "a page has {} tags", listed.len());
        found.extend(listed);
        pages.push((request, answer.body.len()));
    }
    ensure!(found == tags, "the pages give {} tags, {} were pushed", found.len(), tags.len());
    let until = Until::Time(Duration::from_secs(options.number("seconds")? as u64));
    let driven = target.drive(until, async move |connection, number| {
        let (request, length) = pages.get(number.wrapping_mul(7919) % pages.len()).context("no page")?;
        let answer = connection.send(request).await?;
        answer.must_be(200)?;
        ensure!(answer.body.len() == *length, "another page than before came");
        Ok(())
    });
    Ok(driven.await?.figures(&options.text("phase")?, 1))
}

fn page_path(repository: &str, last: &str) -> String {
    let list = format!("/v2/{repository}/tags/list?n={PAGE_TAGS}");
    if last.is_empty() { list } else { format!("{list}&last={last}") }
}

/// Pushes manifests that refer to one subject, of the numbers from `--first` to `--referrers`.
pub async fn push_referrers(options: &Options) -> Result<Value> {
    let target = Target::of(options)?;
    let (first, referrers) = (options.number_or("first", 0)?, options.number("referrers")?);
    let server = Rc::new(target.server.clone());
    if first == 0 {
        let mut connection = Connection::open(&server).await?;
        push_blob(&mut connection, &server, REPOSITORY, EMPTY, &Digest::of(EMPTY)).await?;
    }
    let count = referrers.checked_sub(first).context("nothing is left to push")?;
    let driven = target.drive(Until::Count(count), async move |connection, number| {
        let bytes = referrer(first + number)?;
        let path = format!("/v2/{REPOSITORY}/manifests/{}", Digest::of(&bytes));
        connection.send(&put(&server, &path, MANIFEST_TYPE, &bytes)).await?.must_be(201)
    });
    Ok(driven.await?.figures(&options.text("phase")?, 1))
}

/// Asks for the first page of all referrers, then for those of a rare type; that the pages give every one of them
/// is looked at before.
pub async fn referrers(options: &Options) -> Result<Value> {
    let (target, phase) = (Target::of(options)?, options.text("phase")?);
    let mut connection = Connection::open(&target.server).await?;
    let (all, entries) = walk(&mut connection, &target.server, "").await?;
    let expected = options.number("referrers")?;
    ensure!(all == expected, "the pages give {all} referrers, {expected} were pushed");
    let filter = format!("?artifactType={RARE_TYPE}");
    let (rare, _) = walk(&mut connection, &target.server, &filter).await?;
    ensure!(rare == RARE, "{rare} referrers of a rare type are listed, {RARE} were pushed");
    let mut figures = Vec::new();
    for filter in ["", &filter] {
        let request = get(&target.server, &referrers_path(filter));
        let until = Until::Time(Duration::from_secs(options.number("seconds")? as u64));
        let driven =
            target.drive(until, async move |connection, _| connection.send(&request).await?.must_be(200));
        figures.push(driven.await?);
    }
    let [all, rare] = figures.try_into().ok().context("two phases")?;
    Ok(json!({
        format!("{phase}_first_page_entries"): entries,
        format!("{phase}_cpu_us_an_entry"): all.cpu_us_each(entries),
        format!("{phase}_rare_cpu_us_a_request"): rare.cpu_us_each(1),
    }))
}

/// Follows the links from page to page; how many entries there are in all, and in the first.
async fn walk(connection: &mut Connection, server: &str, filter: &str) -> Result<(usize, usize)> {
    let (mut next, mut lengths) = (Some(referrers_path(filter)), Vec::new());
    while let Some(path) = next {
        let answer = connection.send(&get(server, &path)).await?;
        answer.must_be(200)?;
        let index: Value = serde_json::from_slice(&answer.body)?;
        lengths.push(index["manifests"].as_array().context("an index without manifests")?.len());
        next = answer.next_page()?;
    }
    Ok((lengths.iter().sum(), lengths.first().copied().unwrap_or_default()))
}

fn referrers_path(filter: &str) -> String {
    format!("/v2/{REPOSITORY}/referrers/{}{filter}", Digest::of(b"the subject"))
}

fn referrer(number: usize) -> Result<Vec<u8>> {
    let empty =
        json!({ "mediaType": EMPTY_TYPE, "digest": Digest::of(EMPTY).to_string(), "size": EMPTY.len() });
    let subject = Digest::of(b"the subject").to_string();
    Ok(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": if number < RARE { RARE_TYPE } else { COMMON_TYPE },
        "config": empty,
        "layers": [empty],
        "subject": { "mediaType": MANIFEST_TYPE, "digest": subject, "size": 11 },
        "annotations": { "number": number.to_string() },
    }))?)
}
