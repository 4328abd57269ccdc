// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What workers punt: each reason goes to the part that knows; what cannot be read is counted.

use crate::Router;
use crate::effects::Effects;
use crate::frames::Received;
use crate::icmp::Error;
use dataplane::PortId;
use dataplane::fib::Role;
use dataplane::park::{By, Report, Why};
use dataplane::punt::{Marker, PuntReason};
use dataplane::verdict::PeerId;
use mobility::ParkKey;
use std::net::Ipv6Addr;
use wire::addr::Prefix64;
use wire::nd::{self, Icmp6};
use wire::time::Now;
use wire::{ip6, mh};

impl Router {
    /// Gives a frame to the part that knows what its reason asks for.
    pub(crate) fn frame(&mut self, now: Now, port: PortId, reason: PuntReason, frame: &[u8]) {
        let Some(&info) = self.config.ports.get(usize::from(port)) else {
            return self.fx.count("frame_malformed");
        };
        let Some(received) = Received::parse(port, info, frame) else {
            return self.fx.count("frame_malformed");
        };
        match reason {
            PuntReason::NeighborDiscovery => self.neighbor_discovery(now, &received),
            PuntReason::UnknownStation => self.station_frame(now, &received),
            PuntReason::OwnIcmp => self.own_icmp(now, &received),
            PuntReason::MobilityHeader => self.mobility_header(now, &received),
            PuntReason::Unresolved => self.unresolved(now, &received),
            PuntReason::SourceFailed => self.source_failed(now, &received),
            PuntReason::TooBig => self.too_big(now, &received),
            PuntReason::TunnelTooBig => self.tunnel_too_big(now, &received),
            PuntReason::HopLimit
            | PuntReason::PoolUnleased
            | PuntReason::NoRoute
            | PuntReason::NoAnchor => {
                if let Some(error) = Error::of(reason) {
                    self.error(now, &received, error);
                }
            }
        }
    }

    /// no error while an exchange of the station may bring the source, one that begins now included.
    fn source_failed(&mut self, now: Now, received: &Received<'_>) {
        let (port, mac) = (received.port, received.eth.src);
        if let Some(packet) = received.ip {
            let source = packet.src();
            self.maar.handle(now, mobility::Input::SourceFailed { port, mac, source });
            self.settle(now);
        }
        if self.install.in_exchange(mac) {
            return self.fx.count("source_pending");
        }
        if let Some(error) = Error::of(PuntReason::SourceFailed) {
            self.error(now, received, error);
        }
    }

    /// Packets wait with a worker. Those of a station without record show it: no frame of it comes besides.
    pub(crate) fn parked(&mut self, now: Now, report: Report) {
        self.fx.count("parked_report");
        let Report { key, why, port, source } = report;
        let prefix = Prefix64(key.prefix);
        if let By::Peer(peer) = key.by {
            let Some(maar) = self.peer_address(peer) else { return };
            return self.maar.handle(now, mobility::Input::Held { hoa: prefix, maar });
        }
        let station = match key.by {
            By::Station(mac) => Some(mac),
            By::Destination | By::Peer(_) => None,
        };
        if let (Why::Stranger, Some(mac)) = (why, station) {
            self.fx.count("station_frame");
            let source = Some(source);
            self.maar.handle(now, mobility::Input::StationFrame { port, mac, source });
            // Its exchange has begun before anybody asks whether one may bring the key.
        }
        self.maar.handle(now, mobility::Input::Parked(ParkKey { station, prefix }));
    }

    /// The path a MAAR used before holds nothing of it any more.
    pub(crate) fn marker(&mut self, now: Now, marker: Marker) {
        self.fx.count("marker_received");
        if let Some(maar) = self.peer_address(marker.peer) {
            let hoa = Prefix64(marker.prefix);
            self.maar.handle(now, mobility::Input::Marker { hoa, maar });
        }
    }

    /// Packets of a tunnel found no next hop.
    pub(crate) fn peer_wanted(&mut self, now: Now, peer: PeerId) {
        self.fx.count("unresolved_peer");
        if let Some(peer) = self.peer_address(peer) {
            self.neighbors.want(now.mono, peer, &mut self.fx);
        }
    }

    /// The inverse of `fib::peer_id`.
    fn peer_address(&self, peer: PeerId) -> Option<Ipv6Addr> {
        Some(self.config.mobility.peers.get(usize::from(peer))?.address)
    }

    fn error(&mut self, now: Now, about: &Received<'_>, error: Error) {
        self.icmp.error(now.mono, about, error, &mut self.fx);
    }

    fn tunnel_too_big(&mut self, now: Now, about: &Received<'_>) {
        let Some(packet) = about.ip else { return self.fx.count("frame_malformed") };
        let mtu = u32::from(self.tunnel_mtu(&packet));
        self.error(now, about, Error::TooBig { mtu });
    }

    /// Not tunnelled: the MTU of the access port of the MN here, or the smallest of the core ports the route leads to:
    /// which of several next hops its flow takes, the worker knows.
    fn too_big(&mut self, now: Now, about: &Received<'_>) {
        let Some(dst) = about.ip.map(|packet| packet.dst()) else {
            return self.fx.count("frame_malformed");
        };
        let here =
            self.install.port_of(dst).and_then(|port| self.config.ports.get(usize::from(port)));
        let mtu = here.map(|info| info.mtu).or_else(|| self.neighbors.mtu_towards(dst));
        match mtu {
            Some(mtu) => self.error(
                now,
                about,
                Error::TooBig { mtu: u32::from(mtu).max(ip6::MIN_MTU as u32) },
            ),
            None => self.fx.count("icmp_error_forbidden"),
        }
    }

    fn unresolved(&mut self, now: Now, received: &Received<'_>) {
        self.fx.count("unresolved_punt");
        match received.ip {
            Some(packet) => self.neighbors.want(now.mono, packet.dst(), &mut self.fx),
            None => self.fx.count("frame_malformed"),
        }
    }

    /// Echo requests are answered; errors tell about our tunnels.
    fn own_icmp(&mut self, now: Now, received: &Received<'_>) {
        let Some(message) = self.icmp_message(received) else { return };
        match message {
            Icmp6::EchoRequest(body) => self.icmp.echo(received, body, &mut self.fx),
            Icmp6::Error { kind, value, quoted, .. } => {
                self.error_received(now, received, (kind, value), quoted);
            }
            _ => self.fx.count("icmp_other"),
        }
    }

    /// The ICMPv6 message of a frame; `None`, counted, when there is none that may be read.
    pub(crate) fn icmp_message<'a>(&mut self, received: &Received<'a>) -> Option<Icmp6<'a>> {
        let malformed = |fx: &mut Effects| {
            fx.count("frame_malformed");
            None
        };
        let Some(packet) = received.ip else { return malformed(&mut self.fx) };
        let upper = match packet.upper() {
            Ok(upper) if upper.protocol == ip6::ICMPV6 => upper,
            _ => return malformed(&mut self.fx),
        };
        if upper.fragment {
            // RFC 6980: ND is never fragmented; nothing of ours is long enough to come in fragments.
            self.fx.count("icmp_fragment");
            return None;
        }
        let Some(icmp) = packet.octets().get(upper.offset..) else {
            return malformed(&mut self.fx);
        };
        match nd::parse(packet.src(), packet.dst(), packet.hop_limit(), icmp) {
            Ok(message) => Some(message),
            Err(error) => {
                self.fx.count(crate::counters::nd_error(error));
                None
            }
        }
    }

    /// Signalling between MAARs comes by core ports, straight behind the IPv6 header (PROTOCOL.md 3.1).
    fn mobility_header(&mut self, now: Now, received: &Received<'_>) {
        let Some(packet) = received.ip else { return self.fx.count("frame_malformed") };
        if received.info.role == Role::Access {
            return self.fx.count("mh_access_port");
        }
        if packet.next_header() != mh::NEXT_HEADER || packet.dst() != self.config.mobility.address {
            return self.fx.count("mh_ext_header");
        }
        self.fx.count("mh_received");
        let octets = packet.octets().get(ip6::HEADER_LEN..).unwrap_or_default();
        self.maar.handle(now, mobility::Input::Mh { src: packet.src(), octets });
    }
}
