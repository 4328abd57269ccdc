// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames to start from, and what every frame that comes out must be.

use crate::Script;
use etherparse::{LaxSlicedPacket, NetSlice, SlicedPacket, TransportSlice};
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_MAC};
use wire::{eth, ip6};

/// A station of an access port.
pub const STATION: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
/// The MAC of a core port.
pub const CORE_MAC: Mac = Mac([2, 0, 0, 0, 0xa3, 1]);
/// Somebody of the core.
pub const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// An address of these tests.
pub fn at(text: &str) -> Ipv6Addr {
    text.parse().expect("an address of the test")
}

/// Where frames come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// A station.
    Access,
    /// A router.
    Core,
}

/// A packet with one of `addresses` on either end, and what the script puts in it: raw octets, a known protocol, or
/// headers of a kind that is walked.
pub fn packet(script: &mut Script<'_>, addresses: &[Ipv6Addr], depth: u8) -> Vec<u8> {
    let (src, dst) = (script.one(addresses), script.one(addresses));
    let kind = script.below(8);
    let hops = script.one(&[64, 255, 1, 0]);
    let (next, payload) = match kind {
        0 => (
            script.octet(),
            script.take(usize::from(script.0.first().copied().unwrap_or(0))).to_vec(),
        ),
        1 if depth > 0 => (41, packet(script, addresses, depth - 1)),
        2 => (59, Vec::new()),
        3 => (script.one(&[0, 43, 44, 51, 60]), script.take(8 * (1 + script.0.len() % 9)).to_vec()),
        4 => (58, icmp(script, src, dst)),
        5 if depth > 0 => {
            let whole = packet(script, addresses, depth - 1);
            piece(script, &whole)
        }
        // As large as a path may take, and a little more.
        6 => (17, udp(1200 + usize::from(script.octet()))),
        _ => (17, udp(16)),
    };
    let mut packet = ip6::packet(src, dst, next, hops, &payload);
    packet[1] |= script.one(&[0, 0x10, 0x20, 0x30]);
    packet
}

fn udp(len: usize) -> Vec<u8> {
    let mut octets = vec![0x9c, 0x40, 0x13, 0x89, 0, 0, 0, 0];
    octets.resize(8 + len, 7);
    octets
}

/// A fragment of what is in `whole` behind its header.
fn piece(script: &mut Script<'_>, whole: &[u8]) -> (u8, Vec<u8>) {
    let payload = &whole[ip6::HEADER_LEN..];
    let from = (8 * script.below(32)).min(payload.len() / 8 * 8);
    let to = (from + 8 * script.below(32)).min(payload.len());
    let header = ip6::FragmentHeader {
        next_header: script.one(&[41, 41, 41, 60, 17]),
        offset: from,
        more: to < payload.len(),
        id: script.below(4) as u32,
    };
    (ip6::FRAGMENT, [&header.octets()[..], &payload[from..to]].concat())
}

/// An ICMPv6 message with a right checksum.
pub fn icmp(script: &mut Script<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut octets = vec![script.one(&[133, 134, 135, 136, 128, 1, 2, 3, 130, 143, 137]), 0, 0, 0];
    let len = usize::from(script.octet());
    octets.extend_from_slice(script.take(len));
    octets.resize(octets.len().max(8), 0);
    let sum = ip6::checksum(src, dst, ip6::ICMPV6, &octets);
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// A frame around a packet, with the header of a frame for us; or raw octets.
pub fn frame(script: &mut Script<'_>, side: Side, addresses: &[Ipv6Addr]) -> Vec<u8> {
    let header = match side {
        Side::Access => eth::ipv6_header(ROUTER_MAC, STATION),
        Side::Core => eth::ipv6_header(CORE_MAC, NEIGHBOR),
    };
    let mut frame = match script.below(4) {
        0 => {
            let len = usize::from(script.octet());
            script.take(len).to_vec()
        }
        _ => [&header[..], &packet(script, addresses, 2)].concat(),
    };
    if script.below(8) == 0 && frame.len() >= 12 {
        frame.splice(12..12, [0x81, 0x00, script.octet(), script.octet()]);
    }
    script.mutate(&mut frame);
    frame
}

/// What a router sends is an Ethernet frame with one IPv6 packet that ends where the frame does.
pub fn check(frame: &[u8], mtu: usize) {
    let parsed = LaxSlicedPacket::from_ethernet(frame).expect("an Ethernet frame");
    assert!(matches!(parsed.net, Some(etherparse::LaxNetSlice::Ipv6(_))), "{frame:02x?}");
    let view = ip6::Ip6View::new_checked(&frame[eth::HEADER_LEN..]).expect("an IPv6 packet");
    assert_eq!(view.octets().len(), frame.len() - eth::HEADER_LEN, "nothing behind it");
    assert!(view.octets().len() <= mtu, "{} octets over {mtu}", view.octets().len());
    assert!(view.hop_limit() > 0);
    assert_eq!(frame[12..14], [0x86, 0xdd]);
}

/// What a router says of its own is read by a strict reader, and its ICMPv6 checksums are right.
pub fn check_own(frame: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).expect("etherparse reads it");
    let Some(NetSlice::Ipv6(ipv6)) = &packet.net else { panic!("no IPv6: {frame:02x?}") };
    let header = ipv6.header().to_header();
    assert_eq!(usize::from(header.payload_length) + 54, frame.len(), "nothing behind it");
    if let Some(TransportSlice::Icmpv6(message)) = &packet.transport {
        assert!(message.is_checksum_valid(header.source, header.destination), "{frame:02x?}");
    }
}
