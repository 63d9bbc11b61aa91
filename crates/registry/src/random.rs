//! The seam of chance: nobody guesses another one's upload, no two acts are the same, and a simulation repeats both.

use crate::error::Error;

/// Where the registry's random numbers come from.
pub trait Random: Send + Sync + 'static {
    /// 128 bits that nobody can guess.
    ///
    /// # Errors
    /// What the machine says.
    fn bits(&self) -> std::io::Result<[u8; 16]>;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bits(&self) -> std::io::Result<[u8; 16]> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
        Ok(bits)
    }
}

pub(crate) fn bits(random: &dyn Random) -> Result<[u8; 16], Error> {
    random.bits().map_err(|error| Error::internal("get random bits", error))
}
