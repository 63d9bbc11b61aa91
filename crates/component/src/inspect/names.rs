//! Imports and exports by our own walk (`spec/components.md`, "Import and export names").
//!
//! The WIT decoder leaves out what WIT cannot say; the index must not.

use wargate_core::digest::Digest;
use wasmparser::names::{is_canonical_version, split_canonical_version};
use wasmparser::{
    ComponentExportSectionReader, ComponentExternName, ComponentExternalKind, ComponentImportSectionReader,
    ExportSectionReader, ExternalKind, ImportSectionReader, TypeRef,
};

use super::sections::Sections;
use crate::inspection::{CoreExport, CoreExterns, CoreImport, Extern, Interface, Nested, Sort};
use crate::limits::{
    ATTRIBUTE_BYTES_MAX, CORE_EXTERNS_KEPT_MAX, CORE_NAME_BYTES_MAX, EXTERN_NAME_BYTES_MAX, EXTERNS_MAX,
    PACKAGE_NAME_BYTES_MAX,
};
use crate::refused::{Refused, check_limit, refused};
use crate::text::shown;

/// How the import names began that the component model dropped (`spec/components.md`, "The removed grammar").
const LEGACY_PREFIXES: [&str; 4] = ["unlocked-dep=", "locked-dep=", "url=", "integrity="];

/// Checks a declared name's size and grammar as far as the validator does not.
pub(super) fn check_declared(name: &ComponentExternName<'_>) -> Result<(), Refused> {
    if LEGACY_PREFIXES.iter().any(|prefix| name.name.starts_with(prefix)) {
        return Err(Refused::LegacyNames { name: shown(name.name, CORE_NAME_BYTES_MAX) });
    }
    for interface in [Some(name.name), name.implements].into_iter().flatten() {
        check_limit(
            "bytes in the name of an import or export",
            interface.len() as u64,
            EXTERN_NAME_BYTES_MAX,
        )?;
        if let Some((package, _)) = interface.split_once('/') {
            check_limit("bytes in a package's name", package.len() as u64, PACKAGE_NAME_BYTES_MAX)?;
        }
    }
    for attribute in [name.version_suffix, name.external_id].into_iter().flatten() {
        check_limit("bytes in an attribute of a name", attribute.len() as u64, ATTRIBUTE_BYTES_MAX)?;
    }
    Ok(())
}

/// What a component's own sections declare at depth 0.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) imports: Vec<Extern>,
    pub(super) exports: Vec<Extern>,
    pub(super) nested: Vec<Nested>,
}

/// Reads a component's imports, exports and nested components.
pub(super) fn component(bytes: &[u8]) -> Result<Declared, Refused> {
    let mut declared = Declared::default();
    for section in Sections::new(bytes, 0) {
        let section = section?;
        match section.id {
            4 => declared.nested.push(Nested {
                digest: Digest::of(section.body).to_string(),
                size: section.body.len() as u64,
            }),
            10 => {
                for import in ComponentImportSectionReader::new(section.reader()).map_err(refused)? {
                    let import = import.map_err(refused)?;
                    declared.imports.push(extern_of(&import.name, import.ty.kind()));
                }
            }
            11 => {
                for export in ComponentExportSectionReader::new(section.reader()).map_err(refused)? {
                    let export = export.map_err(refused)?;
                    declared.exports.push(extern_of(&export.name, export.kind));
                }
            }
            _ => {}
        }
        let externs = declared.imports.len().max(declared.exports.len()) as u64;
        check_limit("imports or exports", externs, EXTERNS_MAX)?;
    }
    Ok(declared)
}

fn extern_of(name: &ComponentExternName<'_>, kind: ComponentExternalKind) -> Extern {
    let full = name.full_name().into_owned();
    let implements = name.full_implements().map(std::borrow::Cow::into_owned);
    Extern {
        interface: interface(implements.as_deref().unwrap_or(&full)),
        name: full,
        sort: match kind {
            ComponentExternalKind::Module => Sort::Module,
            ComponentExternalKind::Func => Sort::Func,
            ComponentExternalKind::Value => Sort::Value,
            ComponentExternalKind::Type => Sort::Type,
            ComponentExternalKind::Instance => Sort::Instance,
            ComponentExternalKind::Component => Sort::Component,
        },
        implements,
        version_suffix: name.version_suffix.map(str::to_owned),
        external_id: name.external_id.map(|id| shown(id, id.len())),
    }
}

/// Takes apart `ns:package/interface@version`; nested names keep their inner parts together.
#[must_use]
pub fn interface(name: &str) -> Option<Interface> {
    let (package, rest) = name.split_once('/')?;
    let (namespace, package) = package.rsplit_once(':')?;
    let (interface, version) = match rest.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (rest, None),
    };
    Some(Interface {
        namespace: namespace.to_owned(),
        package: package.to_owned(),
        interface: interface.to_owned(),
        version: version.map(str::to_owned),
        track: version.and_then(track),
    })
}

/// The canonical version that a full version belongs to: `1`, `0.2`, `0.0.3`; a pre-release is its own.
#[must_use]
pub fn track(version: &str) -> Option<String> {
    match split_canonical_version(version) {
        Some((canonical, _)) => Some(canonical.to_owned()),
        None => is_canonical_version(version).then(|| version.to_owned()),
    }
}

/// Reads a core module's imports and exports.
pub(super) fn module(bytes: &[u8]) -> Result<CoreExterns, Refused> {
    let mut core = CoreExterns::default();
    for section in Sections::new(bytes, 0) {
        let section = section?;
        match section.id {
            2 => {
                for import in ImportSectionReader::new(section.reader()).map_err(refused)?.into_imports() {
                    let import = import.map_err(refused)?;
                    if core.imports.len() == CORE_EXTERNS_KEPT_MAX {
                        core.left_out += 1;
                        continue;
                    }
                    core.imports.push(CoreImport {
                        module: shown(import.module, CORE_NAME_BYTES_MAX),
                        name: shown(import.name, CORE_NAME_BYTES_MAX),
                        sort: sort_of(import.ty),
                    });
                }
            }
            7 => {
                for export in ExportSectionReader::new(section.reader()).map_err(refused)? {
                    let export = export.map_err(refused)?;
                    if core.exports.len() == CORE_EXTERNS_KEPT_MAX {
                        core.left_out += 1;
                        continue;
                    }
                    let name = shown(export.name, CORE_NAME_BYTES_MAX);
                    core.exports.push(CoreExport { name, sort: core_sort(export.kind) });
                }
            }
            _ => {}
        }
    }
    Ok(core)
}

const fn sort_of(ty: TypeRef) -> Sort {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => Sort::Func,
        TypeRef::Table(_) => Sort::Table,
        TypeRef::Memory(_) => Sort::Memory,
        TypeRef::Global(_) => Sort::Global,
        TypeRef::Tag(_) => Sort::Tag,
    }
}

const fn core_sort(kind: ExternalKind) -> Sort {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => Sort::Func,
        ExternalKind::Table => Sort::Table,
        ExternalKind::Memory => Sort::Memory,
        ExternalKind::Global => Sort::Global,
        ExternalKind::Tag => Sort::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_the_track_of_those_compatible_with_it() {
        for (version, expected) in [
            ("1.2.3", Some("1")),
            ("0.2.12", Some("0.2")),
            ("0.0.3", Some("0.0.3")),
            ("0.3.0-rc-2025-09-16", Some("0.3.0-rc-2025-09-16")),
            ("1.2.3+build", Some("1")),
            ("1", Some("1")),
            ("0.2", Some("0.2")),
            ("1.2", None),
            ("latest", None),
        ] {
            assert_eq!(track(version).as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn interface_names_are_taken_apart_and_plain_names_are_not() {
        let whole = interface("wasi:http/types@0.2.3").unwrap();
        assert_eq!((&*whole.namespace, &*whole.package, &*whole.interface), ("wasi", "http", "types"));
        assert_eq!((whole.version.as_deref(), whole.track.as_deref()), (Some("0.2.3"), Some("0.2")));
        let nested = interface("a:b:c/d/e@1.0.0").unwrap();
        assert_eq!((&*nested.namespace, &*nested.package, &*nested.interface), ("a:b", "c", "d/e"));
        assert_eq!(interface("rpc:counters/api").unwrap().version, None);
        for plain in ["hello", "[method]a.b", "a:b"] {
            assert_eq!(interface(plain), None, "{plain}");
        }
    }
}
