// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPv6 headers (RFC 8200): a view for the packet path, the walk over extension headers, the outer header of a
//! tunnel (RFC 2473, R-30), checksums.

use smoltcp::wire::{IpProtocol, checksum as sum};
use std::net::Ipv6Addr;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Next header: Hop-by-Hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Next header: IPv6 in IPv6.
pub const IPV6_IN_IPV6: u8 = 41;
/// Next header: Routing.
pub const ROUTING: u8 = 43;
/// Next header: Fragment.
pub const FRAGMENT: u8 = 44;
/// Next header: Authentication Header (RFC 4302).
pub const AUTHENTICATION: u8 = 51;
/// Next header: ICMPv6.
pub const ICMPV6: u8 = 58;
/// Next header: none.
pub const NO_NEXT_HEADER: u8 = 59;
/// Next header: Destination Options.
pub const DESTINATION_OPTIONS: u8 = 60;

/// Most extension headers a packet may carry; more are an attack on the walk (FC-05).
const MAX_EXTENSIONS: usize = 8;

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
///
/// ```text
///  0  version, traffic class, flow label    4  payload length   6  next header   7  hop limit
///  8  source                               24  destination     40  payload
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ip6View<'a> {
    // A second reference to the front of `octets`: its fixed size takes the bounds checks out of every field read.
    header: &'a [u8; HEADER_LEN],
    octets: &'a [u8],
}

impl<'a> Ip6View<'a> {
    /// `octets` may be longer than the packet (Ethernet padding), not shorter.
    #[inline]
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Ip6Error> {
        let header = octets.first_chunk::<HEADER_LEN>().ok_or(Ip6Error::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(Ip6Error::Version);
        }
        let len = HEADER_LEN + u16::from_be_bytes([header[4], header[5]]) as usize;
        let octets = octets.get(..len).ok_or(Ip6Error::Truncated)?;
        Ok(Ip6View { header, octets })
    }

    /// The packet, header included.
    #[inline]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// What follows the fixed header.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.octets.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Payload Length.
    #[inline]
    pub fn payload_len(&self) -> usize {
        u16::from_be_bytes([self.header[4], self.header[5]]) as usize
    }

    /// Next Header of the fixed header.
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.header[6]
    }

    /// Hop Limit.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    /// Traffic class: DSCP and ECN.
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        self.header[0] << 4 | self.header[1] >> 4
    }

    /// Flow label.
    #[inline]
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.header[1] & 0x0f, self.header[2], self.header[3]])
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.src_key()) << 64 | u128::from(word(self.header, 16)))
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.dst_key()) << 64 | u128::from(word(self.header, 32)))
    }

    /// Upper 64 bits of the source.
    #[inline]
    pub fn src_key(&self) -> u64 {
        word(self.header, 8)
    }

    /// Upper 64 bits of the destination.
    #[inline]
    pub fn dst_key(&self) -> u64 {
        word(self.header, 24)
    }

    /// Walks the extension headers: the upper-layer protocol, where it starts in the packet, and whether the
    /// packet is a fragment other than the first. At most 8 headers. Unknown protocols, ESP and 59 end the walk.
    /// `offset` may be the end of the packet: the upper layer itself is not checked.
    #[inline]
    pub fn upper(&self) -> Result<Upper, Ip6Error> {
        let start = Upper {
            protocol: self.next_header(),
            offset: HEADER_LEN,
            fragment: false,
            later_fragment: false,
            ah: false,
        };
        if is_extension(start.protocol) { walk(self.octets, start) } else { Ok(start) }
    }
}

/// The eight octets at `at`, which is a constant below 33 at every call.
#[inline(always)]
fn word(header: &[u8; HEADER_LEN], at: usize) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&header[at..at + 8]);
    u64::from_be_bytes(octets)
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
    /// An Authentication Header was met: what follows it is never read as ports (FC-06).
    pub ah: bool,
}

#[inline]
const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// The slow half of [`Ip6View::upper`], out of the way of packets without extension headers.
#[cold]
fn walk(octets: &[u8], mut at: Upper) -> Result<Upper, Ip6Error> {
    for _ in 0..MAX_EXTENSIONS {
        let header = octets.get(at.offset..at.offset + 8).ok_or(Ip6Error::Extension)?;
        let units = usize::from(header[1]);
        let len = match at.protocol {
            FRAGMENT => 8,
            // The one header counted in 4-octet units, minus 2 (RFC 4302 §2.2).
            AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        at.ah |= at.protocol == AUTHENTICATION;
        if at.protocol == FRAGMENT {
            at.fragment = true;
            at.later_fragment |= u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0;
        }
        at.protocol = header[0];
        at.offset += len;
        if at.offset > octets.len() {
            return Err(Ip6Error::Extension);
        }
        // Behind a later fragment's header lie octets from the middle of something.
        if at.later_fragment || !is_extension(at.protocol) {
            return Ok(at);
        }
    }
    Err(Ip6Error::Extension)
}

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

    fn upper_of(first: u8, payload: &[u8]) -> Result<Upper, Ip6Error> {
        let octets = packet(A, B, first, 64, payload);
        Ip6View::new_checked(&octets).expect("length is right").upper()
    }

    #[test]
    fn a_view_reads_what_was_written_and_cuts_ethernet_padding_off() {
        let mut octets = packet(A, B, 17, 63, b"hello");
        octets[..4].copy_from_slice(&[0x6b, 0x5a, 0xbc, 0xde]);
        octets.extend_from_slice(&[0; 6]);
        let view = Ip6View::new_checked(&octets).expect("valid");
        assert_eq!((view.src(), view.dst()), (A, B));
        assert_eq!(
            (view.src_key(), view.dst_key()),
            (0x2001_0db8_00a1_000a, 0x2001_0db8_00b1_000b)
        );
        assert_eq!((view.next_header(), view.hop_limit(), view.payload_len()), (17, 63, 5));
        assert_eq!((view.traffic_class(), view.flow_label()), (0xb5, 0xabcde));
        assert_eq!((view.octets().len(), view.payload()), (45, &b"hello"[..]));
    }

    #[test]
    fn a_packet_shorter_than_its_payload_length_is_truncated() {
        let octets = packet(A, B, 17, 64, b"hello");
        for cut in 0..octets.len() {
            assert_eq!(
                Ip6View::new_checked(&octets[..cut]).err(),
                Some(Ip6Error::Truncated),
                "{cut}"
            );
        }
        let mut v4 = octets.clone();
        v4[0] = 0x45;
        assert_eq!(Ip6View::new_checked(&v4).err(), Some(Ip6Error::Version));
    }

    #[test]
    fn the_walk_knows_each_headers_own_length() {
        let plain =
            Upper { protocol: 17, offset: 40, fragment: false, later_fragment: false, ah: false };
        assert_eq!(upper_of(17, &[]), Ok(plain));
        // Hop-by-Hop 8, Routing 24, Destination Options 8, AH 24, then UDP.
        let mut chain = vec![ROUTING, 0, 5, 2, 0, 0, 1, 0];
        chain.extend([DESTINATION_OPTIONS, 2]);
        chain.extend([0; 22]);
        chain.extend([AUTHENTICATION, 0, 1, 4, 0, 0, 0, 0]);
        chain.extend([17, 4]);
        chain.extend([0; 22]);
        let end = Upper { offset: 40 + 8 + 24 + 8 + 24, ah: true, ..plain };
        assert_eq!(upper_of(HOP_BY_HOP, &chain), Ok(end));
    }

    #[test]
    fn a_later_fragment_ends_the_walk_at_what_only_looks_like_a_header() {
        let first = upper_of(
            FRAGMENT,
            &[DESTINATION_OPTIONS, 0, 0, 1, 0, 0, 0, 1, 41, 0, 1, 4, 0, 0, 0, 0],
        );
        let first = first.expect("valid");
        assert_eq!((first.protocol, first.offset), (41, 56));
        assert_eq!((first.fragment, first.later_fragment), (true, false));
        let later = upper_of(FRAGMENT, &[DESTINATION_OPTIONS, 0, 0, 9, 0, 0, 0, 1, 41, 255, 1, 4])
            .expect("valid");
        assert_eq!((later.protocol, later.offset), (DESTINATION_OPTIONS, 48));
        assert_eq!((later.fragment, later.later_fragment), (true, true));
    }

    #[test]
    fn an_extension_header_past_the_end_and_a_ninth_one_are_malformed() {
        for kind in [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, AUTHENTICATION] {
            assert_eq!(
                upper_of(kind, &[17, 255, 0, 0, 0, 0, 0, 0]),
                Err(Ip6Error::Extension),
                "{kind}"
            );
            assert_eq!(upper_of(kind, &[17, 0, 0, 0]), Err(Ip6Error::Extension), "{kind}");
        }
        let chain = |n: usize| {
            let mut octets = [DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0].repeat(n);
            octets[8 * (n - 1)] = 17;
            octets
        };
        assert_eq!(upper_of(DESTINATION_OPTIONS, &chain(8)).map(|u| u.offset), Ok(104));
        assert_eq!(upper_of(DESTINATION_OPTIONS, &chain(9)), Err(Ip6Error::Extension));
        assert_eq!(upper_of(DESTINATION_OPTIONS, &chain(30)), Err(Ip6Error::Extension));
    }

    #[test]
    fn no_next_header_esp_and_the_unknown_end_the_walk() {
        for kind in [NO_NEXT_HEADER, 50, 47, 132, 135, 253] {
            assert_eq!(upper_of(kind, &[0xff; 4]).map(|u| (u.protocol, u.offset)), Ok((kind, 40)));
        }
    }

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
