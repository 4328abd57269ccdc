// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Fragment header (RFC 8200 §4.5).
//!
//! ```text
//!  0  next header   1  reserved   2  offset (13 bits, units of 8), reserved (2), M   4  identification
//! ```

/// Octets of the header.
pub const FRAGMENT_LEN: usize = 8;

/// What a Fragment header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentHeader {
    /// What the fragmentable part begins with.
    pub next_header: u8,
    /// Where the fragment's octets stand in the fragmentable part; a multiple of 8.
    pub offset: usize,
    /// More fragments follow.
    pub more: bool,
    /// Same for all fragments of a packet.
    pub id: u32,
}

impl FragmentHeader {
    /// Reads the header; `None` where it is cut.
    pub fn parse(octets: &[u8]) -> Option<FragmentHeader> {
        let [next_header, _, high, low, id @ ..] = *octets.first_chunk::<FRAGMENT_LEN>()?;
        let word = u16::from_be_bytes([high, low]);
        Some(FragmentHeader {
            next_header,
            offset: usize::from(word & !7),
            more: word & 1 != 0,
            id: u32::from_be_bytes(id),
        })
    }

    /// The octets; `offset` is a multiple of 8 below 65,536.
    pub fn octets(&self) -> [u8; FRAGMENT_LEN] {
        let [high, low] = (self.offset as u16 & !7 | u16::from(self.more)).to_be_bytes();
        let [a, b, c, d] = self.id.to_be_bytes();
        [self.next_header, 0, high, low, a, b, c, d]
    }

    /// A packet of one fragment, which is none (RFC 6946).
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let header = FragmentHeader { next_header: 41, offset: 1232, more: true, id: 0x0102_0304 };
        assert_eq!(header.octets(), [41, 0, 0x04, 0xd1, 1, 2, 3, 4]);
        assert_eq!(FragmentHeader::parse(&header.octets()), Some(header));
        assert_eq!(FragmentHeader::parse(&header.octets()[..7]), None);
        let last = FragmentHeader { offset: 0xfff8, more: false, ..header };
        assert_eq!(FragmentHeader::parse(&last.octets()), Some(last));
        assert!(!header.is_atomic() && !last.is_atomic());
        assert!(FragmentHeader { offset: 0, more: false, ..header }.is_atomic());
        // The two bits between offset and M are reserved, and ignored.
        assert_eq!(FragmentHeader::parse(&[41, 9, 0, 6, 0, 0, 0, 1]).map(|h| h.offset), Some(0));
    }
}
