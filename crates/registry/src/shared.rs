//! What all parts of one registry hold in common.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use object_store::ObjectStore;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_component::{Inspection, agree};
use wargate_core::name::Namespace;
use wargate_core::time::Time;

use crate::access::Rules;
use crate::access::session::SessionKey;
use crate::admission::Candidate;
use crate::clock::Clock;
use crate::commit_key::CommitEnd;
use crate::config::Config;
use crate::content::HostedContent;
use crate::content::incoming::OpenUploads;
use crate::content::places::Places;
use crate::content_cache::ContentCache;
use crate::db::Db;
use crate::error::Error;
use crate::gc::Collector;
use crate::hashes::Hashes;
use crate::in_flight::RecordsInFlight;
use crate::inspector::InspectError;
use crate::limits::{BUSY_RETRY_AFTER, UPLOAD_BEGINNING_BYTES};
use crate::log_cache::LogCache;
use crate::repository::RepositoryAnswers;
use crate::repository::releasing::Releasing;
use crate::repository::sessions::Sessions;
use crate::room::RoomWatch;
use crate::seen_whole::SeenWhole;
use crate::sequencer::Queued;
use crate::state::State;
use crate::state_cache::StateCache;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) db: Arc<dyn Db>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hashes: Hashes,
    pub(crate) logs: LogCache,
    pub(crate) states: StateCache,
    pub(crate) small: ContentCache,
    pub(crate) answers: RepositoryAnswers,
    pub(crate) seen_whole: Arc<SeenWhole>,
    pub(crate) state: ArcSwap<State>,
    /// Records whose verdict can be given, to the sequencer.
    pub(crate) queue: mpsc::Sender<Queued>,
    /// What the removal of garbage remembers; whoever holds it is the only one who removes.
    pub(crate) collector: tokio::sync::Mutex<Collector>,
    /// Wakes the removal of garbage when the registry closes.
    pub(crate) garbage_closed: Notify,
    /// Objects that content is arriving in.
    pub(crate) uploads: Arc<OpenUploads>,
    /// Objects of content that are being placed or removed.
    pub(crate) places: Arc<Places>,
    /// Room for what comes in.
    pub(crate) room: Arc<RoomWatch>,
    /// When the commit key may sign no more.
    pub(crate) commit_end: CommitEnd,
    /// The word under what callers are granted for a moment.
    pub(crate) session_key: SessionKey,
    /// Repositories in which something is released or deleted now.
    pub(crate) releasing: Releasing,
    /// Upload sessions of the OCI door.
    pub(crate) sessions: Sessions,
    /// Turns of uploads outside of sessions.
    pub(crate) upload_turns: Arc<Semaphore>,
    /// Whether any act may wait for more to agree.
    pub(crate) has_proposals: AtomicBool,
    /// Records whose verdict is on its way.
    pub(crate) in_flight: RecordsInFlight,
    /// The last sequence number given to a pending record.
    pub(crate) last_seq: AtomicU64,
    /// Records that wait for their verdict.
    pub(crate) waiting: Arc<AtomicUsize>,
    /// Something was committed: there is something to lay down.
    pub(crate) committed: Notify,
    /// Something was laid down: there is room for commits.
    pub(crate) laid_down: Notify,
    /// Records that are being taken in and are not handed to the sequencer yet.
    pub(crate) arriving: AtomicUsize,
    /// The sequencer may still commit.
    pub(crate) sequencing: AtomicBool,
    /// No new work is taken.
    pub(crate) closing: AtomicBool,
    /// Wakes whoever waits for work when the registry closes.
    pub(crate) closed: Notify,
    /// The sequencer works; false while it reloads after a failure.
    pub(crate) ready: AtomicBool,
}

impl Shared {
    /// Who may do what, as of now.
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules::new(&self.config.access, self.state.load().tree.private.clone())
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.last_seq.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts one more record as arriving, until the answer is dropped.
    pub(crate) fn arrive(&self) -> Arriving<'_> {
        self.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving(&self.arriving)
    }

    /// Counts one more record as waiting for its verdict, until the answer is dropped.
    pub(crate) fn wait(&self) -> Waits {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(self.waiting.clone())
    }

    /// Takes a turn for content that arrives outside of a session, once it brought enough to need one.
    pub(crate) fn take_turn(
        &self,
        turn: &mut Option<OwnedSemaphorePermit>,
        received: u64,
    ) -> Result<(), Error> {
        if turn.is_none() && received > UPLOAD_BEGINNING_BYTES {
            let taken = self.upload_turns.clone().try_acquire_owned();
            *turn = Some(taken.map_err(|_| Error::Busy { retry_after: BUSY_RETRY_AFTER })?);
        }
        Ok(())
    }

    /// Says what stored content is.
    pub(crate) async fn inspect(&self, content: &HostedContent) -> Result<Inspection, Error> {
        if content.size > WASM_BYTES_MAX {
            let reason = format!("a release has at most {WASM_BYTES_MAX} bytes, this has {}", content.size);
            return Err(Error::ContentRefused { reason });
        }
        self.config.inspector.inspect(content.bytes().await?).await.map_err(|error| match error {
            InspectError::Failed { reason } => Error::internal("inspect content", reason),
            InspectError::Busy => Error::Busy { retry_after: BUSY_RETRY_AFTER },
            refused => Error::ContentRefused { reason: refused.to_string() },
        })
    }

    /// Whether a release may be made: its bytes must say nothing else of themselves, and the embedder lets it in.
    pub(crate) fn check_release(&self, candidate: &Candidate<'_>) -> Result<(), Error> {
        let Candidate { name, version, inspection, .. } = candidate;
        if let Some(inspection) = inspection {
            agree(inspection, name.namespace().as_str(), name.name(), version)
                .map_err(|error| Error::ContentRefused { reason: error.to_string() })?;
        }
        match &self.config.admission {
            Some(admission) => admission.admit(candidate).map_err(|reason| Error::ContentRefused { reason }),
            None => Ok(()),
        }
    }

    /// The domain of the registry whose namespace it is, by the embedder's word or the operator's.
    pub(crate) fn imported(&self, namespace: &Namespace) -> Option<String> {
        let said = |imports: &BTreeMap<Namespace, String>| imports.get(namespace).cloned();
        said(&self.config.imports).or_else(|| said(&self.state.load().tree.imports))
    }

    /// The time of a delegated record that is made now.
    pub(crate) fn log_time(&self) -> Time {
        self.state.load().tree.time_at(self.clock.now())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// A record that waits for its verdict.
pub(crate) struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A record that is being taken in.
pub(crate) struct Arriving<'a>(&'a AtomicUsize);

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
