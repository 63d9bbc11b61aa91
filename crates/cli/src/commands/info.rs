//! `wargate info`: a package's releases and keys, checked; of one release also what its bytes are.

use clap::Args;
use serde_json::{Value, json};
use wargate_client::VerifiedPackage;
use wargate_core::authority::role::Role;
use wargate_core::key::KeyId;
use wargate_core::record::PackagePermission;
use wargate_core::text::plain;
use wargate_core::time::Time;
use wargate_core::v1::package::KeyState;
use wargate_core::verify::PackageLog;

use super::remote::{Reference, Remote, failed, signed_by, signed_by_json, standing, taken_down_json, time};
use crate::error::CommandError;
use crate::ui;

mod release;

#[derive(Debug, Args)]
pub(crate) struct ShowPackage {
    /// The package, or one of its releases
    #[arg(value_name = "NS:NAME[@VERSION]")]
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
        let registry = self.remote.client(&self.package.name)?;
        let package = self.remote.verify(&registry, &self.package.name).await?;
        if let Some(version) = &self.package.version {
            let release = package.release(Some(version), true).map_err(|error| failed(&error))?;
            return release::show(&registry, &package, &release, self.remote.json).await;
        }
        if self.remote.json {
            ui::json(&told(&package));
            return Ok(());
        }
        let kind = kind(&package);
        ui::line(&format!("{}  ({kind}, {} records, proven in full)", package.name, package.records));
        for release in package.releases() {
            let line = format!("  {}  {}  {}", release.version, release.content, standing(release, ""));
            ui::line(line.trim_end());
            if let Some(takedown) = &release.taken_down {
                ui::line(&format!("    {takedown}"));
            }
            if let Some(instead) = &release.deprecated {
                ui::line(&format!("    deprecated: {}", plain(instead)));
            }
            let signed = signed_by(&release.signed_by);
            ui::line(&format!("    {signed}, {}", time(release.released_seconds)));
        }
        for (key, may) in keys(&package) {
            let may = if may.is_empty() { "nothing any more".to_owned() } else { may.join(", ") };
            ui::line(&format!("  key {key}: {may}"));
        }
        Ok(())
    }
}

fn kind(package: &VerifiedPackage) -> &'static str {
    match package.layers.package {
        Some(PackageLog::Delegated { .. }) => "delegated log",
        _ => "v1 log",
    }
}

/// The keys that have a say in the log, and what each may.
fn keys(package: &VerifiedPackage) -> Vec<(KeyId, Vec<String>)> {
    match &package.layers.package {
        Some(PackageLog::V1(state)) => {
            let may = |key: &KeyState| {
                let held = PackagePermission::ALL.into_iter();
                held.filter(|one| key.permissions.holds(*one)).map(|one| one.to_string()).collect()
            };
            state.keys.iter().map(|(id, key)| (*id, may(key))).collect()
        }
        Some(PackageLog::Delegated { state, .. }) => {
            let time = Time::from_seconds(i64::try_from(package.proven.checkpoint.time).unwrap_or(i64::MAX));
            let role = |role: &Role| {
                let powers: Vec<String> = role.powers.iter().map(ToString::to_string).collect();
                vec![format!(
                    "{} ({} of {}): {}",
                    role.name,
                    role.threshold,
                    role.keys.len(),
                    powers.join(", ")
                )]
            };
            let live = state.live_at(time);
            live.flat_map(|one| one.keys.keys().map(move |key| (*key, role(one)))).collect()
        }
        None => Vec::new(),
    }
}

fn told(package: &VerifiedPackage) -> Value {
    let releases: Vec<_> = package
        .releases()
        .map(|release| {
            json!({
                "version": release.version.to_string(),
                "digest": release.content.to_string(),
                "manifest": release.manifest.map(|manifest| manifest.to_string()),
                "publishedBy": signed_by_json(&release.signed_by),
                "publishedAt": time(release.released_seconds),
                "yanked": release.yanked,
                "yankReason": release.yank_reason,
                "deprecated": release.deprecated,
                "distrusted": release.distrusted,
                "takenDown": taken_down_json(release),
            })
        })
        .collect();
    let keys = keys(package).into_iter().map(|(key, may)| json!({ "keyId": key.to_string(), "may": may }));
    let checkpoint = &package.proven.checkpoint;
    json!({
        "ok": true,
        "package": package.name.as_str(),
        "kind": kind(package),
        "records": package.records,
        "releases": releases,
        "keys": keys.collect::<Vec<_>>(),
        "checkpoint": { "size": checkpoint.size, "root": checkpoint.root.to_string() },
        "root": package.proven.root.to_string(),
    })
}
