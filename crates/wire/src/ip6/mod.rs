// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPv6 headers (RFC 8200): a view for the packet path, the walk over extension headers, the outer header of a
//! tunnel (RFC 2473, R-30), checksums.

mod build;
mod fragment;
mod upper;

pub use build::{checksum, frame, packet, write_header};
pub use fragment::{FRAGMENT_LEN, FragmentHeader};
pub use upper::Upper;

use std::net::Ipv6Addr;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// The smallest MTU of a link, octets (RFC 8200 §5).
pub const MIN_MTU: usize = 1280;
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
        Ip6View::front(octets, 0)
    }

    /// A packet of which `octets` is what the first segment of a frame holds, with `behind` more octets in others. What is
    /// not in the first segment is not read.
    #[inline(always)]
    pub fn front(octets: &'a [u8], behind: usize) -> Result<Self, Ip6Error> {
        let header = octets.first_chunk::<HEADER_LEN>().ok_or(Ip6Error::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(Ip6Error::Version);
        }
        let len = HEADER_LEN + u16::from_be_bytes([header[4], header[5]]) as usize;
        let octets = match octets.get(..len) {
            Some(whole) => whole,
            None if len <= octets.len() + behind => octets,
            None => return Err(Ip6Error::Truncated),
        };
        Ok(Ip6View { header, octets })
    }

    /// Octets of the packet by its own header, header included: [`Ip6View::octets`] are fewer where it is cut.
    #[inline]
    pub fn packet_len(&self) -> usize {
        HEADER_LEN + self.payload_len()
    }

    /// What an ICMPv6 error quotes of a packet: the header is whole, what follows may be cut, and is then as long as it is
    /// here, whatever the header says.
    pub fn quoted(octets: &'a [u8]) -> Result<Self, Ip6Error> {
        match Ip6View::new_checked(octets) {
            Err(Ip6Error::Truncated) => {
                let header = octets.first_chunk().ok_or(Ip6Error::Truncated)?;
                Ok(Ip6View { header, octets })
            }
            checked => checked,
        }
    }

    /// The packet, header included, as far as it is here.
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
        Ipv6Addr::from_bits(u128::from(self.src_key()) << 64 | u128::from(self.src_low()))
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.dst_key()) << 64 | u128::from(self.dst_low()))
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

    /// Lower 64 bits of the source.
    #[inline]
    pub fn src_low(&self) -> u64 {
        word(self.header, 16)
    }

    /// Lower 64 bits of the destination.
    #[inline]
    pub fn dst_low(&self) -> u64 {
        word(self.header, 32)
    }

    /// Whether the fixed header names an extension header, so that only [`Ip6View::upper`] tells what the packet carries.
    #[inline]
    pub fn has_extensions(&self) -> bool {
        upper::is_extension(self.next_header())
    }

    /// Walks the extension headers: the upper-layer protocol, where it starts in the packet, and whether the
    /// packet is a fragment other than the first. At most 8 headers. Unknown protocols, ESP and 59 end the walk.
    /// `offset` may be the end of the packet: the upper layer itself is not checked.
    #[inline]
    pub fn upper(&self) -> Result<Upper, Ip6Error> {
        upper::of(self.octets, self.next_header())
    }
}

/// The eight octets at `at`, which is a constant below 33 at every call.
#[inline(always)]
fn word(header: &[u8; HEADER_LEN], at: usize) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&header[at..at + 8]);
    u64::from_be_bytes(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb);

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
        assert_eq!((view.src_low(), view.dst_low()), (0xff_fe00_000a, 0xff_fe00_000b));
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
        for cut in 0..40 {
            assert_eq!(Ip6View::quoted(&octets[..cut]).err(), Some(Ip6Error::Truncated), "{cut}");
        }
        for cut in 40..octets.len() {
            let quoted = Ip6View::quoted(&octets[..cut]).expect("the header is whole");
            assert_eq!((quoted.octets().len(), quoted.payload_len()), (cut, 5));
        }
        let mut v4 = octets.clone();
        v4[0] = 0x45;
        assert_eq!(Ip6View::new_checked(&v4).err(), Some(Ip6Error::Version));
    }
}
