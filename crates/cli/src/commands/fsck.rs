//! `wargate fsck`: checks a data folder, and makes anew what follows from the rest.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use wargate_registry::db::Db;
use wargate_registry::fsck::{self, Damage, FsckOptions, Progress, Report, Sample};
use wargate_registry::inspector::{Inspectors, Program};
use wargate_store::sqlite::ReadOnlyLedger;
use wargate_store::{DataFolder, FolderError, SqliteLedger, open_files};

use super::remote::told;
use crate::error::{CommandError, Kind};
use crate::{origin, ui};

/// Connections of the ledger that read.
const LEDGER_READERS: usize = 1;

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// The data folder
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA", default_value = "wargate-data")]
    data: PathBuf,
    /// Check only so many of a hundred things of each kind, other ones each time
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    #[arg(conflicts_with_all = ["repair", "rebuild"])]
    sample: Option<u8>,
    /// Make damaged things anew where the ledger's records or the objects give them
    #[arg(long)]
    repair: bool,
    /// Make the tables anew that follow from log and content
    #[arg(long)]
    rebuild: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fsck {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let checked = told(self.json, self.check().await)?;
        if self.json {
            ui::json(&to_json(&checked));
        } else {
            tell(&checked);
        }
        if checked.is_clean() {
            return Ok(());
        }
        let left = checked.damage.iter().filter(|damage| !damage.is_repaired()).count() as u64;
        let text = match left + checked.unnamed {
            1 => "one thing is damaged".to_owned(),
            many => format!("{many} things are damaged"),
        };
        Err(CommandError::new(Kind::Verification, text))
    }

    async fn check(&self) -> Result<Report, CommandError> {
        let writes = self.repair || self.rebuild;
        let folder = self.folder(writes)?;
        let broken = |error: &dyn std::fmt::Display| CommandError::internal(error.to_string());
        let path = folder.ledger();
        if !path.exists() {
            return Err(CommandError::config(format!("`{}` is missing", path.display()))
                .hint("restore it from a backup: `wargate restore`"));
        }
        let db: Arc<dyn Db> = if writes {
            Arc::new(SqliteLedger::open(path, LEDGER_READERS).map_err(|error| broken(&error))?)
        } else {
            Arc::new(ReadOnlyLedger::open(&path).map_err(|error| broken(&error))?)
        };
        let objects = open_files(&folder.objects()).map_err(|error| broken(&error))?;
        let bar = ui::counts();
        let shown = bar.clone();
        let progress = move |progress: &Progress| {
            let of = progress.of.map(|of| format!(" of {of}")).unwrap_or_default();
            shown.set_message(format!("{}: {}{of}", progress.part, progress.done));
            shown.tick();
        };
        let options = FsckOptions {
            origin: origin::kept(folder.path()),
            sample: self.sample.map(sample).transpose()?,
            repair: self.repair,
            rebuild: self.rebuild,
            // Untrusted files are parsed by this same program, elsewhere.
            inspector: Some(Arc::new(Inspectors::new(Program::new("/proc/self/exe", ["inspect"])))),
            facts_max: None,
            progress: std::io::stderr().is_terminal().then(|| Arc::new(progress) as _),
        };
        let checked = fsck::check(&*db, &objects, &options).await;
        bar.finish_and_clear();
        checked.map_err(|error| broken(&error))
    }

    /// Who only reads may do so beside a registry.
    fn folder(&self, writes: bool) -> Result<DataFolder, CommandError> {
        let refused = |error: FolderError| CommandError::config(error.to_string());
        match DataFolder::open_existing(&self.data) {
            Err(FolderError::InUse { .. }) if !writes => {
                ui::note("the folder is in use: checking what is committed now, beside the registry");
                DataFolder::look_into(&self.data).map_err(refused)
            }
            Err(error @ FolderError::InUse { .. }) => {
                Err(refused(error).hint("plain `wargate fsck` may run beside it"))
            }
            opened => opened.map_err(refused),
        }
    }
}

fn sample(percent: u8) -> Result<Sample, CommandError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| CommandError::internal(error.to_string()))?;
    Ok(Sample { percent, seed: u64::from_be_bytes(seed) })
}

/// A line for each damaged thing, then what was looked at.
fn tell(report: &Report) {
    for damage in &report.damage {
        ui::line(&damage.to_string());
    }
    if report.unnamed > 0 {
        ui::line(&format!("and {} more", report.unnamed));
    }
    for note in &report.notes {
        ui::note(&format!("note: {note}"));
    }
    let counts: Vec<String> = report.checked.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    ui::note(&format!("checked as of tree size {}: {}", report.size, counts.join(", ")));
    if report.damage.is_empty() {
        ui::line("clean");
    }
}

fn to_json(report: &Report) -> serde_json::Value {
    let damage = |damage: &Damage| {
        json!({
            "what": damage.what(),
            "wrong": damage.wrong(),
            "repaired": damage.is_repaired(),
            "remedy": damage.remedy().words(),
        })
    };
    json!({
        "ok": report.is_clean(),
        "size": report.size,
        "checked": report.checked,
        "damage": report.damage.iter().map(damage).collect::<Vec<_>>(),
        "unnamed": report.unnamed,
        "notes": report.notes,
    })
}
