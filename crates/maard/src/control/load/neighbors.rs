// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours that are not there: every address on a core link answers to Neighbour Solicitation, with a MAC made of its
//! last five octets.

use dataplane::PortId;
use slowpath::config::Prefix;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::eth::{self, EthHeader};
use wire::ip6::{self, Ip6View};
use wire::nd::{Icmp6, NeighborAdvert, neighbor_advert, parse};

/// The core links.
pub struct Neighbors(Vec<(PortId, Prefix)>);

/// The MAC of the neighbour at `address`.
pub fn mac(address: Ipv6Addr) -> Mac {
    Mac::from_u64(0x06 << 40 | address.to_bits() as u64 & 0xff_ffff_ffff)
}

impl Neighbors {
    pub fn new(links: Vec<(PortId, Prefix)>) -> Neighbors {
        Neighbors(links)
    }

    /// The advertisement that answers `frame`, if that is a solicitation for a neighbour on the link of `port`.
    pub fn answer(&self, port: PortId, frame: &[u8]) -> Option<Vec<u8>> {
        let header = EthHeader::parse(frame)?;
        let packet = Ip6View::new_checked(frame.get(header.len..)?).ok()?;
        if packet.next_header() != ip6::ICMPV6 {
            return None;
        }
        let icmp = packet.octets().get(ip6::HEADER_LEN..)?;
        let (src, dst) = (packet.src(), packet.dst());
        let Ok(Icmp6::NeighborSolicit(ns)) = parse(src, dst, packet.octets()[7], icmp) else {
            return None;
        };
        let target = ns.target;
        let here = |(of, link): &(PortId, Prefix)| *of == port && link.contains(target);
        // A solicitation from `::` asks whether the router's own address is free: it is.
        if src.is_unspecified() || !self.0.iter().any(here) {
            return None;
        }
        let advert = NeighborAdvert {
            router: true,
            solicited: true,
            override_: true,
            target,
            tllao: Some(mac(target)),
        };
        let front = eth::ipv6_header(header.src, mac(target));
        let icmp = neighbor_advert(&advert, target, src);
        Some(ip6::frame(front, target, src, ip6::ICMPV6, 255, &icmp))
    }
}
