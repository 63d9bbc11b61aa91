//! A person's own key: where it lies, and who is asked for its passphrase.
//!
//! It lies in a key file, in the system's keyring, or nowhere here, and a command signs.

use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use clap::Args;
use wargate_core::key::{Algorithm, PublicKey, SecretKey, Signature, Signer};

use crate::commands::acting::public_key;
use crate::error::CommandError;
use crate::keys::random;

mod command;
mod file;
pub(crate) mod keyring;
mod pem;
mod stub;

use command::SigningCommand;
pub(crate) use file::{KeyFile, write, write_stub};
pub(crate) use stub::{Keeper, Stub};

/// The variable that holds a key's secret text, for machines.
const KEY_VARIABLE: &str = "WARGATE_KEY";

/// The variable that holds a key file's passphrase.
const PASSPHRASE_VARIABLE: &str = "WARGATE_KEY_PASSPHRASE";

/// Which key to sign with.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// The key file; without it WARGATE_KEY may hold a key's secret text [default: key.age or key.stub in ~/.config/wargate]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A command line that signs instead: it reads the bytes, and prints the signature
    #[arg(long, value_name = "COMMAND", requires = "public_key", conflicts_with = "key")]
    sign_with: Option<String>,
    /// The public half of the key that the command signs with
    #[arg(long, value_name = "PUBLIC-KEY", requires = "sign_with", value_parser = public_key)]
    public_key: Option<PublicKey>,
}

/// Somebody's own key: here, or where a command reaches it.
#[derive(Debug)]
pub(crate) enum OwnKey {
    /// In this process.
    Here(SecretKey),
    /// Kept elsewhere.
    Elsewhere(SigningCommand),
}

impl Signer for OwnKey {
    type Error = String;

    fn public(&self) -> &PublicKey {
        match self {
            Self::Here(key) => key.public(),
            Self::Elsewhere(command) => command.public(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, String> {
        match self {
            Self::Here(key) => key.sign(message).map_err(|error| error.to_string()),
            Self::Elsewhere(command) => command.sign(message),
        }
    }
}

/// Where a key was found; nobody was asked for anything yet.
pub(crate) enum Found {
    /// In no file.
    Key(OwnKey),
    /// In a file.
    File(KeyFile),
}

impl Found {
    /// The key, for whoever may use it.
    pub(crate) fn open(self) -> Result<OwnKey, CommandError> {
        match self {
            Self::Key(key) => Ok(key),
            Self::File(file) => file.open(),
        }
    }
}

impl KeyArg {
    /// The key: of the command, else of the file, else of the environment, else of the default file.
    pub(crate) fn load(&self) -> Result<OwnKey, CommandError> {
        self.find()?.open()
    }

    /// Where the key is.
    pub(crate) fn find(&self) -> Result<Found, CommandError> {
        if let (Some(line), Some(public)) = (&self.sign_with, &self.public_key) {
            return Ok(Found::Key(OwnKey::Elsewhere(SigningCommand::new(line, public.clone()))));
        }
        if let Some(path) = &self.key {
            return KeyFile::read(path).map(Found::File);
        }
        if let Some(text) = variable(KEY_VARIABLE)? {
            let key = text.trim().parse().map_err(|error: wargate_core::key::KeyError| {
                CommandError::config(format!("{KEY_VARIABLE}: {error}"))
            })?;
            return Ok(Found::Key(OwnKey::Here(key)));
        }
        let mut there = default_paths()?.into_iter().filter(|path| path.exists());
        match (there.next(), there.next()) {
            (Some(path), None) => KeyFile::read(&path).map(Found::File),
            (Some(one), Some(other)) => {
                let (one, other) = (one.display(), other.display());
                Err(CommandError::config(format!("both `{one}` and `{other}` are there"))
                    .hint("--key names one"))
            }
            (None, _) => {
                Err(CommandError::config(format!("there is no key in `{}`", default_folder()?.display()))
                    .hint("`wargate key new` makes one; --key names another file"))
            }
        }
    }
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Result<Option<String>, CommandError> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        // It is secret, so it is not repeated.
        Err(std::env::VarError::NotUnicode(_)) => Err(CommandError::config(format!("{name} is not text"))),
    }
}

/// The user's folder of configurations.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("XDG_CONFIG_HOME").or_else(|| of("HOME").map(|home| home.join(".config")))
}

/// The folder of keys unless said otherwise.
pub(crate) fn default_folder() -> Result<PathBuf, CommandError> {
    let folder = config_folder()
        .ok_or_else(|| CommandError::config("there is no folder for keys: set HOME, or name a file"))?;
    Ok(folder.join("wargate"))
}

/// Where a key is kept unless said otherwise: in the first, or by the second elsewhere. Only one of them is there.
pub(crate) fn default_paths() -> Result<[PathBuf; 2], CommandError> {
    let folder = default_folder()?;
    Ok(["key.age", "key.stub"].map(|name| folder.join(name)))
}

/// Makes a key.
pub(crate) fn make(algorithm: Algorithm) -> Result<SecretKey, CommandError> {
    loop {
        // A P-256 scalar is out of range about once in 2^32.
        if let Ok(key) = SecretKey::from_bytes(algorithm, random()?) {
            return Ok(key);
        }
    }
}

fn ask(prompt: &str) -> Result<SecretString, CommandError> {
    let answer = rpassword::prompt_password(prompt).map_err(|error| {
        CommandError::config(format!("couldn't ask for the passphrase: {error}"))
            .hint(format!("where nobody can be asked, {PASSPHRASE_VARIABLE} holds it"))
    })?;
    Ok(answer.into())
}

/// The passphrase of a key file.
fn passphrase(path: &Path) -> Result<SecretString, CommandError> {
    match variable(PASSPHRASE_VARIABLE)? {
        Some(passphrase) => Ok(passphrase.into()),
        None => ask(&format!("Passphrase of {}: ", path.display())),
    }
}

/// A passphrase for a key file that is about to be made: asked for twice.
pub(crate) fn new_passphrase() -> Result<SecretString, CommandError> {
    use age::secrecy::ExposeSecret as _;
    if let Some(passphrase) = variable(PASSPHRASE_VARIABLE)? {
        return Ok(passphrase.into());
    }
    let first = ask("New passphrase: ")?;
    if first.expose_secret().is_empty() {
        return Err(
            CommandError::usage("the passphrase is empty").hint("--no-passphrase makes a key without one")
        );
    }
    if ask("The same again: ")?.expose_secret() != first.expose_secret() {
        return Err(CommandError::usage("the two passphrases differ"));
    }
    Ok(first)
}
