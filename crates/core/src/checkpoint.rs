//! Checkpoints: one content, two encodings (Warg's JSON contents, and a C2SP signed note).
//!
//! Formats: `spec/warg.md`, "Hash inputs"; `spec/transparency.md`, "Ours".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Digest;
use crate::key::{Algorithm, KeyError, KeyId, PublicKey, SecretKey, Signature};
use crate::note::{Note, NoteError, Verifier};
use crate::prefix::PrefixEncoder;

/// The state of log and map at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Records in the log.
    pub size: u64,
    /// The log's root.
    pub root: Digest,
    /// The map's root.
    pub map_root: Digest,
    /// When it was signed, in seconds since the Unix epoch.
    pub time: u64,
}

/// A checkpoint's signatures do not hold, or its note is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is not a checkpoint's five lines.
    #[error("the note is no checkpoint: {reason}")]
    Text {
        /// What is wrong.
        reason: &'static str,
    },
    /// It is another log's.
    #[error("the checkpoint is of the log `{found}`, expected `{expected}`")]
    Origin {
        /// The log that was asked for.
        expected: String,
        /// The log that it is of.
        found: String,
    },
}

impl Checkpoint {
    fn fields(&self, tag: &str) -> PrefixEncoder {
        PrefixEncoder::new(tag)
            .unsigned(self.size)
            .string(&self.root.to_string())
            .string(&self.map_root.to_string())
    }

    /// Warg's id of the checkpoint; the time is not part of it.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.fields("WARG-CHECKPOINT-V0").finish())
    }

    /// The bytes that a Warg checkpoint's signature is over.
    #[must_use]
    pub fn warg_signed_bytes(&self) -> Vec<u8> {
        let message = self.fields("WARG-TIMESTAMPED-CHECKPOINT-V0").unsigned(self.time).finish();
        PrefixEncoder::new("WARG-CHECKPOINT-SIGNATURE-V0:").raw(message).finish()
    }

    /// The note's text: origin, size, root, `map` root, `time` seconds.
    #[must_use]
    pub fn note_text(&self, origin: &str) -> String {
        format!(
            "{origin}\n{}\n{}\nmap {}\ntime {}\n",
            self.size,
            BASE64.encode(self.root.as_bytes()),
            BASE64.encode(self.map_root.as_bytes()),
            self.time
        )
    }

    /// Reads what [`Checkpoint::note_text`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CheckpointError::Text`].
    pub fn parse_note_text(text: &str) -> Result<(&str, Self), CheckpointError> {
        let malformed = |reason| CheckpointError::Text { reason };
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, map, time, ""] = lines[..] else {
            return Err(malformed("it has other than five lines"));
        };
        let hash = |text: &str| BASE64.decode(text).ok().and_then(|bytes| Digest::from_slice(&bytes));
        let checkpoint = Self {
            size: size.parse().map_err(|_| malformed("its size is no number"))?,
            root: hash(root).ok_or(malformed("its root is no hash"))?,
            map_root: map.strip_prefix("map ").and_then(hash).ok_or(malformed("its map root is no hash"))?,
            time: time
                .strip_prefix("time ")
                .and_then(|time| time.parse().ok())
                .ok_or(malformed("its time is no number"))?,
        };
        if origin.is_empty() {
            return Err(malformed("its origin is empty"));
        }
        if checkpoint.size == 0 {
            return Err(malformed("there is none of size 0"));
        }
        if checkpoint.note_text(origin) == text {
            Ok((origin, checkpoint))
        } else {
            Err(malformed("it is not written in the one way"))
        }
    }
}

/// A checkpoint with its signatures by one commit key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The commit key.
    pub key_id: KeyId,
    /// Over [`Checkpoint::warg_signed_bytes`].
    pub warg_signature: Signature,
    /// Over [`Checkpoint::note_text`].
    pub note_signature: Signature,
}

impl SignedCheckpoint {
    /// Signs a checkpoint in both encodings.
    ///
    /// # Errors
    /// As [`SecretKey::sign`].
    pub fn sign(checkpoint: Checkpoint, origin: &str, key: &SecretKey) -> Result<Self, KeyError> {
        Ok(Self {
            key_id: key.public().id(),
            warg_signature: key.sign(&checkpoint.warg_signed_bytes())?,
            note_signature: key.sign(checkpoint.note_text(origin).as_bytes())?,
            checkpoint,
        })
    }

    /// The signed note; `key` is the public half of the key that signed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the origin is no key name.
    pub fn note(&self, origin: &str, key: &PublicKey) -> Result<String, NoteError> {
        let line = Verifier::new(origin, key.clone())?.line(&self.note_signature);
        Ok(format!("{}\n{line}", self.checkpoint.note_text(origin)))
    }

    /// Checks the Warg signature.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify_warg(&self, key: &PublicKey) -> Result<(), KeyError> {
        if key.id() != self.key_id {
            return Err(KeyError::Signature);
        }
        key.verify(&self.checkpoint.warg_signed_bytes(), &self.warg_signature)
    }
}

/// The origin and the checkpoint in a note, without looking at its signatures.
///
/// # Errors
/// [`CheckpointError`].
pub fn peek_note(note: &str) -> Result<(&str, Checkpoint), CheckpointError> {
    Checkpoint::parse_note_text(Note::parse(note)?.text)
}

/// Opens a checkpoint's note: it must be `origin`'s and signed by one of these commit keys. Which one it was.
///
/// Only a P-256 line counts (`spec/transparency.md`, "Ours"): trust in it follows from the operator log, while
/// the Ed25519 line is there for public witnesses and alone proves nothing.
///
/// # Errors
/// [`CheckpointError`].
pub fn open_note(
    note: &str,
    origin: &str,
    commit_keys: &[PublicKey],
) -> Result<(Checkpoint, KeyId), CheckpointError> {
    let note = Note::parse(note)?;
    let (found, checkpoint) = Checkpoint::parse_note_text(note.text)?;
    if found != origin {
        return Err(CheckpointError::Origin { expected: origin.to_owned(), found: found.to_owned() });
    }
    let known = commit_keys
        .iter()
        .filter(|key| key.algorithm() == Algorithm::EcdsaP256)
        .map(|key| Verifier::new(origin, key.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let by = note.verify(&known)?;
    let by = by.first().ok_or(NoteError::Unsigned { known: known.len() })?;
    Ok((checkpoint, by.key().id()))
}
