//! The registry as a value: opened on a ledger and objects, asked by doors, closed in order.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use object_store::ObjectStore;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::PublicKey;
use wargate_core::name::{LogName, Namespace, PackageName};
use wargate_core::plan::{Submission, Tree, Verdict};
use wargate_core::v1::package::SignatureCheck;
use wargate_wire::oci::reference::RepositoryName;

use crate::access::session::SessionKey;
use crate::access::{Access, Action, Asked, Caller, Session, tokens};
use crate::apply::Applier;
use crate::clock::Clock;
use crate::commit::Step;
use crate::commit_key::{self, CommitEnd};
use crate::config::{Config, Genesis};
use crate::content::uploads::{self, Upload};
use crate::content_cache::ContentCache;
use crate::custody::{self, CustodialRelease, Released};
use crate::db::Db;
use crate::error::Error;
use crate::fsck;
use crate::gc::{self, Removed};
use crate::hashes::Hashes;
use crate::in_flight::RecordsInFlight;
use crate::limits::{BATCH_RECORDS_MAX, STAGED_BUNDLES_MAX, UPLOADS_AT_ONCE_MAX};
use crate::log_cache::LogCache;
use crate::proposals;
use crate::publish::{self, RecordStatus, SignedRecord};
use crate::recovery;
use crate::repository::RepositoryAnswers;
use crate::repository::releasing::Releasing;
use crate::repository::sessions::Sessions;
use crate::repository::{self, Repository};
use crate::room::{Readiness, RoomWatch, WatchedDb};
use crate::scrub;
use crate::seen_whole::SeenWhole;
use crate::sequencer::{Queued, Sequencer};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::state_cache::StateCache;
use crate::status;
use crate::submit::{self, ActContent, HandedIn, SignedAct};
use crate::tables::pending;

/// A running registry. Clones are the same one.
///
/// Each is bound to a caller: [`Registry::open`] gives the embedder's, to whom everything is allowed; a door binds it
/// to whoever asks, with [`Registry::seen_by`].
#[derive(Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// They only read, so that they may end anywhere.
    lookers: Arc<[JoinHandle<()>]>,
}

impl Registry {
    /// Opens the registry that the ledger and the objects hold, or begins it with `genesis`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none and `genesis` is missing or refused, or if the commit key does not
    /// hold `commit`; [`Error::Internal`] if ledger and objects cannot be read or disagree.
    pub async fn open(
        mut config: Config,
        db: Arc<dyn Db>,
        objects: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        genesis: Option<Genesis>,
    ) -> Result<Self, Error> {
        let (queue, receiver) = mpsc::channel(BATCH_RECORDS_MAX * 4);
        // Before the ledger, which then holds it, whoever else commits meanwhile.
        let issued = recovery::issued(&objects).await?;
        let room = Arc::new(RoomWatch::new(&config, clock.clone()));
        let db: Arc<dyn Db> = Arc::new(WatchedDb { db, room: room.clone() });
        fsck::remake(&*db, &objects).await?;
        let loaded = recovery::load(&*db, &objects, &config.origin).await?;
        commit_key::take_over(&mut config, &*db, clock.now()).await?;
        repository::parts::read_unread(&*db, &objects).await?;
        let last_seq = db.read(vec![pending::select_last_seq()]).await?.pop().unwrap_or_default();
        let has_proposals = proposals::any(&*db).await?;
        let session_key = SessionKey::new(&*config.random)?;
        let shared = Shared {
            hashes: Hashes::new(objects.clone()),
            logs: LogCache::new(),
            states: StateCache::new(),
            small: ContentCache::new(),
            answers: RepositoryAnswers::new(),
            seen_whole: Arc::new(SeenWhole::new()),
            state: ArcSwap::from_pointee(match loaded {
                Some(state) => state,
                None => Self::begin(&config, &db, &objects, &clock, genesis).await?,
            }),
            config,
            db,
            objects,
            clock,
            queue,
            collector: tokio::sync::Mutex::default(),
            garbage_closed: Notify::new(),
            uploads: Arc::default(),
            places: Arc::default(),
            releasing: Releasing::default(),
            room,
            commit_end: CommitEnd::default(),
            upload_turns: Arc::new(Semaphore::new(UPLOADS_AT_ONCE_MAX)),
            session_key,
            sessions: Sessions::default(),
            has_proposals: AtomicBool::new(has_proposals),
            in_flight: RecordsInFlight::default(),
            last_seq: AtomicU64::new(pending::last_seq(last_seq)?),
            waiting: Arc::default(),
            arriving: AtomicUsize::new(0),
            committed: Notify::new(),
            laid_down: Notify::new(),
            sequencing: AtomicBool::new(true),
            closing: AtomicBool::new(false),
            closed: Notify::new(),
            ready: AtomicBool::new(true),
        };
        Self::start(Arc::new(shared), issued, receiver).await
    }

    /// Starts what runs on its own: the sequencer, the laying down, the removal of garbage, and those that look.
    async fn start(
        shared: Arc<Shared>,
        issued: Option<(Arc<str>, Checkpoint)>,
        receiver: mpsc::Receiver<Queued>,
    ) -> Result<Self, Error> {
        commit_key::check(&shared).await?;
        let applier = Self::applier(&shared, issued).await?;
        let backlog = recovery::backlog(&*shared.db).await?;
        let sequencer = Sequencer::new(shared.clone(), receiver, backlog);
        let mut lookers = vec![tokio::spawn(commit_key::watch(shared.clone()))];
        lookers.extend(shared.config.scrub.then(|| tokio::spawn(scrub::run(shared.clone()))));
        let tasks = vec![
            tokio::spawn(sequencer.run()),
            tokio::spawn(applier.run(shared.clone())),
            tokio::spawn(gc::on_schedule(shared.clone())),
        ];
        if let Err(error) = custody::follow_config(&shared).await {
            tracing::warn!(%error, "couldn't look which namespaces are private; trying again at the next start");
        }
        Ok(Self {
            shared,
            caller: Caller::operator(),
            tasks: Arc::new(Mutex::new(tasks)),
            lookers: lookers.into(),
        })
    }

    /// The same registry as this caller sees it, and for what this caller may do.
    #[must_use]
    pub fn seen_by(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What needs no word of who one is.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.shared.config.access
    }

    /// Whose word a token or a session is.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if it is nobody's, or no longer.
    pub async fn caller_of(&self, token: &str) -> Result<Caller, Error> {
        tokens::caller(&self.shared, token).await
    }

    /// A session for the caller, with what it may of what it asks for.
    #[must_use]
    pub fn begin_session(&self, asked: &Asked) -> Session {
        tokens::begin_session(&self.shared, &self.caller, asked)
    }

    /// Commits the first record of a new registry.
    async fn begin(
        config: &Config,
        db: &Arc<dyn Db>,
        objects: &Arc<dyn ObjectStore>,
        clock: &Arc<dyn Clock>,
        genesis: Option<Genesis>,
    ) -> Result<State, Error> {
        recovery::check_unbegun(objects).await?;
        let genesis = genesis.ok_or_else(|| Error::Invalid {
            reason: "this ledger is empty: a new registry begins with an act of its owners".to_owned(),
        })?;
        let submission = Submission::Act {
            log: LogName::Operator,
            act: genesis.act,
            endorsements: genesis.endorsements,
            signatures: SignatureCheck::Needed,
        };
        let (states, tree) = (&StateCache::new(), &Tree::empty());
        let step = Step { config, db, states, clock, previous: None, tree, laid_down: 0 };
        let outcome = step.take(None, &[submission], &[]).await?;
        if let Some(Verdict::Refused { reason }) = outcome.verdicts.into_iter().next() {
            return Err(Error::Invalid { reason: format!("the first act is refused: {reason}") });
        }
        recovery::load(&**db, objects, &config.origin)
            .await?
            .ok_or_else(|| Error::internal("begin the log", "the ledger is still empty"))
    }

    /// Takes up laying down where the objects stand, unless what was issued there would be forked.
    async fn applier(shared: &Shared, issued: Option<(Arc<str>, Checkpoint)>) -> Result<Applier, Error> {
        let state = shared.state.load();
        if let Some((_, checkpoint)) = &issued {
            recovery::check_extends(&shared.hashes, &state, checkpoint).await?;
        }
        let to = state.laid_down;
        let partial = recovery::load_partial(&*shared.db, to).await?;
        Ok(Applier::new(shared.objects.clone(), to, partial, issued.map(|(note, _)| note)))
    }

    /// The committed state, pinned.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.shared, &self.caller)
    }

    /// The write path: takes a record in and waits up to `wait` for its verdict. Whatever it answers, an
    /// accepted record is durable.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NamespaceImported`], [`Error::TakenDown`], [`Error::Conflict`],
    /// [`Error::Unsupported`], [`Error::Busy`], [`Error::Internal`].
    pub async fn publish(&self, record: SignedRecord, wait: Duration) -> Result<RecordStatus, Error> {
        self.check_push(&record.name)?;
        publish::publish(&self.shared, record, wait).await
    }

    /// The write path for those who cannot sign: the registry endorses the release with its publishing key. Waits up
    /// to `wait` for the verdict; whoever gets [`Error::Busy`] may ask for the same again.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::AlreadyReleased`], [`Error::NamespaceImported`], [`Error::Unsupported`],
    /// [`Error::Busy`], [`Error::Internal`].
    pub async fn release(&self, release: &CustodialRelease, wait: Duration) -> Result<Released, Error> {
        self.check_push(&release.name)?;
        custody::release(&self.shared, release, wait, None).await
    }

    /// The write path for those who sign: carries an act into its log, and lets a package begin where the registry has a
    /// say; to what more must agree becomes a proposal. What the act releases must be stored here. Waits up to `wait` for
    /// the verdict; whoever gets [`Error::Busy`] may submit the same again.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unauthorized`], [`Error::Denied`], [`Error::AlreadyReleased`],
    /// [`Error::UnknownContent`], [`Error::ContentRefused`], [`Error::NamespaceImported`], [`Error::TakenDown`],
    /// [`Error::Unsupported`], [`Error::Busy`], [`Error::Internal`].
    pub async fn submit(&self, act: SignedAct, wait: Duration) -> Result<HandedIn, Error> {
        self.check_push_to(&act.log)?;
        submit::submit(&self.shared, act, self.caller.account(), wait).await
    }

    /// Starts to receive the one content that an act releases, if nothing but the content speaks against the act.
    ///
    /// # Errors
    /// As [`Registry::submit`]; [`Error::TooLarge`].
    pub async fn begin_act_content(
        &self,
        act: &SignedAct,
        declared: Option<u64>,
    ) -> Result<ActContent, Error> {
        self.check_push_to(&act.log)?;
        submit::begin_content(self.shared.clone(), act, declared).await
    }

    fn check_push(&self, name: &PackageName) -> Result<(), Error> {
        self.caller.check(&self.shared.rules(), Action::Push, &name.into())
    }

    pub(crate) fn check_push_to(&self, log: &LogName) -> Result<(), Error> {
        match log {
            LogName::Package(name) => self.check_push(name),
            LogName::Namespace(name) => {
                self.caller.check(&self.shared.rules(), Action::Push, &RepositoryName::from(name))
            }
            // Its owners' signatures are all that counts there.
            LogName::Operator => Ok(()),
        }
    }

    /// A repository of the OCI door, begun or not.
    #[must_use]
    pub fn repository(&self, name: RepositoryName) -> Repository {
        Repository::new(self.shared.clone(), name, self.caller.clone())
    }

    /// Names of repositories in byte order, after one of them, at most `limit`; packages are repositories too.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryName>, Error> {
        repository::names(&self.shared, &self.caller, after, limit).await
    }

    /// Where a record stands.
    ///
    /// # Errors
    /// [`Error::UnknownLog`], [`Error::UnknownRecord`].
    pub async fn record_status(&self, log: &LogId, record: &RecordId) -> Result<RecordStatus, Error> {
        self.check_log(log, record, Action::Pull).await?;
        status::of(&self.shared, log, record).await
    }

    /// The log of a record tells no name before somebody looks it up.
    async fn check_log(&self, log: &LogId, record: &RecordId, action: Action) -> Result<(), Error> {
        if self.caller.may_all(&self.shared.rules(), action) {
            return Ok(());
        }
        match status::name_of(&self.shared, log, record).await? {
            Some(name) => self.caller.check(&self.shared.rules(), action, &(&name).into()),
            None => Err(Error::UnknownLog { log: *log }),
        }
    }

    /// Starts to receive content that a record waits for.
    ///
    /// # Errors
    /// [`Error::UnknownLog`], [`Error::UnknownRecord`], [`Error::NotSourcing`], [`Error::TooLarge`].
    pub async fn begin_upload(
        &self,
        log: &LogId,
        record: &RecordId,
        digest: &Digest,
        declared: Option<u64>,
    ) -> Result<Upload, Error> {
        self.check_log(log, record, Action::Push).await?;
        uploads::begin(self.shared.clone(), log, record, digest, declared).await
    }

    /// The domain of the registry that an imported namespace belongs to.
    #[must_use]
    pub fn imported(&self, namespace: &Namespace) -> Option<String> {
        self.shared.imported(namespace)
    }

    /// The key that signs checkpoints.
    #[must_use]
    pub fn commit_key(&self) -> &PublicKey {
        self.shared.config.commit_key.public()
    }

    /// How long the commit key is good, in seconds; negative once it has ended, `None` if it does not end.
    #[must_use]
    pub fn commit_seconds_left(&self) -> Option<i64> {
        self.shared.commit_end.seconds_left(self.shared.log_time())
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.config.origin
    }

    /// Whether the registry takes records now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && !self.shared.is_closing()
    }

    /// Everything below this tree size is laid down in the objects, as far as this process knows: less than the tree's
    /// size while commits are still staged.
    #[must_use]
    pub fn laid_down(&self) -> u64 {
        self.shared.state.load().laid_down
    }

    /// Removes now what nothing needs any more, as happens on schedule; with `dry_run` it only tells what would go.
    ///
    /// # Errors
    /// [`Error::Internal`]; what was done until then stays done.
    pub async fn collect_garbage(&self, dry_run: bool) -> Result<Removed, Error> {
        gc::run_beside(&self.shared, dry_run).await
    }

    /// Whether it reads, and whether it takes records, in words for the one who runs it.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if !self.is_ready() {
            // A disk that refuses makes it reload again and again: reading goes on all the same.
            return match self.shared.room.last_write().filter(|_| !self.shared.is_closing()) {
                Some(words) => Readiness::ReadsOnly { reason: words.to_owned() },
                None => Readiness::NotReady,
            };
        }
        if let Some(reason) = self.shared.room.words() {
            return Readiness::ReadsOnly { reason };
        }
        if let Some(reason) = self.shared.commit_end.words(self.shared.log_time()) {
            return Readiness::ReadsOnly { reason };
        }
        let staged = self.shared.state.load().staged.len();
        if staged >= STAGED_BUNDLES_MAX {
            let reason =
                format!("{staged} commits wait to be laid down: the objects take no writes, see the log");
            return Readiness::ReadsOnly { reason };
        }
        Readiness::Ready
    }

    /// What its caches hold in memory now, in bytes; each is bounded by a constant of [`limits`](crate::limits).
    #[must_use]
    pub fn cached_bytes(&self) -> [(&'static str, u64); 6] {
        let shared = &self.shared;
        let [tiles, pages] = shared.hashes.bytes();
        [
            ("tiles", tiles),
            ("map-pages", pages),
            ("logs", shared.logs.bytes()),
            ("states", shared.states.bytes()),
            ("content", shared.small.bytes()),
            ("answers", shared.answers.bytes()),
        ]
    }

    /// Synced transactions of the ledger so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.db.syncs()
    }

    /// Takes no more records, gives those that wait their verdict, lays down what is committed, and stops.
    pub async fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.closed.notify_waiters();
        self.shared.closed.notify_one();
        self.lookers.iter().for_each(JoinHandle::abort);
        self.shared.garbage_closed.notify_one();
        let tasks = match self.tasks.lock() {
            Ok(mut tasks) => std::mem::take(&mut *tasks),
            Err(_) => return,
        };
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the registry broke off");
            }
            // The sequencer is the first of them: what it committed last is laid down too.
            self.shared.sequencing.store(false, Ordering::Release);
            self.shared.committed.notify_one();
        }
    }
}
