//! Fetching a package and checking everything about it, in the order of the client rules (`DESIGN.md`).

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use wargate_core::authority::State;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::id::RecordId;
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::proof::MapProofBundle;
use wargate_core::name::{LogName, Namespace, PackageName};
use wargate_core::time::Time;
use wargate_core::verify::{self as check, Failure, GivenRecord, Layers, MapWalk, Parts};
use wargate_wire::text::Text;
use wargate_wire::warg::{
    CheckpointBody, ConsistencyRequest, ConsistencyResponse, InclusionRequest, InclusionResponse,
};

use crate::error::Error;
use crate::fetch::Registry;
use crate::logs::Logs;
use crate::package::{Proven, VerifiedPackage};
use crate::pins::{Pin, PinStore};

/// How old a checkpoint may be unless said otherwise, in seconds. An idle registry signs anew every hour.
pub const CHECKPOINT_AGE_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Records that are proven at once.
const LEAVES_PER_PROOF: usize = 500;

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

/// Fetches a package's log and those above it and checks them: all that can be known of the package without its content.
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
    let looked = look(registry, pins, name, limits).await?;
    if looked.layers.package.is_none() {
        return Err(Error::NoSuchPackage { name: name.clone() });
    }
    pins.keep(&looked.pin)?;
    let now = Time::from_seconds(i64::try_from(limits.now_seconds).unwrap_or(i64::MAX));
    VerifiedPackage::of(name, looked.proven, looked.layers, &looked.package, now)
}

/// A name and the layers above it, checked; that there is no such log is proven too.
pub(crate) struct Looked {
    pub(crate) proven: Proven,
    pub(crate) layers: Layers,
    /// The package's records.
    pub(crate) package: Arc<Vec<GivenRecord>>,
    /// What to remember of the registry.
    pub(crate) pin: Pin,
}

/// Fetches the logs of a package and of the layers above and checks them; the pin is not kept yet.
pub(crate) async fn look(
    registry: &Registry,
    pins: &PinStore,
    name: &PackageName,
    limits: &Limits,
) -> Result<Looked, Error> {
    checked(registry, pins, async |logs| look_in(logs, name, limits).await).await
}

async fn look_in(known: &Logs<'_>, name: &PackageName, limits: &Limits) -> Result<Looked, Error> {
    let ground = ground(known, limits).await?;
    let log = LogName::Package(name.clone());
    let namespace = ground.namespace(&name.namespace()).await?;
    let package = known.fetch(&log, ground.size()).await?;
    let (namespace, package) = (Arc::new(namespace), Arc::new(package));
    let judging = {
        let (name, operator) = (name.clone(), ground.operator.clone());
        let (namespace, package) = (namespace.clone(), package.clone());
        beside(move || judge(&name, &operator, &namespace, &package))
    };
    let above = LogName::Namespace(name.namespace());
    let logs = [(log.clone(), &*package), (above, &*namespace)];
    let proving = async {
        if package.is_empty() {
            check_absent(known.registry, &ground.proven.checkpoint, &log).await?;
        }
        ground.check_included(&logs).await
    };
    let (judged, proven) = tokio::join!(judging, proving);
    let layers = judged?;
    proven?;
    ground.keep(&logs);
    Ok(Looked { proven: ground.proven, layers, package, pin: ground.pin })
}

/// Judges a package and the layers above it, on as many processors as there are.
fn judge(
    name: &PackageName,
    operator: &[GivenRecord],
    namespace: &[GivenRecord],
    package: &[GivenRecord],
) -> Result<Layers, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    match check::parts_of_layers(name, operator, namespace, package, processors) {
        Some(parts) => judge_parts(parts),
        None => check::judge_layers(name, operator, namespace, package),
    }
}

/// Judges all parts at once; the first one's failure is the log's.
fn judge_parts(parts: Parts<'_>) -> Result<Layers, Failure> {
    std::thread::scope(|scope| {
        let before: Vec<_> = parts.before.into_iter().map(|part| scope.spawn(move || part.judge())).collect();
        let last = parts.last.judge();
        for part in before {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        last
    })
}

/// Judging is work for a processor, proving waits for the registry: both at once.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody aborts it: it panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The same for a namespace alone, whose log may not have begun.
pub(crate) async fn look_namespace(
    registry: &Registry,
    pins: &PinStore,
    name: &Namespace,
    limits: &Limits,
) -> Result<Looked, Error> {
    checked(registry, pins, async |logs| look_namespace_in(logs, name, limits).await).await
}

async fn look_namespace_in(logs: &Logs<'_>, name: &Namespace, limits: &Limits) -> Result<Looked, Error> {
    let ground = ground(logs, limits).await?;
    let namespace = ground.namespace(name).await?;
    let layers = check::judge_namespace(name, &ground.operator, &namespace)?;
    let logs = [(LogName::Namespace(name.clone()), &namespace)];
    ground.check_included(&logs).await?;
    ground.keep(&logs);
    Ok(Looked { proven: ground.proven, layers, package: Arc::default(), pin: ground.pin })
}

/// The operator log alone.
pub(crate) async fn look_operator(
    registry: &Registry,
    pins: &PinStore,
    limits: &Limits,
) -> Result<(Proven, State, Pin), Error> {
    checked(registry, pins, async |logs| look_operator_in(logs, limits).await).await
}

async fn look_operator_in(logs: &Logs<'_>, limits: &Limits) -> Result<(Proven, State, Pin), Error> {
    let ground = ground(logs, limits).await?;
    ground.check_included(&[]).await?;
    let state = check::judge_operator(&ground.operator)?;
    ground.keep(&[]);
    Ok((ground.proven, state, ground.pin))
}

/// Checks with what is kept of the registry's logs; if that may be why it fails, without.
async fn checked<T>(
    registry: &Registry,
    pins: &PinStore,
    look: impl AsyncFn(&Logs<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    match look(&Logs::known(registry, pins)).await {
        Err(error) if pins.may_mislead(registry.url(), &error) => look(&Logs::unknown(registry, pins)).await,
        looked => looked,
    }
}

/// What everything else is checked on: a fresh checkpoint that goes on from what was seen, signed by a key that the
/// operator log gives `commit`.
struct Ground<'a> {
    logs: &'a Logs<'a>,
    proven: Proven,
    operator: Vec<GivenRecord>,
    /// What to remember of the registry.
    pin: Pin,
}

async fn ground<'a>(logs: &'a Logs<'_>, limits: &Limits) -> Result<Ground<'a>, Error> {
    let registry = logs.registry;
    let pin = logs.pins.load(registry.url())?;
    let signed: CheckpointBody = registry.get("/v1/fetch/checkpoint").await?;
    let checkpoint = Checkpoint::from(&signed.contents);
    let operator = logs.fetch(&LogName::Operator, checkpoint.size).await?;

    let root = check::check_root(&operator, pin.as_ref().map(|pin| &pin.root.0))?;
    let authority = check::judge_operator(&operator)?;
    check::check_checkpoint(&checkpoint, &signed.key_id.0, &signed.signature.0, &authority)?;
    check::check_age(&checkpoint, limits.now_seconds, limits.age_seconds_max)?;
    check_consistent(registry, pin.as_ref(), &checkpoint).await?;

    let first_use = pin.is_none();
    let root_given = pin.as_ref().is_some_and(|pin| pin.given);
    let pin = Pin {
        registry: registry.url().to_owned(),
        root: Text(root),
        given: root_given,
        seen: Some(signed.contents),
    };
    let proven = Proven { checkpoint, checkpoint_key: signed.key_id.0, root, first_use, root_given };
    Ok(Ground { logs, proven, operator, pin })
}

impl Ground<'_> {
    fn size(&self) -> u64 {
        self.proven.checkpoint.size
    }

    /// A namespace's records. The map says whether it has owners; a registry that hides them would have to fold another
    /// map.
    async fn namespace(&self, name: &Namespace) -> Result<Vec<GivenRecord>, Error> {
        let log = LogName::Namespace(name.clone());
        match find_in_map(self.logs.registry, &self.proven.checkpoint, &log).await? {
            Some(_) => self.logs.fetch(&log, self.size()).await,
            None => Ok(Vec::new()),
        }
    }

    /// The operator's records, and those of the logs that have any, are in the log.
    async fn check_included(&self, others: &[(LogName, &Vec<GivenRecord>)]) -> Result<(), Error> {
        let mut logs = vec![(LogName::Operator, &self.operator)];
        logs.extend(others.iter().filter(|(_, records)| !records.is_empty()).cloned());
        check_included(self.logs.registry, &self.proven.checkpoint, &logs).await
    }

    /// Keeps what was checked: it need not be fetched again.
    fn keep(&self, others: &[(LogName, &Vec<GivenRecord>)]) {
        self.logs.keep(&LogName::Operator, &self.operator);
        others.iter().for_each(|(log, records)| self.logs.keep(log, records));
    }
}

/// A log of which no record was given has none, by the map.
async fn check_absent(registry: &Registry, checkpoint: &Checkpoint, log: &LogName) -> Result<(), Error> {
    match find_in_map(registry, checkpoint, log).await? {
        None => Ok(()),
        Some(record) => Err(Failure::Withheld {
            head: "nothing".to_owned(),
            log: log.to_string(),
            reason: format!("the map holds {record}"),
        }
        .into()),
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

/// Every record that was not checked before is in the log, and the last one of each log is the latest by the map.
async fn check_included(
    registry: &Registry,
    checkpoint: &Checkpoint,
    logs: &[(LogName, &Vec<GivenRecord>)],
) -> Result<(), Error> {
    for (log, records) in logs {
        let head = records.last().map(|record| record.index);
        // The head once more: the map's proof comes with it.
        let known = records.iter().take_while(|record| record.checked).count();
        for piece in records[known.min(records.len().saturating_sub(1))..].chunks(LEAVES_PER_PROOF) {
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

/// The latest record of a log by the map, if it holds one.
async fn find_in_map(
    registry: &Registry,
    checkpoint: &Checkpoint,
    log: &LogName,
) -> Result<Option<RecordId>, Error> {
    let id = log.log_id();
    let forged = |error: wargate_core::map::page::MapError| Failure::ForgedMap {
        log: log.to_string(),
        reason: error.to_string(),
    };
    let mut walk = check::begin_map(checkpoint);
    loop {
        match walk {
            MapWalk::Found(record) => return Ok(record),
            MapWalk::Page { page, depth } => {
                let bytes = page_when_laid_down(registry, &page).await?;
                walk = check::step_map(page, depth, &bytes, &id).map_err(forged)?;
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
