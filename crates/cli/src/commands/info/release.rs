//! One release: whose word it is, and what its bytes are, told from the bytes themselves.

use bytes::Bytes;
use serde_json::{Value, json};
use wargate_client::{Registry, VerifiedPackage, VerifiedRelease};
use wargate_component::Inspection;
use wargate_component::inspection::Extern;
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_core::text::plain;
use wargate_registry::inspector::{Inspector as _, Inspectors, Program};

use crate::commands::remote::{failed, tell, tell_json};
use crate::error::CommandError;
use crate::ui;

/// Downloads a checked release and says what it is; nothing here is the registry's word but what `tell` says so of.
pub(super) async fn show(
    registry: &Registry,
    package: &VerifiedPackage,
    release: &VerifiedRelease,
    as_json: bool,
) -> Result<(), CommandError> {
    let inspection = inspect(registry, package, release).await?;
    if as_json {
        ui::json(&told(package, release, &inspection));
        return Ok(());
    }
    tell(package, release);
    ui::line(&format!("  kind          {}, {} bytes", inspection.kind, inspection.size));
    for (what, externs) in [("imports", names(&inspection, true)), ("exports", names(&inspection, false))] {
        for (place, name) in externs.iter().enumerate() {
            ui::line(&format!("  {:<12}  {name}", if place == 0 { what } else { "" }));
        }
    }
    let metadata = &inspection.metadata;
    for (what, claim) in [
        ("description", &metadata.description),
        ("licence", &metadata.licenses),
        ("source", &metadata.source),
        ("homepage", &metadata.homepage),
    ] {
        if let Some(claim) = claim {
            ui::line(&format!("  {what:<12}  {} (says the publisher)", plain(claim)));
        }
    }
    Ok(())
}

/// Inspected in a process of its own: whoever published it may mean harm.
async fn inspect(
    registry: &Registry,
    package: &VerifiedPackage,
    release: &VerifiedRelease,
) -> Result<Inspection, CommandError> {
    let mut content = Vec::new();
    let mut take = |piece: &[u8]| {
        content.extend_from_slice(piece);
        Ok(())
    };
    registry
        .download(&package.name, release, WASM_BYTES_MAX, &mut take)
        .await
        .map_err(|error| failed(&error))?;
    let inspectors = Inspectors::new(Program::new("/proc/self/exe", ["inspect"]));
    inspectors
        .inspect(Bytes::from(content))
        .await
        .map_err(|error| CommandError::internal(format!("couldn't say what {} is: {error}", release.content)))
}

/// Imports or exports of a component or WIT package, or of a core module.
fn names(inspection: &Inspection, imports: bool) -> Vec<String> {
    if let Some(core) = &inspection.core {
        return if imports {
            core.imports.iter().map(|one| format!("{} {}", one.module, one.name)).collect()
        } else {
            core.exports.iter().map(|one| one.name.clone()).collect()
        };
    }
    let externs: &[Extern] = if imports { &inspection.imports } else { &inspection.exports };
    externs.iter().map(|one| one.name.clone()).collect()
}

fn told(package: &VerifiedPackage, release: &VerifiedRelease, inspection: &Inspection) -> Value {
    let mut told = tell_json(package, release);
    told["kind"] = json!(inspection.kind.to_string());
    told["size"] = json!(inspection.size);
    told["imports"] = json!(names(inspection, true));
    told["exports"] = json!(names(inspection, false));
    told["metadata"] = json!(inspection.metadata);
    told
}
