//! Acts that wait for more to agree (`spec/delegation.md`, "Everyday shapes", "Two-person and staged release").
//!
//! They are kept beside the log and change nothing in it. Whether one still can be done, and what it lacks, is judged
//! each time that somebody looks. Who may push to a log sees its proposals, hands more in, and turns them down; the
//! agreement itself is the signers' alone.

use std::sync::atomic::Ordering;

use wargate_core::act::{Act, Endorsement, Release, Step};
use wargate_core::authority::Refusal;
use wargate_core::digest::Digest;
use wargate_core::key::SecretKey;
use wargate_core::name::LogName;
use wargate_core::time::Time;

use crate::custody::{self, CustodialRelease};
use crate::db::{Batch, Db, DbError};
use crate::error::Error;
use crate::limits::{BUSY_RETRY_AFTER, PROPOSALS_PER_LOG_MAX, PUSHED_PROPOSAL_SECONDS, REJECTION_BYTES_MAX};
use crate::registry::Registry;
use crate::shared::Shared;
use crate::submit::{Judged, Read, SignedAct, releases};
use crate::tables::proposals::{self as table, ProposalRow};

/// An act that waits for more to agree, or was turned down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The act's digest, by which it is known.
    pub id: Digest,
    /// The act, and who agreed so far.
    pub signed: SignedAct,
    /// What the act does, step by step, for people.
    pub says: Vec<String>,
    /// What it lacks, in words; `None` once it was turned down.
    pub lacks: Option<String>,
    /// The account that handed it in, if it said who it is.
    pub handed_in_by: Option<String>,
    /// When it was handed in, in ms.
    pub made_ms: u64,
    /// When its window ends.
    pub not_after: Time,
    /// Why it was turned down.
    pub rejected: Option<String>,
}

impl Proposal {
    fn new(row: ProposalRow, endorsements: Vec<Endorsement>, lacks: Option<String>) -> Result<Self, Error> {
        let act = Act::decode(&row.act).map_err(|error| Error::internal("read a proposal", error))?;
        Ok(Self {
            id: row.id,
            says: act.steps.iter().map(ToString::to_string).collect(),
            not_after: act.not_after,
            signed: SignedAct { log: row.log, act: row.act, endorsements },
            lacks,
            handed_in_by: row.handed_in_by,
            made_ms: row.made_ms,
            rejected: row.rejected,
        })
    }
}

impl Registry {
    /// The proposals of a log that wait, the oldest first.
    ///
    /// # Errors
    /// As [`Registry::submit`] of whoever may not; [`Error::Internal`].
    pub async fn proposals(&self, log: &LogName) -> Result<Vec<Proposal>, Error> {
        self.check_push_to(log)?;
        let rows = self.shared.db.read(vec![table::select_of_log(&log.log_id())]).await?.pop();
        let mut waiting = Vec::new();
        for row in table::rows(rows.unwrap_or_default())? {
            if row.rejected.is_none() {
                waiting.extend(look(&self.shared, row).await?);
            }
        }
        Ok(waiting)
    }

    /// One of a log, also if it was turned down.
    ///
    /// # Errors
    /// [`Error::UnknownProposal`] if there is none, or it can no longer be done; as [`Registry::proposals`].
    pub async fn proposal(&self, log: &LogName, id: &Digest) -> Result<Proposal, Error> {
        self.check_push_to(log)?;
        let row = find(&self.shared, id).await?.filter(|row| row.log == *log);
        let looked = match row {
            Some(row) => look(&self.shared, row).await?,
            None => None,
        };
        looked.ok_or(Error::UnknownProposal { id: *id })
    }

    /// Turns one down: it is no longer shown, and nobody hands in the same again. Whoever holds the act with enough
    /// signatures can have it carried all the same, until its window ends.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the reason is empty or too long; as [`Registry::proposal`].
    pub async fn reject(&self, log: &LogName, id: &Digest, reason: &str) -> Result<(), Error> {
        if reason.trim().is_empty() || reason.len() > REJECTION_BYTES_MAX {
            let reason = format!("a rejection has a reason of at most {REJECTION_BYTES_MAX} bytes");
            return Err(Error::Invalid { reason });
        }
        self.proposal(log, id).await?;
        match self.shared.db.write(vec![table::reject(id, reason, self.shared.clock.now_ms())]).await {
            Err(DbError::Conflict { .. }) => Err(Error::UnknownProposal { id: *id }),
            done => {
                done?;
                tracing::info!(%log, %id, reason, by = self.caller.account(), "a proposal was turned down");
                Ok(())
            }
        }
    }
}

/// Whether any act may wait.
pub(crate) async fn any(db: &dyn Db) -> Result<bool, Error> {
    Ok(db.read(vec![table::select_any()]).await?.pop().is_some_and(|rows| !rows.is_empty()))
}

async fn find(shared: &Shared, id: &Digest) -> Result<Option<ProposalRow>, Error> {
    if !shared.has_proposals.load(Ordering::Acquire) {
        return Ok(None);
    }
    let rows = shared.db.read(vec![table::select(id)]).await?.pop().unwrap_or_default();
    Ok(table::rows(rows)?.pop())
}

async fn endorsements(shared: &Shared, id: &Digest) -> Result<Vec<Endorsement>, Error> {
    let rows = shared.db.read(vec![table::select_endorsements(id)]).await?.pop();
    table::endorsements(rows.unwrap_or_default())
}

/// A proposal as it stands now; `None` if no agreement could get it done any more.
async fn look(shared: &Shared, row: ProposalRow) -> Result<Option<Proposal>, Error> {
    let agreed = endorsements(shared, &row.id).await?;
    if row.rejected.is_some() {
        return Proposal::new(row, agreed, None).map(Some);
    }
    let signed = SignedAct { log: row.log.clone(), act: row.act.clone(), endorsements: agreed };
    let lacks = match Read::new(shared, &signed).await {
        Ok(read) if read.before(shared).await.is_ok_and(|before| before.is_none()) => read.judge(shared),
        Ok(_) => return Ok(None),
        Err(error) => Err(error),
    };
    match lacks {
        // Whoever signs, or signed, last was cut off: it only needs to be handed in.
        Ok(judged) => {
            let words = "nothing: it is carried when it is handed in once more";
            let lacks = judged.lacks.map_or_else(|| words.to_owned(), |lacks| lacks.to_string());
            Proposal::new(row, judged.endorsements, Some(lacks)).map(Some)
        }
        Err(error @ Error::Internal { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whoever agreed to the same act before agrees still. The proposal's id, if the act is one.
pub(crate) async fn join(shared: &Shared, signed: &mut SignedAct) -> Result<Option<Digest>, Error> {
    let id = Act::digest(&signed.act);
    let Some(row) = find(shared, &id).await?.filter(|row| row.log == signed.log) else { return Ok(None) };
    for one in endorsements(shared, &row.id).await? {
        if !signed.endorsements.iter().any(|own| own.key_id == one.key_id) {
            signed.endorsements.push(one);
        }
    }
    Ok(Some(id))
}

/// Forgets a proposal that is done.
pub(crate) async fn forget(shared: &Shared, id: &Digest) -> Result<(), Error> {
    Ok(shared.db.write(table::delete(id).into()).await?)
}

/// Keeps an act to which more must agree, or what is new of who does.
pub(crate) async fn keep(
    shared: &Shared,
    signed: &SignedAct,
    read: &Read<'_>,
    judged: Judged,
    by: Option<&str>,
) -> Result<Proposal, Error> {
    // Everybody may hand in what the operator's people sign; so one of those must have who may do it.
    let is_begun = matches!(judged.lacks, Some(Refusal::Threshold { found: 1.., .. }));
    let lacks = judged.lacks.map(|lacks| lacks.to_string());
    if signed.log == LogName::Operator && !is_begun {
        return Err(Error::Denied { reason: lacks.unwrap_or_default() });
    }
    let id = Act::digest(&signed.act);
    let row = match find(shared, &id).await? {
        Some(row) => row,
        None => begin(shared, signed, read, by).await?,
    };
    if let Some(reason) = row.rejected {
        return Err(Error::Denied { reason: format!("this was proposed before and turned down: {reason}") });
    }
    let agreed: Batch = judged.endorsements.iter().map(|one| table::insert_endorsement(&id, one)).collect();
    if !agreed.is_empty() {
        shared.db.write(agreed).await?;
    }
    Proposal::new(row, judged.endorsements, lacks)
}

async fn begin(
    shared: &Shared,
    signed: &SignedAct,
    read: &Read<'_>,
    by: Option<&str>,
) -> Result<ProposalRow, Error> {
    let row = ProposalRow {
        id: Act::digest(&signed.act),
        log: signed.log.clone(),
        act: signed.act.clone(),
        handed_in_by: by.map(str::to_owned),
        made_ms: shared.clock.now_ms(),
        ends_ms: u64::try_from(read.act.not_after.seconds()).unwrap_or(0).saturating_mul(1000),
        rejected: None,
    };
    let mut batch = vec![table::insert(&row)];
    for release in releases(&read.act) {
        batch.push(table::insert_content(&row.id, &release.content).must_affect(1));
        batch.extend(release.manifest.map(|manifest| table::insert_content(&row.id, &manifest)));
    }
    shared.has_proposals.store(true, Ordering::Release);
    match shared.db.write(batch).await {
        Ok(()) => {
            tracing::info!(log = %row.log, id = %row.id, by, "an act waits for more to agree");
            Ok(row)
        }
        Err(DbError::Conflict { .. }) => {
            let statements = vec![table::select_of_log(&row.log.log_id())];
            let kept = table::rows(shared.db.read(statements).await?.pop().unwrap_or_default())?;
            let full = kept.len() >= PROPOSALS_PER_LOG_MAX;
            match kept.into_iter().find(|kept| kept.id == row.id) {
                Some(same) => Ok(same),
                None if full => Err(Error::Denied {
                    reason: format!(
                        "{PROPOSALS_PER_LOG_MAX} proposals are kept for {} already: approve some, or wait until they end",
                        row.log
                    ),
                }),
                None => Err(Error::Busy { retry_after: BUSY_RETRY_AFTER }),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The proposal that a push becomes which the registry may not release by itself: the same for the same content by the
/// same account.
pub(crate) async fn push(
    shared: &Shared,
    asked: &CustodialRelease,
    registry_key: Option<&SecretKey>,
) -> Result<Proposal, Error> {
    let log = LogName::Package(asked.name.clone());
    let by = Some(asked.on_behalf_of.subject.as_str());
    if let Some(before) = pushed_before(shared, asked, &log, by).await? {
        return match look(shared, before).await? {
            Some(Proposal { rejected: Some(reason), .. }) => Err(Error::Denied {
                reason: format!("{} was proposed before and turned down: {reason}", asked.version),
            }),
            Some(proposal) => Ok(proposal),
            None => Err(Error::Busy { retry_after: BUSY_RETRY_AFTER }),
        };
    }
    let steps = vec![asked.step(registry_key.map(|_| asked.on_behalf_of.clone()))];
    let (tree, now) = (&shared.state.load().tree, shared.clock.now());
    let act = custody::act(&shared.config, tree, now, &log, steps, PUSHED_PROPOSAL_SECONDS)?;
    let endorsements = registry_key.map(|key| custody::endorse(&act, key)).into_iter();
    let signed = SignedAct { log, endorsements: endorsements.collect::<Result<_, _>>()?, act };
    let read = Read::new(shared, &signed).await?;
    let judged = read.judge(shared)?;
    keep(shared, &signed, &read, judged, by).await
}

/// What the same account proposed before: the same content under the same version.
async fn pushed_before(
    shared: &Shared,
    asked: &CustodialRelease,
    log: &LogName,
    by: Option<&str>,
) -> Result<Option<ProposalRow>, Error> {
    let now_ms = shared.clock.now_ms();
    let rows = shared.db.read(vec![table::select_of_log(&log.log_id())]).await?.pop();
    let same = |row: &ProposalRow| {
        let is_release = |step: &Step| {
            matches!(step, Step::Release(Release { version, content, .. })
                if *version == asked.version && *content == asked.content)
        };
        row.handed_in_by.as_deref() == by
            && row.ends_ms > now_ms
            && Act::decode(&row.act).is_ok_and(|act| act.steps.iter().all(is_release))
    };
    Ok(table::rows(rows.unwrap_or_default())?.into_iter().find(same))
}
