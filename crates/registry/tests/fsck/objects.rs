//! Every kind of object, damaged in every way.

use std::path::Path;

use crate::world::{check, copy, lines, options};

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(usize),
    Truncate,
    Lengthen,
    Empty,
    Remove,
}

const HARMS: [Harm; 8] = [
    Harm::Flip(0),
    Harm::Flip(77),
    Harm::Flip(3_333),
    Harm::Flip(usize::MAX),
    Harm::Truncate,
    Harm::Lengthen,
    Harm::Empty,
    Harm::Remove,
];

fn harm(path: &Path, harm: Harm) {
    let mut bytes = std::fs::read(path).unwrap();
    match harm {
        Harm::Flip(bit) => {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Harm::Truncate => bytes.truncate(bytes.len() / 2),
        Harm::Lengthen => bytes.push(0),
        Harm::Empty => bytes.clear(),
        Harm::Remove => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

fn walk(folder: &Path, under: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder.join(under)).unwrap().map(Result::unwrap) {
        let path = format!("{under}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            walk(folder, &path, found);
        } else {
            found.push(path);
        }
    }
}

/// All objects below a folder, the longest way to count first.
fn all(dir: &Path, under: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&dir.join("objects"), under, &mut found);
    found.sort();
    found
}

/// One of each kind that the issued checkpoint needs.
fn kinds(dir: &Path) -> Vec<String> {
    let note = std::fs::read_to_string(dir.join("objects/log/checkpoint")).unwrap();
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    let width = size % 256;
    assert!(size > 256 && width > 0);
    let mut kinds =
        vec!["log/checkpoint".to_owned(), format!("log/map/{size}"), "log/tile/1/000.p/1".to_owned()];
    for folder in ["tile/0", "tile/entries", "records", "names"] {
        kinds.push(format!("log/{folder}/000"));
        kinds.push(format!("log/{folder}/001.p/{width}"));
    }
    kinds.push(all(dir, "blobs").pop().unwrap());
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_object_is_named_alone_and_made_anew_whatever_happens_to_it() {
    let dir = copy().await;
    for path in kinds(dir.path()) {
        let file = dir.path().join("objects").join(&path);
        let sound = std::fs::read(&file).unwrap();
        for kind in HARMS {
            harm(&file, kind);
            let report = check(dir.path(), &options()).await;
            let named: Vec<String> = report.damage.iter().map(wargate_registry::fsck::Damage::what).collect();
            assert_eq!(named, [path.as_str()], "{kind:?}: {:?}", lines(&report));
            assert!(!report.is_clean());
            let mut repair = options();
            repair.repair = true;
            let repaired = check(dir.path(), &repair).await;
            if path.starts_with("blobs/") {
                assert!(
                    !repaired.is_clean() && lines(&repaired)[0].contains("restore"),
                    "{:?}",
                    lines(&repaired)
                );
                std::fs::write(&file, &sound).unwrap();
            } else {
                assert!(repaired.is_clean(), "{kind:?}: {:?}", lines(&repaired));
                assert_eq!(std::fs::read(&file).unwrap(), sound, "{path} {kind:?}");
            }
        }
    }
    let report = check(dir.path(), &options()).await;
    assert_eq!(lines(&report), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_of_a_kind_that_were_swapped_are_both_named() {
    let dir = copy().await;
    let blobs = all(dir.path(), "blobs");
    let kinds = kinds(dir.path());
    let mut segments = all(dir.path(), "log/map");
    segments.sort_by_key(|path| path.rsplit('/').next().unwrap().parse::<u64>().unwrap());
    let last = segments.pop().unwrap();
    let mut pairs = vec![(blobs[0].clone(), blobs[1].clone()), (segments[1].clone(), last)];
    for full in kinds.iter().filter(|path| path.ends_with("/000")) {
        let partial = kinds.iter().find(|path| path.starts_with(&full.replace("/000", "/001"))).unwrap();
        pairs.push((full.clone(), partial.clone()));
    }
    for (one, other) in pairs {
        let file = |path: &String| dir.path().join("objects").join(path);
        let bytes = (std::fs::read(file(&one)).unwrap(), std::fs::read(file(&other)).unwrap());
        std::fs::write(file(&one), &bytes.1).unwrap();
        std::fs::write(file(&other), &bytes.0).unwrap();
        let report = check(dir.path(), &options()).await;
        let mut named: Vec<String> = report.damage.iter().map(wargate_registry::fsck::Damage::what).collect();
        named.sort();
        let mut pair = [one.clone(), other.clone()];
        pair.sort();
        assert_eq!(named, pair, "{:?}", lines(&report));
        if one.starts_with("blobs/") {
            std::fs::write(file(&one), &bytes.0).unwrap();
            std::fs::write(file(&other), &bytes.1).unwrap();
            continue;
        }
        let mut repair = options();
        repair.repair = true;
        assert!(check(dir.path(), &repair).await.is_clean());
        assert_eq!(std::fs::read(file(&one)).unwrap(), bytes.0);
        assert_eq!(std::fs::read(file(&other)).unwrap(), bytes.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_static_files_together_are_made_anew_from_the_ledger() {
    let dir = copy().await;
    let before = all(dir.path(), "log");
    let bytes: Vec<Vec<u8>> =
        before.iter().map(|path| std::fs::read(dir.path().join("objects").join(path)).unwrap()).collect();
    std::fs::remove_dir_all(dir.path().join("objects/log")).unwrap();
    let report = check(dir.path(), &options()).await;
    assert!(!report.is_clean());
    let mut repair = options();
    repair.repair = true;
    let repaired = check(dir.path(), &repair).await;
    assert!(repaired.is_clean(), "{:?}", lines(&repaired));
    assert_eq!(lines(&check(dir.path(), &options()).await), Vec::<String>::new());
    for (path, bytes) in before.iter().zip(bytes) {
        // Partial files of older checkpoints need not come back.
        if let Ok(now) = std::fs::read(dir.path().join("objects").join(path)) {
            assert_eq!(now, bytes, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nothing_names_is_a_note_and_no_damage() {
    let dir = copy().await;
    let objects = dir.path().join("objects");
    let strays = ["log/tile/9/000", "log/nothing", "log/map/99999", "blobs/sha256/ab/cd", "log/records/007"];
    for path in strays {
        std::fs::create_dir_all(objects.join(path).parent().unwrap()).unwrap();
        std::fs::write(objects.join(path), b"stray").unwrap();
    }
    let report = check(dir.path(), &options()).await;
    assert!(report.is_clean() && report.damage.is_empty());
    for path in strays {
        assert!(report.notes.iter().any(|note| note.starts_with(path)), "{path}: {:?}", report.notes);
    }
}
