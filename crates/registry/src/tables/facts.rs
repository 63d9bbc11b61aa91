//! `log_facts`: what delegated logs add up to beyond their states and releases, each fact by what it is about.
//!
//! They follow from `records` alone and are written in the same transaction.

use wargate_core::act::AnnotationKind;
use wargate_core::authority::role::RoleId;
use wargate_core::authority::{Admission, Annotation, TAKEDOWN_KEYS, Takedown, Takedowns, dead_role_key};
use wargate_core::id::{LogId, RecordId};

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

fn select_about(log: &LogId, about: &str) -> Statement {
    Statement::new(
        "select f.fact from logs l join log_facts f on f.log = l.first_idx where l.log_id = $1 and f.about = $2",
        vec![bytes(log.as_bytes()), text(about)],
    )
}

/// The last dead role of a name: [`dead_role`].
pub(crate) fn select_dead_role(log: &LogId, name: &str) -> Statement {
    select_about(log, &dead_role_key(name))
}

pub(crate) fn dead_role(rows: Vec<Row>) -> Result<Option<RoleId>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let role = RoleId::decode(&Columns::of(row).bytes("fact")?);
    role.map(Some).map_err(|error| Error::internal("read a dead role", error))
}

/// Whether a namespace let in a key to begin a v1 log: [`admission`].
pub(crate) fn select_admission(log: &LogId, admission: &Admission) -> Statement {
    select_about(log, &admission.row_key())
}

pub(crate) fn admission(rows: Vec<Row>) -> Result<Option<Admission>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let admission = Admission::decode(&Columns::of(row).bytes("fact")?);
    admission.map(Some).map_err(|error| Error::internal("read an admission", error))
}

/// All that an operator ever said of content that it keeps back: [`takedowns`].
pub(crate) fn select_takedowns() -> Statement {
    let [from, to] = TAKEDOWN_KEYS;
    Statement::new(
        "select f.fact from logs l join log_facts f on f.log = l.first_idx \
         where l.log_id = $1 and f.about >= $2 and f.about < $3",
        vec![bytes(LogId::operator().as_bytes()), text(from), text(to)],
    )
}

pub(crate) fn takedowns(rows: Vec<Row>) -> Result<Takedowns, Error> {
    let takedown = |row| {
        let takedown = Takedown::decode(&Columns::of(row).bytes("fact")?);
        takedown.map_err(|error| Error::internal("read a takedown", error))
    };
    rows.into_iter().map(takedown).collect()
}

/// The last dead role of each name, by name, at most `limit`: [`dead_roles`].
pub(crate) fn select_dead_roles(log: &LogId, limit: usize) -> Statement {
    Statement::new(
        "select f.about, f.fact from logs l join log_facts f on f.log = l.first_idx \
         where l.log_id = $1 and f.about like $2 order by f.about limit $3",
        vec![bytes(log.as_bytes()), text(&dead_role_key("%")), int(limit as u64)],
    )
}

pub(crate) fn dead_roles(rows: Vec<Row>) -> Result<Vec<(String, RoleId)>, Error> {
    let prefix = dead_role_key("");
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let about = columns.text("dead role")?;
            let name = about.strip_prefix(&prefix).unwrap_or(&about).to_owned();
            let role = RoleId::decode(&columns.bytes("fact")?);
            Ok((name, role.map_err(|error| Error::internal("read a dead role", error))?))
        })
        .collect()
}

/// What was said last of a kind about each subject of a log: [`annotations`].
pub(crate) fn select_annotations(log: &LogId, kind: AnnotationKind) -> Statement {
    Statement::new(
        "select f.fact from logs l join log_facts f on f.log = l.first_idx where l.log_id = $1 and f.about like $2",
        vec![bytes(log.as_bytes()), text(&Annotation::key_of(kind, "%"))],
    )
}

/// What was said last of a kind about one subject: [`annotations`].
pub(crate) fn select_annotation(log: &LogId, kind: AnnotationKind, subject: &str) -> Statement {
    select_about(log, &Annotation::key_of(kind, subject))
}

/// What was said last of a kind about two subjects: [`annotations`].
pub(crate) fn select_either_annotation(
    log: &LogId,
    kind: AnnotationKind,
    [one, other]: [&str; 2],
) -> Statement {
    let about = |subject| text(&Annotation::key_of(kind, subject));
    Statement::new(
        "select f.fact from logs l join log_facts f on f.log = l.first_idx \
         where l.log_id = $1 and f.about in ($2, $3)",
        vec![bytes(log.as_bytes()), about(one), about(other)],
    )
}

/// But for what was withdrawn.
pub(crate) fn annotations(rows: Vec<Row>) -> Result<Vec<Annotation>, Error> {
    let read = |row| {
        Annotation::decode(&Columns::of(row).bytes("fact")?)
            .map_err(|error| Error::internal("read an annotation", error))
    };
    let said = rows.into_iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    Ok(said.into_iter().filter(|said| !said.value.is_empty()).collect())
}

/// How many records of the log stand before one of it; no row if it is none of it: [`place`].
pub(crate) fn select_place(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "select (select count(*) from records b where b.log = r.log and b.idx < r.idx) \
         from logs l join records r on r.log = l.first_idx and r.record_id = $2 where l.log_id = $1",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
}

pub(crate) fn place(rows: Vec<Row>) -> Result<Option<u64>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).unsigned("place")).transpose()
}

pub(crate) fn upsert(log: u64, about: &str, fact: Vec<u8>) -> Statement {
    Statement::new(
        "insert into log_facts (log, about, fact) values ($1, $2, $3) \
         on conflict (log, about) do update set fact = excluded.fact",
        row(log, about, fact),
    )
}

/// The columns of `log_facts`.
pub(crate) fn row(log: u64, about: &str, fact: Vec<u8>) -> Row {
    vec![int(log), text(about), Value::Bytes(fact.into())]
}
