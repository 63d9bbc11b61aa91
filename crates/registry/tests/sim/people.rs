//! Those who use the registry. Each does one thing at a time and does the same again until it has an answer, as real
//! clients do after a failure; what it is about survives the registry's death.

use std::time::Duration;

use bytes::Bytes;
use wargate_core::act::{self, Act, Release, Step};
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::name::{LogName, PackageName};
use wargate_registry::clock::Clock as _;
use wargate_registry::{Error, HandedIn, RecordStatus, Registry, SignedAct, SignedRecord};

use crate::book::Book;
use crate::keeper::Keeper;
use crate::operator::Operator;
use crate::pusher::OciUser;
use crate::rng::Rng;
use crate::support::{self, WAIT, key, module};
use crate::world::SimClock;

/// Content of this size is an object; smaller content is a row.
const LARGE_BYTES: usize = 66_000;

/// Between two sweeps: long enough that something is old.
const PAUSE: Duration = Duration::from_secs(25);

/// A person, with what they are about.
pub enum Person {
    Author(Author),
    Pusher(OciUser),
    Owner(Owner),
    /// Lets time pass and has garbage removed.
    Sweeper,
    Keeper(Box<Keeper>),
    Operator(Operator),
}

impl Person {
    /// Lets time pass before something is done.
    pub async fn pause(&self, clock: &SimClock, rng: &mut Rng) {
        match self {
            Self::Keeper(keeper) => keeper.pause(rng).await,
            Self::Operator(operator) => operator.pause(clock, rng).await,
            _ => {}
        }
    }

    /// Looks at what everybody heard so far. `calm`: nobody is about something meanwhile.
    pub fn read(&mut self, book: &Book, calm: bool) {
        match self {
            Self::Keeper(keeper) => keeper.remember(book, calm),
            Self::Operator(operator) => operator.read(book),
            _ => {}
        }
    }

    /// One try; whether it is done with what it was about.
    pub async fn act(
        &mut self,
        registry: &Registry,
        clock: &SimClock,
        book: &mut Book,
        rng: &mut Rng,
    ) -> bool {
        match self {
            Self::Author(author) => author.act(registry, clock, book, rng).await,
            Self::Pusher(user) => user.act(registry, clock, book, rng).await,
            Self::Owner(owner) => owner.act(registry, clock, book, rng).await,
            Self::Keeper(keeper) => keeper.act(book).await,
            Self::Operator(operator) => operator.act(registry, clock, book, rng).await,
            Self::Sweeper => {
                clock.sleep(PAUSE).await;
                match registry.collect_garbage(rng.one_in(4)).await {
                    Ok(_) => true,
                    Err(error) => book.troubled(&"the sweeper", &error),
                }
            }
        }
    }
}

/// Wasm that nobody else has, or that many have.
pub fn content(who: &str, number: u64, rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => module(b"what many have"),
        1 => module(&[format!("{who} {number} ").as_bytes(), &[b'.'; LARGE_BYTES]].concat()),
        _ => module(format!("{who} {number}").as_bytes()),
    }
}

/// What a fault explains: trying again must help.
pub fn is_trouble(error: &Error) -> bool {
    matches!(
        error,
        Error::Busy { .. } | Error::Internal { .. } | Error::Conflict { .. } | Error::Unwritable { .. }
    )
}

/// Writes one package's v1 log.
pub struct Author {
    pub name: PackageName,
    seed: u8,
    head: Option<RecordId>,
    released: u64,
    about: Option<Record>,
}

/// A record on its way.
struct Record {
    signed: SignedRecord,
    content: Option<Vec<u8>>,
    /// It breaks a rule.
    bad: bool,
}

impl Author {
    pub fn new(name: &str, seed: u8) -> Self {
        Self { name: name.parse().unwrap(), seed, head: None, released: 0, about: None }
    }

    fn log(&self) -> LogId {
        LogId::package(&self.name)
    }

    fn next(&mut self, clock: &SimClock, rng: &mut Rng) -> Record {
        let mut author = support::Author {
            key: key(self.seed),
            name: self.name.clone(),
            head: self.head,
            clock: support::TestClock::new(),
        };
        let mut entries = Vec::new();
        let mut content_of = None;
        if self.head.is_none() {
            entries.push(author.init());
        }
        self.released += 1;
        if rng.below(3) > 0 {
            let wasm = content(self.name.as_str(), self.released, rng);
            entries.push(support::release(&format!("1.0.{}", self.released), Digest::of(&wasm)));
            content_of = Some(wasm);
        }
        let bad = self.head.is_some() && rng.one_in(8);
        if bad {
            author.head = Some(RecordId::from_digest(Digest::of(b"no record")));
        }
        let signed = author.record_at(entries, clock.now());
        Record { signed, content: content_of, bad }
    }

    async fn act(&mut self, registry: &Registry, clock: &SimClock, book: &mut Book, rng: &mut Rng) -> bool {
        if self.about.is_none() {
            self.about = Some(self.next(clock, rng));
        }
        let Some(about) = &self.about else { return true };
        let (log, bad) = (self.log(), about.bad);
        let id = about.signed.envelope.record_id(Layer::Package);
        let status = match registry.publish(about.signed.clone(), WAIT).await {
            Ok(status) => status,
            Err(error) if is_trouble(&error) => return book.troubled(&self.name, &error),
            Err(error) => {
                if !bad {
                    book.faults.violated(format!("a good record of `{}` was refused: {error}", self.name));
                }
                self.about = None;
                return true;
            }
        };
        book.heard(log, &status);
        match status {
            RecordStatus::Sourcing { missing, .. } => {
                for digest in missing {
                    if let Err(error) = self.upload(registry, clock, &id, &digest, book, rng).await {
                        book.troubled(&self.name, &error);
                        let expected = is_trouble(&error) || matches!(error, Error::NotSourcing { .. });
                        if !expected {
                            book.faults.violated(format!("content of `{}` was refused: {error}", self.name));
                        }
                        return false;
                    }
                }
                false
            }
            RecordStatus::Processing { .. } => book.troubled(&self.name, &"it is being processed"),
            RecordStatus::Published { .. } => {
                if let Some(content) = &about.content {
                    book.keep(Digest::of(content));
                }
                if bad {
                    book.faults.violated(format!("a bad record of `{}` is published", self.name));
                }
                self.head = Some(id);
                self.about = None;
                true
            }
            RecordStatus::Rejected { reason, .. } => {
                // Somebody else's push began the namespace between this record's arrival and its verdict.
                let came_second = self.head.is_none() && reason.contains("did not admit");
                if !bad && !came_second {
                    book.faults.violated(format!("a good record of `{}` was rejected: {reason}", self.name));
                }
                self.about = None;
                true
            }
        }
    }

    async fn upload(
        &self,
        registry: &Registry,
        clock: &SimClock,
        record: &RecordId,
        digest: &Digest,
        book: &mut Book,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        let bytes = self.about.as_ref().and_then(|about| about.content.clone()).unwrap_or_default();
        let mut upload = registry.begin_upload(&self.log(), record, digest, None).await?;
        let gives_up = rng.one_in(6);
        for piece in bytes.chunks(40_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
            if gives_up {
                return Ok(());
            }
        }
        upload.finish().await?;
        book.store(*digest, clock.now_ms());
        Ok(())
    }
}

/// Releases with a key of their own, through acts; or with a mate, and both must agree to each.
pub struct Owner {
    name: PackageName,
    seed: u8,
    mate: Option<u8>,
    released: u64,
    about: Option<Signing>,
}

/// A release on its way to be signed.
struct Signing {
    log: LogName,
    act: Bytes,
    version: String,
    wasm: Vec<u8>,
    /// The registry said that it waits for the mate.
    waits: bool,
}

impl Owner {
    pub fn new(name: &str, seed: u8, mate: Option<u8>) -> Self {
        Self { name: name.parse().unwrap(), seed, mate, released: 0, about: None }
    }

    fn next(&mut self, registry: &Registry, clock: &SimClock, rng: &mut Rng) -> Signing {
        let wasm = content(self.name.as_str(), self.released, rng);
        let version = format!("1.0.{}", self.released);
        let release = Step::Release(Release {
            version: version.parse().unwrap(),
            content: Digest::of(&wasm),
            manifest: None,
            variants: Vec::new(),
            dependencies: Vec::new(),
            on_behalf_of: None,
            breaking: false,
        });
        let owners = [Some(self.seed), self.mate].into_iter().flatten();
        let keys: Vec<_> = owners.map(|seed| key(seed).public().clone()).collect();
        let threshold = u32::try_from(keys.len()).unwrap();
        let init = Step::Init { keys, threshold };
        let steps = if self.released == 0 { vec![init, release] } else { vec![release] };
        self.released += 1;
        let log = LogName::Package(self.name.clone());
        let act = Act {
            root: registry.snapshot().root().copied(),
            log: log.log_id(),
            steps,
            not_before: clock.now().plus_seconds(-60),
            // Trouble may take long.
            not_after: clock.now().plus_seconds(20 * 24 * 3600),
            nonce: [self.released as u8; 16],
        };
        Signing { log, act: act.encode().into(), version, wasm, waits: false }
    }

    async fn act(&mut self, registry: &Registry, clock: &SimClock, book: &mut Book, rng: &mut Rng) -> bool {
        if self.about.is_none() {
            self.about = Some(self.next(registry, clock, rng));
        }
        let Some(about) = &mut self.about else { return true };
        // Whoever comes second hands in nothing but their own word: what waits must still be there, with its content.
        let by = self.mate.filter(|_| about.waits).unwrap_or(self.seed);
        match about.submit(registry, by).await {
            Ok(HandedIn::Proposed(_)) if self.mate.is_some() && !about.waits => {
                about.waits = true;
                book.keep(Digest::of(&about.wasm));
                return false;
            }
            Ok(HandedIn::Carried(_)) => {
                book.keep(Digest::of(&about.wasm));
                book.releases.insert((self.name.clone(), about.version.clone()), Digest::of(&about.wasm));
            }
            Ok(HandedIn::Proposed(proposal)) => {
                book.faults.violated(format!("what waited for `{}` was lost: {proposal:?}", self.name));
            }
            Err(error) if is_trouble(&error) => return book.troubled(&self.name, &error),
            Err(error) => book.faults.violated(format!("an act of `{}` was refused: {error}", self.name)),
        }
        self.about = None;
        true
    }
}

impl Signing {
    async fn submit(&self, registry: &Registry, by: u8) -> Result<HandedIn, Error> {
        let (log, act) = (self.log.clone(), self.act.clone());
        let signed = SignedAct { log, endorsements: vec![act::endorse(&act, &key(by)).unwrap()], act };
        match registry.submit(signed.clone(), WAIT).await {
            Err(Error::UnknownContent { .. }) if !self.waits => {}
            done => return done,
        }
        let mut arriving = registry.begin_act_content(&signed, None).await?;
        for piece in self.wasm.chunks(50_000) {
            arriving.write(Bytes::copy_from_slice(piece)).await?;
        }
        arriving.finish().await?;
        registry.submit(signed, WAIT).await
    }
}
