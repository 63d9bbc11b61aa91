//! From bytes to what they are: shape, validity, names, metadata, WIT, in this order.
//!
//! The order is the defence (`spec/components.md`, "Hostile input"): each step relies on what the one before
//! refused. Time and memory beyond that are bounded by whoever calls: see [`Cost::in_process`].

mod metadata;
mod names;
mod prepass;
mod sections;
mod warnings;
mod wit;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{Validator, WasmFeatures};

pub use self::names::{interface, track};
pub use self::prepass::{Cost, SEAL_SECTION, prepass};
use self::sections::Sections;
use self::warnings::Warnings;
use crate::inspection::{Extern, Inspection};
use crate::kind::{Kind, Layer, layer};
use crate::limits::FEATURES_WORK_MAX;
use crate::refused::{Refused, refused};

/// Whose verdict an inspection carries. The crates of the family are pinned together to this version.
pub const VALIDATOR: &str = "wasmparser 0.263.0";

/// Says what a file is.
///
/// Runs the [`prepass`] itself; who must not be held up asks that first and calls this only in a process that
/// may be killed, unless [`Cost::in_process`].
///
/// # Errors
/// The first reason to refuse the file.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refused> {
    let cost = prepass(bytes)?;
    let verdict = validate(bytes, &cost)?;
    let mut warnings = Warnings::default();
    let (metadata, targets) = metadata::read(bytes, &mut warnings)?;
    let mut inspection = Inspection {
        validator: VALIDATOR.to_owned(),
        kind: Kind::Module,
        size: bytes.len() as u64,
        experimental: verdict.experimental,
        features: verdict.features,
        imports: Vec::new(),
        exports: Vec::new(),
        core: None,
        core_modules: core_modules(bytes)?,
        nested: Vec::new(),
        metadata,
        wit: None,
        package: None,
        targets,
        warnings: Vec::new(),
    };
    match layer(bytes)? {
        Layer::Core => inspection.core = Some(names::module(bytes)?),
        Layer::Component => component(bytes, &verdict.types, &mut inspection, &mut warnings)?,
    }
    inspection.warnings = warnings.into_vec();
    Ok(inspection)
}

fn component(
    bytes: &[u8],
    types: &Types,
    inspection: &mut Inspection,
    warnings: &mut Warnings,
) -> Result<(), Refused> {
    let declared = names::component(bytes)?;
    let is_wit = is_wit(types, &declared.imports, &declared.exports);
    inspection.kind = if is_wit { Kind::Wit } else { Kind::Component };
    inspection.imports = declared.imports;
    inspection.exports = declared.exports;
    inspection.nested = declared.nested;
    match wit::decode(bytes) {
        Ok(decoded) if is_wit == decoded.package.is_some() => {
            inspection.wit = Some(decoded.view);
            inspection.package = decoded.package;
            decoded.warning.into_iter().for_each(|warning| warnings.add(warning));
        }
        Ok(_) => return Err(Refused::Wit { message: "two readings of its kind disagree".to_owned() }),
        Err(message) if is_wit => return Err(Refused::Wit { message }),
        Err(message) => warnings.add(format!("no WIT view: {message}")),
    }
    Ok(())
}

/// Whether a component is a WIT package: it has exports and nothing else, all of them component types, and the
/// first has a bare plain name, or `…/wit` as the oldest encoding had it (`spec/components.md`, "Kinds from
/// bytes").
fn is_wit(types: &Types, imports: &[Extern], exports: &[Extern]) -> bool {
    let Some(first) = exports.first() else { return false };
    let named = match &first.interface {
        Some(interface) => interface.interface == "wit",
        None => !first.name.contains(['[', ':']),
    };
    let is_component_type = |export: &Extern| {
        let item = types.as_ref().component_item_for_export(&export.name);
        let created = item.and_then(|item| match item.ty {
            ComponentEntityType::Type { created, .. } => Some(created),
            _ => None,
        });
        matches!(created, Some(ComponentAnyTypeId::Component(_)))
    };
    imports.is_empty() && named && exports.iter().all(is_component_type)
}

fn core_modules(bytes: &[u8]) -> Result<u64, Refused> {
    fn count(bytes: &[u8], base: usize) -> Result<u64, Refused> {
        let mut found = 0;
        for section in Sections::new(bytes, base) {
            let section = section?;
            found += match section.id {
                1 => 1,
                // As deep as the prepass lets a file be.
                4 => count(section.body, section.offset)?,
                _ => 0,
            };
        }
        Ok(found)
    }
    if layer(bytes)? == Layer::Core { Ok(0) } else { count(bytes, 0) }
}

struct Verdict {
    types: Types,
    experimental: bool,
    features: Vec<String>,
}

/// Validates with the default features, then with all of them: what only those accept is for policy to judge
/// (`spec/components.md`, "Validator").
fn validate(bytes: &[u8], cost: &Cost) -> Result<Verdict, Refused> {
    let check = |features| {
        catch_unwind(AssertUnwindSafe(|| Validator::new_with_features(features).validate_all(bytes)))
            .map_err(|_| Refused::invalid("the validator failed on it", 0))
            .and_then(|checked| checked.map_err(refused))
    };
    let error = match check(WasmFeatures::default()) {
        Ok(types) => return Ok(Verdict { types, experimental: false, features: Vec::new() }),
        Err(error) => error,
    };
    let Ok(types) = check(WasmFeatures::all()) else { return Err(error) };
    let mut features = Vec::new();
    if cost.in_process() && cost.work <= FEATURES_WORK_MAX {
        let beyond = WasmFeatures::all().difference(WasmFeatures::default());
        let needed =
            beyond.iter_names().filter(|(_, one)| check(WasmFeatures::all().difference(*one)).is_err());
        features.extend(needed.map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")));
    }
    Ok(Verdict { types, experimental: true, features })
}
