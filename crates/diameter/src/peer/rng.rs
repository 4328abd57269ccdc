// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jitter and first identifiers from a seed: same seed, same run. Nothing here keeps a secret.

use std::time::Duration;

/// SplitMix64.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `middle` give or take up to `swing`.
    pub fn around(&mut self, middle: Duration, swing: Duration) -> Duration {
        let span = 2 * swing.as_micros() as u64 + 1;
        middle.saturating_sub(swing) + Duration::from_micros(self.next() % span)
    }
}
