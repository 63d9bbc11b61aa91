//! Parsers of other people's languages: OCI, Docker, Warg's JSON and our own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wargate_wire::docker::{DockerConfig, helper_answer};
use wargate_wire::oci::challenge::Challenge;
use wargate_wire::oci::list::Page;
use wargate_wire::oci::manifest::{Manifest, ManifestType};
use wargate_wire::oci::path;
use wargate_wire::oci::query::Query;
use wargate_wire::oci::range::ContentRange;
use wargate_wire::oci::reference::{ContentDigest, Reference, RepositoryName, Tag};
use wargate_wire::{api, warg};

use crate::{choice, one_form, text};

/// Names, tags and digests have one form.
pub fn oci_reference(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    one_form::<RepositoryName>(text);
    one_form::<Tag>(text);
    one_form::<ContentDigest>(text);
    one_form::<Reference>(text);
    if let Ok(tag) = text.parse::<Tag>() {
        let _ = tag.version();
        assert!(!text.contains(':') && !text.contains('/'));
    }
}

/// What a path means is what its displayed form means.
pub fn oci_path(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match path::parse(text) {
        Ok(route) => assert_eq!(path::parse(&route.to_string()).as_ref(), Ok(&route)),
        Err(error) => short(&error.to_string()),
    }
}

/// Queries: keys that nobody asks for cannot fail.
pub fn oci_query(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for query in [Query::new(text), Query::form(text)] {
        for key in ["digest", "n", "last", "from"] {
            let first = query.first(key);
            match query.all(key) {
                Ok(all) => {
                    assert_eq!(first.expect("one of those").as_deref(), all.first().map(AsRef::as_ref));
                }
                Err(error) => short(&error.to_string()),
            }
        }
        let _ = Page::of(&query);
    }
}

/// The ranges of chunks.
pub fn oci_range(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match text.parse::<ContentRange>() {
        Ok(range) => {
            assert!(range.len() > 0);
            assert_eq!(range.to_string().parse(), Ok(range));
            assert_eq!(range.check_body(range.len()), Ok(()));
            assert_eq!(range.check_next(range.start()), Ok(()));
        }
        Err(error) => short(&error.to_string()),
    }
}

/// Manifests and indexes. The first byte says with which content type they came, if any.
pub fn oci_manifest(bytes: &[u8]) {
    let Some((kind, body)) = choice(bytes) else { return };
    let content_type = ManifestType::ALL.get(kind).map(|kind| kind.as_str());
    match Manifest::parse(content_type, body) {
        Ok(manifest) => {
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok(), "stricter than JSON");
            assert_eq!(Manifest::parse(Some(manifest.media_type.as_str()), body).as_ref(), Ok(&manifest));
            assert!(manifest.required_blobs().count() <= manifest.layers.len() + 1);
            let _ = manifest.listed_artifact_type();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a registry asks for.
pub fn oci_challenge(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let challenges = Challenge::parse(text);
    assert!(challenges.len() <= text.len());
    let kept: usize = challenges
        .iter()
        .map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scope } => {
                realm.len() + service.as_ref().map_or(0, String::len) + scope.as_ref().map_or(0, String::len)
            }
            Challenge::Other(name) => name.len(),
            _ => 0,
        })
        .sum();
    assert!(kept <= text.len(), "nothing is made up");
}

/// Docker's configuration, and what helpers answer: nothing that is refused is repeated.
pub fn docker_config(bytes: &[u8]) {
    const HOST: &str = "registry.example:5000";
    match DockerConfig::decode(bytes) {
        Ok(config) => {
            assert_eq!(format!("{config:?}"), "DockerConfig { .. }");
            match config.find(HOST) {
                Ok(kept) => assert!(kept.len() <= 2),
                Err(error) => assert!(error.to_string().len() < 200),
            }
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
    if let Ok(secret) = helper_answer(bytes) {
        assert!(format!("{secret:?}").len() < 20);
    }
}

/// A message with a stranger's text in it stays short and holds no control character.
#[track_caller]
fn short(message: &str) {
    const MESSAGE_BYTES_MAX: usize = 3_000;
    assert!(message.len() <= MESSAGE_BYTES_MAX && !message.contains(char::is_control), "{message}");
}

/// What is read as `T` is the same when it is written and read again.
fn survives<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&value).expect("it is JSON");
        assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written is read"), value);
    }
}

/// The bodies of Warg's HTTP API.
pub fn json_warg(bytes: &[u8]) {
    survives::<warg::EnvelopeBody>(bytes);
    survives::<warg::PublishedRecord>(bytes);
    survives::<warg::CheckpointContents>(bytes);
    survives::<warg::CheckpointBody>(bytes);
    survives::<warg::FetchLogsRequest>(bytes);
    survives::<warg::FetchLogsResponse>(bytes);
    survives::<warg::FetchNamesRequest>(bytes);
    survives::<warg::FetchNamesResponse>(bytes);
    survives::<warg::PublishRequest>(bytes);
    survives::<warg::RecordBody>(bytes);
    survives::<warg::ContentSourcesResponse>(bytes);
    survives::<warg::ConsistencyRequest>(bytes);
    survives::<warg::ConsistencyResponse>(bytes);
    survives::<warg::InclusionRequest>(bytes);
    survives::<warg::InclusionResponse>(bytes);
    survives::<warg::VerifyCheckpointResponse>(bytes);
    survives::<warg::LedgerSourcesResponse>(bytes);
}

/// The bodies of our own HTTP API.
pub fn json_api(bytes: &[u8]) {
    survives::<api::SignedActBody>(bytes);
    survives::<api::ReleasedBody>(bytes);
    survives::<api::Problem>(bytes);
    survives::<api::PackageList>(bytes);
    survives::<api::Package>(bytes);
    survives::<api::Release>(bytes);
}
