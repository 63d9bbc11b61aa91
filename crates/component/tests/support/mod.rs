//! The corpus of real, made and hostile files beside the checkout.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long any one file may take, measured generously: the time that an inspector gets.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(20);

/// Where the corpus is: `WARGATE_CORPUS`, or beside the checkout.
pub(crate) fn corpus() -> PathBuf {
    let folder = std::env::var_os("WARGATE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from);
    assert!(folder.join("README.md").is_file(), "no corpus in {}: set WARGATE_CORPUS", folder.display());
    folder
}

/// One file's bytes.
pub(crate) fn read(file: &str) -> Vec<u8> {
    let path = corpus().join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder that end in `ending`, as `folder/name`, sorted.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(corpus().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> =
        names.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {folder}");
    files
}

/// Runs it and holds it to the time bound.
pub(crate) fn timed<T>(file: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < TIME_MAX, "{file} took {:?}", start.elapsed());
    result
}
