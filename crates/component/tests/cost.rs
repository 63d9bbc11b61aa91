//! Small valid files that would hold a validator up for long, each by another road, and that the pre-pass stops.
//!
//! In none of them does the product of instantiations and exports pass its limit; it is the work that does
//! (`limits::WORK_MAX`). Sizes are such that each would take seconds, most of them gigabytes.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

use std::time::{Duration, Instant};

use wargate_component::limits::INSTANTIATIONS_TIMES_EXPORTS_MAX;
use wargate_component::{Refused, inspect, prepass};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn leb(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(n & 0x7f).unwrap();
        n >>= 7;
        if n == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

fn vec(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<_> = items.into_iter().collect();
    [leb(items.len()), items.concat()].concat()
}

fn text(name: &str) -> Vec<u8> {
    [leb(name.len()), name.as_bytes().to_vec()].concat()
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [vec![id], leb(body.len()), body.to_vec()].concat()
}

/// `(instance (export "r0" (type (sub resource))) …)`
fn resources(count: usize) -> Vec<u8> {
    let exports =
        (0..count).map(|i| [b"\x04\0".to_vec(), text(&format!("r{i}")), b"\x03\x01".to_vec()].concat());
    [b"\x42".to_vec(), vec(exports)].concat()
}

/// `(import "a0" (instance (type 0))) …`
fn instance_imports(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|i| [b"\0".to_vec(), text(&format!("a{i}")), b"\x05\0".to_vec()].concat())
}

/// One instance type, imported over and over in many components: 20 × 240 × 4,000 resources in 76 kB.
fn imported_everywhere(components: usize, imports: usize, exports: usize) -> Vec<u8> {
    let alias_outer = section(6, &vec([b"\x03\x02\x01\0".to_vec()]));
    let inner = [COMPONENT, &alias_outer, &section(10, &vec(instance_imports(imports)))].concat();
    let types = section(7, &vec([resources(exports)]));
    [COMPONENT.to_vec(), types, section(4, &inner).repeat(components)].concat()
}

/// The same within component types, which nobody even instantiates.
fn imported_in_types(types: usize, imports: usize, exports: usize) -> Vec<u8> {
    let alias = b"\x02\x03\x02\x01\0".to_vec();
    let declarations = instance_imports(imports).map(|import| [b"\x03".to_vec(), import].concat());
    let ty = [b"\x41".to_vec(), vec(std::iter::once(alias).chain(declarations))].concat();
    let all = std::iter::once(resources(exports)).chain(std::iter::repeat_n(ty, types));
    [COMPONENT.to_vec(), section(7, &vec(all))].concat()
}

/// A component whose exports are instances, each with many exports of its own: the product counts one level.
fn exports_of_exports(instantiations: usize, instances: usize, exports: usize) -> Vec<u8> {
    let ty = [b"\x01".to_vec(), resources(exports)].concat();
    let outer =
        (0..instances).map(|i| [b"\x04\0".to_vec(), text(&format!("a{i}")), b"\x05\0".to_vec()].concat());
    let component = [b"\x41".to_vec(), vec(std::iter::once(ty).chain(outer))].concat();
    let import = section(10, &vec([[b"\0".to_vec(), text("c"), b"\x04\0".to_vec()].concat()]));
    let instances = section(5, &vec(std::iter::repeat_n(b"\0\0\0".to_vec(), instantiations)));
    [COMPONENT.to_vec(), section(7, &vec([component])), import, instances].concat()
}

/// Pairs of pairs of pairs: a type whose expanded form is compared at every instantiation.
fn compared(levels: usize, instantiations: usize) -> Vec<u8> {
    let pairs = (0..levels).map(|i| [b"\x6f\x02".to_vec(), leb(i), leb(i)].concat());
    let types = std::iter::once(b"\x6f\x02\x7d\x7d".to_vec()).chain(pairs);
    let func = [b"\x40\x01".to_vec(), text("p"), leb(levels), b"\x01\0".to_vec()].concat();
    let types = section(7, &vec(types.chain([func])));
    let import = section(10, &vec([[b"\0".to_vec(), text("f"), b"\x01".to_vec(), leb(levels + 1)].concat()]));
    let both = [COMPONENT.to_vec(), types, import].concat();
    let instance = [b"\0\0\x01".to_vec(), text("f"), b"\x01\0".to_vec()].concat();
    let instances = section(5, &vec(std::iter::repeat_n(instance, instantiations)));
    [both.clone(), section(4, &both), instances].concat()
}

/// A core module with many imports, instantiated over and over.
fn core_instances(imports: usize, instantiations: usize) -> Vec<u8> {
    let func = section(1, &vec([b"\x60\0\0".to_vec()]));
    let import = |i: usize| [text(""), text(&format!("{i:x}")), b"\0\0".to_vec()].concat();
    let export = |i: usize| [text(&format!("{i:x}")), b"\0\0".to_vec()].concat();
    let taker = [MODULE.to_vec(), func.clone(), section(2, &vec((0..imports).map(import)))].concat();
    let exports = section(7, &vec((0..imports).map(export)));
    let body = section(10, &vec([b"\x02\0\x0b".to_vec()]));
    let giver = [MODULE.to_vec(), func, section(3, &vec([b"\0".to_vec()])), exports, body].concat();
    let with = [b"\0\0\x01".to_vec(), text(""), b"\x12\0".to_vec()].concat();
    let instances = std::iter::once(b"\0\x01\0".to_vec()).chain(std::iter::repeat_n(with, instantiations));
    [COMPONENT.to_vec(), section(1, &taker), section(1, &giver), section(2, &vec(instances))].concat()
}

#[test]
fn what_multiplies_is_stopped_on_every_road() {
    for (road, bytes) in [
        ("imports", imported_everywhere(20, 240, 4_000)),
        ("imports in types", imported_in_types(20, 240, 4_000)),
        ("exports of exports", exports_of_exports(4, 240, 4_000)),
        ("comparisons", compared(16, 4_000)),
        ("core instances", core_instances(4_000, 4_000)),
    ] {
        let start = Instant::now();
        let refused = prepass(&bytes);
        assert!(matches!(refused, Err(Refused::TooCostly { .. })), "{road}: {refused:?}");
        assert!(start.elapsed() < Duration::from_secs(1), "{road} took {:?}", start.elapsed());
    }
}

#[test]
fn the_same_files_on_a_small_scale_are_valid_and_cheap() {
    for (road, bytes) in [
        ("imports", imported_everywhere(2, 3, 4)),
        ("imports in types", imported_in_types(2, 3, 4)),
        ("exports of exports", exports_of_exports(2, 3, 4)),
        ("comparisons", compared(3, 2)),
        ("core instances", core_instances(4, 3)),
    ] {
        let cost = prepass(&bytes).unwrap();
        assert!(cost.in_process() && cost.product() < INSTANTIATIONS_TIMES_EXPORTS_MAX, "{road}: {cost:?}");
        let inspected = inspect(&bytes);
        assert!(inspected.is_ok(), "{road}: {inspected:?}");
    }
}

#[test]
fn work_grows_with_what_the_validator_does() {
    let work = |bytes: Vec<u8>| prepass(&bytes).unwrap().work;
    assert!(work(imported_everywhere(10, 10, 100)) >= 10 * 10 * 100);
    assert!(work(imported_in_types(10, 10, 100)) >= 10 * 10 * 100);
    assert!(work(exports_of_exports(10, 10, 100)) >= 10 * 10 * 100);
    assert!(work(compared(8, 100)) >= 100 * (1 << 8));
    assert!(work(core_instances(100, 100)) >= 100 * 100);
}

#[test]
fn a_file_at_the_limit_of_the_callers_process_is_inspected_soon() {
    let bytes = imported_everywhere(4, 10, 300);
    let cost = prepass(&bytes).unwrap();
    assert!(cost.in_process() && cost.work > 20_000, "{cost:?}");
    let start = Instant::now();
    inspect(&bytes).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn types_that_export_each_other_in_a_long_chain_are_refused_before_they_can_overflow_a_stack() {
    let link = |i: usize| {
        let alias = [b"\x02\x03\x02\x01".to_vec(), leb(i)].concat();
        let export = [b"\x04\0".to_vec(), text("x"), b"\x05\0".to_vec()].concat();
        [b"\x42".to_vec(), vec([alias, export])].concat()
    };
    let chain = std::iter::once(resources(1)).chain((0..20_000).map(link));
    let bytes = [COMPONENT.to_vec(), section(7, &vec(chain))].concat();
    let refused = prepass(&bytes);
    assert!(matches!(refused, Err(Refused::Limit { .. })), "{refused:?}");
}
