//! Chance from a seed: the same numbers on every machine, for ever.

use std::sync::{Mutex, PoisonError};

use wargate_registry::random::Random;

/// SplitMix64, as its authors published it: any seed is a good one.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Another one, for somebody else.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// The registry's own chance.
pub struct SeededRandom(Mutex<Rng>);

impl SeededRandom {
    pub fn new(rng: Rng) -> Self {
        Self(Mutex::new(rng))
    }
}

impl Random for SeededRandom {
    fn bits(&self) -> std::io::Result<[u8; 16]> {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (high, low) = (rng.next(), rng.next());
        Ok((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }
}
