//! The kept corpus passes through the targets, and so do mutations of it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wargate_client::Request;
use wargate_component::Inspection;
use wargate_core::act::Act;
use wargate_core::authority::role::RoleId;
use wargate_core::authority::{Admission, Annotation, Release, State, Takedown};
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_core::envelope::Envelope;
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::page::Page;
use wargate_core::map::proof::MapProofBundle;
use wargate_core::map::segment;
use wargate_core::note::Verifier;
use wargate_core::record::{OperatorRecord, PackageRecord};
use wargate_fuzz_targets::{TARGETS, Target, component, find};
use wargate_wire::docker::DockerConfig;
use wargate_wire::oci::manifest::{Manifest, ManifestType};

/// Most files that one target keeps.
const FILES_MAX: usize = 30;

/// Largest corpus, in bytes.
const CORPUS_BYTES_MAX: usize = 500 * 1000;

/// Memory of the process that parses, in bytes: a target that needs more has found something.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// How long one input may take on a busy machine, unoptimized.
const TIME_MAX: Duration = Duration::from_secs(10);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn limit_memory() {
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_BYTES_MAX), maximum }).unwrap();
}

#[track_caller]
fn run(target: &Target, what: &str, bytes: &[u8]) {
    let start = Instant::now();
    (target.run)(bytes);
    assert!(start.elapsed() < TIME_MAX, "{}: {what} took {:?}", target.name, start.elapsed());
}

#[test]
fn every_target_keeps_a_small_corpus_and_nothing_else_is_kept() {
    let mut total = 0;
    for target in TARGETS {
        let files = files(target.name);
        assert!((1..=FILES_MAX).contains(&files.len()), "{}: {} files", target.name, files.len());
        for (path, bytes) in files {
            assert!(bytes.len() <= target.bytes_max, "{}: {} bytes", path.display(), bytes.len());
            total += bytes.len();
        }
    }
    assert!(total <= CORPUS_BYTES_MAX, "{total} bytes");
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(find(&name).is_some(), "`{name}` is the corpus of no target");
    }
}

#[test]
fn the_kept_corpus_passes_through_its_targets() {
    limit_memory();
    for target in TARGETS {
        for (path, bytes) in files(target.name) {
            run(target, &path.display().to_string(), &bytes);
        }
        run(target, "nothing", b"");
    }
}

#[test]
fn every_prefix_of_the_corpus_has_an_answer() {
    limit_memory();
    for target in TARGETS {
        for (path, bytes) in files(target.name) {
            // Beginnings of a large file say little that those of a small one don't.
            for end in (0..bytes.len()).take(400) {
                run(target, &path.display().to_string(), &bytes[..end]);
            }
        }
    }
}

#[test]
fn huge_lengths_and_deep_nesting_are_answered_at_once() {
    limit_memory();
    let inputs = [
        // A protobuf field that declares 4 GiB, and one that declares 2^63 bytes.
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        // Groups within groups, 100,000 deep; lists and objects as deep.
        vec![0x0b; 100_000],
        vec![b'['; 100_000],
        b"{\"a\":".repeat(20_000),
        [&u32::MAX.to_be_bytes()[..], &[0; 64]].concat(),
    ];
    for target in TARGETS {
        for (index, input) in inputs.iter().enumerate() {
            run(target, &format!("input {index}"), input);
        }
    }
}

/// A target, and whether its parser takes these bytes.
type Taken = (&'static str, fn(&[u8]) -> bool);

#[test]
fn the_seeds_are_what_they_say() {
    let taken: &[Taken] = &[
        ("act", |bytes| Act::decode(bytes).is_ok()),
        ("checkpoint_note", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let text_alone = Checkpoint::parse_note_text(text).is_ok();
            text_alone || peek_note(text).is_ok() || Verifier::from_vkey(text).is_ok()
        }),
        ("docker_config", |bytes| DockerConfig::decode(bytes).is_ok()),
        ("envelope", |bytes| Envelope::decode(&bytes.to_vec().into()).is_ok()),
        ("inspection", |bytes| serde_json::from_slice::<Inspection>(bytes).is_ok()),
        ("ledger_state", |bytes| {
            let state = State::decode(bytes).is_ok() || Release::decode(bytes).is_ok();
            let fact = RoleId::decode(bytes).is_ok() || Admission::decode(bytes).is_ok();
            state || fact || Annotation::decode(bytes).is_ok() || Takedown::decode(bytes).is_ok()
        }),
        ("map_page", |bytes| Page::decode(bytes).is_ok()),
        ("map_segment", |bytes| segment::decode(bytes, 1).is_ok()),
        ("oci_manifest", |bytes| {
            let kind = ManifestType::ALL.get(usize::from(bytes[0])).map(|kind| kind.as_str());
            Manifest::parse(kind, &bytes[1..]).is_ok()
        }),
        ("proofs", |bytes| LogProofBundle::decode(bytes).is_ok() || MapProofBundle::decode(bytes).is_ok()),
        ("request", |bytes| Request::parse(std::str::from_utf8(bytes).unwrap()).is_ok()),
        ("record", |bytes| PackageRecord::decode(bytes).is_ok() || OperatorRecord::decode(bytes).is_ok()),
    ];
    for (target, is_taken) in taken {
        for (path, bytes) in files(target) {
            if path.file_name().unwrap().to_str().unwrap().starts_with("seed-") {
                assert!(is_taken(&bytes), "{}", path.display());
            }
        }
    }
}

#[test]
fn the_target_for_names_makes_components_that_are_valid_but_for_the_name() {
    let valid = |name: &[u8]| wargate_component::inspect(&component::with_import(name)).is_ok();
    assert!(valid(b"a") && valid(b"wasi:http/types@0.2.0") && !valid(b"a:b") && !valid(b""));
    assert!(valid("a".repeat(300).as_bytes()));
}

/// What is done to a file: where, with which byte, and how.
type Change = (prop::sample::Index, u8, u8);

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, value, how) in changes {
        let end = bytes.len();
        let at = at.index(end + 1);
        match how {
            0 if at < end => bytes[at] = *value,
            1 if at < end => bytes[at] = bytes[at].wrapping_add(1),
            2 if at < end => drop(bytes.remove(at)),
            3 => {
                // A piece again, as lists are made long.
                let piece = bytes[at..end.min(at + usize::from(*value))].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.insert(at, *value),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_of_the_corpus_have_an_answer(
        pick: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5u8), 1..8),
    ) {
        thread_local!(static FILES: Vec<(&'static Target, Vec<Vec<u8>>)> = TARGETS
            .iter()
            .map(|target| (target, files(target.name).into_iter().map(|(_, bytes)| bytes).collect()))
            .collect());
        FILES.with(|all| {
            for (target, files) in all {
                run(target, "a mutation", &changed(files[pick.index(files.len())].clone(), &changes));
            }
        });
    }

    #[test]
    fn random_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for target in TARGETS {
            run(target, "random bytes", &bytes);
        }
    }

    #[test]
    fn bytes_like_protobuf_have_an_answer(
        fields in prop::collection::vec((0u8..20, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let field = |(number, body): &(u8, Vec<u8>)| {
            let mut bytes = vec![number << 3 | 2, body.len() as u8];
            bytes.extend(body);
            bytes
        };
        let bytes: Vec<u8> = fields.iter().flat_map(field).collect();
        for target in TARGETS {
            run(target, "protobuf", &bytes);
        }
    }

    #[test]
    fn names_of_all_sorts_have_an_answer(name in "[a-c:/@0-9.A\\-\\[\\]=<>]{0,30}") {
        component::name(name.as_bytes());
    }
}
