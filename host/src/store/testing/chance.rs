//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that an environment variable gives, or a new one.
    pub(crate) fn seed() -> u64 {
        match std::env::var("POOLWARDEN_CRASH_SEED") {
            Ok(seed) => seed.parse().expect("POOLWARDEN_CRASH_SEED is a number"),
            // Seeded by the system (getrandom(2)).
            Err(_) => RandomState::new().hash_one(0),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    /// At most `limit`.
    fn up_to(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit as u64 + 1)).expect("at most a length")
    }

    /// What a loss of power makes of contents of which only a part is durable: the old, the
    /// new, or a part of the new with nothing or with zeros in place of the rest.
    pub(super) fn between(&mut self, durable: &[u8], live: &[u8]) -> Vec<u8> {
        // What lies in both is on the disk already.
        let both = durable.iter().zip(live).take_while(|(a, b)| a == b).count();
        match self.next() % 5 {
            0 => durable.to_vec(),
            1 => live.to_vec(),
            2 => live[..both + self.up_to(live.len() - both)].to_vec(),
            kind => {
                let (start, end) = (
                    both + self.up_to(live.len() - both),
                    both + self.up_to(live.len() - both),
                );
                let mut mixed = live.to_vec();
                mixed[start.min(end)..start.max(end)].fill(0);
                if kind == 4 {
                    mixed[both..].reverse();
                }
                mixed
            }
        }
    }
}
