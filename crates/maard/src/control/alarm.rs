// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Workers count and never log. Where a counter tells of something that people must mend, the log says so here, once,
//! when it first moves.

use super::workers::WorkerEnd;
use dataplane::counters::DropReason;

/// What was told.
#[derive(Default)]
pub struct Alarm {
    own_mac: bool,
}

impl Alarm {
    /// Looks at the counters; the log's line, if one is due.
    pub fn look(&mut self, workers: &[WorkerEnd]) -> Option<&'static str> {
        let mut own_mac = 0;
        for worker in workers {
            worker.stats().each(|name, value| {
                own_mac += if name == DropReason::OwnMac.name() { value } else { 0 };
            });
        }
        self.own_mac(own_mac)
    }

    /// a loop, two MAARs on a segment, or a tap that was given the port's MAC.
    fn own_mac(&mut self, dropped: u64) -> Option<&'static str> {
        let told = std::mem::replace(&mut self.own_mac, dropped > 0);
        (dropped > 0 && !told).then_some(
            "frames come in with a MAC or link-local address of this router as source (drop.own_mac): look for a loop, \
             for a second MAAR on an access link, or for a kernel interface with the port's MAC and give that another \
             one (`ip link set IF address MAC`)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_the_counter_first_moves_and_never_again() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.own_mac(0), None);
        assert!(alarm.own_mac(3).is_some_and(|line| line.contains("drop.own_mac")));
        assert_eq!((alarm.own_mac(3), alarm.own_mac(4)), (None, None));
    }
}
