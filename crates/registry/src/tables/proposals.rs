//! `proposals`, `proposal_endorsements`, `proposal_content`: acts that wait for more to agree, who agreed, and what is
//! kept for them.

use bytes::Bytes;
use wargate_core::act::Endorsement;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::key::KeyId;
use wargate_core::name::LogName;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::limits::PROPOSALS_PER_LOG_MAX;

/// An act that waits, or was turned down.
#[derive(Debug, Clone)]
pub(crate) struct ProposalRow {
    /// The act's digest.
    pub(crate) id: Digest,
    pub(crate) log: LogName,
    pub(crate) act: Bytes,
    /// The account that handed it in.
    pub(crate) handed_in_by: Option<String>,
    pub(crate) made_ms: u64,
    pub(crate) ends_ms: u64,
    /// Why it was turned down.
    pub(crate) rejected: Option<String>,
}

/// Fails the batch if it is kept already, or as many as may be of its log.
pub(crate) fn insert(row: &ProposalRow) -> Statement {
    Statement::new(
        "insert into proposals (id, log_id, log, act, handed_in_by, made_ms, ends_ms) \
         select $1, $2, $3, $4, $5, $6, $7 where (select count(*) from proposals where log_id = $2) < $8 \
         on conflict (id) do nothing",
        vec![
            bytes(row.id.as_bytes()),
            bytes(row.log.log_id().as_bytes()),
            text(row.log.as_str()),
            Value::Bytes(row.act.clone()),
            row.handed_in_by.as_deref().map_or(Value::Null, text),
            int(row.made_ms),
            int(row.ends_ms),
            int(PROPOSALS_PER_LOG_MAX as u64),
        ],
    )
    .must_affect(1)
}

pub(crate) fn insert_endorsement(id: &Digest, endorsement: &Endorsement) -> Statement {
    Statement::new(
        "insert into proposal_endorsements (proposal, key_id, signature) \
         select id, $2, $3 from proposals where id = $1 on conflict (proposal, key_id) do nothing",
        vec![bytes(id.as_bytes()), bytes(endorsement.key_id.as_bytes()), text(&endorsement.signature)],
    )
}

/// Keeps stored content for a proposal.
pub(crate) fn insert_content(id: &Digest, digest: &Digest) -> Statement {
    Statement::new(
        "insert into proposal_content (digest, proposal) select digest, $2 from content where digest = $1",
        vec![bytes(digest.as_bytes()), bytes(id.as_bytes())],
    )
}

/// One: [`rows`].
pub(crate) fn select(id: &Digest) -> Statement {
    Statement::new(
        "select id, log, act, handed_in_by, made_ms, ends_ms, rejected from proposals where id = $1",
        vec![bytes(id.as_bytes())],
    )
}

/// All of a log, the oldest first: [`rows`].
pub(crate) fn select_of_log(log: &LogId) -> Statement {
    Statement::new(
        "select id, log, act, handed_in_by, made_ms, ends_ms, rejected from proposals \
         where log_id = $1 order by made_ms, id",
        vec![bytes(log.as_bytes())],
    )
}

/// Those that ended before a time, the oldest first: [`rows`].
pub(crate) fn select_ended(before_ms: u64, limit: usize) -> Statement {
    Statement::new(
        "select id, log, act, handed_in_by, made_ms, ends_ms, rejected from proposals \
         where ends_ms < $1 order by ends_ms, id limit $2",
        vec![int(before_ms), int(limit as u64)],
    )
}

pub(crate) fn rows(rows: Vec<Row>) -> Result<Vec<ProposalRow>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        Ok(ProposalRow {
            id: columns.digest("proposal's id")?,
            log: columns.parse("name")?,
            act: columns.bytes("act")?,
            handed_in_by: columns.optional_text("account")?,
            made_ms: columns.unsigned("time")?,
            ends_ms: columns.unsigned("time")?,
            rejected: columns.optional_text("reason")?,
        })
    };
    rows.into_iter().map(row).collect()
}

/// Whether there is any: any row says yes.
pub(crate) fn select_any() -> Statement {
    Statement::new("select 1 from proposals limit 1", vec![])
}

/// Who agreed to one: [`endorsements`].
pub(crate) fn select_endorsements(id: &Digest) -> Statement {
    Statement::new(
        "select key_id, signature from proposal_endorsements where proposal = $1 order by key_id",
        vec![bytes(id.as_bytes())],
    )
}

pub(crate) fn endorsements(rows: Vec<Row>) -> Result<Vec<Endorsement>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        let key_id = KeyId::from_digest(columns.digest("key id")?);
        Ok(Endorsement { key_id, signature: columns.parse("signature")? })
    };
    rows.into_iter().map(row).collect()
}

/// Whether one of a log that was not turned down needs a blob or a manifest: any row says yes.
pub(crate) fn select_needing(log: &LogId, digest: &Digest) -> Statement {
    Statement::new(
        "select 1 from proposal_content c join proposals p on p.id = c.proposal \
         where p.log_id = $1 and p.rejected is null and (c.digest = $2 \
         or exists (select 1 from manifest_parts m where m.repository = replace(p.log, ':', '/') \
                    and m.manifest = c.digest and m.part = $2))",
        vec![bytes(log.as_bytes()), bytes(digest.as_bytes())],
    )
}

/// Turns one down, which must be there and not be turned down yet.
pub(crate) fn reject(id: &Digest, reason: &str, now_ms: u64) -> Statement {
    Statement::new(
        "update proposals set rejected = $2, rejected_ms = $3 where id = $1 and rejected is null",
        vec![bytes(id.as_bytes()), text(reason), int(now_ms)],
    )
    .must_affect(1)
}

/// Forgets one.
pub(crate) fn delete(id: &Digest) -> [Statement; 3] {
    let id = || vec![bytes(id.as_bytes())];
    [
        Statement::new("delete from proposals where id = $1", id()),
        Statement::new("delete from proposal_endorsements where proposal = $1", id()),
        Statement::new("delete from proposal_content where proposal = $1", id()),
    ]
}
