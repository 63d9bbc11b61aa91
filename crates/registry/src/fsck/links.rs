//! What points at content, at logs and at each other: repositories, manifests, tags, links, what was derived, and
//! records that wait (`spec/oci.md`, "Manifests").
//!
//! Each question is one statement, so that a registry which runs beside cannot make an answer look like damage.

use wargate_component::{Inspection, Layer, artifact};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer as LogLayer, LogId};
use wargate_core::name::PackageName;
use wargate_core::record::PackageRecord;
use wargate_wire::oci::manifest::{MANIFEST_BYTES_MAX, Manifest};
use wargate_wire::oci::reference::{Algorithm, ContentDigest, RepositoryName, Tag};

use super::parts;
use super::rows::shown;
use super::{Check, Damage, Remedy};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::objects;
use crate::tables::{Columns, int};

/// Rows that are taken apart at once.
const PAGE_ROWS: u64 = 128;

/// Rows of one kind of damage that are named at most.
const DANGLING_ROWS_MAX: u64 = 1_000;

/// A question whose answers are damaged rows: their keys.
struct Dangling {
    table: &'static str,
    wrong: &'static str,
    select: &'static str,
    remedy: Remedy,
    /// Makes a row whole, given its key.
    repair: Option<&'static str>,
}

const DANGLING: &[Dangling] = &[
    Dangling {
        table: "blob_links",
        wrong: "the content that it links is not stored",
        select: "select repository, digest from blob_links b where not exists \
                 (select 1 from content c where c.digest = b.digest) limit $1",
        remedy: Remedy::Restore,
        repair: None,
    },
    Dangling {
        table: "manifests",
        wrong: "its bytes are not stored",
        select: "select repository, digest from manifests m where not exists \
                 (select 1 from content c where c.digest = m.digest) limit $1",
        remedy: Remedy::Restore,
        repair: None,
    },
    Dangling {
        table: "tags",
        wrong: "its repository has no such manifest",
        select: "select repository, tag from tags t where not exists \
                 (select 1 from manifests m where m.repository = t.repository and m.digest = t.digest) limit $1",
        remedy: Remedy::Restore,
        repair: None,
    },
    Dangling {
        table: "manifest_parts",
        wrong: "its repository has no such manifest",
        select: "select repository, manifest, part from manifest_parts p where not exists \
                 (select 1 from manifests m where m.repository = p.repository and m.digest = p.manifest) limit $1",
        remedy: Remedy::Repair,
        repair: Some("delete from manifest_parts where repository = $1 and manifest = $2 and part = $3"),
    },
    Dangling {
        table: "sha512_names",
        wrong: "the content that it names is not stored",
        select: "select sha512 from sha512_names s where not exists \
                 (select 1 from content c where c.digest = s.digest) limit $1",
        remedy: Remedy::Repair,
        repair: Some("delete from sha512_names where sha512 = $1"),
    },
    Dangling {
        table: "repositories",
        wrong: "it is missing, and things lie in it",
        select: "select distinct x.repository from (select repository from blob_links union \
                 select repository from manifests union select repository from tags) x \
                 where not exists (select 1 from repositories r where r.name = x.repository) limit $1",
        remedy: Remedy::Repair,
        repair: Some("insert into repositories (name, begun_ms) values ($1, 0)"),
    },
    Dangling {
        table: "derived_manifests",
        wrong: "its release or its manifest is not there",
        select: "select log, version from derived_manifests d where not exists \
                 (select 1 from releases r where r.log = d.log and r.version = d.version) \
                 or not exists (select 1 from manifests m where m.digest = d.manifest) limit $1",
        remedy: Remedy::Repair,
        repair: Some("delete from derived_manifests where log = $1 and version = $2"),
    },
    Dangling {
        table: "inspections",
        wrong: "the content that it is of is not stored",
        select: "select digest from inspections i where not exists \
                 (select 1 from content c where c.digest = i.digest) limit $1",
        remedy: Remedy::Repair,
        repair: Some("delete from inspections where digest = $1"),
    },
    Dangling {
        table: "inspections",
        wrong: "it is missing, and its content is released",
        select: "select distinct r.content from releases r join content c on c.digest = r.content \
                 where not exists (select 1 from inspections i where i.digest = r.content) limit $1",
        remedy: Remedy::Rebuild,
        repair: None,
    },
];

/// Checks all of them.
pub(super) async fn check(check: &mut Check<'_>) -> Result<(), Error> {
    check.progress("links", 0, None);
    lost_content(check).await?;
    for question in DANGLING {
        dangling(check, question).await?;
    }
    let tables: [Paged; 5] = [MANIFESTS, TAGS, DERIVED, INSPECTIONS, PENDING];
    for table in tables {
        paged(check, &table).await?;
    }
    parts::names(check).await
}

async fn dangling(check: &mut Check<'_>, question: &Dangling) -> Result<(), Error> {
    let statement = Statement::new(question.select, vec![int(DANGLING_ROWS_MAX)]);
    let rows = match check.read(statement).await {
        Ok(rows) => rows,
        Err(error) => {
            check.found(Damage::row(question.table, "", error, Remedy::Restore));
            return Ok(());
        }
    };
    for row in rows {
        let key = row.iter().map(shown).collect::<Vec<_>>().join(" ");
        let repair = question.repair.map(|sql| vec![Statement::new(sql, row)]);
        let damage = Damage::row(question.table, key, question.wrong, question.remedy);
        check.found_row(damage, repair).await?;
    }
    Ok(())
}

/// Content that a release or a repository needs and no row holds; its object may still lie there.
async fn lost_content(check: &mut Check<'_>) -> Result<(), Error> {
    let statement = Statement::new(
        "select distinct x.digest from (select content as digest from releases union \
         select digest from blob_links union select digest from manifests) x \
         where not exists (select 1 from content c where c.digest = x.digest) \
         and not exists (select 1 from content_sources s where s.digest = x.digest) limit $1",
        vec![int(DANGLING_ROWS_MAX)],
    );
    let rows = match check.read(statement).await {
        Ok(rows) => rows,
        Err(error) => {
            check.found(Damage::row("content", "", error, Remedy::Restore));
            return Ok(());
        }
    };
    for row in rows {
        let Ok(digest) = Columns::of(row).digest("digest") else { continue };
        let path = objects::blob_path(&digest);
        let size = objects::size(check.objects, &path).await.unwrap_or_default();
        let stored = size.map(|size| super::content::Stored { digest, size, inline: None });
        let repair = match stored {
            Some(stored) if stored.wrong(check.objects).await.is_none() => {
                Some(vec![crate::tables::content::insert(&digest, stored.size, None, 0)])
            }
            _ => None,
        };
        let remedy = if repair.is_some() { Remedy::Repair } else { Remedy::Restore };
        let wrong = "it is missing, and a release or a repository needs it";
        check.found_row(Damage::row("content", digest, wrong, remedy), repair).await?;
    }
    Ok(())
}

/// A table whose rows are taken apart one by one.
struct Paged {
    table: &'static str,
    /// Columns of the key, the first ones of an answer: one or two.
    keys: usize,
    /// After the key `$1, $2` (or `$1`), at most `$3` (or `$2`) rows.
    select: &'static str,
    /// Before every key.
    first: [Value; 2],
    remedy: Remedy,
    repair: Option<&'static str>,
}

const NO_TEXT: Value = Value::Text(String::new());
const NO_BYTES: Value = Value::Bytes(bytes::Bytes::new());

const MANIFESTS: Paged = Paged {
    table: "manifests",
    keys: 2,
    select: "select m.repository, m.digest, m.media_type, m.artifact_type, m.subject, m.sha512, c.size, c.bytes \
             from manifests m join content c on c.digest = m.digest \
             where (m.repository, m.digest) > ($1, $2) order by m.repository, m.digest limit $3",
    first: [NO_TEXT, NO_BYTES],
    remedy: Remedy::Restore,
    repair: None,
};

const TAGS: Paged = Paged {
    table: "tags",
    keys: 2,
    select: "select repository, tag from tags where (repository, tag) > ($1, $2) order by repository, tag limit $3",
    first: [NO_TEXT, NO_TEXT],
    remedy: Remedy::Restore,
    repair: None,
};

const DERIVED: Paged = Paged {
    table: "derived_manifests",
    keys: 2,
    select: "select d.log, d.version, d.manifest, l.name, r.content, c.size, i.body from derived_manifests d \
             join logs l on l.first_idx = d.log join releases r on r.log = d.log and r.version = d.version \
             join content c on c.digest = r.content join inspections i on i.digest = r.content \
             where (d.log, d.version) > ($1, $2) order by d.log, d.version limit $3",
    first: [Value::Int(-1), NO_TEXT],
    remedy: Remedy::Repair,
    repair: Some("delete from derived_manifests where log = $1 and version = $2"),
};

const INSPECTIONS: Paged = Paged {
    table: "inspections",
    keys: 1,
    select: "select digest, validator, kind, claims, body from inspections where digest > $1 order by digest limit $2",
    first: [NO_BYTES, Value::Null],
    remedy: Remedy::Rebuild,
    repair: None,
};

const PENDING: Paged = Paged {
    table: "pending",
    keys: 2,
    select: "select log_id, record_id, kind, name, body, state from pending \
             where (log_id, record_id) > ($1, $2) order by log_id, record_id limit $3",
    first: [NO_BYTES, NO_BYTES],
    remedy: Remedy::Restore,
    repair: None,
};

async fn paged(check: &mut Check<'_>, table: &Paged) -> Result<(), Error> {
    let mut after: Vec<Value> = table.first.iter().take(table.keys).cloned().collect();
    loop {
        let mut parameters = after;
        parameters.push(int(PAGE_ROWS));
        let rows = match check.read(Statement::new(table.select, parameters)).await {
            Ok(rows) => rows,
            Err(error) => {
                check.found(Damage::row(table.table, "", error, Remedy::Restore));
                return Ok(());
            }
        };
        let key = |row: &Row| -> Vec<Value> { row.iter().take(table.keys).cloned().collect() };
        let Some(last) = rows.last().map(key) else { return Ok(()) };
        after = last;
        for row in rows {
            let key = key(&row);
            let name = key.iter().map(shown).collect::<Vec<_>>().join(" ");
            if !check.picks(table.table, name.as_bytes()) {
                continue;
            }
            check.count(table.table, 1);
            let Some(wrong) = wrong(check, table.table, row).await? else { continue };
            let repair = table.repair.map(|sql| vec![Statement::new(sql, key)]);
            check.found_row(Damage::row(table.table, name, wrong, table.remedy), repair).await?;
        }
    }
}

/// What is wrong with a row.
async fn wrong(check: &mut Check<'_>, table: &str, row: Row) -> Result<Option<String>, Error> {
    let outcome = match table {
        "manifests" => return manifest(check, row).await,
        "tags" => tag(row),
        "derived_manifests" => derived(row),
        "inspections" => inspection(row),
        _ => pending(row),
    };
    Ok(outcome.err())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The manifest parses, its columns are its own, and its repository links what it names.
async fn manifest(check: &mut Check<'_>, row: Row) -> Result<Option<String>, Error> {
    let mut columns = Columns::of(row);
    let (Ok(repository), Ok(digest)) =
        (columns.parse::<RepositoryName>("repository"), columns.digest("digest"))
    else {
        return Ok(Some("its key is not one".to_owned()));
    };
    let media_type = columns.text("media type")?;
    let (artifact_type, subject) = (columns.optional_text("type")?, columns.optional_text("subject")?);
    let sha512 = columns.optional_bytes("SHA-512")?;
    let size = columns.unsigned("size")?;
    let inline = columns.optional_bytes("content")?;
    if size > MANIFEST_BYTES_MAX as u64 {
        return Ok(Some(format!("it has {size} bytes, more than any manifest")));
    }
    let body = match inline {
        Some(inline) => Some(inline),
        None => check.look(&objects::blob_path(&digest)).await.ok().flatten(),
    };
    // That its bytes are damaged or missing was told of the content.
    let Some(body) = body.filter(|body| Digest::of(body) == digest) else { return Ok(None) };
    let manifest = match Manifest::parse(Some(&media_type), &body) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let says = manifest.subject.as_ref().map(|subject| subject.digest.to_string());
    if subject != says {
        return Ok(Some("its column `subject` is not what its bytes say".to_owned()));
    }
    if sha512.is_some_and(|sha512| sha512 != ContentDigest::of(Algorithm::Sha512, &body).as_bytes()) {
        return Ok(Some("its column `sha512` is not what its bytes give".to_owned()));
    }
    let artifact_type = artifact_type.filter(|text| !text.is_empty());
    if artifact_type.is_some() && artifact_type.as_deref() != manifest.listed_artifact_type() {
        return Ok(Some("its column `artifact_type` is not what its bytes say".to_owned()));
    }
    parts::check(check, &repository, &digest, &manifest).await?;
    Ok(None)
}

fn tag(row: Row) -> Result<(), String> {
    let mut columns = Columns::of(row);
    columns.parse::<RepositoryName>("repository").map_err(words)?;
    columns.parse::<Tag>("tag").map_err(words)?;
    Ok(())
}

/// The manifest that a release's bytes give, from what is known of them.
pub(super) fn derive(row: Row) -> Result<(Digest, Digest), String> {
    let mut columns = Columns::of(row);
    columns.value().map_err(words)?;
    let version = columns.parse("version").map_err(words)?;
    let manifest = columns.digest("manifest digest").map_err(words)?;
    let name: PackageName = columns.parse("name").map_err(words)?;
    let digest = columns.digest("content digest").map_err(words)?;
    let size = columns.unsigned("size").map_err(words)?;
    let body = columns.text("inspection").map_err(words)?;
    let inspection: Inspection = serde_json::from_str(&body).map_err(words)?;
    let artifact = artifact(Layer { digest, size }, &inspection, name.name(), &version);
    Ok((manifest, Digest::of(&artifact.manifest)))
}

fn derived(row: Row) -> Result<(), String> {
    let (found, right) = derive(row)?;
    if found == right { Ok(()) } else { Err(format!("the release's bytes give the manifest {right}")) }
}

fn inspection(row: Row) -> Result<(), String> {
    let stored = row.clone();
    let mut columns = Columns::of(row);
    let digest = columns.digest("digest").map_err(words)?;
    let body = match stored.last() {
        Some(Value::Text(body)) => body.clone(),
        _ => return Err("its body is no text".to_owned()),
    };
    let inspection: Inspection = serde_json::from_str(&body).map_err(words)?;
    let right = crate::tables::inspections::insert(&digest, &inspection).map_err(words)?.parameters;
    if right == stored { Ok(()) } else { Err("its columns are not what its body says".to_owned()) }
}

fn pending(row: Row) -> Result<(), String> {
    let mut columns = Columns::of(row);
    let log = columns.log_id().map_err(words)?;
    let record = columns.record_id().map_err(words)?;
    if columns.int("kind").map_err(words)? != 0 {
        return Err("its kind is not one".to_owned());
    }
    let name: PackageName = columns.parse("name").map_err(words)?;
    let envelope = Envelope::decode(&columns.bytes("envelope").map_err(words)?).map_err(words)?;
    PackageRecord::decode(&envelope.contents).map_err(words)?;
    if LogId::package(&name) != log {
        return Err(format!("`{name}` is not its log's name"));
    }
    if envelope.record_id(LogLayer::Package) != record {
        return Err("its envelope is another record's than its id says".to_owned());
    }
    match columns.int("state").map_err(words)? {
        0 | 1 => Ok(()),
        other => Err(format!("its state {other} is none")),
    }
}
