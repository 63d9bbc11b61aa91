//! Every good file of the corpus is what its README says.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

mod support;

use std::collections::BTreeSet;

use semver::Version;
use support::{files, read, timed};
use wargate_component::inspection::{Extern, Inspection, Sort};
use wargate_component::{Disagreement, Kind, Refused, agree, inspect, prepass};

/// File, kind, imports, exports, as the corpus' README has them: lists in order, cut after a few with the
/// count behind. A core module's imports are its import modules.
const EXPECTED: &str = include_str!("support/corpus.txt");

/// What p3-command-dummy imports is too long for the table.
const UNLISTED: &str = "made/p3-command-dummy.wasm";

fn good(file: &str) -> Inspection {
    let bytes = read(file);
    timed(file, || inspect(&bytes)).unwrap_or_else(|refused| panic!("{file}: {refused}"))
}

/// Compares a list with its description: `a, b, … (11)`.
fn check_list(file: &str, found: &[String], described: &str) {
    let mut named: Vec<&str> = described.split(", ").filter(|name| !name.is_empty()).collect();
    let mut count = named.len();
    if let Some(total) = named.last().and_then(|last| last.strip_prefix("… (")) {
        count = total.trim_end_matches(')').parse().unwrap();
        named.pop();
    }
    assert_eq!(found.len(), count, "{file}: {found:?}");
    assert_eq!(found[..named.len()], named[..], "{file}");
}

fn names(externs: &[Extern]) -> Vec<String> {
    externs.iter().map(|item| item.name.clone()).collect()
}

fn in_first_order(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

#[test]
fn every_good_file_has_the_kind_imports_and_exports_of_the_readme() {
    let mut checked = BTreeSet::from([UNLISTED.to_owned()]);
    for line in EXPECTED.lines() {
        let [file, kind, imports, exports] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let found = good(file);
        assert_eq!(found.kind.as_str(), kind, "{file}");
        let (has_imports, has_exports) = match &found.core {
            None => (names(&found.imports), names(&found.exports)),
            Some(core) => (
                in_first_order(core.imports.iter().map(|import| import.module.clone())),
                core.exports.iter().map(|export| export.name.clone()).collect(),
            ),
        };
        check_list(file, &has_imports, imports);
        check_list(file, &has_exports, exports);
        assert_eq!(found.experimental, ["canonical", "nested-name"].iter().any(|word| file.contains(word)));
        assert_eq!(found.wit.is_some(), found.core.is_none(), "{file}: {:?}", found.warnings);
        assert!(found.warnings.is_empty(), "{file}: {:?}", found.warnings);
        checked.insert(file.to_owned());
    }
    let all = ["components", "modules", "wit-wasm", "made"].iter().flat_map(|folder| files(folder, ".wasm"));
    let unchecked: Vec<_> =
        all.filter(|file| !checked.contains(file) && !file.contains("-legacy-")).collect();
    assert!(unchecked.is_empty(), "not in the table: {unchecked:?}");
}

#[test]
fn a_component_with_async_functions_is_an_ordinary_one() {
    let found = good(UNLISTED);
    assert_eq!((found.kind, found.experimental), (Kind::Component, false));
    assert_eq!(names(&found.exports), ["wasi:cli/run@0.3.2"]);
    assert!(found.imports.iter().any(|import| import.name == "wasi:sockets/types@0.3.2"));
}

#[test]
fn the_dropped_dependency_names_are_refused_as_such() {
    let legacy = files("made", ".wasm").into_iter().filter(|file| file.contains("-legacy-"));
    let mut count = 0;
    for file in legacy {
        let refused = inspect(&read(&file)).unwrap_err();
        let Refused::LegacyNames { name } = refused else { panic!("{file}: {refused}") };
        assert!(name.contains("locked-dep=<test:add"), "{file}: {name}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn attributes_of_names_are_kept() {
    let locked =
        "locked-dep=<test:add@1.2.3>,integrity=<sha256-3Jsf5fsQ/k4Xgx9FFElZMGp6SeA4KZv0O/Mmsj40tKY=>";
    assert_eq!(good("made/locked-extid.wasm").imports[0].external_id.as_deref(), Some(locked));
    let both = good("made/implements-extid.wasm").imports.remove(0);
    assert_eq!(both.implements.as_deref(), Some("test:add-api/add@1.0.0"));
    assert_eq!(both.external_id.as_deref(), Some("unlocked-dep=<test:add@{>=1.0.0 <2.0.0}>"));
    let interface = both.interface.unwrap();
    assert_eq!(
        (&*interface.namespace, &*interface.package, &*interface.interface),
        ("test", "add-api", "add")
    );
    let canonical = good("made/canonical-name.wasm");
    assert_eq!(canonical.features, ["cm-canon-names"]);
    let import = &canonical.imports[0];
    assert_eq!((import.sort, import.version_suffix.as_deref()), (Sort::Instance, Some(".2.3")));
    let interface = import.interface.as_ref().unwrap();
    assert_eq!((interface.version.as_deref(), interface.track.as_deref()), (Some("1.2.3"), Some("1")));
    assert_eq!(good("made/nested-name.wasm").features, ["cm-nested-names"]);
}

#[test]
fn compatible_versions_of_an_interface_share_a_track() {
    for version in ["0.2.0", "0.2.3"] {
        let found = good(&format!("components/dummy_wasi_http_{version}.wasm"));
        let handler = found.exports[0].interface.as_ref().unwrap();
        assert_eq!((handler.version.as_deref(), handler.track.as_deref()), (Some(version), Some("0.2")));
    }
    let unversioned = good("components/shopping-cart-resource.wasm").exports.remove(0).interface.unwrap();
    assert_eq!((unversioned.version, unversioned.track), (None, None));
}

#[test]
fn metadata_producers_and_targets_are_read() {
    let module = good("modules/wasi_snapshot_preview1.command.wasm");
    assert_eq!(module.targets, ["wasi:cli/command@0.2.12"]);
    assert_eq!(module.metadata.producers[0].field, "language");
    assert_eq!(good("modules/eu_licence_core.wasm").metadata.name.as_deref(), Some("main"));
    let signed = good("components/hello_plugin_s.wasm").metadata;
    let sections: Vec<_> = signed.sections.iter().map(|section| (&*section.name, section.size)).collect();
    assert!(sections.contains(&("wasmcloud_jwt", 633)), "{sections:?}");
}

#[test]
fn a_bundle_names_the_digests_of_what_it_holds() {
    let nested: Vec<_> = good("made/diamond-bundled.wasm").nested.into_iter().map(|n| n.digest).collect();
    for part in ["made/add-1.3.0.wasm", "made/mid-1.0.0.wasm"] {
        let digest = wargate_core::digest::Digest::of(&read(part)).to_string();
        assert!(nested.contains(&digest), "{part} is not among {nested:?}");
    }
}

#[test]
fn a_wit_package_shows_its_interfaces_worlds_and_text() {
    let found = good("wit-wasm/wasi-http@0.2.12.wasm");
    let wit = found.wit.unwrap();
    let worlds: Vec<_> = wit.worlds.iter().map(|world| &*world.name).collect();
    assert_eq!(worlds, ["wasi:http/imports@0.2.12", "wasi:http/proxy@0.2.12"]);
    assert!(wit.interfaces[0].types.iter().any(|ty| ty == "incoming-request"));
    assert!(wit.interfaces[0].docs.is_some());
    assert!(wit.foreign.iter().any(|package| package == "wasi:io@0.2.12"));
    assert!(wit.text.unwrap().starts_with("package wasi:http@0.2.12;"));
}

#[test]
fn a_wit_package_agrees_only_with_its_own_name_and_version() {
    let found = good("wit-wasm/wasi-http@0.2.12.wasm");
    let version = Version::new(0, 2, 12);
    assert_eq!(agree(&found, "wasi", "http", &version), Ok(()));
    let name = agree(&found, "wasi", "cli", &version).unwrap_err();
    assert_eq!(name, Disagreement::Name { inside: "wasi:http".into(), release: "wasi:cli".into() });
    let version = agree(&found, "wasi", "http", &Version::new(0, 2, 11)).unwrap_err();
    assert!(matches!(version, Disagreement::Version { inside, .. } if inside == "0.2.12"));
}

#[test]
fn a_component_agrees_unless_its_name_or_version_section_says_otherwise() {
    let version = Version::new(1, 0, 0);
    let mut found = good("made/add-1.2.3.wasm");
    assert_eq!(agree(&found, "test", "add", &version), Ok(()));
    found.metadata.name = Some("main".to_owned());
    assert_eq!(agree(&found, "test", "add", &version), Ok(()), "a debug name is no package name");
    found.metadata.name = Some("test:sub".to_owned());
    assert!(matches!(agree(&found, "test", "add", &version), Err(Disagreement::Name { .. })));
    found.metadata.name = Some("test:add".to_owned());
    found.metadata.version = Some("1.0.1".to_owned());
    assert!(matches!(agree(&found, "test", "add", &version), Err(Disagreement::Version { .. })));
}

#[test]
fn an_inspection_travels_as_json_unchanged() {
    for file in
        ["wit-wasm/wasi-cli@0.3.2.wasm", "modules/template_inspector.wasm", "made/diamond-bundled.wasm"]
    {
        let found = good(file);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Inspection>(&text).unwrap(), found, "{file}");
    }
}

#[test]
fn real_files_stay_far_below_the_limits_on_cost() {
    for file in ["components", "modules", "wit-wasm", "made"].iter().flat_map(|folder| files(folder, ".wasm"))
    {
        let Ok(cost) = prepass(&read(&file)) else { continue };
        assert!(cost.product() <= 200 && cost.work <= 40_000 && cost.nesting <= 3, "{file}: {cost:?}");
        assert_eq!(cost.in_process(), cost.bytes <= 64 << 10, "{file}: {cost:?}");
    }
}
