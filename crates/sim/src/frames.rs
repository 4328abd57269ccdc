// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames of hosts, and what a probe looks like on its way.

use crate::queue::FlowId;
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_MAC};
use wire::nd::{self, ALL_ROUTERS, NeighborAdvert, RouterSolicit};
use wire::{eth, ip6};

/// UDP destination port of probes.
const PROBE_PORT: u16 = 5001;
/// What a probe's payload begins with.
const MAGIC: [u8; 4] = *b"prb1";
/// Octets of Ethernet and IPv6 header, and of the UDP header behind.
const HEADERS: usize = eth::HEADER_LEN + ip6::HEADER_LEN;
const UDP_HEADER: usize = 8;
/// Next header UDP.
const UDP: u8 = 17;

/// The modified EUI-64 link-local address.
pub fn link_local(mac: Mac) -> Ipv6Addr {
    Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(mac.eui64()))
}

/// A probe: flow and number in a UDP packet.
pub fn probe(to: Mac, from: Mac, src: Ipv6Addr, dst: Ipv6Addr, flow: FlowId, seq: u32) -> Vec<u8> {
    let mut udp = [0; UDP_HEADER + 12];
    udp[0..2].copy_from_slice(&40_000u16.wrapping_add(flow as u16).to_be_bytes());
    udp[2..4].copy_from_slice(&PROBE_PORT.to_be_bytes());
    udp[5] = udp.len() as u8;
    udp[8..12].copy_from_slice(&MAGIC);
    udp[12..16].copy_from_slice(&(flow as u32).to_be_bytes());
    udp[16..20].copy_from_slice(&seq.to_be_bytes());
    let sum = ip6::checksum(src, dst, UDP, &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    ip6::frame(eth::ipv6_header(to, from), src, dst, UDP, 64, &udp)
}

/// Flow and number of the probe in a frame, tunnelled or not.
pub fn read_probe(frame: &[u8]) -> Option<(FlowId, u32)> {
    let at = match next_header(frame)? {
        ip6::IPV6_IN_IPV6 if *frame.get(HEADERS + 6)? == UDP => HEADERS + ip6::HEADER_LEN,
        UDP => HEADERS,
        _ => return None,
    };
    let payload = frame.get(at + UDP_HEADER..at + UDP_HEADER + 12)?;
    let (magic, numbers) = payload.split_first_chunk::<4>()?;
    let (flow, seq) = numbers.split_first_chunk::<4>()?;
    let seq = seq.first_chunk::<4>()?;
    (*magic == MAGIC).then(|| (u32::from_be_bytes(*flow) as FlowId, u32::from_be_bytes(*seq)))
}

/// Next header of a frame's IPv6 packet.
pub fn next_header(frame: &[u8]) -> Option<u8> {
    (frame.get(12..14)? == [0x86, 0xdd]).then_some(*frame.get(20)?)
}

/// IPv6 source of a frame.
pub fn source(frame: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*frame.get(22..38)?.first_chunk::<16>()?))
}

/// IPv6 destination of a frame.
pub fn destination(frame: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*frame.get(38..54)?.first_chunk::<16>()?))
}

/// What a NIC that looks into tunnels spreads by: the inner packet's addresses.
pub fn spread(frame: &[u8]) -> usize {
    let tunnelled = next_header(frame) == Some(ip6::IPV6_IN_IPV6);
    let at = if tunnelled { HEADERS + 8 } else { eth::HEADER_LEN + 8 };
    frame.get(at..at + 32).unwrap_or_default().iter().map(|octet| usize::from(*octet)).sum()
}

fn icmp(from: Mac, to: Mac, (src, dst): (Ipv6Addr, Ipv6Addr), message: &[u8]) -> Vec<u8> {
    ip6::frame(eth::ipv6_header(to, from), src, dst, ip6::ICMPV6, 255, message)
}

/// An RS, with sessions in the draft's form (R-01b) or none.
pub fn router_solicit(mac: Mac, source: Ipv6Addr, sessions: Vec<(Ipv6Addr, Ipv6Addr)>) -> Vec<u8> {
    let rs = RouterSolicit { source, sllao: None, mn_id: None, sessions };
    let message = nd::router_solicit(&rs, ALL_ROUTERS);
    icmp(mac, Mac::of_group(ALL_ROUTERS), (source, ALL_ROUTERS), &message)
}

/// The answer to a router's NS for `target`.
pub fn neighbor_advert(
    mac: Mac,
    to: Mac,
    target: Ipv6Addr,
    dst: Ipv6Addr,
    router: bool,
) -> Vec<u8> {
    let na = NeighborAdvert { router, solicited: true, override_: true, target, tllao: Some(mac) };
    icmp(mac, to, (target, dst), &nd::neighbor_advert(&na, target, dst))
}

/// A UDP packet of a host that lies about its source.
pub fn spoofed(mac: Mac, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    probe(ROUTER_MAC, mac, src, dst, FlowId::from(u16::MAX), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_with_and_without_a_tunnel() {
        let (a, b) = ("2001:db8:a1:a::1".parse().unwrap(), "2001:db8:b1:b::1".parse().unwrap());
        let frame = probe(ROUTER_MAC, Mac([2; 6]), a, b, 7, 70_000);
        assert_eq!(read_probe(&frame), Some((7, 70_000)));
        assert_eq!((source(&frame), destination(&frame)), (Some(a), Some(b)));
        let core = |n| Ipv6Addr::from_bits(n);
        let outer = ip6::packet(core(1), core(2), ip6::IPV6_IN_IPV6, 64, &frame[14..]);
        let tunnelled = [&frame[..14], &outer[..]].concat();
        assert_eq!(read_probe(&tunnelled), Some((7, 70_000)));
        assert_eq!(spread(&tunnelled), spread(&frame));
        assert_eq!(read_probe(&frame[..60]), None);
        assert_eq!(read_probe(&router_solicit(Mac([2; 6]), link_local(Mac([2; 6])), vec![])), None);
    }
}
