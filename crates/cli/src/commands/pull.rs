//! `wargate pull`: checks a release and downloads it; a file appears only when everything holds.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use wargate_client::{CONTENT_BYTES_MAX, Registry, VerifiedRelease};
use wargate_core::name::PackageName;

use super::remote::{Reference, Remote, failed, tell, tell_json};
use crate::error::CommandError;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The release; without a version the highest that is neither yanked nor a pre-release
    #[arg(value_name = "NS:NAME[@VERSION]")]
    release: Reference,
    /// The file to write [default: NAME.wasm]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take a yanked release
    #[arg(long)]
    yanked: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Pull {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.pull().await;
        self.remote.told(outcome)
    }

    async fn pull(&self) -> Result<(), CommandError> {
        let registry = self.remote.client(&self.release.name)?;
        let package = self.remote.verify(&registry, &self.release.name).await?;
        let release = self.remote.choose(&package, self.release.version.as_ref(), self.yanked)?;
        let output =
            self.output.clone().unwrap_or_else(|| format!("{}.wasm", self.release.name.name()).into());
        download(&registry, &package.name, &release, &output).await?;
        self.remote.taken(&package, &release)?;
        if self.remote.json {
            let mut told = tell_json(&package, &release);
            told["file"] = output.display().to_string().into();
            ui::json(&told);
        } else {
            tell(&package, &release);
            ui::line(&format!("  written to    {}", output.display()));
        }
        Ok(())
    }
}

/// Streams into a file beside the target and renames it once its digest holds.
async fn download(
    registry: &Registry,
    name: &PackageName,
    release: &VerifiedRelease,
    output: &Path,
) -> Result<(), CommandError> {
    let failed_to = |error: std::io::Error| {
        CommandError::internal(format!("couldn't write `{}`: {error}", output.display()))
    };
    let mut unfinished = output.file_name().unwrap_or_default().to_owned();
    unfinished.push(format!(".{}.part", std::process::id()));
    let part = output.with_file_name(unfinished);
    let mut file = File::create(&part).map_err(failed_to)?;
    let bar = ui::progress();
    let mut take = |piece: &[u8]| {
        bar.inc(piece.len() as u64);
        file.write_all(piece)
    };
    let outcome = registry.download(name, release, CONTENT_BYTES_MAX, &mut take).await;
    bar.finish_and_clear();
    let finish = || -> std::io::Result<()> {
        file.sync_all()?;
        std::fs::rename(&part, output)
    };
    let outcome = outcome.map_err(|error| failed(&error)).and_then(|_| finish().map_err(failed_to));
    if outcome.is_err() {
        // Whatever came is not what was released.
        let _ = std::fs::remove_file(&part);
    }
    outcome
}
