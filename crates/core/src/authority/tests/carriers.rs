//! Records without an act: what they may tell v1 clients, and nothing else.

use super::world::*;
use super::*;
use crate::record::{PackageEntry, PackagePermission, PackageRecord};
use crate::v1::package::RECORD_VERSION;

fn grant_flat(seed: u8) -> PackageEntry {
    PackageEntry::GrantFlat { key: key(seed).public().clone(), permissions: PackagePermission::ALL.to_vec() }
}

fn revoke_flat(seed: u8) -> PackageEntry {
    PackageEntry::RevokeFlat { key_id: key(seed).public().id(), permissions: PackagePermission::ALL.to_vec() }
}

fn yank_entry(version: &str) -> PackageEntry {
    PackageEntry::Yank { version: version.parse().unwrap() }
}

/// Commit key 20 came after the package had begun, 5 is gone; 1.0.0 and 1.1.0 lost their trust, 1.2.0 did not.
fn start() -> World {
    let mut world = World::released();
    let first = world.head();
    for version in ["1.0.0", "1.1.0"] {
        world.run(&hello(), vec![release(version)], &[CI]).unwrap();
    }
    world.run(&hello(), vec![revoke_since("ci", &[], Some(first))], &[ALICE]).unwrap();
    world.run(&hello(), vec![release("1.2.0")], &[ALICE]).unwrap();
    let steps = vec![Step::Grant(more("commit", &[20])), revoke("commit", &[5])];
    world.run(&LogName::Operator, steps, &[1, 2]).unwrap();
    world
}

/// A record without an act, signed by `signer`.
fn judge(world: &World, log: &LogName, entries: Vec<PackageEntry>, signer: u8) -> Result<Changes, Refusal> {
    let prev = world.states[log].head();
    let record = PackageRecord { prev, version: RECORD_VERSION, time: world.time, entries };
    world.judge(log, record.encode(), signer)
}

/// But for what v1 clients were told.
#[track_caller]
fn changes_nothing_for_us(world: &World, entries: &[PackageEntry], changes: &Changes) {
    let before = &world.states[&hello()];
    assert_eq!(changes.state.length(), before.length() + 1);
    assert!(changes.state.roles().eq(before.roles()));
    assert_eq!(changes.moves_only, changes.state.v1_keys().eq(before.v1_keys()));
    assert!(changes.dead.is_empty() && changes.annotations.is_empty() && changes.takedowns.is_empty());
    let yanks = entries.iter().filter(|entry| matches!(entry, PackageEntry::Yank { .. })).count();
    assert_eq!(changes.releases.len(), yanks);
    for release in &changes.releases {
        let told = release.carried_yank.as_ref().map(|yanked| yanked.record);
        assert!(told == changes.state.head() && release.yanked.is_none());
    }
}

#[test]
fn they_let_commit_keys_in_and_out_and_yank_what_lost_its_trust() {
    let world = start();
    let release_entry =
        PackageEntry::Release { version: "3.0.0".parse().unwrap(), content: Digest::of(b"3.0.0") };
    let only_release = vec![PackagePermission::Release];
    let reversed = vec![PackagePermission::Yank, PackagePermission::Release];
    let grant_of = |permissions: &[PackagePermission]| PackageEntry::GrantFlat {
        key: key(20).public().clone(),
        permissions: permissions.to_vec(),
    };
    let revoke_of = |permissions: &[PackagePermission]| PackageEntry::RevokeFlat {
        key_id: key(5).public().id(),
        permissions: permissions.to_vec(),
    };
    let more = "its entries do more than a carrier record's";
    let rows: Vec<(Vec<PackageEntry>, u8, &str)> = vec![
        (vec![grant_flat(20)], COMMIT, ""),
        // A revoked commit key that v1 still knows.
        (vec![grant_flat(20)], 5, ""),
        (vec![grant_flat(20), revoke_flat(5)], COMMIT, ""),
        (vec![revoke_flat(5), grant_flat(20)], COMMIT, ""),
        (vec![grant_flat(20), revoke_flat(20)], COMMIT, ""),
        (vec![yank_entry("1.0.0")], COMMIT, ""),
        (vec![yank_entry("1.1.0"), yank_entry("1.0.0"), grant_flat(20)], COMMIT, ""),
        // What v1 clients would refuse.
        (vec![grant_flat(20)], 20, "v1 clients of this log do not know the key that signs it"),
        (vec![revoke_flat(COMMIT), grant_flat(20)], COMMIT, "do not know the key that signs it"),
        (vec![revoke_flat(COMMIT)], COMMIT, ""),
        (vec![revoke_flat(20)], COMMIT, "it revokes a key that v1 clients do not know"),
        (vec![revoke_flat(5), revoke_flat(5)], COMMIT, "it revokes a key that v1 clients do not know"),
        (vec![yank_entry("1.0.0"), yank_entry("1.0.0")], COMMIT, "it yanks what is not newly distrusted"),
        (vec![yank_entry("1.2.0")], COMMIT, "it yanks what is not newly distrusted"),
        (vec![yank_entry("1.3.0")], COMMIT, "it yanks what is not newly distrusted"),
        // What is none of theirs.
        (vec![grant_flat(5)], COMMIT, "it lets in a key that v1 clients know already"),
        (vec![grant_flat(20), grant_flat(20)], COMMIT, "it lets in a key that v1 clients know already"),
        (vec![grant_flat(PUBLISHING)], COMMIT, "it lets in a key that never held `commit`"),
        (vec![grant_flat(ALICE)], COMMIT, "it lets in a key that never held `commit`"),
        (vec![revoke_flat(ALICE)], COMMIT, "it revokes a key that v1 clients do not know"),
        (vec![grant_of(&only_release)], COMMIT, more),
        (vec![grant_of(&reversed)], COMMIT, more),
        (vec![grant_of(&[])], COMMIT, more),
        (vec![revoke_of(&only_release)], COMMIT, more),
        (vec![PackageEntry::Init { key: key(COMMIT).public().clone() }], COMMIT, more),
        (vec![release_entry.clone()], COMMIT, more),
        (vec![grant_flat(20), release_entry], COMMIT, more),
        (vec![], COMMIT, "it has neither an act nor entries"),
        (vec![grant_flat(20)], PUBLISHING, "do not know the key that signs it"),
        (vec![grant_flat(20)], ALICE, "do not know the key that signs it"),
    ];
    for (entries, signer, words) in rows {
        let result = judge(&world, &hello(), entries.clone(), signer);
        if words.is_empty() {
            let changes = result.unwrap_or_else(|refusal| panic!("{entries:?} by {signer}: {refusal}"));
            changes_nothing_for_us(&world, &entries, &changes);
        } else {
            refuses(result, words);
        }
    }
}

#[test]
fn a_namespaces_carriers_know_nothing_of_versions() {
    let world = start();
    judge(&world, &acme(), vec![grant_flat(20), revoke_flat(5)], COMMIT).unwrap();
    refuses(
        judge(&world, &acme(), vec![yank_entry("1.0.0")], COMMIT),
        "it yanks what is not newly distrusted",
    );
}

#[test]
fn an_operators_carriers_take_out_keys_whose_end_has_come() {
    let mut world = World::new();
    let end = Some(START.plus_seconds(5));
    let brief = Grant { not_after: end, ..grant("brief", &[20], &[Power::Commit]) };
    world.run(&LogName::Operator, vec![Step::Grant(brief)], &[1, 2]).unwrap();
    let all = OperatorPermission::ALL.to_vec();
    let revoke_of = |seed: u8, permissions: &[OperatorPermission]| OperatorEntry::RevokeFlat {
        key_id: key(seed).public().id(),
        permissions: permissions.to_vec(),
    };
    let grant_of = |seed: u8, permissions: &[OperatorPermission]| OperatorEntry::GrantFlat {
        key: key(seed).public().clone(),
        permissions: permissions.to_vec(),
    };
    world.wait(6);
    let judge = |entries: Vec<OperatorEntry>, signer| {
        let prev = world.states[&LogName::Operator].head();
        let record = OperatorRecord { prev, version: RECORD_VERSION, time: world.time, entries };
        world.judge(&LogName::Operator, record.encode(), signer)
    };
    let import = OperatorEntry::ImportNamespace {
        namespace: "wasi".parse().unwrap(),
        registry: "wasi.dev".to_owned(),
    };
    let more = "its entries do more than a carrier record's";
    let rows: Vec<(Vec<OperatorEntry>, u8, &str)> = vec![
        (vec![revoke_of(20, &all)], COMMIT, ""),
        (vec![revoke_of(20, &all)], 20, ""),
        (vec![revoke_of(20, &all), grant_of(20, &all)], COMMIT, ""),
        (vec![revoke_of(20, &all[..2])], COMMIT, more),
        (vec![grant_of(20, &all[..1])], COMMIT, more),
        (vec![revoke_of(PUBLISHING, &all)], COMMIT, "it revokes a key that v1 clients do not know"),
        (vec![grant_of(PUBLISHING, &all)], COMMIT, "it lets in a key that never held `commit`"),
        (vec![revoke_of(20, &all)], 1, "do not know the key that signs it"),
        (vec![import], COMMIT, more),
        (vec![OperatorEntry::Init { key: key(COMMIT).public().clone() }], COMMIT, more),
    ];
    for (entries, signer, words) in rows {
        let result = judge(entries, signer);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
}

#[test]
fn a_release_was_yanked_by_an_act_or_else_by_a_carrier_record() {
    let mut world = start();
    let by = |release: &Release| release.yank().map(|yanked| yanked.record);
    world.run(&hello(), vec![yank("1.2.0")], &[ALICE]).unwrap();
    let acted = world.released_as("1.2.0");
    assert_eq!(by(&acted), Some(world.head()));
    let told = judge(&world, &hello(), vec![yank_entry("1.0.0")], COMMIT).unwrap();
    assert_eq!(by(&world.released_as("1.0.0")), None);
    assert_eq!(by(&told.releases[0]), told.state.head());
    let both = Release { yanked: acted.yanked, ..told.releases[0].clone() };
    assert_eq!(by(&both), Some(world.head()));
}

/// v1 asks at each entry whether it knows who signs: `settle` holds each record against it.
#[test]
fn every_commit_key_may_sign_that_all_of_them_go() {
    for signer in [COMMIT, 5] {
        for keys in [vec![], vec![COMMIT, 5], vec![5, COMMIT]] {
            let mut world = World::new();
            world.commit = signer;
            let next = Step::Grant(grant("next", &[20], &[Power::Commit]));
            let steps = vec![next, revoke("commit", &keys)];
            world.run(&LogName::Operator, steps, &[1, 2]).unwrap();
            let known: Vec<KeyId> = world.states[&LogName::Operator].v1_keys().copied().collect();
            assert_eq!(known, [key(20).public().id()]);
        }
    }
}

#[test]
fn they_stand_in_their_place_and_their_time() {
    let mut world = start();
    let record = |world: &World, prev, time| {
        let entries = vec![grant_flat(20)];
        let record = PackageRecord { prev, version: RECORD_VERSION, time, entries };
        world.judge(&hello(), record.encode(), COMMIT)
    };
    let (head, now) = (world.states[&hello()].head(), world.time);
    record(&world, head, now).unwrap();
    refuses(record(&world, None, now), "prev is not the log's latest record");
    refuses(record(&world, world.states[&acme()].head(), now), "prev is not the log's latest record");
    refuses(record(&world, head, now.plus_seconds(-1)), "before its predecessor's");
    world.wait(5);
    world.run(&LogName::Operator, vec![Step::Grant(grant("ops", &[80], &[]))], &[1, 2]).unwrap();
    refuses(record(&world, head, now), "before that of the layers above");
    refuses(
        world
            .state(&hello())
            .carry_news(&world.context(&hello()), now, &key(COMMIT).public().id())
            .map(|_| ()),
        "before that of the layers above",
    );
    // None begins a log.
    let other: LogName = "acme:http-a".parse().unwrap();
    let entries = vec![grant_flat(20)];
    let first = PackageRecord { prev: None, version: RECORD_VERSION, time: world.time, entries };
    refuses(world.judge(&other, first.encode(), COMMIT), "a delegated log begins with one");
}

#[test]
fn the_news_are_told_once_and_v1_follows() {
    let mut world = start();
    let tell = |world: &mut World, signer: u8| {
        let signer = key(signer).public().id();
        let carried = world.state(&hello()).carry_news(&world.context(&hello()), world.time, &signer);
        let carried = carried.unwrap()?;
        Some(world.settle(&hello(), carried))
    };
    // Judged by v1's rules too when it settles.
    let told = tell(&mut world, COMMIT).unwrap();
    assert_eq!(told, [grant_flat(20), yank_entry("1.0.0"), yank_entry("1.1.0")]);
    assert_eq!(tell(&mut world, COMMIT), None);
    // The old key is lost to us, v1 follows the new one all the same.
    world.commit = 20;
    world.run(&hello(), vec![release("1.3.0")], &[ALICE]).unwrap();
    assert_eq!(world.states[&hello()].v1_keys().count(), 3);
    refuses(world.run(&hello(), vec![yank("1.0.0")], &[ALICE]), "is distrusted, which is more than yanked");
    // The namespace's log hears of the key, and the operator's has nothing to hear.
    let news = |world: &World, log: &LogName, signer: u8| {
        world.state(log).carry_news(&world.context(log), world.time, &key(signer).public().id())
    };
    assert!(news(&world, &acme(), COMMIT).unwrap().is_some());
    refuses(news(&world, &acme(), 20).map(|_| ()), "do not know the key that signs it");
    assert!(news(&world, &LogName::Operator, 20).unwrap().is_none());
}

#[test]
fn what_was_yanked_before_it_lost_its_trust_is_not_yanked_again() {
    let mut world = World::released();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    world.run(&hello(), vec![yank("1.0.0")], &[ALICE]).unwrap();
    let since = Some(world.released_as("1.0.0").record);
    world.run(&hello(), vec![revoke_since("ci", &[], since)], &[ALICE]).unwrap();
    assert!(world.distrusts("1.0.0"));
    refuses(judge(&world, &hello(), vec![yank_entry("1.0.0")], COMMIT), "not newly distrusted");
    let signer = key(COMMIT).public().id();
    let news = world.state(&hello()).carry_news(&world.context(&hello()), world.time, &signer).unwrap();
    assert!(news.is_none());
}
