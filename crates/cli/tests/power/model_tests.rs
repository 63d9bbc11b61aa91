//! What may be left of small programs.

use std::collections::BTreeSet;

use super::super::image::{Cut, Fate, nodes};
use super::*;

/// A program, a call a word: `new F`, `open F`, `write F TEXT`, `sync F`, `sync .`, `mkdir D`, `mv A B`, `rm F`.
fn run(program: &str) -> Model {
    let mut model = Model::empty();
    for call in program.split("; ") {
        let words: Vec<&str> = call.split(' ').collect();
        let path = PathBuf::from(if words[1] == "." { "" } else { words[1] });
        let open = |create| Act::Open { fd: 1, path: path.clone(), create, truncate: false, append: true };
        let acts = match words[0] {
            "new" => vec![open(true)],
            "write" => {
                let bytes = words[2].as_bytes().to_vec();
                vec![open(false), Act::Write { fd: 1, path: path.clone(), at: None, bytes }]
            }
            "sync" => vec![
                Act::SyncBegins { thread: 1, path: path.clone() },
                Act::SyncEnds { thread: 1, path: path.clone() },
            ],
            "swallowed" => vec![Act::SyncSwallowed { path: path.clone() }],
            "mkdir" => vec![Act::MakeFolder { path: path.clone() }],
            "mv" => vec![Act::Rename { from: path.clone(), to: words[2].into() }],
            "rm" => vec![Act::Remove { path: path.clone() }],
            other => panic!("{other}"),
        };
        for act in acts {
            model.follow(&act).unwrap();
        }
    }
    model
}

/// `a=x b/c=` and so on: every file with its bytes, folders that are empty as `d/`.
fn shown(nodes: &[Node]) -> String {
    fn below(nodes: &[Node], inode: Inode, prefix: &str, found: &mut Vec<String>) {
        let Node::Folder(names) = &nodes[inode] else { panic!("no folder") };
        for (name, target) in names {
            match &nodes[*target] {
                Node::File(bytes) => found.push(format!("{prefix}{name}={}", String::from_utf8_lossy(bytes))),
                Node::Folder(names) if names.is_empty() => found.push(format!("{prefix}{name}/")),
                Node::Folder(_) => below(nodes, *target, &format!("{prefix}{name}/"), found),
            }
        }
    }
    let mut found = Vec::new();
    below(nodes, ROOT, "", &mut found);
    found.join(" ")
}

/// Everything that may be left.
fn left(model: &Model) -> BTreeSet<String> {
    let count = model.pending.len();
    assert!(count < 12, "too many to try all");
    (0..1_u32 << count)
        .map(|kept| {
            let fate = |bit| if kept >> bit & 1 == 1 { Fate::Kept } else { Fate::Lost };
            shown(&nodes(model, &(0..count).map(fate).collect::<Vec<_>>()))
        })
        .collect()
}

#[test]
fn a_power_cut_leaves_what_was_synced_and_any_of_the_rest() {
    for (program, expected) in [
        // Nothing is durable without a sync.
        ("new a; write a x", &["", "a=", "a=x"][..]),
        // A synced file without a synced name is lost.
        ("new a; write a x; sync a", &["", "a=x"]),
        // A synced name without synced bytes is an empty file.
        ("new a; write a x; sync .", &["a=", "a=x"]),
        ("new a; write a x; sync a; sync .", &["a=x"]),
        // What came after the sync is not in it.
        ("new a; write a x; sync a; sync .; write a y", &["a=x", "a=xy"]),
        // Written and renamed without a sync: it may be empty, under either name.
        ("new a; write a x; mv a b; sync .", &["b=", "b=x"]),
        ("new a; sync a; sync .; mv a b", &["a=", "b="]),
        ("new a; write a x; sync a; mv a b; sync .", &["b=x"]),
        // A rename over another file leaves the one or the other.
        ("new a; write a x; sync a; new b; write b y; sync b; sync .; mv b a", &["a=x b=y", "a=y"]),
        // Between folders: both names, and never none.
        ("mkdir d; sync .; new a; sync a; sync .; mv a d/a", &["a= d/", "a= d/a=", "d/a="]),
        ("mkdir d; sync .; new a; sync a; sync .; mv a d/a; sync d", &["a= d/a=", "d/a="]),
        // A folder's name is the folder above's.
        ("mkdir d; new d/a; sync d/a; sync d", &["", "d/a="]),
        ("mkdir d; new d/a; sync d/a; sync d; sync .", &["d/a="]),
        ("mkdir d; new d/a; sync .", &["d/", "d/a="]),
        // What was removed may be back.
        ("new a; sync a; sync .; rm a", &["", "a="]),
        ("new a; sync a; sync .; rm a; sync .", &[""]),
        // Writes are lost in any order; a hole is zeros.
        ("new a; sync .; write a x; write a y", &["a=", "a=x", "a=\0y", "a=xy"]),
        // A sync that was swallowed is none.
        ("new a; write a x; swallowed a; swallowed .", &["", "a=", "a=x"]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(left(&run(program)), expected, "{program}");
    }
}

#[test]
fn long_writes_are_lost_in_pieces_and_torn_in_sectors() {
    let mut model = run("new a; sync .");
    let write = Act::Write { fd: 1, path: "a".into(), at: Some(4000), bytes: vec![1; 4200] };
    model.follow(&write).unwrap();
    assert_eq!(model.pending.len(), 3);
    let Node::File(bytes) = &nodes(&model, &[Fate::Lost, Fate::Torn(1), Fate::Lost])[1] else { panic!() };
    assert_eq!((bytes.len(), bytes.iter().filter(|byte| **byte == 1).count()), (4096 + 512, 512));
    let Node::File(bytes) = &nodes(&model, &[Fate::Kept, Fate::Zeros, Fate::Kept])[1] else { panic!() };
    assert_eq!((bytes.len(), bytes.iter().filter(|byte| **byte == 1).count()), (8200, 104));
}

#[test]
fn a_sync_covers_only_what_was_written_before_it_began() {
    let mut model = run("new a; sync .");
    let write = |text: &[u8]| Act::Write { fd: 1, path: "a".into(), at: None, bytes: text.to_vec() };
    for act in [
        write(b"x"),
        Act::SyncBegins { thread: 1, path: "a".into() },
        write(b"y"),
        Act::SyncEnds { thread: 1, path: "a".into() },
    ] {
        model.follow(&act).unwrap();
    }
    assert_eq!(left(&model), ["a=x".to_owned(), "a=xy".to_owned()].into());
}

#[test]
fn what_is_unknown_is_refused() {
    let write = |fd, path: &str| Act::Write { fd, path: path.into(), at: None, bytes: vec![1] };
    for act in [
        write(9, "a"),
        write(1, "b"),
        Act::SyncEnds { thread: 1, path: "a".into() },
        Act::SyncEnds { thread: 1, path: "b".into() },
        Act::Rename { from: "b".into(), to: "c".into() },
        Act::MakeFolder { path: "d/e".into() },
        Act::MapShared { path: "a".into() },
    ] {
        assert!(run("new a").follow(&act).is_err(), "{act:?}");
    }
    assert!(run("new a-shm").follow(&Act::MapShared { path: "a-shm".into() }).is_ok());
}

#[test]
fn a_seed_always_cuts_the_same() {
    let model = run("new a; write a x; new b; write b y; mkdir d");
    for cut in Cut::first(12, 7) {
        assert_eq!(cut.fates(&model.pending), cut.fates(&model.pending), "{cut:?}");
    }
    assert_eq!(Cut::first(12, 7), Cut::first(12, 7));
    assert_eq!(Cut::first(4, 1)[0], Cut::Nothing);
}
