//! The OCI manifest of a release, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and measures real time"
)]

mod support;

use semver::Version;
use support::read;
use wargate_component::{Artifact, Layer, artifact, inspect};
use wargate_core::digest::Digest;

fn make(file: &str, name: &str, version: &str) -> Artifact {
    let bytes = read(file);
    let layer = Layer { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    artifact(layer, &inspect(&bytes).unwrap(), name, &version.parse::<Version>().unwrap())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_manifest_of_a_component_never_changes() {
    let made = make("made/diamond.wasm", "diamond", "1.0.0");
    assert_eq!(
        text(&made.config),
        concat!(
            r#"{"architecture":"wasm","component":{"exports":["run"],"imports":["test-add","test-mid"]},"#,
            r#""created":"1970-01-01T00:00:00Z","layerDigests":["#,
            r#""sha256:7fa1acb9bbb17a71b4cd6f3a086b738c77f9f5a132c5a9565a88985de98293d1"],"os":"wasip2"}"#
        )
    );
    let config = Digest::of(&made.config);
    assert_eq!(
        text(&made.manifest),
        format!(
            concat!(
                r#"{{"annotations":{{"org.opencontainers.image.version":"1.0.0"}},"#,
                r#""config":{{"digest":"{}","mediaType":"application/vnd.wasm.config.v0+json","size":{}}},"#,
                r#""layers":[{{"annotations":{{"org.opencontainers.image.title":"diamond.wasm"}},"#,
                r#""digest":"sha256:7fa1acb9bbb17a71b4cd6f3a086b738c77f9f5a132c5a9565a88985de98293d1","#,
                r#""mediaType":"application/wasm","size":236}}],"#,
                r#""mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}}"#
            ),
            config,
            made.config.len()
        )
    );
}

#[test]
fn the_digests_of_manifests_are_frozen() {
    for (file, name, version, expected) in [
        (
            "made/diamond.wasm",
            "diamond",
            "1.0.0",
            "5f9ba22162ff34525573be2f2b0b600d2561dd84aa887d274615684210dfe420",
        ),
        (
            "components/dummy_wasi_http_0.2.3.wasm",
            "dummy",
            "0.2.3",
            "70740bdbdd8614119bf9ccc83ebd6825b57ce9509e1d6ddd75dfee4a563cc35e",
        ),
        (
            "wit-wasm/wasi-http@0.2.12.wasm",
            "http",
            "0.2.12",
            "62ce75b9fb792ae6943e1905d1ffb591a1af22db407bfbffd67ee71cd8f0abb1",
        ),
        (
            "modules/template_inspector.wasm",
            "inspector",
            "2.0.0-rc.1",
            "6ff32dcba2115d7f2767df57ce7decebe8463628d985fcdd758930d0d807d3d8",
        ),
    ] {
        assert_eq!(Digest::of(&make(file, name, version).manifest).to_hex(), expected, "{file}");
    }
}

#[test]
fn a_wit_package_exports_interfaces_and_worlds_by_full_name_and_imports_nothing() {
    let made = make("wit-wasm/wasi-clocks@0.2.12.wasm", "clocks", "0.2.12");
    let names = concat!(
        r#""component":{"exports":["wasi:clocks/imports@0.2.12","wasi:clocks/monotonic-clock@0.2.12","#,
        r#""wasi:clocks/wall-clock@0.2.12"],"imports":[]}"#
    );
    assert!(text(&made.config).contains(names), "{}", text(&made.config));
}

#[test]
fn a_core_module_is_of_another_system_and_lists_nothing() {
    let made = make("modules/template_inspector.wasm", "inspector", "1.0.0");
    let config = text(&made.config);
    assert!(config.contains(r#""os":"wasip1""#) && !config.contains("component\""), "{config}");
}

#[test]
fn metadata_becomes_annotations_in_the_order_of_the_alphabet() {
    let mut bytes = read("made/add-1.2.3.wasm");
    for (name, value) in [
        ("version", "1.2.3"),
        ("homepage", "https://add.example"),
        ("authors", "Ada"),
        ("description", "adds \"two\" numbers"),
        ("licenses", "MIT OR Apache-2.0"),
        ("source", "https://src.example"),
        ("revision", "abc"),
    ] {
        bytes.push(0);
        bytes.push(u8::try_from(1 + name.len() + value.len()).unwrap());
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name.bytes().chain(value.bytes()));
    }
    let layer = Layer { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    let inspection = inspect(&bytes).unwrap();
    assert!(inspection.warnings.is_empty() && inspection.metadata.licenses_spdx);
    let made = artifact(layer, &inspection, "add", &Version::new(1, 2, 3));
    let annotations = concat!(
        r#"{"annotations":{"org.opencontainers.image.authors":"Ada","#,
        r#""org.opencontainers.image.description":"adds \"two\" numbers","#,
        r#""org.opencontainers.image.licenses":"MIT OR Apache-2.0","#,
        r#""org.opencontainers.image.source":"https://src.example","#,
        r#""org.opencontainers.image.url":"https://add.example","#,
        r#""org.opencontainers.image.version":"1.2.3"},"config":"#
    );
    assert!(text(&made.manifest).starts_with(annotations), "{}", text(&made.manifest));
}
