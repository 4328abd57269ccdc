// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End markers on their way out: first the workers must have taken the new path, then a millisecond passes, so
//! that what they had in their queues is ahead.

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::time::Instant;

/// After the last worker has acknowledged the new path.
const AFTER: Duration = Duration::from_millis(1);
/// Markers under way; more than that many handovers within a millisecond are not marked.
const MOST: usize = 4096;

/// To a HoA, by a MAAR's tunnel or by the route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marker {
    pub(crate) hoa: Ipv6Addr,
    pub(crate) by: Option<Ipv6Addr>,
}

/// The markers that wait.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    /// For the ticket of the new path.
    unacknowledged: VecDeque<(u64, Marker)>,
    due: VecDeque<(Instant, Marker)>,
}

impl Markers {
    /// The new path is in force when `ticket` is acknowledged. `false`: there are too many.
    pub(crate) fn add(&mut self, ticket: u64, marker: Marker) -> bool {
        let room = self.unacknowledged.len() + self.due.len() < MOST;
        if room {
            self.unacknowledged.push_back((ticket, marker));
        }
        room
    }

    /// Some tickets may have been acknowledged.
    pub(crate) fn look(&mut self, now: Instant, reached: impl Fn(u64) -> bool) {
        while let Some((_, marker)) =
            self.unacknowledged.pop_front_if(|(ticket, _)| reached(*ticket))
        {
            self.due.push_back((now + AFTER, marker));
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// The next one to be sent.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Marker> {
        self.due.pop_front_if(|(at, _)| *at <= now).map(|(_, marker)| marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_leaves_a_millisecond_after_the_workers_took_the_new_path() {
        let mut markers = Markers::default();
        let marker = Marker { hoa: Ipv6Addr::LOCALHOST, by: None };
        assert!(markers.add(3, marker));
        markers.look(Instant(0), |ticket| ticket <= 2);
        assert_eq!(markers.deadline(), None);
        markers.look(Instant(500), |ticket| ticket <= 3);
        assert_eq!(markers.deadline(), Some(Instant(1500)));
        assert_eq!(markers.pop_due(Instant(1499)), None);
        assert_eq!(markers.pop_due(Instant(1500)), Some(marker));
        assert_eq!(markers.deadline(), None);
    }
}
