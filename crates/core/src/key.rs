//! Keys and signatures in their text forms, and the one function that verifies.
//!
//! `ecdsa-p256` is Warg's algorithm; `ed25519` is allowed where v1 clients never look (`spec/delegation.md`,
//! "Acts and records"). Not here: making keys (needs randomness) and storing them.
//!
//! Two back ends compute the same: `aws-lc-rs` natively, pure Rust on wasm32. The choice follows the target
//! and nothing else, so no build can mix them up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::{Digest, shorten};
use crate::id::digest_id;

#[cfg(not(target_family = "wasm"))]
mod native;
mod parsed;
#[cfg(any(test, target_family = "wasm"))]
mod pure;

#[cfg(not(target_family = "wasm"))]
use native as backend;
#[cfg(target_family = "wasm")]
use pure as backend;

/// The signature algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256; keys are compressed SEC1 points, signatures ASN.1 DER.
    EcdsaP256,
    /// Ed25519.
    Ed25519,
}

impl Algorithm {
    fn tag(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Bytes in a public key.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::EcdsaP256 => 33,
            Self::Ed25519 => 32,
        }
    }
}

/// A key or signature that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not `ALGORITHM:BASE64` of the right length.
    #[error("`{}` is not a {what}: expected `ecdsa-p256:` or `ed25519:` and standard padded base64", shorten(.text))]
    Text {
        /// What was expected.
        what: &'static str,
        /// The refused text.
        text: String,
    },
    /// The bytes are no point of the curve or no scalar of the group.
    #[error("the {what} is not valid for {}", .algorithm.tag())]
    Rejected {
        /// What was expected.
        what: &'static str,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The signature is not the key's over this message.
    #[error("the signature does not verify")]
    Signature,
}

fn decode_text(text: &str, what: &'static str) -> Result<(Algorithm, Vec<u8>), KeyError> {
    let refuse = || KeyError::Text { what, text: text.to_owned() };
    let (tag, base64) = text.split_once(':').ok_or_else(refuse)?;
    let algorithm = match tag {
        "ecdsa-p256" => Algorithm::EcdsaP256,
        "ed25519" => Algorithm::Ed25519,
        _ => return Err(refuse()),
    };
    Ok((algorithm, BASE64.decode(base64).map_err(|_| refuse())?))
}

fn encode_text(algorithm: Algorithm, bytes: &[u8]) -> String {
    format!("{}:{}", algorithm.tag(), BASE64.encode(bytes))
}

digest_id! {
    /// A key's fingerprint: the hash of its public key's text form.
    KeyId
}

/// A public key, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Arc<[u8]>,
    id: KeyId,
    parsed: backend::VerifyingKey,
}

impl PublicKey {
    /// A key from its bytes: a compressed SEC1 point, or 32 bytes of Ed25519.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the bytes are no key of the algorithm.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let rejected = KeyError::Rejected { what: "public key", algorithm };
        if bytes.len() != algorithm.public_key_bytes() {
            return Err(rejected);
        }
        parsed::once(algorithm, bytes, || {
            let parsed = backend::VerifyingKey::parse(algorithm, bytes).ok_or(rejected)?;
            let id = KeyId::from_digest(Digest::of(encode_text(algorithm, bytes).as_bytes()));
            Ok(Self { algorithm, bytes: bytes.into(), id, parsed })
        })
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's bytes, see [`PublicKey::from_bytes`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The fingerprint.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether `signature` is this key's over `message`.
    ///
    /// # Errors
    /// [`KeyError::Signature`] if not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let holds =
            self.algorithm == signature.algorithm && self.parsed.verify(message, &signature.bytes).is_some();
        if holds { Ok(()) } else { Err(KeyError::Signature) }
    }

    /// The DER SubjectPublicKeyInfo with the named curve and the uncompressed point, which C2SP key ids of
    /// ECDSA keys hash (`spec/transparency.md`, "Signed note"); `None` for Ed25519.
    #[must_use]
    pub fn p256_spki(&self) -> Option<Vec<u8>> {
        self.parsed.p256_spki()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_text(self.algorithm, &self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (algorithm, bytes) = decode_text(text, "public key")?;
        Self::from_bytes(algorithm, &bytes)
    }
}

/// A signature; nothing is known of it before it is verified.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

/// Longest signature, in bytes: the DER of two P-256 scalars has at most 72.
pub const SIGNATURE_BYTES_MAX: usize = 72;

impl Signature {
    /// A signature from its bytes: ASN.1 DER, or 64 bytes of Ed25519.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if it cannot be one by its length.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.is_empty() || bytes.len() > SIGNATURE_BYTES_MAX {
            return Err(KeyError::Rejected { what: "signature", algorithm });
        }
        Ok(Self { algorithm, bytes: bytes.into() })
    }

    /// The algorithm that made it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes, see [`Signature::from_bytes`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_text(self.algorithm, &self.bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signature {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (algorithm, bytes) = decode_text(text, "signature")?;
        Self::from_bytes(algorithm, &bytes)
    }
}

/// A private key. Its `Debug` shows the public half only.
pub struct SecretKey {
    public: PublicKey,
    secret: [u8; 32],
    signer: backend::SigningKey,
}

impl SecretKey {
    /// A key from 32 bytes: a P-256 scalar, or an Ed25519 seed. The caller brings the randomness.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the bytes are zero or not below the group's order (P-256 only).
    pub fn from_bytes(algorithm: Algorithm, secret: [u8; 32]) -> Result<Self, KeyError> {
        let rejected = || KeyError::Rejected { what: "private key", algorithm };
        let signer = backend::SigningKey::parse(algorithm, &secret).ok_or_else(rejected)?;
        let public = PublicKey::from_bytes(algorithm, &signer.public_key().ok_or_else(rejected)?)?;
        Ok(Self { public, secret, signer })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the back end refuses, which it does only when it has no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let algorithm = self.public.algorithm;
        let bytes = self.signer.sign(message).ok_or(KeyError::Rejected { what: "private key", algorithm })?;
        Signature::from_bytes(algorithm, &bytes)
    }

    /// The text form, for a key file: `ecdsa-p256:` + base64 of the scalar. Secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        encode_text(self.public.algorithm, &self.secret)
    }
}

/// Whoever signs with a key: the key itself, or what keeps it elsewhere.
pub trait Signer {
    /// Why it does not sign.
    type Error: fmt::Display;

    /// The key that its signatures verify by.
    fn public(&self) -> &PublicKey;

    /// Signs a message.
    ///
    /// # Errors
    /// If it cannot, or will not.
    fn sign(&self, message: &[u8]) -> Result<Signature, Self::Error>;
}

impl Signer for SecretKey {
    type Error = KeyError;

    fn public(&self) -> &PublicKey {
        self.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        self.sign(message)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public.id)
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The text is secret, so no error may repeat it.
        let hidden = |_| KeyError::Text { what: "private key", text: "…".to_owned() };
        let (algorithm, bytes) = decode_text(text, "private key").map_err(hidden)?;
        let secret = bytes.try_into().map_err(|_| KeyError::Rejected { what: "private key", algorithm })?;
        Self::from_bytes(algorithm, secret)
    }
}

#[cfg(test)]
mod tests;
