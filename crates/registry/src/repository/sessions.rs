//! Upload sessions: blobs that arrive over several requests (`spec/oci.md`, "Upload sessions").
//!
//! A session is bound to its repository and to who opened it; the same id of anybody else is unknown. Sessions live in memory: nothing in
//! one was acknowledged, and a client whose session is gone starts over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use wargate_wire::oci::path::SessionId;
use wargate_wire::oci::reference::RepositoryName;

use crate::clock::millis;
use crate::content::incoming::Incoming;
use crate::error::Error;
use crate::limits::{BUSY_RETRY_AFTER, UPLOAD_SESSION_EMPTY_LIFE, UPLOAD_SESSION_LIFE, UPLOAD_SESSIONS_MAX};

/// A session's bytes; `None` once they were taken out.
type Slot = Option<Incoming>;

/// Whose a session is: the same id for anybody else is unknown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    repository: RepositoryName,
    /// `None`: whoever says nothing.
    account: Option<String>,
}

impl Owner {
    pub(crate) fn of(repository: RepositoryName, account: Option<&str>) -> Self {
        Self { repository, account: account.map(ToOwned::to_owned) }
    }
}

struct Session {
    owner: Owner,
    begun_ms: u64,
    slot: Arc<AsyncMutex<Slot>>,
}

impl Session {
    fn lives(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.begun_ms) < millis(UPLOAD_SESSION_LIFE)
    }

    /// Whether it brought nothing, and nobody writes to it.
    fn is_empty(&self) -> bool {
        let slot = self.slot.try_lock();
        slot.is_ok_and(|slot| slot.as_ref().is_none_or(|incoming| incoming.received() == 0))
    }
}

/// All open sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<SessionId, Session>>);

/// The only writer of a session, as long as it is held.
pub(crate) struct Writer(OwnedMutexGuard<Slot>);

impl Sessions {
    fn open(&self) -> MutexGuard<'_, BTreeMap<SessionId, Session>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session; those that were open too long are forgotten first.
    pub(crate) fn begin(
        &self,
        id: SessionId,
        owner: Owner,
        incoming: Incoming,
        now_ms: u64,
    ) -> Result<(), Error> {
        self.forget_old(now_ms, false);
        let mut open = self.open();
        if open.len() >= UPLOAD_SESSIONS_MAX && !make_room(&mut open, &owner, now_ms) {
            return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
        }
        let slot = Arc::new(AsyncMutex::new(Some(incoming)));
        open.insert(id, Session { owner, begun_ms: now_ms, slot });
        Ok(())
    }

    /// Ends the sessions that were open too long; how many. With `dry_run` they are only counted.
    pub(crate) fn forget_old(&self, now_ms: u64, dry_run: bool) -> u64 {
        let mut open = self.open();
        let old = open.values().filter(|session| !session.lives(now_ms)).count();
        if !dry_run {
            open.retain(|_, session| session.lives(now_ms));
        }
        old as u64
    }

    /// Takes the session's pen; a second writer is told to wait.
    pub(crate) fn writer(&self, id: &SessionId, owner: &Owner, now_ms: u64) -> Result<Writer, Error> {
        let unknown = || Error::UnknownUpload { session: id.to_string() };
        let open = self.open();
        let session = open.get(id).filter(|session| session.owner == *owner && session.lives(now_ms));
        let session = session.ok_or_else(unknown)?;
        let writer = session.slot.clone().try_lock_owned().map_err(|_| Error::UploadInUse)?;
        if writer.is_some() { Ok(Writer(writer)) } else { Err(unknown()) }
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &SessionId) {
        self.open().remove(id);
    }
}

/// Ends one session that brought nothing, the oldest of those that had their time, or whose account has more than half
/// of all while another one asks; whether there was one.
fn make_room(open: &mut BTreeMap<SessionId, Session>, newcomer: &Owner, now_ms: u64) -> bool {
    let mut of_account: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for session in open.values() {
        *of_account.entry(session.owner.account.as_deref()).or_default() += 1;
    }
    let may_go = |session: &&Session| {
        let account = session.owner.account.as_deref();
        let is_old = now_ms.saturating_sub(session.begun_ms) >= millis(UPLOAD_SESSION_EMPTY_LIFE);
        let has_most = of_account.get(&account).is_some_and(|count| 2 * count > open.len());
        (is_old || (has_most && account != newcomer.account.as_deref())) && session.is_empty()
    };
    let oldest =
        open.iter().filter(|(_, session)| may_go(session)).min_by_key(|(_, session)| session.begun_ms);
    match oldest.map(|(id, _)| *id) {
        Some(id) => open.remove(&id).is_some(),
        None => false,
    }
}

impl Writer {
    /// The bytes that arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.0.as_ref().map_or(0, Incoming::received)
    }

    /// Takes in more bytes.
    pub(crate) async fn write(&mut self, bytes: bytes::Bytes) -> Result<(), Error> {
        match self.0.as_mut() {
            Some(incoming) => incoming.write(bytes).await,
            None => Err(Error::internal("write to an upload session", "its bytes were taken out")),
        }
    }

    /// Takes the bytes out; the session is over.
    pub(crate) fn take(mut self) -> Result<Incoming, Error> {
        self.0.take().ok_or_else(|| Error::internal("end an upload session", "its bytes were taken out"))
    }
}
