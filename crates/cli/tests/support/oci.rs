//! Somebody who pushes Wasm artifacts over HTTP, for tests that need many of them quickly.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use reqwest::{Client, Response, StatusCode};
use wargate_component::manifest::{Layer, artifact};
use wargate_core::digest::Digest;

/// A release that is pushed.
pub(crate) struct Push {
    /// `NS/NAME`.
    pub(crate) repository: String,
    pub(crate) version: String,
    pub(crate) layer: Vec<u8>,
}

/// What the server said no with.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

impl Push {
    /// Pushes the layer, the config and the manifest; `Err(None)` when the server is gone.
    pub(crate) async fn send(&self, http: &Client, url: &str) -> Result<(), Option<Refused>> {
        let inspection = wargate_component::inspect(&self.layer).unwrap();
        let layer = Layer { digest: Digest::of(&self.layer), size: self.layer.len() as u64 };
        let name = self.repository.rsplit('/').next().unwrap();
        let made = artifact(layer, &inspection, name, &self.version.parse().unwrap());
        let at = format!("{url}/v2/{}", self.repository);
        for blob in [&self.layer, &made.config] {
            let to = format!("{at}/blobs/uploads/?digest={}", Digest::of(blob));
            must(http.post(to).body(blob.clone()).send().await).await?;
        }
        let to = format!("{at}/manifests/{}", self.version);
        let manifest = http.put(to).header("content-type", "application/vnd.oci.image.manifest.v1+json");
        must(manifest.body(made.manifest).send().await).await
    }

    /// Pulls the layer; whether it is byte for byte what was pushed.
    pub(crate) async fn is_there(&self, http: &Client, url: &str) -> bool {
        let digest = Digest::of(&self.layer);
        let manifest = http.get(format!("{url}/v2/{}/manifests/{}", self.repository, self.version));
        let manifest = manifest.send().await.unwrap();
        if manifest.status() != StatusCode::OK
            || !manifest.text().await.unwrap().contains(&digest.to_string())
        {
            return false;
        }
        let blob = http.get(format!("{url}/v2/{}/blobs/{digest}", self.repository)).send().await.unwrap();
        blob.status() == StatusCode::OK && blob.bytes().await.unwrap() == self.layer
    }
}

async fn must(answer: reqwest::Result<Response>) -> Result<(), Option<Refused>> {
    let Ok(answer) = answer else { return Err(None) };
    let status = answer.status();
    if status == StatusCode::CREATED {
        return Ok(());
    }
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Err(Some(Refused { status, retry_after, body: answer.text().await.unwrap_or_default() }))
}
