//! A memo of parsed public keys: taking the square root of a compressed point costs a quarter of a verification, and
//! the same few authors sign most records.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Algorithm, KeyError, PublicKey};

/// Parsed keys that are remembered; when there are more, all are forgotten.
const KEYS_PARSED_MAX: usize = 4096;

type Parsed = HashMap<Box<[u8]>, PublicKey>;

/// P-256 keys only: nothing in an Ed25519 key is worth remembering.
static PARSED: Mutex<Option<Parsed>> = Mutex::new(None);

/// The key with these bytes, by `parse` only if it is not remembered. Bytes that are no key are not remembered.
pub(super) fn once(
    algorithm: Algorithm,
    bytes: &[u8],
    parse: impl FnOnce() -> Result<PublicKey, KeyError>,
) -> Result<PublicKey, KeyError> {
    if algorithm != Algorithm::EcdsaP256 {
        return parse();
    }
    let lock = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = lock().as_ref().and_then(|parsed| parsed.get(bytes)) {
        return Ok(key.clone());
    }
    let key = parse()?;
    let mut parsed = lock();
    let parsed = parsed.get_or_insert_with(Parsed::new);
    if parsed.len() >= KEYS_PARSED_MAX {
        parsed.clear();
    }
    parsed.insert(bytes.into(), key.clone());
    Ok(key)
}
