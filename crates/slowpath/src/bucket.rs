// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A token bucket on the caller's clock: so many at once, so many a second.

use wire::time::Instant;

/// Allows `burst` events at once and `rate` a second in the long run.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: u64,
    burst: u64,
    /// Millionths of an event, so that a rate of 1/s gains one unit a microsecond.
    level: u64,
    last: Instant,
}

const UNIT: u64 = 1_000_000;

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new(rate: u64, burst: u64) -> Bucket {
        Bucket { rate, burst, level: burst * UNIT, last: Instant(0) }
    }

    /// Takes one event; false when the budget is used up.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let gained = now.0.saturating_sub(self.last.0).saturating_mul(self.rate);
        self.level = self.level.saturating_add(gained).min(self.burst * UNIT);
        self.last = self.last.max(now);
        if self.level < UNIT {
            return false;
        }
        self.level -= UNIT;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_are_ten_a_second() {
        let mut bucket = Bucket::new(10, 10);
        let start = Instant(5_000_000);
        assert_eq!((0..50).filter(|_| bucket.take(start)).count(), 10);
        assert!(!bucket.take(Instant(start.0 + 99_999)));
        assert!(bucket.take(Instant(start.0 + 100_000)));
        let later = Instant(start.0 + 60_000_000);
        assert_eq!((0..50).filter(|_| bucket.take(later)).count(), 10);
    }
}
