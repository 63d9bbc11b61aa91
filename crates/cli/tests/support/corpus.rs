//! The corpus of real, made and hostile files beside the checkout.

use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Where the corpus is: `WARGATE_CORPUS`, or beside the checkout.
fn corpus() -> PathBuf {
    let folder = std::env::var_os("WARGATE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from);
    assert!(folder.join("README.md").is_file(), "no corpus in {}: set WARGATE_CORPUS", folder.display());
    folder
}

/// One file's bytes.
pub(crate) fn read(file: &str) -> Bytes {
    let path = corpus().join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// The `.wasm` files of some folders, sorted, with their bytes.
pub(crate) fn files(folders: &[&str]) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(corpus().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.extend(names.filter(|name| name.ends_with(".wasm")).map(|name| format!("{folder}/{name}")));
    }
    files.sort();
    assert!(files.len() > folders.len(), "too few files in {folders:?}");
    files
        .into_iter()
        .map(|file| {
            let bytes = read(&file);
            (file, bytes)
        })
        .collect()
}

/// The files that an inspection takes.
pub(crate) fn good() -> Vec<(String, Bytes)> {
    let mut good = files(&["components", "modules", "wit-wasm", "made"]);
    good.retain(|(file, _)| !file.contains("-legacy-"));
    good
}
