//! What is read of a delegated record before, or without, judging it.

use super::world::*;
use super::*;
use crate::record::PackageRecord;
use crate::v1::package::RECORD_VERSION;

fn ids(seeds: &[u8]) -> Vec<KeyId> {
    let ids: BTreeSet<KeyId> = publics(seeds).iter().map(PublicKey::id).collect();
    ids.into_iter().collect()
}

fn contents(world: &World) -> Bytes {
    world.given.last().unwrap().1.envelope.contents.clone()
}

#[test]
fn a_record_tells_its_time_its_act_and_who_endorsed_it() {
    let mut world = World::claimed();
    world.wait(3);
    let act = world.act(&hello(), vec![init(&[ALICE], 1), release("1.0.0")]);
    let carried = world.try_carry(&hello(), &act.encode(), &endorsed(&act.encode(), &[ALICE, STARTER]));
    world.settle(&hello(), carried.unwrap());
    let first = contents(&world);
    let all = Told { time: world.time, act: Some(act), endorsers: ids(&[ALICE, STARTER]) };
    assert_eq!(told(&first, Layer::Package, true).unwrap(), all);
    assert_eq!(endorsers(&first, true).unwrap(), all.endorsers);

    world.run(&LogName::Operator, vec![Step::Grant(more("commit", &[20]))], &[1, 2]).unwrap();
    let record = told(&contents(&world), Layer::Operator, false).unwrap();
    assert_eq!((record.act.unwrap().steps.len(), record.endorsers), (1, ids(&[1, 2])));
    // Another layer's record has another shape.
    refuses(told(&contents(&world), Layer::Package, false), "");
}

#[test]
fn a_carrier_record_tells_of_no_act_and_begins_no_log() {
    let world = World::released();
    let prev = world.states[&hello()].head();
    let record = PackageRecord { prev, version: RECORD_VERSION, time: world.time, entries: Vec::new() };
    let carrier = Bytes::from(record.encode());
    let nothing = Told { time: world.time, act: None, endorsers: Vec::new() };
    assert_eq!(told(&carrier, Layer::Package, false).unwrap(), nothing);
    assert_eq!(endorsers(&carrier, false).unwrap(), []);
    refuses(told(&carrier, Layer::Package, true), "a delegated log begins with one");
    refuses(endorsers(&carrier, true), "a delegated log begins with one");
}

#[test]
fn the_operators_first_record_tells_the_exact_bytes_of_its_act() {
    let world = World::new();
    assert_eq!(first_act(&contents(&world)).unwrap(), genesis().encode());
    let unknown_field = [&contents(&world)[..], &[0xf8, 0x01, 0x01]].concat();
    refuses(first_act(&unknown_field.into()), "not canonically encoded");
}
