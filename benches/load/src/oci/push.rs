//! Pushing, in seven requests as oras and containerd do: HEAD, POST and PUT for each blob, then the manifest.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use wargate_core::digest::Digest;

use super::artifact::{Artifact, Blob, Load, MANIFEST_TYPE};
use super::read::check_tags;
use crate::drive::{Target, Until};
use crate::http::{Busy, Connection, head, post, put};
use crate::options::Options;

/// Requests that a push takes.
const REQUESTS: usize = 7;

/// How often a manifest is put again that the server was too busy for, and how long it is left alone before.
const RETRIES_MAX: usize = 1_000;
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// Pushes artifacts, then makes sure that every tag is listed. `--phase` names the figures.
pub async fn push(options: &Options) -> Result<Value> {
    let (target, load) = (Target::of(options)?, Load::of(options)?);
    let (artifacts, server) = (load.all()?, Rc::new(target.server.clone()));
    let pushed = target.drive(Until::Count(artifacts.len()), async move |connection, number| {
        let artifact = artifacts.get(number).context("no such artifact")?;
        push_blobs(connection, &server, artifact).await?;
        let mut retries = 0;
        loop {
            // A server that is busy is tried again, as a client would.
            match put_manifest(connection, &server, artifact).await {
                Err(error) if error.root_cause().is::<Busy>() && retries < RETRIES_MAX => retries += 1,
                done => return done,
            }
            tokio::time::sleep(BUSY_WAIT).await;
        }
    });
    let pushed = pushed.await?;
    check_tags(&target.server, &load).await?;
    Ok(pushed.figures(&options.text_or("phase", "push"), REQUESTS))
}

/// Pushes one artifact.
pub async fn push_one(connection: &mut Connection, server: &str, artifact: &Artifact) -> Result<()> {
    push_blobs(connection, server, artifact).await?;
    put_manifest(connection, server, artifact).await
}

async fn push_blobs(connection: &mut Connection, server: &str, artifact: &Artifact) -> Result<()> {
    for (blob, what) in [(&artifact.layer, "the layer"), (&artifact.config, "the config")] {
        let Blob { bytes, digest } = blob;
        push_blob(connection, server, &artifact.repository, bytes, digest).await.context(what)?;
    }
    Ok(())
}

async fn put_manifest(connection: &mut Connection, server: &str, artifact: &Artifact) -> Result<()> {
    let request = put(server, &artifact.manifest_path(), MANIFEST_TYPE, &artifact.manifest.bytes);
    connection.send(&request).await?.must_be(201).context("the manifest")
}

/// Pushes a blob that is not there yet.
pub async fn push_blob(
    connection: &mut Connection,
    server: &str,
    repository: &str,
    bytes: &[u8],
    digest: &Digest,
) -> Result<()> {
    let blob = format!("/v2/{repository}/blobs/{digest}");
    connection.send(&head(server, &blob)).await?.must_be(404)?;
    let path = begin_upload(connection, server, repository, digest).await?;
    connection.send(&put(server, &path, "application/octet-stream", bytes)).await?.must_be(201)
}

/// Opens a session; where the blob is to be put.
pub async fn begin_upload(
    connection: &mut Connection,
    server: &str,
    repository: &str,
    digest: &Digest,
) -> Result<String> {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let session = connection.send(&post(server, &uploads, "application/octet-stream", b"")).await?;
    session.must_be(202)?;
    put_path(server, &session.location.context("a session without a place")?, &digest.to_string())
}

/// Where the blob is put: a session's place may be a whole URL, and may have a query of its own.
fn put_path(server: &str, location: &str, digest: &str) -> Result<String> {
    let path = location.strip_prefix("http://").map_or(Some(location), |rest| rest.strip_prefix(server));
    let path = path.context("the session is at another host")?;
    ensure!(path.starts_with('/'), "the session is at `{location}`");
    let joint = if path.contains('?') { '&' } else { '?' };
    Ok(format!("{path}{joint}digest={digest}"))
}

#[cfg(test)]
mod tests {
    use super::put_path;

    #[test]
    fn a_session_is_found_by_path_and_by_url() {
        for (location, expected) in [
            ("/v2/a/blobs/uploads/1", Some("/v2/a/blobs/uploads/1?digest=d")),
            ("http://h:1/v2/a/blobs/uploads/1?_state=S", Some("/v2/a/blobs/uploads/1?_state=S&digest=d")),
            ("http://other:1/v2/a/blobs/uploads/1", None),
            ("http://h:12/v2/a/blobs/uploads/1", None),
            ("uploads/1", None),
        ] {
            assert_eq!(put_path("h:1", location, "d").ok().as_deref(), expected, "{location}");
        }
    }
}
