//! Random choices that a seed repeats.

use std::time::Duration;

/// A generator of numbers: SplitMix64, of which any seed is a good one
/// (Steele, Lea and Flood, <https://doi.org/10.1145/2660193.2660195>).
pub(crate) struct Chance(u64);

impl Chance {
    /// The generator that this seed stands for.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is far below 2⁶⁴, so that all are as good as equally
    /// likely.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("64 bits");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A time up to this one, in microseconds.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let longest = usize::try_from(longest.as_micros()).expect("a short time");
        Duration::from_micros(self.below(longest + 1) as u64)
    }
}

#[test]
fn the_same_seed_gives_the_same_choices() {
    let draw = |seed| {
        let mut chance = Chance::new(seed);
        (0..1000).map(|_| chance.below(10)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    // The first numbers that the paper's algorithm gives for this seed.
    let mut chance = Chance::new(1_234_567);
    assert_eq!(chance.next(), 6_457_827_717_110_365_317);
    assert_eq!(chance.next(), 3_203_168_211_198_807_973);
}
