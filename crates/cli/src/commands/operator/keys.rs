//! `wargate operator keys`: the keys that a registry uses every day, made where they are used.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use wargate_core::key::{PublicKey, SecretKey};
use wargate_store::{DataFolder, FolderError};

use crate::config::DATA_DEFAULT;
use crate::error::CommandError;
use crate::keys::{self, Make, RegistryKeys};
use crate::ui;

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// The data folder, made if it is not there
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA", default_value = DATA_DEFAULT)]
    data: PathBuf,
    /// Of a registry that has begun: make the key that is to take the commit key's place
    #[arg(long)]
    next: bool,
}

impl Keys {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CommandError> {
        if self.next {
            return self.next(as_json);
        }
        let keys = if keys::has_begun(&self.data) { self.look()? } else { self.make()? };
        let shown = [
            ("commit", Some(&keys.commit)),
            ("commitSpare", keys.commit_spare.as_ref()),
            ("publishing", keys.publishing.as_ref()),
        ];
        let shown: Vec<(&str, &PublicKey)> = shown
            .into_iter()
            .filter_map(|(name, key)| key.map(SecretKey::public).map(|key| (name, key)))
            .collect();
        if as_json {
            let mut told = json!({ "ok": true });
            for (name, key) in &shown {
                told[name] = key.to_string().into();
            }
            ui::json(&told);
        } else {
            tell(&self.data.join("keys"), &shown);
        }
        Ok(())
    }

    /// Of a registry that has begun, also while it runs: nothing is made any more.
    fn look(&self) -> Result<RegistryKeys, CommandError> {
        let folder = DataFolder::look_into(&self.data).map_err(|error| refused(&error))?;
        RegistryKeys::load(&folder.keys(), None, Make::Nothing)
    }

    /// Also while it runs: the key is of no use before its owners let it in and the registry starts anew.
    fn next(&self, as_json: bool) -> Result<(), CommandError> {
        if !keys::has_begun(&self.data) {
            let message = format!("the registry in `{}` has not begun", self.data.display());
            return Err(CommandError::config(message).hint("without --next its first keys are made"));
        }
        let folder = DataFolder::look_into(&self.data).map_err(|error| refused(&error))?.keys();
        let next = keys::make_next(&folder)?;
        let present = RegistryKeys::load(&folder, None, Make::Nothing)?.commit;
        let (next, present) = (next.public(), present.public());
        if as_json {
            let (next, present) = (next.to_string(), present.id().to_string());
            ui::json(&json!({ "ok": true, "next": next, "presentKeyId": present }));
            return Ok(());
        }
        ui::line(&format!("  next        signs checkpoints once the owners let it in\n              {next}"));
        ui::line(&format!(
            "The owners let it in, then `serve` is started anew, then they take the present one out:\n  \
             wargate grant operator commit --to {next} --until 180d --propose next.json\n  \
             wargate revoke operator commit --take {} --propose former.json",
            present.id()
        ));
        Ok(())
    }

    fn make(&self) -> Result<RegistryKeys, CommandError> {
        let folder = DataFolder::open(&self.data).map_err(|error| refused(&error))?;
        if let Some(path) = keys::root_key(&folder.keys()) {
            return Err(CommandError::config(format!("`{}` was made by `wargate serve`", path.display()))
                .hint(
                    "a registry whose owners keep their keys elsewhere begins in an empty folder: --data",
                ));
        }
        RegistryKeys::load(&folder.keys(), None, Make::Online)
    }
}

fn refused(error: &FolderError) -> CommandError {
    CommandError::config(error.to_string())
}

fn tell(folder: &Path, keys: &[(&str, &PublicKey)]) {
    ui::line(&format!("in {}, which nobody else may enter:", folder.display()));
    let mut options = String::new();
    for (name, key) in keys {
        let (what, option) = match *name {
            "commit" => ("commit      signs checkpoints", "commit"),
            "commitSpare" => {
                ("spare       takes its place if it is lost: keep commit-spare.key elsewhere", "commit")
            }
            _ => ("publishing  endorses what users push who have no key", "publishing"),
        };
        // Signers are shown ids.
        ui::line(&format!("  {what}\n              {key}\n              {}", key.id()));
        options.push_str(&format!(" \\\n    --{option} {key}"));
    }
    ui::line(&format!(
        "Where the owners' public keys are, `wargate key new` having made theirs:\n  \
         wargate operator init --owner PUBLIC-KEY --owner PUBLIC-KEY --threshold 2{options} \\\n    \
         --origin HOST/log --propose operator.json"
    ));
}
