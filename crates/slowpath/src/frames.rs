// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A punted frame, taken apart once; and the headers of the frames a router sends of its own.

use dataplane::PortId;
use dataplane::fib::{PortInfo, Role};
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::eth::{self, EthHeader};
use wire::ip6::{self, Ip6View};

/// Hop limit of ND (RFC 4861) and of what a router says of its own.
pub(crate) const ND_HOP_LIMIT: u8 = 255;
/// Hop limit of signalling, echo replies and ICMPv6 errors (PROTOCOL.md 3.1).
pub(crate) const HOP_LIMIT: u8 = 64;

/// A frame and the port it came in by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// The port.
    pub(crate) port: PortId,
    /// What the port is.
    pub(crate) info: PortInfo,
    /// Its Ethernet header.
    pub(crate) eth: EthHeader,
    /// `None`: not IPv6, or not well formed.
    pub(crate) ip: Option<Ip6View<'a>>,
}

impl<'a> Received<'a> {
    /// `None` when there is no Ethernet header.
    pub(crate) fn parse(port: PortId, info: PortInfo, frame: &'a [u8]) -> Option<Received<'a>> {
        let eth = EthHeader::parse(frame)?;
        let ip = (eth.ethertype == eth::IPV6)
            // Quoted: of a frame in several segments there is the first alone. Whoever reads further than the header
            // checks lengths of its own.
            .then(|| Ip6View::quoted(frame.get(eth.len..).unwrap_or_default()).ok())
            .flatten();
        Some(Received { port, info, eth, ip })
    }

    /// Why a frame is not for this port, as the name of a counter (R-08, R-21, FC-17). A frame that passes comes from
    /// a single station other than ourselves, lies in no VLAN of others, and is sent to the port, to the routers'
    /// MAC, or to a group of Neighbour Discovery.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        let (src, dst) = (self.eth.src, self.eth.dst);
        if src == self.info.mac || src == ROUTER_MAC {
            Some("frame_own_mac")
        } else if !src.is_unicast() {
            Some("frame_bad_source_mac")
        } else if self.eth.vlan.is_some_and(|vlan| vlan != 0) {
            Some("frame_foreign_vlan")
        } else if dst == own_mac(&self.info) || dst == self.info.mac || is_nd_group(dst) {
            None
        } else {
            Some("frame_not_for_us")
        }
    }
}

/// All nodes, all routers, solicited nodes.
fn is_nd_group(dst: Mac) -> bool {
    matches!(dst.0, [0x33, 0x33, 0, 0, 0, 1 | 2] | [0x33, 0x33, 0xff, ..])
}

/// The MAC a port speaks with (R-08: every MAAR's access ports speak with the same).
pub(crate) fn own_mac(info: &PortInfo) -> Mac {
    match info.role {
        Role::Access => ROUTER_MAC,
        Role::Core => info.mac,
    }
}

/// The link-local address a port speaks with.
pub(crate) fn own_link_local(info: &PortInfo) -> Ipv6Addr {
    match info.role {
        Role::Access => ROUTER_LINK_LOCAL,
        Role::Core => link_local_of(info.mac),
    }
}

/// fe80::/64 and the modified EUI-64 of `mac`.
fn link_local_of(mac: Mac) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(mac.eui64()))
}

/// A frame of our own with an ICMPv6 message.
pub(crate) fn icmp_frame(
    info: &PortInfo,
    to: Mac,
    (src, dst): (Ipv6Addr, Ipv6Addr),
    hop_limit: u8,
    icmp: &[u8],
) -> Vec<u8> {
    ip6::frame(eth::ipv6_header(to, own_mac(info)), src, dst, ip6::ICMPV6, hop_limit, icmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(role: Role) -> PortInfo {
        PortInfo { role, mac: Mac([2, 0, 0, 0, 0, 0xa3]), mtu: 1500, attach_on_frame: true }
    }

    #[test]
    fn link_local_addresses_of_ports_are_the_standards() {
        assert_eq!(own_link_local(&port(Role::Access)), ROUTER_LINK_LOCAL);
        assert_eq!(
            own_link_local(&port(Role::Core)),
            "fe80::ff:fe00:a3".parse::<Ipv6Addr>().unwrap()
        );
    }

    #[test]
    fn only_frames_for_this_port_pass() {
        let frame = |dst: [u8; 6], src: [u8; 6], vlan: Option<u16>| Received {
            port: 0,
            info: port(Role::Access),
            eth: EthHeader { dst: Mac(dst), src: Mac(src), vlan, ethertype: eth::IPV6, len: 14 },
            ip: None,
        };
        let mn = [2, 0, 0, 0, 0, 0xa];
        let all_routers = [0x33, 0x33, 0, 0, 0, 2];
        assert_eq!(frame(all_routers, mn, None).refused(), None);
        assert_eq!(frame(ROUTER_MAC.0, mn, Some(0)).refused(), None);
        assert_eq!(frame([0x33, 0x33, 0xff, 0, 0x52, 0x13], mn, None).refused(), None);
        assert_eq!(frame(all_routers, mn, Some(7)).refused(), Some("frame_foreign_vlan"));
        assert_eq!(frame([2, 0, 0, 0, 0, 0xee], mn, None).refused(), Some("frame_not_for_us"));
        assert_eq!(
            frame([0x33, 0x33, 0, 0, 0, 0xfb], mn, None).refused(),
            Some("frame_not_for_us")
        );
        assert_eq!(frame(all_routers, ROUTER_MAC.0, None).refused(), Some("frame_own_mac"));
        assert_eq!(
            frame(all_routers, [3, 0, 0, 0, 0, 1], None).refused(),
            Some("frame_bad_source_mac")
        );
    }
}
