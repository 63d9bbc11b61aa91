//! The load as files under the paths of the door: what a server of static files needs to answer the reads.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::artifact::Load;
use crate::options::Options;

/// Writes them.
pub fn write(options: &Options) -> Result<Value> {
    let (load, folder) = (Load::of(options)?, options.text("folder")?);
    let write = |path: &str, bytes: &[u8]| -> Result<()> {
        let path = Path::new(&folder).join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("no folder")?)?;
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    };
    for number in 0..load.artifacts {
        let artifact = load.artifact(number)?;
        for blob in [&artifact.layer, &artifact.config] {
            write(&artifact.blob_path(blob), &blob.bytes)?;
        }
        write(&artifact.manifest_path(), &artifact.manifest.bytes)?;
    }
    for (name, tags) in load.repositories()? {
        let list = json!({ "name": name, "tags": tags });
        write(&format!("/v2/{name}/tags/list"), &serde_json::to_vec(&list)?)?;
    }
    Ok(json!({ "files": load.artifacts * 3 }))
}
