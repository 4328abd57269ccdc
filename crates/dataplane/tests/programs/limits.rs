// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has an end: budgets of a turn, the punt ring, small tables, the room of a buffer. Each end has its own name.

use crate::rig::*;
use dataplane::update::Update;
use dataplane::verdict::Verdict;
use std::collections::BTreeMap;
use wire::addr::{Mac, ROUTER_MAC};
use wire::buf::{HEADROOM, PacketBuf, VecBuf};

/// A frame from the core that goes to the slow path as signalling, which alone may fill its ring.
fn signal() -> Vec<u8> {
    frame(CORE_MAC, MAC_ROUTER, A_MAAR1, A_MAAR3, 135, &[59, 0, 0, 0, 0, 0, 0, 0])
}

/// The slow path takes nothing until the ring is full.
fn fill_the_ring(rig: &mut Rig) {
    while rig.ends.punts.slots() < 256 {
        let mut burst = vec![VecBuf::new(&signal()); 32].into_iter().collect();
        rig.worker.burst(CORE, &mut burst, &mut Sent::default());
    }
}

#[test]
fn each_kind_has_its_budget_of_a_turn() {
    let sized = |dst, len: usize| {
        let payload = udp(&vec![7; len - 48]);
        frame(ROUTER_MAC, MAC_A, A_HOA3, dst, 17, &payload)
    };
    let last_hop = |mut frame: Vec<u8>| {
        frame[14 + 7] = 1;
        frame
    };
    let stranger = udp_frame(ROUTER_MAC, Mac([2, 0, 0, 0, 0, 0x99]), A_HOA1, B_HOA1);
    let echo = frame(CORE_MAC, MAC_ROUTER, S, A_MAAR3, 58, &[128, 0, 0, 0, 0, 0, 0, 0]);
    let solicit = frame(CORE_MAC, MAC_ROUTER, S, A_MAAR3, 58, &[135, 0, 0, 0, 0, 0, 0, 0]);
    let dead = by_core(S, "2001:db8:dead::1");
    // B is reached by a tunnel from A's HoA of this pool too.
    let too_big = frame(ROUTER_MAC, MAC_A, A_HOA3, B_HOA1, 17, &udp(&[7; 1460 - 47]));
    for (port, frame, punt, budget, over) in [
        (CORE, solicit, "punt.neighbor_discovery", 64, "drop.budget_neighbor_discovery"),
        (CORE, signal(), "punt.mobility_header", 256, "drop.budget_mobility_header"),
        (CORE, echo, "punt.own_icmp", 16, "drop.budget_own_icmp"),
        (ACCESS, stranger, "punt.unknown_station", 32, "drop.budget_unknown_station"),
        (ACCESS, from_a(C_HOA3, S), "punt.source_failed", 16, "drop.budget_source_failed"),
        (ACCESS, last_hop(from_a(A_HOA3, S)), "punt.hop_limit", 16, "drop.budget_hop_limit"),
        (CORE, by_core(S, UNLEASED), "punt.pool_unleased", 16, "drop.budget_pool_unleased"),
        (CORE, by_core(S, "2001:470::1"), "punt.no_route", 16, "drop.budget_no_route"),
        (CORE, dead, "punt.unresolved", 16, "drop.budget_unresolved"),
        (ACCESS, sized(S, 1501), "punt.too_big", 16, "drop.budget_too_big"),
        (ACCESS, too_big, "punt.tunnel_too_big", 16, "drop.budget_tunnel_too_big"),
    ] {
        let out = Rig::new().run(port, &vec![frame; 300]);
        assert_eq!(out.counts, BTreeMap::from([(punt, budget), (over, 300 - budget)]));
    }
    let mut fib = fib();
    fib.anchors.clear();
    let out = Rig::with(fib, &bindings()).run(ACCESS, &vec![from_a(A_HOA1, S); 300]);
    assert_eq!(
        out.counts,
        BTreeMap::from([("punt.no_anchor", 16), ("drop.budget_no_anchor", 284)])
    );
}

#[test]
fn a_full_ring_holds_sessions_and_markers_back_by_name() {
    let mut rig = Rig::parking();
    rig.update(Update::Hold { prefix: key(A_HOA1), peer: 2 });
    rig.worker.housekeeping();
    fill_the_ring(&mut rig);
    let out = {
        let session = from_a(A_HOA1, B_HOA1);
        let marker = frame(CORE_MAC, MAC_ROUTER, B_MAAR2, A_HOA1, 59, &[]);
        let mut burst = [VecBuf::new(&session)].into_iter().collect();
        rig.worker.burst(ACCESS, &mut burst, &mut Sent::default());
        rig.one(CORE, &around(A_MAAR2, &marker[14..]))
    };
    assert_eq!((out.all["info.sessions_held_back"], out.sessions.len()), (1, 0));
    assert_eq!((out.all["info.markers_held_back"], out.markers.len()), (1, 0));
    assert_eq!((out.counts["tunnelled"], out.counts["absorbed"]), (1, 1));
    // With room again a later packet tries again.
    let out = rig.run(ACCESS, &[from_a(A_HOA1, B_HOA1)]);
    assert_eq!((out.all["info.sessions_reported"], out.sessions.len()), (1, 1));
}

#[test]
fn paths_beyond_the_room_are_not_held_and_their_packets_pass() {
    let mut rig = Rig::parking();
    for n in 0..5000 {
        rig.update(Update::Hold { prefix: n, peer: 0 });
        if n % 64 == 63 {
            rig.worker.housekeeping();
        }
    }
    rig.update(Update::Hold { prefix: key(A_HOA1), peer: 2 });
    for _ in 0..20 {
        rig.worker.housekeeping();
    }
    let out = rig.one(CORE, &by_tunnel(B_MAAR2, B_HOA1, A_HOA1));
    out.sent_as("delivered");
    assert_eq!(out.all["info.holds_full"], 5001 - 4096);
}

#[test]
fn an_update_for_a_key_that_no_lease_has_is_refused() {
    let mut rig = Rig::new();
    for key in [0, u64::MAX] {
        rig.update(Update::Bind { key, verdict: Verdict::Absent { park: false } });
    }
    let out = rig.turn();
    assert!(out.all["info.update_misdirected"] >= 1, "{:?}", out.all);
}

#[test]
fn without_room_for_the_outer_header_a_frame_is_dropped() {
    let full = |frame: &[u8], left: usize| {
        let used = HEADROOM - left;
        let mut buf = VecBuf::new(&frame[used..]);
        buf.prepend(used).expect("the headroom")[..used].copy_from_slice(&frame[..used]);
        buf
    };
    let frame = frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 17, &udp(&[0; 100]));
    Rig::new().run_bufs(ACCESS, vec![full(&frame, 39)]).dropped_as("no_headroom");
    Rig::new().run_bufs(ACCESS, vec![full(&frame, 40)]).sent_as("tunnelled");
}

#[test]
fn headers_that_no_segment_has_room_for_are_dropped_by_name() {
    let frame = from_a(A_HOA1, B_HOA1);
    let first = [vec![0; wire::buf::DATA_ROOM - 50], frame[..30].to_vec()].concat();
    let mut chain = VecBuf::chained(&first, &[&frame[30..]]);
    chain.trim_front(first.len() - 30);
    Rig::new().run_bufs(ACCESS, vec![chain]).dropped_as("headers_scattered");
}
