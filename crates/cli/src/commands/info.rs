//! `wargate info`: a package's releases and keys, checked.

use clap::Args;
use serde_json::json;
use wargate_core::record::PackagePermission;

use super::remote::{Reference, Remote, time};
use crate::error::CommandError;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct ShowPackage {
    /// The package
    #[arg(value_name = "NS:NAME")]
    package: Reference,
    #[command(flatten)]
    remote: Remote,
}

impl ShowPackage {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.show().await;
        self.remote.told(outcome)
    }

    async fn show(&self) -> Result<(), CommandError> {
        let registry = self.remote.client()?;
        let package = self.remote.verify(&registry, &self.package.name).await?;
        let may = |permissions: wargate_core::v1::package::PermissionSet| -> Vec<String> {
            let held = PackagePermission::ALL.into_iter().filter(|permission| permissions.holds(*permission));
            held.map(|permission| permission.to_string()).collect()
        };
        if self.remote.json {
            let releases: Vec<_> = package
                .releases()
                .map(|release| {
                    json!({
                        "version": release.version.to_string(),
                        "digest": release.content.to_string(),
                        "keyId": release.by.to_string(),
                        "publishedAt": time(release.released_seconds),
                        "yanked": release.yanked,
                    })
                })
                .collect();
            let keys: Vec<_> = package
                .state
                .keys
                .iter()
                .map(|(id, key)| json!({ "keyId": id.to_string(), "may": may(key.permissions) }))
                .collect();
            ui::json(&json!({
                "ok": true,
                "package": package.name.as_str(),
                "kind": "v1 log",
                "records": package.records,
                "releases": releases,
                "keys": keys,
                "checkpoint": { "size": package.checkpoint.size, "root": package.checkpoint.root.to_string() },
                "root": package.root.to_string(),
            }));
            return Ok(());
        }
        ui::line(&format!("{}  (v1 log, {} records, proven in full)", package.name, package.records));
        for release in package.releases() {
            let yanked = if release.yanked { "  YANKED" } else { "" };
            ui::line(&format!("  {}  {}{yanked}", release.version, release.content));
            ui::line(&format!("    by key {}, {}", release.by, time(release.released_seconds)));
        }
        for (id, key) in &package.state.keys {
            let may = may(key.permissions);
            let may = if may.is_empty() { "nothing any more".to_owned() } else { may.join(", ") };
            ui::line(&format!("  key {id}: {may}"));
        }
        Ok(())
    }
}
