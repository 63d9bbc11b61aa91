//! The data folder: its lock, its format, and what it refuses to touch.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

use std::fs;

use tempfile::tempdir;
use wargate_store::{DataFolder, FolderError};

#[test]
fn a_new_folder_is_laid_out_and_opens_again() {
    let outer = tempdir().unwrap();
    let dir = outer.path().join("a/b");
    let folder = DataFolder::open(&dir).unwrap();
    assert_eq!(fs::read_to_string(dir.join("format")).unwrap(), "wargate data folder, format 2\n");
    for path in [folder.objects(), folder.uploads(), folder.keys()] {
        assert!(path.is_dir(), "{}", path.display());
    }
    assert_eq!(folder.ledger(), dir.join("ledger.sqlite"));
    drop(folder);
    DataFolder::open(&dir).unwrap();
}

#[cfg(unix)]
#[test]
fn keys_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir().unwrap();
    let keys = DataFolder::open(dir.path()).unwrap().keys();
    assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(DataFolder::open(dir.path()), Err(FolderError::KeysOpen { mode: 0o750, .. })));
}

#[test]
fn a_second_open_is_refused_and_names_the_holder() {
    let dir = tempdir().unwrap();
    let folder = DataFolder::open(dir.path()).unwrap();
    let message = DataFolder::open(dir.path()).unwrap_err().to_string();
    let holder = format!("is in use by process {}; stop it or choose another --data", std::process::id());
    assert!(message.ends_with(&holder), "{message}");
    drop(folder);
    DataFolder::open(dir.path()).unwrap();
}

#[test]
fn other_formats_are_refused_untouched() {
    for format in ["wargate data folder, format 3\n", "", "wargate data folder, format 2", "x"] {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("format"), format).unwrap();
        let error = DataFolder::open(dir.path()).unwrap_err();
        assert!(matches!(error, FolderError::Format { .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_folder_of_other_things_is_refused_untouched() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "").unwrap();
    let error = DataFolder::open(dir.path()).unwrap_err();
    assert!(matches!(&error, FolderError::NotOurs { found, .. } if found == "thesis.txt"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_start_that_was_cut_off_is_taken_up() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("lock"), "4711\n").unwrap();
    fs::write(dir.path().join("format.new"), "warg").unwrap();
    DataFolder::open(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("format")).unwrap(), "wargate data folder, format 2\n");
}

#[test]
fn uploads_that_broke_off_are_removed_and_nothing_else() {
    let dir = tempdir().unwrap();
    let folder = DataFolder::open(dir.path()).unwrap();
    assert_eq!(folder.remove_broken_uploads(false).unwrap().count, 0);
    let uploads = folder.objects().join("uploads");
    fs::create_dir(&uploads).unwrap();
    for name in ["a#1", "b#12", "whole", "odd#", "odd#x1"] {
        fs::write(uploads.join(name), name).unwrap();
    }
    let told = folder.remove_broken_uploads(true).unwrap();
    assert_eq!((told.count, told.bytes), (2, 7));
    assert_eq!(fs::read_dir(&uploads).unwrap().count(), 5);
    assert_eq!(folder.remove_broken_uploads(false).unwrap(), told);
    let mut left: Vec<_> = fs::read_dir(&uploads).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["odd#", "odd#x1", "whole"]);
}
