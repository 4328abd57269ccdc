// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the core network does to a frame. Data is first in, first out on each link and never lost (unless the link is
//! cut); a Mobility Header may be lost, come twice or be overtaken.

use crate::MS;
use crate::queue::NodeId;
use crate::setup::Setup;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// What becomes of a frame: the times at which it, and a copy, arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fate {
    /// `None`: lost.
    pub arrives: Option<u64>,
    /// A copy.
    pub again: Option<u64>,
}

/// The links between the nodes of the core, and to the AAA.
pub struct Links {
    /// By (from, to): microseconds.
    delay: BTreeMap<(NodeId, NodeId), u64>,
    /// When the last frame of a link arrives.
    last: BTreeMap<(NodeId, NodeId), u64>,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Mobility Headers do not pass, data does.
    mute: BTreeSet<(NodeId, NodeId)>,
    jitter: u64,
    loss: u32,
    duplicates: u32,
    data_duplicates: u32,
    message_delay: u64,
    rng: fastrand::Rng,
}

impl Links {
    /// The links of a run; each keeps its delay.
    pub fn new(setup: &Setup, seed: u64) -> Links {
        Links {
            delay: BTreeMap::new(),
            last: BTreeMap::new(),
            cut: BTreeSet::new(),
            mute: BTreeSet::new(),
            jitter: setup.link_jitter_ms * MS,
            loss: setup.loss,
            duplicates: setup.duplicates,
            data_duplicates: setup.data_duplicates,
            message_delay: setup.message_delay_ms * MS,
            rng: fastrand::Rng::with_seed(seed),
        }
        .with_delays(setup)
    }

    /// One for each pair, both ways alike; the node behind the MAARs is S's router, the next the AAA.
    fn with_delays(mut self, setup: &Setup) -> Links {
        let nodes = setup.maars + 2;
        for from in 0..nodes {
            for to in from + 1..nodes {
                let delay = self.rng.u64(MS..=setup.link_delay_ms * MS);
                self.delay.insert((from, to), delay);
                self.delay.insert((to, from), delay);
            }
        }
        self
    }

    /// One way, without what may be added to it.
    pub fn delay(&self, from: NodeId, to: NodeId) -> u64 {
        self.delay.get(&(from, to)).copied().unwrap_or(MS)
    }

    /// Cuts both ways, or mends them.
    pub fn cut(&mut self, a: NodeId, b: NodeId, cut: bool) {
        for link in [(a, b), (b, a)] {
            if cut {
                self.cut.insert(link);
            } else {
                self.cut.remove(&link);
            }
        }
    }

    #[cfg(test)]
    /// No signalling passes between the two any more, as through a filter; data does.
    pub fn mute(&mut self, a: NodeId, b: NodeId) {
        self.mute.extend([(a, b), (b, a)]);
    }

    /// A frame that is no signalling.
    pub fn data(&mut self, now: u64, from: NodeId, to: NodeId) -> Fate {
        if self.cut.contains(&(from, to)) {
            return Fate::default();
        }
        let mut arrives = now + self.delay(from, to);
        if self.jitter > 0 {
            arrives += self.rng.u64(0..=self.jitter);
        } else {
            let last = self.last.entry((from, to)).or_default();
            arrives = arrives.max(*last);
            *last = arrives;
        }
        let again =
            (self.data_duplicates > 0 && self.percent(self.data_duplicates)).then_some(arrives);
        Fate { arrives: Some(arrives), again }
    }

    /// A Mobility Header.
    pub fn signalling(&mut self, now: u64, from: NodeId, to: NodeId) -> Fate {
        // All dice are thrown for each message, so that one loss does not change the fate of the next.
        let (lost, twice) = (self.percent(self.loss), self.percent(self.duplicates));
        let (first, second) = (self.message(), self.message());
        if self.cut.contains(&(from, to)) || self.mute.contains(&(from, to)) || lost {
            return Fate::default();
        }
        Fate { arrives: Some(now + first), again: twice.then_some(now + second) }
    }

    /// A segment of a TCP connection to or from the AAA: a lost one comes after 200 ms, then 400 ms more and so on.
    pub fn segment(&mut self, now: u64, from: NodeId, to: NodeId) -> u64 {
        let mut late = 0;
        let mut repeat = 200 * MS;
        while self.percent(self.loss) && late < 60_000 * MS {
            late += repeat;
            repeat *= 2;
        }
        now + self.delay(from, to) + late
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn message(&mut self) -> u64 {
        self.rng.u64(MS..=self.message_delay.max(MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_first_in_first_out_and_signalling_is_not() {
        let mut links = Links::new(&Setup::default(), 1);
        let data: Vec<_> = (0..200).map(|n| links.data(n, 0, 1).arrives.unwrap()).collect();
        assert!(data.is_sorted());
        let fates: Vec<_> = (0..1_000).map(|n| links.signalling(n, 0, 1)).collect();
        let arrivals: Vec<_> = fates.iter().filter_map(|fate| fate.arrives).collect();
        assert!(!arrivals.is_sorted());
        assert!((800..900).contains(&arrivals.len()), "{}", arrivals.len());
        let copies = fates.iter().filter(|fate| fate.again.is_some()).count();
        assert!((50..120).contains(&copies), "{copies}");
    }

    #[test]
    fn nothing_passes_a_cut_link_until_it_is_mended() {
        let mut links = Links::new(&Setup::calm(), 1);
        links.cut(2, 1, true);
        assert_eq!(links.data(0, 1, 2), Fate::default());
        assert_eq!(links.signalling(0, 2, 1), Fate::default());
        assert!(links.data(0, 1, 0).arrives.is_some());
        links.cut(1, 2, false);
        assert!(links.data(0, 1, 2).arrives.is_some());
    }

    #[test]
    fn jitter_lets_data_be_overtaken() {
        let setup = Setup { link_jitter_ms: 10, ..Setup::calm() };
        let mut links = Links::new(&setup, 1);
        let data: Vec<_> = (0..200).map(|n| links.data(n, 0, 1).arrives.unwrap()).collect();
        assert!(!data.is_sorted());
    }
}
