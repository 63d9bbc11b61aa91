//! The native back end: `aws-lc-rs`, about five times the pure crates' speed.

use std::sync::Arc;

use aws_lc_rs::encoding::{self, AsDer as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, VerificationAlgorithm,
};

use super::Algorithm;

#[derive(Clone)]
pub(super) struct VerifyingKey {
    algorithm: Algorithm,
    parsed: Arc<ParsedPublicKey>,
}

impl VerifyingKey {
    pub(super) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let verification: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        let parsed = ParsedPublicKey::new(verification, bytes).ok()?;
        Some(Self { algorithm, parsed: Arc::new(parsed) })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        self.parsed.verify_sig(message, signature).ok()
    }

    /// The DER SubjectPublicKeyInfo of a P-256 key.
    pub(super) fn p256_spki(&self) -> Option<Vec<u8>> {
        let der: encoding::PublicKeyX509Der<'_> = self.parsed.as_der().ok()?;
        (self.algorithm == Algorithm::EcdsaP256).then(|| der.as_ref().to_vec())
    }
}

pub(super) enum SigningKey {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    pub(super) fn parse(algorithm: Algorithm, secret: &[u8; 32]) -> Option<Self> {
        match algorithm {
            Algorithm::EcdsaP256 => {
                // RFC 5915 ECPrivateKey with the named curve and without the public half, which is derived.
                const HEAD: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
                const CURVE: [u8; 12] =
                    [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
                let der = [&HEAD[..], secret, &CURVE].concat();
                let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).ok()?;
                Some(Self::EcdsaP256(pair))
            }
            Algorithm::Ed25519 => Some(Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(secret).ok()?)),
        }
    }

    /// Compressed for P-256.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        match self {
            Self::EcdsaP256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (point.get(1..33)?, point.get(33..65)?);
                let sign = 0x02 | (y.last()? & 1);
                Some([&[sign], x].concat())
            }
            Self::Ed25519(pair) => Some(pair.public_key().as_ref().to_vec()),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::EcdsaP256(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}
