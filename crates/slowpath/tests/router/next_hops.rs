// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes with several next hops on two core links: who is used, what a link that goes down changes, other routes.

use crate::frames::*;
use crate::net::*;
use dataplane::PortId;
use dataplane::fib::{PortInfo, Role, Route};
use dataplane::punt::PuntReason;
use slowpath::Input;
use slowpath::config::Prefix;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::nd::NeighborAdvert;

/// The second core port, of a smaller MTU than the first.
const CORE2: PortId = 2;
const CORE2_MAC: Mac = Mac([2, 0xc2, 0, 0, 0, 0xa1]);
const ROUTER1: Mac = Mac([2, 0, 0, 0, 0, 0x71]);
const ROUTER2: Mac = Mac([2, 0, 0, 0, 0, 0x72]);

fn router1() -> Ipv6Addr {
    ip("2001:db8:ff::71")
}

fn router2() -> Ipv6Addr {
    ip("2001:db8:fe::72")
}

fn prefix(text: &str, len: u8) -> Prefix {
    Prefix { addr: ip(text), len }
}

/// a1 with two core links; everything leads over a router on each of them, so does its peer, which is on neither.
fn two_links() -> Net {
    let mut config = config("a1", &["a1", "a2"]);
    config.ports.push(PortInfo {
        role: Role::Core,
        mac: CORE2_MAC,
        mtu: 1400,
        attach_on_frame: false,
    });
    config.core_links.push((prefix("2001:db8:fe::", 64), CORE2));
    config.mobility.core_prefixes.push(prefix("2001:db8:fe::", 64));
    config.mobility.peers[0].address = peer();
    config.mobility.anchors[1].1 = peer();
    config.routes = vec![(prefix("::", 0), vec![router1(), router2()])];
    let mut net = Net::cold(vec![config], &["a1"]);
    for port in [ACCESS, CORE, CORE2] {
        net.link(0, port, true);
    }
    net
}

fn peer() -> Ipv6Addr {
    ip("2001:db8:fd::a2")
}

fn answer(net: &mut Net, target: Ipv6Addr) {
    let (port, own, mac) = if target == router1() {
        (CORE, core_mac("a1"), ROUTER1)
    } else {
        (CORE2, CORE2_MAC, ROUTER2)
    };
    let na =
        NeighborAdvert { router: true, solicited: true, override_: true, target, tllao: Some(mac) };
    let frame = na_frame(mac, own, target, &na);
    net.frame(0, port, PuntReason::NeighborDiscovery, &frame);
}

fn na_frame(mac: Mac, own: Mac, target: Ipv6Addr, advert: &NeighborAdvert) -> Vec<u8> {
    na(mac, own, target, address("a1"), advert)
}

/// Next hops in use towards `dst`.
fn live(net: &Net, dst: &str) -> usize {
    match net.nodes[0].fib.route(ip(dst)) {
        Some(Route::Via(group)) => net.nodes[0].fib.group_size(group),
        other => panic!("{other:?}"),
    }
}

/// Ports by which 64 flows to `dst` leave.
fn ports(net: &mut Net, dst: &str) -> Vec<PortId> {
    net.nodes[0].sent.clear();
    for n in 0..64 {
        let mut frame = udp(ROUTER1, ip("2001:db8:cafe::80"), ip(dst), 64, b"hello");
        frame[..6].copy_from_slice(&core_mac("a1").0);
        // The flow's source port.
        frame[54..56].copy_from_slice(&[0x90, n]);
        net.receive(0, CORE, &frame);
    }
    let udp = net.nodes[0].sent.iter().filter(|(_, _, frame)| frame[20] == 17);
    let mut ports: Vec<_> = udp.map(|sent| sent.1).collect();
    assert!(ports.is_empty() || ports.len() == 64);
    ports.sort_unstable();
    ports.dedup();
    ports
}

const FAR: &str = "2001:db8:77::1";

#[test]
fn flows_leave_by_every_next_hop_that_is_there() {
    let mut net = two_links();
    assert_eq!((live(&net, FAR), ports(&mut net, FAR)), (0, vec![]));
    answer(&mut net, router1());
    assert_eq!((live(&net, FAR), ports(&mut net, FAR)), (1, vec![CORE]));
    net.run(SECOND);
    answer(&mut net, router2());
    assert_eq!((live(&net, FAR), ports(&mut net, FAR)), (2, vec![CORE, CORE2]));
}

#[test]
fn a_link_that_goes_down_takes_its_next_hop_along_at_once_and_brings_it_back() {
    let mut net = two_links();
    answer(&mut net, router1());
    answer(&mut net, router2());
    for (port, left, mtu) in [(CORE, CORE2, 1360), (CORE2, CORE, 1460)] {
        net.run(SECOND);
        net.link(0, port, false);
        assert_eq!((live(&net, FAR), ports(&mut net, FAR)), (1, vec![left]));
        assert_eq!(net.nodes[0].fib.tunnel_mtu(0), Some(mtu), "the tunnel takes the other link");
        net.run(SECOND);
        net.link(0, port, true);
        assert_eq!(ports(&mut net, FAR), [CORE, CORE2], "as it was known before");
        answer(&mut net, if port == CORE { router1() } else { router2() });
    }
}

#[test]
fn a_next_hop_that_does_not_answer_any_more_is_left() {
    let mut net = two_links();
    answer(&mut net, router1());
    answer(&mut net, router2());
    for _ in 0..5 {
        net.run(10 * SECOND);
        answer(&mut net, router1());
    }
    assert_eq!((live(&net, FAR), ports(&mut net, FAR)), (1, vec![CORE]));
}

#[test]
fn a_tunnel_takes_one_next_hop_for_all_its_packets() {
    let mut net = two_links();
    assert_eq!(net.nodes[0].fib.tunnel_mtu(0), None);
    answer(&mut net, router2());
    assert_eq!(net.nodes[0].fib.tunnel_mtu(0), Some(1360));
    net.run(SECOND);
    answer(&mut net, router1());
    assert!(net.nodes[0].fib.tunnel_mtu(0).is_some());
}

/// Which next hop a flow takes only its worker knows: what is told fits all of them.
#[test]
fn packet_too_big_tells_the_smallest_mtu_of_the_next_hops() {
    let mut net = two_links();
    answer(&mut net, router1());
    answer(&mut net, router2());
    net.nodes[0].sent.clear();
    let mut frame = udp(ROUTER1, ip("2001:db8:cafe::80"), ip(FAR), 64, &[0; 1460]);
    frame[..6].copy_from_slice(&core_mac("a1").0);
    net.frame(0, CORE, PuntReason::TooBig, &frame);
    let (kind, _, icmp) =
        see(&net.nodes[0].sent.last().expect("an answer").2).icmp.expect("ICMPv6");
    assert_eq!((kind, &icmp[4..8]), (2, &1400u32.to_be_bytes()[..]));
}

#[test]
fn a_packet_for_a_tunnel_makes_the_next_hop_be_asked_for_sooner() {
    let mut net = two_links();
    net.run(5 * SECOND);
    net.nodes[0].sent.clear();
    net.handle(0, Input::Peer(0));
    net.run(2 * SECOND);
    let asked = net.nodes[0].sent.iter().filter(|(_, _, frame)| frame[54] == 135);
    assert_eq!(asked.count(), 2, "one by each link, before their ten seconds are over");
    assert_eq!(net.nodes[0].counter("unresolved_peer"), 1);
}

#[test]
fn other_routes_are_in_force_at_once_and_what_nobody_needs_is_forgotten() {
    let mut net = two_links();
    answer(&mut net, router1());
    net.run(SECOND);
    let router3 = ip("2001:db8:ff::73");
    net.nodes[0].sent.clear();
    let routes =
        vec![(prefix("::", 0), vec![router1()]), (prefix("2001:db8:77::", 48), vec![router3])];
    net.handle(0, Input::Routes(routes));
    assert_eq!((live(&net, "2001:db8:78::1"), live(&net, FAR)), (1, 0));
    let solicits: Vec<_> =
        net.nodes[0].sent.iter().filter(|(_, _, frame)| frame[54] == 135).collect();
    assert_eq!(solicits.len(), 1, "the new one is asked for");
    assert_eq!(solicits[0].2[62..78], router3.octets());
    net.nodes[0].sent.clear();
    net.run(60 * SECOND);
    let asks_router2 = net.nodes[0]
        .sent
        .iter()
        .any(|(_, _, frame)| frame[54] == 135 && frame[62..78] == router2().octets());
    assert!(!asks_router2, "it is no next hop any more");
}

#[test]
fn two_hundred_thousand_routes_are_shared_by_all_snapshots() {
    let mut config = config("a1", &["a1", "a2"]);
    let route = |n: u32| {
        let bits = u128::from(n.wrapping_mul(0x9e37_79b9)) << 92 | 1 << 125;
        (Prefix { addr: Ipv6Addr::from_bits(bits), len: 48 }, vec![address("a2")])
    };
    config.routes.extend((0..200_000).map(route));
    let mut net = Net::cold(vec![config], &["a1"]);
    net.link(0, CORE, true);
    let before = net.nodes[0].router.fib().routes();
    let na = NeighborAdvert {
        router: true,
        solicited: true,
        override_: true,
        target: address("a2"),
        tllao: Some(core_mac("a2")),
    };
    let frame = na_frame(core_mac("a2"), core_mac("a1"), address("a2"), &na);
    net.frame(0, CORE, PuntReason::NeighborDiscovery, &frame);
    let fib = net.nodes[0].router.fib();
    assert!(std::sync::Arc::ptr_eq(&before, &fib.routes()));
    let Some(Route::Via(group)) = fib.route(route(199_999).0.addr) else { panic!("no route") };
    assert_eq!(fib.group_size(group), 1);
}
