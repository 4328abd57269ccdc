// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a worker tells the slow path, over one SPSC ring each, and how much of each kind it may.
//!
//! Two limits keep a flood of one kind from starving another. Each reason has a *budget a turn*,
//! so that a worker spends its time on forwarding. And each has a *share of the ring*: only Mobility Headers may fill
//! it, so that signalling still gets through when the slow path is behind with everything else.

use crate::PortId;
use crate::counters::DropReason;
use crate::fib::Fib;
use crate::park::Report;
use crate::verdict::PeerId;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// One message of a worker.
#[derive(Debug)]
pub enum Punt<B> {
    /// A frame the slow path must see.
    Frame {
        /// It came in here.
        port: PortId,
        /// Why.
        reason: PuntReason,
        /// The frame as it came (a tunnelled one: without the outer header, an Ethernet header in front).
        buf: B,
    },
    /// An MN's HoA talks to a managed address (R-09's sample).
    Session {
        /// HoA of an MN attached here.
        hoa: Ipv6Addr,
        /// The other address.
        cn: Ipv6Addr,
    },
    /// Packets wait: said once for each key.
    Parked(Report),
    /// Packets are dropped because the next hop to this peer is not resolved.
    Peer(PeerId),
    /// An end marker came by way of another MAAR.
    Marker(Marker),
    /// A snapshot no longer read by this worker.
    OldFib(Arc<Fib>),
}

/// The last packet on the path that a MAAR used before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The HoA's /64.
    pub prefix: u64,
    /// The MAAR that sent it.
    pub peer: PeerId,
}

/// Why a frame goes to the slow path. Each has a counter and a budget a turn, so that one kind cannot starve another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum PuntReason {
    /// ICMPv6 of Neighbour Discovery or MLD for us.
    NeighborDiscovery,
    /// Mobility Header to our core address.
    MobilityHeader,
    /// Other ICMPv6 to our own address (echo, errors about the outer packet).
    OwnIcmp,
    /// A frame from a MAC without record: starts an attachment.
    UnknownStation,
    /// A source that is not the MN's: ICMPv6 1/5, rate-limited.
    SourceFailed,
    /// Hop limit used up: ICMPv6 3/0.
    HopLimit,
    /// Own pool, not leased: ICMPv6 1/3.
    PoolUnleased,
    /// No route: ICMPv6 1/0.
    NoRoute,
    /// No anchor known: ICMPv6 1/5.
    NoAnchor,
    /// Larger than the MTU of the port it would leave by, untunnelled: ICMPv6 2/0 with that MTU.
    TooBig,
    /// Larger than the tunnel's MTU: ICMPv6 2/0 with max(1280, core port's MTU - 40).
    TunnelTooBig,
    /// The next hop, on-link host or peer is to be resolved; the frame itself is dropped by the slow path.
    Unresolved,
}

impl PuntReason {
    /// All of them, in order.
    pub const ALL: &'static [PuntReason] = &[
        PuntReason::NeighborDiscovery,
        PuntReason::MobilityHeader,
        PuntReason::OwnIcmp,
        PuntReason::UnknownStation,
        PuntReason::SourceFailed,
        PuntReason::HopLimit,
        PuntReason::PoolUnleased,
        PuntReason::NoRoute,
        PuntReason::NoAnchor,
        PuntReason::TooBig,
        PuntReason::TunnelTooBig,
        PuntReason::Unresolved,
    ];

    /// Name of its counter.
    pub const fn name(self) -> &'static str {
        match self {
            PuntReason::NeighborDiscovery => "punt.neighbor_discovery",
            PuntReason::MobilityHeader => "punt.mobility_header",
            PuntReason::OwnIcmp => "punt.own_icmp",
            PuntReason::UnknownStation => "punt.unknown_station",
            PuntReason::SourceFailed => "punt.source_failed",
            PuntReason::HopLimit => "punt.hop_limit",
            PuntReason::PoolUnleased => "punt.pool_unleased",
            PuntReason::NoRoute => "punt.no_route",
            PuntReason::NoAnchor => "punt.no_anchor",
            PuntReason::TooBig => "punt.too_big",
            PuntReason::TunnelTooBig => "punt.tunnel_too_big",
            PuntReason::Unresolved => "punt.unresolved",
        }
    }

    /// What its counter counts, one sentence.
    pub const fn help(self) -> &'static str {
        match self {
            PuntReason::NeighborDiscovery => "Neighbour Discovery and MLD for this router.",
            PuntReason::MobilityHeader => "Mobility Headers to the core address.",
            PuntReason::OwnIcmp => "Other ICMPv6 to an own address.",
            PuntReason::UnknownStation => {
                "Frames of a station without record, which start an attachment (R-21)."
            }
            PuntReason::SourceFailed => "Sources that are not the station's (R-33).",
            PuntReason::HopLimit => "Packets whose hop limit is used up.",
            PuntReason::PoolUnleased => "Packets to an unleased address of the own pool (R-35).",
            PuntReason::NoRoute => "Packets without a route.",
            PuntReason::NoAnchor => "Packets without a known anchor (R-12.6).",
            PuntReason::TooBig => "Packets larger than the MTU of their way out.",
            PuntReason::TunnelTooBig => "Packets larger than the MTU of their tunnel (R-29).",
            PuntReason::Unresolved => "Packets whose next hop is not resolved.",
        }
    }

    /// Frames a turn at most.
    const fn budget(self) -> u16 {
        match self {
            PuntReason::MobilityHeader => 256,
            PuntReason::NeighborDiscovery => 64,
            PuntReason::UnknownStation => 32,
            // What the slow path answers, at most 10 times a second or so each: a few samples are enough.
            _ => 16,
        }
    }

    /// Quarters of the ring it may find filled and still enter.
    const fn share(self) -> usize {
        match self {
            PuntReason::MobilityHeader => 4,
            PuntReason::NeighborDiscovery | PuntReason::UnknownStation => 3,
            _ => 2,
        }
    }

    /// The counter of those over the budget.
    const fn over_budget(self) -> DropReason {
        match self {
            PuntReason::NeighborDiscovery => DropReason::BudgetNeighborDiscovery,
            PuntReason::MobilityHeader => DropReason::BudgetMobilityHeader,
            PuntReason::OwnIcmp => DropReason::BudgetOwnIcmp,
            PuntReason::UnknownStation => DropReason::BudgetUnknownStation,
            PuntReason::SourceFailed => DropReason::BudgetSourceFailed,
            PuntReason::HopLimit => DropReason::BudgetHopLimit,
            PuntReason::PoolUnleased => DropReason::BudgetPoolUnleased,
            PuntReason::NoRoute => DropReason::BudgetNoRoute,
            PuntReason::NoAnchor => DropReason::BudgetNoAnchor,
            PuntReason::TooBig => DropReason::BudgetTooBig,
            PuntReason::TunnelTooBig => DropReason::BudgetTunnelTooBig,
            PuntReason::Unresolved => DropReason::BudgetUnresolved,
        }
    }
}

/// Peers a worker asks for in a turn at most: each is asked for again by its next packet.
const PEERS: u16 = 2;

/// A worker's end of the punt ring.
pub(crate) struct Punts<B> {
    ring: rtrb::Producer<Punt<B>>,
    left: [u16; PuntReason::ALL.len()],
    /// Sessions that may be reported in this turn.
    sessions: u16,
    /// Peers that may be asked for in this turn.
    peers: u16,
}

/// Sessions reported in a turn at most: some ten thousand a second, and a few cycles a packet.
const SESSIONS: u16 = 2;

impl<B> Punts<B> {
    pub(crate) fn new(ring: rtrb::Producer<Punt<B>>) -> Punts<B> {
        let mut punts = Punts { ring, left: [0; PuntReason::ALL.len()], sessions: 0, peers: 0 };
        punts.new_turn();
        punts
    }

    /// Fills the budgets up.
    pub(crate) fn new_turn(&mut self) {
        for (left, reason) in self.left.iter_mut().zip(PuntReason::ALL) {
            *left = reason.budget();
        }
        self.sessions = SESSIONS;
        self.peers = PEERS;
    }

    /// Hands `buf` over, or says why it is dropped (and drops it).
    pub(crate) fn frame(
        &mut self,
        port: PortId,
        reason: PuntReason,
        buf: B,
    ) -> Result<(), DropReason> {
        let left = &mut self.left[reason as usize];
        if *left == 0 {
            return Err(reason.over_budget());
        }
        *left -= 1;
        let filled = self.ring.buffer().capacity() - self.ring.slots();
        if filled * 4 >= self.ring.buffer().capacity() * reason.share() {
            return Err(DropReason::PuntRingFull);
        }
        self.ring.push(Punt::Frame { port, reason, buf }).map_err(|_| DropReason::PuntRingFull)
    }

    /// Whether another session may be reported in this turn.
    #[inline]
    pub(crate) fn may_report(&self) -> bool {
        self.sessions > 0
    }

    /// Reports a session; `false` when there is no room (it shares with the unimportant kinds).
    pub(crate) fn session(&mut self, hoa: Ipv6Addr, cn: Ipv6Addr) -> bool {
        self.sessions = self.sessions.saturating_sub(1);
        self.ring.slots() * 2 > self.ring.buffer().capacity()
            && self.ring.push(Punt::Session { hoa, cn }).is_ok()
    }

    /// Asks for a peer's next hop, unless the ring is half full or others were asked for in this turn.
    pub(crate) fn peer(&mut self, peer: PeerId) {
        if self.peers > 0 && self.ring.slots() * 2 > self.ring.buffer().capacity() {
            self.peers -= 1;
            // There is room: this is the only producer.
            let _ = self.ring.push(Punt::Peer(peer));
        }
    }

    /// Tells that packets wait; `false` when there is no room (it shares with frames of unknown stations, some of which
    /// it stands for).
    pub(crate) fn parked(&mut self, report: Report) -> bool {
        self.ring.slots() * 4 > self.ring.buffer().capacity()
            && self.ring.push(Punt::Parked(report)).is_ok()
    }

    /// Tells of an end marker; `false` when there is no room (it is signalling, and may fill the ring).
    pub(crate) fn marker(&mut self, marker: Marker) -> bool {
        self.ring.push(Punt::Marker(marker)).is_ok()
    }

    /// Gives a snapshot back; the snapshot itself when there is no room.
    pub(crate) fn old_fib(&mut self, fib: Arc<Fib>) -> Result<(), Arc<Fib>> {
        match self.ring.push(Punt::OldFib(fib)) {
            Err(rtrb::PushError::Full(Punt::OldFib(fib))) => Err(fib),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_reasons_is_in_the_order_of_their_numbers() {
        for (i, reason) in PuntReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
        }
        assert_eq!(PuntReason::ALL.len(), PuntReason::Unresolved as usize + 1);
    }

    #[test]
    fn a_flood_of_one_kind_leaves_room_in_the_ring_for_signalling() {
        let (ring, _consumer) = rtrb::RingBuffer::new(16);
        let mut punts = Punts::new(ring);
        let flood = |punts: &mut Punts<u8>, reason| {
            (0..1000).filter(|_| punts.frame(0, reason, 0).is_ok()).count()
        };
        assert_eq!(flood(&mut punts, PuntReason::SourceFailed), 8);
        assert_eq!(flood(&mut punts, PuntReason::NeighborDiscovery), 4);
        assert_eq!(flood(&mut punts, PuntReason::MobilityHeader), 4);
    }

    #[test]
    fn a_budget_lasts_a_turn() {
        let (ring, _consumer) = rtrb::RingBuffer::new(4096);
        let mut punts = Punts::new(ring);
        for _ in 0..2 {
            for _ in 0..16 {
                assert_eq!(punts.frame(0, PuntReason::NoRoute, 0), Ok(()));
            }
            assert_eq!(punts.frame(0, PuntReason::NoRoute, 0), Err(DropReason::BudgetNoRoute));
            assert_eq!(punts.frame(0, PuntReason::TooBig, 0), Ok(()));
            punts.new_turn();
        }
    }
}
