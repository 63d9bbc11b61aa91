//! Acts that people sign with keys of their own (`spec/delegation.md`, "Acts and records").
//!
//! An act is judged in advance, by the rules that will judge it, before a byte of content is kept or a namespace
//! begins for it; its verdict is the sequencer's all the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use tokio::sync::OwnedSemaphorePermit;
use wargate_core::act::{Act, Endorsement, Release, Step};
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::plan::Verdict;

use crate::content::incoming::Incoming;
use crate::custody;
use crate::db::Batch;
use crate::error::Error;
use crate::limits::NAMESPACE_START_WAIT;
use crate::proposals::{self, Proposal};
use crate::repository::releasing::Hold;
use crate::shared::Shared;
use crate::tables::inspections;

mod bench;
mod contents;
mod read;

pub(crate) use read::{Judged, Read};

/// An act and who agreed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAct {
    /// The log that it is for.
    pub log: LogName,
    /// The exact bytes that the endorsers signed.
    pub act: Bytes,
    /// Who agreed.
    pub endorsements: Vec<Endorsement>,
}

/// What became of an act that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandedIn {
    /// A record carries it.
    Carried(Submitted),
    /// It waits for more to agree.
    Proposed(Box<Proposal>),
}

/// The record that carries an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The record that carries it, or carried the same releases before.
    pub record: RecordId,
    /// That record's index in the log.
    pub index: u64,
    /// Whether it was carried before, or everything that it releases was released, with the same content.
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

impl SubmittedRelease {
    fn of(release: &Release) -> Self {
        let (version, content, manifest) = (release.version.clone(), release.content, release.manifest);
        Self { version, content, manifest }
    }
}

/// What an act releases.
pub(crate) fn releases(act: &Act) -> impl Iterator<Item = &Release> {
    act.steps.iter().filter_map(|step| match step {
        Step::Release(release) => Some(release),
        _ => None,
    })
}

/// Carries an act, and waits up to `wait` for the verdict. Where more must agree it becomes a proposal, in the name of
/// the account `by`.
pub(crate) async fn submit(
    shared: &Shared,
    mut signed: SignedAct,
    by: Option<&str>,
    wait: Duration,
) -> Result<HandedIn, Error> {
    let arriving = shared.arrive();
    let waited = proposals::join(shared, &mut signed).await?;
    let act = read::open(shared, &signed)?;
    custody::vouch_for_claim(shared, &mut signed, &act, by).await?;
    let hold = hold(shared, &signed.log, &act).await;
    let (read, contents) = Read::with_contents(shared, &signed, act).await?;
    let done = async |submitted| {
        if let Some(id) = waited {
            proposals::forget(shared, &id).await?;
        }
        Ok(HandedIn::Carried(submitted))
    };
    if let Some(before) = read.before(shared).await? {
        return done(before).await;
    }
    let judged = read.judge(shared)?;
    if let Some(name) = read.package() {
        contents::check_all(shared, name, &read.act, &contents).await?;
    }
    if judged.lacks.is_some() {
        let kept = proposals::keep(shared, &signed, &read, judged, by).await?;
        return Ok(HandedIn::Proposed(Box::new(kept)));
    }
    if let Some(namespace) = judged.namespace {
        // Somebody else may have started it at the same moment: only the package's verdict counts.
        custody::verdict(shared, namespace.hand_in(shared, None).await?, NAMESPACE_START_WAIT).await?;
    }
    let (log, act) = (signed.log.clone(), signed.act.clone());
    let waits = custody::hand_in(shared, log, act, judged.endorsements, hold.as_ref()).await?;
    drop(arriving);
    match custody::verdict(shared, waits, wait).await? {
        Verdict::Accepted { index, record } => {
            let releases = releases(&read.act).map(SubmittedRelease::of).collect();
            done(Submitted { record, index, before: false, releases }).await
        }
        // Maybe it lost against itself.
        Verdict::Refused { reason } => {
            let read = Read::new(shared, &signed).await?;
            done(read.before(shared).await?.ok_or(Error::Denied { reason })?).await
        }
    }
}

/// Keeps what it releases from being deleted until its verdict.
async fn hold(shared: &Shared, log: &LogName, act: &Act) -> Option<Hold> {
    let LogName::Package(name) = log else { return None };
    if releases(act).all(|release| release.manifest.is_none()) {
        return None;
    }
    Some(shared.releasing.release(&name.into()).await)
}

/// The content of an act, as it arrives.
pub struct ActContent {
    shared: Arc<Shared>,
    name: PackageName,
    act: Act,
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
    let (read, contents) = Read::with_contents(&shared, signed, read::open(&shared, signed)?).await?;
    let one = contents.first_key_value().filter(|_| contents.len() == 1);
    let (Some(name), Some((digest, standing))) = (read.package(), one) else {
        return Err(Error::Invalid {
            reason: format!(
                "content can come with an act that releases one, this one releases {}",
                contents.len()
            ),
        });
    };
    let (name, digest, present) = (name.clone(), *digest, standing.presence.is_here());
    if read.before(&shared).await?.is_none() {
        read.judge(&shared)?;
    }
    if present {
        incoming.check_only();
    }
    Ok(ActContent { name, act: read.act, shared, digest, incoming, present, turn: None })
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
        contents::check(shared, &self.name, &self.act, &self.digest, arrived.size, Some(&inspection)).await?;
        let mut batch = Batch::from(arrived.rows(shared));
        batch.push(inspections::insert(&self.digest, &inspection)?);
        Ok(shared.db.write(batch).await?)
    }
}
