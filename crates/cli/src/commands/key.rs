//! `wargate key`: keys of one's own.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use wargate_core::key::{Algorithm, PublicKey, SecretKey, Signer as _};

use super::remote::told;
use crate::error::CommandError;
use crate::secret::{self, KEY_FILE_BYTES_MAX, KeyArg, KeyFile};
use crate::ui;

/// How the files of keys are called that `list` looks at.
const EXTENSIONS: [&str; 2] = ["age", "key"];

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
        /// Make an Ed25519 key: good for everything but the registry's commit key [default: P-256]
        #[arg(long)]
        ed25519: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Take a key that another program made into such a file
    Import {
        /// PEM (PKCS#8, or SEC1), or a key's secret text; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
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
    /// The file to write [default: ~/.config/wargate/key.age]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not encrypt it: whoever reads the file can sign
    #[arg(long, requires = "output")]
    no_passphrase: bool,
}

impl Key {
    pub(crate) fn run(self) -> Result<(), CommandError> {
        let json = self.json;
        let outcome = match self.command {
            KeyCommand::New { ed25519, place } => {
                let algorithm = if ed25519 { Algorithm::Ed25519 } else { Algorithm::EcdsaP256 };
                place.keep(|| secret::make(algorithm), json)
            }
            KeyCommand::Import { file, place } => place.keep(|| import(&file), json),
            KeyCommand::List { folder } => list(folder, json),
            KeyCommand::Encrypt { file } => encrypt(&file, json),
            KeyCommand::Show(key) => key.load().map(|key| show(key.public(), None, json)),
        };
        told(json, outcome)
    }
}

impl Place {
    fn keep(
        &self,
        key: impl FnOnce() -> Result<SecretKey, CommandError>,
        as_json: bool,
    ) -> Result<(), CommandError> {
        let path = self.output.clone().map_or_else(secret::default_path, Ok)?;
        // Before anybody is asked for anything.
        if path.symlink_metadata().is_ok() {
            return Err(CommandError::config(format!("`{}` is there already", path.display()))
                .hint("`wargate key show` tells which key it is; --output names another file"));
        }
        let key = key()?;
        let passphrase = if self.no_passphrase { None } else { Some(secret::new_passphrase()?) };
        secret::write(&path, &key, passphrase)?;
        show(key.public(), Some(&path), as_json);
        if !as_json {
            ui::line("Keep a copy of the file: without it nobody can sign in its name.");
        }
        Ok(())
    }
}

fn import(file: &Path) -> Result<SecretKey, CommandError> {
    let failed =
        |error: std::io::Error| CommandError::config(format!("couldn't read `{}`: {error}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(KEY_FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(failed)?;
    secret::import(&text)
}

/// Nobody is asked for a passphrase: what an encrypted file holds is not told.
fn list(folder: Option<PathBuf>, as_json: bool) -> Result<(), CommandError> {
    let folder = folder.map_or_else(secret::default_folder, Ok)?;
    let failed = |error: std::io::Error| {
        CommandError::config(format!("couldn't list `{}`: {error}", folder.display()))
    };
    let mut paths = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(failed)?.path());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    paths.retain(|path| EXTENSIONS.iter().any(|extension| path.extension().is_some_and(|e| e == *extension)));
    paths.sort();
    let mut found: Vec<Value> = Vec::new();
    for path in &paths {
        let file = KeyFile::read(path)?;
        let (encrypted, key) = match file.is_encrypted() {
            true => (true, None),
            false => (false, file.open().ok()),
        };
        let public = key.as_ref().map(SecretKey::public);
        if as_json {
            let (key, id) = (public.map(PublicKey::to_string), public.map(|key| key.id().to_string()));
            found.push(json!({ "file": path.display().to_string(), "encrypted": encrypted, "publicKey": key, "keyId": id }));
            continue;
        }
        let what = match (encrypted, public) {
            (true, _) => "encrypted".to_owned(),
            (false, Some(public)) => format!("plain  {public}"),
            (false, None) => "no key".to_owned(),
        };
        ui::line(&format!("{}  {what}", path.display()));
    }
    if as_json {
        ui::json(&json!({ "ok": true, "keys": found }));
    } else if paths.is_empty() {
        ui::line(&format!("no key files in {}", folder.display()));
    }
    Ok(())
}

fn encrypt(path: &Path, as_json: bool) -> Result<(), CommandError> {
    let file = KeyFile::read(path)?;
    if file.is_encrypted() {
        return Err(CommandError::config(format!("`{}` has a passphrase already", path.display())));
    }
    let key = file.open()?;
    secret::encrypt(path, &key, secret::new_passphrase()?)?;
    show(key.public(), Some(path), as_json);
    if !as_json {
        ui::line("A disk may still hold what was there before: to be sure, replace the key.");
    }
    Ok(())
}

fn show(public: &PublicKey, file: Option<&Path>, as_json: bool) {
    if as_json {
        let mut told =
            json!({ "ok": true, "publicKey": public.to_string(), "keyId": public.id().to_string() });
        if let Some(file) = file {
            told["file"] = file.display().to_string().into();
        }
        ui::json(&told);
        return;
    }
    if let Some(file) = file {
        ui::line(&format!("written to  {}", file.display()));
    }
    ui::line(&format!("public key  {public}"));
    ui::line(&format!("key id      {}", public.id()));
}
