//! Acts that people sign with keys of their own (`spec/delegation.md`, "Acts and records").
//!
//! An act is judged in advance, by the rules that will judge it, before a byte of content is kept or a namespace
//! begins for it; its verdict is the sequencer's all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use tokio::sync::OwnedSemaphorePermit;
use wargate_component::Inspection;
use wargate_component::manifest::{Layer, artifact};
use wargate_core::act::{Act, Endorsement, Release, Step};
use wargate_core::authority::{self, Context, Facts, Refusal, State};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::KeyId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::plan::{LogFacts, Submission, Verdict, needs};
use wargate_core::time::Time;

use crate::admission::Candidate;
use crate::content::incoming::Incoming;
use crate::content::{inspected, leases};
use crate::custody::{self, Endorsed};
use crate::db::Batch;
use crate::error::Error;
use crate::facts;
use crate::limits::{ENDORSEMENTS_MAX, NAMESPACE_START_WAIT};
use crate::publish;
use crate::shared::Shared;
use crate::tables::{content, inspections, standing};

/// An act and who agreed to it.
#[derive(Debug, Clone)]
pub struct SignedAct {
    /// The log that it is for.
    pub log: LogName,
    /// The exact bytes that the endorsers signed.
    pub act: Bytes,
    /// Who agreed.
    pub endorsements: Vec<Endorsement>,
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The record that carries it, or carried the same releases before.
    pub record: RecordId,
    /// That record's index in the log.
    pub index: u64,
    /// Whether everything that it releases was released before, with the same content.
    pub before: bool,
    /// What it releases.
    pub releases: Vec<SubmittedRelease>,
}

/// A release of a submitted act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedRelease {
    /// The version.
    pub version: Version,
    /// Its content.
    pub content: Digest,
    /// The manifest that its record names.
    pub manifest: Option<Digest>,
}

/// An act that can be read and is for this registry, and what is known of its log and those above.
struct Read<'a> {
    signed: &'a SignedAct,
    act: Act,
    logs: BTreeMap<LogId, LogFacts>,
}

/// An act that nothing but its content speaks against.
struct Judged {
    /// The act by which its namespace begins first, if that is new.
    namespace: Option<Endorsed>,
    /// The act's endorsements, with the registry's where its log begins.
    endorsements: Vec<Endorsement>,
}

impl<'a> Read<'a> {
    async fn new(shared: &Shared, signed: &'a SignedAct) -> Result<Self, Error> {
        if let LogName::Package(name) = &signed.log {
            publish::check_open(shared, &name.namespace())?;
        }
        let invalid = |reason: String| Error::Invalid { reason };
        if signed.endorsements.len() > ENDORSEMENTS_MAX {
            let reason = format!("an act has at most {ENDORSEMENTS_MAX} endorsements");
            return Err(Error::Invalid { reason });
        }
        let act = Act::decode(&signed.act).map_err(|error| invalid(error.to_string()))?;
        for (same, what) in
            [(act.log == signed.log.log_id(), "log"), (act.root == shared.state.load().tree.root, "registry")]
        {
            if !same {
                return Err(invalid(Refusal::Elsewhere { what }.to_string()));
            }
        }
        let submission = Submission::Act {
            log: signed.log.clone(),
            act: signed.act.clone(),
            endorsements: signed.endorsements.clone(),
        };
        let (found, _) = facts::fetch(&*shared.db, &needs(&[submission])).await?;
        Ok(Self { signed, act, logs: found.logs })
    }

    /// A delegated log that has begun.
    fn begun(&self, log: &LogName) -> Option<(&State, &Facts)> {
        match self.logs.get(&log.log_id()) {
            Some(LogFacts::Delegated { state, facts }) => Some((state, facts)),
            _ => None,
        }
    }

    fn package(&self) -> Option<&PackageName> {
        match &self.signed.log {
            LogName::Package(name) => Some(name),
            LogName::Namespace(_) | LogName::Operator => None,
        }
    }

    /// The record that released all of it before, if one did.
    async fn before(&self, shared: &Shared) -> Result<Option<Submitted>, Error> {
        let (Some(name), Some((_, facts))) = (self.package(), self.begun(&self.signed.log)) else {
            return Ok(None);
        };
        let mut last: Option<&authority::Release> = None;
        let mut found = Vec::new();
        for release in releases(&self.act) {
            let Some(known) = facts.releases.get(&release.version) else { continue };
            if known.content != release.content {
                return Err(Error::AlreadyReleased {
                    name: name.clone(),
                    version: known.version.clone(),
                    content: known.content,
                });
            }
            last = last.filter(|last| last.place > known.place).or(Some(known));
            let (version, content, manifest) = (known.version.clone(), known.content, known.manifest);
            found.push(SubmittedRelease { version, content, manifest });
        }
        let all = found.len() == releases(&self.act).count();
        let Some(record) = last.filter(|_| all).map(|last| last.record) else { return Ok(None) };
        let row = shared.db.read(vec![standing::select(&self.act.log, &record, None)]).await?.pop();
        let index = standing::one(row.unwrap_or_default())?.index;
        let index = index.ok_or_else(|| Error::internal("find a release's record", "it is missing"))?;
        Ok(Some(Submitted { record, index, before: true, releases: found }))
    }

    /// Judges the act as the sequencer will, if it is done now.
    fn judge(&self, shared: &Shared) -> Result<Judged, Error> {
        if let Some(name) = self.package() {
            releases(&self.act).try_for_each(|release| shared.check_given(name, &release.version))?;
        }
        if let (Some(name), Some(LogFacts::V1(_))) = (self.package(), self.logs.get(&self.act.log)) {
            return Err(custody::not_delegated(name));
        }
        let begun = self.begun(&LogName::Operator);
        let (operator, _) =
            begun.ok_or_else(|| Error::internal("judge an act", "the operator log is missing"))?;
        let mut bench = Bench { shared, operator, namespace: None, time: shared.log_time() };
        let endorsements = self.signed.endorsements.clone();
        let log = &self.signed.log;
        let namespace = self.package().map(|name| LogName::Namespace(name.namespace()));
        bench.namespace = namespace.as_ref().and_then(|log| self.begun(log)).map(|(state, _)| state);
        let Some((state, facts)) = self.begun(log) else {
            return match log {
                LogName::Package(name) => self.judge_start(&bench, name, endorsements),
                LogName::Namespace(_) | LogName::Operator => self.judge_claim(&bench, endorsements),
            };
        };
        bench
            .carry(state, facts, &self.signed.act, &endorsements)
            .map_err(|refusal| refused(&refusal, Some((log.as_str(), state))))?;
        Ok(Judged { namespace: None, endorsements })
    }

    /// The same where the act begins a namespace: the registry has a say where names come into being on first use.
    fn judge_claim(&self, bench: &Bench<'_>, mut endorsements: Vec<Endorsement>) -> Result<Judged, Error> {
        let LogName::Namespace(namespace) = &self.signed.log else {
            return Err(Error::Invalid { reason: "the operator log begins with the registry".to_owned() });
        };
        let defines = |keys: &BTreeSet<KeyId>| bench.operator.define_covers(namespace, keys, bench.time);
        self.vouch(bench.shared, &mut endorsements, defines)?;
        let empty = State::empty(self.signed.log.clone());
        bench
            .carry(&empty, &Facts::default(), &self.signed.act, &endorsements)
            .map_err(|refusal| refused(&refusal, None))?;
        Ok(Judged { namespace: None, endorsements })
    }

    /// The same where the act begins the package: the registry has a say in a namespace that is new or its own.
    fn judge_start(
        &self,
        bench: &Bench<'_>,
        name: &PackageName,
        mut endorsements: Vec<Endorsement>,
    ) -> Result<Judged, Error> {
        let shared = bench.shared;
        let mut begun = None;
        let fresh;
        let namespace = match bench.namespace {
            Some(namespace) => namespace,
            None => {
                let start = custody::namespace_start(shared, name)?;
                let empty = State::empty(start.log.clone());
                let carried = bench.carry(&empty, &Facts::default(), &start.act, &start.endorsements);
                fresh = carried.map_err(|refusal| refused(&refusal, None))?;
                begun = Some(start);
                &fresh
            }
        };
        let bench = Bench { namespace: Some(namespace), ..*bench };
        let own = |keys: &BTreeSet<KeyId>| namespace.init_covers(name.name(), keys, bench.time);
        self.vouch(shared, &mut endorsements, own)?;
        let empty = State::empty(self.signed.log.clone());
        bench
            .carry(&empty, &Facts::default(), &self.signed.act, &endorsements)
            .map_err(|refusal| refused(&refusal, Some((name.namespace().as_str(), namespace))))?;
        Ok(Judged { namespace: begun, endorsements })
    }

    /// Adds the publishing key's word where names come into being on first use, nobody else who may gave theirs, and
    /// the registry may.
    fn vouch(
        &self,
        shared: &Shared,
        endorsements: &mut Vec<Endorsement>,
        covers: impl Fn(&BTreeSet<KeyId>) -> bool,
    ) -> Result<(), Error> {
        let signers: BTreeSet<KeyId> = endorsements.iter().map(|endorsement| endorsement.key_id).collect();
        if let Some(key) = shared.config.publishing_key.as_deref()
            && shared.config.names_on_first_use
            && !covers(&signers)
            && covers(&BTreeSet::from([key.public().id()]))
        {
            endorsements.push(custody::endorse(&self.signed.act, key)?);
        }
        Ok(())
    }

    /// What the bytes of a release are must agree with what the act says of them.
    fn check_content(
        &self,
        shared: &Shared,
        digest: &Digest,
        size: u64,
        inspection: &Inspection,
    ) -> Result<(), Error> {
        let Some(name) = self.package() else { return Ok(()) };
        for release in releases(&self.act).filter(|release| release.content == *digest) {
            let (content, version) = (digest, &release.version);
            shared.check_release(&Candidate { name, version, content, inspection: Some(inspection) })?;
            let layer = Layer { digest: *digest, size };
            let manifest = Digest::of(&artifact(layer, inspection, name.name(), version).manifest);
            if let Some(named) = release.manifest.filter(|named| *named != manifest) {
                return Err(Error::Invalid {
                    reason: format!(
                        "the act names the manifest `{named}`, the one that follows from the content is `{manifest}`"
                    ),
                });
            }
        }
        Ok(())
    }
}

/// What an act is judged by in advance.
struct Bench<'a> {
    shared: &'a Shared,
    operator: &'a State,
    namespace: Option<&'a State>,
    time: Time,
}

impl Bench<'_> {
    /// The state of the log once it carries the act.
    fn carry(
        &self,
        state: &State,
        facts: &Facts,
        act: &[u8],
        endorsements: &[Endorsement],
    ) -> Result<State, Refusal> {
        let operator = Some(self.operator).filter(|_| *state.log() != LogName::Operator);
        let context = Context { operator, namespace: self.namespace, facts: Some(facts) };
        let commit_key = self.shared.config.commit_key.public().id();
        let carried = state.carry(&context, self.time, act, endorsements, &commit_key)?;
        Ok(carried.changes.state)
    }
}

fn releases(act: &Act) -> impl Iterator<Item = &Release> {
    act.steps.iter().filter_map(|step| match step {
        Step::Release(release) => Some(release),
        _ => None,
    })
}

/// A refusal in words for the one who signed; `asked` is the log whose owners could help.
fn refused(refusal: &Refusal, asked: Option<(&str, &State)>) -> Error {
    let reason = refusal.to_string();
    match (refusal, asked) {
        (Refusal::Threshold { .. } | Refusal::Step { .. }, Some((name, state))) => Error::Denied {
            reason: format!("{reason}; the owners of `{name}` are {}", custody::owners(state)),
        },
        (Refusal::Endorsement { .. }, _) => Error::Unauthorized { reason },
        (Refusal::Threshold { .. }, None) => Error::Denied { reason },
        _ => Error::Invalid { reason },
    }
}

/// Carries an act, and waits up to `wait` for the verdict.
pub(crate) async fn submit(shared: &Shared, signed: SignedAct, wait: Duration) -> Result<Submitted, Error> {
    let read = Read::new(shared, &signed).await?;
    if let Some(before) = read.before(shared).await? {
        return Ok(before);
    }
    let judged = read.judge(shared)?;
    let contents: BTreeSet<Digest> = releases(&read.act).map(|release| release.content).collect();
    for digest in &contents {
        let (inspection, size) = inspected(shared, digest).await?;
        read.check_content(shared, digest, size, &inspection)?;
    }
    // Nothing of it may go before the verdict.
    leases::renew_due(shared, &contents).await?;
    if let Some(namespace) = judged.namespace {
        // Somebody else may have started it at the same moment: only the package's verdict counts.
        custody::verdict(shared, namespace.hand_in(shared, None).await?, NAMESPACE_START_WAIT).await?;
    }
    let (log, act) = (signed.log.clone(), signed.act.clone());
    let waits = custody::hand_in(shared, log, act, judged.endorsements, None).await?;
    match custody::verdict(shared, waits, wait).await? {
        Verdict::Accepted { index, record } => {
            let release = |release: &Release| SubmittedRelease {
                version: release.version.clone(),
                content: release.content,
                manifest: release.manifest,
            };
            let releases = releases(&read.act).map(release).collect();
            Ok(Submitted { record, index, before: false, releases })
        }
        // Maybe it lost against itself.
        Verdict::Refused { reason } => {
            let read = Read::new(shared, &signed).await?;
            read.before(shared).await?.ok_or(Error::Denied { reason })
        }
    }
}

/// The content of an act, as it arrives.
pub struct ActContent {
    shared: Arc<Shared>,
    signed: SignedAct,
    digest: Digest,
    incoming: Incoming,
    /// It is here already: its bytes are checked, nothing is kept.
    present: bool,
    turn: Option<OwnedSemaphorePermit>,
}

/// Starts to receive the one content that an act releases.
pub(crate) async fn begin_content(
    shared: Arc<Shared>,
    signed: &SignedAct,
    declared: Option<u64>,
) -> Result<ActContent, Error> {
    let mut incoming = Incoming::begin(&shared, declared)?;
    let read = Read::new(&shared, signed).await?;
    let contents: BTreeSet<Digest> = releases(&read.act).map(|release| release.content).collect();
    let (Some(digest), 1) = (contents.first().copied(), contents.len()) else {
        return Err(Error::Invalid {
            reason: format!(
                "content can come with an act that releases one, this one releases {}",
                contents.len()
            ),
        });
    };
    if read.before(&shared).await?.is_none() {
        read.judge(&shared)?;
    }
    let here = shared.db.read(vec![content::select(&digest)]).await?.pop().unwrap_or_default();
    let present = content::one(here)?.is_some();
    if present {
        incoming.check_only();
    }
    Ok(ActContent { shared, signed: signed.clone(), digest, incoming, present, turn: None })
}

impl ActContent {
    /// Takes in more bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the limit; [`Error::Busy`] while so many others bring theirs; [`Error::Internal`] if
    /// they cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.shared.take_turn(&mut self.turn, self.incoming.received() + bytes.len() as u64)?;
        self.incoming.write(bytes).await
    }

    /// Ends it: the content is durable when this is `Ok`.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if it is not what the act releases, [`Error::ContentRefused`] if that may not be
    /// released; then nothing is kept.
    pub async fn finish(self) -> Result<(), Error> {
        let arrived = self.incoming.finish(&self.digest.into()).await?;
        if self.present {
            return Ok(());
        }
        let shared = &self.shared;
        let inspection = shared.inspect(&arrived.hosted(shared.objects.clone())).await?;
        let read = Read::new(shared, &self.signed).await?;
        read.check_content(shared, &self.digest, arrived.size, &inspection)?;
        let mut batch = Batch::from(arrived.rows(shared));
        batch.push(inspections::insert(&self.digest, &inspection)?);
        Ok(shared.db.write(batch).await?)
    }
}
