//! The view of a component or WIT package as WIT.
//!
//! Made by the WIT decoder and printer, which were not written for hostile bytes: only validated files get
//! here, and a panic is caught. Without a view a component is still admitted, a WIT package is not
//! (`spec/components.md`, "Kinds from bytes").

use std::panic::{AssertUnwindSafe, catch_unwind};

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Docs, InterfaceId, PackageId as ResolvedPackage, Resolve, WorldId};

use crate::inspection::{PackageId, WitInterface, WitView, WitWorld};
use crate::limits::{PACKAGE_NAME_BYTES_MAX, SHOWN_BYTES_MAX, WIT_DOCS_BYTES_MAX, WIT_TEXT_BYTES_MAX};
use crate::text::shown;

/// What the decoder made of a file.
pub(super) struct Decoded {
    pub(super) view: WitView,
    /// The id of a WIT package; none for a component.
    pub(super) package: Option<PackageId>,
    pub(super) warning: Option<String>,
}

/// Decodes a valid component; the error is for a person.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let decoded =
            wit_component::decode(bytes).map_err(|error| shown(&format!("{error:#}"), SHOWN_BYTES_MAX))?;
        view(&decoded)
    }));
    decoded.unwrap_or_else(|_| Err("the WIT decoder failed".to_owned()))
}

fn view(decoded: &DecodedWasm) -> Result<Decoded, String> {
    let (resolve, main) = (decoded.resolve(), decoded.package());
    let package = &resolve.packages[main];
    let id = match decoded {
        DecodedWasm::Component(..) => None,
        DecodedWasm::WitPackage(..) => {
            let bytes = package.name.namespace.len() + package.name.name.len() + 1;
            if bytes as u64 > PACKAGE_NAME_BYTES_MAX {
                return Err(format!(
                    "its name has {bytes} bytes, at most {PACKAGE_NAME_BYTES_MAX} are allowed"
                ));
            }
            Some(PackageId {
                namespace: package.name.namespace.clone(),
                name: package.name.name.clone(),
                version: package.name.version.as_ref().map(ToString::to_string),
            })
        }
    };
    let mut others: Vec<_> = resolve.packages.iter().filter(|(other, _)| *other != main).collect();
    others.sort_by_key(|(_, package)| package.name.to_string());
    let nested: Vec<ResolvedPackage> = others.iter().map(|(id, _)| *id).collect();
    let (text, warning) = match print(resolve, main, &nested) {
        Ok(text) if text.len() <= WIT_TEXT_BYTES_MAX => (Some(text), None),
        Ok(text) => (None, Some(format!("its WIT text is too large to show: {} bytes", text.len()))),
        Err(error) => (None, Some(format!("its WIT text cannot be printed: {error}"))),
    };
    let mut docs = DocsBudget { left: WIT_DOCS_BYTES_MAX };
    let view = WitView {
        text,
        interfaces: package.interfaces.values().map(|id| interface(resolve, *id, &mut docs)).collect(),
        worlds: package.worlds.values().map(|id| world(resolve, *id, &mut docs)).collect(),
        foreign: others.iter().map(|(_, package)| package.name.to_string()).collect(),
    };
    Ok(Decoded { view, package: id, warning })
}

fn print(resolve: &Resolve, main: ResolvedPackage, nested: &[ResolvedPackage]) -> Result<String, String> {
    let mut printer = WitPrinter::default();
    printer.print(resolve, main, nested).map_err(|error| shown(&format!("{error:#}"), SHOWN_BYTES_MAX))?;
    let text = printer.output.to_string();
    // Doc comments are free text.
    Ok(shown(&text, text.len().saturating_mul(2)))
}

fn interface(resolve: &Resolve, id: InterfaceId, docs: &mut DocsBudget) -> WitInterface {
    let interface = &resolve.interfaces[id];
    WitInterface {
        name: resolve.id_of(id).or_else(|| interface.name.clone()).unwrap_or_default(),
        docs: docs.take(&interface.docs),
        functions: interface.functions.keys().cloned().collect(),
        types: interface.types.keys().cloned().collect(),
    }
}

fn world(resolve: &Resolve, id: WorldId, docs: &mut DocsBudget) -> WitWorld {
    let world = &resolve.worlds[id];
    let name = match world.package {
        Some(package) => resolve.id_of_name(package, &world.name),
        None => world.name.clone(),
    };
    let names = |keys: &mut dyn Iterator<Item = &wit_parser::WorldKey>| -> Vec<String> {
        keys.map(|key| resolve.name_world_key(key)).collect()
    };
    WitWorld {
        name,
        docs: docs.take(&world.docs),
        imports: names(&mut world.imports.keys()),
        exports: names(&mut world.exports.keys()),
    }
}

/// How much documentation may still be kept.
struct DocsBudget {
    left: usize,
}

impl DocsBudget {
    fn take(&mut self, docs: &Docs) -> Option<String> {
        let text = shown(docs.contents.as_deref()?, SHOWN_BYTES_MAX.min(self.left));
        self.left = self.left.saturating_sub(text.len());
        (!text.is_empty()).then_some(text)
    }
}
