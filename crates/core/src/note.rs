//! C2SP signed notes: text with signature lines (`spec/transparency.md`, "Signed note").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Digest;
use crate::key::{Algorithm, PublicKey, Signature};

/// Largest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Most signature lines of a note.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// What a signature line begins with: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// A note that is malformed or not signed by whom it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Not a note.
    #[error("the note is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A line by a known key does not verify.
    #[error("the note's signature by `{name}` does not verify")]
    Signature {
        /// The key's name.
        name: String,
    },
    /// No line by a known key.
    #[error("the note is not signed by any of the {known} known keys")]
    Unsigned {
        /// How many keys are known.
        known: usize,
    },
}

/// Somebody whose signature on a note is known.
#[derive(Debug, Clone)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: PublicKey,
}

/// The first four bytes of a digest: a note's key id.
fn first_four(digest: &Digest) -> [u8; 4] {
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

fn name_is_valid(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_control())
}

impl Verifier {
    /// The verifier with this name and key: type 0x01 for Ed25519, 0x02 for P-256.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the name is none.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if !name_is_valid(name) {
            return Err(NoteError::Malformed {
                reason: "a key name is not empty and has no space and no `+`",
            });
        }
        let id = match key.p256_spki() {
            Some(spki) => first_four(&Digest::of(&spki)),
            None => first_four(&Digest::of(&[name.as_bytes(), b"\n\x01", key.as_bytes()].concat())),
        };
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The verifier that a vkey text (`NAME+ID+KEY`) of type 0x01 tells.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn from_vkey(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed { reason: "not a vkey of an Ed25519 key" };
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(malformed);
        let (name, id, key) = (part()?, part()?, part()?);
        let key = BASE64.decode(key).map_err(|_| malformed())?;
        let Some((1, key)) = key.split_first() else { return Err(malformed()) };
        let key = PublicKey::from_bytes(Algorithm::Ed25519, key).map_err(|_| malformed())?;
        let verifier = Self::new(name, key)?;
        if hex::encode(verifier.id) == id { Ok(verifier) } else { Err(malformed()) }
    }

    /// The vkey text; `None` for a P-256 key, whose trust comes from the operator log instead.
    #[must_use]
    pub fn vkey(&self) -> Option<String> {
        if self.key.algorithm() != Algorithm::Ed25519 {
            return None;
        }
        let key = BASE64.encode([&[1], self.key.as_bytes()].concat());
        Some(format!("{}+{}+{key}", self.name, hex::encode(self.id)))
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The note's signature line that carries this signature.
    #[must_use]
    pub fn line(&self, signature: &Signature) -> String {
        let bytes = [&self.id[..], signature.as_bytes()].concat();
        format!("{LINE_START}{} {}\n", self.name, BASE64.encode(bytes))
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A parsed note; nothing is verified yet.
#[derive(Debug, Clone)]
pub struct Note<'a> {
    /// The text that is signed, with its last newline.
    pub text: &'a str,
    lines: Vec<Line<'a>>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        let malformed = |reason| NoteError::Malformed { reason };
        if note.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is too large"));
        }
        if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
            return Err(malformed("it holds a control character"));
        }
        let split = note.rfind("\n\n").ok_or(malformed("it has no signatures"))?;
        let (text, signatures) = (&note[..=split], &note[split + 2..]);
        let signatures = signatures.strip_suffix('\n').ok_or(malformed("its last line does not end"))?;
        let lines = signatures.split('\n').map(parse_line).collect::<Option<Vec<_>>>();
        let lines = lines.ok_or(malformed("a signature line is not one"))?;
        if lines.len() > NOTE_SIGNATURES_MAX {
            return Err(malformed("it has too many signatures"));
        }
        Ok(Self { text, lines })
    }

    /// Checks the signatures of those who are known; the ones that hold, each once, so that they can be counted.
    /// Unknown lines are passed over, a known one that fails rejects the note.
    ///
    /// # Errors
    /// [`NoteError::Signature`], [`NoteError::Unsigned`].
    pub fn verify<'v>(&self, known: &'v [Verifier]) -> Result<Vec<&'v Verifier>, NoteError> {
        let mut verified: Vec<&Verifier> = Vec::new();
        for line in &self.lines {
            // Four bytes of id can be made to collide, so any of the keys that the line may mean will do.
            let mut meant = known.iter().filter(|k| k.name == line.name && k.id == line.id).peekable();
            if meant.peek().is_none() {
                continue;
            }
            let by = meant.find(|verifier| self.is_signed_by(verifier, line));
            let by = by.ok_or_else(|| NoteError::Signature { name: line.name.to_owned() })?;
            if !verified.iter().any(|seen| seen.name == by.name && seen.key == by.key) {
                verified.push(by);
            }
        }
        if verified.is_empty() { Err(NoteError::Unsigned { known: known.len() }) } else { Ok(verified) }
    }

    fn is_signed_by(&self, verifier: &Verifier, line: &Line<'_>) -> bool {
        Signature::from_bytes(verifier.key.algorithm(), &line.signature)
            .is_ok_and(|signature| verifier.key.verify(self.text.as_bytes(), &signature).is_ok())
    }
}

fn parse_line(line: &str) -> Option<Line<'_>> {
    let (name, signature) = line.strip_prefix(LINE_START)?.split_once(' ')?;
    let bytes = BASE64.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (name_is_valid(name) && !signature.is_empty()).then(|| Line {
        name,
        id: *id,
        signature: signature.to_vec(),
    })
}
