//! `releases`: every version of every package, whichever rules its log is judged by.
//!
//! They follow from `records` alone and are written in the same transaction.

use semver::Version;
use wargate_core::authority;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::KeyId;
use wargate_core::name::PackageName;
use wargate_core::time::Time;
use wargate_core::v1::package::{Release, ReleaseState};
use wargate_wire::oci::reference::RepositoryName;

use super::{Columns, bytes, int, text, time};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// A release, as readers ask for it.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseRow {
    pub(crate) version: Version,
    pub(crate) content: Digest,
    /// The manifest that its record names.
    pub(crate) manifest: Option<Digest>,
    /// The index of the record that released it.
    pub(crate) index: u64,
    pub(crate) record: RecordId,
    pub(crate) time: Time,
    pub(crate) yanked: Option<Time>,
    by_key: Option<KeyId>,
    yanked_by: Option<KeyId>,
    fact: Option<bytes::Bytes>,
}

/// The releases of some content, by package and version: [`names`].
pub(crate) fn select_names(content: &Digest) -> Statement {
    Statement::new(
        "select l.name, r.version from releases r join logs l on l.first_idx = r.log where r.content = $1",
        vec![bytes(content.as_bytes())],
    )
}

pub(crate) fn names(rows: Vec<Row>) -> Result<Vec<(PackageName, Version)>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.parse("package name")?, columns.parse("version")?))
        })
        .collect()
}

/// One version: [`rows`].
pub(crate) fn select(log: &LogId, version: &Version) -> Statement {
    Statement::new(
        "select r.version, r.content, r.manifest, r.idx, r.record_id, r.seconds, r.nanos, \
         r.yanked_seconds, r.yanked_nanos, r.by_key, r.yanked_by, r.fact \
         from logs l join releases r on r.log = l.first_idx where l.log_id = $1 and r.version = $2",
        vec![bytes(log.as_bytes()), text(version)],
    )
}

/// All versions of a package, with what is known of their content, in no order that means anything: [`views`].
pub(crate) fn select_views(log: &LogId) -> Statement {
    Statement::new(
        "select r.version, r.content, r.manifest, r.idx, r.record_id, r.seconds, r.nanos, \
         r.yanked_seconds, r.yanked_nanos, r.by_key, r.yanked_by, r.fact, c.size, i.kind \
         from logs l join releases r on r.log = l.first_idx \
         left join content c on c.digest = r.content left join inspections i on i.digest = r.content \
         where l.log_id = $1",
        vec![bytes(log.as_bytes())],
    )
}

/// A release with its content's size in bytes and kind, as far as they are known.
pub(crate) type View = (ReleaseRow, Option<u64>, Option<String>);

pub(crate) fn views(rows: Vec<Row>) -> Result<Vec<View>, Error> {
    rows.into_iter()
        .map(|mut columns| {
            let known = columns.split_off(columns.len().saturating_sub(2));
            let mut known = Columns::of(known);
            Ok((row(columns)?, known.optional_unsigned("size")?, known.optional_text("kind")?))
        })
        .collect()
}

/// All versions of a package, in no order that means anything: [`rows`].
pub(crate) fn select_all(log: &LogId) -> Statement {
    Statement::new(
        "select r.version, r.content, r.manifest, r.idx, r.record_id, r.seconds, r.nanos, \
         r.yanked_seconds, r.yanked_nanos, r.by_key, r.yanked_by, r.fact \
         from logs l join releases r on r.log = l.first_idx where l.log_id = $1",
        vec![bytes(log.as_bytes())],
    )
}

/// Those that a manifest of a package's repository is of: [`rows`]. By its parts, since those are few and releases may be
/// many.
pub(crate) fn select_of_manifest(log: &LogId, repository: &RepositoryName, manifest: &Digest) -> Statement {
    Statement::new(
        "select distinct r.version, r.content, r.manifest, r.idx, r.record_id, r.seconds, r.nanos, \
         r.yanked_seconds, r.yanked_nanos, r.by_key, r.yanked_by, r.fact from manifest_parts p \
         join releases r on r.content = p.part join logs l on l.first_idx = r.log \
         left join derived_manifests d on d.log = r.log and d.version = r.version \
         where p.repository = $2 and p.manifest = $3 and l.log_id = $1 \
         and coalesce(r.manifest, d.manifest) = $3 order by r.version",
        vec![bytes(log.as_bytes()), text(repository), bytes(manifest.as_bytes())],
    )
}

pub(crate) fn rows(rows: Vec<Row>) -> Result<Vec<ReleaseRow>, Error> {
    rows.into_iter().map(row).collect()
}

fn row(row: Row) -> Result<ReleaseRow, Error> {
    let mut columns = Columns::of(row);
    Ok(ReleaseRow {
        version: columns.parse("version")?,
        content: columns.digest("content digest")?,
        manifest: columns.optional_digest("manifest digest")?,
        index: columns.unsigned("index")?,
        record: columns.record_id()?,
        time: columns.time()?,
        yanked: columns.optional_time()?,
        by_key: columns.optional_digest("key id")?.map(KeyId::from_digest),
        yanked_by: columns.optional_digest("key id")?.map(KeyId::from_digest),
        fact: columns.optional_bytes("fact")?,
    })
}

fn odd(what: &str) -> Error {
    Error::internal("read a release", format!("{what} is not one"))
}

impl ReleaseRow {
    /// The key that released it, in a v1 log; the one that yanked it.
    pub(crate) fn v1_keys(&self) -> (Option<KeyId>, Option<KeyId>) {
        (self.by_key, self.yanked_by)
    }

    /// The release as a v1 log's rules know it.
    pub(crate) fn v1(self) -> Result<Release, Error> {
        let by = self.by_key.ok_or_else(|| odd("its key"))?;
        let state = match (self.yanked, self.yanked_by) {
            (None, _) => ReleaseState::Released { content: self.content },
            (Some(time), Some(by)) => ReleaseState::Yanked { content: self.content, by, time },
            (Some(_), None) => return Err(odd("the key that yanked it")),
        };
        Ok(Release { record: self.record, version: self.version, by, time: self.time, state })
    }

    /// The release as a delegated log's rules know it.
    pub(crate) fn delegated(&self) -> Result<authority::Release, Error> {
        let fact = self.fact.as_ref().ok_or_else(|| odd("its fact"))?;
        authority::Release::decode(fact).map_err(|error| Error::internal("read a release", error))
    }

    /// How it was yanked, as far as its log tells: a v1 log tells the time alone.
    pub(crate) fn yank(&self) -> Result<Option<authority::Yanked>, Error> {
        if self.fact.is_none() {
            return Ok(None);
        }
        Ok(self.delegated()?.yank().cloned())
    }
}

/// A release of a v1 log, in the record at `index`.
pub(crate) fn upsert_v1(log: u64, index: u64, release: &Release) -> Statement {
    let (content, yanked) = match &release.state {
        ReleaseState::Released { content } => (content, None),
        ReleaseState::Yanked { content, by, time } => (content, Some((by, *time))),
    };
    write(Written {
        log,
        index,
        version: &release.version,
        content,
        manifest: None,
        record: &release.record,
        time: release.time,
        yanked: yanked.map(|(_, time)| time),
        by_key: Some(&release.by),
        yanked_by: yanked.map(|(by, _)| by),
        fact: Value::Null,
    })
}

/// A release of a delegated log, in the record at `index`.
pub(crate) fn upsert(log: u64, index: u64, release: &authority::Release) -> Statement {
    write(Written {
        log,
        index,
        version: &release.version,
        content: &release.content,
        manifest: release.manifest.as_ref(),
        record: &release.record,
        time: release.time,
        yanked: release.yank().map(|yank| yank.time),
        by_key: None,
        yanked_by: None,
        fact: Value::Bytes(release.encode().into()),
    })
}

/// A row to write.
struct Written<'a> {
    log: u64,
    index: u64,
    version: &'a Version,
    content: &'a Digest,
    manifest: Option<&'a Digest>,
    record: &'a RecordId,
    time: Time,
    yanked: Option<Time>,
    by_key: Option<&'a KeyId>,
    yanked_by: Option<&'a KeyId>,
    fact: Value,
}

fn write(row: Written<'_>) -> Statement {
    let key = |key: Option<&KeyId>| key.map_or(Value::Null, |key| bytes(key.as_bytes()));
    let [seconds, nanos] = time(row.time);
    let [yanked_seconds, yanked_nanos] = row.yanked.map_or([Value::Null, Value::Null], time);
    Statement::new(
        "insert into releases (log, version, content, manifest, idx, record_id, seconds, nanos, \
         yanked_seconds, yanked_nanos, by_key, yanked_by, fact) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         on conflict (log, version) do update set yanked_seconds = excluded.yanked_seconds, \
         yanked_nanos = excluded.yanked_nanos, yanked_by = excluded.yanked_by, fact = excluded.fact",
        vec![
            int(row.log),
            text(row.version),
            bytes(row.content.as_bytes()),
            row.manifest.map_or(Value::Null, |manifest| bytes(manifest.as_bytes())),
            int(row.index),
            bytes(row.record.as_bytes()),
            seconds,
            nanos,
            yanked_seconds,
            yanked_nanos,
            key(row.by_key),
            key(row.yanked_by),
            row.fact,
        ],
    )
}
