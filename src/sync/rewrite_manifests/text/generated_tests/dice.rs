//! Reproducible randomness.

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) struct Dice {
    pub(super) seed: u64,
    state: u64,
}

impl Dice {
    #[expect(clippy::print_stdout, reason = "a failed test has to print its seed")]
    pub(super) fn from_environment() -> Self {
        let given = std::env::var("TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = given.unwrap_or_else(now);
        println!("TEST_SEED={seed}");
        Self { seed, state: seed }
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014), whose state is one word.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    /// True with a probability of one in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
