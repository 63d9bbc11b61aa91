//! The limits of a file's shape, each below, at and above (`spec/components.md`, "Hostile input").
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use wargate_component::limits::{
    CUSTOM_SECTIONS_MAX, DECLARED_COUNT_MAX, MODULES_AND_COMPONENTS_MAX, NESTING_MAX, SECTIONS_MAX,
};
use wargate_component::{Refused, prepass};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(body.len() as u64), body].concat()
}

/// So many components, each in the one before.
fn nested(levels: u64) -> Vec<u8> {
    let mut file = COMPONENT.to_vec();
    for _ in 1..levels {
        file = [COMPONENT, &section(4, &file)].concat();
    }
    file
}

/// A component with so many empty modules beside each other.
fn modules(count: u64) -> Vec<u8> {
    let one = section(1, MODULE);
    [COMPONENT.to_vec(), (0..count).flat_map(|_| one.clone()).collect()].concat()
}

fn customs(count: u64) -> Vec<u8> {
    let one = section(0, b"\x01x");
    [MODULE.to_vec(), (0..count).flat_map(|_| one.clone()).collect()].concat()
}

/// A component with so many sections that hold nothing.
fn sections(count: u64) -> Vec<u8> {
    let one = section(7, &[0]);
    [COMPONENT.to_vec(), (0..count).flat_map(|_| one.clone()).collect()].concat()
}

/// A component that says it has so many types, and has none.
fn declared(count: u64) -> Vec<u8> {
    [COMPONENT, &section(7, &leb(count))].concat()
}

/// A kind of file, its limit, what its refusal is called, and whether the limit alone speaks against the largest.
type Row = (&'static str, u64, fn(u64) -> Vec<u8>);

const ROWS: &[Row] = &[
    ("levels of nesting", NESTING_MAX, nested),
    ("modules and components", MODULES_AND_COMPONENTS_MAX, modules),
    ("custom sections", CUSTOM_SECTIONS_MAX, customs),
    ("sections", SECTIONS_MAX, sections),
    ("declarations in one section", DECLARED_COUNT_MAX, declared),
];

#[test]
fn each_limit_of_a_files_shape_is_refused_above_and_not_below() {
    for (what, most, make) in ROWS {
        for (count, too_many) in [(most - 1, false), (*most, false), (most + 1, true)] {
            let answer = prepass(&make(count));
            let is_limit = match &answer {
                Err(Refused::Limit { what: found, .. }) => {
                    assert!(found.contains(what), "{what} {count}: {found}");
                    true
                }
                _ => false,
            };
            assert_eq!(is_limit, too_many, "{what} {count}: {answer:?}");
        }
    }
}
