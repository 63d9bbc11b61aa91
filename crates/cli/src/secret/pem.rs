//! Keys that other programs made: PEM, as `openssl` writes it.

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use wargate_core::key::{Algorithm, SecretKey};

use crate::error::CommandError;

/// What a PEM file has in its first lines.
const PEM: &[u8] = b"-----BEGIN ";

/// Whether bytes are PEM; other words may stand before it.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(PEM.len()).any(|part| part == PEM)
}

/// Reads a key from PEM: PKCS#8, or SEC1 for P-256.
pub(crate) fn import(bytes: &[u8]) -> Result<SecretKey, CommandError> {
    let der = PrivateKeyDer::from_pem_slice(bytes)
        .map_err(|error| CommandError::config(format!("it is no private key in PEM: {error}")))?;
    from_der(der.secret_der()).ok_or_else(|| {
        CommandError::config("it is neither a P-256 nor an Ed25519 key")
            .hint("`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one that is")
    })
}

fn from_der(der: &[u8]) -> Option<SecretKey> {
    let (algorithm, secret) = match EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
        Ok(pair) => {
            let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
            (Algorithm::EcdsaP256, scalar.as_ref().try_into().ok()?)
        }
        Err(_) => {
            let seed: Curve25519SeedBin<'_> =
                Ed25519KeyPair::from_pkcs8(der).ok()?.seed().ok()?.as_be_bytes().ok()?;
            (Algorithm::Ed25519, seed.as_ref().try_into().ok()?)
        }
    };
    SecretKey::from_bytes(algorithm, secret).ok()
}
