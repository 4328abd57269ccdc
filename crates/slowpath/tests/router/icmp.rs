// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 of the router's own: echo replies and errors (R-29, R-30, R-33, R-35; FC-10, FC-11, FC-14).

use crate::frames::*;
use crate::net::*;
use dataplane::punt::PuntReason;
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::{eth, ip6};

fn one() -> Net {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.run(5 * SECOND);
    net.nodes[0].sent.clear();
    net
}

fn hoa() -> Ipv6Addr {
    ip("2001:db8:a1:a:0:ff:fe00:a")
}

fn remote() -> Ipv6Addr {
    ip("2001:db8:b1:b:0:ff:fe00:b")
}

fn echo_request(mac: Mac, to: Mac, src: Ipv6Addr, dst: Ipv6Addr, data: &[u8]) -> Vec<u8> {
    let mut icmp = vec![128, 0, 0, 0, 0x12, 0x34, 0, 1];
    icmp.extend_from_slice(data);
    let sum = ip6::checksum(src, dst, ip6::ICMPV6, &icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    super::frames::icmp(mac, to, src, dst, 64, &icmp)
}

#[test]
fn echo_requests_for_our_addresses_are_answered_by_the_way_they_came() {
    let (a, mut net) = (mn(0xa), one());
    let cases = [
        (ACCESS, a, ROUTER_MAC, hoa(), address("a1")),
        (ACCESS, a, ROUTER_MAC, link_local(a), ROUTER_LINK_LOCAL),
        (CORE, core_mac("a2"), core_mac("a1"), address("a2"), address("a1")),
        (
            CORE,
            core_mac("a2"),
            core_mac("a1"),
            link_local(core_mac("a2")),
            link_local(core_mac("a1")),
        ),
    ];
    for (port, mac, ours, src, dst) in cases {
        let request = echo_request(mac, ours, src, dst, &[7; 1000]);
        net.frame(0, port, PuntReason::OwnIcmp, &request);
        let sent = net.nodes[0].take(port);
        assert_eq!(sent.len(), 1, "{src} -> {dst}");
        let reply = see(&sent[0]);
        assert_eq!((reply.eth_dst, reply.eth_src), (mac, ours));
        assert_eq!((reply.src, reply.dst), (dst, src));
        let (kind, code, icmp) = reply.icmp.unwrap();
        assert_eq!((kind, code), (129, 0));
        assert_eq!(icmp[4..], see(&request).icmp.unwrap().2[4..], "identifier, sequence and data");
    }
}

#[test]
fn echo_requests_that_nobody_could_have_sent_are_not_answered() {
    let (a, mut net) = (mn(0xa), one());
    for (src, dst) in [
        (Ipv6Addr::UNSPECIFIED, address("a1")),
        (ip("ff02::1"), address("a1")),
        (address("a1"), address("a1")),
        (hoa(), ip("2001:db8:ff::a2")),
        (hoa(), ALL_NODES),
    ] {
        net.frame(0, ACCESS, PuntReason::OwnIcmp, &echo_request(a, ROUTER_MAC, src, dst, b"x"));
    }
    assert!(net.nodes[0].take(ACCESS).is_empty());
    let mut broken = echo_request(a, ROUTER_MAC, hoa(), address("a1"), b"x");
    *broken.last_mut().unwrap() ^= 1;
    net.frame(0, ACCESS, PuntReason::OwnIcmp, &broken);
    assert!(net.nodes[0].take(ACCESS).is_empty());
    assert_eq!(net.nodes[0].counter("nd_checksum"), 1);
}

/// Type, code and the 32-bit field of the only error sent.
fn error_about(net: &mut Net, reason: PuntReason, frame: &[u8]) -> (u8, u8, u32, Seen) {
    net.frame(0, ACCESS, reason, frame);
    let sent = net.nodes[0].take(ACCESS);
    assert_eq!(sent.len(), 1, "{reason:?}");
    let seen = see(&sent[0]);
    let (kind, code, icmp) = seen.icmp.clone().unwrap();
    (kind, code, u32::from_be_bytes(icmp[4..8].try_into().unwrap()), seen)
}

#[test]
fn each_punt_gets_its_error_from_our_core_address_back_to_the_station() {
    let (a, mut net) = (mn(0xa), one());
    let frame = udp(a, hoa(), remote(), 1, &[1; 60]);
    for (reason, kind, code) in [
        (PuntReason::HopLimit, 3, 0),
        (PuntReason::PoolUnleased, 1, 3),
        (PuntReason::NoRoute, 1, 0),
        (PuntReason::NoAnchor, 1, 5),
        (PuntReason::SourceFailed, 1, 5),
    ] {
        let (was_kind, was_code, value, error) = error_about(&mut net, reason, &frame);
        assert_eq!((was_kind, was_code, value), (kind, code, 0), "{reason:?}");
        assert_eq!((error.eth_dst, error.eth_src), (a, ROUTER_MAC));
        assert_eq!((error.src, error.dst), (address("a1"), hoa()));
        assert_eq!(error.icmp.unwrap().2[8..], frame[14..], "quotes all of a short packet (FC-11)");
    }
}

/// FC-10, FC-11.
#[test]
fn packet_too_big_names_the_tunnels_mtu_and_quotes_1232_octets() {
    let (a, mut net) = (mn(0xa), one());
    let frame = udp(a, hoa(), remote(), 64, &[1; 1480 - 48]);
    let (kind, code, mtu, error) = error_about(&mut net, PuntReason::TunnelTooBig, &frame);
    assert_eq!((kind, code, mtu), (2, 0, 1460));
    assert_eq!(error.payload.len(), 0x04d8);
    assert_eq!(error.icmp.unwrap().2[8..], frame[14..14 + 1232]);
}

/// FC-11: every kind of error, about every length of packet.
#[test]
fn no_error_is_longer_than_1280_octets_and_each_quotes_what_fits() {
    let (a, mut net) = (mn(0xa), one());
    for len in [48, 100, 1232, 1233, 1480] {
        let frame = udp(a, hoa(), remote(), 64, &vec![1; len - 48]);
        for reason in [
            PuntReason::HopLimit,
            PuntReason::NoRoute,
            PuntReason::SourceFailed,
            PuntReason::PoolUnleased,
            PuntReason::TunnelTooBig,
        ] {
            net.run(SECOND);
            let (.., error) = error_about(&mut net, reason, &frame);
            assert_eq!(error.payload.len(), 8 + len.min(1232), "{reason:?}, {len} octets");
            assert_eq!(error.icmp.unwrap().2[8..], frame[14..14 + len.min(1232)]);
        }
    }
}

#[test]
fn packet_too_big_names_the_mtu_of_the_port_a_packet_would_leave_by() {
    let mut config = config("a1", &["a1", "a2"]);
    config.ports[usize::from(ACCESS)].mtu = 1400;
    config.ports[usize::from(CORE)].mtu = 1300;
    let mut net = Net::cold(vec![config], &["a1"]);
    let a = mn(0xa);
    net.link(0, ACCESS, true);
    net.run(SECOND);
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(SECOND);
    net.nodes[0].sent.clear();
    let lease = net.nodes[0].table.keys().copied().find(|key| key >> 48 == 0x2001).unwrap();
    let here = wire::addr::Prefix64(lease).with_iid(1);
    let to_mn = udp(mn(0xb), hoa(), here, 64, &[1; 1452]);
    assert_eq!(error_about(&mut net, PuntReason::TooBig, &to_mn).2, 1400);
    let by_route = udp(a, hoa(), ip("2001:db8:a2:9::1"), 64, &[1; 1452]);
    assert_eq!(error_about(&mut net, PuntReason::TooBig, &by_route).2, 1300);
    assert_eq!(error_about(&mut net, PuntReason::TunnelTooBig, &by_route).2, 1280);
}

#[test]
fn errors_of_a_kind_are_ten_a_second_and_kinds_do_not_starve_each_other() {
    let (a, mut net) = (mn(0xa), one());
    let frame = udp(a, hoa(), remote(), 1, b"hello");
    for _ in 0..100 {
        net.frame(0, ACCESS, PuntReason::HopLimit, &frame);
    }
    assert_eq!(net.nodes[0].take(ACCESS).len(), 10);
    assert_eq!(net.nodes[0].counter("icmp_limited_hop_limit"), 90);
    assert_eq!(net.nodes[0].counter("icmp_sent_hop_limit"), 10);
    net.frame(0, ACCESS, PuntReason::NoRoute, &frame);
    assert_eq!(net.nodes[0].take(ACCESS).len(), 1);
    for _ in 0..30 {
        net.run(100 * MS);
        net.frame(0, ACCESS, PuntReason::HopLimit, &frame);
    }
    let sent = net.nodes[0].take(ACCESS).len();
    assert_eq!(sent, 30);
}

/// FC-14, RFC 4443 §2.4 (e).
#[test]
fn no_error_is_sent_about_what_must_not_get_one() {
    let (a, mut net) = (mn(0xa), one());
    let error = super::frames::icmp(a, ROUTER_MAC, hoa(), remote(), 1, &{
        let mut icmp = vec![1, 0, 0, 0, 0, 0, 0, 0];
        let sum = ip6::checksum(hoa(), remote(), ip6::ICMPV6, &icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        icmp
    });
    let frames = [
        udp(a, Ipv6Addr::UNSPECIFIED, remote(), 1, b"x"),
        udp(a, hoa(), ip("ff0e::1"), 1, b"x"),
        udp(a, ip("ff0e::1"), remote(), 1, b"x"),
        error,
    ];
    let reasons = [PuntReason::HopLimit, PuntReason::TunnelTooBig, PuntReason::SourceFailed];
    for (frame, reason) in frames.iter().flat_map(|frame| reasons.map(|reason| (frame, reason))) {
        net.frame(0, ACCESS, reason, frame);
    }
    assert!(net.nodes[0].take(ACCESS).is_empty());
    assert_eq!(net.nodes[0].counter("icmp_error_forbidden"), 12);
}

/// A worker hands on the inner packet with the Ethernet header in front; the error goes out by the core port.
#[test]
fn an_error_about_a_packet_from_the_core_leaves_by_the_core() {
    let mut net = one();
    let mut frame = udp(mn(0xb), remote(), hoa(), 1, b"hello");
    frame[..14].copy_from_slice(&eth::ipv6_header(core_mac("a1"), core_mac("a2")));
    net.frame(0, CORE, PuntReason::HopLimit, &frame);
    let error = see(&net.nodes[0].take(CORE)[0]);
    assert_eq!((error.eth_dst, error.eth_src), (core_mac("a2"), core_mac("a1")));
    assert_eq!((error.src, error.dst), (address("a1"), remote()));
}
