//! Fetching a package and checking everything about it, in the order of the client rules (`DESIGN.md`).

use std::collections::BTreeMap;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde_json::Value;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::KeyId;
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::proof::MapProofBundle;
use wargate_core::name::{LogName, PackageName};
use wargate_core::v1::package;
use wargate_core::verify::{self as check, Failure, GivenRecord, MapWalk};
use wargate_wire::text::Text;
use wargate_wire::warg::{
    CheckpointBody, ConsistencyRequest, ConsistencyResponse, FetchLogsRequest, FetchLogsResponse,
    InclusionRequest, InclusionResponse, PublishedRecord,
};

use crate::error::Error;
use crate::fetch::Registry;
use crate::pins::{Pin, PinStore};

/// How old a checkpoint may be unless said otherwise, in seconds. An idle registry signs anew every hour.
pub const CHECKPOINT_AGE_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Records of a log that are fetched at once.
const RECORDS_PER_FETCH: u16 = 1000;

/// Records that are proven at once.
const LEAVES_PER_PROOF: usize = 500;

/// Records of one log that a client takes.
const RECORDS_MAX: usize = 1_000_000;

/// How often, and how far apart, a map page that is not laid down yet is asked for.
const PAGE_TRIES: u32 = 50;
const PAGE_TRY_AFTER: Duration = Duration::from_millis(100);

/// What a check allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The present, in seconds since the Unix epoch.
    pub now_seconds: u64,
    /// How old the checkpoint may be, in seconds.
    pub age_seconds_max: u64,
}

/// A package whose log was checked in full.
#[derive(Debug, Clone)]
pub struct VerifiedPackage {
    /// Its name.
    pub name: PackageName,
    /// The checkpoint that it was checked against.
    pub checkpoint: Checkpoint,
    /// The key that signed the checkpoint.
    pub checkpoint_key: KeyId,
    /// The registry: the id of its first record.
    pub root: RecordId,
    /// Whether the registry was trusted on this first use.
    pub first_use: bool,
    /// Whether a person gave the root.
    pub root_given: bool,
    /// Its releases and keys.
    pub state: package::State,
    /// Records in its log.
    pub records: usize,
}

/// A release of a checked package.
#[derive(Debug, Clone)]
pub struct VerifiedRelease {
    /// The version.
    pub version: Version,
    /// Its content.
    pub content: Digest,
    /// The key that released it.
    pub by: KeyId,
    /// When, in seconds, by its publisher's clock.
    pub released_seconds: i64,
    /// Whether it was yanked.
    pub yanked: bool,
}

impl VerifiedPackage {
    /// The release of a version, or the highest that is live and no pre-release.
    ///
    /// # Errors
    /// [`Error::NoSuchRelease`], [`Error::NoLiveRelease`], [`Error::Yanked`] unless `yanked` is allowed.
    pub fn release(&self, version: Option<&Version>, yanked: bool) -> Result<VerifiedRelease, Error> {
        let name = self.name.clone();
        let found = match version {
            Some(version) => self
                .state
                .releases
                .get(version)
                .ok_or_else(|| Error::NoSuchRelease { name: name.clone(), version: version.clone() })?,
            None => self
                .state
                .latest(&VersionReq::STAR)
                .ok_or_else(|| Error::NoLiveRelease { name: name.clone() })?,
        };
        if found.is_yanked() && !yanked {
            return Err(Error::Yanked { name, version: found.version.clone() });
        }
        Ok(verified_release(found))
    }

    /// All releases, by version.
    pub fn releases(&self) -> impl Iterator<Item = VerifiedRelease> {
        self.state.releases.values().map(verified_release)
    }
}

fn verified_release(release: &package::Release) -> VerifiedRelease {
    VerifiedRelease {
        version: release.version.clone(),
        content: *release.content(),
        by: release.by,
        released_seconds: release.time.seconds(),
        yanked: release.is_yanked(),
    }
}

/// Fetches a package's log and checks it: all that can be known of the package without its content.
///
/// The pin is read before and, if everything holds, kept after.
///
/// # Errors
/// [`Error::Failure`] with the attack's name; [`Error::NoSuchPackage`]; network and file errors.
pub async fn verify_package(
    registry: &Registry,
    pins: &PinStore,
    name: &PackageName,
    limits: &Limits,
) -> Result<VerifiedPackage, Error> {
    let pin = pins.load(registry.url())?;
    let signed: CheckpointBody = registry.get("/v1/fetch/checkpoint").await?;
    let checkpoint = Checkpoint::from(&signed.contents);
    let log = LogName::Package(name.clone());
    let (operator, package) = fetch_logs(registry, checkpoint.size, &log, name).await?;

    let root = check::check_root(&operator, pin.as_ref().map(|pin| &pin.root.0))?;
    let authority = check::judge_operator(&operator)?;
    check::check_checkpoint(&checkpoint, &signed.key_id.0, &signed.signature.0, &authority)?;
    check::check_age(&checkpoint, limits.now_seconds, limits.age_seconds_max)?;
    check_consistent(registry, pin.as_ref(), &checkpoint).await?;
    let state = check::judge_package(name, &package)?;
    check_included(registry, &checkpoint, &[(LogName::Operator, &operator), (log.clone(), &package)]).await?;
    check_no_namespace_log(registry, &checkpoint, name).await?;

    let first_use = pin.is_none();
    let root_given = pin.as_ref().is_some_and(|pin| pin.given);
    pins.keep(&Pin {
        registry: registry.url().to_owned(),
        root: Text(root),
        given: root_given,
        seen: Some(signed.contents),
    })?;
    let records = package.len();
    let (name, checkpoint_key) = (name.clone(), signed.key_id.0);
    Ok(VerifiedPackage { name, checkpoint, checkpoint_key, root, first_use, root_given, state, records })
}

/// The operator log and the package log below a tree size, whole.
async fn fetch_logs(
    registry: &Registry,
    size: u64,
    log: &LogName,
    name: &PackageName,
) -> Result<(Vec<GivenRecord>, Vec<GivenRecord>), Error> {
    let id = Text(log.log_id());
    let (mut operator, mut package) = (Vec::new(), Vec::new());
    let (mut operator_token, mut package_token) = (None, None);
    loop {
        let request = FetchLogsRequest {
            log_length: size,
            limit: Some(RECORDS_PER_FETCH),
            operator: operator_token.clone(),
            packages: BTreeMap::from([(id, package_token.clone())]),
        };
        let page: Result<FetchLogsResponse, Error> = registry.post("/v1/fetch/logs", &request).await;
        let mut page = page.map_err(|error| missing_package(error, &id.0, name))?;
        let before = operator.len() + package.len();
        take(&mut operator, &mut operator_token, page.operator);
        take(&mut package, &mut package_token, page.packages.remove(&id).unwrap_or_default());
        let after = operator.len() + package.len();
        if after > RECORDS_MAX {
            return Err(Failure::EndlessData { bytes_max: RECORDS_MAX as u64 }.into());
        }
        if !page.more || after == before {
            break;
        }
    }
    if package.is_empty() {
        return Err(Error::NoSuchPackage { name: name.clone() });
    }
    Ok((operator, package))
}

fn missing_package(error: Error, log: &LogId, name: &PackageName) -> Error {
    match &error {
        Error::Refused { status: 404, message, .. } => {
            let body: Value = serde_json::from_str(message).unwrap_or_default();
            if body["type"] == "log" && body["id"] == log.to_string() {
                Error::NoSuchPackage { name: name.clone() }
            } else {
                error
            }
        }
        _ => error,
    }
}

fn take(records: &mut Vec<GivenRecord>, token: &mut Option<String>, page: Vec<PublishedRecord>) {
    for record in page {
        *token = Some(record.fetch_token.to_string());
        records.push(GivenRecord { index: record.registry_index, envelope: record.envelope.into() });
    }
}

async fn check_consistent(
    registry: &Registry,
    pin: Option<&Pin>,
    checkpoint: &Checkpoint,
) -> Result<(), Error> {
    let Some(seen) = pin.and_then(Pin::seen) else { return Ok(()) };
    if seen.size >= checkpoint.size {
        return Ok(check::check_consistent(&seen, checkpoint, None)?);
    }
    let request = ConsistencyRequest { from: seen.size, to: checkpoint.size };
    let split = |reason: String| Failure::SplitView { seen: seen.size, reason };
    let answer: Result<ConsistencyResponse, Error> = registry.post("/v1/proof/consistency", &request).await;
    let answer = match answer {
        Err(Error::Refused { message, .. }) => {
            return Err(split(format!("the registry cannot prove that it goes on: {message}")).into());
        }
        answer => answer?,
    };
    let proof = LogProofBundle::decode(&answer.proof.0).map_err(|error| split(error.to_string()))?;
    Ok(check::check_consistent(&seen, checkpoint, Some(&proof))?)
}

/// Every record is in the log, and the last one of each log is the latest by the map.
async fn check_included(
    registry: &Registry,
    checkpoint: &Checkpoint,
    logs: &[(LogName, &Vec<GivenRecord>)],
) -> Result<(), Error> {
    for (log, records) in logs {
        let head = records.last().map(|record| record.index);
        for piece in records.chunks(LEAVES_PER_PROOF) {
            let failed = |reason: String| Failure::NotInLog {
                index: piece.first().map_or(0, |record| record.index),
                log: log.to_string(),
                reason,
            };
            let leafs = piece.iter().map(|record| record.index).collect();
            let request = InclusionRequest { log_length: checkpoint.size, leafs };
            let answer: Result<InclusionResponse, Error> =
                registry.post("/v1/proof/inclusion", &request).await;
            let answer = match answer {
                Err(Error::Refused { message, .. }) => return Err(failed(message).into()),
                answer => answer?,
            };
            let bundle = LogProofBundle::decode(&answer.log.0).map_err(|error| failed(error.to_string()))?;
            check::check_in_log(log, piece, checkpoint, &bundle)?;
            if piece.last().map(|record| record.index) == head {
                let proofs =
                    MapProofBundle::decode(&answer.map.0).map_err(|error| failed(error.to_string()))?;
                let proof = proofs.proofs.last().ok_or_else(|| failed("there is no map proof".to_owned()))?;
                check::check_latest(log, records, checkpoint, proof)?;
            }
        }
    }
    Ok(())
}

/// A v1 log stands only where the map holds no log of its namespace.
async fn check_no_namespace_log(
    registry: &Registry,
    checkpoint: &Checkpoint,
    name: &PackageName,
) -> Result<(), Error> {
    let namespace = LogId::namespace(&name.namespace());
    let downgrade = |reason: String| Failure::Downgrade { log: name.to_string(), reason };
    let mut walk = check::begin_map(checkpoint);
    loop {
        match walk {
            MapWalk::Found(None) => return Ok(()),
            MapWalk::Found(Some(record)) => {
                return Err(downgrade(format!("the namespace's log stands at {record}")).into());
            }
            MapWalk::Page { page, depth } => {
                let bytes = page_when_laid_down(registry, &page).await?;
                walk = check::step_map(page, depth, &bytes, &namespace)
                    .map_err(|error| downgrade(error.to_string()))?;
            }
        }
    }
}

/// The log door serves what is laid down, which follows a commit closely: a page may be asked for too early.
async fn page_when_laid_down(
    registry: &Registry,
    page: &wargate_core::map::page::PageRef,
) -> Result<bytes::Bytes, Error> {
    let mut tries = 0;
    loop {
        match registry.map_page(page).await {
            Err(Error::Refused { status: 404, .. }) if tries < PAGE_TRIES => {
                tries += 1;
                tokio::time::sleep(PAGE_TRY_AFTER).await;
            }
            answer => return answer,
        }
    }
}
