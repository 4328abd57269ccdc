// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A machine's clocks: a monotonic one that is a little fast or slow, a wall clock that is off and may step.

use std::time::Duration;
use wire::time::{Instant, Now};

/// 2026-01-01T00:00:00Z: the world's time 0.
pub const EPOCH: u64 = 1_767_225_600_000_000;
/// Where every monotonic clock begins, so that an attacker's "long ago" does not underflow.
const ORIGIN: u64 = 1_000_000;

/// The clocks of one machine.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Parts per million by which both run fast (or slow, below 0).
    pub drift: i64,
    /// Microseconds by which the wall clock is ahead.
    pub offset: i64,
}

impl Clock {
    /// What it shows at the world's time `now`.
    pub fn at(&self, now: u64) -> Now {
        let run = now.saturating_add_signed(now as i64 / 1_000_000 * self.drift);
        let wall = (EPOCH + run).saturating_add_signed(self.offset);
        Now { mono: Instant(ORIGIN + run), wall: Duration::from_micros(wall) }
    }

    /// The world's time at which the monotonic clock shows `at` for sure.
    pub fn until(&self, at: Instant) -> u64 {
        let run = at.0.saturating_sub(ORIGIN);
        // The drift over the whole of it, and a second's more.
        let back = (run as i64 / 1_000_000 + 1).saturating_mul(self.drift);
        let mut guess = run.saturating_add_signed(back.saturating_neg()).saturating_sub(1_000);
        while self.at(guess).mono < at {
            guess += (at - self.at(guess).mono).as_micros() as u64;
        }
        guess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_the_clock_says_so() {
        for drift in [-200, 0, 37, 200] {
            let clock = Clock { drift, offset: 0 };
            for at in [ORIGIN, 2_000_000, 1_234_567_890, 20_000_000_000] {
                let world = clock.until(Instant(at));
                assert!(clock.at(world).mono >= Instant(at));
                assert!(clock.at(world).mono.0 - at < 2_000, "{drift} {at}");
            }
        }
    }
}
