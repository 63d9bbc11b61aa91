//! The ledger in the simulation: the real SQLite engine, called inline, behind faults.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::Mutex as AsyncMutex;
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};
use wargate_store::sqlite::{read_together, write_together};

use crate::faults::{Fate, Faults};

/// The file's one connection; it outlives every process.
pub type Ledger = Arc<Mutex<Connection>>;

pub struct SimDb {
    ledger: Ledger,
    faults: Arc<Faults>,
    /// Whose it is, in the names of calls.
    whose: &'static str,
    /// Batches take effect in the order in which they were handed in.
    turn: AsyncMutex<()>,
}

impl SimDb {
    pub fn new(ledger: Ledger, faults: Arc<Faults>, whose: &'static str) -> Self {
        Self { ledger, faults, whose, turn: AsyncMutex::new(()) }
    }

    fn commit(&self, batch: Batch) -> Result<(), DbError> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        write_together(&mut ledger, &[batch]).answers.pop().unwrap_or(Ok(()))
    }
}

/// The beginning of a statement says which one it is.
fn label(verb: &str, whose: &str, statements: &[Statement]) -> String {
    let sql = statements.first().map_or("nothing", |statement| statement.sql);
    let short: String = sql.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    format!("{verb} {whose}{} {short}", statements.len())
}

fn failed() -> DbError {
    DbError::Failed { reason: "the simulated ledger refused".to_owned() }
}

fn unknown() -> DbError {
    DbError::Unknown { reason: "the simulated ledger broke off".to_owned() }
}

#[async_trait]
impl Db for SimDb {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        match self.faults.meet(label("read", self.whose, &statements)).await {
            Fate::Failed | Fate::Lost | Fate::DoneUnheard => return Err(failed()),
            Fate::DiesAfter => self.faults.die().await,
            // The ledger is one place: it never answers with what was.
            Fate::Done | Fate::Slow | Fate::Stale | Fate::DiesBefore => {}
        }
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        read_together(&ledger, &statements)
    }

    async fn write(&self, batch: Batch) -> Result<(), DbError> {
        let _turn = self.turn.lock().await;
        match self.faults.meet(label("write", self.whose, &batch)).await {
            Fate::Failed => Err(failed()),
            Fate::Lost => Err(unknown()),
            // A conflict is found before anything is written, and always heard.
            Fate::DoneUnheard => self.commit(batch).and(Err(unknown())),
            Fate::DiesAfter => {
                let _ = self.commit(batch);
                self.faults.die().await;
                Ok(())
            }
            Fate::Done | Fate::Slow | Fate::Stale | Fate::DiesBefore => self.commit(batch),
        }
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        // The engine's file is whole by its own tests; here it is asked too often.
        Ok(Vec::new())
    }

    fn syncs(&self) -> u64 {
        0
    }

    fn generation(&self) -> Option<u64> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        Some(ledger.total_changes())
    }

    fn kind(&self) -> DbKind {
        DbKind::Sqlite
    }
}
