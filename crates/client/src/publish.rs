//! Releasing a version with a key of one's own: an act, endorsed here, and its content, sent in one round trip
//! (`spec/delegation.md`, "Acts and records").
//!
//! What is signed follows from what is proven: which registry it is, and whether the package has begun. Whether the
//! key may do it is judged before anything is sent.

use std::collections::BTreeSet;

use bytes::Bytes;
use semver::Version;
use wargate_core::act::{self, Act, Endorsement, Release, Step};
use wargate_core::authority::{Refusal, State};
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::key::{KeyId, Signer};
use wargate_core::name::{LogName, PackageName};
use wargate_core::time::Time;
use wargate_core::verify::{Layers, PackageLog};
use wargate_wire::api::{
    ACT_FIELD, CONTENT_FIELD, EndorsementBody, HandedInBody, ReleasedBody, SignedActBody,
};
use wargate_wire::text::Base64;

use crate::acts::{Bench, PROPOSAL_WINDOW_SECONDS, WINDOW_AFTER_SECONDS, WINDOW_BEFORE_SECONDS};
use crate::error::Error;
use crate::fetch::Registry;
use crate::package::Proven;
use crate::pins::PinStore;
use crate::proposals::Proposal;
use crate::verify::{Limits, look};

/// A version that somebody wants to release.
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// The package.
    pub name: PackageName,
    /// The version.
    pub version: Version,
    /// The content.
    pub content: Bytes,
    /// The manifest that follows from the content, to be named in the record.
    pub manifest: Option<Digest>,
}

/// What there is to do.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// To send this.
    New(Box<PreparedRelease>),
    /// Nothing: the version was released before, with this content.
    Before(Proven),
}

/// An endorsed act and its content, ready to be sent.
#[derive(Debug, Clone)]
pub struct PreparedRelease {
    /// What is released.
    pub release: NewRelease,
    /// The digest of its content.
    pub digest: Digest,
    /// What its maker agreed to.
    pub act: Act,
    /// Whether the package begins with it.
    pub starts_package: bool,
    /// Whether its namespace begins, by the registry's word.
    pub starts_namespace: bool,
    /// Whether the registry's word is needed for the package to begin.
    pub needs_registry: bool,
    /// The agreement of others that it lacks, in words: it will wait for that.
    pub lacks: Option<String>,
    /// What it was judged by.
    pub proven: Proven,
    bytes: Vec<u8>,
    endorsement: Endorsement,
}

/// A release that the registry says it published; [`crate::verify_package`] shows that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The record.
    pub record: RecordId,
    /// Its index in the log.
    pub index: u64,
    /// Whether somebody else released the same just before.
    pub before: bool,
}

/// What became of a release that was sent, by the registry's word.
#[derive(Debug, Clone)]
pub enum Sent {
    /// It is released.
    Published(Published),
    /// It waits for others to agree.
    Proposed(Box<Proposal>),
}

/// How a package begins.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    package: bool,
    namespace: bool,
    needs_registry: bool,
}

/// Looks at the package, checked, and makes the act that releases the version, endorsed by `key`.
///
/// # Errors
/// As [`crate::verify_package`]; [`Error::CannotRelease`] if the rules or the key's powers forbid it,
/// [`Error::AlreadyReleased`], [`Error::Sign`].
pub async fn prepare<S: Signer>(
    registry: &Registry,
    pins: &PinStore,
    release: NewRelease,
    key: &S,
    nonce: [u8; 16],
    limits: &Limits,
) -> Result<Preparation, Error> {
    let looked = look(registry, pins, &release.name, limits).await?;
    pins.keep(&looked.pin)?;
    let digest = Digest::of(&release.content);
    let (proven, layers) = (looked.proven, looked.layers);
    if is_released(&layers, &release, &digest)? {
        return Ok(Preparation::Before(proven));
    }
    let bench = Bench::of_package(&release.name, &proven, layers)?;
    let now = seconds(limits.now_seconds);
    let start = match bench.state() {
        None => start(&bench, &release.name, &key.public().id(), bench.earliest().max(now))?,
        Some(_) => Start::default(),
    };
    let step = Step::Release(Release {
        version: release.version.clone(),
        content: digest,
        manifest: release.manifest,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    });
    let init = Step::Init { keys: vec![key.public().clone()], threshold: 1 };
    let mut act = Act {
        root: Some(proven.root),
        log: LogName::Package(release.name.clone()).log_id(),
        steps: if start.package { vec![init, step] } else { vec![step] },
        not_before: now.plus_seconds(-WINDOW_BEFORE_SECONDS),
        not_after: now.plus_seconds(WINDOW_AFTER_SECONDS),
        nonce,
    };
    let sign =
        |bytes: &[u8]| act::endorse(bytes, key).map_err(|error| Error::Sign { reason: error.to_string() });
    let mut bytes = act.encode();
    let mut endorsement = sign(&bytes)?;
    let lacks = check_allowed(&bench, &release, &bytes, &endorsement, now)?;
    if lacks.is_some() {
        act.not_after = now.plus_seconds(PROPOSAL_WINDOW_SECONDS);
        bytes = act.encode();
        endorsement = sign(&bytes)?;
    }
    Ok(Preparation::New(Box::new(PreparedRelease {
        release,
        digest,
        act,
        starts_package: start.package,
        starts_namespace: start.namespace,
        needs_registry: start.needs_registry,
        lacks: lacks.map(|lacks| lacks.to_string()),
        proven,
        bytes,
        endorsement,
    })))
}

fn seconds(seconds: u64) -> Time {
    Time::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn cannot(reason: String) -> Error {
    Error::CannotRelease { reason }
}

fn owners(state: &State) -> String {
    state.owners().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether the same was released before.
fn is_released(layers: &Layers, release: &NewRelease, digest: &Digest) -> Result<bool, Error> {
    let name = &release.name;
    let found = match &layers.package {
        None => None,
        Some(PackageLog::V1(state)) => state.releases.get(&release.version).map(|release| *release.content()),
        Some(PackageLog::Delegated { facts, .. }) => {
            facts.releases.get(&release.version).map(|release| release.content)
        }
    };
    match found {
        Some(content) if content == *digest => Ok(true),
        Some(content) => {
            Err(Error::AlreadyReleased { name: name.clone(), version: release.version.clone(), content })
        }
        None if matches!(layers.package, Some(PackageLog::V1(_))) => {
            Err(cannot(format!("`{name}` is published with `warg` by keys of its own: publish with `warg`")))
        }
        None => Ok(false),
    }
}

/// Rule 7: who has a say in the start of a package, and whether that can be had.
fn start(bench: &Bench, name: &PackageName, key: &KeyId, time: Time) -> Result<Start, Error> {
    let registry: BTreeSet<KeyId> =
        bench.operator.publishing_keys(time).map(wargate_core::key::PublicKey::id).collect();
    let parent = name.namespace();
    let Some(namespace) = bench.above().filter(|above| above.head().is_some()) else {
        if bench.operator.define_covers(&parent, &registry, time) {
            return Ok(Start { package: true, namespace: true, needs_registry: true });
        }
        return Err(cannot(format!(
            "the namespace `{parent}` is not claimed, and this registry starts none by itself: ask its operator"
        )));
    };
    let covers = |keys: &BTreeSet<KeyId>| namespace.init_covers(name.name(), keys, time);
    let needs_registry = !covers(&BTreeSet::from([*key]));
    if needs_registry && !covers(&registry) {
        return Err(cannot(format!(
            "the owners of the namespace `{parent}` start its packages, and key {key} is none of them; they are {}",
            owners(namespace)
        )));
    }
    Ok(Start { package: true, namespace: false, needs_registry })
}

/// What the act lacks, if others must agree too; of a package that begins, [`start`] said it.
fn check_allowed(
    bench: &Bench,
    release: &NewRelease,
    act: &[u8],
    endorsement: &Endorsement,
    time: Time,
) -> Result<Option<Refusal>, Error> {
    if !release.version.build.is_empty() {
        return Err(cannot(format!(
            "version {} has build metadata, which no release may have",
            release.version
        )));
    }
    let Some(state) = bench.state() else { return Ok(None) };
    let refusal = match bench.weigh(act, std::slice::from_ref(endorsement), time) {
        Ok(None) => return Ok(None),
        // One of several who must agree.
        Ok(Some(lacks @ Refusal::Threshold { found: 1.., .. })) => return Ok(Some(lacks)),
        Ok(Some(refusal)) | Err(refusal) => refusal,
    };
    Err(cannot(format!(
        "key {} may not: {refusal}; the owners of `{}` are {}",
        endorsement.key_id,
        release.name,
        owners(state)
    )))
}

impl PreparedRelease {
    /// The key that endorsed it.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.endorsement.key_id
    }

    /// Sends it and waits for the registry's answer.
    ///
    /// # Errors
    /// [`Error::NotPublished`] with the registry's words; [`Error::Malformed`] if it answers for something else;
    /// network errors. After those the same may be sent again.
    pub async fn send(&self, registry: &Registry) -> Result<Sent, Error> {
        let name = &self.release.name;
        let path = format!("/api/packages/{}/{}/releases", name.namespace(), name.name());
        let body = SignedActBody {
            act: Base64(self.bytes.clone()),
            endorsements: vec![EndorsementBody::from(&self.endorsement)],
        };
        let malformed = |reason: &str| Error::Malformed {
            url: format!("{}{path}", registry.url()),
            reason: reason.to_owned(),
        };
        let body = serde_json::to_vec(&body).map_err(|error| malformed(&error.to_string()))?;
        // It depends on the nonce and on the content, so no content holds it.
        let boundary = Digest::of(&self.bytes).to_hex();
        let form = vec![
            part(&boundary, ACT_FIELD, "application/json"),
            body.into(),
            "\r\n".into(),
            part(&boundary, CONTENT_FIELD, "application/wasm"),
            self.release.content.clone(),
            format!("\r\n--{boundary}--\r\n").into(),
        ];
        let told: ReleasedBody = match registry.post_form(&path, &boundary, form).await? {
            HandedInBody::Done(told) => told,
            HandedInBody::Proposed(told) => {
                let log = LogName::Package(name.clone());
                let proposal = Proposal::of(registry, &log, *told)?;
                return match proposal.bytes == self.bytes {
                    true => Ok(Sent::Proposed(Box::new(proposal))),
                    false => Err(malformed("it tells of another proposal")),
                };
            }
        };
        let same =
            told.package.0 == *name && told.version.0 == self.release.version && told.digest.0 == self.digest;
        if !same {
            return Err(malformed("it tells of another release"));
        }
        let (record, index) = (told.record_id.0, told.registry_index);
        Ok(Sent::Published(Published { record, index, before: told.before }))
    }
}

fn part(boundary: &str, name: &str, kind: &str) -> Bytes {
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
         Content-Type: {kind}\r\n\r\n"
    )
    .into()
}
