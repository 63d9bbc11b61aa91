//! Makes anew what follows from content: inspections, and the manifests that they give.

use bytes::Bytes;
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_core::digest::Digest;

use super::content::Stored;
use super::links::derive;
use super::{Check, Damage, Remedy};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::inspector::InspectError;
use crate::objects;
use crate::tables::{Columns, bytes, inspections, int};

/// Rows that are made anew at once.
const PAGE_ROWS: u64 = 64;

/// Both tables, a row a transaction: whoever breaks it off begins it again.
pub(super) async fn content_tables(check: &mut Check<'_>) -> Result<(), Error> {
    if check.options.inspector.is_some() {
        all_inspections(check).await?;
    } else {
        check.note("the table `inspections` is left as it is: nobody is here to inspect".to_owned());
    }
    all_derived(check).await
}

/// What was inspected, and what was released and is stored.
async fn all_inspections(check: &mut Check<'_>) -> Result<(), Error> {
    let mut after = Bytes::new();
    loop {
        let statement = Statement::new(
            "select c.digest, c.size, c.bytes from content c where c.digest > $1 and (exists \
             (select 1 from releases r where r.content = c.digest) or exists \
             (select 1 from inspections i where i.digest = c.digest)) order by c.digest limit $2",
            vec![Value::Bytes(after), int(PAGE_ROWS)],
        );
        let rows = check.read(statement).await?;
        let Some(Value::Bytes(last)) = rows.last().and_then(|row| row.first()) else { return Ok(()) };
        after = last.clone();
        for row in rows {
            if let Ok(stored) = Stored::of(row) {
                inspect(check, &stored).await?;
            }
        }
    }
}

async fn inspect(check: &mut Check<'_>, stored: &Stored) -> Result<(), Error> {
    let Some(inspector) = check.options.inspector.clone() else { return Ok(()) };
    let body = match &stored.inline {
        Some(inline) => Some(inline.clone()),
        None if stored.size > WASM_BYTES_MAX => None,
        None => check.look(&objects::blob_path(&stored.digest)).await.ok().flatten(),
    };
    // That it is damaged or missing is told of the content.
    let Some(body) = body.filter(|body| Digest::of(body) == stored.digest) else { return Ok(()) };
    check.progress("inspections", 0, None);
    let inspection = match inspector.inspect(body).await {
        Ok(inspection) => inspection,
        Err(error @ (InspectError::Busy | InspectError::Failed { .. })) => {
            return Err(Error::internal("inspect content", error));
        }
        Err(refused) => {
            check.note(format!("content {} is not inspected: {refused}", stored.digest));
            return Ok(());
        }
    };
    check.count("inspections made", 1);
    let insert = inspections::insert(&stored.digest, &inspection)?;
    let select = Statement::new(
        "select digest, validator, kind, claims, body from inspections where digest = $1",
        vec![bytes(stored.digest.as_bytes())],
    );
    let there = check.read(select).await?.into_iter().next();
    if there.as_ref() == Some(&insert.parameters) {
        return Ok(());
    }
    let wrong = if there.is_some() { "its content is something else" } else { "it is missing" };
    let damage = Damage::row("inspections", stored.digest, wrong, Remedy::Rebuild).mended();
    check.db.write(vec![insert]).await?;
    check.found(damage);
    Ok(())
}

/// A release has a derived manifest if its repository holds the one that its bytes give.
async fn all_derived(check: &mut Check<'_>) -> Result<(), Error> {
    let mut after: (Value, Value) = (Value::Int(-1), Value::Text(String::new()));
    loop {
        let statement = Statement::new(
            "select r.log, r.version, coalesce(d.manifest, r.content), l.name, r.content, c.size, i.body, d.manifest \
             from releases r join logs l on l.first_idx = r.log join content c on c.digest = r.content \
             join inspections i on i.digest = r.content \
             left join derived_manifests d on d.log = r.log and d.version = r.version \
             where (r.log, r.version) > ($1, $2) order by r.log, r.version limit $3",
            vec![after.0, after.1, int(PAGE_ROWS)],
        );
        let rows = check.read(statement).await?;
        let Some([log, version, ..]) = rows.last().map(Vec::as_slice) else { return Ok(()) };
        after = (log.clone(), version.clone());
        for row in rows {
            derive_one(check, row).await?;
        }
    }
}

async fn derive_one(check: &mut Check<'_>, mut row: Row) -> Result<(), Error> {
    let there = row.pop().unwrap_or(Value::Null);
    let (log, version) = match row.as_slice() {
        [log, version, ..] => (log.clone(), version.clone()),
        _ => return Ok(()),
    };
    let Ok((_, right)) = derive(row.clone()) else { return Ok(()) };
    let name = row.get(3).cloned().unwrap_or(Value::Null);
    let Value::Text(name) = name else { return Ok(()) };
    let repository = name.replace(':', "/");
    let held = Statement::new(
        "select 1 from manifests where repository = $1 and digest = $2",
        vec![Value::Text(repository), bytes(right.as_bytes())],
    );
    let is_held = !check.read(held).await?.is_empty();
    let named = Statement::new(
        "select manifest from releases where log = $1 and version = $2",
        vec![log.clone(), version.clone()],
    );
    let named = check.read(named).await?.into_iter().next();
    let is_named =
        named.is_some_and(|row| Columns::of(row).optional_bytes("manifest").is_ok_and(|m| m.is_some()));
    let expected = (is_held && !is_named).then(|| bytes(right.as_bytes()));
    // One that its record names may have been derived too, in case it was not there.
    if expected.as_ref().unwrap_or(&Value::Null) == &there || (is_named && there == bytes(right.as_bytes())) {
        return Ok(());
    }
    let key = format!("{} {}", super::rows::shown(&log), super::rows::shown(&version));
    let delete = Statement::new(
        "delete from derived_manifests where log = $1 and version = $2",
        vec![log.clone(), version.clone()],
    );
    let mut batch = vec![delete];
    if let Some(manifest) = expected {
        batch.push(Statement::new(
            "insert into derived_manifests (log, version, manifest) values ($1, $2, $3)",
            vec![log, version, manifest],
        ));
    }
    check.db.write(batch).await?;
    check.found(Damage::row("derived_manifests", key, "it is made anew", Remedy::Rebuild).mended());
    Ok(())
}
