// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours on core links: found, kept, lost, and what workers are told of them.

use crate::frames::*;
use crate::net::*;
use dataplane::fib::Route;
use dataplane::punt::PuntReason;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::nd::{NeighborAdvert, NeighborSolicit};

/// A host on the core link that is no MAAR.
const HOST: Mac = Mac([2, 0, 0, 0, 0, 0x99]);
const TARGET: usize = 8;

fn host() -> Ipv6Addr {
    ip("2001:db8:ff::99")
}

/// One router whose peer a2 is not there.
fn alone() -> Net {
    Net::cold(vec![config("a1", &["a1", "a2"])], &["a1"])
}

/// Times, relative to `start`, at which `target` was asked for, and how.
fn solicits(net: &Net, start: u64, target: Ipv6Addr) -> Vec<(u64, Seen)> {
    let of = |(at, port, frame): &(u64, u8, Vec<u8>)| {
        let seen = (*port == CORE && frame[20] == 58).then(|| see(frame))?;
        let asked = seen.icmp.as_ref().filter(|icmp| icmp.0 == 135)?;
        (asked.2[TARGET..TARGET + 16] == target.octets()).then_some((at - start, seen))
    };
    net.nodes[0].sent.iter().filter_map(of).collect()
}

fn answer(net: &mut Net, mac: Mac, target: Ipv6Addr, solicited: bool, override_: bool) {
    let na = NeighborAdvert { router: true, solicited, override_, target, tllao: Some(mac) };
    let frame = super::frames::na(mac, core_mac("a1"), target, address("a1"), &na);
    net.frame(0, CORE, PuntReason::NeighborDiscovery, &frame);
}

/// Where the newest snapshot sends packets to `dst`: the MAC.
fn mac_in_fib(net: &Net, dst: Ipv6Addr) -> bool {
    net.nodes[0].fib.neighbor_at(dst).is_some()
}

#[test]
fn a_peer_is_asked_for_three_times_and_then_every_ten_seconds() {
    let mut net = alone();
    net.run(5 * SECOND);
    assert!(net.nodes[0].sent.is_empty(), "nothing before the link is up");
    let start = net.now;
    net.link(0, CORE, true);
    net.run(40 * SECOND);
    let asked = solicits(&net, start, address("a2"));
    let seconds: Vec<_> = asked.iter().map(|(at, _)| at / SECOND).collect();
    assert_eq!(seconds, [0, 1, 2, 13, 23, 33]);
    let (_, first) = &asked[0];
    assert_eq!((first.src, first.dst), (address("a1"), ip("ff02::1:ff00:a2")));
    assert_eq!(
        (first.eth_src, first.eth_dst),
        (core_mac("a1"), Mac([0x33, 0x33, 0xff, 0, 0, 0xa2]))
    );
    assert_eq!(first.hops, 255);
    assert!(net.nodes[0].fib.neighbor_at(address("a2")).is_none());
}

#[test]
fn a_peer_that_answers_is_told_to_every_worker_with_the_routes_by_it() {
    let mut net = alone();
    net.link(0, CORE, true);
    let b = pool("a2").addr;
    let by = |net: &Net| match net.nodes[0].fib.route(b) {
        Some(Route::Via(group)) => net.nodes[0].fib.group_size(group),
        other => panic!("{other:?}"),
    };
    assert_eq!(by(&net), 0);
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    assert_eq!(net.nodes[0].fibs, WORKERS);
    assert_eq!(by(&net), 1);
    assert!(mac_in_fib(&net, address("a2")));
    assert_eq!(net.nodes[0].fib.peer_at(address("a2")), Some(0));
    assert_eq!(net.nodes[0].fib.route(pool("a1").addr), Some(Route::Pool));
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    assert_eq!(net.nodes[0].fibs, WORKERS, "nothing new, nothing told");
}

#[test]
fn a_peer_is_probed_after_half_a_minute_and_given_up_after_six_silent_probes() {
    let mut net = alone();
    net.link(0, CORE, true);
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    let start = net.now;
    net.nodes[0].sent.clear();
    net.run(35 * SECOND);
    assert!(mac_in_fib(&net, address("a2")), "used while it is asked after (RFC 7048)");
    net.run(2 * SECOND);
    assert!(!mac_in_fib(&net, address("a2")));
    let asked = solicits(&net, start, address("a2"));
    let seconds: Vec<_> = asked.iter().map(|(at, _)| at / SECOND).collect();
    assert_eq!(seconds, [30, 31, 32, 33, 34, 35]);
    assert!(asked[..3].iter().all(|(_, ns)| ns.eth_dst == core_mac("a2")), "three by unicast");
    assert!(asked[3..].iter().all(|(_, ns)| ns.eth_dst.0[0] == 0x33), "three by multicast");
    net.run(9 * SECOND + 500 * MS);
    answer(&mut net, HOST, address("a2"), true, true);
    assert!(mac_in_fib(&net, address("a2")), "back with another MAC");
}

#[test]
fn two_routers_find_each_other_and_stay_found() {
    let mut net = Net::new(&["a1", "a2"]);
    net.run(300 * SECOND);
    for node in &net.nodes {
        let peer = if node.name == "a1" { "a2" } else { "a1" };
        assert!(node.fib.neighbor_at(address(peer)).is_some(), "{}", node.name);
        assert!(node.counter("neighbor_failed") == 0);
        assert_eq!(node.fibs, WORKERS, "one snapshot is enough");
    }
}

#[test]
fn a_solicitation_for_the_core_address_is_answered_and_its_sender_learnt() {
    let mut net = alone();
    net.link(0, CORE, true);
    net.nodes[0].sent.clear();
    let group = ip("ff02::1:ff00:a1");
    let asks = NeighborSolicit { source: host(), target: address("a1"), sllao: Some(HOST) };
    net.frame(
        0,
        CORE,
        PuntReason::NeighborDiscovery,
        &ns(HOST, Mac::of_group(group), group, &asks),
    );
    let sent = net.nodes[0].take(CORE);
    assert_eq!(sent.len(), 1);
    let na = see(&sent[0]);
    let (kind, _, icmp) = na.icmp.unwrap();
    assert_eq!((kind, icmp[4]), (136, 0xe0));
    assert_eq!(
        (na.src, na.dst, na.eth_src, na.eth_dst),
        (address("a1"), host(), core_mac("a1"), HOST)
    );
    assert_eq!(icmp[24..26], [2, 1]);
    assert_eq!(icmp[26..32], core_mac("a1").0);
    assert!(mac_in_fib(&net, host()));
    // It is asked after 5 s (RFC 4861 DELAY_FIRST_PROBE_TIME) and, silent, forgotten.
    net.run(20 * SECOND);
    assert!(!mac_in_fib(&net, host()));
}

#[test]
fn the_ports_own_link_local_address_is_answered_on_a_core_port() {
    let mut net = alone();
    net.link(0, CORE, true);
    net.nodes[0].sent.clear();
    let own = link_local(core_mac("a1"));
    let asks = NeighborSolicit { source: link_local(HOST), target: own, sllao: Some(HOST) };
    net.frame(0, CORE, PuntReason::NeighborDiscovery, &ns(HOST, core_mac("a1"), own, &asks));
    let na = see(&net.nodes[0].take(CORE)[0]);
    assert_eq!((na.src, na.dst), (own, link_local(HOST)));
}

#[test]
fn a_host_on_the_link_is_asked_for_when_a_worker_needs_it_and_forgotten_when_silent() {
    let mut net = alone();
    net.link(0, CORE, true);
    let start = net.now;
    let frame = udp(mn(0xa), ip("2001:db8:a1:a::1"), host(), 64, b"hello");
    for _ in 0..5 {
        net.frame(0, ACCESS, PuntReason::Unresolved, &frame);
    }
    net.run(10 * SECOND);
    assert_eq!(solicits(&net, start, host()).len(), 3);
    net.frame(0, ACCESS, PuntReason::Unresolved, &frame);
    answer(&mut net, HOST, host(), true, false);
    assert!(mac_in_fib(&net, host()));
}

/// RFC 4861 §7.2.2: signalling to a peer that is not found yet is not lost.
#[test]
fn signalling_waits_for_the_answer_of_its_peer() {
    let mut net = alone();
    let user = "02000000000a@example.org".to_owned();
    net.aaa.rows.insert(user, (address("a2"), "a session".to_owned()));
    net.link(0, ACCESS, true);
    net.link(0, CORE, true);
    net.run(100 * MS);
    let mac = mn(0xa);
    net.nd(&rs(mac, &plain_rs(link_local(mac))));
    net.run(100 * MS);
    assert!(net.nodes[0].take(CORE).iter().all(|frame| frame[20] != 135));
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    let sent = net.nodes[0].take(CORE);
    let sdbu: Vec<_> = sent.iter().filter(|frame| frame[20] == 135).collect();
    assert_eq!(sdbu.len(), 1);
    let seen = see(sdbu[0]);
    assert_eq!((seen.eth_dst, seen.dst), (core_mac("a2"), address("a2")));
}

#[test]
fn solicitations_between_others_teach_nothing() {
    let mut net = alone();
    net.link(0, CORE, true);
    let group = ip("ff02::1:ff00:a1");
    let other = ip("2001:db8:ff::1:0:a1");
    let asks = NeighborSolicit { source: host(), target: other, sllao: Some(HOST) };
    let frame = ns(HOST, Mac::of_group(group), group, &asks);
    net.frame(0, CORE, PuntReason::NeighborDiscovery, &frame);
    assert!(!mac_in_fib(&net, host()));
    assert_eq!(net.nodes[0].counter("ns_not_ours"), 1);
}

/// RFC 4861 §7.2.5.
#[test]
fn an_advertisement_without_override_does_not_take_a_neighbour_away() {
    let mut net = alone();
    net.link(0, CORE, true);
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    net.nodes[0].sent.clear();
    let (start, fibs) = (net.now, net.nodes[0].fibs);
    answer(&mut net, HOST, address("a2"), true, false);
    assert_eq!(net.nodes[0].fibs, fibs);
    net.run(10 * MS);
    let asked = solicits(&net, start, address("a2"));
    assert_eq!(asked[0].1.eth_dst, core_mac("a2"), "the one in use is asked whether it is there");
    answer(&mut net, HOST, address("a2"), false, true);
    assert!(net.nodes[0].fibs > fibs, "with override it does");
}

#[test]
fn advertisements_nobody_asked_for_make_no_entries() {
    let mut net = alone();
    net.link(0, CORE, true);
    for last in 0..200_u16 {
        let target = ip(&format!("2001:db8:ff::1:{last:x}"));
        answer(&mut net, HOST, target, true, true);
    }
    assert_eq!(net.nodes[0].counter("na_unknown_neighbor"), 200);
    assert_eq!(net.nodes[0].fibs, 0);
}

/// RFC 6583: a scan of the link's /64 fills nothing.
#[test]
fn a_scan_of_the_link_asks_for_few_at_a_time() {
    let mut net = alone();
    net.link(0, CORE, true);
    net.nodes[0].sent.clear();
    for last in 0..2000_u16 {
        let dst = ip(&format!("2001:db8:ff::2:{last:x}"));
        let frame = udp(mn(0xa), ip("2001:db8:a1:a::1"), dst, 64, b"scan");
        net.frame(0, ACCESS, PuntReason::Unresolved, &frame);
    }
    assert_eq!(net.nodes[0].take(CORE).len(), 64);
    assert_eq!(net.nodes[0].counter("neighbor_queue_full"), 2000 - 64);
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    assert!(mac_in_fib(&net, address("a2")), "peers are not in that queue");
}

#[test]
fn somebody_with_our_core_address_is_reported() {
    let mut net = alone();
    net.link(0, CORE, true);
    answer(&mut net, HOST, address("a1"), false, true);
    assert_eq!(net.nodes[0].counter("address_conflict"), 1);
    assert!(net.nodes[0].log.iter().any(|line| line.contains("2001:db8:ff::a1")));
}

#[test]
fn after_a_flap_the_peer_is_asked_again_and_used_meanwhile() {
    let mut net = alone();
    net.link(0, CORE, true);
    answer(&mut net, core_mac("a2"), address("a2"), true, true);
    net.link(0, CORE, false);
    net.nodes[0].sent.clear();
    let start = net.now;
    net.run(60 * SECOND);
    assert!(solicits(&net, start, address("a2")).is_empty(), "a link that is down is left alone");
    assert!(!mac_in_fib(&net, address("a2")), "nothing gets to it");
    net.link(0, CORE, true);
    assert!(mac_in_fib(&net, address("a2")), "used as it was known (RFC 7048)");
    assert_eq!(solicits(&net, start, address("a2")).len(), 1);
}

/// Whatever happens on the link, the workers' update rings are not filled with snapshots.
#[test]
fn a_neighbour_that_changes_its_mind_all_the_time_is_told_a_hundred_times_a_second() {
    let mut net = alone();
    net.link(0, CORE, true);
    for turn in 0..10_000_u16 {
        let mac = Mac([2, 0, 0, 1, (turn >> 8) as u8, turn as u8]);
        answer(&mut net, mac, address("a2"), false, true);
        net.run(100);
    }
    let told = net.nodes[0].fibs / WORKERS;
    assert!((95..=101).contains(&told), "{told} in a second");
    net.run(20 * MS);
    let last = Mac([2, 0, 0, 1, (9_999_u16 >> 8) as u8, 9_999_u16 as u8]);
    answer(&mut net, last, address("a2"), true, true);
    net.run(20 * MS);
    assert!(net.nodes[0].fibs / WORKERS <= told + 1, "the last one was told");
}
