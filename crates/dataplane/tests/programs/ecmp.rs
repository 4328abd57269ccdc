// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A route with several next hops on several core ports: each flow keeps to one of them.

use crate::rig::*;
use dataplane::PortId;
use dataplane::fib::{FibBuilder, Neighbor, PortInfo, Role, Routes};
use dataplane::fib::{NeighborId, Route};
use dataplane::update::Update;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::addr::Mac;
use wire::{eth, ip6};

const OTHER: PortId = 3;
const MAC_OTHER: Mac = Mac([2, 0, 0, 0, 0xa3, 4]);

/// Figure 2 with a second core port; 2001:db8:7::/48 leads to a router on each and a third one, those of `live`.
fn routed(live: &[NeighborId]) -> FibBuilder {
    let mut fib = fib();
    fib.ports.push(PortInfo {
        role: Role::Core,
        mac: MAC_OTHER,
        mtu: 1400,
        attach_on_frame: false,
    });
    let router =
        |port, of, n| Neighbor { port, eth: eth::ipv6_header(Mac([2, 0, 0, 0, 0xcc, n]), of) };
    fib.neighbors =
        vec![router(CORE, CORE_MAC, 0), router(CORE, CORE_MAC, 1), router(OTHER, MAC_OTHER, 2)];
    fib.peers.clear();
    fib.on_link.clear();
    fib.groups = vec![live.to_vec()];
    fib.routes = Arc::new(Routes::new([(at("2001:db8:7::"), 48, Route::Via(0))]));
    fib
}

/// A UDP packet of flow `n`: by its source port, or by its flow label and without ports behind it.
fn packet(n: u16, label: u32) -> Vec<u8> {
    let mut datagram = udp(b"hello");
    datagram[..2].copy_from_slice(&n.to_be_bytes());
    let mut frame = frame(CORE_MAC, MAC_ROUTER, S, "2001:db8:7::1", 17, &datagram);
    frame[14..18].copy_from_slice(&(6 << 28 | label).to_be_bytes());
    frame
}

/// Which router each flow takes.
fn taken(rig: &mut Rig, flows: std::ops::Range<u16>) -> BTreeMap<u16, u8> {
    let frames: Vec<_> = flows.map(|n| packet(n, 0)).collect();
    let out = rig.run(CORE, &frames);
    assert_eq!(out.counts["native"], frames.len() as u64);
    let flow = |(port, frame): &(PortId, Vec<u8>)| {
        let router = frame[5];
        assert_eq!(*port, if router == 2 { OTHER } else { CORE });
        let source = if router == 2 { MAC_OTHER } else { CORE_MAC };
        assert_eq!(frame[6..12], source.0);
        (u16::from_be_bytes([frame[54], frame[55]]), router)
    };
    out.sent.iter().map(flow).collect()
}

#[test]
fn the_flows_of_a_route_are_spread_over_its_next_hops() {
    let taken = taken(&mut Rig::with(routed(&[0, 1, 2]), &[]), 0..3000);
    for router in 0..3 {
        let share = taken.values().filter(|hop| **hop == router).count();
        assert!((850..1150).contains(&share), "{share} of 3000 by router {router}");
    }
}

#[test]
fn packets_of_a_flow_keep_to_one_next_hop_and_in_their_order() {
    let mut rig = Rig::with(routed(&[0, 1, 2]), &[]);
    for label in [0, 0x12345] {
        let frames: Vec<_> = (0..64u8)
            .map(|n| {
                let mut frame = packet(40_000, label);
                *frame.last_mut().expect("octets") = n;
                frame
            })
            .collect();
        let out = rig.run(CORE, &frames);
        assert!(out.sent.windows(2).all(|two| two[0].1[5] == two[1].1[5]));
        assert!(out.sent.iter().map(|sent| *sent.1.last().expect("octets")).eq(0..64));
    }
}

/// RFC 6437: with a flow label a fragment, which has no ports, still is of its flow.
#[test]
fn fragments_of_a_flow_with_a_label_take_its_next_hop() {
    let mut rig = Rig::with(routed(&[0, 1, 2]), &[]);
    for label in 1..50u32 {
        let mut fragment = frame(
            CORE_MAC,
            MAC_ROUTER,
            S,
            "2001:db8:7::1",
            44,
            &[17, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4],
        );
        fragment[14..18].copy_from_slice(&(6 << 28 | label).to_be_bytes());
        let out = rig.run(CORE, &[packet(40_000, label), fragment]);
        assert_eq!(out.sent[0].1[..6], out.sent[1].1[..6], "{label}");
    }
}

#[test]
fn of_a_next_hop_that_is_lost_only_the_flows_move_and_they_come_back() {
    let mut rig = Rig::with(routed(&[0, 1, 2]), &[]);
    let before = taken(&mut rig, 0..1000);
    let swap = |rig: &mut Rig, live: &[NeighborId]| {
        rig.update(Update::Fib(Arc::new(routed(live).build())));
        rig.worker.housekeeping();
    };
    swap(&mut rig, &[0, 2]);
    let without = taken(&mut rig, 0..1000);
    for (flow, router) in &before {
        let now = without[flow];
        assert!(
            if *router == 1 { now != 1 } else { now == *router },
            "flow {flow}: {router}, {now}"
        );
    }
    swap(&mut rig, &[1, 2, 0]);
    assert_eq!(taken(&mut rig, 0..1000), before);
}

#[test]
fn without_a_next_hop_that_is_there_the_slow_path_is_asked() {
    let frame = packet(1, 0);
    let mut rig = Rig::with(routed(&[]), &[]);
    rig.one(CORE, &frame).punted_as(dataplane::punt::PuntReason::Unresolved, &frame);
}

/// The next hop that a flow takes decides what fits.
#[test]
fn a_packet_must_fit_the_port_of_the_next_hop_it_takes() {
    let mut rig = Rig::with(routed(&[0, 2]), &[]);
    let mut seen = BTreeMap::new();
    for n in 0..64u16 {
        let mut datagram = udp(&[0; 1360]);
        datagram[..2].copy_from_slice(&n.to_be_bytes());
        let frame = ip6::frame(
            eth::ipv6_header(CORE_MAC, MAC_ROUTER),
            at(S),
            at("2001:db8:7::1"),
            17,
            64,
            &datagram,
        );
        let out = rig.one(CORE, &frame);
        *seen.entry(out.counts.keys().next().copied()).or_insert(0) += 1;
        assert!(out.sent.iter().all(|(port, _)| *port == CORE));
    }
    assert_eq!(seen.into_keys().flatten().collect::<Vec<_>>(), ["native", "punt.too_big"]);
}

#[test]
fn a_peer_without_next_hop_is_asked_for_by_its_packets_a_few_times_a_turn() {
    let mut rig = Rig::new();
    let frames: Vec<_> = (0..20).map(|_| from_a(A_HOA1, "2001:db8:b1:c::77")).collect();
    let out = rig.run(ACCESS, &frames);
    assert_eq!(out.counts, BTreeMap::from([("drop.peer_unresolved", 20)]));
    assert_eq!(out.peers, [3, 3]);
    assert_eq!(rig.run(ACCESS, &frames).peers, [3, 3], "again in the next turn");
}
