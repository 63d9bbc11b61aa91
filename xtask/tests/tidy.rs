//! The house rules that a machine can check: sizes, names, layers, and that stated invariants have a test.
//!
//! The Rust files are read by a scanner that blanks comments and literals and then counts braces; that is enough
//! for code that rustfmt has formatted. Not here: what clippy, rustfmt or cargo-deny check already.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the checkout has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod scan {
    //! Rust source with everything blanked that is not code; line breaks stay where they were.

    /// The source without comments, and with empty string and character literals.
    pub(super) fn code_of(source: &str) -> String {
        let mut code = String::with_capacity(source.len());
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let skipped = blank_len(rest, code.chars().next_back());
            if skipped == 0 {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                let (blank, after) = rest.split_at(skipped);
                code.push(' ');
                code.extend(blank.chars().filter(|c| *c == '\n'));
                rest = after;
            }
        }
        code
    }

    /// How many bytes of the comment or literal that `text` begins with; 0 if it begins with neither.
    fn blank_len(text: &str, before: Option<char>) -> usize {
        let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if text.starts_with("//") {
            return text.find('\n').unwrap_or(text.len());
        }
        if text.starts_with("/*") {
            return block_comment_len(text);
        }
        if text.starts_with('"') {
            return quoted_len(text, '"');
        }
        if text.starts_with('\'') {
            return char_literal_len(text);
        }
        // r"…", r#"…"#, br#"…"#; b"…" needs nothing: its b stays, its literal is blanked.
        if !in_word && let Some(raw) = text.strip_prefix("br").or_else(|| text.strip_prefix('r')) {
            let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
            if raw[hashes..].starts_with('"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let start = text.len() - raw.len() + hashes + 1;
                return text[start..].find(&end).map_or(text.len(), |at| start + at + end.len());
            }
        }
        0
    }

    fn block_comment_len(text: &str) -> usize {
        let (mut depth, mut at) = (0, 0);
        while at < text.len() {
            if text[at..].starts_with("/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if text[at..].starts_with("*/") {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        text.len()
    }

    fn quoted_len(text: &str, quote: char) -> usize {
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => return at + c.len_utf8(),
                _ => {}
            }
        }
        text.len()
    }

    /// A character literal, not the quote of a lifetime.
    fn char_literal_len(text: &str) -> usize {
        let mut chars = text.chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some('\\'), _) => quoted_len(text, '\''),
            (Some(c), Some('\'')) => 2 + c.len_utf8(),
            _ => 0,
        }
    }

    /// A function: its name, the line of its `fn` (from 1), and how many lines it takes.
    #[derive(Debug, PartialEq)]
    pub(super) struct Function {
        pub(super) name: String,
        pub(super) line: usize,
        pub(super) lines: usize,
    }

    /// All functions with a body, those inside other functions and macros included.
    pub(super) fn functions(code: &str) -> Vec<Function> {
        let named = words_after(code, &["fn"]);
        named
            .filter_map(|(at, name)| {
                let end = body_end(&code[at..])? + at;
                let line = 1 + code[..at].matches('\n').count();
                Some(Function { name: name.to_owned(), line, lines: 1 + code[at..end].matches('\n').count() })
            })
            .collect()
    }

    /// Where the braces of the item end; `None` if it ends with a semicolon before any.
    fn body_end(item: &str) -> Option<usize> {
        let (mut depth, mut braces) = (0_i32, 0_i32);
        for (at, c) in item.char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                ';' if depth == 0 && braces == 0 => return None,
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The word after each occurrence of one of the keywords, with the keyword's place.
    pub(super) fn words_after<'a>(
        code: &'a str,
        keywords: &'a [&str],
    ) -> impl Iterator<Item = (usize, &'a str)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        code.match_indices(is_word).filter_map(move |(at, _)| {
            let starts = !code[..at].ends_with(is_word);
            let keyword = keywords.iter().find(|keyword| code[at..].starts_with(**keyword))?;
            let after = code[at + keyword.len()..].strip_prefix(char::is_whitespace)?.trim_start();
            let word = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
            (starts && !word.is_empty()).then_some((at, word))
        })
    }
}

use scan::{code_of, functions, words_after};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const ARCHITECTURE_LINES_MAX: usize = 250;

/// Words that name nothing: a type called so has not been thought about.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Handler", "Info"];

/// Which crates of ours each crate may depend on. Arrows go down only; tests (dev-dependencies) may look further.
const LAYERS: &[(&str, &[&str])] = &[
    ("wargate-core", &[]),
    ("wargate-wire", &["wargate-core"]),
    ("wargate-component", &["wargate-core"]),
    ("wargate-registry", &["wargate-core", "wargate-component", "wargate-wire"]),
    ("wargate-store", &["wargate-core", "wargate-registry"]),
    ("wargate-server", &["wargate-core", "wargate-component", "wargate-wire", "wargate-registry"]),
    ("wargate-client", &["wargate-core", "wargate-wire"]),
    // It judges us, so it shares nothing with us, and nothing of the product needs it.
    ("wargate-conformance", &[]),
    (
        "wargate-cli",
        &[
            "wargate-core",
            "wargate-wire",
            "wargate-component",
            "wargate-registry",
            "wargate-store",
            "wargate-server",
            "wargate-client",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All files of the checkout with the extension, as (path from the root, text).
fn files(extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir()
                && !path.is_symlink()
                && !["target", "node_modules"].contains(&name)
                && (!name.starts_with('.') || name == ".ci")
            {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|its| its == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no .{extension} file in {}", root().display());
    let read = |path: PathBuf| {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(root()).unwrap().display().to_string(), text)
    };
    found.into_iter().map(read).collect()
}

/// Fails with all that was found, one a line.
#[track_caller]
fn expect_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn files_and_functions_are_short() {
    let (mut files_too_long, mut functions_too_long) = (Vec::new(), Vec::new());
    for (path, text) in ["rs", "js"].into_iter().flat_map(files) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            files_too_long.push(format!("{path}: {lines}"));
        }
    }
    for (path, text) in files("rs") {
        for function in
            functions(&code_of(&text)).iter().filter(|function| function.lines > FUNCTION_LINES_MAX)
        {
            functions_too_long
                .push(format!("{path}:{}: {} has {}", function.line, function.name, function.lines));
        }
    }
    expect_none(&format!("files of more than {FILE_LINES_MAX} lines"), &files_too_long);
    expect_none(&format!("functions of more than {FUNCTION_LINES_MAX} lines"), &functions_too_long);
}

#[test]
fn type_names_say_something() {
    let mut offenders = Vec::new();
    for (path, text) in files("rs") {
        let code = code_of(&text);
        for (at, name) in words_after(&code, &["struct", "enum", "trait", "union", "type"]) {
            // An associated type's name is the trait's choice.
            let associated = code[at..].starts_with("type") && code[..at].ends_with("    ");
            // `Data` says as little, but only at the end: a `DataFolder` is the folder that `--data` names.
            let empty = camel_words(name).any(|word| EMPTY_WORDS.contains(&word)) || name.ends_with("Data");
            if empty && !associated {
                offenders.push(format!("{path}: {name}"));
            }
        }
    }
    expect_none(&format!("type names with one of {EMPTY_WORDS:?}"), &offenders);
}

/// `HttpService2` -> `Http`, `Service2`.
fn camel_words(name: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = name.match_indices(char::is_uppercase).map(|(at, _)| at).collect();
    starts.push(name.len());
    (1..starts.len()).map(move |i| &name[starts[i - 1]..starts[i]])
}

#[test]
fn nothing_is_left_to_be_done() {
    // Spelled in two parts, so that this file passes its own check.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    let mut offenders = Vec::new();
    for (path, text) in ["rs", "toml"].into_iter().flat_map(files) {
        for (number, line) in text.lines().enumerate() {
            let marked = line.split(|c: char| !c.is_alphanumeric()).any(|word| marks.contains(&word));
            if marked || macros.iter().any(|text| line.contains(text)) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    expect_none("unfinished", &offenders);
}

#[test]
fn crates_and_modules_say_what_they_are_for() {
    let undocumented: Vec<String> = files("rs")
        .into_iter()
        .filter(|(path, text)| {
            path.contains("src/") && !path.ends_with("/tests.rs") && !text.starts_with("//! ")
        })
        .map(|(path, _)| path)
        .collect();
    expect_none("files that do not begin with a `//!` sentence", &undocumented);
}

#[test]
fn dependencies_between_our_crates_go_down_only() {
    let mut offenders = Vec::new();
    for (path, text) in files("toml").into_iter().filter(|(path, _)| is_crate_manifest(path)) {
        let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            offenders.push(format!("{name} has no place in LAYERS yet"));
            continue;
        };
        for dependency in our_dependencies(&manifest) {
            if !allowed.contains(&dependency.as_str()) {
                offenders.push(format!("{name} -> {dependency}"));
            }
        }
    }
    expect_none("dependencies against the layers", &offenders);
}

fn is_crate_manifest(path: &str) -> bool {
    let of_product =
        path.strip_prefix("crates/").is_some_and(|path| path.split('/').nth(1) == Some("Cargo.toml"));
    of_product || path == "conformance/Cargo.toml"
}

/// Crates of ours that the product needs, for any target; renamed ones by their own name.
fn our_dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let tables = std::iter::once(manifest).chain(targets);
    let tables = tables.flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")]);
    let dependencies = tables.flatten().filter_map(toml::Value::as_table).flatten();
    let names = dependencies.map(|(key, value)| match value.get("package") {
        Some(package) => package.as_str().unwrap_or(key).to_owned(),
        None => key.clone(),
    });
    names.filter(|name| name.starts_with("wargate-")).collect()
}

#[test]
fn stated_invariants_name_a_test_that_exists() {
    let path = root().join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).expect("ARCHITECTURE.md at the root");
    let lines = text.lines().count();
    assert!(
        lines <= ARCHITECTURE_LINES_MAX,
        "ARCHITECTURE.md has {lines} lines, at most {ARCHITECTURE_LINES_MAX}"
    );

    let tests: BTreeSet<String> = files("rs").iter().flat_map(|(_, text)| tests_in(&code_of(text))).collect();
    let invariants = invariants(&text);
    assert!(!invariants.is_empty(), "ARCHITECTURE.md states no invariant");
    let offenders: Vec<String> = invariants
        .into_iter()
        .filter(|(_, test)| !test.as_ref().is_some_and(|test| tests.contains(test)))
        .map(|(sentence, test)| format!("{sentence} -> {}", test.as_deref().unwrap_or("names no test")))
        .collect();
    expect_none("invariants without a test", &offenders);
}

/// Each `Invariant:` paragraph with the last part of the test that it names as `test: path::to::name`.
fn invariants(text: &str) -> Vec<(String, Option<String>)> {
    let paragraphs =
        text.split("Invariant:").skip(1).map(|after| after.split("\n\n").next().unwrap_or(after));
    let named = paragraphs.map(|paragraph| {
        let test = paragraph.split_once("`test: ").and_then(|(_, after)| after.split_once('`'));
        let sentence = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        (sentence, test.map(|(test, _)| test.rsplit("::").next().unwrap_or(test).trim().to_owned()))
    });
    named.collect()
}

/// Functions with a test attribute within the few lines before them.
fn tests_in(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let is_test = |line: usize| {
        let above =
            lines[..line - 1].iter().rev().take_while(|line| !line.contains('}') && !line.trim().is_empty());
        above.take(6).any(|line| line.contains("test]") || line.contains("test("))
    };
    functions(code)
        .into_iter()
        .filter(|function| is_test(function.line))
        .map(|function| function.name)
        .collect()
}

#[test]
fn the_scanner_reads_rust() {
    let source = r##"
// fn comment() { }
/* fn nested /* fn deeper() {} */ () {} */
fn one<'a>(x: [u8; 2], c: &'a str) -> char {
    let text = "} \" {";
    let raw = r#"fn raw() { "quoted" {"#;
    if text == raw { '{' } else { '\'' }
}
trait T { fn declared(&self) -> [u8; 4]; }
#[test]
fn two() {}
"##;
    let code = code_of(source);
    assert_eq!(code.matches('\n').count(), source.matches('\n').count());
    let found: Vec<_> = functions(&code).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("one".to_owned(), 4, 5), ("two".to_owned(), 11, 1)]);
    assert_eq!(tests_in(&code), ["two"]);
    assert_eq!(camel_words("HttpServiceInfo").collect::<Vec<_>>(), ["Http", "Service", "Info"]);
    let text = "Invariant: a, always (`test: sim::a_holds`). Invariant: b.\n\n`test: not_of_b`";
    let found: Vec<_> = invariants(text).into_iter().map(|(_, test)| test).collect();
    assert_eq!(found, [Some("a_holds".to_owned()), None]);
}
