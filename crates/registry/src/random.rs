//! Random numbers from the machine: nobody guesses another one's upload, and no two acts are the same.

use crate::error::Error;

/// 128 random bits.
pub(crate) fn bytes() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal("get random bytes", error))?;
    Ok(bytes)
}

/// 128 random bits as 32 hex digits.
pub(crate) fn id() -> Result<String, Error> {
    Ok(bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
