//! The folder of a backup, and the mark on what was restored.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::collections::BTreeMap;
use std::fs;

use wargate_store::backup_folder::{BACKUP_FORMAT, put_small_files, small_files};
use wargate_store::{BackupFolder, BackupFolderError, BackupRecord, DataFolder, LedgerCopy, Restored};

fn record(ledger: &str) -> BackupRecord {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let ledger = LedgerCopy { file: ledger.to_owned(), bytes: 1, digest: digest.clone() };
    BackupRecord {
        format: BACKUP_FORMAT.to_owned(),
        made: "2026-01-01T00:00:00Z".to_owned(),
        origin: "a.example/log".to_owned(),
        size: 7,
        root: digest.clone(),
        map_root: digest,
        time: 1,
        laid_down: 6,
        ledger,
        objects: 0,
        files: BTreeMap::new(),
        keys: false,
    }
}

#[test]
fn the_former_ledger_stays_until_the_new_backup_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    let folder = BackupFolder::create(&path).unwrap();
    let first = folder.next_ledger(None);
    fs::write(folder.file(first), "1").unwrap();
    folder.finish(&record(first)).unwrap();
    let second = folder.next_ledger(Some(&record(first)));
    assert_ne!(first, second);
    fs::write(folder.file(second), "2").unwrap();
    assert_eq!(folder.record().unwrap().unwrap().ledger.file, first);
    assert!(folder.file(first).exists());
    folder.finish(&record(second)).unwrap();
    assert!(!folder.file(first).exists() && folder.file(second).exists());
    drop(folder);
    assert_eq!(BackupFolder::open(&path).unwrap().1, record(second));
}

#[test]
fn a_backup_has_one_user_and_nothing_else_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    let folder = BackupFolder::create(&path).unwrap();
    assert!(matches!(BackupFolder::create(&path), Err(BackupFolderError::InUse { .. })));
    assert!(matches!(BackupFolder::open(&path), Err(BackupFolderError::Unfinished { .. })));
    folder.finish(&record("ledger-a.sqlite")).unwrap();
    assert!(matches!(BackupFolder::open(&path), Err(BackupFolderError::InUse { .. })));
    drop(folder);
    fs::write(path.join("holiday.jpg"), "").unwrap();
    let error = BackupFolder::create(&path).unwrap_err().to_string();
    assert!(error.contains("holiday.jpg"), "{error}");
}

#[test]
fn a_record_of_another_format_or_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = BackupFolder::create(dir.path()).unwrap();
    let good = record("ledger-a.sqlite");
    let newer = BackupRecord { format: "wargate backup, format 2".to_owned(), ..good.clone() };
    let outside = record("../ledger-a.sqlite");
    let no_root = BackupRecord { root: "none".to_owned(), ..good };
    for (bad, word) in [(newer, "format 2"), (outside, "no ledger"), (no_root, "no checkpoint")] {
        folder.finish(&bad).unwrap();
        let error = folder.record().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn small_files_go_with_a_backup_and_lead_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(DataFolder::open(&data).unwrap());
    fs::write(data.join("origin"), "a.example/log\n").unwrap();
    fs::write(data.join("notes.bin"), [0xff, 0xfe]).unwrap();
    let (files, others) = small_files(&data).unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["format", "origin"]);
    assert_eq!(others, ["notes.bin"]);
    let to = dir.path().join("to");
    drop(DataFolder::open(&to).unwrap());
    put_small_files(&files, &to).unwrap();
    assert_eq!(fs::read_to_string(to.join("origin")).unwrap(), "a.example/log\n");
    for name in ["../out", "/tmp/out", "", ".."] {
        let files = BTreeMap::from([(name.to_owned(), String::new())]);
        assert!(put_small_files(&files, &to).is_err(), "{name}");
    }
    let other = BTreeMap::from([("format".to_owned(), "wargate data folder, format 9\n".to_owned())]);
    assert!(put_small_files(&other, &to).unwrap_err().to_string().contains("format 9"));
}

#[test]
fn a_mark_stays_until_it_is_taken_away_and_does_not_keep_readers_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Restored::Unfinished.mark(&data).unwrap();
    assert!(DataFolder::look_into(&data).is_err(), "it has no format yet");
    drop(DataFolder::open(&data).unwrap());
    assert_eq!(Restored::read(&data).unwrap(), Some(Restored::Unfinished));
    let risk = Restored::ForkRisk { backup: "the backup of yesterday".to_owned() };
    risk.mark(&data).unwrap();
    drop(DataFolder::open(&data).unwrap());
    DataFolder::look_into(&data).unwrap();
    assert_eq!(Restored::read(&data).unwrap(), Some(risk));
    // Whatever else it says, it is a mark.
    fs::write(data.join("restored"), "").unwrap();
    assert_eq!(Restored::read(&data).unwrap(), Some(Restored::Unfinished));
    Restored::clear(&data).unwrap();
    Restored::clear(&data).unwrap();
    assert_eq!(Restored::read(&data).unwrap(), None);
}
