// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames as hosts send them, and a second opinion (etherparse) on those of the router.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_MAC};
use wire::nd::{NeighborAdvert, NeighborSolicit, RouterSolicit};
use wire::{eth, ip6, nd};

pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// The modified EUI-64 link-local address.
pub fn link_local(mac: Mac) -> Ipv6Addr {
    Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(mac.eui64()))
}

pub fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

pub fn icmp(
    src_mac: Mac,
    dst_mac: Mac,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hops: u8,
    icmp: &[u8],
) -> Vec<u8> {
    ip6::frame(eth::ipv6_header(dst_mac, src_mac), src, dst, ip6::ICMPV6, hops, icmp)
}

pub fn rs(mac: Mac, rs: &RouterSolicit) -> Vec<u8> {
    let message = nd::router_solicit(rs, ALL_ROUTERS);
    icmp(mac, Mac::of_group(ALL_ROUTERS), rs.source, ALL_ROUTERS, 255, &message)
}

pub fn plain_rs(source: Ipv6Addr) -> RouterSolicit {
    RouterSolicit { source, sllao: None, mn_id: None, sessions: Vec::new() }
}

pub fn ns(mac: Mac, to: Mac, dst: Ipv6Addr, ns: &NeighborSolicit) -> Vec<u8> {
    icmp(mac, to, ns.source, dst, 255, &nd::neighbor_solicit(ns, dst))
}

pub fn na(mac: Mac, to: Mac, src: Ipv6Addr, dst: Ipv6Addr, na: &NeighborAdvert) -> Vec<u8> {
    icmp(mac, to, src, dst, 255, &nd::neighbor_advert(na, src, dst))
}

/// A UDP packet of an MN, to the router.
pub fn udp(mac: Mac, src: Ipv6Addr, dst: Ipv6Addr, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut udp = vec![0x9c, 0x40, 0x13, 0x89, 0, 0, 0, 0];
    udp[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    udp.extend_from_slice(payload);
    let sum = ip6::checksum(src, dst, 17, &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    ip6::frame(eth::ipv6_header(ROUTER_MAC, mac), src, dst, 17, hops, &udp)
}

/// What etherparse reads in a frame of the router.
#[derive(Debug)]
pub struct Seen {
    pub eth_dst: Mac,
    pub eth_src: Mac,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    pub hops: u8,
    /// ICMPv6 type and code, and the message; its checksum is right.
    pub icmp: Option<(u8, u8, Vec<u8>)>,
    /// The upper layer: everything behind the IPv6 header.
    pub payload: Vec<u8>,
}

/// Panics where the frame is not what a strict reader takes.
pub fn see(frame: &[u8]) -> Seen {
    let packet = SlicedPacket::from_ethernet(frame).expect("etherparse reads it");
    let Some(NetSlice::Ipv6(ipv6)) = &packet.net else { panic!("no IPv6: {frame:02x?}") };
    let header = ipv6.header().to_header();
    assert_eq!(usize::from(header.payload_length) + 54, frame.len(), "no octets behind the packet");
    let icmp = match &packet.transport {
        Some(TransportSlice::Icmpv6(message)) => {
            assert!(message.is_checksum_valid(header.source, header.destination), "checksum");
            Some((message.type_u8(), message.code_u8(), message.slice().to_vec()))
        }
        _ => None,
    };
    let mac = |octets: &[u8]| Mac(octets.try_into().expect("six octets"));
    Seen {
        eth_dst: mac(&frame[0..6]),
        eth_src: mac(&frame[6..12]),
        src: header.source.into(),
        dst: header.destination.into(),
        hops: header.hop_limit,
        icmp,
        payload: frame[54..].to_vec(),
    }
}
