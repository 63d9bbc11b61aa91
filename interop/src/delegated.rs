//! A registry of delegated logs, without its server: people write acts, it carries them as the server does, and every
//! record is judged by ours and by the published crate.

use std::collections::{BTreeMap, BTreeSet};

use wargate_core::act::{self, Act, Step};
use wargate_core::authority::{Carried, Context, Facts, State};
use wargate_core::envelope::Envelope;
use wargate_core::key::{Algorithm, KeyId, PublicKey, SecretKey};
use wargate_core::name::{LogName, Namespace};
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;

use crate::acts::{self, Scene};
use crate::chance::Chance;
use crate::views::View;

/// How often things happened, by name.
pub type Tally = BTreeMap<String, u64>;

/// An operator's log, a namespace's and a package's.
#[derive(Debug)]
pub struct World<'a> {
    keys: &'a [SecretKey],
    key_ids: Vec<String>,
    logs: [LogName; 3],
    states: BTreeMap<LogName, State>,
    facts: BTreeMap<LogName, Facts>,
    views: BTreeMap<LogName, View>,
    time: Time,
    /// Commit keys that the registry has no more.
    lost: BTreeSet<KeyId>,
    /// What was done, in words.
    pub story: Vec<String>,
    /// How often each kind of thing was done.
    pub tally: Tally,
}

impl<'a> World<'a> {
    /// Nothing has begun; everybody's keys are among these.
    pub fn new(keys: &'a [SecretKey]) -> Self {
        Self {
            keys,
            key_ids: keys.iter().map(|key| key.public().id().to_string()).collect(),
            logs: ["", "acme", "acme:hello"].map(|name| name.parse().expect("a log's name")),
            states: BTreeMap::new(),
            facts: BTreeMap::new(),
            views: BTreeMap::new(),
            time: Time::from_seconds(1_800_000_000),
            lost: BTreeSet::new(),
            story: Vec::new(),
            tally: Tally::new(),
        }
    }

    /// The operator's log begins.
    ///
    /// # Errors
    /// As [`World::attempt`].
    pub fn begin(&mut self, chance: &mut Chance) -> Result<(), String> {
        let (steps, signers, commit) = acts::genesis(chance, self.keys);
        self.carry(&LogName::Operator, &self.act(chance, &LogName::Operator, steps), &signers, commit)?;
        if self.states.is_empty() { Err("the operator's log did not begin".to_owned()) } else { Ok(()) }
    }

    /// Somebody tries something; what the judge refuses is not done.
    ///
    /// # Errors
    /// How the published crate disagrees.
    pub fn attempt(&mut self, chance: &mut Chance) -> Result<(), String> {
        self.time = self.time.plus_seconds(*chance.pick(&[0, 0, 1, 7, 60, 900]));
        if chance.one_in(50) {
            self.lose_a_key(chance);
        }
        // While something has not begun, that is what people want most.
        let begun = self.logs.iter().take_while(|log| self.states.contains_key(log)).count();
        let which = if begun < self.logs.len() { begun } else { *chance.pick(&[0, 0, 1, 2, 2]) };
        let log = self.logs[which].clone();
        let state = self.state(&log);
        let facts = self.facts.get(&log).cloned().unwrap_or_default();
        let context = self.context(&log);
        let above = if matches!(log, LogName::Package(_)) { context.namespace } else { context.operator };
        let publishing = self.states[&LogName::Operator].publishing_keys(self.time).cloned().collect();
        let (keys, time) = (self.keys, self.time);
        let scene = Scene { keys, state: &state, facts: &facts, above, publishing, time };
        let mut signers = scene.signers(chance);
        let steps = scene.steps(chance, &mut signers);
        let act = self.act(chance, &log, steps);
        match self.present(chance, &act) {
            Some(present) => self.carry(&log, &act, &signers, present),
            None => Ok(()),
        }
    }

    fn state(&self, log: &LogName) -> State {
        self.states.get(log).cloned().unwrap_or_else(|| State::empty(log.clone()))
    }

    fn context(&self, log: &LogName) -> Context<'_> {
        Context {
            operator: self.states.get(&LogName::Operator).filter(|_| *log != LogName::Operator),
            namespace: self.states.get(&self.logs[1]).filter(|_| matches!(log, LogName::Package(_))),
            facts: self.facts.get(log),
        }
    }

    fn act(&self, chance: &mut Chance, log: &LogName, steps: Vec<Step>) -> Act {
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&chance.bytes32()[..16]);
        Act {
            root: self.state(&LogName::Operator).first_record(),
            log: log.log_id(),
            steps,
            not_before: self.time.plus_seconds(-60),
            not_after: self.time.plus_seconds(600),
            nonce,
        }
    }

    fn secret(&self, id: &KeyId) -> &'a SecretKey {
        self.keys.iter().find(|key| key.public().id() == *id).expect("everybody's keys are known")
    }

    fn lose_a_key(&mut self, chance: &mut Chance) {
        let known: Vec<KeyId> = self.states.values().flat_map(State::v1_keys).copied().collect();
        if !known.is_empty() {
            let key = *chance.pick(&known);
            self.story.push(format!("{}: the registry loses commit key {key}", self.time));
            self.lost.insert(key);
        }
    }

    /// The key that the registry signs with now: one that holds `commit`, or one that at least did or will.
    fn present(&self, chance: &mut Chance, act: &Act) -> Option<KeyId> {
        let operator = &self.states[&LogName::Operator];
        let has = |key: &&PublicKey| !self.lost.contains(&key.id());
        let live: Vec<KeyId> = operator.commit_keys(self.time).filter(has).map(PublicKey::id).collect();
        if !live.is_empty() {
            return Some(*chance.pick(&live));
        }
        let named =
            act.steps.iter().flat_map(Step::lets_in).filter(|key| key.algorithm() == Algorithm::EcdsaP256);
        let former = self.keys.iter().map(SecretKey::public).filter(|key| operator.key(&key.id()).is_some());
        let rest: Vec<KeyId> = named.chain(former).filter(has).map(PublicKey::id).collect();
        (!rest.is_empty()).then(|| *chance.pick(&rest))
    }

    /// Keys that the registry has and v1 clients of the log let sign.
    fn known(&self, log: &LogName) -> Vec<KeyId> {
        let known = self.states.get(log).into_iter().flat_map(State::v1_keys);
        known.filter(|key| !self.lost.contains(key)).copied().collect()
    }

    /// Carries an act: before it what v1 clients must know of the present commit key, after it what lost its trust.
    fn carry(&mut self, log: &LogName, act: &Act, signers: &[KeyId], present: KeyId) -> Result<(), String> {
        let known = self.known(log);
        if *log != LogName::Operator && !known.contains(&present) && !known.is_empty() {
            self.tell(log, known[0])?;
        }
        let bytes = act.encode();
        let signers: BTreeSet<&KeyId> = signers.iter().collect();
        let endorse = |id: &KeyId| act::endorse(&bytes, self.secret(id)).expect("the key signs");
        let endorsements: Vec<_> = signers.into_iter().map(endorse).collect();
        let signer = self.signer(log, present);
        let carried = self.state(log).carry(&self.context(log), self.time, &bytes, &endorsements, &signer);
        let carried = match carried {
            Ok(carried) => carried,
            Err(_) => {
                self.count("refused");
                return Ok(());
            }
        };
        let words: Vec<String> = act.steps.iter().map(ToString::to_string).collect();
        self.story.push(format!("{} {log}: {}; signed by {signer}", self.time, words.join("; ")));
        act.steps.iter().for_each(|step| self.count(&acts::kind(step)));
        self.settle(log, carried, signer)?;
        let news = self.facts[log].releases.values().any(|release| self.states[log].is_news(release));
        match self.known(log).first() {
            Some(known) if news => self.tell(log, *known)?,
            Some(_) => {}
            None => return Ok(()),
        }
        self.check_trust(log)
    }

    /// What lost its trust is yanked for v1 clients.
    fn check_trust(&self, log: &LogName) -> Result<(), String> {
        let Some(theirs) = self.views[log].facts(&[], &[]) else { return Ok(()) };
        let releases = self.facts[log].releases.values();
        let mut distrusted = releases.filter(|one| self.states[log].distrusts(one));
        let installs = |version: &str| theirs.releases.get(version).is_some_and(|one| one.content.is_some());
        match distrusted.find(|one| installs(&one.version.to_string())) {
            Some(one) => Err(format!("{} is distrusted, and v1 clients install it", one.version)),
            None => Ok(()),
        }
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    /// The key that signs a record: the present one, of which v1 clients were told. In the operator's log, which tells of
    /// commit keys itself, any one that they know.
    fn signer(&self, log: &LogName, present: KeyId) -> KeyId {
        let known = self.known(log);
        let present_signs = match log {
            LogName::Operator => known.contains(&present),
            _ => self.states[&LogName::Operator].holds_commit(&present, self.time),
        };
        if present_signs { present } else { known.first().copied().unwrap_or(present) }
    }

    /// A carrier record, if v1 clients lack anything.
    fn tell(&mut self, log: &LogName, signer: KeyId) -> Result<(), String> {
        let news = self.state(log).carry_news(&self.context(log), self.time, &signer);
        let Some(carried) = news.map_err(|refusal| format!("no news of {log}: {refusal}"))? else {
            return Ok(());
        };
        let entries = PackageRecord::decode(&carried.contents).map_err(|error| error.to_string())?.entries;
        for entry in &entries {
            let what = if matches!(entry, PackageEntry::Yank { .. }) { "told yank" } else { "told key" };
            self.count(what);
        }
        self.story.push(format!(
            "{} {log}: a carrier record of {} entries; signed by {signer}",
            self.time,
            entries.len()
        ));
        self.settle(log, carried, signer)
    }

    /// The record is the log's next, for us and for v1 clients.
    fn settle(&mut self, log: &LogName, carried: Carried, signer: KeyId) -> Result<(), String> {
        let secret = self.secret(&signer);
        let envelope = Envelope::sign(log.layer(), carried.contents.into(), secret).expect("the key signs");
        let first = !self.states.contains_key(log);
        let known = !self.known(log).is_empty();
        let judged = self.state(log).judge(&self.context(log), &envelope);
        if judged.as_ref() != Ok(&carried.changes) {
            return Err(format!("what is carried is judged otherwise: {:?}", judged.err()));
        }
        self.count("records");
        let view = self.views.entry(log.clone()).or_insert_with(|| View::empty(log));
        if let Err(reason) = view.take(&envelope, secret) {
            // The one exception: "where no commit key that v1 knows is left, v1 clients stop at the next record".
            let by_key =
                ["KeyIDNotRecognized", "UnauthorizedAction"].iter().any(|name| reason.starts_with(name));
            if first || known || !by_key {
                return Err(format!("v1 clients refuse a record of {log}: {reason}"));
            }
            *view = View::Stopped;
            self.count("stopped");
        }
        self.facts.entry(log.clone()).or_default().follow(&carried.changes);
        self.states.insert(log.clone(), carried.changes.state);
        if let LogName::Namespace(namespace) = log {
            self.facts.entry(LogName::Operator).or_default().claimed.insert(namespace.clone());
        }
        self.compare(log)
    }

    /// v1 clients see what we know: releases, yanks, imports, the head, and which keys may sign. No key that never held
    /// `commit` stands anywhere in what they see.
    fn compare(&self, log: &LogName) -> Result<(), String> {
        let (state, facts) = (&self.states[log], &self.facts[log]);
        let Some(theirs) = self.views[log].facts(&self.key_ids, acts::imported()) else { return Ok(()) };
        let content = |release: &wargate_core::authority::Release| {
            let yanked = release.yanked.is_some() || release.carried_yank.is_some();
            (release.version.to_string(), (!yanked).then(|| release.content.to_string()))
        };
        let our_releases: BTreeMap<_, _> = facts.releases.values().map(content).collect();
        let their_releases: BTreeMap<_, _> = theirs
            .releases
            .iter()
            .map(|(version, release)| (version.clone(), release.content.clone()))
            .collect();
        same("the releases", &our_releases, &their_releases)?;
        let our_keys: BTreeSet<String> = state.v1_keys().map(ToString::to_string).collect();
        let may_sign = theirs.keys.iter().filter(|(_, permissions)| !permissions.is_empty());
        same("the keys", &our_keys, &may_sign.map(|(key, _)| key.clone()).collect())?;
        let operator = &self.states[&LogName::Operator];
        let never = |id: &&String| id.parse().is_ok_and(|id| operator.key(&id).is_none());
        same("the keys that never held `commit`", &None, &theirs.keys.keys().find(never))?;
        if !matches!(log, LogName::Namespace(_)) {
            let head = state.head().map(|head| head.to_string()).unwrap_or_default();
            same("the head", &head, &theirs.head)?;
        }
        let registry = |(name, registry): (&Namespace, &String)| (name.to_string(), Some(registry.clone()));
        same("the imports", &state.imports().iter().map(registry).collect(), &theirs.namespaces)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: ours are {ours:?}, v1 clients see {theirs:?}")) }
}
