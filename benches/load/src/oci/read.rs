//! Reading what was pushed: whole pulls, and the requests that they consist of, each for a time.
//!
//! Whatever comes is compared with what must come, by digest.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use wargate_core::digest::Digest;

use super::artifact::{Load, MANIFEST_TYPE};
use crate::drive::{Target, Until};
use crate::http::{Answer, Connection, get, get_as, head_as};
use crate::options::Options;

/// A request, and the digest of its answer's body.
struct Expected {
    request: Vec<u8>,
    digest: Digest,
}

impl Expected {
    async fn fetch(&self, connection: &mut Connection) -> Result<()> {
        let answer = connection.send(&self.request).await?;
        answer.must_be(200)?;
        ensure!(Digest::of(&answer.body) == self.digest, "other bytes than were pushed came");
        Ok(())
    }
}

/// Who reads what and for how long.
struct Reading {
    target: Target,
    load: Load,
    time: Duration,
}

impl Reading {
    fn of(options: &Options) -> Result<Self> {
        let time = Duration::from_secs(options.number("seconds")? as u64);
        Ok(Self { target: Target::of(options)?, load: Load::of(options)?, time })
    }

    /// Does `each` with one item after another, in no order of their making.
    async fn measure<T: 'static>(
        &self,
        phase: &str,
        requests: usize,
        items: Vec<T>,
        each: impl AsyncFn(&mut Connection, &T) -> Result<()> + 'static,
    ) -> Result<Value> {
        let items = Rc::new(items);
        let driven = self.target.drive(Until::Time(self.time), async move |connection, number| {
            let item = items.get(number.wrapping_mul(7919) % items.len()).context("nothing to read")?;
            each(connection, item).await
        });
        Ok(driven.await?.figures(phase, requests))
    }
}

/// Whole pulls: the manifest by its tag, the config, the layer.
pub async fn pull(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let server = &reading.target.server;
    let mut pulls = Vec::new();
    for artifact in reading.load.all()? {
        let blob = |blob| Expected { request: get(server, &artifact.blob_path(blob)), digest: blob.digest };
        let request = get_as(server, &artifact.manifest_path(), MANIFEST_TYPE);
        let manifest = Expected { request, digest: artifact.manifest.digest };
        pulls.push([manifest, blob(&artifact.config), blob(&artifact.layer)]);
    }
    let each = async |connection: &mut Connection, pull: &[Expected; 3]| {
        for expected in pull {
            expected.fetch(connection).await?;
        }
        Ok(())
    };
    reading.measure("pull", 3, pulls, each).await
}

/// Layers alone.
pub async fn get_blob(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let server = &reading.target.server;
    let mut layers = Vec::new();
    for artifact in reading.load.all()? {
        let request = get(server, &artifact.blob_path(&artifact.layer));
        layers.push(Expected { request, digest: artifact.layer.digest });
    }
    let each = async |connection: &mut Connection, layer: &Expected| layer.fetch(connection).await;
    reading.measure("get_blob", 1, layers, each).await
}

/// Whether a tag is there.
pub async fn head_manifest(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let mut requests = Vec::new();
    for artifact in reading.load.all()? {
        requests.push(head_as(&reading.target.server, &artifact.manifest_path(), MANIFEST_TYPE));
    }
    let each =
        async |connection: &mut Connection, request: &Vec<u8>| connection.send(request).await?.must_be(200);
    reading.measure("head", 1, requests, each).await
}

/// Manifests alone, by their tags.
pub async fn get_manifest(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let mut manifests = Vec::new();
    for artifact in reading.load.all()? {
        let request = get_as(&reading.target.server, &artifact.manifest_path(), MANIFEST_TYPE);
        manifests.push(Expected { request, digest: artifact.manifest.digest });
    }
    let each = async |connection: &mut Connection, manifest: &Expected| manifest.fetch(connection).await;
    reading.measure("get_manifest", 1, manifests, each).await
}

/// What a client asks that looks for a version: the tags, and where one of them points.
pub async fn resolve(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let server = &reading.target.server;
    check_tags(server, &reading.load).await?;
    let mut requests = Vec::new();
    for artifact in reading.load.all()? {
        let list = get(server, &format!("/v2/{}/tags/list", artifact.repository));
        requests.push([list, head_as(server, &artifact.manifest_path(), MANIFEST_TYPE)]);
    }
    let each = async |connection: &mut Connection, requests: &[Vec<u8>; 2]| {
        for request in requests {
            connection.send(request).await?.must_be(200)?;
        }
        Ok(())
    };
    reading.measure("resolve", 2, requests, each).await
}

/// Lists of tags, as `wkg` asks for them: without a length.
pub async fn tags(options: &Options) -> Result<Value> {
    let reading = Reading::of(options)?;
    let lists = check_tags(&reading.target.server, &reading.load).await?;
    let each = async |connection: &mut Connection, (request, length): &(Vec<u8>, usize)| {
        let answer = connection.send(request).await?;
        answer.must_be(200)?;
        ensure!(answer.body.len() == *length, "another list than before came");
        Ok(())
    };
    reading.measure("tags", 1, lists, each).await
}

/// Makes sure that every repository lists what was pushed there: the requests, and the lengths of their answers.
pub async fn check_tags(server: &str, load: &Load) -> Result<Vec<(Vec<u8>, usize)>> {
    let mut connection = Connection::open(server).await?;
    let mut lists = Vec::new();
    for (repository, mut tags) in load.repositories()? {
        let request = get(server, &format!("/v2/{repository}/tags/list"));
        let answer = connection.send(&request).await?;
        answer.must_be(200)?;
        let mut listed = listed(&answer)?;
        listed.sort_unstable();
        tags.sort_unstable();
        ensure!(listed == tags, "{repository} lists {} tags, {} were pushed", listed.len(), tags.len());
        lists.push((request, answer.body.len()));
    }
    Ok(lists)
}

/// The tags in a list.
pub fn listed(answer: &Answer) -> Result<Vec<String>> {
    let list: Value = serde_json::from_slice(&answer.body)?;
    let tags = list["tags"].as_array().context("a list without tags")?;
    Ok(tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}
