// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Ethernet header, with at most one 802.1Q tag.

use crate::addr::Mac;

/// Octets of an untagged header.
pub const HEADER_LEN: usize = 14;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

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
    /// `None` when the frame is too short.
    #[inline]
    pub fn parse(frame: &[u8]) -> Option<EthHeader> {
        let _ = frame;
        todo!()
    }
}

/// The 14 octets of an untagged header of an IPv6 frame.
pub const fn ipv6_header(dst: Mac, src: Mac) -> [u8; HEADER_LEN] {
    let (d, s) = (dst.0, src.0);
    [d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], 0x86, 0xdd]
}
