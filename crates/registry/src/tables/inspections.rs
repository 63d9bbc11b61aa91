//! `inspections`: what content is, by digest; `derived_manifests`: what that makes of releases without a manifest.

use semver::Version;
use wargate_component::Inspection;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_wire::oci::reference::RepositoryName;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement};
use crate::error::Error;

pub(crate) fn insert(digest: &Digest, inspection: &Inspection) -> Result<Statement, Error> {
    let body =
        serde_json::to_string(inspection).map_err(|error| Error::internal("keep an inspection", error))?;
    let claims = inspection.package.is_some()
        || inspection.metadata.name.is_some()
        || inspection.metadata.version.is_some();
    Ok(Statement::new(
        "insert into inspections (digest, validator, kind, claims, body) values ($1, $2, $3, $4, $5) \
         on conflict (digest) do update set validator = excluded.validator, kind = excluded.kind, \
         claims = excluded.claims, body = excluded.body",
        vec![
            bytes(digest.as_bytes()),
            text(&inspection.validator),
            text(&inspection.kind),
            int(u64::from(claims)),
            text(&body),
        ],
    ))
}

/// What content is, if it was inspected: [`one`].
pub(crate) fn select(digest: &Digest) -> Statement {
    Statement::new("select body from inspections where digest = $1", vec![bytes(digest.as_bytes())])
}

pub(crate) fn one(rows: Vec<Row>) -> Result<Option<Inspection>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    parse(&Columns::of(row).text("inspection")?).map(Some)
}

pub(super) fn parse(body: &str) -> Result<Inspection, Error> {
    serde_json::from_str(body).map_err(|error| Error::internal("read an inspection", error))
}

/// Keeps the manifest that a release's bytes give.
pub(crate) fn insert_derived(log: u64, version: &Version, manifest: &Digest) -> Statement {
    Statement::new(
        "insert into derived_manifests (log, version, manifest) values ($1, $2, $3) \
         on conflict (log, version) do nothing",
        vec![int(log), text(version), bytes(manifest.as_bytes())],
    )
}

/// The derived manifest of one version: [`derived`].
pub(crate) fn select_derived(log: &LogId, version: &Version) -> Statement {
    Statement::new(
        "select d.manifest from logs l join derived_manifests d on d.log = l.first_idx \
         where l.log_id = $1 and d.version = $2",
        vec![bytes(log.as_bytes()), text(version)],
    )
}

pub(crate) fn derived(rows: Vec<Row>) -> Result<Option<Digest>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).digest("manifest digest")).transpose()
}

/// Versions of a package whose manifest its repository does not hold yet: [`versions`].
pub(crate) fn select_underived(log: &LogId, repository: &RepositoryName, limit: usize) -> Statement {
    Statement::new(
        "select r.version from logs l join releases r on r.log = l.first_idx \
         left join manifests m on m.repository = $2 and m.digest = r.manifest \
         left join derived_manifests d on d.log = r.log and d.version = r.version \
         where l.log_id = $1 and m.digest is null and d.manifest is null limit $3",
        vec![bytes(log.as_bytes()), text(repository), int(limit as u64)],
    )
}

pub(crate) fn versions(rows: Vec<Row>) -> Result<Vec<Version>, Error> {
    rows.into_iter().map(|row| Columns::of(row).parse("version")).collect()
}
