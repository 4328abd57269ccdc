// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One counter per verdict, drop reason and punt reason, per worker. The books balance: every received frame gets
//! exactly one final count, so `rx` = verdicts + all drops + all punts + what is parked now.
//!
//! A worker counts in `Counts`, plain words of its own; between bursts it publishes them into [`Stats`], which has
//! one writer and any number of readers.

use crate::punt::PuntReason;
use std::sync::atomic::{AtomicU64, Ordering};

/// One family of counters: an enum whose variants have a name and a sentence.
macro_rules! family {
    ($(#[$meta:meta])* $family:ident, $first:expr, { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $family { $($(#[doc = $doc])+ $variant,)+ }

        impl $family {
            /// All of them, in order.
            pub const ALL: &'static [$family] = &[$($family::$variant,)+];
            /// Stable name, as [`Stats::each`] gives it.
            pub const fn name(self) -> &'static str {
                match self { $($family::$variant => $name,)+ }
            }
            /// What it counts, one sentence.
            pub const fn help(self) -> &'static str {
                match self { $($family::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
            /// Where it stands in [`Counts`].
            pub(crate) const fn index(self) -> usize {
                $first + self as usize
            }
        }
    };
}

family!(
    /// What arrived and what left: `Rx` and the final verdicts of frames that were forwarded.
    Count, 0, {
    /// Frames received.
    Rx = "rx",
    /// Sent to a mobile node attached here (R-08c).
    Delivered = "delivered",
    /// Sent to another MAAR in a tunnel.
    Tunnelled = "tunnelled",
    /// Sent natively by a route.
    Native = "native",
    /// Taken in: end markers of other MAARs, and pieces of tunnel packets that wait for the last one.
    Absorbed = "absorbed",
    /// Waiting now for an exchange to end or a mobile node to come back: goes up and down.
    Parked = "parked",
});

family!(
    /// What is worth knowing beside the books: no final count of a frame.
    Info, Count::ALL.len(), {
    /// Tunnel packets whose outer header was accepted and taken off.
    Decapsulated = "info.decapsulated",
    /// Session pairs reported to the slow path.
    SessionsReported = "info.sessions_reported",
    /// Session pairs not reported because the punt ring was full; a later packet tries again.
    SessionsHeldBack = "info.sessions_held_back",
    /// Bindings refused because their shard of the table is full: raise the table's size.
    TableFull = "info.table_full",
    /// Updates for a key of another worker's shard, or for one that no lease has: an error of the slow path.
    UpdateMisdirected = "info.update_misdirected",
    /// Frames that were parked, whatever became of them.
    Parkings = "info.parkings",
    /// Packets handed to the worker of their flow, which counts what became of them.
    HandedOver = "info.handed_over",
    /// Packets that other workers handed over.
    TakenOver = "info.taken_over",
    /// Paths that were not held because too many are at once: newer packets may overtake older ones there.
    HoldsFull = "info.holds_full",
    /// End markers not reported because the punt ring was full; the wait ends by its time.
    MarkersHeldBack = "info.markers_held_back",
    /// Packets that left in a tunnel packet of two fragments.
    Fragmented = "info.fragmented",
    /// Tunnel packets put together of their fragments; each then counts as the frame its last piece came in.
    Reassembled = "info.reassembled",
    /// Tunnel packets given up because a fragment did not come within a second.
    ReassemblyTimeouts = "info.reassembly_timeouts",
});

family!(
    /// Why a frame was dropped.
    DropReason, Count::ALL.len() + Info::ALL.len(), {
    /// In segments, the first of which has no room for the headers.
    HeadersScattered = "drop.headers_scattered",
    /// Shorter than an Ethernet header.
    EthTruncated = "drop.eth_truncated",
    /// Tagged for a VLAN that is not the port's.
    VlanForeign = "drop.vlan_foreign",
    /// EtherType other than IPv6.
    NotIpv6 = "drop.not_ipv6",
    /// Destination MAC of another station, or a group this router is not in.
    NotForUs = "drop.not_for_us",
    /// Source MAC or link-local address of this router: a loop, two MAARs on a segment, or a tap given the port's MAC.
    OwnMac = "drop.own_mac",
    /// Source MAC is a group or zero.
    SourceMac = "drop.source_mac",
    /// Port number unknown to this snapshot, or of the wrong role.
    PortUnknown = "drop.port_unknown",
    /// Shorter than its IPv6 header or payload length says.
    Ip6Truncated = "drop.ip6_truncated",
    /// Version field is not 6.
    Ip6Version = "drop.ip6_version",
    /// An extension header runs past the end, or there are more than 8.
    Ip6ExtMalformed = "drop.ip6_ext_malformed",
    /// Source or destination that never travels: unspecified, loopback, or a multicast source.
    AddressInvalid = "drop.address_invalid",
    /// Multicast other than Neighbour Discovery and MLD for us.
    Multicast = "drop.multicast",
    /// Link-local source or destination would have to be forwarded.
    LinkLocalScope = "drop.link_local_scope",
    /// Next header 135 or 41 from an access port to a MAAR's core address.
    AccessSignalling = "drop.access_signalling",
    /// From a station without record on a port that attaches by L2 events only.
    StationUnknown = "drop.station_unknown",
    /// From a station that was released, detached or refused a moment ago.
    StationQuiet = "drop.station_quiet",
    /// Source not the station's while its exchange runs, and nothing to wait for.
    SourcePending = "drop.source_pending",
    /// To an own address, for a protocol nobody listens to.
    OwnNoListener = "drop.own_no_listener",
    /// A fragment to an own address.
    OwnFragment = "drop.own_fragment",
    /// Tunnel packet whose outer source is no peer.
    TunnelNotPeer = "drop.tunnel_not_peer",
    /// Tunnel packet with extension headers other than one Destination Options header.
    TunnelExtHeader = "drop.tunnel_ext_header",
    /// Fragment of a tunnel packet that is empty, ends off a unit of 8, or lies beyond the largest packet.
    FragmentMalformed = "drop.fragment_malformed",
    /// Fragment of a tunnel packet that overlaps another one, and those of the same packet after it (RFC 5722).
    FragmentOverlap = "drop.fragment_overlap",
    /// Fragment of a tunnel packet that came before.
    FragmentDuplicate = "drop.fragment_duplicate",
    /// Fragment of one more tunnel packet than 64 of a peer or 256 of all.
    ReassemblyFull = "drop.reassembly_full",
    /// Tunnel packet in fragments that does not fit one buffer, or comes in more than 8.
    ReassemblyTooBig = "drop.reassembly_too_big",
    /// Inner source belongs to a mobile node that is attached here.
    InnerSourceHere = "drop.inner_source_here",
    /// Inner destination is this MAAR itself.
    InnerToSelf = "drop.inner_to_self",
    /// Inner destination that no list, lease or anchor can place.
    InnerUnknown = "drop.inner_unknown",
    /// Inner destination is behind the very peer that sent it here.
    TunnelBack = "drop.tunnel_back",
    /// It has been sent to an anchor before and is not known here either (R-34's loop bit).
    AnchorLoop = "drop.anchor_loop",
    /// Outer CE over an inner packet that is not ECN-capable (RFC 6040).
    EcnCeNotEct = "drop.ecn_ce_not_ect",
    /// Leased by this MAAR, but its mobile node is not here.
    MnAbsent = "drop.mn_absent",
    /// It had to wait, and there was no room for it.
    ParkFull = "drop.park_full",
    /// It waited in vain.
    ParkGivenUp = "drop.park_given_up",
    /// An end marker nobody waits for.
    MarkerUnexpected = "drop.marker_unexpected",
    /// The table names a peer that this snapshot does not have.
    PeerUnknown = "drop.peer_unknown",
    /// The peer's next hop is not resolved.
    PeerUnresolved = "drop.peer_unresolved",
    /// It had to leave in two fragments, and there was no buffer for the second.
    FragmentNoBuffer = "drop.fragment_no_buffer",
    /// No room in front of the packet for the outer header.
    NoHeadroom = "drop.no_headroom",
    /// The worker of its flow is behind: its ring of the mesh is full.
    MeshFull = "drop.mesh_full",
    /// The punt ring has no room for this kind of frame.
    PuntRingFull = "drop.punt_ring_full",
    /// Neighbour Discovery beyond its budget a turn.
    BudgetNeighborDiscovery = "drop.budget_neighbor_discovery",
    /// Mobility Headers beyond their budget a turn.
    BudgetMobilityHeader = "drop.budget_mobility_header",
    /// ICMPv6 to own addresses beyond its budget a turn.
    BudgetOwnIcmp = "drop.budget_own_icmp",
    /// Frames of unknown stations beyond their budget a turn.
    BudgetUnknownStation = "drop.budget_unknown_station",
    /// Failed sources beyond their budget a turn.
    BudgetSourceFailed = "drop.budget_source_failed",
    /// Expired hop limits beyond their budget a turn.
    BudgetHopLimit = "drop.budget_hop_limit",
    /// Packets to unleased addresses of the pool beyond their budget a turn.
    BudgetPoolUnleased = "drop.budget_pool_unleased",
    /// Packets without a route beyond their budget a turn.
    BudgetNoRoute = "drop.budget_no_route",
    /// Packets without an anchor beyond their budget a turn.
    BudgetNoAnchor = "drop.budget_no_anchor",
    /// Unresolved next hops beyond their budget a turn.
    BudgetUnresolved = "drop.budget_unresolved",
    /// Packets too big for their port beyond their budget a turn.
    BudgetTooBig = "drop.budget_too_big",
    /// Packets too big for their tunnel beyond their budget a turn.
    BudgetTunnelTooBig = "drop.budget_tunnel_too_big",
});

/// Index of the first punt counter.
const PUNTS: usize = DropReason::HeadersScattered.index() + DropReason::ALL.len();
/// Counters of a worker.
pub(crate) const COUNTERS: usize = PUNTS + PuntReason::ALL.len();

/// The counters of one worker as it counts: no sharing, no atomics.
#[derive(Clone, Debug)]
pub(crate) struct Counts([u64; COUNTERS]);

impl Counts {
    pub(crate) const fn new() -> Counts {
        Counts([0; COUNTERS])
    }
    #[inline]
    pub(crate) fn count(&mut self, what: Count) {
        self.0[what.index()] += 1;
    }
    #[inline]
    pub(crate) fn received(&mut self, frames: usize) {
        self.0[Count::Rx.index()] += frames as u64;
    }
    /// The only count that also goes down.
    pub(crate) fn parked(&mut self, frames: usize) {
        self.0[Count::Parked.index()] = frames as u64;
    }
    #[inline]
    pub(crate) fn info(&mut self, what: Info) {
        self.0[what.index()] += 1;
    }
    #[inline]
    pub(crate) fn infos(&mut self, what: Info, n: usize) {
        self.0[what.index()] += n as u64;
    }
    #[inline]
    pub(crate) fn drop(&mut self, why: DropReason) {
        self.0[why.index()] += 1;
    }
    #[inline]
    pub(crate) fn punt(&mut self, why: PuntReason) {
        self.0[PUNTS + why as usize] += 1;
    }
}

/// What a worker publishes, read by the slow path and by metrics. On cache lines of its own (two,
/// because processors fetch them in pairs): its one writer must not share them with another worker's.
#[derive(Debug)]
#[repr(align(128))]
pub struct Stats {
    applied: AtomicU64,
    turns: AtomicU64,
    counts: [AtomicU64; COUNTERS],
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            applied: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            counts: [const { AtomicU64::new(0) }; COUNTERS],
        }
    }
}

impl Stats {
    /// Updates taken from the ring and applied, since start. An update is in force when this reaches its number.
    pub fn applied(&self) -> u64 {
        // Acquire, with the Release in `publish`: who reads the number also sees what was applied.
        self.applied.load(Ordering::Acquire)
    }

    /// Finished turns.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Every counter with its stable snake_case name, in a fixed order: `rx`, the verdicts (`delivered`, `tunnelled`,
    /// `native`), `parked`, what is worth knowing beside the books (`info.<name>`), the drops (`drop.<reason>`), the punts
    /// (`punt.<reason>`).
    pub fn each(&self, mut f: impl FnMut(&'static str, u64)) {
        for ((name, _), value) in descriptions().zip(&self.counts) {
            f(name, value.load(Ordering::Relaxed));
        }
    }

    /// Called by the one worker that owns these, between bursts.
    pub(crate) fn publish(&self, counts: &Counts, turns: u64, applied: u64) {
        for (to, from) in self.counts.iter().zip(counts.0) {
            to.store(from, Ordering::Relaxed);
        }
        self.turns.store(turns, Ordering::Release);
        self.applied.store(applied, Ordering::Release);
    }
}

/// Name and meaning of every counter, in the order of [`Stats::each`].
pub fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let counts = Count::ALL.iter().map(|c| (c.name(), c.help()));
    let infos = Info::ALL.iter().map(|c| (c.name(), c.help()));
    let drops = DropReason::ALL.iter().map(|c| (c.name(), c.help()));
    let punts = PuntReason::ALL.iter().map(|c| (c.name(), c.help()));
    counts.chain(infos).chain(drops).chain(punts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_counter_has_a_name_of_its_own_and_one_sentence() {
        let all: Vec<_> = descriptions().collect();
        assert_eq!(all.len(), COUNTERS);
        assert_eq!(all.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), COUNTERS);
        for (name, help) in all {
            assert!(name.bytes().all(|c| b"._6".contains(&c) || c.is_ascii_lowercase()), "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn a_count_is_published_under_its_own_name() {
        let (mut counts, stats) = (Counts::new(), Stats::default());
        counts.received(5);
        counts.count(Count::Native);
        counts.info(Info::Decapsulated);
        counts.drop(DropReason::HeadersScattered);
        counts.drop(DropReason::BudgetTooBig);
        counts.punt(PuntReason::NeighborDiscovery);
        counts.punt(PuntReason::TooBig);
        stats.publish(&counts, 7, 3);
        let mut seen = Vec::new();
        stats.each(|name, value| {
            if value > 0 {
                seen.push((name, value));
            }
        });
        let expected = [
            ("rx", 5),
            ("native", 1),
            ("info.decapsulated", 1),
            ("drop.headers_scattered", 1),
            ("drop.budget_too_big", 1),
            ("punt.neighbor_discovery", 1),
            ("punt.too_big", 1),
        ];
        assert_eq!(seen, expected);
        assert_eq!((stats.turns(), stats.applied()), (7, 3));
    }
}
