// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A has just come from A_MAAR2; B's MAAR, B_MAAR2, sends straight now while older packets still come by A_MAAR2.

use crate::rig::*;
use dataplane::park::{By, ParkKey, Report, Why};
use dataplane::punt::Marker;
use dataplane::update::Update;
use dataplane::verdict::{PeerId, Verdict};
use wire::addr::ROUTER_MAC;

const PEER_A_MAAR2: PeerId = 1;
const PEER_B_MAAR2: PeerId = 2;
const NO_NEXT_HEADER: u8 = 59;

/// B's packet number `n`, by a tunnel of `peer`.
fn from_b(peer: &str, n: u16) -> Vec<u8> {
    let inner = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, 17, &udp(&n.to_be_bytes()));
    around(peer, &inner[14..])
}

fn empty(src: &str, dst: &str, payload: &[u8]) -> Vec<u8> {
    frame(CORE_MAC, MAC_ROUTER, src, dst, NO_NEXT_HEADER, payload)
}

/// The end marker of `maar`, by a tunnel of `peer`.
fn marker(peer: &str, maar: &str) -> Vec<u8> {
    around(peer, &empty(maar, A_HOA1, &[])[14..])
}

fn hold() -> Update {
    Update::Hold { prefix: key(A_HOA1), peer: PEER_B_MAAR2 }
}

fn end_hold() -> Update {
    Update::EndHold { prefix: key(A_HOA1), peer: PEER_B_MAAR2 }
}

fn tell(rig: &mut Rig, update: Update) {
    rig.update(update);
    rig.worker.housekeeping();
}

fn holding() -> Rig {
    let mut rig = Rig::parking();
    tell(&mut rig, hold());
    rig
}

fn numbers(out: &Out) -> Vec<u16> {
    let number =
        |frame: &[u8]| u16::from_be_bytes([frame[frame.len() - 2], frame[frame.len() - 1]]);
    out.sent.iter().map(|(_, frame)| number(frame)).collect()
}

#[test]
fn what_comes_straight_waits_for_what_still_comes_by_the_path_used_before() {
    let mut rig = holding();
    let frames = [
        from_b(A_MAAR2, 0),
        from_b(B_MAAR2, 3),
        from_b(A_MAAR2, 1),
        from_b(B_MAAR2, 4),
        from_b(A_MAAR2, 2),
        marker(A_MAAR2, B_MAAR2),
        from_b(B_MAAR2, 5),
    ];
    let out = rig.run(CORE, &frames);
    assert_eq!((numbers(&out), out.waiting), (vec![0, 1, 2], 3));
    assert_eq!((out.counts["delivered"], out.counts["absorbed"]), (3, 1));
    assert_eq!(out.markers, [Marker { prefix: key(A_HOA1), peer: PEER_B_MAAR2 }]);
    let waits = ParkKey { prefix: key(A_HOA1), by: By::Peer(PEER_B_MAAR2) };
    let report = Report { key: waits, why: Why::Held, port: CORE, source: at(B_HOA1) };
    assert_eq!(out.parked, [report], "told once");
    let out = rig.then(end_hold());
    assert_eq!((numbers(&out), out.waiting), (vec![3, 4, 5], 0));
    rig.one(CORE, &from_b(B_MAAR2, 6)).sent_as("delivered");
}

#[test]
fn what_waited_for_the_hoa_to_come_is_sorted_by_its_path_when_it_comes() {
    let mut rig = Rig::parking();
    tell(&mut rig, Update::Unbind { key: key(A_HOA1) });
    let frames = [from_b(A_MAAR2, 0), from_b(B_MAAR2, 2), from_b(A_MAAR2, 1)];
    assert_eq!(rig.run(CORE, &frames).waiting, 3);
    rig.run(CORE, &[marker(A_MAAR2, B_MAAR2), from_b(B_MAAR2, 3)]);
    tell(&mut rig, hold());
    let out = rig.then(Update::Bind { key: key(A_HOA1), verdict: DELIVER_A });
    assert_eq!((numbers(&out), out.waiting, out.markers.len()), (vec![0, 1], 2, 1));
    assert_eq!(numbers(&rig.then(end_hold())), [2, 3]);
}

#[test]
fn only_what_comes_straight_from_that_peer_for_that_hoa_waits() {
    let mut rig = holding();
    rig.one(CORE, &by_tunnel(A_MAAR1, B_HOA1, A_HOA1)).sent_as("delivered");
    rig.one(CORE, &by_tunnel(B_MAAR2, B_HOA1, A_HOA3)).sent_as("delivered");
    rig.one(CORE, &by_core(S, A_HOA1)).sent_as("delivered");
    rig.one(ACCESS, &from_a(A_HOA1, B_HOA1)).sent_as("tunnelled");
    assert_eq!(rig.one(CORE, &from_b(B_MAAR2, 0)).waiting, 1);
}

#[test]
fn a_marker_by_way_of_a_peer_that_is_held_itself_waits_behind_what_it_sent() {
    let mut rig = holding();
    tell(&mut rig, Update::Hold { prefix: key(A_HOA1), peer: PEER_A_MAAR2 });
    let out = rig.run(CORE, &[from_b(A_MAAR2, 0), marker(A_MAAR2, B_MAAR2), from_b(B_MAAR2, 1)]);
    assert_eq!((out.waiting, out.markers.len()), (3, 0));
    let out = rig.then(Update::EndHold { prefix: key(A_HOA1), peer: PEER_A_MAAR2 });
    assert_eq!((numbers(&out), out.markers.len(), out.waiting), (vec![0], 1, 1));
    assert_eq!(numbers(&rig.then(end_hold())), [1]);
}

#[test]
fn a_marker_nobody_waits_for_is_never_delivered() {
    let unexpected = |frame: &[u8]| Rig::parking().one(CORE, frame).dropped_as("marker_unexpected");
    unexpected(&marker(A_MAAR2, B_MAAR2));
    unexpected(&marker(B_MAAR2, B_MAAR2));
    unexpected(&empty(B_MAAR2, A_HOA1, &[]));
    unexpected(&empty(A_MAAR3, A_HOA1, &[]));
    let mut rig = holding();
    rig.one(CORE, &empty(B_MAAR2, A_HOA1, &[])).dropped_as("marker_unexpected");
    rig.one(CORE, &marker(A_MAAR2, A_MAAR1)).dropped_as("marker_unexpected");
}

#[test]
fn what_only_looks_like_a_marker_is_a_packet_like_others() {
    let mut rig = holding();
    let by = |inner: Vec<u8>| around(A_MAAR2, &inner[14..]);
    rig.one(CORE, &by(empty(B_HOA1, A_HOA1, &[]))).sent_as("delivered");
    rig.one(CORE, &by(empty(B_MAAR2, A_HOA1, &[0; 8]))).sent_as("delivered");
    let echo = frame(CORE_MAC, MAC_ROUTER, B_MAAR2, A_HOA1, 58, &[129, 0, 0, 0, 0, 0, 0, 0]);
    rig.one(CORE, &by(echo)).sent_as("delivered");
    let own = frame(ROUTER_MAC, MAC_A, A_HOA1, C_HOA3, NO_NEXT_HEADER, &[]);
    rig.one(ACCESS, &own).sent_as("delivered");
}

#[test]
fn a_marker_for_a_hoa_that_is_elsewhere_is_forwarded_like_data() {
    let mut rig = Rig::parking();
    let to_peer = Verdict::Tunnel { peer: PEER_B_MAAR2, anchored: false, former: true };
    tell(&mut rig, Update::Bind { key: key(A_HOA1), verdict: to_peer });
    let out = rig.one(CORE, &marker(A_MAAR2, A_MAAR1));
    let (port, sent) = out.sent_as("tunnelled");
    assert_eq!((port, &sent[54 + 8..], sent[54 + 6]), (CORE, &marker(A_MAAR2, A_MAAR1)[62..], 59));
    rig.one(CORE, &empty(B_MAAR2, A_HOA1, &[])).sent_as("tunnelled");
}

#[test]
fn what_is_held_is_bounded_like_what_is_parked() {
    let mut rig = holding();
    let out = rig.run(CORE, &vec![from_b(B_MAAR2, 0); 2050]);
    assert_eq!((out.waiting, out.counts["drop.park_full"]), (2048, 2));
    let mut rig = Rig::new();
    tell(&mut rig, hold());
    rig.one(CORE, &from_b(B_MAAR2, 0)).sent_as("delivered");
}
