// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the slow path learns of sessions: a worker looks at one packet a burst and reports each pair once, until
//! it is told to forget.

use crate::classify::{Kind, Packet};
use crate::counters::{Counts, Info};
use crate::punt::Punts;
use crate::route::{Router, Words};
use crate::verdict::Verdict;
use std::net::Ipv6Addr;

/// Pairs remembered at most.
const SLOTS: usize = 4096;

/// Which packet is next, and the pairs that were reported.
#[derive(Debug)]
pub(crate) struct Samples {
    turn: usize,
    /// Direct-mapped: the hash of a pair in the slot it chooses; 0 is empty.
    reported: Box<[u64; SLOTS]>,
}

impl Samples {
    pub(crate) fn new() -> Samples {
        Samples { turn: 0, reported: Box::new([0; SLOTS]) }
    }

    /// Which of `n` packets to look at: another place in each burst. `n` is not 0.
    #[inline]
    pub(crate) fn choose(&mut self, n: usize) -> usize {
        self.turn = self.turn.wrapping_add(1);
        self.turn % n
    }

    /// The session is still used, so is its HoA: report both again.
    pub(crate) fn forget(&mut self) {
        self.reported.fill(0);
    }

    /// Looks at a packet that is about to be forwarded; at none while the turn's reports are spent.
    pub(crate) fn look<B>(
        &mut self,
        router: &Router<'_>,
        packet: &Packet,
        words: Words,
        punts: &mut Punts<B>,
        counts: &mut Counts,
    ) {
        if !punts.may_report() {
            return;
        }
        let from_here = match packet.kind {
            Kind::Uplink(station) => router.source_of(station, words.src).is_some(),
            _ => false,
        };
        let to_here = matches!(Verdict::from_word(words.dst), Some(Verdict::Deliver { .. }));
        if from_here {
            self.report(router, packet.src, packet.dst, punts, counts);
        }
        // What a MAAR itself sends, an end marker above all, is no use of a HoA.
        if to_here && !router.fib.is_maar(packet.src) {
            self.report(router, packet.dst, packet.src, punts, counts);
        }
    }

    fn report<B>(
        &mut self,
        router: &Router<'_>,
        hoa: Ipv6Addr,
        cn: Ipv6Addr,
        punts: &mut Punts<B>,
        counts: &mut Counts,
    ) {
        // Of correspondents without MAAR it matters only that the HoA is used: one report for all of them.
        let cn = if router.fib.anchor(cn).is_some() { cn } else { Ipv6Addr::UNSPECIFIED };
        let hash = pair(hoa, cn);
        let slot = &mut self.reported[hash as usize % SLOTS];
        if *slot == hash {
            return;
        }
        if punts.session(hoa, cn) {
            *slot = hash;
            counts.info(Info::SessionsReported);
        } else {
            counts.info(Info::SessionsHeldBack);
        }
    }
}

/// A hash of a pair, never 0. Two pairs of one hash would cost one of them its direct path for a while, no more.
fn pair(hoa: Ipv6Addr, cn: Ipv6Addr) -> u64 {
    crate::flow::hash(hoa, cn, 0, 0) | 1 << 63
}
