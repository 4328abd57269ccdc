// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The outer flow label (R-30, RFC 6438): one flow, one label, so that routers between two MAARs spread flows and
//! keep each in order.

use crate::classify::Packet;
use crate::fib::words;
use std::net::Ipv6Addr;

/// Protocols whose first four octets are ports.
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// Next header: Fragment.
const FRAGMENT: u8 = 44;

/// 20 bits: a hash of the flow that is never 0 in the upper 19, the loop bit of R-34 in the lowest.
#[inline]
pub(crate) fn label(packet: &Packet, octets: &[u8], sent_to_anchor: bool) -> u32 {
    // Fragments of a datagram agree on no other protocol: the first one may have more headers to walk.
    let protocol = if packet.upper.fragment { FRAGMENT } else { packet.upper.protocol };
    let hash = (hash(packet.src, packet.dst, protocol, ports(packet, octets)) >> 45) as u32;
    (hash | u32::from(hash == 0)) << 1 | u32::from(sent_to_anchor)
}

/// A hash of the flow for choices inside this router: by its flow label where it has one, which all its packets share,
/// fragments too (RFC 6437); else by its ports.
#[inline]
pub(crate) fn of(packet: &Packet, octets: &[u8]) -> u64 {
    let first: u32 = octets.first_chunk().map_or(0, |word| u32::from_be_bytes(*word));
    match first & 0xf_ffff {
        0 => hash(packet.src, packet.dst, 0, ports(packet, octets)),
        label => hash(packet.src, packet.dst, 1, label),
    }
}

/// Source and destination port as one word, 0 without ports. Not behind a Fragment header, so that all fragments of a
/// datagram get one label; and never out of a payload that may be no transport header (FC-06).
fn ports(packet: &Packet, octets: &[u8]) -> u32 {
    let upper = &packet.upper;
    if !matches!(upper.protocol, TCP | UDP | SCTP) || upper.fragment || upper.ah {
        return 0;
    }
    let ports = octets.get(upper.offset..).and_then(|o| o.first_chunk());
    ports.map_or(0, |ports| u32::from_be_bytes(*ports))
}

pub(crate) fn hash(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, ports: u32) -> u64 {
    let ((s1, s0), (d1, d0)) = (words(src), words(dst));
    // Constants out of the digits of pi.
    let from = s1 ^ s0.rotate_left(32) ^ 0x243f_6a88_85a3_08d3;
    let to = d1 ^ d0.rotate_left(32) ^ 0x1319_8a2e_0370_7345;
    let what = u64::from(protocol) << 32 | u64::from(ports);
    fold(fold(from, to) ^ what, 0x4528_21e6_38d0_1377)
}

/// A hash of two words, one of which is a hash already.
#[inline]
pub(crate) fn mix(hash: u64, with: u64) -> u64 {
    fold(hash ^ with, 0xc0ac_29b7_c97c_50dd)
}

/// Both halves of the 128-bit product.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
