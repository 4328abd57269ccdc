// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 error messages (RFC 4443 §2.4): what they quote, and when none may be sent.

use super::build::finish;
use super::kind;
use crate::ip6::{HEADER_LEN, ICMPV6, Ip6View};
use std::net::Ipv6Addr;

/// Octets of an error as an IPv6 packet: the least MTU of IPv6.
const MAX_PACKET: usize = 1280;
/// Octets before the quoted packet.
const ICMP_HEADER_LEN: usize = 8;

/// The octets of an ICMPv6 error that quotes as much of `packet` as fits into 1280 octets in all (RFC 4443 §3).
/// `None` when RFC 4443 §2.4 (e) forbids one: about an ICMPv6 error, to or from multicast or `::`, link-local scope.
/// None either about octets that cannot be read as an IPv6 packet, since any of that may be true of them.
pub fn icmp_error(
    kind: u8,
    code: u8,
    value: u32,
    packet: &[u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Option<Vec<u8>> {
    let about = Ip6View::quoted(packet).ok()?;
    if !may_be_told(about) {
        return None;
    }
    let quoted = about.octets();
    let quoted = &quoted[..quoted.len().min(MAX_PACKET - HEADER_LEN - ICMP_HEADER_LEN)];
    let mut out = Vec::with_capacity(ICMP_HEADER_LEN + quoted.len());
    out.extend_from_slice(&[kind, code, 0, 0]);
    out.extend_from_slice(&value.to_be_bytes());
    out.extend_from_slice(quoted);
    Some(finish(out, src, dst))
}

fn may_be_told(about: Ip6View<'_>) -> bool {
    let (src, dst) = (about.src(), about.dst());
    let beyond_the_link = |addr: Ipv6Addr| {
        !addr.is_multicast() && !addr.is_unspecified() && !addr.is_unicast_link_local()
    };
    beyond_the_link(src) && beyond_the_link(dst) && !is_icmp_error(about)
}

/// An error or a redirect; also what may be one because it cannot be read. A later fragment is none: errors are
/// never longer than the least MTU, so nobody fragments them.
fn is_icmp_error(about: Ip6View<'_>) -> bool {
    match about.upper() {
        Ok(upper) if upper.protocol != ICMPV6 || upper.later_fragment => false,
        Ok(upper) => match about.octets().get(upper.offset) {
            Some(&icmp_type) => icmp_type < kind::ECHO_REQUEST || icmp_type == kind::REDIRECT,
            None => true,
        },
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip6::{checksum, packet};

    const MN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa);
    const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb);
    const MAAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa3);

    fn about(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Option<Vec<u8>> {
        icmp_error(1, 5, 0, &packet(src, dst, next_header, 64, payload), MAAR, MN)
    }

    #[test]
    fn a_packet_too_big_quotes_1232_octets_of_a_long_packet() {
        let long = packet(MN, CN, 17, 64, &[7; 1440]);
        let error = icmp_error(2, 0, 1460, &long, MAAR, MN).expect("allowed");
        assert_eq!(error.len(), 0x04d8);
        assert_eq!((&error[..2], &error[4..8]), (&[2, 0][..], &[0, 0, 0x05, 0xb4][..]));
        assert_eq!(error[8..], long[..1232]);
        assert_eq!(checksum(MAAR, MN, ICMPV6, &error), 0);
    }

    #[test]
    fn a_short_packet_is_quoted_whole_and_its_ethernet_padding_is_not() {
        let mut short = packet(MN, CN, 17, 64, &[7; 60]);
        short.extend_from_slice(&[0; 6]);
        let error = icmp_error(3, 0, 0, &short, MAAR, MN).expect("allowed");
        assert_eq!(error[8..], short[..100]);
    }

    #[test]
    fn nothing_is_said_about_errors_groups_nobody_and_link_local_addresses() {
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xa);
        let group = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1);
        for (src, dst) in [
            (Ipv6Addr::UNSPECIFIED, CN),
            (group, CN),
            (MN, group),
            (link_local, CN),
            (MN, link_local),
        ] {
            assert_eq!(about(src, dst, 17, &[0; 8]), None, "{src} -> {dst}");
        }
        for kind in [1, 2, 3, 4, 100, 127, 137] {
            assert_eq!(about(MN, CN, ICMPV6, &[kind, 0, 0, 0, 0, 0, 0, 0]), None, "{kind}");
        }
        assert!(about(MN, CN, ICMPV6, &[128, 0, 0, 0, 0, 0, 0, 0]).is_some());
    }

    #[test]
    fn nothing_is_said_about_what_cannot_be_read() {
        assert_eq!(about(MN, CN, ICMPV6, &[]), None);
        assert_eq!(about(MN, CN, 60, &[58, 255, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(icmp_error(1, 5, 0, &[0x60; 39], MAAR, MN), None);
    }

    #[test]
    fn an_error_behind_extension_headers_is_seen_and_a_later_fragment_is_none() {
        let hidden = [58, 0, 1, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(about(MN, CN, 60, &hidden), None);
        let later = [58, 0, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];
        assert!(about(MN, CN, 44, &later).is_some());
    }
}
