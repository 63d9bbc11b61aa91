//! `wargate sign` and `wargate submit`: what becomes of a request file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use wargate_client::{REQUEST_BYTES_MAX, Request};
use wargate_core::act::{Act, endorse};
use wargate_core::key::Signer as _;

use super::acting::{hand_in, now, refuse_what_never_holds, tell};
use super::remote::{Remote, pin_store, told};
use crate::error::{CommandError, Kind};
use crate::secret::KeyArg;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The request
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only show what it does
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Sign {
    /// Asks nobody: what is needed is in the file.
    pub(crate) fn run(self) -> Result<(), CommandError> {
        let outcome = self.sign();
        told(self.json, outcome)
    }

    fn sign(&self) -> Result<(), CommandError> {
        let mut request = read(&self.file)?;
        let act = Act::decode(&request.act).map_err(|error| CommandError::config(error.to_string()))?;
        check_registry(&request)?;
        refuse_what_never_holds(&request, now())?;
        if self.dry_run {
            tell(&request, &act, now(), self.json);
            return Ok(());
        }
        let key = self.key.load()?;
        let id = key.public().id();
        if request.endorsements.iter().any(|one| one.key_id == id) {
            return Err(CommandError::config(format!("key {id} has signed it already")));
        }
        if !request.bench.has_a_say(&id, &act, now()) {
            let reason = format!("key {id} has no say in this act: it is in no live role");
            return Err(CommandError::new(Kind::Denied, reason));
        }
        let signed = endorse(&request.act, &key).map_err(CommandError::config)?;
        request.endorsements.push(signed);
        refuse_what_never_holds(&request, now())?;
        replace(&self.file, &request)?;
        tell(&request, &act, now(), self.json);
        Ok(())
    }
}

/// A registry that is pinned is the one that the act names.
fn check_registry(request: &Request) -> Result<(), CommandError> {
    let Some(root) = request.bench.root else {
        ui::note("it begins a new registry: compare each key with what its holder tells");
        return Ok(());
    };
    let pin =
        pin_store()?.load(&request.registry).map_err(|error| CommandError::config(error.to_string()))?;
    match pin {
        Some(pin) if pin.root.0 != root => Err(CommandError::new(
            Kind::Verification,
            format!(
                "the act is for the registry {root}, and {} is pinned as {}",
                request.registry, pin.root.0
            ),
        )),
        Some(_) => Ok(()),
        None => {
            ui::note(&format!(
                "{} is not pinned here: compare {root} with what its operator tells",
                request.registry
            ));
            Ok(())
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The request, signed by enough
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

impl Submit {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.submit().await;
        self.remote.told(outcome)
    }

    async fn submit(&self) -> Result<(), CommandError> {
        let request = read(&self.file)?;
        if request.bench.root.is_none() {
            return Err(CommandError::config("no registry takes it: one begins with it")
                .hint(format!("on the server: wargate operator begin {} --data DIR", self.file.display())));
        }
        hand_in(&self.remote, &request).await
    }
}

/// Reads a request.
pub(crate) fn read(path: &Path) -> Result<Request, CommandError> {
    let failed = |cause: String| CommandError::config(format!("the request `{}`: {cause}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(REQUEST_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    Request::parse(&text).map_err(|error| failed(error.to_string()))
}

/// Puts the signed request in the place of the other, whole or not at all.
fn replace(path: &Path, request: &Request) -> Result<(), CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't write `{}`: {cause}", path.display()));
    let text = request.to_text().map_err(|error| failed(error.to_string()))?;
    let beside = path.with_extension("signed");
    std::fs::write(&beside, text).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&beside, path).map_err(|error| failed(error.to_string()))
}
