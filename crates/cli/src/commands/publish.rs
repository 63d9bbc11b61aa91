//! `wargate publish`: releases a version with a key of one's own, in one round trip, and checks that it stands.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use semver::Version;
use serde_json::{Value, json};
use wargate_client::{NewRelease, Preparation, PreparedRelease, Published, Registry, Sent, prepare};
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_component::manifest::{Layer, artifact};
use wargate_component::{Inspection, agree, inspect};
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;

use super::acting::waits;
use super::remote::{Reference, Remote, failed, pin_store, tell, tell_first_use, tell_json, time};
use crate::error::{CommandError, Kind};
use crate::keys::random;
use crate::secret::KeyArg;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// A component, a WIT package or a core module
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The release
    #[arg(value_name = "NS:NAME@VERSION")]
    release: Reference,
    /// Do everything but publish: check the file, the key and the package, and say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    remote: Remote,
}

impl Publish {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.publish().await;
        self.remote.told(outcome)
    }

    async fn publish(&self) -> Result<(), CommandError> {
        let name = &self.release.name;
        let Some(version) = &self.release.version else {
            return Err(CommandError::usage(format!("which version of `{name}`? say `{name}@VERSION`")));
        };
        let content = read(&self.file)?;
        let inspection = look_at(&self.file, &content, name, version)?;
        let layer = Layer { digest: Digest::of(&content), size: content.len() as u64 };
        let manifest = Digest::of(&artifact(layer, &inspection, name.name(), version).manifest);
        let registry = self.remote.client(name)?;
        let key = self.key.load()?;
        let (pins, limits) = (pin_store()?, self.remote.limits());
        let release =
            NewRelease { name: name.clone(), version: version.clone(), content, manifest: Some(manifest) };
        let prepared = prepare(&registry, &pins, release, &key, random()?, &limits).await;
        let published = match prepared.map_err(|error| failed(&error))? {
            Preparation::New(prepared) => {
                tell_first_use(&registry, &prepared.proven);
                if self.dry_run {
                    self.tell_plan(&registry, &prepared, &inspection);
                    return Ok(());
                }
                match prepared.send(&registry).await.map_err(|error| failed(&error))? {
                    Sent::Published(published) => Some(published),
                    Sent::Proposed(proposal) => {
                        waits(&self.remote, &proposal);
                        return Ok(());
                    }
                }
            }
            Preparation::Before(proven) => {
                tell_first_use(&registry, &proven);
                None
            }
        };
        self.tell_published(&registry, version, published.as_ref()).await
    }

    /// Checks that the release stands, as anybody can, and says so.
    async fn tell_published(
        &self,
        registry: &Registry,
        version: &Version,
        published: Option<&Published>,
    ) -> Result<(), CommandError> {
        let name = &self.release.name;
        let package = self.remote.verify(registry, name).await?;
        let release = package.release(Some(version), true).map_err(|error| failed(&error))?;
        let check = format!("wargate verify {name}@{version} --registry {}", registry.url());
        let before = published.is_none_or(|published| published.before);
        if self.remote.json {
            let mut told = tell_json(&package, &release);
            told["before"] = before.into();
            told["dryRun"] = self.dry_run.into();
            told["manifest"] = release.manifest.map(|manifest| manifest.to_string()).into();
            told["registryIndex"] = published.map(|published| published.index).into();
            told["recordId"] = published.map(|published| published.record.to_string()).into();
            told["check"] = check.into();
            ui::json(&told);
            return Ok(());
        }
        if before {
            ui::line("this was released before, with the same content; nothing was done");
        }
        tell(&package, &release);
        if let Some(published) = published {
            ui::line(&format!("  record        {} at index {}", published.record, published.index));
        }
        ui::line(&format!("  check it      {check}"));
        Ok(())
    }

    fn tell_plan(&self, registry: &Registry, prepared: &PreparedRelease, inspection: &Inspection) {
        if self.remote.json {
            ui::json(&plan(registry, prepared, inspection));
            return;
        }
        let PreparedRelease { release, digest, act, .. } = prepared;
        let (name, key) = (&release.name, prepared.key_id());
        ui::line(&format!(
            "{name}@{}  {digest}  ({}, {} bytes)",
            release.version, inspection.kind, inspection.size
        ));
        if prepared.starts_namespace {
            ui::line(&format!(
                "  starts        the namespace `{}`, by the registry's word",
                name.namespace()
            ));
        }
        if prepared.starts_package {
            let word = if prepared.needs_registry { ", with the registry's word" } else { "" };
            ui::line(&format!("  starts        the package `{name}`, owned by your key{word}"));
        }
        ui::line(&format!("  releases      {}, by your key {key}", release.version));
        ui::line(&format!(
            "  may be done   from {} to {}, once",
            time(act.not_before.seconds()),
            time(act.not_after.seconds())
        ));
        ui::line(&format!("  registry      {} at {}", prepared.proven.root, registry.url()));
        if let Some(lacks) = &prepared.lacks {
            ui::line(&format!("  waits, since  {lacks}"));
        }
        ui::line("nothing was sent");
    }
}

fn plan(registry: &Registry, prepared: &PreparedRelease, inspection: &Inspection) -> Value {
    let PreparedRelease { release, act, .. } = prepared;
    json!({
        "ok": true,
        "dryRun": true,
        "package": release.name.as_str(),
        "version": release.version.to_string(),
        "digest": prepared.digest.to_string(),
        "manifest": release.manifest.map(|manifest| manifest.to_string()),
        "kind": inspection.kind.as_str(),
        "bytes": inspection.size,
        "startsNamespace": prepared.starts_namespace,
        "startsPackage": prepared.starts_package,
        "needsRegistry": prepared.needs_registry,
        "lacks": prepared.lacks,
        "keyId": prepared.key_id().to_string(),
        "notBefore": time(act.not_before.seconds()),
        "notAfter": time(act.not_after.seconds()),
        "registry": registry.url(),
        "root": prepared.proven.root.to_string(),
    })
}

fn read(file: &Path) -> Result<Bytes, CommandError> {
    let failed = |cause: String| CommandError::config(format!("couldn't read `{}`: {cause}", file.display()));
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
    opened.take(WASM_BYTES_MAX + 1).read_to_end(&mut content).map_err(|error| failed(error.to_string()))?;
    if content.len() as u64 > WASM_BYTES_MAX {
        return Err(failed(format!("a release has at most {WASM_BYTES_MAX} bytes")));
    }
    Ok(content.into())
}

/// What the registry will find the file to be, before it is sent.
fn look_at(
    file: &Path,
    content: &[u8],
    name: &PackageName,
    version: &Version,
) -> Result<Inspection, CommandError> {
    let refused = |cause: String| {
        CommandError::new(Kind::Denied, format!("`{}` cannot be released: {cause}", file.display()))
    };
    let inspection = inspect(content).map_err(|error| refused(error.to_string()))?;
    agree(&inspection, name.namespace().as_str(), name.name(), version)
        .map_err(|error| refused(error.to_string()))?;
    Ok(inspection)
}
