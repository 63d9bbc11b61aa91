//! A person's own key: where it lies, how it is encrypted, and who is asked for the passphrase.
//!
//! A key file holds the key's secret text, encrypted with a passphrase in the age format, armored: the `age` tool can
//! open it too. A file without a passphrase holds the text alone. Or the key is nowhere here, and a command signs.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, scrypt};
use clap::Args;
use wargate_core::key::{Algorithm, PublicKey, SecretKey, Signature, Signer};

use crate::commands::acting::public_key;
use crate::error::CommandError;
use crate::keys::random;

mod command;
mod import;

use command::SigningCommand;
pub(crate) use import::import;

/// The variable that holds a key's secret text, for machines.
const KEY_VARIABLE: &str = "WARGATE_KEY";

/// The variable that holds a key file's passphrase.
const PASSPHRASE_VARIABLE: &str = "WARGATE_KEY_PASSPHRASE";

/// What an encrypted key file begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Largest key file, in bytes.
pub(crate) const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Which key to sign with.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// The key file; without it WARGATE_KEY may hold a key's secret text [default: ~/.config/wargate/key.age]
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

impl KeyArg {
    /// The key: of the command, else of the file, else of the environment, else of the default file.
    pub(crate) fn load(&self) -> Result<OwnKey, CommandError> {
        if let (Some(line), Some(public)) = (&self.sign_with, &self.public_key) {
            return Ok(OwnKey::Elsewhere(SigningCommand::new(line, public.clone())));
        }
        if let Some(path) = &self.key {
            return read(path).map(OwnKey::Here);
        }
        if let Some(text) = variable(KEY_VARIABLE)? {
            let key = text.trim().parse().map_err(|error: wargate_core::key::KeyError| {
                CommandError::config(format!("{KEY_VARIABLE}: {error}"))
            })?;
            return Ok(OwnKey::Here(key));
        }
        let path = default_path()?;
        if !path.exists() {
            return Err(CommandError::config(format!("there is no key at `{}`", path.display()))
                .hint("`wargate key new` makes one; --key names another file"));
        }
        read(&path).map(OwnKey::Here)
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

/// Where a key is kept unless said otherwise.
pub(crate) fn default_path() -> Result<PathBuf, CommandError> {
    let folder = config_folder()
        .ok_or_else(|| CommandError::config("there is no folder for keys: set HOME, or name a file"))?;
    Ok(folder.join("wargate/key.age"))
}

/// The folder of that file.
pub(crate) fn default_folder() -> Result<PathBuf, CommandError> {
    default_path().map(|path| path.parent().unwrap_or(Path::new(".")).to_owned())
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

/// Writes a key into a new file; with a passphrase, encrypted.
pub(crate) fn write(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<SecretString>,
) -> Result<(), CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't write the key `{}`: {cause}", path.display()));
    let mut text = key.to_secret_text();
    text.push('\n');
    if let Some(passphrase) = passphrase {
        text = age::encrypt_and_armor(&scrypt::Recipient::new(passphrase), text.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    }
    // Never over another key.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| failed(error.to_string()).hint("--output names another file"))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a key is none.
        let _ = std::fs::remove_file(path);
        failed(error.to_string())
    })
}

/// Puts a passphrase before the key of a plain file: the encrypted file takes its place, whole or not at all.
pub(crate) fn encrypt(path: &Path, key: &SecretKey, passphrase: SecretString) -> Result<(), CommandError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".encrypted");
    let beside = path.with_file_name(name);
    write(&beside, key, Some(passphrase))?;
    std::fs::rename(&beside, path).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        CommandError::config(format!("couldn't write the key `{}`: {error}", path.display()))
    })
}

/// A key file's bytes as they lie there.
pub(crate) struct KeyFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl KeyFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let mut bytes = Vec::new();
        let file = Self { path: path.to_owned(), bytes: Vec::new() };
        std::fs::File::open(path)
            .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| file.failed(&error.to_string()))?;
        Ok(Self { bytes, ..file })
    }

    /// Whether a passphrase opens it.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.bytes.trim_ascii_start().starts_with(ARMOR)
    }

    /// The key in it, for whoever has its passphrase, if it has one.
    pub(crate) fn open(&self) -> Result<SecretKey, CommandError> {
        if !self.is_encrypted() {
            return self.parse(&self.bytes);
        }
        let identity = scrypt::Identity::new(passphrase(&self.path)?);
        let bytes = age::decrypt(&identity, &self.bytes).map_err(|error| match error {
            DecryptError::DecryptionFailed
            | DecryptError::KeyDecryptionFailed
            | DecryptError::NoMatchingKeys => self.failed("the passphrase is wrong"),
            other => self.failed(&other.to_string()),
        })?;
        self.parse(&bytes)
    }

    fn parse(&self, bytes: &[u8]) -> Result<SecretKey, CommandError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.failed("it is no key file"))?;
        text.trim().parse().map_err(|error: wargate_core::key::KeyError| self.failed(&error.to_string()))
    }

    fn failed(&self, cause: &str) -> CommandError {
        CommandError::config(format!("couldn't read the key `{}`: {cause}", self.path.display()))
    }
}

/// Reads a key file, and asks for its passphrase if it has one.
pub(crate) fn read(path: &Path) -> Result<SecretKey, CommandError> {
    KeyFile::read(path)?.open()
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
