// SPDX-License-Identifier: Apache-2.0 OR MIT
//! R-41 and the buffer of R-28: what waits, for how long, and that nothing overtakes.

use crate::rig::*;
use dataplane::park::{By, ParkKey, Report, Why};
use dataplane::punt::PuntReason;
use dataplane::update::Update;
use dataplane::verdict::{Station, Verdict, station_key};
use wire::addr::{Mac, ROUTER_MAC};

const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0x99]);
/// A's at another MAAR, not bound here.
const A_HOA2: &str = "2001:db8:a2:a:0:ff:fe00:a";

/// A packet of A, told apart by its data.
fn numbered(src: &str, dst: &str, n: u16) -> Vec<u8> {
    frame(ROUTER_MAC, MAC_A, src, dst, 17, &udp(&n.to_be_bytes()))
}

fn from_peer(dst: &str, n: u16) -> Vec<u8> {
    around(B_MAAR2, &frame(CORE_MAC, MAC_ROUTER, B_HOA1, dst, 17, &udp(&n.to_be_bytes()))[14..])
}

/// The numbers of what was sent, in order.
fn numbers(out: &Out) -> Vec<u16> {
    let number =
        |frame: &Vec<u8>| u16::from_be_bytes([frame[frame.len() - 2], frame[frame.len() - 1]]);
    out.sent.iter().map(|(_, frame)| number(frame)).collect()
}

fn in_exchange() -> Rig {
    let mut rig = Rig::parking();
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Exchange));
    rig
}

fn bind(rig: &mut Rig, key: u64, verdict: Verdict) {
    rig.update(Update::Bind { key, verdict });
    rig.worker.housekeeping();
}

fn by_station(prefix: &str) -> ParkKey {
    ParkKey { prefix: key(prefix), by: By::Station(MAC_A) }
}

fn towards(prefix: &str) -> ParkKey {
    ParkKey { prefix: key(prefix), by: By::Destination }
}

const HERE: Verdict =
    Verdict::Deliver { mac: MAC_A, port: ACCESS, anchored: false, settled: false };

#[test]
fn what_an_mn_sends_while_its_exchange_runs_follows_in_order_when_it_ends() {
    let mut rig = in_exchange();
    let frames: Vec<_> = (0..200).map(|n| numbered(A_HOA2, B_HOA1, n)).collect();
    let out = rig.run(ACCESS, &frames);
    assert_eq!((out.sent.len(), out.waiting, out.all["info.parkings"]), (0, 200, 200));
    assert!(out.counts.is_empty(), "{:?}", out.counts);
    let report =
        Report { key: by_station(A_HOA2), why: Why::Pending, port: ACCESS, source: at(A_HOA2) };
    assert_eq!(out.parked, [report], "told once");
    let out = rig.then(Update::Bind { key: key(A_HOA2), verdict: HERE });
    assert_eq!(numbers(&out), (0..200).collect::<Vec<_>>());
    assert_eq!((out.counts["tunnelled"], out.waiting), (200, 0));
    rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 7)).sent_as("tunnelled");
}

#[test]
fn nothing_overtakes_what_waits() {
    let mut rig = in_exchange();
    rig.run(ACCESS, &(0..150).map(|n| numbered(A_HOA2, B_HOA1, n)).collect::<Vec<_>>());
    rig.update(Update::Bind { key: key(A_HOA2), verdict: HERE });
    rig.worker.housekeeping();
    let mut seen = Vec::new();
    for n in 150..400 {
        seen.extend(numbers(&rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, n))));
    }
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
}

#[test]
fn another_source_of_the_station_does_not_wait() {
    let mut rig = in_exchange();
    rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 0));
    rig.one(ACCESS, &numbered(A_HOA1, B_HOA1, 1)).sent_as("tunnelled");
}

#[test]
fn a_source_that_no_exchange_can_bring_does_not_wait() {
    let mut rig = in_exchange();
    rig.one(ACCESS, &from_a(S, B_HOA1)).dropped_as("source_pending");
    rig.one(ACCESS, &from_a(C_HOA3, B_HOA1)).dropped_as("source_pending");
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Attached));
    for foreign in [from_a(S, B_HOA1), from_a(C_HOA3, B_HOA1)] {
        rig.one(ACCESS, &foreign).punted_as(PuntReason::SourceFailed, &foreign);
    }
}

/// its anchor is asked while it waits.
#[test]
fn an_attached_stations_source_that_a_peer_leased_waits_too() {
    let mut rig = Rig::parking();
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Attached));
    let out = rig.run(ACCESS, &(0..3).map(|n| numbered(A_HOA2, B_HOA1, n)).collect::<Vec<_>>());
    let report =
        Report { key: by_station(A_HOA2), why: Why::Pending, port: ACCESS, source: at(A_HOA2) };
    assert_eq!((out.parked.as_slice(), out.waiting), (&[report][..], 3));
    let out = rig.then(Update::Bind { key: key(A_HOA2), verdict: HERE });
    assert_eq!(numbers(&out), [0, 1, 2]);
}

#[test]
fn a_claim_of_anothers_source_does_not_hold_up_its_owner() {
    let mut rig = Rig::parking();
    bind(&mut rig, station_key(MAC_C), Verdict::Station(Station::Exchange));
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Exchange));
    let claim = udp_frame(ROUTER_MAC, MAC_C, A_HOA2, S);
    assert_eq!(rig.one(ACCESS, &claim).waiting, 1);
    rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 1));
    let mine = rig.then(Update::Bind { key: key(A_HOA2), verdict: HERE });
    assert_eq!(numbers(&mine), [1]);
    assert_eq!((mine.counts["tunnelled"], mine.counts["drop.park_given_up"]), (1, 1));
}

#[test]
fn the_first_frames_of_a_station_without_record_start_an_attachment_and_wait_for_it() {
    let mut rig = Rig::parking();
    let frame = udp_frame(ROUTER_MAC, STRANGER, A_HOA2, B_HOA1);
    let out = rig.run(ACCESS, &[frame.clone(), frame.clone()]);
    let key = ParkKey { prefix: key(A_HOA2), by: By::Station(STRANGER) };
    let report = Report { key, why: Why::Stranger, port: ACCESS, source: at(A_HOA2) };
    assert_eq!((out.parked.as_slice(), out.waiting), (&[report][..], 2));
    Rig::parking().one(ACCESS_BY_EVENT, &frame).dropped_as("station_unknown");
    let legacy = udp_frame(ROUTER_MAC, STRANGER, S, B_HOA1);
    rig.one(ACCESS, &legacy).punted_as(PuntReason::UnknownStation, &legacy);
}

#[test]
fn what_is_given_up_is_decided_without_waiting_until_it_is_lifted() {
    let mut rig = in_exchange();
    rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 0));
    let out = rig.then(Update::GiveUp(by_station(A_HOA2)));
    assert_eq!((out.counts["drop.park_given_up"], out.waiting), (1, 0));
    rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 1)).dropped_as("source_pending");
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Attached));
    let foreign = from_a(A_HOA2, B_HOA1);
    rig.one(ACCESS, &foreign).punted_as(PuntReason::SourceFailed, &foreign);
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Exchange));
    rig.update(Update::Lift(by_station(A_HOA2)));
    rig.worker.housekeeping();
    let out = rig.one(ACCESS, &numbered(A_HOA2, B_HOA1, 2));
    assert_eq!((out.waiting, out.parked.len()), (1, 1), "it parks, and is told, again");
}

#[test]
fn a_tunnelled_packet_for_a_destination_nobody_knows_waits_for_it_to_come() {
    let mut rig = Rig::parking();
    let out = rig.run(CORE, &(0..3).map(|n| from_peer(A_HOA2, n)).collect::<Vec<_>>());
    let report =
        Report { key: towards(A_HOA2), why: Why::Unplaced, port: CORE, source: at(B_HOA1) };
    assert_eq!((out.parked.as_slice(), out.waiting), (&[report][..], 3));
    let out = rig.then(Update::Bind { key: key(A_HOA2), verdict: HERE });
    assert_eq!((numbers(&out), out.counts["delivered"]), (vec![0, 1, 2], 3));
}

#[test]
fn a_destination_believed_behind_the_very_sender_waits_too() {
    let mut rig = Rig::parking();
    bind(&mut rig, key(A_HOA2), Verdict::Tunnel { peer: 2, anchored: false, former: false });
    assert_eq!(rig.one(CORE, &from_peer(A_HOA2, 0)).waiting, 1);
}

#[test]
fn only_who_anchors_an_mn_or_had_it_sends_a_tunnels_packet_on_and_others_wait_for_it() {
    for (anchored, former) in [(true, false), (false, true)] {
        let mut rig = Rig::parking();
        bind(&mut rig, key(A_HOA2), Verdict::Tunnel { peer: 1, anchored, former });
        rig.one(CORE, &from_peer(A_HOA2, 0)).sent_as("tunnelled");
    }
    let mut rig = Rig::parking();
    bind(&mut rig, key(A_HOA2), Verdict::Tunnel { peer: 1, anchored: false, former: false });
    assert_eq!(rig.one(CORE, &from_peer(A_HOA2, 0)).waiting, 1);
    let out = rig.then(Update::GiveUp(towards(A_HOA2)));
    assert_eq!((out.counts["tunnelled"], out.waiting), (1, 0), "nobody comes: the entry is right");
    rig.one(CORE, &from_peer(A_HOA2, 1)).sent_as("tunnelled");
}

#[test]
fn when_it_is_given_up_it_goes_to_the_anchor_or_ends() {
    let mut rig = Rig::parking();
    rig.one(CORE, &from_peer(A_HOA2, 0));
    let out = rig.then(Update::GiveUp(towards(A_HOA2)));
    assert_eq!((out.counts["tunnelled"], out.waiting), (1, 0));
    rig.one(CORE, &from_peer(A_HOA2, 1)).sent_as("tunnelled");
    let mut again = from_peer(E_HOA, 2);
    again[17] |= 1;
    assert_eq!(rig.one(CORE, &again).waiting, 1, "sent to an anchor before");
    let out = rig.then(Update::GiveUp(towards(E_HOA)));
    assert_eq!(out.counts["drop.park_given_up"], 1);
}

#[test]
fn what_comes_for_a_detached_mn_waits_whatever_brings_it_and_follows_it_into_the_tunnel() {
    let mut rig = Rig::parking();
    bind(&mut rig, key(D_HOA3), Verdict::Absent { park: true });
    let core = |n: u16| frame(CORE_MAC, MAC_ROUTER, S, D_HOA3, 17, &udp(&n.to_be_bytes()));
    let frames = [from_peer(D_HOA3, 0), core(1), from_peer(D_HOA3, 2)];
    assert_eq!(rig.run(CORE, &frames).waiting, 3);
    let out = rig.one(ACCESS, &numbered(A_HOA3, D_HOA3, 3));
    assert_eq!((out.waiting, out.parked.len()), (4, 0), "the slow path knows");
    let to_peer = Verdict::Tunnel { peer: 1, anchored: true, former: false };
    let out = rig.then(Update::Bind { key: key(D_HOA3), verdict: to_peer });
    assert_eq!((numbers(&out), out.counts["tunnelled"]), (vec![0, 1, 2, 3], 4));
}

#[test]
fn the_end_of_the_buffer_time_ends_the_waiting() {
    let mut rig = Rig::parking();
    bind(&mut rig, key(D_HOA3), Verdict::Absent { park: true });
    rig.one(CORE, &by_core(S, D_HOA3));
    let end = Verdict::Absent { park: false };
    let out = rig.then(Update::Bind { key: key(D_HOA3), verdict: end });
    assert_eq!((out.counts["drop.park_given_up"], out.waiting), (1, 0));
    rig.one(CORE, &by_core(S, D_HOA3)).dropped_as("mn_absent");
}

#[test]
fn a_packet_whose_source_is_good_now_queues_where_its_destination_is_waited_for() {
    let mut rig = in_exchange();
    bind(&mut rig, key(D_HOA3), Verdict::Absent { park: true });
    rig.one(CORE, &from_peer(D_HOA3, 0));
    rig.run(ACCESS, &[numbered(A_HOA2, D_HOA3, 1), numbered(A_HOA2, B_HOA1, 2)]);
    let out = rig.then(Update::Bind { key: key(A_HOA2), verdict: HERE });
    assert_eq!((numbers(&out), out.waiting), (vec![2], 2));
    let out = rig.then(Update::Bind { key: key(D_HOA3), verdict: DELIVER_A });
    assert_eq!(numbers(&out), [0, 1]);
}

#[test]
fn over_its_limits_it_drops_by_name() {
    let mut rig = in_exchange();
    let out = rig.run(ACCESS, &vec![numbered(A_HOA2, B_HOA1, 0); 2050]);
    assert_eq!((out.waiting, out.counts["drop.park_full"]), (2048, 2));
    let unknown = |n: usize| from_peer(&format!("2001:db8:b2:{n:x}::1"), 0);
    let out = rig.run(CORE, &(1..=66).map(unknown).collect::<Vec<_>>());
    assert_eq!((out.waiting, out.counts["drop.park_full"]), (2048 + 64, 2));
    let out = rig.run(CORE, &vec![unknown(1); 2050]);
    assert_eq!((out.waiting, out.counts["drop.park_full"]), (4096, 66), "the worker's slots");
}

#[test]
fn what_waits_is_told_later_when_the_ring_is_full() {
    let mut rig = in_exchange();
    let signal = frame(CORE_MAC, MAC_ROUTER, A_MAAR1, A_MAAR3, 135, &[59, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..8 {
        let mut burst = (0..32).map(|_| wire::buf::VecBuf::new(&signal)).collect();
        rig.worker.burst(CORE, &mut burst, &mut Sent::default());
    }
    let mut burst = std::iter::once(wire::buf::VecBuf::new(&from_a(A_HOA2, B_HOA1))).collect();
    rig.worker.burst(ACCESS, &mut burst, &mut Sent::default());
    assert!(rig.worker.holds());
    assert!(rig.turn().parked.is_empty());
    assert_eq!(rig.turn().parked.len(), 1);
}

#[test]
fn without_room_nothing_parks() {
    let mut rig = Rig::new();
    bind(&mut rig, station_key(MAC_A), Verdict::Station(Station::Exchange));
    rig.one(ACCESS, &from_a(A_HOA2, B_HOA1)).dropped_as("source_pending");
    bind(&mut rig, key(D_HOA3), Verdict::Absent { park: true });
    rig.one(CORE, &by_core(S, D_HOA3)).dropped_as("mn_absent");
}
