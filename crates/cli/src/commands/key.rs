//! `wargate key`: keys of one's own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use wargate_core::key::{Algorithm, PublicKey, SecretKey, Signer as _};

use super::acting::public_key;
use super::remote::told;
use crate::error::CommandError;
use crate::secret::{self, Found, Keeper, KeyArg, KeyFile, Stub, keyring};
use crate::ui;

mod list;

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
    /// Make a key, in a file that only a passphrase opens, or in the system's keyring
    New {
        /// Make an Ed25519 key: good for everything but the registry's commit key [default: P-256]
        #[arg(long)]
        ed25519: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Take in a key of another program or file, or name one that a command signs with
    Import {
        /// PEM (PKCS#8, or SEC1), a key's secret text, or another key file; `-` is standard input
        #[arg(value_name = "FILE", required_unless_present = "sign_with")]
        file: Option<PathBuf>,
        /// A command line that signs with a key that stays where it is; the written file names both
        #[arg(long, value_name = "COMMAND", requires = "public_key")]
        #[arg(conflicts_with_all = ["file", "keyring", "no_passphrase"])]
        sign_with: Option<String>,
        /// The public half of the key that the command signs with
        #[arg(long, value_name = "PUBLIC-KEY", requires = "sign_with", value_parser = public_key)]
        public_key: Option<PublicKey>,
        #[command(flatten)]
        place: Place,
    },
    /// Show which key files there are
    List {
        /// The folder [default: ~/.config/wargate]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Put a passphrase before a key file that has none
    Encrypt {
        /// The key file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show the public half of a key
    Show(KeyArg),
}

/// Where a new key is kept.
#[derive(Debug, Args)]
struct Place {
    /// The file to write [default: key.age in ~/.config/wargate; key.stub, if the key is kept elsewhere]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not encrypt it: whoever reads the file can sign
    #[arg(long, requires = "output")]
    no_passphrase: bool,
    /// Keep the key in the system's keyring; the file only names it
    #[arg(long, conflicts_with = "no_passphrase")]
    keyring: bool,
}

impl Key {
    pub(crate) fn run(self) -> Result<(), CommandError> {
        let json = self.json;
        let outcome = match self.command {
            KeyCommand::New { ed25519, place } => {
                let algorithm = if ed25519 { Algorithm::Ed25519 } else { Algorithm::EcdsaP256 };
                place.keep(|| secret::make(algorithm), json)
            }
            KeyCommand::Import { sign_with: Some(line), public_key: Some(public), place, .. } => {
                place.name(&Stub { public, keeper: Keeper::Command(line) }, json)
            }
            KeyCommand::Import { file, place, .. } => place.keep(|| import(file.as_deref()), json),
            KeyCommand::List { folder } => list::run(folder, json),
            KeyCommand::Encrypt { file } => encrypt(&file, json),
            KeyCommand::Show(key) => {
                find(&key).map(|(public, keeper)| show(&public, keeper.as_ref(), None, json))
            }
        };
        told(json, outcome)
    }
}

impl Place {
    /// Makes or reads a key and keeps it.
    fn keep(
        &self,
        key: impl FnOnce() -> Result<SecretKey, CommandError>,
        as_json: bool,
    ) -> Result<(), CommandError> {
        // Before anybody is asked for anything.
        let path = self.free_path(self.keyring)?;
        let key = key()?;
        if self.keyring {
            let stub = Stub { public: key.public().clone(), keeper: Keeper::Keyring };
            secret::write_stub(&path, &stub)?;
            keyring::store(&key).inspect_err(|_| {
                // It would name a key that nobody has.
                let _ = std::fs::remove_file(&path);
            })?;
            show(&stub.public, Some(&stub.keeper), Some(&path), as_json);
        } else {
            let passphrase = if self.no_passphrase { None } else { Some(secret::new_passphrase()?) };
            secret::write(&path, &key, passphrase)?;
            show(key.public(), None, Some(&path), as_json);
        }
        if !as_json {
            ui::line(&match self.keyring {
                true => format!(
                    "Keep a copy: `wargate key import {} --output COPY` writes one that a passphrase opens.",
                    path.display()
                ),
                false => "Keep a copy of the file: without it nobody can sign in its name.".to_owned(),
            });
        }
        Ok(())
    }

    /// Writes down who keeps a key.
    fn name(&self, stub: &Stub, as_json: bool) -> Result<(), CommandError> {
        let path = self.free_path(true)?;
        secret::write_stub(&path, stub)?;
        show(&stub.public, Some(&stub.keeper), Some(&path), as_json);
        Ok(())
    }

    /// Where no key is yet; of the default places neither may have one, so that it is clear which is meant.
    fn free_path(&self, is_elsewhere: bool) -> Result<PathBuf, CommandError> {
        let (path, taken) = match &self.output {
            Some(path) => (path.clone(), vec![path.clone()]),
            None => {
                let places = secret::default_paths()?;
                (places[usize::from(is_elsewhere)].clone(), places.to_vec())
            }
        };
        match taken.iter().find(|path| path.symlink_metadata().is_ok()) {
            None => Ok(path),
            Some(taken) => Err(CommandError::config(format!("`{}` is there already", taken.display()))
                .hint("`wargate key show` tells which key it is; --output names another file")),
        }
    }
}

fn import(file: Option<&Path>) -> Result<SecretKey, CommandError> {
    let file = match file {
        Some(path) if path != Path::new("-") => KeyFile::read(path)?,
        _ => KeyFile::read_standard_input()?,
    };
    file.import()
}

fn encrypt(path: &Path, as_json: bool) -> Result<(), CommandError> {
    let key = KeyFile::read(path)?.encrypt(secret::new_passphrase)?;
    show(key.public(), None, Some(path), as_json);
    if !as_json {
        ui::line("A disk may still hold what was there before: to be sure, replace the key.");
    }
    Ok(())
}

/// The public half of a key, and who keeps it, if that is somebody else: neither needs to be asked for it.
fn find(key: &KeyArg) -> Result<(PublicKey, Option<Keeper>), CommandError> {
    let found = key.find()?;
    if let Found::File(file) = &found
        && let Some(stub) = file.stub()?
    {
        return Ok((stub.public, Some(stub.keeper)));
    }
    found.open().map(|key| (key.public().clone(), None))
}

fn show(public: &PublicKey, keeper: Option<&Keeper>, file: Option<&Path>, as_json: bool) {
    if as_json {
        let mut told =
            json!({ "ok": true, "publicKey": public.to_string(), "keyId": public.id().to_string() });
        if let Some(file) = file {
            told["file"] = file.display().to_string().into();
        }
        if let Some(keeper) = keeper {
            tell_keeper(keeper, &mut told);
        }
        ui::json(&told);
        return;
    }
    if let Some(file) = file {
        ui::line(&format!("written to  {}", file.display()));
    }
    ui::line(&format!("public key  {public}"));
    ui::line(&format!("key id      {}", public.id()));
    match keeper {
        Some(Keeper::Keyring) => ui::line("kept in     the system's keyring"),
        Some(Keeper::Command(line)) => ui::line(&format!("sign with   {line}")),
        None => {}
    }
}

/// Adds to what a script is told of a key who keeps it.
fn tell_keeper(keeper: &Keeper, told: &mut Value) {
    match keeper {
        Keeper::Keyring => told["kept"] = "keyring".into(),
        Keeper::Command(line) => {
            told["kept"] = "command".into();
            told["signWith"] = line.as_str().into();
        }
    }
}
