// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What routers of the core say about tunnel packets (R-31, FC-13): real workers make the packets, a router on the way
//! complains, and the mobile node hears of it.

use crate::frames::*;
use crate::handover::attach;
use crate::net::*;
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_MAC};
use wire::{eth, ip6};

const A: u8 = 0xa;

/// User A at a1 with a HoA of a2; nothing was sent yet.
fn visitor() -> (Net, Ipv6Addr) {
    let mut net = Net::new(&["a1", "a2", "a3"]);
    let hoa = attach(&mut net, "a2", mn(A));
    attach(&mut net, "a1", mn(A));
    net.nodes[0].sent.clear();
    (net, hoa)
}

/// Behind a3, and nowhere in particular: by the HoA's anchor a2.
fn behind_a3() -> Ipv6Addr {
    ip("2001:db8:a3:9::1")
}
fn elsewhere() -> Ipv6Addr {
    ip("2001:db8:cafe::80")
}

/// User A sends `len` octets of IPv6; what left a1 by the core, and what came back.
fn send(net: &mut Net, src: Ipv6Addr, dst: Ipv6Addr, len: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let frame = udp(mn(A), src, dst, 64, &vec![7; len - 48]);
    net.nodes[0].sent.clear();
    net.receive(0, ACCESS, &frame);
    let mut core = net.nodes[0].take(CORE);
    core.retain(|frame| frame[20] == ip6::IPV6_IN_IPV6);
    (core, told(net))
}

/// The ICMPv6 errors user A got of a1.
fn told(net: &mut Net) -> Vec<Vec<u8>> {
    let mut frames = net.nodes[0].take(ACCESS);
    frames.retain(|frame| {
        let seen = see(frame);
        seen.src == address("a1") && seen.icmp.is_some_and(|(kind, ..)| kind < 128)
    });
    frames
}

fn sent(net: &mut Net, src: Ipv6Addr, dst: Ipv6Addr, len: usize) -> Vec<u8> {
    let (mut core, access) = send(net, src, dst, len);
    assert_eq!((core.len(), access.len()), (1, 0), "{len} octets to {dst}");
    core.remove(0)
}

/// The MTU that user A is told.
fn refused(net: &mut Net, src: Ipv6Addr, dst: Ipv6Addr, len: usize) -> u32 {
    let (core, access) = send(net, src, dst, len);
    assert_eq!((core.len(), access.len()), (0, 1), "{len} octets to {dst}");
    let told = see(&access[0]);
    assert_eq!((told.eth_dst, told.src, told.dst), (mn(A), address("a1"), src));
    let (kind, code, icmp) = told.icmp.expect("an ICMPv6 message");
    assert_eq!((kind, code), (2, 0));
    u32::from_be_bytes(icmp[4..8].try_into().expect("four octets"))
}

/// A message of a router about a frame that left a1, quoting at most `quote` octets of it.
fn complaint(kind: u8, code: u8, value: u32, about: &[u8], quote: usize) -> Vec<u8> {
    let router = ip("2001:db8:ff::1");
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(&value.to_be_bytes());
    message.extend_from_slice(&about[14..about.len().min(14 + quote)]);
    let sum = ip6::checksum(router, address("a1"), ip6::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    icmp(Mac([2, 0, 0, 0, 0, 1]), core_mac("a1"), router, address("a1"), 64, &message)
}

fn hear(net: &mut Net, frame: &[u8]) {
    net.receive(0, CORE, frame);
    // The workers' next snapshot.
    net.run(20 * MS);
}

#[test]
fn a_path_gets_smaller_for_the_peer_it_leads_to_at_once_and_for_ten_minutes() {
    let (mut net, hoa) = visitor();
    let tunnelled = sent(&mut net, hoa, elsewhere(), 1400);
    assert_eq!((see(&tunnelled).src, see(&tunnelled).dst), (address("a1"), address("a2")));
    hear(&mut net, &complaint(2, 0, 1300, &tunnelled, 1232));
    assert_eq!(refused(&mut net, hoa, elsewhere(), 1281), 1280);
    assert_eq!(refused(&mut net, hoa, elsewhere(), 1400), 1280);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1260).len(), 14 + 1300);
    assert_eq!(sent(&mut net, hoa, behind_a3(), 1460).len(), 14 + 1500, "another peer");
    assert_eq!(net.nodes[0].counter("path_mtu_lowered"), 1);

    net.run(590 * SECOND);
    assert_eq!(refused(&mut net, hoa, elsewhere(), 1400), 1280);
    net.run(10 * SECOND);
    assert_eq!(net.nodes[0].counter("path_mtu_aged"), 1);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1460).len(), 14 + 1500);
}

/// Scenario 35: what every path must take passes one of 1300 octets in two fragments, and arrives whole.
#[test]
fn a_packet_of_1280_octets_crosses_a_path_of_1300() {
    let (mut net, hoa) = visitor();
    let b = attach(&mut net, "a3", mn(0xb));
    let first = sent(&mut net, hoa, b, 1400);
    assert_eq!(see(&first).dst, address("a3"));
    hear(&mut net, &complaint(2, 0, 1300, &first, 1232));
    net.nodes[2].sent.clear();
    let frame = udp(mn(A), hoa, b, 64, &[7; 1280 - 48]);
    net.receive(0, ACCESS, &frame);
    let mut core = net.nodes[0].take(CORE);
    core.retain(|frame| frame[20] == ip6::FRAGMENT);
    assert_eq!(core.iter().map(|frame| frame.len() - 14).collect::<Vec<_>>(), [1296, 80]);
    net.run(10 * MS);
    let mut delivered = net.nodes[2].take(ACCESS);
    delivered.retain(|frame| see(frame).src == hoa);
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0][22..], frame[22..], "as it was sent, but for the hop limit");
}

#[test]
fn the_number_told_is_the_peers_own() {
    let (mut net, hoa) = visitor();
    let tunnelled = sent(&mut net, hoa, elsewhere(), 1460);
    hear(&mut net, &complaint(2, 0, 1420, &tunnelled, 1232));
    assert_eq!(refused(&mut net, hoa, elsewhere(), 1381), 1380);
    assert_eq!(refused(&mut net, hoa, behind_a3(), 1461), 1460);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1380).len(), 14 + 1420);
}

#[test]
fn a_number_below_ipv6s_least_is_discarded() {
    let (mut net, hoa) = visitor();
    let tunnelled = sent(&mut net, hoa, elsewhere(), 1400);
    for mtu in [0, 600, 1279] {
        hear(&mut net, &complaint(2, 0, mtu, &tunnelled, 1232));
    }
    assert_eq!(net.nodes[0].counter("path_mtu_impossible"), 3);
    assert_eq!(net.nodes[0].counter("path_mtu_lowered"), 0);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1460).len(), 14 + 1500);
}

#[test]
fn what_is_told_about_packets_that_are_none_of_our_tunnels_changes_nothing() {
    let (mut net, hoa) = visitor();
    let tunnelled = sent(&mut net, hoa, elsewhere(), 1400);
    let with = |at: usize, address: Ipv6Addr| {
        let mut frame = tunnelled.clone();
        frame[at..at + 16].copy_from_slice(&address.octets());
        frame
    };
    let foreign_source = with(22, address("a3"));
    let to_no_peer = with(38, ip("2001:db8:ff::77"));
    for about in [&foreign_source, &to_no_peer, &tunnelled[..50].to_vec()] {
        hear(&mut net, &complaint(2, 0, 1300, about, 1232));
    }
    // A mobile node knows both addresses of a tunnel; its word of the core is worth nothing.
    let mut by_mn = complaint(2, 0, 1300, &tunnelled, 1232);
    by_mn[..14].copy_from_slice(&eth::ipv6_header(ROUTER_MAC, mn(A)));
    by_mn[22..38].copy_from_slice(&hoa.octets());
    by_mn[56..58].fill(0);
    let sum = ip6::checksum(hoa, address("a1"), ip6::ICMPV6, &by_mn[54..]);
    by_mn[56..58].copy_from_slice(&sum.to_be_bytes());
    net.receive(0, ACCESS, &by_mn);
    net.run(20 * MS);
    assert_eq!(net.nodes[0].counter("icmp_error_received"), 4);
    assert_eq!(net.nodes[0].counter("tunnel_error_foreign"), 4);
    assert_eq!(net.nodes[0].counter("path_mtu_lowered"), 0);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1460).len(), 14 + 1500);
}

#[test]
fn a_larger_number_than_is_known_is_counted_and_changes_nothing() {
    let (mut net, hoa) = visitor();
    let tunnelled = sent(&mut net, hoa, elsewhere(), 1400);
    for mtu in [1500, 1501, u32::MAX] {
        hear(&mut net, &complaint(2, 0, mtu, &tunnelled, 1232));
    }
    assert_eq!(net.nodes[0].counter("path_mtu_unchanged"), 3);
    assert_eq!(sent(&mut net, hoa, elsewhere(), 1460).len(), 14 + 1500);
}

#[test]
fn a_tunnel_packet_that_reached_nobody_is_told_to_the_inner_source_ten_times_a_second() {
    let (mut net, hoa) = visitor();
    for quote in [1232, 100] {
        let tunnelled = sent(&mut net, hoa, elsewhere(), 200);
        hear(&mut net, &complaint(1, 0, 0, &tunnelled, quote));
        let errors = told(&mut net);
        assert_eq!(errors.len(), 1);
        let told = see(&errors[0]);
        assert_eq!((told.eth_dst, told.eth_src), (mn(A), ROUTER_MAC));
        assert_eq!((told.src, told.dst), (address("a1"), hoa));
        let (kind, code, icmp) = told.icmp.expect("an ICMPv6 message");
        assert_eq!((kind, code), (1, 3));
        assert_eq!(
            icmp[8..],
            tunnelled[54..14 + 240.min(quote)],
            "the inner packet, as far as known"
        );
    }
    net.run(SECOND);
    let tunnelled = sent(&mut net, hoa, elsewhere(), 200);
    for _ in 0..25 {
        net.receive(0, CORE, &complaint(1, 3, 0, &tunnelled, 1232));
    }
    assert_eq!(told(&mut net).len(), 10);
    assert_eq!(net.nodes[0].counter("icmp_limited_tunnel_unreachable"), 15);
}

#[test]
fn no_error_is_told_about_an_error_and_other_messages_are_counted() {
    let (mut net, hoa) = visitor();
    let mut message = vec![1, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&[0x60; 40]);
    let sum = ip6::checksum(hoa, elsewhere(), ip6::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    net.nodes[0].sent.clear();
    net.receive(0, ACCESS, &icmp(mn(A), ROUTER_MAC, hoa, elsewhere(), 64, &message));
    let tunnelled = net.nodes[0].take(CORE).remove(0);
    hear(&mut net, &complaint(1, 0, 0, &tunnelled, 1232));
    assert_eq!(net.nodes[0].counter("icmp_error_forbidden"), 1);
    for (kind, code) in [(3, 0), (4, 1), (100, 0)] {
        hear(&mut net, &complaint(kind, code, 0, &tunnelled, 1232));
    }
    assert_eq!(net.nodes[0].counter("tunnel_error_other"), 3);
    assert!(told(&mut net).is_empty());
}
