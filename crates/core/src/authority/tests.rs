//! Every rule of a grant, by a table, and what may and may not carry an act.

use bytes::Bytes;
use prost::Message as _;

use super::*;
use crate::act::{Act, AnnotationKind, Endorsement, Grant, Step, endorse};
use crate::envelope::Envelope;
use crate::id::Layer;
use crate::key::{Algorithm, SecretKey};
use crate::proto;
use crate::record::{OperatorEntry, OperatorPermission, OperatorRecord};
use role::Scope;

mod annotations;
mod attacks;
mod carriers;
mod claims;
mod guards;
mod layers;
mod model;
mod named_attacks;
mod operators;
mod policies;
mod proposals;
mod recoveries;
mod releases;
mod replay;
mod revocations;
mod rows;
mod scopes;
mod told;
mod weights;
mod world;

const START: Time = Time::from_seconds(1_800_000_000);
const DAY: i64 = 24 * 60 * 60;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap()
}

fn ed25519(seed: u8) -> PublicKey {
    SecretKey::from_bytes(Algorithm::Ed25519, [seed; 32]).unwrap().public().clone()
}

/// Owners 1, 2 and 3 (two must agree), commit keys 4 and 5, publishing key 6.
const OWNERS: [u8; 3] = [1, 2, 3];
const COMMIT: u8 = 4;
const PUBLISHING: u8 = 6;

fn publics(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| key(*seed).public().clone()).collect()
}

fn genesis() -> Act {
    let publishing = key(PUBLISHING).public().clone();
    genesis_act(&publics(&OWNERS), 2, &publics(&[COMMIT, 5]), &publishing, START, [7; 16])
}

fn endorsed(act: &[u8], seeds: &[u8]) -> Vec<Endorsement> {
    seeds.iter().map(|seed| endorse(act, &key(*seed)).unwrap()).collect()
}

/// A log that grows by acts, each judged as it was carried.
struct Log {
    state: State,
    time: Time,
    acts: u8,
}

impl Log {
    fn begun() -> Self {
        let mut log = Self { state: State::empty(LogName::Operator), time: START, acts: 0 };
        log.carry(&genesis().encode(), &[1, 2]).unwrap();
        log
    }

    fn root(&self) -> Option<RecordId> {
        self.state.first_record()
    }

    fn act(&mut self, steps: Vec<Step>) -> Act {
        self.acts += 1;
        Act {
            root: self.root(),
            log: LogName::Operator.log_id(),
            steps,
            not_before: self.time,
            not_after: self.time.plus_seconds(60),
            nonce: [self.acts; 16],
        }
    }

    fn carry(&mut self, act: &[u8], signers: &[u8]) -> Result<Vec<OperatorEntry>, Refusal> {
        let (context, commit) = (Context::default(), key(COMMIT));
        let signers = endorsed(act, signers);
        let carried = self.state.carry(&context, self.time, act, &signers, &commit.public().id())?;
        let contents = Bytes::from(carried.contents);
        let envelope = Envelope::sign(Layer::Operator, contents.clone(), &commit).unwrap();
        let judged = self.state.judge(&context, &envelope).unwrap();
        assert_eq!(judged, carried.changes, "carried is judged valid");
        self.state = judged.state;
        Ok(OperatorRecord::decode(&contents).unwrap().entries)
    }

    fn grant(&mut self, grant: Grant, signers: &[u8]) -> Result<Vec<OperatorEntry>, Refusal> {
        let act = self.act(vec![Step::Grant(grant)]);
        self.carry(&act.encode(), signers)
    }
}

/// A grant of one new key under `owner`, to be changed by the test.
fn grant(role: &str, seeds: &[u8], powers: &[Power]) -> Grant {
    Grant {
        role: role.to_owned(),
        keys: publics(seeds),
        threshold: 1,
        powers: powers.to_vec(),
        scope: Scope::Unlimited,
        not_after: None,
        depth: 0,
        parent: String::new(),
    }
}

fn names(texts: &[&str]) -> Scope {
    Scope::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// A grant to a live role that says nothing but its keys.
fn more(role: &str, seeds: &[u8]) -> Grant {
    Grant { threshold: 0, ..grant(role, seeds, &[]) }
}

#[track_caller]
fn refuses<T: std::fmt::Debug>(result: Result<T, Refusal>, words: &str) {
    let refusal = result.expect_err(words).to_string();
    assert!(refusal.contains(words), "{refusal:?} does not say {words:?}");
}

#[test]
fn the_first_act_gives_what_it_says() {
    let log = Log::begun();
    let held = |keys: Vec<&PublicKey>| keys.iter().map(|key| key.id()).collect::<BTreeSet<_>>();
    let ids = |seeds: &[u8]| publics(seeds).iter().map(PublicKey::id).collect::<BTreeSet<_>>();
    assert_eq!(held(log.state.commit_keys(START).collect()), ids(&[COMMIT, 5]));
    assert_eq!(held(log.state.publishing_keys(START).collect()), ids(&[PUBLISHING]));
    assert_eq!(log.state.owners().copied().collect::<BTreeSet<_>>(), ids(&OWNERS));
    assert_eq!(State::empty(LogName::Operator).owners().count(), 0);
    assert!(!log.state.holds_commit(&key(PUBLISHING).public().id(), START));
    assert!(log.state.is_publishing_key(&key(PUBLISHING).public().id()));
    assert!(log.state.define_covers(&"acme".parse().unwrap(), &ids(&[PUBLISHING]), START));
    assert!(!log.state.define_covers(&"acme".parse().unwrap(), &ids(&[1]), START), "one owner of two");
    assert!(log.state.define_covers(&"acme".parse().unwrap(), &ids(&[1, 3]), START));
    let owner = log.state.role(OWNER).unwrap();
    let handed_on = [Power::Define, Power::Recover, Power::Import, Power::Takedown];
    assert_eq!((owner.depth, owner.powers.clone()), (DEPTH_MAX, handed_on.into()));
}

#[test]
fn the_first_act_may_be_done_from_a_minute_before_it_was_made_to_ten_after() {
    let act = genesis();
    assert_eq!((act.not_before, act.not_after), (START.plus_seconds(-60), START.plus_seconds(600)));
}

#[test]
fn a_commit_key_that_others_reach_lives_180_days() {
    assert_eq!(COMMIT_SECONDS_MAX, 180 * DAY);
}

#[test]
fn its_projection_is_the_commit_keys() {
    let mut log = Log { state: State::empty(LogName::Operator), time: START, acts: 0 };
    let all = OperatorPermission::ALL.to_vec();
    let spare = key(5).public().clone();
    assert_eq!(
        log.carry(&genesis().encode(), &[1, 2]).unwrap(),
        [
            OperatorEntry::Init { key: key(COMMIT).public().clone() },
            OperatorEntry::GrantFlat { key: spare, permissions: all.clone() },
        ]
    );
    // Powers may be absent in a grant to the live role; its keys are commit keys all the same.
    let grant_flat = OperatorEntry::GrantFlat { key: key(20).public().clone(), permissions: all };
    assert_eq!(log.grant(more("commit", &[20]), &[2, 3]).unwrap(), [grant_flat]);
    assert_eq!(log.grant(grant("ops", &[21], &[Power::Recover]), &[1, 2]).unwrap(), []);
    assert!(log.state.holds_commit(&key(20).public().id(), START));
}

#[test]
fn the_first_record_begins_with_init_by_its_own_owners() {
    let begin = |change: fn(&mut Act), signers: &[u8]| {
        let mut act = genesis();
        change(&mut act);
        Log { state: State::empty(LogName::Operator), time: START, acts: 0 }.carry(&act.encode(), signers)
    };
    begin(|_| {}, &[3, 1]).unwrap();
    refuses(begin(|_| {}, &[1]), "needs the agreement of 2 keys of the role `owner`, it has 1");
    refuses(begin(|_| {}, &[1, 1]), "it has 1");
    refuses(begin(|_| {}, &[1, PUBLISHING]), "it has 1");
    refuses(begin(|act| _ = act.steps.remove(0), &[1, 2]), "begins with Init");
    refuses(begin(|act| act.steps.swap(0, 1), &[1, 2]), "begins with Init");
    refuses(begin(|act| _ = act.steps.remove(1), &[1, 2]), "must give `commit` to a key");
    refuses(begin(|act| act.steps.push(Step::Init { keys: publics(&[9]), threshold: 1 }), &[1, 2]), "first");
    refuses(begin(|act| act.steps[0] = Step::Init { keys: publics(&[1]), threshold: 0 }, &[1]), "threshold");
    refuses(begin(|act| act.steps[0] = Step::Init { keys: publics(&[1]), threshold: 2 }, &[1]), "threshold");
    refuses(begin(|act| act.root = Some(Layer::Operator.record_id(b"x")), &[1, 2]), "another registry");
    let act = genesis().encode();
    let signers = endorsed(&act, &[1, 2]);
    let by_spare = State::empty(LogName::Operator).carry(
        &Context::default(),
        START,
        &act,
        &signers,
        &key(5).public().id(),
    );
    refuses(by_spare, "first commit key");
    let mut log = Log::begun();
    let again = log.act(vec![Step::Init { keys: publics(&[9]), threshold: 1 }]);
    refuses(log.carry(&again.encode(), &[1, 2]), "nowhere else");
}

/// A change to an allowed grant, who endorses it, and the words of the refusal; none if it stays allowed.
type Row = (fn(&mut Grant), &'static [u8], &'static str);

#[test]
fn a_new_role_gets_no_more_than_its_parent_has() {
    // Under owner: `ops` (20 and 21, both must agree) may recover and import `a*`, depth 2, 10 days.
    let mut start = Log::begun();
    let end = Some(START.plus_seconds(10 * DAY));
    let ops = Grant {
        threshold: 2,
        depth: 2,
        not_after: end,
        scope: names(&["a*", "b"]),
        ..grant("ops", &[20, 21], &[Power::Recover, Power::Import])
    };
    start.grant(ops, &[1, 2]).unwrap();
    let rows: &[Row] = &[
        (|_| {}, &[20, 21], ""),
        (|_| {}, &[20], "needs the agreement of 2 keys of the role `ops`, it has 1"),
        (|_| {}, &[1, 2, 3], "of the role `ops`, it has 0"),
        (|_| {}, &[20, 30], "of the role `ops`, it has 1"),
        (|g| g.parent = "nobody".to_owned(), &[20, 21], "no live role `nobody`"),
        (|g| g.parent = "owner".to_owned(), &[20, 21], "of the role `owner`, it has 0"),
        (|g| g.parent = String::new(), &[20, 21], "of the role `owner`, it has 0"),
        (|g| g.powers = vec![Power::Recover], &[20, 21], ""),
        (|g| g.powers = vec![Power::Recover, Power::Define], &[20, 21], "cannot hand on `define`"),
        (|g| g.powers = vec![Power::Publish], &[20, 21], "cannot hand on `publish`"),
        (|g| g.powers = vec![Power::Commit], &[20, 21], "cannot hand on `commit`"),
        (|g| g.powers = vec![Power::Release], &[20, 21], "`release` is no power of this kind of log"),
        (|g| g.scope = names(&["ab*"]), &[20, 21], ""),
        (|g| g.scope = names(&["ab", "b"]), &[20, 21], ""),
        (|g| g.scope = names(&["b*"]), &[20, 21], "scope is wider"),
        (|g| g.scope = names(&["ab", "c"]), &[20, 21], "scope is wider"),
        (|g| g.scope = names(&["*"]), &[20, 21], "scope is wider"),
        (|g| g.scope = names(&[">=1.0.0 <2.0.0"]), &[20, 21], "scope is of versions"),
        (|g| g.not_after = Some(START.plus_seconds(10 * DAY)), &[20, 21], ""),
        (|g| g.not_after = Some(START.plus_seconds(10 * DAY + 1)), &[20, 21], "ends later"),
        (|g| g.not_after = Some(START), &[20, 21], ""),
        (|g| g.not_after = Some(START.plus_seconds(-1)), &[20, 21], "end before the record's time"),
        (|g| g.depth = 1, &[20, 21], ""),
        (|g| g.depth = 2, &[20, 21], "below its parent's"),
        (|g| g.threshold = 2, &[20, 21], "threshold is from 1"),
        (|g| g.threshold = 0, &[20, 21], "threshold is from 1"),
        (|g| g.keys.clear(), &[20, 21], "threshold is from 1"),
        (|g| g.keys = vec![ed25519(30)], &[20, 21], ""),
        (|g| g.keys = publics(&[30, 20]), &[20, 21], "in the live role `ops` already"),
        (|g| g.keys = publics(&[1]), &[20, 21], "in the live role `owner` already"),
        (|g| g.keys = publics(&[COMMIT]), &[20, 21], "in the live role `commit` already"),
    ];
    for (at, (change, signers, words)) in rows.iter().enumerate() {
        let mut log = Log { state: start.state.clone(), time: START, acts: start.acts };
        let mut child = Grant { parent: "ops".to_owned(), ..grant("child", &[30], &[]) };
        change(&mut child);
        let result = log.grant(child, signers);
        if words.is_empty() {
            result.unwrap_or_else(|refusal| panic!("row {at}: {refusal}"));
            let (role, ops) = (log.state.role("child").unwrap(), log.state.role("ops").unwrap());
            assert!(role.powers.is_subset(&ops.powers) && role.scope.is_within(&ops.scope));
            assert!(role.not_after.is_some_and(|end| Some(end) <= ops.not_after));
            assert_eq!(role.parent, Some(ops.made));
        } else {
            refuses(result, words);
        }
    }
}

#[test]
fn what_a_grant_leaves_out_is_copied() {
    let mut log = Log::begun();
    let end = Some(START.plus_seconds(DAY));
    let publish = grant("ops", &[20], &[Power::Publish, Power::Import]);
    log.grant(Grant { depth: 1, not_after: end, scope: names(&["a*"]), ..publish }, &[1, 2]).unwrap();
    log.grant(Grant { parent: "ops".to_owned(), ..grant("child", &[30], &[]) }, &[20]).unwrap();
    let child = log.state.role("child").unwrap();
    // All but `publish`: that is never copied.
    assert_eq!(child.powers, [Power::Import].into());
    assert_eq!((child.scope.clone(), child.not_after), (names(&["a*"]), end));
    log.grant(grant("all", &[31], &[]), &[1, 2]).unwrap();
    assert_eq!(log.state.role("all").unwrap().powers, log.state.role(OWNER).unwrap().powers);
    assert_eq!(log.state.publishing_keys(START).count(), 2);
}

#[test]
fn commit_and_publish_are_given_only_by_name_and_by_the_owners() {
    let rows: &[Row] = &[
        (|_| {}, &[1, 2], ""),
        (|_| {}, &[1], "of the role `owner`, it has 1"),
        (|g| g.threshold = 2, &[1, 2], "`commit` stands alone"),
        (|g| g.depth = 1, &[1, 2], "`commit` stands alone"),
        (|g| g.powers.push(Power::Publish), &[1, 2], "`commit` stands alone"),
        (|g| g.keys = vec![ed25519(30)], &[1, 2], "`commit` stands alone"),
        (|g| g.scope = names(&["*"]), &[1, 2], "take no scope"),
        (|g| g.not_after = Some(START), &[1, 2], ""),
        (|g| (g.powers, g.scope) = (vec![Power::Publish], names(&["*"])), &[1, 2], "take no scope"),
        (|g| (g.powers, g.threshold, g.depth) = (vec![Power::Publish], 2, 3), &[1, 2], ""),
        (|g| (g.powers, g.keys) = (vec![Power::Publish], vec![ed25519(30)]), &[1, 2], "threshold"),
        (|g| g.parent = "registry".to_owned(), &[PUBLISHING], "depth must be below"),
    ];
    for (change, signers, words) in rows {
        let mut log = Log::begun();
        let mut given = grant("other", &[30, 31], &[Power::Commit]);
        change(&mut given);
        if given.powers == [Power::Publish] && given.keys.len() == 1 {
            given.threshold = 2;
        }
        let result = log.grant(given, signers);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
    // Nor may a grant to the live role change that.
    let mut log = Log::begun();
    refuses(log.grant(Grant { keys: vec![ed25519(30)], ..more("commit", &[]) }, &[1, 2]), "stands alone");
    refuses(log.grant(Grant { threshold: 2, ..more("commit", &[]) }, &[1, 2]), "stands alone");
    refuses(log.grant(more("commit", &[30]), &[COMMIT, 5]), "of the role `owner`, it has 0");
}

#[test]
fn a_live_role_gets_keys_and_keeps_what_it_may_do() {
    let mut start = Log::begun();
    let end = Some(START.plus_seconds(10 * DAY));
    let ops = Grant { depth: 3, not_after: end, scope: names(&["a*", "b"]), ..grant("ops", &[20], &[]) };
    start.grant(ops, &[1, 2]).unwrap();
    let crew = grant("crew", &[25], &[Power::Import, Power::Recover]);
    start
        .grant(Grant { parent: "ops".to_owned(), depth: 2, scope: names(&["ab", "ac"]), ..crew }, &[20])
        .unwrap();
    let rows: &[Row] = &[
        (|_| {}, &[20], ""),
        (|_| {}, &[25], "of the role `ops`, it has 0"),
        (|_| {}, &[1, 2], "of the role `ops`, it has 0"),
        (|g| g.keys.clear(), &[20], ""),
        (|g| g.threshold = 2, &[20], ""),
        (|g| g.threshold = 3, &[20], "threshold is from 1"),
        (|g| g.powers = vec![Power::Recover, Power::Import], &[20], ""),
        (|g| g.powers = vec![Power::Recover], &[20], "stay"),
        (|g| g.powers = vec![Power::Recover, Power::Import, Power::Takedown], &[20], "stay"),
        (|g| g.scope = names(&["ac", "ab"]), &[20], ""),
        (|g| g.scope = names(&["ab"]), &[20], "stay"),
        (|g| g.depth = 2, &[20], ""),
        (|g| g.depth = 1, &[20], "stay"),
        (|g| g.parent = "ops".to_owned(), &[20], ""),
        (|g| g.parent = "owner".to_owned(), &[20], "stay"),
        (|g| g.not_after = Some(START.plus_seconds(DAY)), &[20], ""),
        (|g| g.not_after = Some(START.plus_seconds(11 * DAY)), &[20], "ends later"),
        (|g| g.not_after = Some(START.plus_seconds(-1)), &[20], "end before the record's time"),
        (|g| g.keys = publics(&[25]), &[20], "in the live role `crew` already"),
        (|g| g.keys = publics(&[20]), &[20], "in the live role `ops` already"),
    ];
    for (at, (change, signers, words)) in rows.iter().enumerate() {
        let mut log = Log { state: start.state.clone(), time: START, acts: start.acts };
        let before = log.state.role("crew").unwrap().clone();
        let mut given = more("crew", &[30]);
        change(&mut given);
        let result = log.grant(given.clone(), signers);
        if !words.is_empty() {
            refuses(result, words);
            continue;
        }
        result.unwrap_or_else(|refusal| panic!("row {at}: {refusal}"));
        let after = log.state.role("crew").unwrap();
        assert_eq!(after.keys.len(), 1 + given.keys.len());
        assert_eq!(after.threshold, given.threshold.max(1));
        assert_eq!(after.not_after, given.not_after.or(before.not_after));
        let kept =
            |role: &Role| (role.made, role.powers.clone(), role.scope.clone(), role.depth, role.parent);
        assert_eq!(kept(after), kept(&before));
    }
}
