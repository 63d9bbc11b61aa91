//! Key files: a key's secret text, encrypted with a passphrase in the age format and armored, so that the `age` tool can
//! open it too; the text alone; or a stub, which names a key that is kept elsewhere.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, scrypt};
use wargate_core::key::{KeyError, SecretKey};

use super::stub::{Keeper, Stub};
use super::{OwnKey, passphrase, pem};
use crate::error::CommandError;

/// What an encrypted key file begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Largest key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A key file's bytes as they lie there.
pub(crate) struct KeyFile {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
}

impl KeyFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        Self::read_open(path, File::open(path))
    }

    /// Reads standard input.
    pub(crate) fn read_standard_input() -> Result<Self, CommandError> {
        let input = std::io::stdin().as_fd().try_clone_to_owned();
        Self::read_open(Path::new("-"), input.map(File::from))
    }

    fn read_open(path: &Path, file: std::io::Result<File>) -> Result<Self, CommandError> {
        let mut bytes = Vec::new();
        let read = file.and_then(|file| {
            let metadata = file.metadata()?;
            // One byte more than is taken, so that what is too large is seen to be.
            file.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok(metadata)
        });
        let metadata = read.map_err(|error| failed(path, &error.to_string()))?;
        match bytes.len() as u64 > KEY_FILE_BYTES_MAX {
            true => Err(failed(path, &format!("it is larger than {KEY_FILE_BYTES_MAX} bytes"))),
            false => Ok(Self { path: path.to_owned(), bytes, metadata }),
        }
    }

    /// Whether a passphrase opens it.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.bytes.trim_ascii_start().starts_with(ARMOR)
    }

    /// The stub that it is, if it is one.
    pub(crate) fn stub(&self) -> Result<Option<Stub>, CommandError> {
        if !Stub::is_meant(&self.bytes) {
            return Ok(None);
        }
        Stub::decode(&self.bytes, &self.metadata).map(Some).map_err(|cause| failed(&self.path, &cause))
    }

    /// The key, for whoever has its passphrase, if it has one, and may use what keeps it, if it is kept elsewhere.
    pub(crate) fn open(&self) -> Result<OwnKey, CommandError> {
        match self.stub()? {
            Some(stub) => stub.open(),
            None => self.secret().map(OwnKey::Here),
        }
    }

    /// The key of this file, or of one that another program made, to be kept in another way.
    pub(crate) fn import(&self) -> Result<SecretKey, CommandError> {
        if pem::is_pem(&self.bytes) && !self.is_encrypted() {
            return pem::import(&self.bytes);
        }
        match self.open()? {
            OwnKey::Here(key) => Ok(key),
            OwnKey::Elsewhere(_) => Err(failed(&self.path, "only the command that it names has the key")),
        }
    }

    /// The key in it.
    fn secret(&self) -> Result<SecretKey, CommandError> {
        if !self.is_encrypted() {
            return self.parse(&self.bytes);
        }
        let identity = scrypt::Identity::new(passphrase(&self.path)?);
        let bytes = age::decrypt(&identity, &self.bytes).map_err(|error| match error {
            DecryptError::DecryptionFailed
            | DecryptError::KeyDecryptionFailed
            | DecryptError::NoMatchingKeys => failed(&self.path, "the passphrase is wrong"),
            other => failed(&self.path, &other.to_string()),
        })?;
        self.parse(&bytes)
    }

    fn parse(&self, bytes: &[u8]) -> Result<SecretKey, CommandError> {
        let text = std::str::from_utf8(bytes).map_err(|_| failed(&self.path, "it is no key file"))?;
        text.trim().parse().map_err(|error: KeyError| failed(&self.path, &error.to_string()))
    }

    /// Puts a passphrase before the key of a plain file: the encrypted file takes its place, whole or not at all.
    pub(crate) fn encrypt(
        &self,
        passphrase: impl FnOnce() -> Result<SecretString, CommandError>,
    ) -> Result<SecretKey, CommandError> {
        let path = &self.path;
        if self.is_encrypted() {
            return Err(CommandError::config(format!("`{}` has a passphrase already", path.display())));
        }
        if let Some(stub) = self.stub()? {
            return Err(nothing_to_encrypt(path, &stub.keeper));
        }
        let key = self.secret()?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".encrypted");
        let beside = path.with_file_name(name);
        write(&beside, &key, Some(passphrase()?))?;
        std::fs::rename(&beside, path).map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            not_written(path, &error.to_string())
        })?;
        Ok(key)
    }
}

fn nothing_to_encrypt(path: &Path, keeper: &Keeper) -> CommandError {
    let failed = |who: &str| {
        CommandError::config(format!(
            "there is nothing to encrypt in `{}`: {who} has the key",
            path.display()
        ))
    };
    match keeper {
        Keeper::Command(line) => failed(&format!("the command `{line}`")),
        Keeper::Keyring => failed("the system's keyring").hint(format!(
            "`wargate key import {} --output COPY` writes a copy that a passphrase opens",
            path.display()
        )),
    }
}

fn failed(path: &Path, cause: &str) -> CommandError {
    CommandError::config(format!("couldn't read the key `{}`: {cause}", path.display()))
}

fn not_written(path: &Path, cause: &str) -> CommandError {
    CommandError::config(format!("couldn't write the key `{}`: {cause}", path.display()))
}

/// Writes a key into a new file; with a passphrase, encrypted.
pub(crate) fn write(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<SecretString>,
) -> Result<(), CommandError> {
    let mut text = key.to_secret_text();
    text.push('\n');
    if let Some(passphrase) = passphrase {
        text = age::encrypt_and_armor(&scrypt::Recipient::new(passphrase), text.as_bytes())
            .map_err(|error| not_written(path, &error.to_string()))?;
    }
    write_text(path, &text)
}

/// Writes a stub into a new file.
pub(crate) fn write_stub(path: &Path, stub: &Stub) -> Result<(), CommandError> {
    let text = stub.encode().map_err(|cause| not_written(path, &cause))?;
    write_text(path, &text)
}

fn write_text(path: &Path, text: &str) -> Result<(), CommandError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| not_written(path, &error.to_string()))?;
    }
    // Never over another key.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file =
        file.map_err(|error| not_written(path, &error.to_string()).hint("--output names another file"))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a key is none.
        let _ = std::fs::remove_file(path);
        not_written(path, &error.to_string())
    })
}
