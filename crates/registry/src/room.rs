//! Room for what comes in: below a floor of free space nothing more is taken, and reading goes on.
//!
//! The floor is for what was accepted already: verdicts, tiles and the ledger's own log need room when the disk is
//! nearly full (`DESIGN.md`, "Limits"). Where the disk refuses in spite of it, writers are told so for a moment
//! instead of each trying for itself. Both end by themselves.

use std::error::Error as StdError;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::{Clock, millis};
use crate::config::Config;
use crate::db::{Batch, Db, DbError, DbKind, Row, Statement};
use crate::error::Error;
use crate::limits::{
    BUSY_RETRY_AFTER, FREE_BYTES_AGE_MAX, NO_ROOM_RETRY_AFTER, UNWRITABLE_REST, UNWRITABLE_RETRY_AFTER,
};

/// Tells how much room is left where the registry writes.
pub trait Room: Send + Sync + 'static {
    /// Bytes that the registry may still write.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::ReadOnlyFilesystem`] if nothing can be written there at all.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// Whether the registry does its work, in words for the one who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It reads and takes records.
    Ready,
    /// It reads, and takes no records now.
    ReadsOnly {
        /// Why, and what to do.
        reason: String,
    },
    /// It closes, or reloads after a failure.
    NotReady,
}

/// What keeps the registry from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NoRoom,
    Unwritable,
}

impl Trouble {
    fn error(self) -> Error {
        match self {
            Self::NoRoom => Error::NoRoom { retry_after: NO_ROOM_RETRY_AFTER },
            Self::Unwritable => Error::Unwritable { retry_after: UNWRITABLE_RETRY_AFTER },
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NoRoom => "the disk is full",
            Self::Unwritable => "the disk takes no writes",
        }
    }
}

/// What was seen of the room when somebody last looked.
struct Look {
    at_ms: u64,
    seen: Result<u64, Trouble>,
}

/// Watches the room for all writers of a registry.
pub(crate) struct RoomWatch {
    room: Option<Arc<dyn Room>>,
    floor: u64,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Look>>,
    /// Bytes that were let in since the last look, which may not show in it yet.
    taken: AtomicU64,
    /// What a write itself ran into, and until when that is believed, in ms.
    refused: Mutex<Option<(u64, Trouble)>>,
    /// What the ledger's last write ran into, if it failed.
    last_write: Mutex<Option<Trouble>>,
    /// The operator was told, and not yet that it is over.
    told: AtomicBool,
}

impl RoomWatch {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            room: config.room.clone(),
            floor: config.free_bytes_floor,
            clock,
            last: Mutex::new(None),
            taken: AtomicU64::new(0),
            refused: Mutex::new(None),
            last_write: Mutex::new(None),
            told: AtomicBool::new(false),
        }
    }

    /// Whether `bytes` more may come in; they are counted as taken if so.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::Unwritable`].
    pub(crate) fn take(&self, bytes: u64) -> Result<(), Error> {
        self.check(bytes)?;
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The same without counting them.
    ///
    /// # Errors
    /// As [`RoomWatch::take`].
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Error> {
        match self.trouble(bytes) {
            None => Ok(()),
            Some((trouble, _)) => {
                let kind = if trouble == Trouble::NoRoom { "no_room" } else { "unwritable" };
                metrics::counter!("wargate_writes_refused_total", "reason" => kind).increment(1);
                Err(trouble.error())
            }
        }
    }

    /// Why nothing is taken now, for the operator.
    pub(crate) fn words(&self) -> Option<String> {
        self.trouble(0).map(|(_, words)| words)
    }

    /// Remembers what a write ran into: for a moment nobody else need try.
    fn remember(&self, trouble: Trouble) {
        let until = self.clock.now_ms().saturating_add(millis(UNWRITABLE_REST));
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, trouble));
        self.tell(Some(trouble.words()));
    }

    fn refused_by_ledger(&self, trouble: Trouble, error: &DbError) {
        tracing::error!(%error, "couldn't write to the ledger");
        *self.last_write.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        self.remember(trouble);
    }

    /// A failure of something that was to be stored: nothing of it counts, the same may be sent again. A full disk is
    /// everybody's trouble; any other failure may be this write's alone.
    pub(crate) fn storing(&self, doing: &str, cause: &(dyn StdError + 'static)) -> Error {
        tracing::error!(%cause, "couldn't {doing}");
        if !is_full(cause) {
            return Trouble::Unwritable.error();
        }
        self.remember(Trouble::NoRoom);
        Trouble::NoRoom.error()
    }

    /// What the ledger's last write ran into, for the operator.
    pub(crate) fn last_write(&self) -> Option<&'static str> {
        self.last_write.lock().unwrap_or_else(PoisonError::into_inner).map(Trouble::words)
    }

    /// What a writer is told whose record was dropped: why the disk refuses, if it does, or that it is busy.
    pub(crate) fn dropped(&self) -> Error {
        let refused = self.refused(self.clock.now_ms());
        refused.map_or(Error::Busy { retry_after: BUSY_RETRY_AFTER }, Trouble::error)
    }

    fn trouble(&self, bytes: u64) -> Option<(Trouble, String)> {
        let now_ms = self.clock.now_ms();
        let trouble = |trouble: Trouble| Some((trouble, trouble.words().to_owned()));
        let (found, free) = match self.refused(now_ms) {
            Some(refused) => (trouble(refused), None),
            None => match self.free(now_ms) {
                Some(Err(unwritable)) => (trouble(unwritable), None),
                Some(Ok(free)) => (None, Some(free)),
                None => (None, None),
            },
        };
        let words = |free: u64| {
            let floor = self.floor;
            format!(
                "{free} bytes are free and {floor} must stay so (`free_bytes_floor`): make room on the disk"
            )
        };
        let low = free.filter(|free| *free < self.floor).map(|free| (Trouble::NoRoom, words(free)));
        let found = found.or(low);
        self.tell(found.as_ref().map(|(_, words)| words.as_str()));
        // A large thing that does not fit is its sender's trouble only.
        found.or_else(|| {
            let free = free.filter(|free| free - self.floor < bytes)?;
            Some((Trouble::NoRoom, words(free)))
        })
    }

    /// What a write ran into a moment ago.
    fn refused(&self, now_ms: u64) -> Option<Trouble> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not keep it for long.
        *refused = refused.filter(|(until, _)| now_ms < *until && *until - now_ms <= millis(UNWRITABLE_REST));
        refused.map(|(_, trouble)| trouble)
    }

    /// Free bytes as of now, to a second; `None` if nobody can tell.
    fn free(&self, now_ms: u64) -> Option<Result<u64, Trouble>> {
        let room = self.room.as_ref()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |look: &&Look| look.at_ms.abs_diff(now_ms) < millis(FREE_BYTES_AGE_MAX);
        let seen = match last.as_ref().filter(fresh) {
            Some(look) => look.seen,
            None => {
                self.taken.store(0, Ordering::Relaxed);
                metrics::gauge!("wargate_free_bytes_floor").set(self.floor as f64);
                let seen = look(&**room)?;
                *last = Some(Look { at_ms: now_ms, seen });
                seen
            }
        };
        Some(seen.map(|free| free.saturating_sub(self.taken.load(Ordering::Relaxed))))
    }

    /// Tells the operator when it begins and when it is over.
    fn tell(&self, trouble: Option<&str>) {
        let told = self.told.swap(trouble.is_some(), Ordering::AcqRel);
        match trouble {
            Some(trouble) if !told => {
                tracing::error!(trouble, "nothing more is taken in until that is over; reading goes on");
            }
            None if told => tracing::info!("there is room again: records and content are taken in"),
            _ => {}
        }
    }
}

fn look(room: &dyn Room) -> Option<Result<u64, Trouble>> {
    match room.free_bytes() {
        Ok(free) => {
            metrics::gauge!("wargate_free_bytes").set(free as f64);
            Some(Ok(free))
        }
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Some(Err(Trouble::Unwritable)),
        Err(error) => {
            // What is written will show.
            tracing::warn!(%error, "couldn't look how much room is left");
            None
        }
    }
}

fn is_full(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The ledger, watched: a disk that refuses is known to all writers at once, and to the operator.
pub(crate) struct WatchedDb {
    pub(crate) db: Arc<dyn Db>,
    pub(crate) room: Arc<RoomWatch>,
}

#[async_trait]
impl Db for WatchedDb {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        self.db.read(statements).await
    }

    async fn write(&self, batch: Batch) -> Result<(), DbError> {
        let done = self.db.write(batch).await;
        match &done {
            Err(error @ DbError::NoRoom { .. }) => self.room.refused_by_ledger(Trouble::NoRoom, error),
            Err(error @ DbError::Unwritable { .. }) => {
                self.room.refused_by_ledger(Trouble::Unwritable, error);
            }
            Err(error @ DbError::Unknown { .. }) => {
                tracing::error!(%error, "a write to the ledger broke off");
            }
            Ok(()) => *self.room.last_write.lock().unwrap_or_else(PoisonError::into_inner) = None,
            _ => {}
        }
        done
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        self.db.check().await
    }

    fn generation(&self) -> Option<u64> {
        self.db.generation()
    }

    fn file_bytes(&self) -> Option<u64> {
        self.db.file_bytes()
    }

    fn syncs(&self) -> u64 {
        self.db.syncs()
    }

    fn kind(&self) -> DbKind {
        self.db.kind()
    }
}
