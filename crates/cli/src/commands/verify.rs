//! `wargate verify`: checks that a release is what its publisher released, and that the registry serves it.

use clap::Args;
use wargate_client::CONTENT_BYTES_MAX;

use super::remote::{Reference, Remote, failed, tell, tell_json};
use crate::error::CommandError;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The release
    #[arg(value_name = "NS:NAME@VERSION")]
    release: Reference,
    /// Accept a yanked release
    #[arg(long)]
    yanked: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Verify {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.check().await;
        self.remote.told(outcome)
    }

    async fn check(&self) -> Result<(), CommandError> {
        let registry = self.remote.client(&self.release.name)?;
        let package = self.remote.verify(&registry, &self.release.name).await?;
        let release = self.remote.choose(&package, self.release.version.as_ref(), self.yanked)?;
        let bar = ui::progress();
        let mut take = |piece: &[u8]| {
            bar.inc(piece.len() as u64);
            Ok(())
        };
        let downloaded = registry.download(&package.name, &release, CONTENT_BYTES_MAX, &mut take).await;
        bar.finish_and_clear();
        downloaded.map_err(|error| failed(&error))?;
        self.remote.taken(&package, &release)?;
        if self.remote.json {
            ui::json(&tell_json(&package, &release));
        } else {
            tell(&package, &release);
        }
        Ok(())
    }
}
