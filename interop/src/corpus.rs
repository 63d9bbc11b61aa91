//! The real components and WIT packages kept beside the checkout.

use std::path::{Path, PathBuf};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");

/// A file of the corpus, and what it is published as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// `NS:NAME`.
    pub package: String,
    /// The version.
    pub version: String,
    /// The file.
    pub file: PathBuf,
}

/// All components, modules and WIT packages that can be in one registry, in order of their packages.
///
/// A WIT package says its own name and version, and a registry holds it to that; what says nothing is called after its
/// file.
///
/// # Panics
/// If the corpus is not there or suspiciously small.
pub fn releases() -> Vec<Release> {
    let named = |file: PathBuf| {
        let package = format!("test:{}", kebab(stem(&file)));
        Release { package, version: "1.0.0".to_owned(), file }
    };
    let files = ["components", "modules"].iter().flat_map(|folder| wasm_files(folder));
    let mut releases: Vec<Release> = files.map(named).collect();
    releases.extend(wasm_files("wit-wasm").into_iter().filter(|file| !is_canonical(file)).map(wit));
    releases.sort();
    assert!(releases.len() >= 30, "only {} files in {CORPUS}", releases.len());
    releases
}

/// A WIT package that another one of the corpus has the name and version of; it is written with canonical names.
///
/// # Panics
/// If the corpus has none.
pub fn canonical_names() -> Release {
    wit(wasm_files("wit-wasm").into_iter().find(|file| is_canonical(file)).expect("the corpus has one"))
}

fn is_canonical(file: &Path) -> bool {
    stem(file).ends_with("_canonical-names")
}

/// `wasi-http@0.2.0` and whatever follows `_`: the package and its version.
fn wit(file: PathBuf) -> Release {
    let name = stem(&file).split('_').next().unwrap_or_default();
    let (package, version) = name.split_once('@').expect("NS-NAME@VERSION");
    let (package, version) = (package.replacen('-', ":", 1), version.to_owned());
    Release { package, version, file }
}

fn wasm_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(CORPUS).join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension() == Some("wasm".as_ref())).collect()
}

fn stem(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).expect("a file name in UTF-8")
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
