//! Owners, the death of roles, and everything that a record around an act may not be.

use super::*;

#[test]
fn owners_are_counted_as_they_were_before_the_act() {
    let mut log = Log::begun();
    refuses(log.grant(more(OWNER, &[30]), &[1, 30]), "of the role `owner`, it has 1");
    // Two owners take in a third and a fourth and ask for three: that is theirs to decide.
    log.grant(Grant { threshold: 3, ..more(OWNER, &[30, 31]) }, &[1, 2]).unwrap();
    let owner = log.state.role(OWNER).unwrap();
    assert_eq!((owner.keys.len(), owner.threshold), (5, 3));
    // The new threshold counts from the next act on, and for other grants from the next step on.
    refuses(log.grant(grant("ops", &[20], &[]), &[1, 2]), "needs the agreement of 3 keys");
    let mut log = Log::begun();
    let steps = vec![
        Step::Grant(Grant { threshold: 4, ..more(OWNER, &[30]) }),
        Step::Grant(Grant { threshold: 1, ..more(OWNER, &[]) }),
        Step::Grant(grant("ops", &[20], &[])),
    ];
    let act = log.act(steps.clone()).encode();
    refuses(log.carry(&act, &[1]), "of the role `owner`, it has 1");
    log.carry(&act, &[1, 2]).unwrap();
    let mut log = Log::begun();
    let act = log.act(vec![steps[0].clone(), steps[2].clone()]).encode();
    refuses(log.carry(&act, &[1, 2]), "needs the agreement of 4 keys of the role `owner`, it has 2");
    log.carry(&act, &[1, 2, 3, 30]).unwrap();
}

#[test]
fn the_owners_role_stays_what_it_is() {
    let rows: &[Row] = &[
        (|g| g.not_after = Some(START.plus_seconds(DAY)), &[1, 2], "does not end"),
        (|g| g.threshold = 5, &[1, 2], "threshold is from 1"),
        (|g| g.powers = vec![Power::Commit], &[1, 2], "stay"),
        (|g| g.powers = vec![Power::Define], &[1, 2], "stay"),
        (|g| g.scope = names(&["a"]), &[1, 2], "stay"),
        (|g| g.depth = 7, &[1, 2], "stay"),
        (|g| g.depth = 8, &[1, 2], ""),
        (|g| g.parent = OWNER.to_owned(), &[1, 2], "stay"),
        (|g| g.keys = vec![ed25519(30)], &[1, 2], ""),
        (|g| g.keys = publics(&[PUBLISHING]), &[1, 2], "in the live role `registry` already"),
    ];
    for (change, signers, words) in rows {
        let mut log = Log::begun();
        let mut given = more(OWNER, &[30]);
        change(&mut given);
        let result = log.grant(given, signers);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
}

#[test]
fn what_hangs_under_a_dead_role_is_dead_for_ever() {
    let mut log = Log::begun();
    let late = Some(START.plus_seconds(10 * DAY));
    log.grant(Grant { depth: 2, not_after: late, ..grant("ops", &[20], &[]) }, &[1, 2]).unwrap();
    let under = |name: &str, parent: &str, depth| Grant {
        parent: parent.to_owned(),
        depth,
        ..grant(name, &[20 + depth as u8 + 1], &[Power::Define])
    };
    log.grant(under("child", "ops", 1), &[20]).unwrap();
    log.grant(under("grandchild", "child", 0), &[22]).unwrap();
    // Its end comes nearer than its children's.
    log.grant(Grant { not_after: Some(START.plus_seconds(DAY)), ..more("ops", &[]) }, &[1, 2]).unwrap();
    let (acme, grandchild) = ("acme".parse().unwrap(), [key(21).public().id()].into());
    assert!(log.state.define_covers(&acme, &grandchild, START.plus_seconds(DAY)));
    assert!(!log.state.define_covers(&acme, &grandchild, START.plus_seconds(DAY + 1)));

    log.time = START.plus_seconds(DAY + 1);
    refuses(log.grant(under("friend", "child", 0), &[22]), "no live role `child`");
    // Under the dead one's name comes another role, and keys of dead roles are free.
    log.grant(Grant { depth: 2, ..grant("ops", &[20], &[]) }, &[1, 2]).unwrap();
    assert!(!log.state.define_covers(&acme, &grandchild, log.time));
    refuses(log.grant(under("friend", "child", 0), &[22]), "no live role `child`");
    refuses(log.grant(more("child", &[30]), &[20]), "of the role `owner`, it has 0");
    log.grant(under("child", "ops", 1), &[20]).unwrap();
    let live: Vec<_> = log.state.live_at(log.time).map(|role| role.name.clone()).collect();
    assert_eq!(live, [OWNER, "commit", "registry", "ops", "child"]);
    assert_eq!(log.state.roles().count(), live.len(), "dead ones are no part of it");
}

#[test]
fn a_key_of_a_dead_role_has_no_say() {
    let mut log = Log::begun();
    log.grant(Grant { depth: 1, not_after: Some(START), ..grant("ops", &[20], &[]) }, &[1, 2]).unwrap();
    let child = Grant { parent: "ops".to_owned(), ..grant("child", &[30], &[]) };
    Log { state: log.state.clone(), time: START, acts: 9 }.grant(child.clone(), &[20]).unwrap();
    let act = log.act(vec![Step::Grant(grant("other", &[31], &[]))]).encode();
    let endorsements = |time| {
        let all = endorsed(&act, &[1, 2, 20]);
        let commit = key(COMMIT).public().id();
        let carried = log.state.carry(&Context::default(), time, &act, &all, &commit).unwrap();
        proto::OperatorRecord::decode(carried.contents.as_slice()).unwrap().endorsements.len()
    };
    assert_eq!((endorsements(START), endorsements(START.plus_seconds(1))), (3, 2));
    log.time = START.plus_seconds(1);
    refuses(log.grant(child, &[20]), "no live role `ops`");
}

#[test]
fn live_roles_and_keys_are_limited() {
    let mut log = Log::begun();
    let mut bytes = [0; 32];
    let mut fresh = |count: usize| -> Vec<PublicKey> {
        let mut one = |_| {
            bytes[1] += 1;
            bytes[2] += u8::from(bytes[1] == 0xff);
            bytes[0] = 0x40;
            SecretKey::from_bytes(Algorithm::EcdsaP256, bytes).unwrap().public().clone()
        };
        (0..count).map(&mut one).collect()
    };
    // Owners 3, commit 2, publishing 1.
    let many = Grant { keys: fresh(LIVE_KEYS_MAX - 6), ..grant("many", &[], &[Power::Import]) };
    let one_more = Grant { keys: fresh(1), ..more("many", &[]) };
    log.grant(many, &[1, 2]).unwrap();
    refuses(log.grant(one_more, &[1, 2]), "at most 64 live roles and 128 live keys");

    let mut log = Log::begun();
    for at in 0..LIVE_ROLES_MAX - 3 {
        let given = Grant { keys: fresh(1), ..grant(&format!("role-a{at}"), &[], &[Power::Import]) };
        log.grant(given, &[1, 2]).unwrap();
    }
    refuses(log.grant(grant("last", &[30], &[]), &[1, 2]), "at most 64 live roles");
}

#[test]
fn an_act_is_done_once_in_its_log_of_its_registry_in_its_window() {
    let mut log = Log::begun();
    log.time = START.plus_seconds(1);
    let good = log.act(vec![Step::Grant(grant("ops", &[20], &[]))]);
    let changed = |change: &dyn Fn(&mut Act)| {
        let mut act = good.clone();
        change(&mut act);
        act.encode()
    };
    let other = LogName::Namespace("acme".parse().unwrap()).log_id();
    refuses(log.carry(&changed(&|act| act.log = other), &[1, 2]), "another log");
    refuses(log.carry(&changed(&|act| act.root = None), &[1, 2]), "another registry");
    let elsewhere = Some(Layer::Operator.record_id(b"another registry's"));
    refuses(log.carry(&changed(&|act| act.root = elsewhere), &[1, 2]), "another registry");

    log.time = START;
    refuses(log.carry(&good.encode(), &[1, 2]), "may be done from");
    log.time = START.plus_seconds(62);
    refuses(log.carry(&good.encode(), &[1, 2]), "may be done from");
    log.time = START.plus_seconds(61);
    log.carry(&good.encode(), &[1, 2]).unwrap();
    refuses(log.carry(&good.encode(), &[1, 2, 3]), "done in this log already");
    // Nothing is carried at a time before the last record's.
    log.time = START.plus_seconds(60);
    refuses(log.grant(more("ops", &[30]), &[1, 2]), "its time is before its predecessor's");
    // It is remembered until its window ends, and no longer.
    log.time = START.plus_seconds(62);
    log.grant(more("ops", &[30]), &[1, 2]).unwrap();
    refuses(log.carry(&good.encode(), &[1, 2]), "may be done from");
    assert_eq!(log.state.used.len(), 2, "the first act's, 10 minutes long, and the last one's");
}

#[test]
fn carrying_leaves_out_who_has_no_say() {
    let mut log = Log::begun();
    let act = log.act(vec![Step::Grant(grant("ops", &[20], &[]))]).encode();
    let commit = key(COMMIT).public().id();
    let carry =
        |seeds: &[u8]| log.state.carry(&Context::default(), START, &act, &endorsed(&act, seeds), &commit);
    let plain = carry(&[1, 2]).unwrap();
    let message = proto::OperatorRecord::decode(plain.contents.as_slice()).unwrap();
    assert_eq!(message.endorsements.len(), 2);
    let same_keys = carry(&[2, 99, 1, 98]).unwrap();
    let ids = |contents: &[u8]| {
        let message = proto::OperatorRecord::decode(contents).unwrap();
        message.endorsements.into_iter().map(|endorsement| endorsement.key_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&same_keys.contents), ids(&plain.contents));
    assert_eq!(ids(&carry(&[1, 2, 1]).unwrap().contents), ids(&plain.contents));
    refuses(carry(&[1, 1]), "it has 1");
    // Of others' bytes.
    let mut forged = endorsed(&act, &[1, 2]);
    forged[0].signature = endorse(b"other bytes", &key(1)).unwrap().signature;
    let refusal = log.state.carry(&Context::default(), START, &act, &forged, &commit).unwrap_err();
    let key_id = key(1).public().id();
    assert_eq!(refusal, Refusal::Endorsement { key_id, reason: "does not verify" });
}

/// A change to the message of a valid record with two endorsements, and the words of the refusal.
type Forgery = (fn(&mut proto::OperatorRecord), &'static str);

const FORGERIES: &[Forgery] = &[
    (|m| m.entries.clear(), "not those that stand for its act"),
    (|m| m.entries.push(m.entries[0].clone()), "not those that stand for its act"),
    (
        |m| {
            let define = proto::OperatorDefineNamespace { namespace: "acme".to_owned() };
            let contents = Some(proto::operator_entry::Contents::DefineNamespace(define));
            m.entries.push(proto::OperatorEntry { contents });
        },
        "not those that stand for its act",
    ),
    (
        |m| {
            if let Some(proto::operator_entry::Contents::GrantFlat(grant)) = &mut m.entries[0].contents {
                grant.permissions.pop();
            }
        },
        "not those that stand for its act",
    ),
    (|m| m.endorsements.reverse(), "out of order"),
    (|m| m.endorsements.insert(0, m.endorsements[0].clone()), "twice"),
    (|m| _ = m.endorsements.pop(), "it has 1"),
    (|m| m.endorsements.clear(), "it has 0"),
    (|m| m.endorsements[0].signature = m.endorsements[1].signature.clone(), "does not verify"),
    (
        |m| {
            let act = m.act.clone();
            m.endorsements.push(endorse(&act, &key(99)).unwrap().to_message());
            m.endorsements.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        },
        "by a key in no live role",
    ),
    (|m| m.act.clear(), "it has endorsements, and no act"),
    (|m| m.act = [&m.act[..], &[0xa2, 0x01, 0x00]].concat().into(), "not canonically encoded"),
    (|m| m.prev = None, "prev is not the log's latest record"),
    (|m| m.prev = Some(Layer::Operator.record_id(b"x").to_string()), "prev is not the log's"),
    (|m| m.version = 1, "protocol version is not 0"),
    (|m| m.time = None, "time"),
    (|m| m.time = Some(proto::Timestamp { seconds: 0, nanos: -1 }), "time"),
    (|m| m.time = Some(proto::Timestamp { seconds: START.seconds() - 1, nanos: 0 }), "predecessor's"),
    (|m| m.time = Some(proto::Timestamp { seconds: START.seconds() + 61, nanos: 0 }), "may be done from"),
];

#[test]
fn a_record_that_is_not_the_acts_own_is_invalid() {
    let mut log = Log::begun();
    let act = log.act(vec![Step::Grant(more("commit", &[30]))]).encode();
    let commit = key(COMMIT);
    let signers = endorsed(&act, &[1, 2]);
    let carried = log.state.carry(&Context::default(), START, &act, &signers, &commit.public().id()).unwrap();
    let judge = |contents: Vec<u8>, signer: &SecretKey| {
        let envelope = Envelope::sign(Layer::Operator, contents.into(), signer).unwrap();
        log.state.judge(&Context::default(), &envelope)
    };
    judge(carried.contents.clone(), &commit).unwrap();
    judge(carried.contents.clone(), &key(5)).unwrap();
    // The key that the record itself gives `commit`.
    judge(carried.contents.clone(), &key(30)).unwrap();
    refuses(judge(carried.contents.clone(), &key(PUBLISHING)), "never held `commit`");
    refuses(judge(carried.contents.clone(), &key(1)), "never held `commit`");

    for (change, words) in FORGERIES {
        let mut message = proto::OperatorRecord::decode(carried.contents.as_slice()).unwrap();
        change(&mut message);
        refuses(judge(message.encode_to_vec(), &commit), words);
    }
    let unknown_field = [&carried.contents[..], &[0x90, 0x01, 0x01]].concat();
    refuses(judge(unknown_field, &commit), "not canonically encoded");
    let defaults_present = [&carried.contents[..], &[0x10, 0x00]].concat();
    refuses(judge(defaults_present, &commit), "not canonically encoded");
    let mut envelope = Envelope::sign(Layer::Operator, carried.contents.into(), &commit).unwrap();
    envelope.signature = commit.sign(b"other bytes").unwrap();
    let refusal = log.state.judge(&Context::default(), &envelope).unwrap_err();
    assert!(refusal.to_string().contains("signature does not verify"), "{refusal}");
}

#[test]
fn a_daily_key_cannot_raise_itself() {
    let mut log = Log::begun();
    let rows: Vec<(Grant, &str)> = vec![
        (more("registry", &[30]), "of the role `owner`, it has 0"),
        (grant("friend", &[30], &[Power::Define]), "of the role `owner`, it has 0"),
        (more(OWNER, &[30]), "of the role `owner`, it has 0"),
        (more("registry", &[1]), "in the live role `owner` already"),
        (
            Grant { parent: "registry".to_owned(), ..grant("friend", &[30], &[Power::Define]) },
            "depth must be below its parent's, 0",
        ),
        (Grant { powers: vec![Power::Define, Power::Takedown], ..more("registry", &[]) }, "it has 0"),
    ];
    for (given, words) in rows {
        refuses(log.grant(given, &[PUBLISHING]), words);
    }
}

#[test]
fn an_act_is_done_whole_or_not_at_all() {
    let mut log = Log::begun();
    let revoke = crate::act::Revoke { role: "nobody".to_owned(), key_ids: Vec::new(), since: None };
    let yank = Step::Yank { version: "1.0.0".parse().unwrap(), reason: String::new() };
    let before = log.state.clone();
    for (step, words) in [
        (Step::Revoke(revoke), "there is no live role `nobody`"),
        (yank, "it is no step of a log such as the operator log"),
        (Step::Admit { name: "a".to_owned(), key: key(9).public().clone() }, "it is no step of a log"),
        (Step::Recover { keys: publics(&[9]), threshold: 1 }, "it is no step of a log"),
    ] {
        let act = log.act(vec![Step::Grant(more("commit", &[30])), step]).encode();
        refuses(log.carry(&act, &[1, 2]), words);
        assert_eq!(log.state, before, "all or none");
    }
}

#[test]
fn roles_nest_to_their_depth_and_no_deeper() {
    let name = |depth: u32| format!("role-{}", char::from(b'a' + depth as u8));
    let at = |depth: u32, parent: &str| Grant {
        parent: parent.to_owned(),
        depth,
        ..grant(&name(depth), &[100 + depth as u8], &[Power::Define])
    };
    let mut log = Log::begun();
    refuses(log.grant(at(DEPTH_MAX, OWNER), &[1, 2]), "depth must be below its parent's, 8");
    log.grant(at(DEPTH_MAX - 1, OWNER), &[1, 2]).unwrap();
    for depth in (0..DEPTH_MAX - 1).rev() {
        log.grant(at(depth, &name(depth + 1)), &[100 + depth as u8 + 1]).unwrap();
    }
    let below = Grant { parent: name(0), ..grant("below", &[99], &[Power::Define]) };
    refuses(log.grant(below, &[100]), "depth must be below its parent's, 0");
}
