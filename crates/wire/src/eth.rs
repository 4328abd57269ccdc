// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Ethernet header, with at most one 802.1Q tag.

use crate::addr::Mac;

/// Octets of an untagged header.
pub const HEADER_LEN: usize = 14;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EthHeader {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// VLAN identifier; `None` when untagged, 0 when priority-tagged.
    pub vlan: Option<u16>,
    /// EtherType behind the tag.
    pub ethertype: u16,
    /// Where the payload starts: 14 or 18.
    pub len: usize,
}

impl EthHeader {
    /// `None` when the frame is too short. Behind a second tag the EtherType is that tag's, so never IPv6.
    #[inline]
    pub fn parse(frame: &[u8]) -> Option<EthHeader> {
        let header = frame.first_chunk::<HEADER_LEN>()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let outer = u16::from_be_bytes([t0, t1]);
        let (vlan, ethertype, len) = if outer == VLAN {
            let [tci0, tci1, t0, t1] = *frame[HEADER_LEN..].first_chunk::<4>()?;
            (Some(u16::from_be_bytes([tci0 & 0x0f, tci1])), u16::from_be_bytes([t0, t1]), 18)
        } else {
            (None, outer, HEADER_LEN)
        };
        let dst = Mac([d0, d1, d2, d3, d4, d5]);
        Some(EthHeader { dst, src: Mac([s0, s1, s2, s3, s4, s5]), vlan, ethertype, len })
    }
}

/// The 14 octets of an untagged header of an IPv6 frame.
pub const fn ipv6_header(dst: Mac, src: Mac) -> [u8; HEADER_LEN] {
    // In words, which the compiler keeps in registers.
    let (dst, src) = (dst.to_u64(), src.to_u64());
    let [a, b, c, d, e, f, g, h] = (dst << 16 | src >> 32).to_be_bytes();
    let [_, _, i, j, k, l, m, n] = (src << 16 | IPV6 as u64).to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DST: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
    const SRC: Mac = Mac([2, 0, 0, 0, 0, 0xa]);

    #[test]
    fn an_untagged_header_reads_as_written() {
        let header = EthHeader::parse(&ipv6_header(DST, SRC)).expect("long enough");
        assert_eq!(header, EthHeader { dst: DST, src: SRC, vlan: None, ethertype: IPV6, len: 14 });
        assert_eq!(EthHeader::parse(&ipv6_header(DST, SRC)[..13]), None);
    }

    #[test]
    fn one_tag_is_read_and_its_priority_bits_are_not_part_of_the_vlan() {
        let mut frame = ipv6_header(DST, SRC).to_vec();
        frame.splice(12..12, [0x81, 0x00, 0xe0, 0x07]);
        let header = EthHeader::parse(&frame).expect("long enough");
        assert_eq!((header.vlan, header.ethertype, header.len), (Some(7), IPV6, 18));
        assert_eq!(EthHeader::parse(&frame[..17]), None);
    }

    #[test]
    fn behind_a_second_tag_nothing_is_ipv6() {
        let mut frame = ipv6_header(DST, SRC).to_vec();
        frame.splice(12..12, [0x81, 0x00, 0, 1, 0x81, 0x00, 0, 2]);
        assert_eq!(EthHeader::parse(&frame).map(|h| h.ethertype), Some(VLAN));
    }
}
