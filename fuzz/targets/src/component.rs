//! WebAssembly: what a file is, and what is made of that. The cheap pre-pass comes first, as in the registry: what it
//! does not let into the process is not looked at here either.

use semver::Version;
use wargate_component::limits::IN_PROCESS_BYTES_MAX;
use wargate_component::{Inspection, Layer, agree, artifact, inspect, prepass};
use wargate_core::digest::Digest;

use crate::choice;

/// A whole file.
pub fn component(bytes: &[u8]) {
    let Ok(cost) = prepass(bytes) else {
        if bytes.len() as u64 <= IN_PROCESS_BYTES_MAX {
            assert!(inspect(bytes).is_err(), "what the pre-pass refuses is refused");
        }
        return;
    };
    if cost.in_process()
        && let Ok(inspection) = inspect(bytes)
    {
        holds_together(bytes, &inspection);
    }
}

/// What is made of an inspection is the same each time, and safe to show.
fn holds_together(bytes: &[u8], inspection: &Inspection) {
    let text = serde_json::to_vec(inspection).expect("it is JSON");
    assert_eq!(serde_json::from_slice::<Inspection>(&text).expect("what was written is read"), *inspection);
    assert!(!text.contains(&0x1b), "no raw terminal escape gets out");
    let version = Version::new(1, 0, 0);
    let _ = agree(inspection, "acme", "app", &version);
    let layer = Layer { digest: Digest::of(bytes), size: bytes.len() as u64 };
    let made = artifact(layer, inspection, "app", &version);
    assert_eq!(made, artifact(layer, inspection, "app", &version));
    let manifest = wargate_wire::oci::manifest::Manifest::parse(None, &made.manifest);
    assert!(manifest.is_ok(), "our own manifest is taken: {manifest:?}");
    serde_json::from_slice::<serde_json::Value>(&made.config).expect("the config is JSON");
}

/// An otherwise plain component that imports an instance by this name.
#[must_use]
pub fn with_import(name: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // An instance type with one function, `f`.
    bytes.extend(b"\x07\x0e\x01\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0");
    let mut import = vec![1, 0];
    leb(&mut import, name.len());
    import.extend(name);
    import.extend(b"\x05\0");
    bytes.push(10);
    leb(&mut bytes, import.len());
    bytes.extend(import);
    bytes
}

/// The name of an import: the walk over names, in the validator and in ours.
pub fn name(name: &[u8]) {
    let bytes = with_import(name);
    component(&bytes);
    let Ok(name) = std::str::from_utf8(name) else { return };
    let _ = wargate_component::inspect::interface(name);
    let _ = wargate_component::inspect::track(name);
    if let Ok(found) = inspect(&bytes) {
        assert_eq!(found.imports[0].name, name);
    }
}

/// The names of sections that are read.
const SECTIONS: [&str; 13] = [
    "authors",
    "description",
    "licenses",
    "source",
    "homepage",
    "revision",
    "version",
    "registry-metadata",
    "producers",
    "name",
    "component-name",
    ".dep-v0",
    "component-type:x",
];

/// One metadata section, in a module or in a component: the first byte says which.
pub fn metadata(bytes: &[u8]) {
    let Some((kind, payload)) = choice(bytes) else { return };
    component(&with_section(kind >= 128, SECTIONS[kind % SECTIONS.len()], payload));
}

fn with_section(in_component: bool, name: &str, payload: &[u8]) -> Vec<u8> {
    let header: &[u8] = if in_component { b"\0asm\x0d\0\x01\0" } else { b"\0asm\x01\0\0\0" };
    let mut custom = Vec::new();
    leb(&mut custom, name.len());
    custom.extend(name.as_bytes());
    custom.extend(payload);
    let mut bytes = header.to_vec();
    bytes.push(0);
    leb(&mut bytes, custom.len());
    bytes.extend(custom);
    bytes
}

fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What an inspector's process answers over its pipe.
pub fn inspection(bytes: &[u8]) {
    if let Ok(inspection) = serde_json::from_slice::<Inspection>(bytes) {
        let written = serde_json::to_vec(&inspection).expect("it is JSON");
        let again: Inspection = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, inspection);
    }
}
