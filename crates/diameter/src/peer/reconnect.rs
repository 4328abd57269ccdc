// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the client tries to connect: at 0, 0.2, 0.5, 1 and 2 s, then every Tc with a tenth of jitter, so that five
//! routers do not knock at once. While requests wait, Tc is cut to 2 s: an MN must not wait half a minute for an AAA that
//! is back.

use super::Time;
use super::rng::Rng;
use std::time::Duration;

/// Between one try and the next, from the first failure on.
const GAPS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(300),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
/// Between tries while requests wait.
const PRESSED: Duration = Duration::from_secs(2);
/// Between the end of a try and the next, so that what is left of the old connection cannot be taken for the new one.
const LEAST: Duration = Duration::from_millis(100);

/// The tries since the connection was last good.
#[derive(Debug)]
pub struct Reconnect {
    tc: Duration,
    tries: usize,
    last: Time,
    /// The peer said BUSY or DO_NOT_WANT_TO_TALK_TO_YOU.
    unwanted: bool,
    next: Time,
    earliest: Time,
}

impl Reconnect {
    /// The first try is due now.
    pub fn new(now: Time, tc: Duration) -> Reconnect {
        Reconnect { tc, tries: 0, last: now, unwanted: false, next: now, earliest: now }
    }

    /// A try starts.
    pub fn started(&mut self, now: Time) {
        self.last = now;
        self.unwanted = false;
    }

    /// The connection lasted: the next loss begins anew with short gaps.
    pub fn proven(&mut self) {
        self.tries = 0;
    }

    /// The try failed or the connection was lost: sets the time of the next one.
    pub fn failed(&mut self, now: Time, rng: &mut Rng) {
        self.next = match GAPS.get(self.tries) {
            Some(gap) => self.last + *gap,
            None => self.last + rng.around(self.tc, self.tc / 10),
        };
        self.earliest = now + LEAST;
        self.tries += 1;
    }

    /// The peer closed with a DPR: Tc, and no sooner if it is busy or does not want us.
    pub fn dismissed(&mut self, now: Time, unwanted: bool, rng: &mut Rng) {
        self.tries = GAPS.len();
        self.last = now;
        self.unwanted = unwanted;
        self.failed(now, rng);
    }

    /// When to try; `pressed` while requests wait.
    pub fn due(&self, pressed: bool) -> Time {
        let due =
            if pressed && !self.unwanted { self.next.min(self.last + PRESSED) } else { self.next };
        due.max(self.earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_at_0_200_500_1000_and_2000_ms_then_every_tc() {
        let mut rng = Rng::new(3);
        let mut plan = Reconnect::new(Duration::ZERO, Duration::from_secs(30));
        let mut at = Vec::new();
        for _ in 0..7 {
            let now = plan.due(false);
            at.push(now.as_millis());
            plan.started(now);
            plan.failed(now, &mut rng);
        }
        assert_eq!(at[..5], [0, 200, 500, 1000, 2000]);
        for pair in at[4..].windows(2) {
            assert!((27_000..=33_000).contains(&(pair[1] - pair[0])), "{at:?}");
        }
    }

    #[test]
    fn waiting_requests_cut_tc_to_two_seconds_unless_the_peer_does_not_want_us() {
        let mut rng = Rng::new(3);
        let mut plan = Reconnect::new(Duration::ZERO, Duration::from_secs(30));
        plan.dismissed(Duration::from_secs(100), false, &mut rng);
        assert_eq!(plan.due(true), Duration::from_secs(102));
        plan.dismissed(Duration::from_secs(100), true, &mut rng);
        assert!(plan.due(true) >= Duration::from_secs(127));
    }
}
