//! The operator, who takes releases down, puts some aside for a while, and lets them be given out again; and what of them
//! must be refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use wargate_core::act::{self, Act};
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::time::Time;
use wargate_registry::clock::Clock as _;
use wargate_registry::{HandedIn, RecordStatus, Registry, SignedAct};

use crate::book::Book;
use crate::people::is_trouble;
use crate::rng::Rng;
use crate::support::{WAIT, key, lift, module, takedown};
use crate::world::SimClock;

/// A package's name and one of its versions.
pub type Release = (PackageName, String);

/// The root key.
const ROOT: u8 = 1;

/// How long a quarantine lasts, in ms: some end while others use the registry.
const QUARANTINES_MS: [u64; 3] = [20_000, 120_000, 3_600_000];

/// How long the operator looks on before doing something.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(30)];

/// About the end of a quarantine nobody knows what they are told.
const END_MS: u64 = 2_000;

/// What the operator said last of a release, as far as somebody has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// There is no answer yet.
    Unsure,
    Given,
    TakenDown,
    /// In quarantine until this time, in ms.
    Until(u64),
}

/// What was said of releases.
#[derive(Clone, Default)]
pub struct Words {
    said: BTreeMap<Release, Word>,
    /// More may have been said since.
    pub is_old: bool,
}

impl Words {
    pub fn say(&mut self, release: Release, word: Word) {
        self.said.insert(release, word);
    }

    pub fn take_over(&mut self, page: Self) {
        self.said.extend(page.said);
    }

    /// Whether a release is kept back; `None` if that is not known.
    pub fn keeps_back(&self, release: &Release, now_ms: u64) -> Option<bool> {
        match self.said.get(release) {
            _ if self.is_old => None,
            Some(Word::Unsure) => None,
            Some(Word::Until(end_ms)) if now_ms.abs_diff(*end_ms) <= END_MS => None,
            Some(Word::Until(end_ms)) => Some(now_ms < *end_ms),
            Some(Word::TakenDown) => Some(true),
            Some(Word::Given) | None => Some(false),
        }
    }

    fn held(&self) -> Vec<Release> {
        let held = self.said.iter().filter(|(_, word)| **word != Word::Given);
        held.map(|(release, _)| release.clone()).collect()
    }
}

impl Book {
    /// Whether some content may be refused, as that of a release which is kept back, and whether it must be.
    pub fn refuses(&self, content: &Digest, now_ms: u64) -> (bool, bool) {
        let keeps_back = |release: &Release| self.words.keeps_back(release, now_ms);
        let of = self.releases.iter().filter(|(_, released)| *released == content);
        let mut of: BTreeSet<_> = of.map(|(release, _)| keeps_back(release)).collect();
        // Of what many have, somebody may have a release that nobody was told of.
        let is_shared = *content == Digest::of(&module(b"what many have"));
        let must_be = !is_shared && of.iter().eq(&[Some(true)]);
        if of.is_empty() {
            // A config, or what was not released: it is refused where nothing else names it.
            of.extend(self.releases.keys().map(keeps_back));
        }
        (self.words.is_old || of.iter().any(|kept_back| *kept_back != Some(false)), must_be)
    }
}

pub struct Operator {
    acts: u8,
    about: Option<Order>,
    /// Releases that somebody was told of.
    released: Vec<Release>,
    held: Vec<Release>,
}

/// An act on its way.
struct Order {
    release: Release,
    act: Bytes,
    word: Word,
}

impl Operator {
    pub fn new() -> Self {
        Self { acts: 0, about: None, released: Vec::new(), held: Vec::new() }
    }

    pub async fn pause(&self, clock: &SimClock, rng: &mut Rng) {
        clock.sleep(rng.pick(&PAUSES)).await;
    }

    /// Looks at what there is to be taken down or lifted.
    pub fn read(&mut self, book: &Book) {
        self.released = book.releases.keys().cloned().collect();
        self.held = book.words.held();
    }

    fn next(&mut self, registry: &Registry, clock: &SimClock, rng: &mut Rng) -> Option<Order> {
        let lifts = !self.held.is_empty() && rng.one_in(2);
        let among = if lifts { &self.held } else { &self.released };
        if among.is_empty() {
            return None;
        }
        let release = among[rng.below(among.len() as u64) as usize].clone();
        let subject = format!("{}@{}", release.0, release.1);
        let (step, word) = if lifts {
            (lift(&subject), Word::Given)
        } else if rng.one_in(2) {
            (takedown(&subject, None), Word::TakenDown)
        } else {
            let end_ms = clock.now_ms() + rng.pick(&QUARANTINES_MS);
            (takedown(&subject, Some(Time::from_millis(end_ms))), Word::Until(end_ms))
        };
        self.acts += 1;
        let act = Act {
            root: registry.snapshot().root().copied(),
            log: LogId::operator(),
            steps: vec![step],
            not_before: clock.now().plus_seconds(-60),
            // Trouble may take long.
            not_after: clock.now().plus_seconds(20 * 24 * 3600),
            nonce: [self.acts; 16],
        };
        Some(Order { release, act: act.encode().into(), word })
    }

    pub async fn act(
        &mut self,
        registry: &Registry,
        clock: &SimClock,
        book: &mut Book,
        rng: &mut Rng,
    ) -> bool {
        if self.about.is_none() {
            self.about = self.next(registry, clock, rng);
        }
        let Some(Order { release, act, word }) = &self.about else { return true };
        book.words.say(release.clone(), Word::Unsure);
        let endorsements = vec![act::endorse(act, &key(ROOT)).unwrap()];
        let signed = SignedAct { log: LogName::Operator, act: act.clone(), endorsements };
        match registry.submit(signed, WAIT).await {
            Ok(HandedIn::Carried(submitted)) => {
                let (record, index) = (submitted.record, submitted.index);
                book.heard(LogId::operator(), &RecordStatus::Published { record, index });
                book.words.say(release.clone(), *word);
            }
            Err(error) if is_trouble(&error) => return book.troubled(&"the operator", &error),
            refused => book.faults.violated(format!("an act of the operator was refused: {refused:?}")),
        }
        self.about = None;
        true
    }
}
