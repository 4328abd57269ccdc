// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What became of the probes of one direction: counted the same way from the sockets' own notes and from the captures
//! at both ends, so that the two must agree.

use crate::clock::ms_between;
use crate::frames::Frame;
use crate::names::{Maar, User};
use crate::probe::{Arrival, Flow, Probe};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Probes sent in a window of time. A probe belongs to the window it was sent in, by the time in its payload.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Tally {
    /// Sent.
    pub sent: u64,
    /// Different ones that arrived.
    pub received: u64,
    /// Sent and on no access link: they reached no MAAR, and are not lost.
    pub off_link: u64,
    /// Sent on a link and never arrived.
    pub lost: u64,
    /// Arrivals of one that had arrived before.
    pub duplicated: u64,
    /// Arrivals behind one that was sent later.
    pub reordered: u64,
    /// Longest time without an arrival that ended in the window; zero when nothing arrived.
    #[serde(serialize_with = "crate::clock::serialize_ms")]
    pub longest_gap_ms: f64,
}

impl Tally {
    /// The counts without the gap, which depends on where the clock was read.
    pub fn counts(&self) -> [u64; 6] {
        [self.sent, self.received, self.off_link, self.lost, self.duplicated, self.reordered]
    }
}

/// One tally per window. `on_link` holds the numbers of the probes that were seen on an access link of their sender.
pub fn tally(flow: &Flow, on_link: &BTreeSet<u64>, windows: &[Range<u64>]) -> Vec<Tally> {
    windows.iter().map(|window| of_window(flow, on_link, window)).collect()
}

fn of_window(flow: &Flow, on_link: &BTreeSet<u64>, window: &Range<u64>) -> Tally {
    let sent = flow.sent.iter().filter(|p| window.contains(&p.sent));
    let mut tally = Tally { sent: sent.count() as u64, ..Tally::default() };
    let (mut seen, mut newest, mut last) = (BTreeSet::new(), None, None);
    for arrival in &flow.received {
        if window.contains(&arrival.at) {
            let gap = last.map_or(0.0, |last| ms_between(last, arrival.at));
            tally.longest_gap_ms = tally.longest_gap_ms.max(gap);
        }
        last = Some(arrival.at);
        let first = seen.insert(arrival.probe.seq);
        let behind = newest.is_some_and(|newest| arrival.probe.seq < newest);
        newest = newest.max(Some(arrival.probe.seq));
        if window.contains(&arrival.probe.sent) {
            tally.received += u64::from(first);
            tally.duplicated += u64::from(!first);
            tally.reordered += u64::from(first && behind);
        }
    }
    let off_link = |p: &&Probe| window.contains(&p.sent) && !on_link.contains(&p.seq);
    tally.off_link = flow.sent.iter().filter(off_link).count() as u64;
    tally.lost = tally.sent.saturating_sub(tally.off_link + tally.received);
    tally
}

/// The direction from `user` as the captures at both ends saw it.
pub fn captured(at_sender: &[Frame], at_receiver: &[Frame], user: User) -> Flow {
    let sent = at_sender.iter().filter_map(|f| f.probe_from(user)).collect();
    let received = at_receiver
        .iter()
        .filter_map(|f| Some(Arrival { probe: f.probe_from(user)?, at: f.at }))
        .collect();
    Flow { sent, received, errors: BTreeMap::new() }
}

/// The numbers of the probes of `user` that were seen on its access links.
pub fn on_link(access: &BTreeMap<Maar, Vec<Frame>>, user: User) -> BTreeSet<u64> {
    let frames = user.visits().iter().filter_map(|maar| access.get(maar)).flatten();
    frames.filter_map(|f| f.probe_from(user)).map(|probe| probe.seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MS;
    use crate::probe::Probe;

    /// Ten probes a millisecond apart; those of `arrivals` arrive in that order, half a millisecond after the time
    /// their place in the order gives them.
    fn flow(arrivals: &[u64]) -> Flow {
        let probe = |seq: u64| Probe { seq, sent: seq * MS };
        let at = |n: usize| n as u64 * MS + MS / 2;
        Flow {
            sent: (0..10).map(probe).collect(),
            received: arrivals
                .iter()
                .enumerate()
                .map(|(n, seq)| Arrival { probe: probe(*seq), at: at(n) })
                .collect(),
            errors: BTreeMap::new(),
        }
    }

    fn all() -> BTreeSet<u64> {
        (0..10).collect()
    }

    #[test]
    fn an_undisturbed_stream_loses_nothing() {
        let tally = of_window(&flow(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), &all(), &(0..10 * MS));
        assert_eq!(tally.counts(), [10, 10, 0, 0, 0, 0]);
        assert!((tally.longest_gap_ms - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_probe_is_lost_in_the_window_it_was_sent_in() {
        let tallies =
            tally(&flow(&[0, 1, 2, 5, 6, 7, 8, 9]), &all(), &[0..4 * MS, 4 * MS..10 * MS]);
        assert_eq!(tallies[0].counts(), [4, 3, 0, 1, 0, 0], "3 is missing");
        assert_eq!(tallies[1].counts(), [6, 5, 0, 1, 0, 0], "4 is missing");
    }

    #[test]
    fn a_probe_sent_on_no_link_is_no_loss() {
        let on_link = [0, 1, 2, 5, 6, 7, 8, 9].into_iter().collect();
        let tally = of_window(&flow(&[0, 1, 2, 5, 7, 8, 9]), &on_link, &(0..10 * MS));
        assert_eq!(tally.counts(), [10, 7, 2, 1, 0, 0], "3 and 4 were sent on no link, 6 is lost");
    }

    #[test]
    fn doubled_and_overtaken_probes_are_no_losses() {
        let tally = of_window(&flow(&[0, 1, 1, 3, 2, 4, 5, 6, 7, 8, 9]), &all(), &(0..20 * MS));
        assert_eq!(tally.counts(), [10, 10, 0, 0, 1, 1]);
    }

    #[test]
    fn the_gap_before_the_first_arrival_of_a_window_counts_in_it() {
        let mut flow = flow(&[0, 1, 2, 3]);
        flow.received[3].at = 42 * MS + MS / 2;
        let tallies = tally(&flow, &all(), &[0..10 * MS, 10 * MS..50 * MS]);
        assert!((tallies[0].longest_gap_ms - 1.0).abs() < 1e-9);
        assert!((tallies[1].longest_gap_ms - 40.0).abs() < 1e-9);
    }
}
