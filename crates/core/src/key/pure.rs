//! The pure Rust back end, for wasm32; native tests hold it against the other one.

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::Signer as _;

use super::Algorithm;

#[derive(Clone)]
pub(super) enum VerifyingKey {
    EcdsaP256(p256::ecdsa::VerifyingKey),
    /// Kept as bytes: `aws-lc-rs` too looks at the point only when it verifies.
    Ed25519([u8; 32]),
}

impl VerifyingKey {
    pub(super) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EcdsaP256 => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok().map(Self::EcdsaP256)
            }
            Algorithm::Ed25519 => bytes.try_into().ok().map(Self::Ed25519),
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        match self {
            Self::EcdsaP256(key) => {
                key.verify(message, &p256::ecdsa::DerSignature::from_bytes(signature).ok()?).ok()
            }
            Self::Ed25519(bytes) => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
                key.verify(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
            }
        }
    }

    /// The DER SubjectPublicKeyInfo of a P-256 key: named curve, uncompressed point.
    pub(super) fn p256_spki(&self) -> Option<Vec<u8>> {
        const HEAD: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        match self {
            Self::EcdsaP256(key) => Some([&HEAD[..], key.to_sec1_point(false).as_bytes()].concat()),
            Self::Ed25519(_) => None,
        }
    }
}

pub(super) enum SigningKey {
    EcdsaP256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    pub(super) fn parse(algorithm: Algorithm, secret: &[u8; 32]) -> Option<Self> {
        match algorithm {
            Algorithm::EcdsaP256 => p256::ecdsa::SigningKey::from_slice(secret).ok().map(Self::EcdsaP256),
            Algorithm::Ed25519 => Some(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(secret))),
        }
    }

    /// Compressed for P-256.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::EcdsaP256(key) => key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::EcdsaP256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        })
    }
}
