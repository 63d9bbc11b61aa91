//! `wargate key`: a key of one's own.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use wargate_core::key::SecretKey;

use super::remote::told;
use crate::error::CommandError;
use crate::secret::{self, KeyArg};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key, in a file that only a passphrase opens
    New {
        /// The file to write [default: ~/.config/wargate/key.age]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Do not encrypt it: whoever reads the file can publish
        #[arg(long, requires = "output")]
        no_passphrase: bool,
    },
    /// Show the public half of a key
    Show(KeyArg),
}

impl Key {
    pub(crate) fn run(self) -> Result<(), CommandError> {
        let outcome = match &self.command {
            KeyCommand::New { output, no_passphrase } => new(output.clone(), *no_passphrase, self.json),
            KeyCommand::Show(key) => key.load().map(|key| show(&key, None, self.json)),
        };
        told(self.json, outcome)
    }
}

fn new(output: Option<PathBuf>, no_passphrase: bool, as_json: bool) -> Result<(), CommandError> {
    let path = output.map_or_else(secret::default_path, Ok)?;
    // Before anybody is asked for anything.
    if path.symlink_metadata().is_ok() {
        return Err(CommandError::config(format!("`{}` is there already", path.display()))
            .hint("`wargate key show` tells which key it is; --output names another file"));
    }
    let passphrase = if no_passphrase { None } else { Some(secret::new_passphrase()?) };
    let key = secret::make()?;
    secret::write(&path, &key, passphrase)?;
    show(&key, Some(&path.display().to_string()), as_json);
    if !as_json {
        ui::line("Keep a copy of the file: without it nobody can publish in its name.");
    }
    Ok(())
}

fn show(key: &SecretKey, file: Option<&str>, as_json: bool) {
    let public = key.public();
    if as_json {
        let mut told =
            json!({ "ok": true, "publicKey": public.to_string(), "keyId": public.id().to_string() });
        if let Some(file) = file {
            told["file"] = file.into();
        }
        ui::json(&told);
        return;
    }
    if let Some(file) = file {
        ui::line(&format!("written to  {file}"));
    }
    ui::line(&format!("public key  {public}"));
    ui::line(&format!("key id      {}", public.id()));
}
