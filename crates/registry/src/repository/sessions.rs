//! Upload sessions: blobs that arrive over several requests (`spec/oci.md`, "Upload sessions").
//!
//! A session is bound to its repository; the same id under another name is unknown. Sessions live in memory: nothing in
//! one was acknowledged, and a client whose session is gone starts over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use wargate_wire::oci::path::SessionId;
use wargate_wire::oci::reference::RepositoryName;

use crate::content::incoming::Incoming;
use crate::error::Error;
use crate::limits::{BUSY_RETRY_AFTER, UPLOAD_SESSION_LIFE, UPLOAD_SESSIONS_MAX};

/// A session's bytes; `None` once they were taken out.
type Slot = Option<Incoming>;

struct Session {
    repository: RepositoryName,
    begun_ms: u64,
    slot: Arc<AsyncMutex<Slot>>,
}

/// All open sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionId, Session>>);

/// The only writer of a session, as long as it is held.
pub(crate) struct Writer(OwnedMutexGuard<Slot>);

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session; those that were open too long are forgotten first.
    pub(crate) fn begin(
        &self,
        id: SessionId,
        repository: RepositoryName,
        incoming: Incoming,
        now_ms: u64,
    ) -> Result<(), Error> {
        let life_ms = u64::try_from(UPLOAD_SESSION_LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut open = self.open();
        open.retain(|_, session| now_ms.saturating_sub(session.begun_ms) < life_ms);
        if open.len() >= UPLOAD_SESSIONS_MAX {
            return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
        }
        let slot = Arc::new(AsyncMutex::new(Some(incoming)));
        open.insert(id, Session { repository, begun_ms: now_ms, slot });
        Ok(())
    }

    /// Takes the session's pen; a second writer is told to wait.
    pub(crate) fn writer(&self, id: &SessionId, repository: &RepositoryName) -> Result<Writer, Error> {
        let unknown = || Error::UnknownUpload { session: id.to_string() };
        let open = self.open();
        let session = open.get(id).filter(|session| session.repository == *repository).ok_or_else(unknown)?;
        let writer = session.slot.clone().try_lock_owned().map_err(|_| Error::UploadInUse)?;
        if writer.is_some() { Ok(Writer(writer)) } else { Err(unknown()) }
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &SessionId) {
        self.open().remove(id);
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
