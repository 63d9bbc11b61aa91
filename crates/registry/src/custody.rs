//! What the registry signs for those who cannot: releases of custodial packages, and the admission of v1 logs into
//! custodial namespaces (`spec/delegation.md`, "Everyday shapes" and rule 7).
//!
//! It endorses with its publishing key and decides nothing: whether that key may is judged as for anybody.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use wargate_core::act::{self, Act, Endorsement, OnBehalfOf, Release, Step};
use wargate_core::authority;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, PublicKey, SecretKey};
use wargate_core::name::{LogName, PackageName};
use wargate_core::plan::{Submission, Verdict};

use crate::error::Error;
use crate::in_flight::{Heard, VerdictReceiver, hear};
use crate::limits::{ACT_WINDOW_AFTER_SECONDS, ACT_WINDOW_BEFORE_SECONDS, ADMIT_WAIT, BUSY_RETRY_AFTER};
use crate::publish;
use crate::random;
use crate::shared::Shared;
use crate::tables::logs::{self, LogKind};
use crate::tables::releases::{self, ReleaseRow};

/// A release that the registry is to endorse for somebody.
#[derive(Debug, Clone)]
pub struct CustodialRelease {
    /// The package.
    pub name: PackageName,
    /// The version.
    pub version: Version,
    /// The content, which is stored here.
    pub content: Digest,
    /// The manifest that the OCI door serves it by.
    pub manifest: Digest,
    /// For whom.
    pub on_behalf_of: OnBehalfOf,
}

/// What became of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It is committed, and provable.
    Now {
        /// Its record's index in the log.
        index: u64,
    },
    /// The same content was released under this version before.
    Before {
        /// The manifest that its record names; `None` in a v1 log.
        manifest: Option<Digest>,
    },
}

/// What is known of a package, of some of its versions, and of the layer above.
pub(crate) struct Known {
    pub(crate) package: Option<LogKind>,
    pub(crate) state: Option<authority::State>,
    pub(crate) namespace: Option<authority::State>,
    /// Those of the versions that were released.
    pub(crate) releases: Vec<ReleaseRow>,
}

impl Known {
    pub(crate) async fn read(
        shared: &Shared,
        name: &PackageName,
        versions: &[&Version],
    ) -> Result<Self, Error> {
        let log = LogId::package(name);
        let namespace = LogName::Namespace(name.namespace()).log_id();
        let mut statements =
            vec![logs::select(&log), logs::select_state(&log), logs::select_state(&namespace)];
        statements.extend(versions.iter().map(|version| releases::select(&log, version)));
        let mut answers = shared.db.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let package = logs::one(next())?.map(|row| row.kind);
        let (state, namespace) = (logs::state(next())?, logs::state(next())?);
        let mut released = Vec::new();
        for _ in versions {
            released.extend(releases::rows(next())?);
        }
        Ok(Self { package, state, namespace, releases: released })
    }
}

/// Releases a version, and starts its package and namespace if they are new; waits up to `wait` for the verdict.
pub(crate) async fn release(
    shared: &Shared,
    asked: &CustodialRelease,
    wait: Duration,
) -> Result<Released, Error> {
    publish::check_open(shared, &asked.name.namespace())?;
    let known = Known::read(shared, &asked.name, &[&asked.version]).await?;
    if let Some(release) = known.releases.first() {
        return released_before(asked, release);
    }
    let key = shared.config.publishing_key.as_deref().ok_or_else(|| Error::Unsupported {
        reason: "this registry has no publishing key: it endorses nothing; publish with a key of your own"
            .to_owned(),
    })?;
    let mut verdicts = Vec::new();
    for act in acts(shared, asked, &known, key)? {
        verdicts.push(act.hand_in(shared).await?);
    }
    // Somebody else may have started the namespace at the same moment: only the last verdict counts.
    let Some(last) = verdicts.pop() else { return Err(Error::internal("release", "there is no act to do")) };
    match verdict(shared, last, wait).await? {
        Verdict::Accepted { index, .. } => Ok(Released::Now { index }),
        Verdict::Refused { reason } => {
            let known = Known::read(shared, &asked.name, &[&asked.version]).await?;
            match known.releases.first() {
                Some(release) => released_before(asked, release),
                None => Err(Error::Denied { reason }),
            }
        }
    }
}

/// A version is released once: with the same content again it is the same release.
fn released_before(asked: &CustodialRelease, release: &ReleaseRow) -> Result<Released, Error> {
    if release.content == asked.content {
        return Ok(Released::Before { manifest: release.manifest });
    }
    Err(Error::AlreadyReleased {
        name: asked.name.clone(),
        version: asked.version.clone(),
        content: release.content,
    })
}

/// The acts that make the release, in order: the namespace's and the package's start where they are new.
fn acts(
    shared: &Shared,
    asked: &CustodialRelease,
    known: &Known,
    key: &SecretKey,
) -> Result<Vec<Endorsed>, Error> {
    let own = BTreeSet::from([key.public().id()]);
    let now = shared.clock.now();
    let release = Step::Release(Release {
        version: asked.version.clone(),
        content: asked.content,
        manifest: Some(asked.manifest),
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: Some(asked.on_behalf_of.clone()),
        breaking: false,
    });
    let package = |steps| Endorsed::new(shared, LogName::Package(asked.name.clone()), steps, key);
    let denied = |reason: String| Err(Error::Denied { reason });
    match (known.package, &known.state, &known.namespace) {
        (Some(LogKind::V1), ..) => Err(not_delegated(&asked.name)),
        (Some(LogKind::Delegated), Some(state), _) => {
            if state.release_covers(&asked.version, &own, now) {
                return Ok(vec![package(vec![release])?]);
            }
            denied(format!(
                "the owners of `{}` did not let this registry release {} for others; they are {}",
                asked.name,
                asked.version,
                owners(state)
            ))
        }
        (Some(LogKind::Delegated), None, _) => Err(Error::internal("release", "the log's state is missing")),
        (None, _, Some(namespace)) => {
            if namespace.init_covers(asked.name.name(), &own, now) {
                return Ok(vec![package(vec![init(key), release])?]);
            }
            denied(format!(
                "the owners of the namespace `{}` start its packages themselves; they are {}",
                asked.name.namespace(),
                owners(namespace)
            ))
        }
        (None, _, None) => {
            Ok(vec![namespace_start(shared, &asked.name)?, package(vec![init(key), release])?])
        }
    }
}

/// The log that the registry begins is its publishing key's.
fn init(key: &SecretKey) -> Step {
    Step::Init { keys: vec![key.public().clone()], threshold: 1 }
}

/// The act by which a namespace comes into being on first use.
pub(crate) fn namespace_start(shared: &Shared, name: &PackageName) -> Result<Endorsed, Error> {
    match shared.config.publishing_key.as_deref().filter(|_| shared.config.names_on_first_use) {
        Some(key) => Endorsed::new(shared, LogName::Namespace(name.namespace()), vec![init(key)], key),
        None => Err(unclaimed(name)),
    }
}

pub(crate) fn not_delegated(name: &PackageName) -> Error {
    Error::Denied {
        reason: format!(
            "`{name}` is published with `warg` by keys of its own: ask its owners, or publish with `warg`"
        ),
    }
}

pub(crate) fn unclaimed(name: &PackageName) -> Error {
    Error::Denied {
        reason: format!(
            "the namespace `{}` is not claimed, and on this registry names do not come into being on first use: \
             ask its operator",
            name.namespace()
        ),
    }
}

/// The ids of a log's owners, for people.
pub(crate) fn owners(state: &authority::State) -> String {
    state.owners().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

/// Lets a v1 log begin, as far as the registry has a say: where the namespace is its own it admits the log's first
/// key, an unclaimed one is open or not.
pub(crate) async fn admit(
    shared: &Shared,
    namespace: Option<&authority::State>,
    name: &PackageName,
    key: &PublicKey,
) -> Result<(), Error> {
    let Some(namespace) = namespace else {
        return if shared.config.names_on_first_use { Ok(()) } else { Err(unclaimed(name)) };
    };
    let Some(publishing) = shared.config.publishing_key.as_deref() else { return Ok(()) };
    let own = BTreeSet::from([publishing.public().id()]);
    let may = namespace.init_covers(name.name(), &own, shared.clock.now());
    if may && shared.config.names_on_first_use && !namespace.admits(name.name(), &key.id()) {
        let step = Step::Admit { name: name.name().to_owned(), key: key.clone() };
        // Committed before the record that needs it is kept: a crash in between must not refuse that one.
        let act = Endorsed::new(shared, LogName::Namespace(name.namespace()), vec![step], publishing)?;
        let waits = act.hand_in(shared).await?;
        if let Verdict::Refused { reason } = verdict(shared, waits, ADMIT_WAIT).await? {
            tracing::info!(%name, reason, "a key was not admitted");
        }
    }
    Ok(())
}

/// An act of the registry's own, with its publishing key's word.
pub(crate) struct Endorsed {
    pub(crate) log: LogName,
    pub(crate) act: Bytes,
    pub(crate) endorsements: Vec<Endorsement>,
}

impl Endorsed {
    fn new(shared: &Shared, log: LogName, steps: Vec<Step>, key: &SecretKey) -> Result<Self, Error> {
        let now = shared.clock.now();
        let act = Act {
            root: shared.state.load().tree.root,
            log: log.log_id(),
            steps,
            not_before: now.plus_seconds(-ACT_WINDOW_BEFORE_SECONDS),
            not_after: now.plus_seconds(ACT_WINDOW_AFTER_SECONDS),
            nonce: random::bytes()?,
        };
        let act: Bytes = act.encode().into();
        let endorsements = vec![endorse(&act, key)?];
        Ok(Self { log, act, endorsements })
    }

    /// Hands it to the sequencer.
    pub(crate) async fn hand_in(self, shared: &Shared) -> Result<VerdictReceiver, Error> {
        hand_in(shared, self.log, self.act, self.endorsements).await
    }
}

pub(crate) fn endorse(act: &[u8], key: &SecretKey) -> Result<Endorsement, Error> {
    act::endorse(act, key).map_err(|error| Error::internal("endorse an act", error))
}

/// Hands an act to the sequencer.
pub(crate) async fn hand_in(
    shared: &Shared,
    log: LogName,
    act: Bytes,
    endorsements: Vec<Endorsement>,
) -> Result<VerdictReceiver, Error> {
    let id = RecordId::from_digest(Act::digest(&act));
    let log_id = log.log_id();
    let submission = Submission::Act { log, act, endorsements };
    publish::hand_in(shared, shared.next_seq(), log_id, id, submission).await
}

/// An act is not pending before its commit: whoever loses patience does the same again.
pub(crate) async fn verdict(
    shared: &Shared,
    verdict: VerdictReceiver,
    wait: Duration,
) -> Result<Verdict, Error> {
    match hear(&*shared.clock, verdict, wait).await {
        Heard::Verdict(verdict) => Ok(verdict),
        Heard::Late | Heard::Dropped => Err(Error::Busy { retry_after: BUSY_RETRY_AFTER }),
    }
}
