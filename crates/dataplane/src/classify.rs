// SPDX-License-Identifier: Apache-2.0 OR MIT
//! First pass: what a frame is, as far as its own octets, the port's role and the snapshot tell. No lookups in the
//! binding table here; `route` decides with their results.
//!
//! Everything that is not forwarded by the table ends here with a name: signalling from an access link,
//! Neighbour Discovery, link-local scope and multicast, tunnel packets that fail R-34's checks of the outer header.

use crate::PortId;
use crate::counters::DropReason;
use crate::fib::{Fib, PortInfo, Role};
use crate::park::Wait;
use crate::punt::{Marker, PuntReason};
use crate::verdict::PeerId;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::eth::{self, EthHeader};
use wire::ip6::{self, FRAGMENT_LEN, FragmentHeader, Ip6Error, Ip6View, Upper};

/// Next header: Mobility Header.
const MOBILITY: u8 = 135;
/// Next header: Destination Options.
const DESTINATION_OPTIONS: u8 = 60;

/// The end of a frame that is not forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Drop(DropReason),
    Punt(PuntReason),
    /// It may be forwarded later.
    Park(Wait),
    /// To a peer whose next hop is not resolved: dropped, and the slow path hears of it.
    Unreached(PeerId),
    /// An end marker that is waited for.
    Absorb(Marker),
    /// A piece of a tunnel packet.
    Fragment,
    /// A tunnel packet that is too long for its path, to be sent by this port in two fragments.
    Split(PortId),
}

use Fate::{Drop, Punt};

/// A packet that may be forwarded.
///
/// It is filled in where it is kept: a copy of fields just written waits until their stores have left the store buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub kind: Kind,
    /// Where it starts in the frame: behind the Ethernet header, or behind a tunnel's headers.
    pub start: usize,
    /// Its length by its own header.
    pub len: usize,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    pub upper: Upper,
}

impl Packet {
    /// Before any was read.
    pub(crate) const NONE: Packet = Packet {
        kind: Kind::Core,
        start: 0,
        len: 0,
        src: Ipv6Addr::UNSPECIFIED,
        dst: Ipv6Addr::UNSPECIFIED,
        upper: Upper::plain(0),
    };

    /// What the binding table is asked for: source and destination; 0, which nothing is bound to, where it is not.
    #[inline(always)]
    pub(crate) fn keys(&self) -> [u64; 2] {
        let (src, dst) = (Prefix64::of(self.src).0, Prefix64::of(self.dst).0);
        match self.kind {
            Kind::Uplink(_) | Kind::Tunnelled(_) => [src, dst],
            Kind::Core => [0, dst],
            Kind::Local(_) => [0, 0],
        }
    }

    /// Gives the keys.
    #[inline(always)]
    fn fill(&mut self, kind: Kind, start: usize, view: &Ip6View<'_>, upper: Upper) -> [u64; 2] {
        let len = view.packet_len();
        let packet = Packet { kind, start, len, src: view.src(), dst: view.dst(), upper };
        *self = packet;
        packet.keys()
    }
}

/// A port and the MACs that frames to it bear, as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance<'a> {
    pub info: &'a PortInfo,
    own: u64,
    /// [`ROUTER_MAC`] on access ports.
    shared: u64,
}

impl<'a> Entrance<'a> {
    pub(crate) fn new(info: &'a PortInfo) -> Entrance<'a> {
        let own = info.mac.to_u64();
        let shared = if info.role == Role::Access { ROUTER_MAC.to_u64() } else { own };
        Entrance { info, own, shared }
    }
}

/// How it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// From a station on an access port, to be forwarded if its source is the station's. Its MAC as a number,
    /// as the table has it.
    Uplink(u64),
    /// From a station on an access port, of link-local scope: its state decides what it means.
    Local(Mac),
    /// From a core port, not tunnelled.
    Core,
    /// From a peer's tunnel: the packet is the inner one.
    Tunnelled(Outer),
}

/// What the outer header said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outer {
    pub peer: PeerId,
    /// The inner packet's ECN field after decapsulation (RFC 6040 §4.2).
    pub ecn: u8,
    /// The loop bit: it has been sent to an anchor, and never is again.
    pub sent_to_anchor: bool,
}

/// What the frame in `frame`, received on `port`, is, and the keys of the packet; `behind` more octets of it are in
/// further segments. `packet` is anything unless it may be forwarded.
///
/// What nearly all packets are is told here by a few compares; everything else has a function of its own.
#[inline(always)]
pub(crate) fn classify(
    fib: &Fib,
    port: &Entrance<'_>,
    frame: &[u8],
    behind: usize,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let start = if plain(port, frame) { eth::HEADER_LEN } else { ethernet(port.info, frame)? };
    let view = Ip6View::front(&frame[start..], behind).map_err(malformed)?;
    match port.info.role {
        Role::Access => access(fib, source(frame), start, view, packet),
        Role::Core => core(fib, port.info, start, view, behind, packet),
    }
}

#[cold]
fn malformed(error: Ip6Error) -> Fate {
    Drop(match error {
        Ip6Error::Truncated => DropReason::Ip6Truncated,
        Ip6Error::Version => DropReason::Ip6Version,
        Ip6Error::Extension => DropReason::Ip6ExtMalformed,
    })
}

/// Whether a frame is what nearly all are: untagged IPv6 to a MAC of ours from somebody else's. What it says of such a
/// frame [`ethernet`] says too, which knows all others.
#[inline(always)]
fn plain(port: &Entrance<'_>, frame: &[u8]) -> bool {
    let Some(header) = frame.first_chunk::<{ eth::HEADER_LEN }>() else { return false };
    let word = |at: usize| header[at..].first_chunk().map_or(0, |word| u64::from_be_bytes(*word));
    let (dst, rest) = (word(0) >> 16, word(6));
    let src = rest >> 16;
    let for_us = dst == port.own || dst == port.shared;
    let of_another = src != port.own && src != port.shared && src & GROUP == 0 && src != 0;
    rest as u16 == eth::IPV6 && for_us && of_another
}

/// The group bit of a MAC as a number.
const GROUP: u64 = 1 << 40;

/// An IPv6 frame for us, untagged or priority-tagged, from somebody else: where its packet starts.
#[cold]
fn ethernet(port: &PortInfo, frame: &[u8]) -> Result<usize, Fate> {
    let eth = EthHeader::parse(frame).ok_or(Drop(DropReason::EthTruncated))?;
    let access = port.role == Role::Access;
    let own = |mac| mac == port.mac || access && mac == ROUTER_MAC;
    if eth.vlan.is_some_and(|vid| vid != 0) {
        return Err(Drop(DropReason::VlanForeign));
    }
    if own(eth.src) {
        return Err(Drop(DropReason::OwnMac));
    }
    if !eth.src.is_unicast() {
        return Err(Drop(DropReason::SourceMac));
    }
    if eth.ethertype != eth::IPV6 {
        return Err(Drop(DropReason::NotIpv6));
    }
    if !own(eth.dst) && !eth.dst.0.starts_with(&[0x33, 0x33]) {
        return Err(Drop(DropReason::NotForUs));
    }
    Ok(eth.len)
}

/// The MAC a frame came from, as a number; the frame is longer than that, as its Ethernet header was read.
#[inline(always)]
fn source(frame: &[u8]) -> u64 {
    frame[6..].first_chunk().map_or(0, |word| u64::from_be_bytes(*word) >> 16)
}

/// Whether both addresses are such as are forwarded: unicast, not of link-local scope, not in ::/64. (What is deprecated
/// above fe80::/10 is for the slower checks to judge.)
#[inline(always)]
fn both_travel(view: &Ip6View<'_>) -> bool {
    // fe80:: and above; with 0 wrapped around it.
    let travels = |key: u64| key.wrapping_sub(1) < (0xfe80 << 48) - 1;
    travels(view.src_key()) && travels(view.dst_key())
}

#[inline(always)]
fn access(
    fib: &Fib,
    station: u64,
    start: usize,
    view: Ip6View<'_>,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let upper = Upper::plain(view.next_header());
    if !both_travel(&view) || view.has_extensions() || is_signalling(&upper) {
        return of_a_station(fib, station, start, view, packet);
    }
    Ok(packet.fill(Kind::Uplink(station), start, &view, upper))
}

/// What a station sends that is not plainly to be forwarded.
#[cold]
fn of_a_station(
    fib: &Fib,
    station: u64,
    start: usize,
    view: Ip6View<'_>,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let upper = view.upper().map_err(malformed)?;
    let kind = kind_of_a_station(fib, station, &view, &upper)?;
    Ok(packet.fill(kind, start, &view, upper))
}

fn kind_of_a_station(
    fib: &Fib,
    station: u64,
    view: &Ip6View<'_>,
    upper: &Upper,
) -> Result<Kind, Fate> {
    let (src, dst) = (view.src(), view.dst());
    if src == ROUTER_LINK_LOCAL {
        return Err(Drop(DropReason::OwnMac));
    }
    if src.is_multicast() || never_travels(dst) {
        return Err(Drop(DropReason::AddressInvalid));
    }
    let link_scope = dst.is_multicast() || dst.is_unicast_link_local();
    if link_scope && matches!(icmp_type(view, upper), Some(130..=136 | 143)) {
        return Err(Punt(PuntReason::NeighborDiscovery));
    }
    if never_travels(src) {
        return Err(Drop(DropReason::AddressInvalid));
    }
    if is_signalling(upper) && fib.is_maar(dst) {
        return Err(Drop(DropReason::AccessSignalling));
    }
    if dst.is_multicast() && !is_nd_group(dst) {
        return Err(Drop(DropReason::Multicast));
    }
    let local = link_scope || src.is_unicast_link_local();
    Ok(if local { Kind::Local(Mac::from_u64(station)) } else { Kind::Uplink(station) })
}

#[inline(always)]
fn core(
    fib: &Fib,
    port: &PortInfo,
    start: usize,
    view: Ip6View<'_>,
    behind: usize,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    if fib.is_own(view.dst_key(), view.dst_low()) {
        let offset = if view.next_header() == ip6::IPV6_IN_IPV6 {
            ip6::HEADER_LEN
        } else {
            to_self(fib, &view)?
        };
        // Of a frame in one segment that is 0.
        let behind = if behind == 0 { 0 } else { view.packet_len() - view.octets().len() };
        return tunnelled(fib, start, view, offset, behind, packet);
    }
    if !both_travel(&view) || view.has_extensions() {
        return of_the_core(fib, port, start, view, packet);
    }
    Ok(packet.fill(Kind::Core, start, &view, Upper::plain(view.next_header())))
}

/// What the core sends that is not plainly to be forwarded.
#[cold]
fn of_the_core(
    fib: &Fib,
    port: &PortInfo,
    start: usize,
    view: Ip6View<'_>,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let upper = view.upper().map_err(malformed)?;
    to_be_forwarded(fib, port, &view, &upper)?;
    Ok(packet.fill(Kind::Core, start, &view, upper))
}

fn to_be_forwarded(
    fib: &Fib,
    port: &PortInfo,
    view: &Ip6View<'_>,
    upper: &Upper,
) -> Result<(), Fate> {
    let (src, dst) = (view.src(), view.dst());
    if src.is_multicast() || never_travels(dst) {
        return Err(Drop(DropReason::AddressInvalid));
    }
    if dst.is_multicast() {
        let nd = matches!(icmp_type(view, upper), Some(130 | 133..=136));
        let ours = is_own_group(dst, fib.own(), port.mac);
        return Err(if nd && ours {
            Punt(PuntReason::NeighborDiscovery)
        } else {
            Drop(DropReason::Multicast)
        });
    }
    if dst.is_unicast_link_local() {
        return Err(icmp_punt(view, upper).unwrap_or(Drop(DropReason::LinkLocalScope)));
    }
    if src.is_unicast_link_local() {
        return Err(Drop(DropReason::LinkLocalScope));
    }
    if never_travels(src) {
        return Err(Drop(DropReason::AddressInvalid));
    }
    Ok(())
}

/// To our core address, and the tunnelled packet does not follow at once: where it starts, if there is one.
#[cold]
fn to_self(fib: &Fib, view: &Ip6View<'_>) -> Result<usize, Fate> {
    if view.next_header() == ip6::FRAGMENT && is_tunnel_piece(view, fib)? {
        return Err(Fate::Fragment);
    }
    let upper = view.upper().map_err(malformed)?;
    if upper.protocol == ip6::IPV6_IN_IPV6 {
        // A Linux tunnel puts the encapsulation limit there; nothing else belongs between.
        return if upper.offset == behind_options(view) {
            Ok(upper.offset)
        } else {
            Err(Drop(DropReason::TunnelExtHeader))
        };
    }
    if upper.fragment {
        return Err(Drop(DropReason::OwnFragment));
    }
    if upper.protocol == MOBILITY {
        return Err(Punt(PuntReason::MobilityHeader));
    }
    Err(icmp_punt(view, &upper).unwrap_or(Drop(DropReason::OwnNoListener)))
}

/// Whether a packet to our core address that begins with a Fragment header is a piece of a peer's tunnel packet. A whole
/// one behind such a header is none (RFC 6946).
fn is_tunnel_piece(view: &Ip6View<'_>, fib: &Fib) -> Result<bool, Fate> {
    let header = FragmentHeader::parse(view.payload()).ok_or(malformed(Ip6Error::Extension))?;
    let tunnel = matches!(header.next_header, ip6::IPV6_IN_IPV6 | DESTINATION_OPTIONS);
    if !tunnel || header.is_atomic() {
        return Ok(false);
    }
    let peer = fib.peer_at(view.src());
    peer.map(|_| true).ok_or(Drop(DropReason::TunnelNotPeer))
}

/// Where a tunnelled packet may begin at the latest: behind an atomic Fragment header, if there is one, and behind one
/// Destination Options header.
fn behind_options(view: &Ip6View<'_>) -> usize {
    let octet = |at: usize| view.octets().get(at).copied().unwrap_or_default();
    let (mut next, mut at) = (view.next_header(), ip6::HEADER_LEN);
    if next == ip6::FRAGMENT {
        (next, at) = (octet(at), at + FRAGMENT_LEN);
    }
    if next == DESTINATION_OPTIONS {
        at += (usize::from(octet(at + 1)) + 1) * 8;
    }
    at
}

/// R-34's checks that need no lookup in the binding table. One decapsulation a frame: what is inside is forwarded or
/// dropped, never looked into again.
#[inline(always)]
fn tunnelled(
    fib: &Fib,
    start: usize,
    view: Ip6View<'_>,
    offset: usize,
    behind: usize,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let peer =
        fib.peer_of(view.src_key(), view.src_low()).ok_or(Drop(DropReason::TunnelNotPeer))?;
    let inner = Ip6View::front(&view.octets()[offset..], behind).map_err(malformed)?;
    let upper = if both_travel(&inner) && !inner.has_extensions() {
        Upper::plain(inner.next_header())
    } else {
        inside(inner)?
    };
    if fib.is_own(inner.dst_key(), inner.dst_low()) {
        return Err(Drop(DropReason::InnerToSelf));
    }
    let ecn = ecn_out(view.traffic_class() & 3, inner.traffic_class() & 3)
        .ok_or(Drop(DropReason::EcnCeNotEct))?;
    let sent_to_anchor = view.flow_label() & 1 != 0;
    let kind = Kind::Tunnelled(Outer { peer, ecn, sent_to_anchor });
    Ok(packet.fill(kind, start + offset, &inner, upper))
}

/// What is inside of a tunnel and not plainly to be forwarded.
#[cold]
fn inside(inner: Ip6View<'_>) -> Result<Upper, Fate> {
    let upper = inner.upper().map_err(malformed)?;
    let (src, dst) = (inner.src(), inner.dst());
    if dst.is_multicast() {
        return Err(Drop(DropReason::Multicast));
    }
    if src.is_multicast() || never_travels(src) || never_travels(dst) {
        return Err(Drop(DropReason::AddressInvalid));
    }
    if src.is_unicast_link_local() || dst.is_unicast_link_local() {
        return Err(Drop(DropReason::LinkLocalScope));
    }
    Ok(upper)
}

/// The ECN field after decapsulation (RFC 6040 §4.2, figure 4); `None`: drop.
/// 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
const fn ecn_out(outer: u8, inner: u8) -> Option<u8> {
    match (inner, outer) {
        (0, 3) => None,
        (0, _) => Some(0),
        (3, _) | (_, 3) => Some(3),
        (_, 1) => Some(1),
        (inner, _) => Some(inner),
    }
}

/// Neighbour Discovery, or other ICMPv6 for us; `None` when it is no ICMPv6.
fn icmp_punt(view: &Ip6View<'_>, upper: &Upper) -> Option<Fate> {
    Some(Punt(match icmp_type(view, upper)? {
        133..=136 => PuntReason::NeighborDiscovery,
        _ => PuntReason::OwnIcmp,
    }))
}

/// The type, unless in a fragment (RFC 6980: Neighbour Discovery never comes in fragments).
fn icmp_type(view: &Ip6View<'_>, upper: &Upper) -> Option<u8> {
    let icmp = upper.protocol == ip6::ICMPV6 && !upper.fragment;
    if icmp { view.octets().get(upper.offset).copied() } else { None }
}

const fn is_signalling(upper: &Upper) -> bool {
    matches!(upper.protocol, MOBILITY | ip6::IPV6_IN_IPV6)
}

/// Unspecified, loopback and what else lies in ::/64.
const fn never_travels(address: Ipv6Addr) -> bool {
    address.to_bits() >> 64 == 0
}

/// All nodes, all routers, solicited node: the groups of Neighbour Discovery.
const fn is_nd_group(group: Ipv6Addr) -> bool {
    match group.segments() {
        [0xff02, 0, 0, 0, 0, 0, 0, 1 | 2] => true,
        [0xff02, 0, 0, 0, 0, 1, high, _] => high >= 0xff00,
        _ => false,
    }
}

/// The groups of a core port: of all nodes and routers, and those of its own and its link-local address.
fn is_own_group(group: Ipv6Addr, own: Option<Ipv6Addr>, mac: Mac) -> bool {
    let low = |address: Ipv6Addr| address.to_bits() as u32 & 0xff_ffff;
    let solicited = group.segments()[5] == 1;
    let same =
        low(group) == mac.to_u64() as u32 & 0xff_ffff || own.is_some_and(|a| low(a) == low(group));
    is_nd_group(group) && (!solicited || same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Ipv6Addr {
        text.parse().expect("an address of the test")
    }

    #[test]
    fn ecn_leaves_a_tunnel_as_rfc_6040_says() {
        let (not, ect1, ect0, ce) = (0, 1, 2, 3);
        let rows = [
            (not, [Some(not), Some(not), Some(not), None]),
            (ect0, [Some(ect0), Some(ect0), Some(ect1), Some(ce)]),
            (ect1, [Some(ect1), Some(ect1), Some(ect1), Some(ce)]),
            (ce, [Some(ce), Some(ce), Some(ce), Some(ce)]),
        ];
        for (inner, expected) in rows {
            assert_eq!([not, ect0, ect1, ce].map(|outer| ecn_out(outer, inner)), expected);
        }
    }

    #[test]
    fn the_groups_of_neighbour_discovery_are_known_and_a_core_port_takes_only_its_own() {
        for group in ["ff02::1", "ff02::2", "ff02::1:ff00:a"] {
            assert!(is_nd_group(at(group)), "{group}");
        }
        for other in ["ff02::fb", "ff02::16", "ff05::1", "ff02::1:fe00:a", "ff02::1:2"] {
            assert!(!is_nd_group(at(other)), "{other}");
        }
        let ours = |g| is_own_group(at(g), Some(at("2001:db8:ff::a3")), Mac([2, 0, 0, 1, 2, 3]));
        assert!(ours("ff02::1") && ours("ff02::1:ff00:a3") && ours("ff02::1:ff01:203"));
        assert!(!ours("ff02::1:ff00:a2") && !ours("ff02::fb"));
    }

    #[test]
    fn nothing_in_the_prefix_of_the_unspecified_address_travels() {
        assert!(never_travels(at("::")) && never_travels(at("::1")));
        assert!(!never_travels(at("2001:db8::")) && !never_travels(at("0:0:0:1::")));
    }
}
