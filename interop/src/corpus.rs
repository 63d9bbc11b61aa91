//! The real components and WIT packages kept beside the checkout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");

/// A file of the corpus, by the word that it can be published under.
pub type Files = BTreeMap<String, PathBuf>;

/// All components and WIT packages.
///
/// # Panics
/// If the corpus is not there or suspiciously small.
pub fn components_and_wit() -> Files {
    let mut files = Files::new();
    for folder in ["components", "wit-wasm"] {
        let folder = Path::new(CORPUS).join(folder);
        let entries =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension() == Some("wasm".as_ref()))
        {
            let word = kebab(path.file_stem().unwrap().to_str().unwrap());
            let other = files.insert(word.clone(), path);
            assert!(other.is_none(), "two files would be published as {word}");
        }
    }
    assert!(files.len() >= 20, "only {} files in {CORPUS}", files.len());
    files
}

/// One small component.
pub fn small_component() -> PathBuf {
    Path::new(CORPUS).join("components/hello.wasm")
}

/// Another small component.
pub fn other_component() -> PathBuf {
    Path::new(CORPUS).join("components/greeter.wasm")
}

/// The file's name as a Warg package name's second part: words that begin with a letter.
fn kebab(stem: &str) -> String {
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let v = if word.starts_with(|c: char| c.is_ascii_digit()) { "v" } else { "" };
        format!("{v}{}", word.to_ascii_lowercase())
    });
    words.collect::<Vec<_>>().join("-")
}

#[test]
fn file_names_become_package_names() {
    assert_eq!(kebab("wasi-http@0.2.0_wkg"), "wasi-http-v0-v2-v0-wkg");
    assert_eq!(kebab("wasm-tools.component"), "wasm-tools-component");
}
