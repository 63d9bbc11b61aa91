//! Brings a ledger's tables to the shape this program knows: numbered SQL texts, forward only.
//!
//! The texts serve SQLite and PostgreSQL alike (`bigint`, `text`, `bytea`). Each runs once, in its own
//! transaction together with the row of `schema_version` that says so: a crash between two leaves a shape that
//! the next start carries on from. Not here: going back, which is restoring a backup.

use rusqlite::{Connection, TransactionBehavior};

/// One step of the schema.
struct Migration {
    /// 1, 2, 3, … without gaps; a published step is never edited.
    version: i64,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../migrations/0001_begin.sql") },
    Migration { version: 2, sql: include_str!("../migrations/0002_repositories.sql") },
    Migration { version: 3, sql: include_str!("../migrations/0003_garbage.sql") },
    Migration { version: 4, sql: include_str!("../migrations/0004_access.sql") },
    Migration { version: 5, sql: include_str!("../migrations/0005_references.sql") },
    Migration { version: 6, sql: include_str!("../migrations/0006_sweep.sql") },
    Migration { version: 7, sql: include_str!("../migrations/0007_tags_and_types.sql") },
    Migration { version: 8, sql: include_str!("../migrations/0008_log_facts.sql") },
    Migration { version: 9, sql: include_str!("../migrations/0009_proposals.sql") },
    Migration { version: 10, sql: include_str!("../migrations/0010_admissions.sql") },
];

/// The newest schema that this program knows.
pub const SCHEMA_VERSION: i64 = 10;

const _: () = assert!(MIGRATIONS.len() as i64 == SCHEMA_VERSION);

/// Why a ledger's tables could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The ledger was written by a newer program; nothing was changed.
    #[error(
        "the ledger has schema {found}, this program knows schemas up to {known}: \
         run the newer program, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The ledger's schema.
        found: i64,
        /// [`SCHEMA_VERSION`].
        known: i64,
    },
    /// A step failed and was rolled back.
    #[error("the ledger could not be brought to schema {version}: {source}")]
    Step {
        /// The schema aimed at; 0 is the table of versions itself.
        version: i64,
        /// What the engine says.
        source: rusqlite::Error,
    },
}

/// Runs every step that the ledger has not seen; how many it ran.
///
/// # Errors
/// [`MigrationError`]; the ledger then stands at the last step that succeeded.
pub fn migrate(connection: &mut Connection) -> Result<usize, MigrationError> {
    let failed = |version| move |source| MigrationError::Step { version, source };
    // A look first: a newer ledger must not even be written to.
    let found = schema_version(connection).map_err(failed(0))?;
    if found > SCHEMA_VERSION {
        return Err(MigrationError::Newer { found, known: SCHEMA_VERSION });
    }
    let mut ran = 0;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        step(connection, migration).map_err(failed(migration.version))?;
        ran += 1;
    }
    Ok(ran)
}

/// The ledger's schema; 0 for an empty one.
pub(crate) fn schema_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    if !connection.table_exists(None, "schema_version")? {
        return Ok(0);
    }
    connection.query_row("select coalesce(max(version), 0) from schema_version", [], |row| row.get(0))
}

fn step(connection: &mut Connection, migration: &Migration) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction
        .execute_batch("create table if not exists schema_version (version bigint not null primary key)")?;
    // Where the dialects differ: what makes a primary key the table itself, not one more index to write.
    let sql = migration
        .sql
        .replace("bigint not null primary key", "integer not null primary key")
        .replace("/* clustered */", "without rowid");
    transaction.execute_batch(&sql)?;
    transaction.execute("insert into schema_version (version) values (?1)", [migration.version])?;
    transaction.commit()
}
