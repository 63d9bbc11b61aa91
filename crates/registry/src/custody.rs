//! What the registry signs for those who cannot: releases of custodial packages, and the admission of v1 logs into
//! custodial namespaces (`spec/delegation.md`, "Everyday shapes" and rule 7).
//!
//! It endorses with its publishing key and decides nothing: whether that key may is judged as for anybody.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use wargate_core::act::{self, Act, AnnotationKind, Endorsement, Identity, OnBehalfOf, Release, Step};
use wargate_core::authority::role::Power;
use wargate_core::authority::{self, Claim, Policy};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, SecretKey};
use wargate_core::name::{LogName, PackageName};
use wargate_core::plan::{Submission, Tree, Verdict};
use wargate_core::time::Time;
use wargate_core::v1::package::SignatureCheck;

use crate::config::Config;
use crate::error::Error;
use crate::in_flight::{Heard, VerdictReceiver, hear};
use crate::limits::{
    ACT_WINDOW_AFTER_SECONDS, ACT_WINDOW_BEFORE_SECONDS, BUSY_RETRY_AFTER, NAMESPACE_START_WAIT,
};
use crate::proposals::{self, Proposal};
use crate::publish;
use crate::random;
use crate::repository::releasing::Hold;
use crate::shared::Shared;
use crate::submit::SignedAct;
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

impl CustodialRelease {
    pub(crate) fn step(&self, on_behalf_of: Option<OnBehalfOf>) -> Step {
        Step::Release(Release {
            version: self.version.clone(),
            content: self.content,
            manifest: Some(self.manifest),
            variants: Vec::new(),
            dependencies: Vec::new(),
            on_behalf_of,
            breaking: false,
        })
    }
}

/// For whom something is done of which nobody said who they are.
pub const NOBODY: &str = "anonymous";

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
    /// Its package's people must agree to it first.
    Proposed(Box<Proposal>),
}

/// How a release that the registry is asked for can come about.
enum Way<'a> {
    /// By acts of its own, in order.
    Acts(Vec<Endorsed>),
    /// By an act that others agree to; with the publishing key's word, if that counts towards it.
    Proposal(Option<&'a SecretKey>),
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

/// Releases a version, and starts its package and namespace if they are new; waits up to `wait` for the verdict, and
/// keeps the hold until it is given.
pub(crate) async fn release(
    shared: &Shared,
    asked: &CustodialRelease,
    wait: Duration,
    hold: Option<&Hold>,
) -> Result<Released, Error> {
    publish::check_open(shared, &asked.name.namespace())?;
    let mut known = Known::read(shared, &asked.name, &[&asked.version]).await?;
    loop {
        if let Some(release) = known.releases.first() {
            return released_before(asked, release);
        }
        let acts = match way(shared, asked, &known)? {
            Way::Acts(acts) => acts,
            Way::Proposal(key) => {
                return Ok(Released::Proposed(Box::new(proposals::push(shared, asked, key).await?)));
            }
        };
        let mut verdicts = Vec::new();
        for act in acts {
            verdicts.push(act.hand_in(shared, hold).await?);
        }
        // Somebody else may have started the namespace at the same moment: only the last verdict counts.
        let Some(last) = verdicts.pop() else {
            return Err(Error::internal("release", "there is no act to do"));
        };
        let reason = match verdict(shared, last, wait).await? {
            Verdict::Accepted { index, .. } => return Ok(Released::Now { index }),
            Verdict::Refused { reason } => reason,
        };
        let had_begun = known.package.is_some();
        known = Known::read(shared, &asked.name, &[&asked.version]).await?;
        // Somebody else may have started the package at the same moment too: then the release is done without that.
        if known.releases.is_empty() && (had_begun || known.package.is_none()) {
            return Err(Error::Denied { reason });
        }
    }
}

/// Whether a release would be made, or was: nothing of it is handed in.
///
/// # Errors
/// Those of [`release`], but for what only the verdict tells.
pub(crate) async fn check(shared: &Shared, asked: &CustodialRelease) -> Result<(), Error> {
    publish::check_open(shared, &asked.name.namespace())?;
    let known = Known::read(shared, &asked.name, &[&asked.version]).await?;
    match known.releases.first() {
        Some(release) => released_before(asked, release).map(drop),
        None => way(shared, asked, &known).map(drop),
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

/// The registry's own acts: the release, and the namespace's and the package's start where they are new. Where a package
/// does not let it, a proposal.
fn way<'a>(shared: &'a Shared, asked: &CustodialRelease, known: &Known) -> Result<Way<'a>, Error> {
    let key = shared.config.publishing_key.as_deref().ok_or_else(|| Error::Unsupported {
        reason: "this registry has no publishing key: it endorses nothing; publish with a key of your own"
            .to_owned(),
    })?;
    let own = BTreeSet::from([key.public().id()]);
    let now = shared.log_time();
    let release = asked.step(Some(asked.on_behalf_of.clone()));
    let package = |steps| Endorsed::now(shared, LogName::Package(asked.name.clone()), steps, key);
    let denied = |reason: String| Err(Error::Denied { reason });
    match (known.package, &known.state, &known.namespace) {
        (Some(LogKind::V1), ..) => Err(not_delegated(&asked.name)),
        (Some(LogKind::Delegated), Some(state), _) => {
            if state.release_covers(&asked.version, &own, now) {
                return Ok(Way::Acts(vec![package(vec![release])?]));
            }
            let counts = state.live_at(now).any(|role| {
                role.powers.contains(&Power::Release)
                    && role.scope.covers_version(&asked.version)
                    && role.keys.keys().any(|key| own.contains(key))
            });
            Ok(Way::Proposal(Some(key).filter(|_| counts)))
        }
        (Some(LogKind::Delegated), None, _) => Err(Error::internal("release", "the log's state is missing")),
        (None, _, Some(namespace)) => {
            if namespace.init_covers(asked.name.name(), &own, now) {
                return Ok(Way::Acts(vec![package(vec![init(key), release])?]));
            }
            denied(format!(
                "the owners of the namespace `{}` start its packages themselves; they are {}",
                asked.name.namespace(),
                owners(namespace)
            ))
        }
        (None, _, None) => {
            Ok(Way::Acts(vec![namespace_start(shared, &asked.name)?, package(vec![init(key), release])?]))
        }
    }
}

/// The log that the registry begins is its publishing key's.
fn init(key: &SecretKey) -> Step {
    Step::Init { keys: vec![key.public().clone()], threshold: 1 }
}

/// The act by which a namespace comes into being on first use.
pub(crate) fn namespace_start(shared: &Shared, name: &PackageName) -> Result<Endorsed, Error> {
    let namespace = name.namespace();
    match admitter(&shared.config) {
        Some(key) => {
            let private = shared.config.access.makes_private(&namespace).then(make_private);
            let steps = [init(key)].into_iter().chain(private).collect();
            Endorsed::now(shared, LogName::Namespace(namespace), steps, key)
        }
        None => Err(unclaimed(name)),
    }
}

/// The policy of a namespace whose records are not everybody's.
fn make_private() -> Step {
    let (kind, value) = (AnnotationKind::Policy, Policy { private: true, ..Policy::default() }.to_string());
    Step::Annotate { kind, subject: String::new(), value }
}

/// Before a v1 log begins in a namespace that nobody has: where the operator wants it private, its log must say so
/// first, or its records would be everybody's for ever.
pub(crate) async fn keep_private(shared: &Shared, name: &PackageName) -> Result<(), Error> {
    if shared.config.access.makes_private(&name.namespace()) {
        // Losing the race to start it is no error.
        drop(namespace_start(shared, name)?.hand_in(shared, None).await?);
    }
    Ok(())
}

/// Makes the namespaces private that the operator wants so, as far as their logs have begun and are the registry's;
/// says of which they are not.
pub(crate) async fn follow_config(shared: &Shared) -> Result<(), Error> {
    for namespace in shared.config.access.private_namespaces() {
        let log = LogName::Namespace(namespace.clone());
        let rows = shared.db.read(vec![logs::select_state(&log.log_id())]).await?.pop().unwrap_or_default();
        let Some(state) = logs::state(rows)?.filter(|state| !state.policy().private) else { continue };
        let own =
            admitter(&shared.config).filter(|key| state.owners().any(|owner| *owner == key.public().id()));
        let Some(key) = own else {
            tracing::warn!(
                %namespace,
                "its records stand in the log's files for everybody until its owners make it private; at the other \
                 doors it is private"
            );
            continue;
        };
        let waits = Endorsed::now(shared, log, vec![make_private()], key)?.hand_in(shared, None).await?;
        match verdict(shared, waits, NAMESPACE_START_WAIT).await? {
            Verdict::Accepted { .. } => {
                tracing::info!(%namespace, "made a namespace private");
            }
            Verdict::Refused { reason } => {
                tracing::warn!(%namespace, reason, "couldn't make a namespace private");
            }
        }
    }
    Ok(())
}

/// Adds the publishing key's word to an act by which whoever it began a package for makes that their own.
///
/// # Errors
/// [`Error::Denied`] if it is somebody else's.
pub(crate) async fn vouch_for_claim(
    shared: &Shared,
    signed: &mut SignedAct,
    act: &Act,
    by: Option<&str>,
) -> Result<(), Error> {
    let (LogName::Package(name), Some(key)) = (&signed.log, shared.config.publishing_key.as_deref()) else {
        return Ok(());
    };
    let Some(claim) = Claim::of(&act.steps, key.public()) else { return Ok(()) };
    let signers: Vec<KeyId> = signed.endorsements.iter().map(|endorsement| endorsement.key_id).collect();
    let log = LogId::package(name);
    let mut answers =
        shared.db.read(vec![logs::select_state(&log), releases::select_all(&log)]).await?.into_iter();
    let state = logs::state(answers.next().unwrap_or_default())?;
    let own = [key.public().id()];
    let is_custodial = state.is_some_and(|state| state.owners().eq(own.iter()));
    if !is_custodial || !claim.is_agreed(&signers) {
        return Ok(());
    }
    let mut first: Option<authority::Release> = None;
    for row in releases::rows(answers.next().unwrap_or_default())? {
        let release = row.delegated()?;
        first = first.filter(|first| first.place <= release.place).or(Some(release));
    }
    let begun_for = first.and_then(|first| first.on_behalf_of);
    let claims = (shared.config.origin.as_str(), by.unwrap_or(NOBODY));
    match begun_for {
        Some(OnBehalfOf { identity: Identity::Account, issuer, subject })
            if (issuer.as_str(), subject.as_str()) == claims => {}
        _ => {
            let reason =
                format!("`{name}` was not begun for `{}`: only who it was begun for claims it", claims.1);
            return Err(Error::Denied { reason });
        }
    }
    signed.endorsements.push(endorse(&signed.act, key)?);
    Ok(())
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

/// The key that lets v1 logs begin in namespaces where it holds `init`, if names come into being on first use.
pub(crate) fn admitter(config: &Config) -> Option<&SecretKey> {
    config.publishing_key.as_deref().filter(|_| config.names_on_first_use)
}

/// The `Admit` that a v1 log needs before its first record.
pub(crate) fn admission(
    config: &Config,
    tree: &Tree,
    now: Time,
    first: &Submission,
) -> Result<Option<Submission>, Error> {
    let Submission::V1 { name, envelope, record, .. } = first else { return Ok(None) };
    let (Some(own), Some(key)) = (admitter(config), publish::first_key(record, envelope)) else {
        return Ok(None);
    };
    let step = Step::Admit { name: name.name().to_owned(), key: key.clone() };
    let log = LogName::Namespace(name.namespace());
    // It is done at this moment or never. A window beyond that would only have to be remembered, by every namespace in
    // which many begin.
    let act = act(config, tree, now, &log, vec![step], 0)?;
    let endorsements = vec![endorse(&act, own)?];
    // Its own signature needs no look.
    Ok(Some(Submission::Act { log, act, endorsements, signatures: SignatureCheck::Done }))
}

/// An act that may be done when the clock says `now`, or up to `after_seconds` after.
pub(crate) fn act(
    config: &Config,
    tree: &Tree,
    now: Time,
    log: &LogName,
    steps: Vec<Step>,
    after_seconds: i64,
) -> Result<Bytes, Error> {
    let now = tree.time_at(now);
    let act = Act {
        root: tree.root,
        log: log.log_id(),
        steps,
        not_before: now.plus_seconds(-ACT_WINDOW_BEFORE_SECONDS),
        not_after: now.plus_seconds(after_seconds),
        nonce: random::bits(&*config.random)?,
    };
    Ok(act.encode().into())
}

/// An act of the registry's own, with its publishing key's word.
pub(crate) struct Endorsed {
    pub(crate) log: LogName,
    pub(crate) act: Bytes,
    pub(crate) endorsements: Vec<Endorsement>,
}

impl Endorsed {
    /// An act that is to be done now, or soon after.
    fn now(shared: &Shared, log: LogName, steps: Vec<Step>, key: &SecretKey) -> Result<Self, Error> {
        let (tree, now) = (&shared.state.load().tree, shared.clock.now());
        let act = act(&shared.config, tree, now, &log, steps, ACT_WINDOW_AFTER_SECONDS)?;
        let endorsements = vec![endorse(&act, key)?];
        Ok(Self { log, act, endorsements })
    }

    /// Hands it to the sequencer, as [`hand_in`] does.
    pub(crate) async fn hand_in(
        self,
        shared: &Shared,
        hold: Option<&Hold>,
    ) -> Result<VerdictReceiver, Error> {
        hand_in(shared, self.log, self.act, self.endorsements, hold).await
    }
}

pub(crate) fn endorse(act: &[u8], key: &SecretKey) -> Result<Endorsement, Error> {
    act::endorse(act, key).map_err(|error| Error::internal("endorse an act", error))
}

/// Hands an act to the sequencer, of which every endorsement was verified or made here; the hold is kept until its verdict, whoever stops waiting for that.
pub(crate) async fn hand_in(
    shared: &Shared,
    log: LogName,
    act: Bytes,
    endorsements: Vec<Endorsement>,
    hold: Option<&Hold>,
) -> Result<VerdictReceiver, Error> {
    let id = RecordId::from_digest(Act::digest(&act));
    let log_id = log.log_id();
    let submission = Submission::Act { log, act, endorsements, signatures: SignatureCheck::Done };
    let verdict = publish::hand_in(shared, shared.next_seq(), log_id, id, submission).await?;
    if let Some(hold) = hold {
        shared.in_flight.hold(log_id, id, hold.clone());
    }
    Ok(verdict)
}

/// An act is not pending before its commit: whoever loses patience does the same again.
pub(crate) async fn verdict(
    shared: &Shared,
    verdict: VerdictReceiver,
    wait: Duration,
) -> Result<Verdict, Error> {
    match hear(&*shared.clock, verdict, wait).await {
        Heard::Verdict(verdict) => Ok(verdict),
        Heard::Late => Err(Error::Busy { retry_after: BUSY_RETRY_AFTER }),
        Heard::Dropped => Err(shared.room.dropped()),
    }
}
