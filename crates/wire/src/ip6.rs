// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPv6 headers (RFC 8200): a view for the packet path, the walk over extension headers, the outer header of a
//! tunnel (RFC 2473, R-30), checksums.

use std::net::Ipv6Addr;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Next header: IPv6 in IPv6.
pub const IPV6_IN_IPV6: u8 = 41;
/// Next header: ICMPv6.
pub const ICMPV6: u8 = 58;
/// Next header: none.
pub const NO_NEXT_HEADER: u8 = 59;

/// Why octets are no IPv6 packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Ip6Error {
    /// Shorter than its header or than its payload length says.
    #[error("truncated")]
    Truncated,
    /// Version field is not 6.
    #[error("not version 6")]
    Version,
    /// An extension header runs past the end, or more than 8 of them.
    #[error("extension header malformed")]
    Extension,
}

/// A checked IPv6 packet: the length is the header's, never the frame's (padding is cut off).
#[derive(Clone, Copy, Debug)]
pub struct Ip6View<'a>(&'a [u8]);

impl<'a> Ip6View<'a> {
    /// `octets` may be longer than the packet (Ethernet padding), not shorter.
    #[inline]
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Ip6Error> {
        let _ = octets;
        todo!()
    }
    /// The packet, header included.
    #[inline]
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }
    /// Payload Length.
    #[inline]
    pub fn payload_len(&self) -> usize {
        u16::from_be_bytes([self.0[4], self.0[5]]) as usize
    }
    /// Next Header of the fixed header.
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.0[6]
    }
    /// Hop Limit.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.0[7]
    }
    /// Traffic class: DSCP and ECN.
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        self.0[0] << 4 | self.0[1] >> 4
    }
    /// Flow label.
    #[inline]
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.0[1] & 0x0f, self.0[2], self.0[3]])
    }
    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv6Addr {
        todo!()
    }
    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv6Addr {
        todo!()
    }
    /// Upper 64 bits of the source.
    #[inline]
    pub fn src_key(&self) -> u64 {
        todo!()
    }
    /// Upper 64 bits of the destination.
    #[inline]
    pub fn dst_key(&self) -> u64 {
        todo!()
    }
    /// Walks the extension headers: the upper-layer protocol, where it starts in the packet, and whether the
    /// packet is a fragment other than the first. At most 8 headers. Unknown protocols, ESP, AH-less, 59 end the walk.
    pub fn upper(&self) -> Result<Upper, Ip6Error> {
        todo!()
    }
}

/// Where the upper layer of a packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upper {
    /// Its next header value.
    pub protocol: u8,
    /// Offset from the start of the IPv6 header.
    pub offset: usize,
    /// A Fragment header was met (any offset).
    pub fragment: bool,
    /// A fragment with offset > 0: `offset` is not the start of an upper-layer header.
    pub later_fragment: bool,
}

/// Writes a fixed header into `at[..40]`.
pub fn write_header(
    at: &mut [u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload_len: u16,
) {
    let _ = (at, src, dst, next_header, hop_limit, payload_len);
    todo!()
}

/// An Ethernet frame with one IPv6 packet: headers around `payload`.
pub fn frame(
    eth: [u8; 14],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let _ = (eth, src, dst, next_header, hop_limit, payload);
    todo!()
}

/// The upper-layer checksum (RFC 8200 §8.1) over pseudo-header and `payload` whose checksum field is 0.
/// Over a payload with its checksum in place the result is 0 if that is right.
pub fn checksum(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> u16 {
    let _ = (src, dst, next_header, payload);
    todo!()
}
