// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers and packets as octets, and the checksum of what they carry.

use super::HEADER_LEN;
use smoltcp::wire::{IpProtocol, checksum as sum};
use std::net::Ipv6Addr;

/// Writes a fixed header into `at[..40]`: traffic class and flow label 0.
///
/// # Panics
/// When `at` is shorter than 40 octets.
#[inline]
pub fn write_header(
    at: &mut [u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload_len: u16,
) {
    let at = &mut at[..HEADER_LEN];
    let [high, low] = payload_len.to_be_bytes();
    at[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, next_header, hop_limit]);
    at[8..24].copy_from_slice(&src.octets());
    at[24..40].copy_from_slice(&dst.octets());
}

/// The octets of an IPv6 packet around `payload`.
///
/// # Panics
/// When `payload` is longer than the 65,535 octets Payload Length can say; what the slow path builds is far shorter.
pub fn packet(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    framed(&[], src, dst, next_header, hop_limit, payload)
}

/// An Ethernet frame with one IPv6 packet: headers around `payload`.
///
/// # Panics
/// As [`packet`].
pub fn frame(
    eth: [u8; 14],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    framed(&eth, src, dst, next_header, hop_limit, payload)
}

fn framed(
    front: &[u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("a payload is at most 65,535 octets");
    let mut out = Vec::with_capacity(front.len() + HEADER_LEN + payload.len());
    out.extend_from_slice(front);
    out.resize(front.len() + HEADER_LEN, 0);
    write_header(&mut out[front.len()..], src, dst, next_header, hop_limit, len);
    out.extend_from_slice(payload);
    out
}

/// The upper-layer checksum (RFC 8200 §8.1) over pseudo-header and `payload` whose checksum field is 0.
/// Over a payload with its checksum in place the result is 0 if that is right.
pub fn checksum(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> u16 {
    // A payload longer than 65,535 octets does not exist here, so 32 bits hold the length.
    let pseudo =
        sum::pseudo_header_v6(&src, &dst, IpProtocol::from(next_header), payload.len() as u32);
    !sum::combine(&[pseudo, sum::data(payload)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb);

    #[test]
    fn a_packet_with_its_checksum_in_place_sums_to_zero() {
        let mut udp = vec![0x9c, 0x40, 0x13, 0x89, 0, 15, 0, 0];
        udp.extend_from_slice(b"hello-B");
        let value = checksum(A, B, 17, &udp);
        assert_eq!(value, 0x6f19);
        udp[6..8].copy_from_slice(&value.to_be_bytes());
        assert_eq!(checksum(A, B, 17, &udp), 0);
    }
}
