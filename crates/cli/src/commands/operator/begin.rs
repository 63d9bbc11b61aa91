//! `wargate operator begin`: a registry begins with the act that its owners signed elsewhere.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use wargate_core::act::Act;
use wargate_core::act::power::Power;
use wargate_core::authority::{self, Refusal};
use wargate_core::id::LogId;
use wargate_core::key::{PublicKey, SecretKey};
use wargate_registry::{Access, Genesis, Registry};
use wargate_store::DataFolder;

use crate::commands::acting::now;
use crate::commands::restore::check_may_sign;
use crate::commands::serve::opening::Opening;
use crate::commands::sign::read;
use crate::config::ServeConfig;
use crate::error::{CommandError, Kind};
use crate::keys::{self, Make, RegistryKeys};
use crate::{origin, ui};

#[derive(Debug, Args)]
pub(super) struct Begin {
    /// The request that `wargate operator init` wrote, signed by enough owners
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data folder in which `wargate operator keys` made the keys [default: wargate-data]
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA")]
    data: Option<PathBuf>,
    /// The configuration of `serve`
    #[arg(long, value_name = "FILE", env = "WARGATE_CONFIG")]
    config: Option<PathBuf>,
}

impl Begin {
    pub(super) async fn run(&self, as_json: bool) -> Result<(), CommandError> {
        let request = read(&self.file)?;
        let act = Act::decode(&request.act).map_err(|error| CommandError::config(error.to_string()))?;
        if request.bench.root.is_some() {
            return Err(CommandError::config("it is for a registry that has begun")
                .hint(format!("wargate submit {}", self.file.display())));
        }
        let config = self.config.as_deref().map(ServeConfig::read).transpose()?.unwrap_or_default();
        let data = config.data_folder(self.data.as_deref());
        let folder = DataFolder::open_existing(&data).map_err(|error| {
            CommandError::config(error.to_string())
                .hint("`wargate operator keys` makes the folder with its keys")
        })?;
        check_may_sign(folder.path())?;
        let keys = self.keys(&folder, &config, &act)?;
        if !folder.ledger().exists() {
            match request.bench.judge(&request.act, &request.endorsements, now()) {
                Ok(None) => {}
                Ok(Some(refusal)) | Err(refusal) => return Err(not_begun(&refusal)),
            }
        }
        let origin = chosen_origin(&folder, &config, &request.registry, keys.commit.public())?;
        let opening = Opening { folder: &folder, config: &config, keys, origin, access: Access::OPEN };
        let genesis = Genesis { act: request.act.clone().into(), endorsements: request.endorsements.clone() };
        let registry = opening.open(Some(genesis)).await?;
        let began = began_with(&registry, &request.act).await;
        registry.close().await;
        if !began? {
            return Err(already_another(&registry, &data));
        }
        tell(&registry, &data, as_json);
        Ok(())
    }

    /// The folder's keys, if they are those that the act lets in.
    fn keys(
        &self,
        folder: &DataFolder,
        config: &ServeConfig,
        act: &Act,
    ) -> Result<RegistryKeys, CommandError> {
        if let Some(path) = keys::root_key(&folder.keys()) {
            return Err(CommandError::config(format!("`{}` owns this folder's registry", path.display()))
                .hint(
                    "a registry whose owners keep their keys elsewhere begins in a folder of its own: --data",
                ));
        }
        let keys = RegistryKeys::load(&folder.keys(), config.commit_key.as_deref(), Make::Nothing)?;
        let here = [("commit", Power::Commit, Some(&keys.commit))];
        let publishing = ("publishing", Power::Publish, keys.publishing.as_ref());
        for (name, power, key) in here.into_iter().chain([publishing]) {
            let named = act.first_key_with(power);
            if named != key.map(SecretKey::public) {
                return Err(other_key(name, named, key));
            }
        }
        Ok(keys)
    }
}

fn other_key(name: &str, named: Option<&PublicKey>, key: Option<&SecretKey>) -> CommandError {
    let shown = |key: Option<&PublicKey>| key.map_or_else(|| "none".to_owned(), ToString::to_string);
    CommandError::config(format!(
        "the {name} key in the act is {}, the one of this folder is {}",
        shown(named),
        shown(key.map(SecretKey::public))
    ))
    .hint("`wargate operator keys` shows the folder's; the owners sign an act that names them, the commit key first")
}

fn not_begun(refusal: &Refusal) -> CommandError {
    let error = CommandError::new(Kind::Denied, format!("the registry does not begin: {refusal}"));
    match refusal {
        Refusal::Threshold { .. } => {
            error.hint("the owners that have not signed yet do so with `wargate sign FILE`")
        }
        Refusal::OutsideWindow { .. } => error
            .hint("if it is too late, `wargate operator init` writes the request anew; is the clock right?"),
        _ => error,
    }
}

/// The owners signed no origin, but they were shown the one in the request.
fn chosen_origin(
    folder: &DataFolder,
    config: &ServeConfig,
    shown: &str,
    commit: &PublicKey,
) -> Result<String, CommandError> {
    match &config.origin {
        Some(configured) if configured != shown => Err(CommandError::config(format!(
            "the configuration names the origin `{configured}`, the request `{shown}`"
        ))
        .hint("a log keeps its origin for ever: correct one of them")),
        _ => origin::choose(folder, Some(shown), shown, commit),
    }
}

/// Whether the registry's first record carries this act.
async fn began_with(registry: &Registry, act: &[u8]) -> Result<bool, CommandError> {
    let snapshot = registry.snapshot();
    let page = snapshot.log_page(&LogId::operator(), None, snapshot.checkpoint().size(), 1).await;
    let page = page.map_err(|error| CommandError::internal(error.to_string()))?;
    let first = page.records.first().map(|record| authority::first_act(&record.envelope.contents));
    Ok(first.is_some_and(|first| first.is_ok_and(|first| first == act)))
}

fn root(registry: &Registry) -> String {
    registry.snapshot().root().map(ToString::to_string).unwrap_or_default()
}

fn already_another(registry: &Registry, data: &Path) -> CommandError {
    let (data, root) = (data.display(), root(registry));
    CommandError::config(format!("the registry in `{data}` is {root}, and began with another act"))
        .hint("acts on a registry that has begun are handed in with `wargate submit`")
}

fn tell(registry: &Registry, data: &Path, as_json: bool) {
    let (root, origin) = (root(registry), registry.origin());
    if as_json {
        ui::json(&json!({ "ok": true, "root": root, "origin": origin }));
        return;
    }
    ui::line(&format!("the registry {root} has begun; its log is {origin}"));
    ui::line(&format!("  wargate serve --data {} --config FILE", data.display()));
    ui::line(&format!("  wargate trust add URL --root {root}      wherever somebody verifies"));
}
