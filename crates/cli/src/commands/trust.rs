//! `wargate trust`: which registries are trusted, by the id of their first record.

use clap::{Args, Subcommand};
use serde_json::json;
use wargate_client::{Pin, Registry};
use wargate_core::id::RecordId;
use wargate_wire::text::Text;

use super::remote::{Reference, Remote, failed, pin_store, signed_by, told};
use crate::error::CommandError;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Trust {
    #[command(subcommand)]
    command: TrustCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Pin a registry to its root
    Add {
        /// The registry's URL
        #[arg(value_name = "URL")]
        registry: String,
        /// The id of its first record, as `serve` prints it or its operator tells it
        #[arg(long, value_name = "ID")]
        root: String,
    },
    /// List what is pinned
    List,
    /// Take a package as it stands, though its owners were replaced or its releases come by a weaker word
    Accept {
        /// The package, or the release that shall do
        #[arg(value_name = "NS:NAME[@VERSION]")]
        release: Reference,
        /// The registry [default: as for `wargate pull`]
        #[arg(long, value_name = "URL", env = "WARGATE_REGISTRY")]
        registry: Option<String>,
    },
    /// Forget a registry
    Remove {
        /// The registry's URL
        #[arg(value_name = "URL")]
        registry: String,
    },
}

impl Trust {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = match self.command {
            TrustCommand::Accept { ref release, registry } => accept(release, registry, self.json).await,
            TrustCommand::Add { ref registry, ref root } => add(registry, root, self.json),
            TrustCommand::List => list(self.json),
            TrustCommand::Remove { ref registry } => remove(registry, self.json),
        };
        told(self.json, outcome)
    }
}

fn url(registry: &str) -> Result<String, CommandError> {
    let registry = Registry::new(registry).map_err(|error| CommandError::usage(error.to_string()))?;
    Ok(registry.url().to_owned())
}

fn add(registry: &str, root: &str, as_json: bool) -> Result<(), CommandError> {
    let registry = url(registry)?;
    let root: RecordId = root.parse().map_err(|error: wargate_core::digest::DigestError| {
        CommandError::usage(format!("--root: {error}")).hint("`wargate serve` prints it when it starts")
    })?;
    let pins = pin_store()?;
    let seen = match pins.load(&registry).map_err(|error| failed(&error))? {
        Some(pin) if pin.root.0 != root => {
            return Err(CommandError::config(format!(
                "{registry} is pinned to {} already; a registry never changes its root",
                pin.root.0
            ))
            .hint(format!("if it was really made anew: wargate trust remove {registry}, then add it")));
        }
        Some(pin) => pin.seen,
        None => None,
    };
    let pin = Pin { registry: registry.clone(), root: Text(root), given: true, seen };
    pins.keep(&pin).map_err(|error| failed(&error))?;
    if as_json {
        ui::json(&json!({ "ok": true, "registry": registry, "root": root.to_string() }));
    } else {
        ui::line(&format!("{registry} is pinned to {root}"));
    }
    Ok(())
}

/// Remembers a package as it is proven to stand now, and says what that is.
async fn accept(wanted: &Reference, registry: Option<String>, as_json: bool) -> Result<(), CommandError> {
    let remote = Remote::of(registry, as_json);
    let client = remote.client(&wanted.name)?;
    let package = remote.verify(&client, &wanted.name).await?;
    let release = package.release(wanted.version.as_ref(), true).map_err(|error| failed(&error))?;
    remote.taken(&package, &release)?;
    let word = signed_by(&release.signed_by);
    if as_json {
        ui::json(&json!({ "ok": true, "package": package.name.as_str(), "publishedBy": word }));
        return Ok(());
    }
    ui::line(&format!("{} is taken as it stands: {} by {word}", package.name, release.version));
    for recovery in &package.layers.recoveries {
        ui::line(&format!(
            "  new owners    of {} since {} (record {})",
            recovery.log, recovery.time, recovery.record
        ));
    }
    Ok(())
}

fn list(as_json: bool) -> Result<(), CommandError> {
    let pins = pin_store()?.list().map_err(|error| failed(&error))?;
    if as_json {
        ui::json(&json!({ "ok": true, "registries": pins }));
        return Ok(());
    }
    for pin in pins {
        let how = if pin.given { "given" } else { "first use" };
        let seen =
            pin.seen().map_or_else(String::new, |seen| format!(", last seen at tree size {}", seen.size));
        ui::line(&format!("{}  {} ({how}{seen})", pin.registry, pin.root.0));
    }
    Ok(())
}

fn remove(registry: &str, as_json: bool) -> Result<(), CommandError> {
    let registry = url(registry)?;
    if pin_store()?.remove(&registry).map_err(|error| failed(&error))? {
        if as_json {
            ui::json(&json!({ "ok": true, "registry": registry }));
        } else {
            ui::line(&format!("{registry} is forgotten; the next use will be a first use"));
        }
        return Ok(());
    }
    Err(CommandError::config(format!("{registry} is not known")).hint("`wargate trust list` shows what is"))
}
