// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A host as stock Linux is one (PROTOCOL.md section 1): it keeps its addresses and its default router when it moves,
//! sends no RS of its own then, takes the prefixes of an RA, and answers an NS for any of its addresses.

use crate::frames;
use crate::queue::NodeId;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::nd::{self, Icmp6};
use wire::{eth, ip6};

/// A mobile node.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its MAC.
    pub mac: Mac,
    /// The MAAR on whose link it is.
    pub at: Option<NodeId>,
    /// Counts its travels: an arrival of an earlier one is none.
    pub travel: u64,
    /// Its prefixes, the newest preferred one last.
    pub prefixes: Vec<Prefix64>,
    /// Whether an RA has offered it a router.
    pub router: bool,
}

/// What a frame was to a host.
#[derive(Debug)]
pub enum Heard {
    /// A probe.
    Probe,
    /// It answers with a frame.
    Answer(Vec<u8>),
    /// An RA; the prefixes that are preferred, and those that are kept.
    Prefixes { preferred: Vec<Prefix64>, kept: Vec<Prefix64> },
    /// Nothing it cares for.
    Nothing,
}

impl Host {
    /// A host on no link.
    pub fn new(mac: Mac) -> Host {
        Host { mac, at: None, travel: 0, prefixes: Vec::new(), router: false }
    }

    /// Its address in a prefix.
    pub fn address_in(&self, prefix: Prefix64) -> Ipv6Addr {
        prefix.with_iid(self.mac.eui64())
    }

    /// The address it begins new sessions with.
    pub fn preferred(&self) -> Option<Ipv6Addr> {
        self.prefixes.last().map(|prefix| self.address_in(*prefix))
    }

    /// Whether `addr` is one of its own.
    pub fn owns(&self, addr: Ipv6Addr) -> bool {
        addr == frames::link_local(self.mac)
            || self.prefixes.iter().any(|prefix| self.address_in(*prefix) == addr)
    }

    /// Whether a station takes a frame off the link at all.
    pub fn listens(&self, frame: &[u8]) -> bool {
        frame.first_chunk::<6>().is_some_and(|to| *to == self.mac.0 || to[0] & 1 == 1)
    }

    /// Takes a frame off the link.
    pub fn hear(&mut self, frame: &[u8]) -> Heard {
        let packet = frame.get(eth::HEADER_LEN..).unwrap_or_default();
        let Ok(view) = ip6::Ip6View::new_checked(packet) else { return Heard::Nothing };
        if view.next_header() != ip6::ICMPV6 {
            return Heard::Probe;
        }
        let (src, dst, hops) = (view.src(), view.dst(), view.hop_limit());
        if let Ok(ra) = nd::parse_router_advert(src, dst, hops, view.payload())
            && src == ROUTER_LINK_LOCAL
        {
            return self.advert(&ra);
        }
        match nd::parse(src, dst, hops, view.payload()) {
            Ok(Icmp6::NeighborSolicit(ns))
                if self.owns(ns.target) && ns.source != Ipv6Addr::UNSPECIFIED =>
            {
                Heard::Answer(frames::neighbor_advert(
                    self.mac, ROUTER_MAC, ns.target, ns.source, false,
                ))
            }
            _ => Heard::Nothing,
        }
    }

    fn advert(&mut self, ra: &nd::RouterAdvert) -> Heard {
        self.router |= ra.router_lifetime > 0;
        let (preferred, kept): (Vec<_>, Vec<_>) =
            ra.prefixes.iter().partition(|prefix| prefix.preferred > 0);
        let of = |list: Vec<&nd::PrefixInfo>| -> Vec<Prefix64> {
            list.into_iter().map(|prefix| Prefix64::of(prefix.prefix)).collect()
        };
        let (preferred, kept) = (of(preferred), of(kept));
        for prefix in &kept {
            if !self.prefixes.contains(prefix) {
                self.prefixes.insert(0, *prefix);
            }
        }
        for prefix in &preferred {
            self.prefixes.retain(|known| known != prefix);
            self.prefixes.push(*prefix);
        }
        Heard::Prefixes { preferred, kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::nd::{ALL_NODES, NeighborSolicit, PrefixInfo, RouterAdvert};

    fn advert(prefixes: &[(&str, u32)]) -> Vec<u8> {
        let prefix = |&(prefix, preferred): &(&str, u32)| PrefixInfo {
            prefix: prefix.parse().unwrap(),
            valid: 14_400,
            preferred,
        };
        let ra = RouterAdvert {
            router_lifetime: 1800,
            mtu: 1460,
            prefixes: prefixes.iter().map(prefix).collect(),
            rdnss: Vec::new(),
            assigned: None,
        };
        let message = nd::router_advert(&ra, ROUTER_LINK_LOCAL, ALL_NODES);
        let eth = eth::ipv6_header(Mac([2, 0, 0, 0, 0, 0xa]), ROUTER_MAC);
        ip6::frame(eth, ROUTER_LINK_LOCAL, ALL_NODES, ip6::ICMPV6, 255, &message)
    }

    #[test]
    fn the_newest_preferred_prefix_is_used_and_the_old_ones_are_kept() {
        let mut host = Host::new(Mac([2, 0, 0, 0, 0, 0xa]));
        host.hear(&advert(&[("2001:db8:a1:a::", 7200)]));
        host.hear(&advert(&[("2001:db8:a2:a::", 7200), ("2001:db8:a1:a::", 0)]));
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        assert_eq!(host.preferred(), Some(address("2001:db8:a2:a:0:ff:fe00:a")));
        assert!(host.owns(address("2001:db8:a1:a:0:ff:fe00:a")));
        assert!(!host.owns(address("2001:db8:a3:a:0:ff:fe00:a")));
    }

    #[test]
    fn an_ns_for_an_own_address_is_answered_and_for_another_is_not() {
        let mut host = Host::new(Mac([2, 0, 0, 0, 0, 0xa]));
        let own = frames::link_local(host.mac);
        for (target, answered) in [(own, true), (ROUTER_LINK_LOCAL, false)] {
            let ns = NeighborSolicit { source: ROUTER_LINK_LOCAL, target, sllao: Some(ROUTER_MAC) };
            let message = nd::neighbor_solicit(&ns, own);
            let eth = eth::ipv6_header(host.mac, ROUTER_MAC);
            let frame = ip6::frame(eth, ROUTER_LINK_LOCAL, own, ip6::ICMPV6, 255, &message);
            assert_eq!(matches!(host.hear(&frame), Heard::Answer(_)), answered);
        }
    }
}
