// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The walk over extension headers (RFC 8200 §4) to what they carry.

use super::{
    AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HEADER_LEN, HOP_BY_HOP, Ip6Error, ROUTING,
};

/// Most extension headers a packet may carry; more are an attack on the walk.
const MAX_EXTENSIONS: usize = 8;

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
    /// An Authentication Header was met: what follows it is never read as ports.
    pub ah: bool,
}

impl Upper {
    /// Of a packet without extension headers.
    #[inline]
    pub const fn plain(protocol: u8) -> Upper {
        let offset = HEADER_LEN;
        Upper { protocol, offset, fragment: false, later_fragment: false, ah: false }
    }
}

#[inline]
pub(super) const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// The upper layer of the packet `octets`, whose fixed header names `next_header`.
#[inline]
pub(super) fn of(octets: &[u8], next_header: u8) -> Result<Upper, Ip6Error> {
    let start = Upper::plain(next_header);
    if is_extension(next_header) { walk(octets, start) } else { Ok(start) }
}

/// The slow half of [`of`], out of the way of packets without extension headers.
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

#[cfg(test)]
mod tests {
    use super::super::{Ip6View, NO_NEXT_HEADER, packet};
    use super::*;
    use std::net::Ipv6Addr;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb);

    fn upper_of(first: u8, payload: &[u8]) -> Result<Upper, Ip6Error> {
        let octets = packet(A, B, first, 64, payload);
        Ip6View::new_checked(&octets).expect("length is right").upper()
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
}
