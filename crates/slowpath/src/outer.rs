// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 errors about the outer packet of a tunnel (R-31; RFC 2473 §8): routers of the core say that one did not
//! reach its peer. The quoted packet must be ours: anybody may send such a message, so it is only believed about the
//! path to a peer, and only when the core brings it (a mobile node knows both addresses of every tunnel).

use crate::Router;
use crate::frames::{HOP_LIMIT, Received, own_mac};
use crate::icmp::Error;
use dataplane::fib::{Anchor, Role};
use dataplane::verdict::PeerId;
use mobility::Place;
use std::net::Ipv6Addr;
use wire::eth;
use wire::ip6::{self, Ip6View};
use wire::time::{Instant, Now};

/// ICMPv6 types.
const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;

impl Router {
    /// An error that came to our core address: what it says about one of our tunnels is used.
    pub(crate) fn error_received(
        &mut self,
        now: Now,
        by: &Received<'_>,
        (kind, value): (u8, u32),
        quoted: &[u8],
    ) {
        self.fx.count("icmp_error_received");
        let ours = |outer: &Ip6View<'_>| {
            by.info.role == Role::Core
                && outer.src() == self.config.mobility.address
                && self.config.mobility.peers.iter().any(|peer| peer.address == outer.dst())
        };
        let Some(outer) = Ip6View::quoted(quoted).ok().filter(ours) else {
            return self.fx.count("tunnel_error_foreign");
        };
        match kind {
            PACKET_TOO_BIG => self.path_too_small(now.mono, outer.dst(), value),
            UNREACHABLE => self.tunnel_unreachable(now.mono, outer),
            _ => self.fx.count("tunnel_error_other"),
        }
    }

    fn path_too_small(&mut self, now: Instant, peer: Ipv6Addr, mtu: u32) {
        if mtu < ip6::MIN_MTU as u32 {
            // RFC 8201 §4: discarded, since no link of IPv6 is that small.
            return self.fx.count("path_mtu_impossible");
        }
        let port = self.neighbors.hop_towards(peer).map(|hop| hop.port);
        let link = port.and_then(|port| self.config.ports.get(usize::from(port)));
        let Some(link) = link.map(|info| info.mtu) else {
            return self.fx.count("tunnel_error_foreign");
        };
        match self.paths.too_big(now, peer, mtu, link) {
            Some(mtu) => {
                self.fx.count("path_mtu_lowered");
                self.fx.info(format!("path to {peer}: MTU is {mtu} now"));
            }
            None => self.fx.count("path_mtu_unchanged"),
        }
    }

    /// Paths that nobody called small for a while are as wide as their links again.
    pub(crate) fn forget_paths(&mut self, now: Instant) {
        for peer in self.paths.forget(now) {
            self.fx.count("path_mtu_aged");
            self.fx.info(format!("path to {peer}: MTU is its link's again"));
        }
    }

    /// The inner source hears that its packet went nowhere (RFC 2473 §8.1): the tunnel is no business of its.
    fn tunnel_unreachable(&mut self, now: Instant, outer: Ip6View<'_>) {
        let inner = match outer.upper() {
            Ok(upper) if upper.protocol == ip6::IPV6_IN_IPV6 && !upper.later_fragment => {
                outer.octets().get(upper.offset..).and_then(|inner| Ip6View::quoted(inner).ok())
            }
            _ => None,
        };
        // Signalling has its own repeats; of a later fragment nobody knows the inner source.
        let Some(inner) = inner else { return self.fx.count("tunnel_error_other") };
        let Some(icmp) = self.icmp.told(
            now,
            inner.octets(),
            inner.src(),
            Error::TunnelUnreachable,
            &mut self.fx,
        ) else {
            return;
        };
        let own = self.config.mobility.address;
        let packet = ip6::packet(own, inner.src(), ip6::ICMPV6, HOP_LIMIT, &icmp);
        self.send(inner.src(), packet);
    }

    /// Sends a packet of our own to wherever its destination is: here, behind a peer, or by a route.
    fn send(&mut self, dst: Ipv6Addr, packet: Vec<u8>) {
        let (way, packet) = match self.install.place_of(dst) {
            Some(&Place::Here { port, mac, .. }) => (Some((port, mac)), packet),
            Some(&Place::Behind { maar, .. }) => {
                let own = self.config.mobility.address;
                let outer = ip6::packet(own, maar, ip6::IPV6_IN_IPV6, HOP_LIMIT, &packet);
                (self.neighbors.resolved_towards(maar), outer)
            }
            // nobody of our pool is found by a route.
            _ if self.config.mobility.pool.contains(dst) => (None, packet),
            _ => (self.neighbors.resolved_towards(dst), packet),
        };
        let info = way.and_then(|(port, _)| self.config.ports.get(usize::from(port)));
        match (way, info) {
            (Some((port, mac)), Some(info)) => {
                let mut frame = eth::ipv6_header(mac, own_mac(info)).to_vec();
                frame.extend_from_slice(&packet);
                self.fx.frame(port, frame);
            }
            _ => self.fx.count("icmp_unroutable"),
        }
    }

    /// MTU of the tunnel a packet did not fit into: that of the peer it is for, as find it. When
    /// that changed since, the smallest core port decides, as in the RA's MTU option.
    pub(crate) fn tunnel_mtu(&self, packet: &Ip6View<'_>) -> u16 {
        let peer = match self.install.place_of(packet.dst()) {
            Some(&Place::Behind { maar, .. }) => self.install.peer(maar),
            _ => self.anchor_peer(packet.dst()).or_else(|| self.anchor_peer(packet.src())),
        };
        peer.and_then(|peer| self.fib.tunnel_mtu(peer)).unwrap_or_else(|| self.smallest_tunnel())
    }

    fn anchor_peer(&self, of: Ipv6Addr) -> Option<PeerId> {
        match self.fib.anchor(of) {
            Some(Anchor::Peer(peer)) => Some(peer),
            _ => None,
        }
    }

    fn smallest_tunnel(&self) -> u16 {
        let least = ip6::MIN_MTU as u16;
        let core = self.config.ports.iter().filter(|port| port.role == Role::Core);
        let smallest = core.map(|port| port.mtu).min().unwrap_or(least);
        smallest.saturating_sub(ip6::HEADER_LEN as u16).max(least)
    }
}
