//! `wargate gc`: removes what a registry that is stopped no longer needs, as `serve` does by itself every minute.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use wargate_registry::clock::SystemClock;
use wargate_registry::db::Db as _;
use wargate_registry::gc::{self, Count, Garbage, Leave as _, Removed};
use wargate_store::{DataFolder, SqliteLedger, open_files};

use super::serve::LEDGER_READERS;
use crate::config::ServeConfig;
use crate::error::CommandError;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// The data folder [default: wargate-data]
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA")]
    data: Option<PathBuf>,
    /// The configuration file that the registry runs with (TOML)
    #[arg(long, value_name = "FILE", env = "WARGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Say what would be removed at first, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// What is told of a kind.
fn words(kind: Garbage) -> &'static str {
    match kind {
        Garbage::Tiles => "partial tiles",
        Garbage::Entries => "partial bundles of entries",
        Garbage::Names => "partial bundles of names",
        Garbage::Records => "partial bundles of records",
        Garbage::MapSegments => "map segments",
        Garbage::MapPages => "map pages in segments that stay",
        Garbage::Uploads => "uploads that broke off",
        Garbage::Sessions => "upload sessions",
        Garbage::Pending => "records whose content did not come",
        Garbage::Refusals => "refusals",
        Garbage::Manifests => "manifests that nothing names",
        Garbage::Links => "links that no manifest needs",
        Garbage::Contents => "contents that nothing links",
        _ => kind.name(),
    }
}

impl Gc {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.collect().await;
        if let (true, Err(error)) = (self.json, &outcome) {
            ui::json(&error.to_json());
        }
        outcome
    }

    async fn collect(&self) -> Result<(), CommandError> {
        let broken = |error: &dyn std::fmt::Display| CommandError::internal(error.to_string());
        let config = self.config.as_deref().map(ServeConfig::read).transpose()?.unwrap_or_default();
        let data = config.data_folder(self.data.as_deref());
        if !data.join("format").exists() {
            let message = format!("`{}` is no data folder of a registry", data.display());
            return Err(CommandError::config(message).hint("name it with --data"));
        }
        let folder = DataFolder::open(&data).map_err(|error| CommandError::config(error.to_string()))?;
        let leave = folder.leave().take().map_err(|error| broken(&error))?;
        if leave.is_none() && !self.dry_run {
            let message = format!("a backup of `{}` runs, and copies what would be removed", data.display());
            return Err(CommandError::config(message).hint("wait until it ends"));
        }
        let parts = folder.remove_broken_uploads(self.dry_run).map_err(|error| broken(&error))?;
        let db = SqliteLedger::open(folder.ledger(), LEDGER_READERS).map_err(|error| broken(&error))?;
        let objects = open_files(&folder.objects()).map_err(|error| broken(&error))?;
        let mut removed = Removed::default();
        loop {
            let round = gc::collect(&db, &objects, &SystemClock, config.retention(), self.dry_run).await;
            let round = round.map_err(|error| broken(&error))?;
            removed.extend(&round);
            // What went may have held something back.
            if self.dry_run || round.is_empty() {
                break;
            }
        }
        let count_of = |kind: Garbage| {
            let mut count = removed.of(kind);
            if kind == Garbage::Uploads {
                count.count += parts.count;
                count.bytes += parts.bytes;
            }
            count
        };
        let ledger_bytes = db.file_bytes().unwrap_or(0);
        if self.json {
            ui::json(&self.tell_json(&count_of, ledger_bytes));
        } else {
            self.tell(&removed, &count_of, ledger_bytes);
        }
        Ok(())
    }

    fn tell(&self, removed: &Removed, count_of: &dyn Fn(Garbage) -> Count, ledger_bytes: u64) {
        let verb = if self.dry_run { "would remove" } else { "removed" };
        let mut sum = Count::default();
        for kind in Garbage::ALL {
            let Count { count, bytes } = count_of(kind);
            sum.count += count;
            sum.bytes += bytes;
            if count > 0 {
                ui::line(&format!("{verb} {count} {} ({bytes} bytes)", words(kind)));
            }
        }
        if removed.is_empty() && sum.count == 0 {
            ui::line("nothing to remove");
        }
        ui::line(&format!(
            "all together {} ({} bytes); the ledger has {ledger_bytes} bytes",
            sum.count, sum.bytes
        ));
    }

    fn tell_json(&self, count_of: &dyn Fn(Garbage) -> Count, ledger_bytes: u64) -> Value {
        let kinds: serde_json::Map<String, Value> = Garbage::ALL
            .into_iter()
            .map(|kind| {
                let Count { count, bytes } = count_of(kind);
                (kind.name().to_owned(), json!({ "count": count, "bytes": bytes }))
            })
            .collect();
        json!({ "ok": true, "dryRun": self.dry_run, "removed": kinds, "ledgerBytes": ledger_bytes })
    }
}
