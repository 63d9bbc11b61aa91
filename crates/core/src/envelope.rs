//! Envelopes: a record's exact bytes, who signed them, and the signature.

use bytes::Bytes;
use prost::Message as _;

use crate::id::{Layer, RecordId};
use crate::key::{KeyError, KeyId, PublicKey, SecretKey, Signature};
use crate::proto;

/// Largest record with its envelope, in bytes (`DESIGN.md`, "Limits").
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// A signed record. The contents are the bytes that were signed, unknown fields included; they are kept and
/// served as they came, never encoded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The record's protobuf bytes.
    pub contents: Bytes,
    /// The signer's fingerprint.
    pub key_id: KeyId,
    /// The signature over the layer's tag and the contents.
    pub signature: Signature,
}

/// Bytes that are not the canonical encoding of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Larger than [`ENVELOPE_BYTES_MAX`].
    #[error("the envelope has {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// No protobuf of this shape.
    #[error("the envelope cannot be decoded: {reason}")]
    Decode {
        /// What the decoder says.
        reason: String,
    },
    /// Another encoding of the same fields, or unknown fields.
    #[error("the envelope is not canonically encoded")]
    NotCanonical,
    /// The key id or the signature is not in its text form.
    #[error("the envelope's {field} is malformed")]
    Field {
        /// Which one.
        field: &'static str,
    },
}

fn signed_bytes(layer: Layer, contents: &[u8]) -> Vec<u8> {
    [layer.signature_tag().as_bytes(), contents].concat()
}

impl Envelope {
    /// Signs contents.
    ///
    /// # Errors
    /// As [`SecretKey::sign`].
    pub fn sign(layer: Layer, contents: Bytes, key: &SecretKey) -> Result<Self, KeyError> {
        let signature = key.sign(&signed_bytes(layer, &contents))?;
        Ok(Self { contents, key_id: key.public().id(), signature })
    }

    /// Whether `key` signed these contents as a record of `layer`.
    ///
    /// # Errors
    /// [`KeyError::Signature`] if the key id is another key's or the signature does not verify.
    pub fn verify(&self, layer: Layer, key: &PublicKey) -> Result<(), KeyError> {
        if key.id() != self.key_id {
            return Err(KeyError::Signature);
        }
        key.verify(&signed_bytes(layer, &self.contents), &self.signature)
    }

    /// The record's id in a log of `layer`.
    #[must_use]
    pub fn record_id(&self, layer: Layer) -> RecordId {
        layer.record_id(&self.contents)
    }

    /// The one encoding: what record bundles and the ledger hold.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        proto::Envelope {
            contents: self.contents.clone(),
            key_id: self.key_id.to_string(),
            signature: self.signature.to_string(),
        }
        .encode_to_vec()
    }

    /// Decodes what [`Envelope::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`EnvelopeError`], for each way to differ from that.
    pub fn decode(bytes: &Bytes) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
        }
        let message = proto::Envelope::decode(bytes.clone())
            .map_err(|error| EnvelopeError::Decode { reason: error.to_string() })?;
        let envelope = Self {
            key_id: message.key_id.parse().map_err(|_| EnvelopeError::Field { field: "key id" })?,
            signature: message.signature.parse().map_err(|_| EnvelopeError::Field { field: "signature" })?,
            contents: message.contents,
        };
        if envelope.encode() == *bytes { Ok(envelope) } else { Err(EnvelopeError::NotCanonical) }
    }
}
