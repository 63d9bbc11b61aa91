//! Pushing, in seven requests as oras and containerd do: HEAD, POST and PUT for each blob, then the manifest.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::artifact::{Artifact, Blob, Load, MANIFEST_TYPE};
use super::read::check_tags;
use crate::drive::{Target, Until};
use crate::http::{Connection, head, post, put};
use crate::options::Options;

/// Requests that a push takes.
const REQUESTS: usize = 7;

/// Pushes all artifacts, then makes sure that every tag is listed.
pub async fn push(options: &Options) -> Result<Value> {
    let (target, load) = (Target::of(options)?, Load::of(options)?);
    let (artifacts, server) = (load.all()?, Rc::new(target.server.clone()));
    let pushed = target.drive(Until::Count(load.artifacts), async move |connection, number| {
        let artifact = artifacts.get(number).context("no such artifact")?;
        push_one(connection, &server, artifact).await
    });
    let pushed = pushed.await?;
    check_tags(&target.server, &load).await?;
    Ok(pushed.figures("push", REQUESTS))
}

async fn push_one(connection: &mut Connection, server: &str, artifact: &Artifact) -> Result<()> {
    push_blob(connection, server, artifact, &artifact.layer).await.context("the layer")?;
    push_blob(connection, server, artifact, &artifact.config).await.context("the config")?;
    let request = put(server, &artifact.manifest_path(), MANIFEST_TYPE, &artifact.manifest.bytes);
    connection.send(&request).await?.must_be(201).context("the manifest")
}

async fn push_blob(
    connection: &mut Connection,
    server: &str,
    artifact: &Artifact,
    blob: &Blob,
) -> Result<()> {
    connection.send(&head(server, &artifact.blob_path(blob))).await?.must_be(404)?;
    let uploads = format!("/v2/{}/blobs/uploads/", artifact.repository);
    let session = connection.send(&post(server, &uploads, "application/octet-stream", b"")).await?;
    session.must_be(202)?;
    let session = session.location.context("a session without a place")?;
    let path = put_path(server, &session, &blob.digest.to_string())?;
    connection.send(&put(server, &path, "application/octet-stream", &blob.bytes)).await?.must_be(201)
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
