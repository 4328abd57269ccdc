// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Third pass, first half: where a packet goes. R-12 for what a mobile node sends, R-34 for what a tunnel brings, R-35
//! for what the core brings; each reads as its rule, first hit wins.

use crate::PortId;
use crate::classify::{Fate, Kind, Outer, Packet};
use crate::counters::DropReason;
use crate::fib::{Anchor, Fib, NoTunnel, PortInfo, Role, Route, Tunnel, words};
use crate::hold::Holds;
use crate::hops::NextHops;
use crate::park::{By, ParkKey, Wait, Why};
use crate::punt::{Marker, PuntReason};
use crate::table::Reader;
use crate::verdict::{PeerId, Station, Verdict, station_key};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64, ROUTER_LINK_LOCAL};
use wire::ip6;

use Fate::{Absorb, Drop, Park, Punt, Unreached};

/// The way out of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// To a station on an access port, unchanged but for the hop limit (R-08c).
    /// Its MAC as a number: six octets would go through memory.
    Deliver { mac: u64, port: PortId, info: &'a PortInfo },
    /// To another MAAR; `sent_to_anchor` is the loop bit the outer header carries.
    Tunnel { tunnel: &'a Tunnel, sent_to_anchor: bool },
    /// By a route, to one of these.
    Native(NextHops<'a>),
}

/// What the binding table says about a packet's source and destination; 0 where it was not asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Words {
    pub src: u64,
    pub dst: u64,
}

/// Where a packet is decided: the snapshot, the table, and the port it came in by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Router<'a> {
    pub fib: &'a Fib,
    pub table: &'a Reader,
    pub holds: &'a Holds,
    pub port: PortId,
    pub info: &'a PortInfo,
    /// Packets may park.
    pub parking: bool,
}

impl<'a> Router<'a> {
    #[inline(always)]
    pub(crate) fn decide(&self, packet: &Packet, words: Words) -> Result<Way<'a>, Fate> {
        match packet.kind {
            Kind::Uplink(station) => self.uplink(packet, station, words),
            Kind::Core => self.core(packet, words.dst),
            Kind::Tunnelled(outer) => self.tunnelled(packet, &outer, words),
            Kind::Local(station) => Err(self.local(packet, station)),
        }
    }

    /// R-33, then R-12.
    #[inline(always)]
    fn uplink(&self, packet: &Packet, station: u64, said: Words) -> Result<Way<'a>, Fate> {
        let own = self.source_of(station, said.src);
        let Some(anchored) = own.or_else(|| self.sent_before(station, said.src)) else {
            return Err(self.source_missed(packet.src, Mac::from_u64(station), said.src));
        };
        let (upper, lower) = words(packet.dst);
        if self.fib.is_own(upper, lower) {
            return Err(self.for_us(packet));
        }
        match Verdict::from_word(said.dst) {
            Some(Verdict::Deliver { mac, port, .. }) => self.deliver(mac, port),
            Some(Verdict::Tunnel { peer, .. }) => self.tunnel(peer, false),
            Some(Verdict::Left { .. }) => Err(self.absent(packet.dst, true)),
            Some(Verdict::Absent { park }) => Err(self.absent(packet.dst, park)),
            _ if anchored => self.native(packet.dst),
            _ => self.by_anchor(packet),
        }
    }

    #[cold]
    fn for_us(&self, packet: &Packet) -> Fate {
        if packet.upper.protocol == ip6::ICMPV6 {
            Punt(PuntReason::OwnIcmp)
        } else {
            Drop(DropReason::OwnNoListener)
        }
    }

    /// Of a source leased elsewhere: an anchor knows where the destination is, or forwards natively.
    #[inline(never)]
    fn by_anchor(&self, packet: &Packet) -> Result<Way<'a>, Fate> {
        match self.fib.anchor(packet.dst) {
            // An anchor that does not know the destination either must not send it to an anchor again.
            Some(Anchor::Peer(peer)) => return self.tunnel(peer, true),
            Some(Anchor::Own) => return Err(Punt(PuntReason::PoolUnleased)),
            None => {}
        }
        match self.fib.anchor(packet.src) {
            // Sent to be forwarded natively there: the loop bit, which is about the destination's anchor, stays clear.
            Some(Anchor::Peer(peer)) => self.tunnel(peer, false),
            _ => Err(Punt(PuntReason::NoAnchor)),
        }
    }

    /// Whether the source's /64 is the station's on this port, and if so whether we are its anchor.
    #[inline]
    pub(crate) fn source_of(&self, station: u64, word: u64) -> Option<bool> {
        Verdict::anchored_if_at(word, station, self.port)
    }

    /// As [`Router::source_of`] for what a station sent before it left.
    #[cold]
    fn sent_before(&self, station: u64, word: u64) -> Option<bool> {
        let Some(Verdict::Left { mac, port, anchored }) = Verdict::from_word(word) else {
            return None;
        };
        let own = mac.to_u64() == station && port == self.port;
        (own && self.station(mac) == Some(Station::Quiet)).then_some(anchored)
    }

    fn station(&self, mac: Mac) -> Option<Station> {
        match Verdict::from_word(self.table.lookup(station_key(mac))) {
            Some(Verdict::Station(station)) => Some(station),
            _ => None,
        }
    }

    /// A source that is not the station's: what it means depends on what the station is doing.
    #[cold]
    fn source_missed(&self, src: Ipv6Addr, mac: Mac, word: u64) -> Fate {
        let wait = |why| {
            let key = ParkKey { prefix: Prefix64::of(src).0, by: By::Station(mac) };
            Park(Wait { key, why })
        };
        // R-41 (a). Another station's source will not be this one's.
        let others =
            matches!(Verdict::from_word(word), Some(Verdict::Deliver { mac: of, .. }) if of != mac);
        let anchor = self.fib.anchor(src).filter(|_| self.parking && !others);
        let may_come = anchor.is_some();
        match self.station(mac) {
            None if may_come && self.info.attach_on_frame => wait(Why::Stranger),
            None => self.stranger(),
            Some(Station::Exchange) if may_come => wait(Why::Pending),
            Some(Station::Exchange) => Drop(DropReason::SourcePending),
            // Another MAAR leased it and may say that it is the station's.
            Some(Station::Attached) if matches!(anchor, Some(Anchor::Peer(_))) => {
                wait(Why::Pending)
            }
            Some(Station::Attached) => Punt(PuntReason::SourceFailed),
            Some(Station::Quiet) => Drop(DropReason::StationQuiet),
        }
    }

    /// A station without record is plainly here.
    fn stranger(&self) -> Fate {
        if self.info.attach_on_frame {
            Punt(PuntReason::UnknownStation)
        } else {
            Drop(DropReason::StationUnknown)
        }
    }

    /// Link-local scope: never forwarded.
    #[cold]
    fn local(&self, packet: &Packet, mac: Mac) -> Fate {
        let echo = packet.dst == ROUTER_LINK_LOCAL && packet.upper.protocol == ip6::ICMPV6;
        match self.station(mac) {
            None => self.stranger(),
            Some(Station::Attached) if echo => Punt(PuntReason::OwnIcmp),
            Some(_) if packet.dst.is_multicast() => Drop(DropReason::Multicast),
            Some(_) => Drop(DropReason::LinkLocalScope),
        }
    }

    /// R-34's resolution of an inner destination.
    #[inline(always)]
    fn tunnelled(&self, packet: &Packet, outer: &Outer, words: Words) -> Result<Way<'a>, Fate> {
        let dst = packet.dst;
        let own_lease = match Verdict::from_word(words.src) {
            Some(Verdict::Deliver { settled: true, .. }) => {
                return Err(Drop(DropReason::InnerSourceHere));
            }
            Some(
                Verdict::Deliver { anchored, .. }
                | Verdict::Tunnel { anchored, .. }
                | Verdict::Left { anchored, .. },
            ) => anchored,
            Some(Verdict::Absent { .. }) => true,
            _ => false,
        };
        if self.parking && self.holds.contains(Prefix64::of(dst).0, outer.peer) {
            let key = ParkKey { by: By::Peer(outer.peer), ..towards(dst) };
            return Err(Park(Wait { key, why: Why::Held }));
        }
        match Verdict::from_word(words.dst) {
            Some(Verdict::Deliver { .. }) if self.is_marker(packet) => {
                Err(self.marker(packet, Some(outer)))
            }
            Some(Verdict::Deliver { mac, port, .. }) => self.deliver(mac, port),
            // Only who anchors the MN, or had it, is on the way to another MAAR. At any other it may be about to arrive,
            // and the entry be older than that: a circle, if it were followed (R-34, R-41 b).
            Some(Verdict::Tunnel { peer, anchored, former })
                if peer != outer.peer && (anchored || former || !self.parking) =>
            {
                self.tunnel(peer, outer.sent_to_anchor)
            }
            Some(Verdict::Left { .. }) => Err(self.absent(dst, true)),
            Some(Verdict::Absent { park }) => Err(self.absent(dst, park)),
            verdict => {
                let known = matches!(verdict, Some(Verdict::Tunnel { .. }));
                self.unplaced(dst, outer, own_lease, known)
            }
        }
    }

    /// No entry places an inner destination, or only at the very sender (`known`).
    #[inline(never)]
    fn unplaced(
        &self,
        dst: Ipv6Addr,
        outer: &Outer,
        own_lease: bool,
        known: bool,
    ) -> Result<Way<'a>, Fate> {
        match self.fib.anchor(dst) {
            None if own_lease => self.native(dst),
            // R-41 (b): also where the entry names the very sender, who has newer word of it.
            Some(Anchor::Peer(_)) if self.parking => {
                Err(Park(Wait { key: towards(dst), why: Why::Unplaced }))
            }
            Some(Anchor::Peer(_)) if outer.sent_to_anchor => Err(Drop(DropReason::AnchorLoop)),
            Some(Anchor::Peer(peer)) => self.tunnel(peer, true),
            _ if known => Err(Drop(DropReason::TunnelBack)),
            None => Err(Drop(DropReason::InnerUnknown)),
            Some(Anchor::Own) => Err(Punt(PuntReason::PoolUnleased)),
        }
    }

    ///
    #[inline(always)]
    fn core(&self, packet: &Packet, word: u64) -> Result<Way<'a>, Fate> {
        let dst = packet.dst;
        match Verdict::from_word(word) {
            Some(Verdict::Deliver { .. }) if self.is_marker(packet) => {
                Err(self.marker(packet, None))
            }
            Some(Verdict::Deliver { mac, port, .. }) => self.deliver(mac, port),
            Some(Verdict::Tunnel { peer, .. }) => self.tunnel(peer, false),
            Some(Verdict::Left { .. }) => Err(self.absent(dst, true)),
            Some(Verdict::Absent { park }) => Err(self.absent(dst, park)),
            _ => self.native(dst),
        }
    }

    /// An end marker: a MAAR's empty packet to a HoA. A host's own are none.
    #[inline]
    fn is_marker(&self, packet: &Packet) -> bool {
        packet.upper.protocol == ip6::NO_NEXT_HEADER
            && packet.len == ip6::HEADER_LEN
            && self.fib.is_maar(packet.src)
    }

    /// Where its HoA is a marker ends: it says that the path by way of `outer` holds nothing of its MAAR any more.
    #[cold]
    fn marker(&self, packet: &Packet, outer: Option<&Outer>) -> Fate {
        let prefix = Prefix64::of(packet.dst).0;
        match (self.fib.peer_at(packet.src), outer) {
            (Some(peer), Some(outer))
                if peer != outer.peer && self.holds.contains(prefix, peer) =>
            {
                Absorb(Marker { prefix, peer })
            }
            _ => Drop(DropReason::MarkerUnexpected),
        }
    }

    /// its packets wait for an MN that is Detached.
    #[cold]
    fn absent(&self, dst: Ipv6Addr, park: bool) -> Fate {
        if park && self.parking {
            Park(Wait { key: towards(dst), why: Why::Absent })
        } else {
            Drop(DropReason::MnAbsent)
        }
    }

    #[inline]
    fn deliver(&self, mac: Mac, port: PortId) -> Result<Way<'a>, Fate> {
        match self.fib.port(port) {
            Some(info) if info.role == Role::Access => {
                Ok(Way::Deliver { mac: mac.to_u64(), port, info })
            }
            _ => Err(Drop(DropReason::PortUnknown)),
        }
    }

    #[inline]
    fn tunnel(&self, peer: PeerId, sent_to_anchor: bool) -> Result<Way<'a>, Fate> {
        match self.fib.tunnel(peer) {
            Ok(tunnel) => Ok(Way::Tunnel { tunnel, sent_to_anchor }),
            Err(NoTunnel::Unknown) => Err(Drop(DropReason::PeerUnknown)),
            Err(NoTunnel::Unresolved) => Err(Unreached(peer)),
        }
    }

    #[inline(never)]
    fn native(&self, dst: Ipv6Addr) -> Result<Way<'a>, Fate> {
        let hops = match self.fib.route(dst) {
            Some(Route::Via(group)) => self.fib.group(group),
            Some(Route::OnLink(_)) => self.fib.host(dst),
            Some(Route::Pool) => return Err(Punt(PuntReason::PoolUnleased)),
            None => return Err(Punt(PuntReason::NoRoute)),
        };
        hops.map(Way::Native).ok_or(Punt(PuntReason::Unresolved))
    }
}

/// What packets to `dst` wait by.
pub(crate) fn towards(dst: Ipv6Addr) -> ParkKey {
    ParkKey { prefix: Prefix64::of(dst).0, by: By::Destination }
}
