//! What is pushed: Wasm artifacts (`spec/oci.md`, "The Wasm artifact"), no two of which share content.
//!
//! An artifact follows from the run's name and its number alone, so that whoever reads knows what must come.

use anyhow::{Result, ensure};
use serde_json::json;
use wargate_core::digest::{DIGEST_BYTES, Digest};

use crate::options::Options;
use crate::records;

/// The media type of the manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The name of the section that makes modules differ.
const SECTION: &str = "load";

/// All that a run pushes.
pub struct Load {
    namespace: &'static str,
    run: String,
    /// The number of the first one that is pushed now; those before it were pushed already.
    first: usize,
    pub artifacts: usize,
    layer_bytes: usize,
    repositories: usize,
}

/// Bytes and their digest.
pub struct Blob {
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

/// An artifact with its place.
pub struct Artifact {
    pub repository: String,
    /// A version that no other artifact of the repository has.
    pub tag: String,
    pub layer: Blob,
    pub config: Blob,
    pub manifest: Blob,
}

impl Load {
    /// The flags `--artifacts`, `--layer-bytes`, `--repositories` and `--run`, and `--first` if some are there.
    pub fn of(options: &Options) -> Result<Self> {
        let load = Self {
            namespace: records::NAMESPACE,
            run: options.text("run")?,
            first: options.number_or("first", 0)?,
            artifacts: options.number("artifacts")?,
            layer_bytes: options.number("layer-bytes")?,
            repositories: options.number("repositories")?,
        };
        ensure!(load.first < load.artifacts, "nothing is left to push");
        ensure!(load.repositories > 0 && load.artifacts >= load.repositories, "a repository would be empty");
        Ok(load)
    }

    /// Artifacts without end, of which each is made when it is asked for.
    pub fn new(namespace: &'static str, run: String, layer_bytes: usize, repositories: usize) -> Self {
        Self { namespace, run, first: 0, artifacts: usize::MAX, layer_bytes, repositories }
    }

    /// A repository's name: that of a package, so that its versions are releases.
    pub fn repository(&self, number: usize) -> Result<String> {
        let name = records::name(&self.run, number)?;
        Ok(format!("{}/{}", self.namespace, name.name()))
    }

    /// Every repository with its tags.
    pub fn repositories(&self) -> Result<Vec<(String, Vec<String>)>> {
        let tags =
            |number| (number..self.artifacts).step_by(self.repositories).map(|i| self.tag(i)).collect();
        (0..self.repositories).map(|number| Ok((self.repository(number)?, tags(number)))).collect()
    }

    fn tag(&self, number: usize) -> String {
        format!("1.{}.0", number / self.repositories)
    }

    /// An artifact by its number.
    pub fn artifact(&self, number: usize) -> Result<Artifact> {
        let repository = self.repository(number % self.repositories)?;
        let tag = self.tag(number);
        let seed = Digest::of(format!("{}/{number}", self.run).as_bytes());
        let layer = Blob::new(module(&seed, self.layer_bytes)?);
        let config = Blob::new(serde_json::to_vec(&json!({
            "created": "2026-01-01T00:00:00Z",
            "author": null,
            "architecture": "wasm",
            "os": "wasip1",
            "layerDigests": [layer.digest.to_string()],
            "component": null,
        }))?);
        let title = repository.rsplit('/').next().unwrap_or_default();
        let manifest = Blob::new(serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": config.digest.to_string(),
                "size": config.bytes.len(),
            },
            "layers": [{
                "mediaType": "application/wasm",
                "digest": layer.digest.to_string(),
                "size": layer.bytes.len(),
                "annotations": { "org.opencontainers.image.title": format!("{title}.wasm") },
            }],
            "annotations": { "org.opencontainers.image.version": tag },
        }))?);
        Ok(Artifact { repository, tag, layer, config, manifest })
    }

    /// All that are pushed now.
    pub fn all(&self) -> Result<Vec<Artifact>> {
        (self.first..self.artifacts).map(|number| self.artifact(number)).collect()
    }
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

impl Artifact {
    /// The path of a blob.
    pub fn blob_path(&self, blob: &Blob) -> String {
        format!("/v2/{}/blobs/{}", self.repository, blob.digest)
    }

    /// The path of the manifest, by its tag.
    pub fn manifest_path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.tag)
    }
}

/// A valid core module of `size` bytes, of which a custom section with random bytes is all.
pub fn module(seed: &Digest, size: usize) -> Result<Vec<u8>> {
    const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
    /// A section's kind, and its length as a number of five bytes.
    const HEAD_BYTES: usize = 1 + 5;
    let least = PREAMBLE.len() + HEAD_BYTES + 1 + SECTION.len() + DIGEST_BYTES;
    ensure!(size >= least, "a layer has {least} bytes at least");
    let mut module = PREAMBLE.to_vec();
    let length = size - PREAMBLE.len() - HEAD_BYTES;
    module.push(0);
    // LEB128 may be padded up to its largest length.
    module.extend((0..5).map(|at| ((length >> (7 * at)) & 0x7f) as u8 | if at < 4 { 0x80 } else { 0 }));
    module.push(SECTION.len() as u8);
    module.extend(SECTION.as_bytes());
    module.extend(seed.as_bytes());
    fill(&mut module, seed, size);
    Ok(module)
}

/// Makes `bytes` `size` long with what SplitMix64 makes of a seed's beginning.
pub fn fill(bytes: &mut Vec<u8>, seed: &Digest, size: usize) {
    let mut state = seed.as_bytes().iter().take(8).fold(0, |state, byte| state << 8 | u64::from(*byte));
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let left = (size - bytes.len()).min(8);
        bytes.extend(&word.to_le_bytes()[..left]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn load(artifacts: usize, layer_bytes: usize) -> Load {
        Load { namespace: "load", run: "a".to_owned(), first: 0, artifacts, layer_bytes, repositories: 3 }
    }

    #[test]
    fn no_two_artifacts_share_a_place_or_content() {
        let artifacts = load(20, 100).all().unwrap();
        let mut seen = HashSet::new();
        for artifact in &artifacts {
            assert!(seen.insert(artifact.manifest_path()));
            for blob in [&artifact.layer, &artifact.config, &artifact.manifest] {
                assert!(seen.insert(blob.digest.to_string()));
            }
        }
        let places = load(20, 100).repositories().unwrap();
        assert_eq!(places.iter().map(|(_, tags)| tags.len()).sum::<usize>(), 20);
        for (name, tags) in places {
            assert!(tags.iter().all(|tag| seen.contains(&format!("/v2/{name}/manifests/{tag}"))), "{name}");
        }
    }

    #[test]
    fn a_layer_is_one_custom_section_of_the_size_that_was_asked_for() {
        for size in [51, 52, 63, 64, 16_384, 3_000_001] {
            let layer = load(3, size).artifact(0).unwrap().layer.bytes;
            assert_eq!(layer.len(), size);
            let mut length = 0;
            for (at, byte) in layer[9..14].iter().enumerate() {
                length |= usize::from(byte & 0x7f) << (7 * at);
                assert_eq!(byte & 0x80 == 0, at == 4);
            }
            assert_eq!(length, size - 14);
            assert_eq!(&layer[14..19], b"\x04load");
        }
        assert!(load(3, 50).artifact(0).is_err());
    }
}
