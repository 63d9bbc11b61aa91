//! What a ledger keeps of what a record said: rows, found by what they are about.

use super::world::*;
use super::*;
use AnnotationKind::Note;

/// What the steps change, done by the log's owners and `ci`.
fn changes(world: &mut World, log: &LogName, steps: Vec<Step>) -> Changes {
    let act = world.act(log, steps).encode();
    world.try_carry(log, &act, &endorsed(&act, &[1, 2, ALICE])).unwrap().changes
}

fn takedown(version: Option<&str>, lifted: bool, not_after: Option<Time>) -> Step {
    Step::Takedown {
        package: "acme:hello".parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        reason: "malware".to_owned(),
        lifted,
        not_after,
    }
}

/// A key may begin the v1 logs of these packages.
fn admitted(world: &mut World, names: &[&str]) -> Changes {
    let admit = |name: &&str| Step::Admit { name: (*name).to_owned(), key: key(70).public().clone() };
    let act = world.act(&acme(), names.iter().map(admit).collect()).encode();
    world.try_carry(&acme(), &act, &endorsed(&act, &ACME)).unwrap().changes
}

#[test]
fn a_record_makes_a_row_of_each_thing_that_it_says() {
    let mut world = World::released();
    let ci = world.states[&hello()].role("ci").unwrap().made;
    let said = changes(&mut world, &hello(), vec![revoke("ci", &[]), annotate(Note, "1.0.0", "a")]);
    let rows = said.fact_rows();
    assert!(rows.keys().eq(["dead ci", "note 1.0.0"]), "{rows:?}");
    assert_eq!(RoleId::decode(&rows[&dead_role_key("ci")]).unwrap(), ci);
    assert_eq!(Annotation::decode(&rows[&Annotation::key_of(Note, "1.0.0")]).unwrap(), said.annotations[0]);
    let [from, to] = TAKEDOWN_KEYS;
    assert!(rows.keys().all(|key| !(from..to).contains(&key.as_str())));

    let until = Some(world.time.plus_seconds(9));
    let steps = vec![takedown(None, true, None), takedown(Some("1.0.0"), false, until)];
    let said = changes(&mut world, &LogName::Operator, steps);
    let rows = said.fact_rows();
    assert!(rows.keys().eq(["takedown acme:hello", "takedown acme:hello@1.0.0"]), "{rows:?}");
    assert!(rows.keys().all(|key| (from..to).contains(&key.as_str())));
    for takedown in &said.takedowns {
        assert_eq!(Takedown::decode(&rows[&takedown.key()]).unwrap(), *takedown);
    }
    assert_eq!(changes(&mut world, &hello(), vec![release("1.0.0")]).fact_rows(), BTreeMap::new());

    let said = admitted(&mut world, &["hello", "http-types"]);
    let rows = said.fact_rows();
    let of = |name| format!("admitted {name} {}", key(70).public().id());
    assert!(rows.keys().eq([&of("hello"), &of("http-types")]), "{rows:?}");
    for admission in &said.admitted {
        assert_eq!(Admission::decode(&rows[&admission.row_key()]).unwrap(), *admission);
    }
}

#[test]
fn what_was_said_last_of_a_thing_is_its_row() {
    let mut world = World::released();
    let said = changes(&mut world, &hello(), vec![annotate(Note, "", "a"), annotate(Note, "", "b")]);
    let rows: Vec<Vec<u8>> = said.fact_rows().into_values().collect();
    assert_eq!(rows, [said.annotations[1].encode()]);
}

/// Whether bytes are a row of one kind.
type Decode = fn(&[u8]) -> Result<(), StateError>;

#[test]
fn only_what_encoding_makes_is_a_row() {
    let mut world = World::released();
    let steps = vec![revoke("ci", &[]), annotate(Note, "1.0.0", "a")];
    let mut rows: Vec<Vec<u8>> = changes(&mut world, &hello(), steps).fact_rows().into_values().collect();
    let steps = vec![takedown(Some("1.0.0"), false, None)];
    rows.extend(changes(&mut world, &LogName::Operator, steps).fact_rows().into_values());
    rows.extend(admitted(&mut world, &["hello"]).fact_rows().into_values());
    let decode: [Decode; 4] = [
        |row| RoleId::decode(row).map(drop),
        |row| Annotation::decode(row).map(drop),
        |row| Takedown::decode(row).map(drop),
        |row| Admission::decode(row).map(drop),
    ];
    for (row, decode) in rows.iter().zip(decode) {
        decode(row).unwrap();
        let unknown_field = [&row[..], &[0xf8, 0x01, 0x01]].concat();
        assert_eq!(decode(&unknown_field), Err(StateError::NotCanonical));
        assert_eq!(decode(&[]), Err(StateError::Format { found: 0 }));
        assert!(matches!(decode(&row[..2]), Err(StateError::Field { .. })), "the format alone");
        assert!(matches!(decode(&row[..row.len() - 1]), Err(StateError::Decode { .. })));
    }
}

#[test]
fn what_was_said_last_holds_until_it_is_withdrawn() {
    let mut world = World::released();
    let mut say = |subject: &str, value: &str| {
        world.run(&hello(), vec![annotate(Note, subject, value)], &[ALICE]).unwrap();
        let facts = &world.facts[&hello()];
        ["1.0.0", "", "2.0.0"].map(|subject| facts.said(Note, subject).map(str::to_owned))
    };
    let some = |value: &str| Some(value.to_owned());
    assert_eq!(say("1.0.0", "a"), [some("a"), None, None]);
    assert_eq!(say("", "b"), [some("a"), some("b"), None]);
    assert_eq!(say("1.0.0", "c"), [some("c"), some("b"), None]);
    assert_eq!(say("1.0.0", ""), [None, some("b"), None]);
    assert_eq!(world.facts[&hello()].said(AnnotationKind::Deprecate, ""), None, "of another kind");
}

#[test]
fn facts_are_counted_of_every_kind() {
    assert!(Facts::default().is_empty());
    let mut world = World::released();
    let steps =
        vec![release("1.0.0"), release("2.0.0"), annotate(Note, "", "a"), annotate(Note, "1.0.0", "a")];
    world.run(&hello(), steps, &[ALICE]).unwrap();
    world.run(&hello(), vec![revoke("ci", &[])], &[ALICE]).unwrap();
    let mut facts = world.facts[&hello()].clone();
    facts.claimed.extend(["acme", "tools", "wasi"].map(|name| name.parse::<Namespace>().unwrap()));
    facts.admitted.extend(admitted(&mut world, &["a", "b", "c", "d"]).admitted);
    let [releases, dead, places, claimed, said, admitted] = [2, 1, 3, 3, 2, 4];
    let all = releases + dead + places + claimed + said + admitted;
    assert_eq!((facts.len(), facts.is_empty()), (all, false));
}

/// A ledger writes a state anew only with what changes it.
#[test]
fn a_record_that_only_releases_moves_a_state_and_no_more() {
    let mut world = World::released();
    let moves_only = |world: &mut World, steps: Vec<Step>| changes(world, &hello(), steps).moves_only;
    assert!(moves_only(&mut world, vec![release("1.0.0")]));
    assert!(moves_only(&mut world, vec![release("1.0.0"), annotate(Note, "1.0.0", "a")]));
    // It is remembered until its window ends.
    assert!(!moves_only(&mut world, vec![annotate(Note, "", "a")]));
    assert!(!moves_only(&mut world, vec![release("1.0.0"), Step::Grant(grant("more", &[9], &[]))]));
    world.run(&hello(), vec![annotate(Note, "", "a")], &[ALICE]).unwrap();
    assert!(moves_only(&mut world, vec![release("1.0.0")]));
    world.wait(61);
    assert!(!moves_only(&mut world, vec![release("1.0.0")]), "what was remembered is forgotten");

    let first = World::claimed();
    let init = Step::Init { keys: publics(&[ALICE]), threshold: 1 };
    let mut world = first.clone();
    let act = world.act(&hello(), vec![init, release("1.0.0")]).encode();
    let begun = world.try_carry(&hello(), &act, &endorsed(&act, &[ALICE, STARTER])).unwrap().changes;
    assert!(!begun.moves_only);
}

#[test]
fn a_state_that_moved_is_the_same_but_for_its_head() {
    let mut world = World::released();
    let before = world.state(&hello());
    world.run(&hello(), vec![release("1.0.0")], &[ALICE]).unwrap();
    let after = world.state(&hello());
    assert_eq!(before.clone().moved_to(after.head().unwrap(), world.time, before.length() + 1), after);
    assert_ne!(before.clone().moved_to(after.head().unwrap(), world.time, before.length()), after);
    assert_ne!(
        before.clone().moved_to(after.head().unwrap(), world.time.plus_seconds(1), after.length()),
        after
    );
    assert_ne!(before.moved_to(world.states[&acme()].head().unwrap(), world.time, after.length()), after);
}
