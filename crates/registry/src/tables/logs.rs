//! `logs`, `log_keys`, `log_states`: the facts about each log that a verdict needs and a reader asks for.
//!
//! They follow from `records` alone and are written in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use wargate_core::authority;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, PublicKey};
use wargate_core::name::{LogName, Namespace, PackageName};
use wargate_core::plan::{Accepted, Effect};
use wargate_core::v1::package::{Head, KeyState, PermissionSet};

use super::{Columns, bytes, facts, int, releases, text, time};
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;

/// Which rules a log is judged by; its first record decided it for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    V1,
    Delegated,
}

/// A log's place in the registry.
#[derive(Debug, Clone)]
pub(crate) struct LogRow {
    pub(crate) name: LogName,
    pub(crate) kind: LogKind,
    pub(crate) first_index: u64,
}

pub(crate) fn select(log: &LogId) -> Statement {
    Statement::new("select name, kind, first_idx from logs where log_id = $1", vec![bytes(log.as_bytes())])
}

pub(crate) fn one(rows: Vec<Row>) -> Result<Option<LogRow>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some(LogRow {
        name: columns.parse("name")?,
        kind: kind(columns.int("kind")?),
        first_index: columns.unsigned("index")?,
    }))
}

fn kind(number: i64) -> LogKind {
    if number == 0 { LogKind::V1 } else { LogKind::Delegated }
}

/// The names of the logs that begin in `from <= index < to`: [`names`].
pub(crate) fn select_names(from: u64, to: u64) -> Statement {
    Statement::new(
        "select first_idx, name from logs where first_idx >= $1 and first_idx < $2 order by first_idx",
        vec![int(from), int(to)],
    )
}

pub(crate) fn names(rows: Vec<Row>) -> Result<BTreeMap<u64, LogName>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.unsigned("index")?, columns.parse("name")?))
        })
        .collect()
}

/// Names of packages in the order of their repositories, after one of those, that hold a text: [`package_names`].
pub(crate) fn select_packages(holding: &str, after: &str, limit: usize) -> Statement {
    let escaped: String =
        holding.chars().flat_map(|c| ['\\', c].into_iter().skip(usize::from(c.is_alphanumeric()))).collect();
    Statement::new(
        "select name from logs where replace(name, ':', '/') > $1 and name like '%:%' and name like $2 escape '\\' \
         order by replace(name, ':', '/') limit $3",
        vec![text(&after.replace(':', "/")), text(&format!("%{escaped}%")), int(limit as u64)],
    )
}

pub(crate) fn package_names(rows: Vec<Row>) -> Result<Vec<PackageName>, Error> {
    rows.into_iter().map(|row| Columns::of(row).parse("package name")).collect()
}

/// Every key of a v1 log, revoked ones included: [`keys`].
pub(crate) fn select_keys(log: &LogId) -> Statement {
    Statement::new(
        "select k.public, k.permissions from logs l join log_keys k on k.log = l.first_idx \
         where l.log_id = $1 order by k.key_id",
        vec![bytes(log.as_bytes())],
    )
}

pub(crate) fn keys(rows: Vec<Row>) -> Result<Vec<KeyState>, Error> {
    rows.into_iter().map(key_state).collect()
}

pub(crate) fn select_key(log: &LogId, key: &KeyId) -> Statement {
    Statement::new(
        "select k.public, k.permissions from logs l join log_keys k on k.log = l.first_idx \
         where l.log_id = $1 and k.key_id = $2",
        vec![bytes(log.as_bytes()), bytes(key.as_bytes())],
    )
}

pub(crate) fn key(rows: Vec<Row>) -> Result<Option<KeyState>, Error> {
    rows.into_iter().next().map(key_state).transpose()
}

fn key_state(row: Row) -> Result<KeyState, Error> {
    let mut columns = Columns::of(row);
    let key: PublicKey = columns.parse("public key")?;
    let bits = columns.unsigned("permissions")?;
    Ok(KeyState { key, permissions: PermissionSet::from_bits(u8::try_from(bits).unwrap_or(0)) })
}

/// The states of delegated logs: [`state`].
pub(crate) fn select_state(log: &LogId) -> Statement {
    Statement::new(
        "select l.head_record, l.head_seconds, l.head_nanos, l.length, s.state \
         from logs l join log_states s on s.log = l.first_idx where l.log_id = $1",
        vec![bytes(log.as_bytes())],
    )
}

pub(crate) fn state(rows: Vec<Row>) -> Result<Option<authority::State>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let (head, length) = (head(&mut columns)?, columns.unsigned("length")?);
    decode_state(&columns.bytes("state")?, &head, length).map(Some)
}

fn head(columns: &mut Columns) -> Result<Head, Error> {
    Ok(Head { record: columns.record_id()?, time: columns.time()? })
}

/// A state's row is as of the last record that changed more of it than its head.
fn decode_state(kept: &[u8], head: &Head, length: u64) -> Result<authority::State, Error> {
    let state =
        authority::State::decode(kept).map_err(|error| Error::internal("read a log's state", error))?;
    Ok(state.moved_to(head.record, head.time, length))
}

/// What the next record of a log is judged by.
pub(crate) struct Standing {
    pub(crate) kind: LogKind,
    pub(crate) first_index: u64,
    pub(crate) head: Head,
    /// The state of a delegated log, unless its head is the one that is known.
    pub(crate) state: Option<authority::State>,
}

/// How a log stands; a state is not read again of which the head is `known`: [`standing`].
pub(crate) fn select_standing(log: &LogId, known: Option<&RecordId>) -> Statement {
    Statement::new(
        "select kind, first_idx, head_record, head_seconds, head_nanos, length, case when head_record = $2 then null \
         else (select s.state from log_states s where s.log = first_idx) end from logs where log_id = $1",
        vec![bytes(log.as_bytes()), known.map_or(Value::Null, |head| bytes(head.as_bytes()))],
    )
}

pub(crate) fn standing(rows: Vec<Row>) -> Result<Option<Standing>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let (kind, first_index) = (kind(columns.int("kind")?), columns.unsigned("index")?);
    let (head, length) = (head(&mut columns)?, columns.unsigned("length")?);
    let kept = columns.optional_bytes("state")?;
    let state = kept.map(|kept| decode_state(&kept, &head, length)).transpose()?;
    Ok(Some(Standing { kind, first_index, head, state }))
}

/// The statements by which an accepted record changes its log's facts; `log` is the log's number.
pub(crate) fn follow(log: u64, accepted: &Accepted) -> Batch {
    let mut batch = vec![upsert_head(log, accepted)];
    match &accepted.effect {
        Effect::V1(changes) => {
            batch.extend(changes.keys.iter().map(|(id, state)| upsert_key(log, id, state)));
            batch.extend(changes.releases.iter().map(|one| releases::upsert_v1(log, accepted.index, one)));
        }
        Effect::Delegated(changes) => {
            if !changes.moves_only {
                batch.push(upsert_state(log, &changes.state));
            }
            batch.extend(changes.releases.iter().map(|one| releases::upsert(log, accepted.index, one)));
            let rows = changes.fact_rows().into_iter();
            batch.extend(rows.map(|(about, fact)| facts::upsert(log, &about, fact)));
        }
    }
    batch
}

fn upsert_head(log: u64, accepted: &Accepted) -> Statement {
    let [seconds, nanos] = time(accepted.time);
    let mut values = vec![int(log), int(accepted.index), bytes(accepted.record.as_bytes()), seconds, nanos];
    if !accepted.first {
        return Statement::new(
            "update logs set head_idx = $2, head_record = $3, head_seconds = $4, head_nanos = $5, length = length + 1 \
             where first_idx = $1",
            values,
        )
        .must_affect(1);
    }
    let kind = match accepted.effect {
        Effect::V1(_) => 0,
        Effect::Delegated(_) => 1,
    };
    values.extend([bytes(accepted.log_id.as_bytes()), text(accepted.log.as_str()), int(kind)]);
    Statement::new(
        "insert into logs (first_idx, head_idx, head_record, head_seconds, head_nanos, log_id, name, kind, length) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
        values,
    )
}

fn upsert_key(log: u64, id: &KeyId, state: &KeyState) -> Statement {
    Statement::new(
        "insert into log_keys (log, key_id, public, permissions) values ($1, $2, $3, $4) \
         on conflict (log, key_id) do update set permissions = excluded.permissions",
        vec![int(log), bytes(id.as_bytes()), text(&state.key), int(u64::from(state.permissions.bits()))],
    )
}

fn upsert_state(log: u64, state: &authority::State) -> Statement {
    Statement::new(
        "insert into log_states (log, state, private) values ($1, $2, $3) \
         on conflict (log) do update set state = excluded.state, private = excluded.private",
        state_row(log, state),
    )
}

/// The columns of `log_states`.
pub(crate) fn state_row(log: u64, state: &authority::State) -> Row {
    vec![int(log), Value::Bytes(state.encode().into()), int(state.policy().private.into())]
}

/// The namespaces that are private now: [`private`].
pub(crate) fn select_private() -> Statement {
    Statement::new(
        "select l.name from log_states s join logs l on l.first_idx = s.log where s.private = 1",
        vec![],
    )
}

pub(crate) fn private(rows: Vec<Row>) -> Result<BTreeSet<Namespace>, Error> {
    rows.into_iter().map(|row| Columns::of(row).parse("namespace")).collect()
}
