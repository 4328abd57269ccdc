// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Deadlines in one ordered set. A timer is named by what owns it, and is armed at most once.

use crate::ParkKey;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::Instant;

/// Whose deadline it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Timer {
    /// WaitAAA: ask again (R-28b). WaitSDBA: repeat the sDBU. Detached: T_DETACH. Released: HOLD.
    State(Nai),
    /// The AAA is to be told of an MN served here (R-28b).
    Register(Nai),
    /// The next round of heartbeats (R-28c).
    Heartbeat,
    /// The next unsolicited RA (R-08b).
    Advert(Nai),
    /// The MN has been here for R-34's time.
    Settle(Nai),
    /// A dDBU is to be repeated, refreshed or sent again with more CNs, by HoA and MAAR.
    Update(Prefix64, Ipv6Addr),
    /// A recovery's sDBU is to be repeated.
    Recover(Nai, Prefix64),
    /// An internal entry expires.
    Internal(Prefix64),
    /// A dDBU has waited long enough for its CN to turn up (table 4.3).
    Held,
    /// Packets for a Detached MN have waited long enough.
    Buffer(Nai),
    /// Packets of a key have waited long enough.
    Park(ParkKey),
    /// A key that was given up may park again.
    Lift(ParkKey),
    /// What comes straight from a MAAR for a HoA has waited long enough.
    Hold(Prefix64, Ipv6Addr),
    /// A quiet station's frames count again.
    Quiet(Mac),
}

/// The set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    armed: HashMap<Timer, Instant, foldhash::fast::FixedState>,
}

impl Timers {
    /// Sets the deadline, replacing an earlier one.
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        if let Some(old) = self.armed.insert(timer.clone(), at) {
            self.due.remove(&(old, timer.clone()));
        }
        self.due.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, timer: &Timer) {
        if let Some(old) = self.armed.remove(timer) {
            self.due.remove(&(old, timer.clone()));
        }
    }

    pub(crate) fn is_armed(&self, timer: &Timer) -> bool {
        self.armed.contains_key(timer)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.armed.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arming_again_replaces_the_deadline() {
        let mut timers = Timers::default();
        let timer = Timer::Quiet(Mac([2, 0, 0, 0, 0, 1]));
        timers.arm(timer.clone(), Instant(10));
        timers.arm(timer.clone(), Instant(20));
        assert_eq!(timers.next(), Some(Instant(20)));
        assert_eq!(timers.pop_due(Instant(19)), None);
        assert_eq!(timers.pop_due(Instant(20)), Some(timer));
        assert_eq!(timers.next(), None);
    }
}
