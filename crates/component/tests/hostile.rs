//! Every bad file of the corpus gets the answer that its README asks for, in bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

mod support;

use support::{files, read, timed};
use wargate_component::{HeaderFault, Kind, MetadataFault, Refused, SealFault, inspect, prepass};

enum Want {
    NotWasm(HeaderFault),
    /// The words of the refusal contain this.
    Invalid(&'static str),
    Limit(&'static str),
    TooCostly,
    Seal(SealFault),
    Metadata(MetadataFault),
    /// A component, with a warning that contains this; empty for none at all.
    Admitted(&'static str),
}
use Want::{Admitted, Invalid, Limit, Metadata, NotWasm, Seal, TooCostly};

const EXPECTED: [(&str, Want); 43] = [
    ("01_header_short.wasm", NotWasm(HeaderFault::TooShort)),
    ("02_layer_unknown.wasm", NotWasm(HeaderFault::UnknownLayer { layer: 2 })),
    ("03_core_version_2.wasm", NotWasm(HeaderFault::UnknownVersion { version: 2 })),
    ("04_truncated.wasm", Invalid("truncated")),
    ("05_trailing_garbage.wasm", Invalid("truncated")),
    ("06_section_size_past_end.wasm", Invalid("truncated")),
    ("07_leb_too_long.wasm", Invalid("malformed integer")),
    ("08_type_count_4g.wasm", Limit("declarations in one section")),
    ("09_import_count_4g.wasm", Limit("declarations in one section")),
    ("10_nested_components_400.wasm", Limit("levels of nesting")),
    ("11_nested_components_40000.wasm", Limit("levels of nesting")),
    ("12_nested_component_types_20000.wasm", Invalid("nesting is too deep")),
    ("13_list_depth_300.wasm", Invalid("nesting is too deep")),
    ("14_tuple_doubling_60.wasm", Invalid("type size exceeds the limit")),
    ("15_import_twice.wasm", Invalid("conflicts with previous name")),
    ("16_import_differs_by_case.wasm", Invalid("conflicts with previous name")),
    ("17_import_name_not_utf8.wasm", Invalid("malformed UTF-8")),
    ("18_custom_name_not_utf8.wasm", Invalid("malformed UTF-8")),
    ("19_import_name_100001.wasm", Invalid("string size out of bounds")),
    ("20_import_name_100000.wasm", Limit("bytes in the name of an import or export")),
    ("21_empty_custom_100k.wasm", Limit("custom sections")),
    ("22_modules_1001.wasm", Limit("modules and components")),
    ("23_dep_v0_zlib_bomb.wasm", Admitted(".dep-v0")),
    ("24_repetitive_256m.wasm.gz", NotWasm(HeaderFault::NoMagic)),
    ("25_two_seals.wasm", Seal(SealFault::Twice)),
    ("26_seal_not_last.wasm", Seal(SealFault::NotLast)),
    ("27_seal_size_not_minimal.wasm", Seal(SealFault::NotMinimal)),
    ("28_version_sections_disagree.wasm", Metadata(MetadataFault::GivenTwice)),
    ("29_version_not_utf8.wasm", Metadata(MetadataFault::NotUtf8)),
    ("30_licence_not_spdx.wasm", Admitted("not an SPDX expression")),
    ("31_component_name_garbage.wasm", Admitted("`component-name` cannot be read")),
    ("32_package_docs_garbage.wasm", Admitted("no WIT view")),
    ("33_package_docs_twice.wasm", Admitted("no WIT view")),
    ("34_producers_huge_count.wasm", Admitted("`producers` cannot be read")),
    ("35_name_uppercase_package.wasm", Invalid("not in kebab case")),
    ("36_interface_version_bad.wasm", Invalid("invalid interface version")),
    // The validator stumbles over the bytes of a value import before it can miss the feature.
    ("37_value_import.wasm", Invalid("section size mismatch")),
    ("38_control_chars_in_metadata.wasm", Admitted("")),
    ("39_instances_times_exports.wasm", Limit("component instantiations times exports")),
    ("40_resource_reexport.wasm", Admitted("no WIT view")),
    ("41_component_typed_import.wasm", Admitted("")),
    ("42_empty_component.wasm", Admitted("")),
    ("43_instances_times_exports_big.wasm", TooCostly),
];

#[test]
fn every_hostile_file_gets_the_answer_of_the_readme() {
    for (file, want) in &EXPECTED {
        let bytes = read(&format!("hostile/{file}"));
        let found = timed(file, || inspect(&bytes));
        match (want, &found) {
            (NotWasm(fault), Err(Refused::NotWasm { fault: found })) => assert_eq!(fault, found, "{file}"),
            (Invalid(words), Err(Refused::Invalid { message, .. })) => {
                assert!(message.contains(words), "{file}: {message}");
            }
            (Limit(what), Err(Refused::Limit { what: found, .. })) => assert_eq!(what, found, "{file}"),
            (TooCostly, Err(Refused::TooCostly { .. })) => {}
            (Seal(fault), Err(Refused::BadSeal { fault: found })) => assert_eq!(fault, found, "{file}"),
            (Metadata(fault), Err(Refused::Metadata { section, fault: found })) => {
                assert_eq!((fault, &**section), (found, "version"), "{file}");
            }
            (Admitted(warning), Ok(found)) => {
                assert_eq!(found.kind, Kind::Component, "{file}");
                assert_eq!(found.warnings.is_empty(), warning.is_empty(), "{file}: {:?}", found.warnings);
                assert!(found.warnings.iter().all(|w| w.contains(warning)), "{file}: {:?}", found.warnings);
            }
            (_, found) => panic!("{file}: {found:?}"),
        }
    }
    let mut tabled: Vec<_> = EXPECTED.iter().map(|(file, _)| format!("hostile/{file}")).collect();
    tabled.sort();
    let mut all = [files("hostile", ".wasm"), files("hostile", ".gz")].concat();
    all.sort();
    assert_eq!(tabled, all);
}

#[test]
fn the_pre_pass_alone_keeps_the_costly_files_away_from_the_validator() {
    for file in [
        "06_section_size_past_end.wasm",
        "11_nested_components_40000.wasm",
        "12_nested_component_types_20000.wasm",
        "21_empty_custom_100k.wasm",
        "39_instances_times_exports.wasm",
        "43_instances_times_exports_big.wasm",
    ] {
        let bytes = read(&format!("hostile/{file}"));
        let refused = timed(file, || prepass(&bytes));
        assert!(refused.is_err(), "{file}: {refused:?}");
    }
}

#[test]
fn what_wit_cannot_say_is_listed_all_the_same() {
    let found = inspect(&read("hostile/41_component_typed_import.wasm")).unwrap();
    assert_eq!(found.imports[0].name, "whole-dep");
    assert_eq!(found.imports[0].sort, wargate_component::inspection::Sort::Component);
    let found = inspect(&read("hostile/40_resource_reexport.wasm")).unwrap();
    assert_eq!((found.imports.len(), found.exports.len(), found.wit), (1, 1, None));
}

#[test]
fn bad_metadata_does_not_hide_the_rest() {
    let found = inspect(&read("hostile/30_licence_not_spdx.wasm")).unwrap().metadata;
    assert_eq!((found.licenses.as_deref(), found.licenses_spdx), (Some("do what you like"), false));
    assert_eq!(inspect(&read("hostile/31_component_name_garbage.wasm")).unwrap().metadata.name, None);
    assert!(inspect(&read("hostile/34_producers_huge_count.wasm")).unwrap().metadata.producers.is_empty());
    let bomb = inspect(&read("hostile/23_dep_v0_zlib_bomb.wasm")).unwrap().metadata;
    assert!(bomb.dep_v0_bytes.is_some_and(|bytes| bytes > 60_000));
}

#[test]
fn metadata_is_shown_escaped_and_cut() {
    let found = inspect(&read("hostile/38_control_chars_in_metadata.wasm")).unwrap().metadata;
    let description = found.description.unwrap();
    assert!(description.starts_with("\\u{1b}[2J\\u{1b}]0;owned\\u{7}"), "{description}");
    assert!(description.ends_with("\\u{202e}"), "{description}");
    let authors = found.authors.unwrap();
    assert_eq!(authors.len(), (4 << 10) + '…'.len_utf8());
}

#[test]
fn a_file_with_a_good_seal_is_refused_as_sealed() {
    let mut sealed = read("made/add-1.2.3.wasm");
    sealed.extend(b"\0\x10\x0cwargate-sealabc");
    assert_eq!(inspect(&sealed), Err(Refused::Sealed));
    let words = Refused::Sealed.to_string();
    assert!(words.contains("unseal"), "{words}");
}

#[test]
fn a_seal_within_a_nested_component_means_nothing() {
    let inner = b"\0asm\x0d\0\x01\0\0\x10\x0cwargate-sealabc";
    let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
    outer.push(u8::try_from(inner.len()).unwrap());
    outer.extend(inner);
    assert_eq!(inspect(&outer).unwrap().nested.len(), 1);
}

#[test]
fn every_refusal_travels_as_json_and_has_words() {
    for (file, _) in &EXPECTED {
        let Err(refused) = inspect(&read(&format!("hostile/{file}"))) else { continue };
        let text = serde_json::to_string(&refused).unwrap();
        assert_eq!(serde_json::from_str::<Refused>(&text).unwrap(), refused, "{file}: {text}");
        assert!(refused.to_string().len() > 20, "{refused}");
    }
}
