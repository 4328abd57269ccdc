// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A token bucket a peer: one that floods is told to wait (3004) before anything is done for it, the others do not notice.

use diameter::nasreq::Overload;
use diameter::peer::Time;

/// An overload report holds so long.
const REPORT: u32 = 2;

/// A second's worth of requests at once, then so many a second.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Requests a second.
    rate: u32,
    /// Millionths of a request.
    tokens: u64,
    at: Time,
    second: u64,
    /// Requests in this second.
    seen: u32,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: u32, now: Time) -> Bucket {
        let tokens = u64::from(rate) * 1_000_000;
        Bucket { rate, tokens, at: now, second: now.as_secs(), seen: 0 }
    }

    /// Takes one token, or says by how much to ask less.
    pub fn take(&mut self, now: Time) -> Result<(), Overload> {
        let passed = now.saturating_sub(self.at).as_micros() as u64;
        let most = u64::from(self.rate) * 1_000_000;
        self.tokens = most.min(self.tokens + passed.min(1_000_000) * u64::from(self.rate));
        self.at = now;
        if self.second != now.as_secs() {
            (self.second, self.seen) = (now.as_secs(), 0);
        }
        self.seen += 1;
        if self.tokens >= 1_000_000 {
            self.tokens -= 1_000_000;
            return Ok(());
        }
        let kept = u64::from(self.rate) * 100 / u64::from(self.seen.max(1));
        let reduction = 100 - kept.min(99) as u32;
        Err(Overload { sequence: self.second, reduction, seconds: REPORT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_at_once_then_the_rate_and_a_report_of_what_is_too_much() {
        let mut bucket = Bucket::new(100, Duration::ZERO);
        let passed = |bucket: &mut Bucket, ms| {
            (0..400).filter(|_| bucket.take(Duration::from_millis(ms)).is_ok()).count()
        };
        assert_eq!(passed(&mut bucket, 0), 100);
        assert_eq!(passed(&mut bucket, 500), 50);
        assert_eq!(bucket.take(Duration::from_millis(500)).unwrap_err().reduction, 88);
        assert_eq!(passed(&mut bucket, 60_000), 100);
    }
}
