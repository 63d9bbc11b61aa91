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
    let decode: [Decode; 3] = [
        |row| RoleId::decode(row).map(drop),
        |row| Annotation::decode(row).map(drop),
        |row| Takedown::decode(row).map(drop),
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
