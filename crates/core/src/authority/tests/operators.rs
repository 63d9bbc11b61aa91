//! What only the operator's log does: other registries' namespaces, and content that is removed or put aside.

use super::world::*;
use super::*;

fn import(namespace: &str) -> Step {
    Step::Import { namespace: namespace.parse().unwrap(), registry: "wasi.dev".to_owned() }
}

fn takedown(package: &str) -> Step {
    let package = package.parse().unwrap();
    Step::Takedown { package, version: None, reason: "x".to_owned(), lifted: false, not_after: None }
}

/// `ops` (20 and 21, both must agree) has `import` and `takedown` over `a*`, `importer` (22) `import` over everything.
fn start() -> World {
    let mut world = World::claimed();
    let powers = [Power::Import, Power::Takedown];
    let ops = Grant { threshold: 2, scope: names(&["a*"]), ..grant("ops", &[20, 21], &powers) };
    let importer = grant("importer", &[22], &[Power::Import]);
    world.run(&LogName::Operator, vec![Step::Grant(ops), Step::Grant(importer)], &[1, 2]).unwrap();
    world
}

#[test]
fn a_namespace_is_imported_once_unless_it_has_owners_here() {
    let rows: Vec<Try<'_>> = vec![
        (vec![import("abc")], &[20, 21], ""),
        (vec![import("abc")], &[20], "needs the agreement"),
        (vec![import("wasi")], &[20, 21], "of the role `importer`"),
        (vec![import("wasi")], &[22], ""),
        (vec![import("wasi")], &[1, 3], ""),
        (vec![import("wasi")], &[PUBLISHING, COMMIT, 1], "needs the agreement"),
        (vec![import("acme")], &[1, 2], "the namespace `acme` has owners here"),
        (vec![import("abc"), import("abcd")], &[20, 21], ""),
        (vec![import("wasi"), revoke("importer", &[]), import("other")], &[1, 2], ""),
    ];
    tries(&start(), &LogName::Operator, rows);
    let mut world = start();
    let act = world.act(&LogName::Operator, vec![import("wasi"), import("abc")]).encode();
    let carried = world.try_carry(&LogName::Operator, &act, &endorsed(&act, &[1, 2])).unwrap();
    let entries = OperatorRecord::decode(&carried.contents).unwrap().entries;
    let entry = |namespace: &str| OperatorEntry::ImportNamespace {
        namespace: namespace.parse().unwrap(),
        registry: "wasi.dev".to_owned(),
    };
    assert_eq!(entries, [entry("wasi"), entry("abc")]);
    world.run(&LogName::Operator, vec![import("wasi")], &[22]).unwrap();
    refuses(world.run(&LogName::Operator, vec![import("wasi")], &[1, 2]), "is imported already");
    let wasi: LogName = "wasi".parse().unwrap();
    let begun = world.run(&wasi, vec![init(&[90], 1)], &[90, PUBLISHING]);
    refuses(begun, "`wasi` is imported from wasi.dev");
    let state = &world.states[&LogName::Operator];
    assert_eq!(state.imported_from(&"wasi".parse().unwrap()), Some("wasi.dev"));
    assert_eq!(state.imported_from(&"acme".parse().unwrap()), None);
    assert_eq!(state.imports().len(), 1);
}

#[test]
fn v1_sees_grants_then_imports_then_revokes() {
    let mut log = Log::begun();
    let steps = vec![
        revoke("commit", &[COMMIT]),
        import("wasi"),
        takedown("acme:hello"),
        Step::Grant(more("commit", &[20])),
        Step::Grant(grant("ops", &[21], &[])),
    ];
    let act = log.act(steps).encode();
    let entries = log.carry(&act, &[1, 2]).unwrap();
    let kinds: Vec<&str> = entries
        .iter()
        .map(|entry| match entry {
            OperatorEntry::GrantFlat { key: granted, .. } if granted == key(20).public() => "grant",
            OperatorEntry::ImportNamespace { .. } => "import",
            OperatorEntry::RevokeFlat { key_id, .. } if *key_id == key(COMMIT).public().id() => "revoke",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["grant", "import", "revoke"]);
}

#[test]
fn content_is_taken_down_by_namespace() {
    let rows: Vec<Try<'_>> = vec![
        (vec![takedown("acme:hello")], &[20, 21], ""),
        (vec![takedown("acme:hello")], &[20], "needs the agreement"),
        (vec![takedown("wasi:http")], &[20, 21], "of the role `owner`, it has 0"),
        (vec![takedown("wasi:http")], &[1, 2], ""),
        (vec![takedown("acme:hello")], &[22], "needs the agreement"),
        (vec![takedown("acme:hello")], &[50, 51, PUBLISHING, COMMIT], "needs the agreement"),
    ];
    tries(&start(), &LogName::Operator, rows);
    refuses(start().run(&acme(), vec![takedown("acme:hello")], &[50, 51]), "it is no step of a log");
    let mut world = start();
    world.wait(7);
    let until = Some(world.time.plus_seconds(10));
    let said = |version: Option<&str>, lifted, not_after| Step::Takedown {
        package: "acme:hello".parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        reason: "malware".to_owned(),
        lifted,
        not_after,
    };
    let steps =
        vec![said(None, false, None), said(Some("1.0.0"), false, until), said(Some("1.0.0"), true, until)];
    let act = world.act(&LogName::Operator, steps).encode();
    let changes = world.try_carry(&LogName::Operator, &act, &endorsed(&act, &[20, 21])).unwrap().changes;
    let (record, time) = (changes.state.head().unwrap(), world.time);
    let one = |version: Option<&str>, lifted, not_after| Takedown {
        package: "acme:hello".parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        reason: "malware".to_owned(),
        lifted,
        not_after,
        record,
        time,
    };
    let all = [one(None, false, None), one(Some("1.0.0"), false, until), one(Some("1.0.0"), true, until)];
    assert_eq!(changes.takedowns, all);
    let holds = |seconds| all.each_ref().map(|takedown| takedown.holds_at(time.plus_seconds(seconds)));
    assert_eq!([holds(10), holds(11)], [[true, true, false], [true, false, false]]);
}

#[test]
fn a_version_is_kept_back_by_what_was_said_last_of_it_and_by_what_was_of_its_package() {
    let package: PackageName = "acme:hello".parse().unwrap();
    let [one, two]: [Version; 2] = ["1.0.0", "2.0.0"].map(|version| version.parse().unwrap());
    let record = RecordId::from_digest(Digest::of(b"x"));
    let now = Time::from_seconds(100);
    let said = |version: Option<&Version>, lifted, not_after: Option<i64>| Takedown {
        package: package.clone(),
        version: version.cloned(),
        reason: "a\u{1b}[2Jb".to_owned(),
        lifted,
        not_after: not_after.map(Time::from_seconds),
        record,
        time: now,
    };
    let mut all = Takedowns::default();
    let rows = [
        (said(Some(&one), false, None), [true, false]),
        (said(None, true, None), [true, false]),
        (said(None, false, Some(100)), [true, true]),
        (said(Some(&one), true, None), [true, true]),
        (said(None, false, Some(99)), [false, false]),
        (said(Some(&two), false, None), [false, true]),
        (said(Some(&two), false, Some(50)), [false, false]),
        (said(None, false, None), [true, true]),
        (said(None, true, None), [false, false]),
    ];
    for (place, (one_more, held)) in rows.into_iter().enumerate() {
        all.follow(&one_more);
        let holds = [&one, &two].map(|version| all.of(&package, version, now).is_some());
        assert_eq!(holds, held, "{place}");
        assert_eq!(all.touches(&package, now), held[0] || held[1], "{place}");
        assert!(!all.touches(&"acme:other".parse().unwrap(), now));
    }
    assert!(!all.is_empty(), "a quarantine that is over");
    let (over, one_more) = (said(Some(&two), false, Some(50)), said(Some(&one), false, None));
    let one_less = said(Some(&one), true, None);
    assert_eq!(Takedowns::from_iter([over, one_more, one_less]), all);
    all.follow(&said(Some(&two), true, None));
    assert!(all.is_empty());
    let words = said(Some(&one), false, Some(100)).to_string();
    let until =
        r"`acme:hello@1.0.0` is in quarantine until 1970-01-01T00:01:40Z: a\u{1b}[2Jb (record sha256:";
    assert!(words.starts_with(until), "{words}");
    let words = said(None, false, None).to_string();
    assert!(words.starts_with(r"`acme:hello` was taken down: a\u{1b}[2Jb (record "), "{words}");
}

/// "What must be shown", f: acts of every kind by the owners, and v1 knows commit keys alone.
#[test]
fn only_commit_keys_stand_in_the_operators_v1_fields() {
    let mut log = Log::begun();
    for (role, seeds, power) in [
        ("definer", [30, 31], Power::Define),
        ("rescuer", [32, 33], Power::Recover),
        ("publisher", [34, 35], Power::Publish),
        ("importer", [36, 37], Power::Import),
        ("remover", [38, 39], Power::Takedown),
    ] {
        assert_eq!(log.grant(grant(role, &seeds, &[power]), &[1, 2]).unwrap(), []);
        let lose = log.act(vec![revoke(role, &seeds[..1])]).encode();
        assert_eq!(log.carry(&lose, &[1, 2]).unwrap(), []);
    }
    assert_eq!(log.grant(more(OWNER, &[40]), &[1, 2]).unwrap(), []);
    let known: Vec<&KeyId> = log.state.v1_keys().collect();
    let ids: BTreeSet<KeyId> = publics(&[COMMIT, 5]).iter().map(PublicKey::id).collect();
    assert_eq!(known, ids.iter().collect::<Vec<_>>());
    for seed in [1, COMMIT, 5, PUBLISHING, 31, 35, 40] {
        let id = key(seed).public().id();
        assert_eq!(log.state.knows_in_v1(&id), ids.contains(&id), "{seed}");
    }
}
