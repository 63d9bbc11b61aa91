//! The corpus of real and hostile files beside the checkout, and mutations of it: nothing panics, hangs or aborts. The
//! fuzz targets with a corpus of their own are in `fuzz/targets`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

mod support;

use proptest::prelude::*;
use support::{files, read, timed};
use wargate_component::limits::IN_PROCESS_BYTES_MAX;
use wargate_component::{Inspection, Layer, Refused, agree, artifact, inspect, prepass};
use wargate_core::digest::Digest;

/// What an in-process caller does with a stranger's bytes.
fn fuzz_inspect(bytes: &[u8]) {
    let Ok(cost) = prepass(bytes) else {
        assert!(inspect(bytes).is_err(), "what the pre-pass refuses is refused");
        return;
    };
    if cost.in_process()
        && let Ok(inspection) = inspect(bytes)
    {
        fuzz_inspection(bytes, &inspection);
    }
}

/// What is made of an inspection holds together.
fn fuzz_inspection(bytes: &[u8], inspection: &Inspection) {
    let text = serde_json::to_vec(inspection).unwrap();
    assert_eq!(serde_json::from_slice::<Inspection>(&text).unwrap(), *inspection);
    let version = semver::Version::new(1, 0, 0);
    let _ = agree(inspection, "acme", "app", &version);
    let layer = Layer { digest: Digest::of(bytes), size: bytes.len() as u64 };
    let made = artifact(layer, inspection, "app", &version);
    assert_eq!(made, artifact(layer, inspection, "app", &version));
    serde_json::from_slice::<serde_json::Value>(&made.manifest).unwrap();
    assert!(!text.contains(&0x1b), "no raw terminal escape gets out");
}

/// Files of all folders that are small enough to mutate often.
fn small_files() -> Vec<Vec<u8>> {
    let folders = ["components", "modules", "wit-wasm", "made", "hostile"];
    let all = folders.iter().flat_map(|folder| files(folder, ".wasm")).map(|file| read(&file));
    all.filter(|bytes| bytes.len() as u64 <= IN_PROCESS_BYTES_MAX).collect()
}

#[test]
fn the_hostile_corpus_passes_through_the_targets() {
    for file in files("hostile", ".wasm") {
        let bytes = read(&file);
        timed(&file, || fuzz_inspect(&bytes));
    }
}

#[test]
fn a_panic_of_the_wit_decoder_is_a_refusal() {
    // A valid package whose world is turned into something that the decoder holds impossible.
    let mut bytes = read("made/test-store@1.3.0.wasm");
    assert_eq!(std::mem::replace(&mut bytes[186], 0), 2);
    let refused = inspect(&bytes).unwrap_err();
    assert!(matches!(&refused, Refused::Wit { message } if message.contains("failed")), "{refused}");
}

#[test]
fn every_prefix_of_a_small_component_has_an_answer() {
    for file in ["made/implements-extid.wasm", "made/diamond-bundled.wasm", "made/test-store@1.1.0.wasm"] {
        let bytes = read(file);
        for end in 0..bytes.len() {
            fuzz_inspect(&bytes[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_after_a_header_have_an_answer(
        component: bool,
        mut tail in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let mut bytes = if component { b"\0asm\x0d\0\x01\0".to_vec() } else { b"\0asm\x01\0\0\0".to_vec() };
        bytes.append(&mut tail);
        fuzz_inspect(&bytes);
    }

    #[test]
    fn mutated_corpus_files_have_an_answer(
        pick: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8),
    ) {
        thread_local!(static FILES: Vec<Vec<u8>> = small_files());
        let mut bytes = FILES.with(|files| files[pick.index(files.len())].clone());
        for (at, value, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes[at] = bytes[at].wrapping_add(1),
                2 => bytes.insert(at, value),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        fuzz_inspect(&bytes);
    }
}
