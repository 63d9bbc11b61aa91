//! Chance from a seed, so that what a run decided can be told.

/// A linear congruential generator (Knuth, TAOCP volume 2, 3.3.4): enough to choose moments.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `below`.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A number of the range.
    pub(super) fn within(&mut self, range: &std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_kept_to_and_used() {
        let mut chance = Chance::new(7);
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| chance.within(&(3..6))).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
