// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The worker around the pipeline: updates, snapshots, samples, budgets.

use crate::rig::*;
use dataplane::punt::{Punt, PuntReason};
use dataplane::update::Update;
use dataplane::verdict::Verdict;
use std::sync::Arc;

fn many(frame: &[u8], n: usize) -> Vec<Vec<u8>> {
    vec![frame.to_vec(); n]
}

#[test]
fn an_update_is_in_force_when_its_number_is_published() {
    let mut rig = Rig::new();
    let before = rig.ends.stats.applied();
    assert_eq!(before, bindings().len() as u64);
    rig.update(Update::Unbind { key: key(B_HOA1) });
    rig.update(Update::Bind { key: key(D_HOA3), verdict: DELIVER_A });
    rig.one(ACCESS, &from_a(A_HOA1, B_HOA1)).sent_as("tunnelled");
    assert_eq!(rig.ends.stats.applied(), before + 2);
    // Without its entry B is managed, and anchored behind a peer that is not resolved.
    rig.one(ACCESS, &from_a(A_HOA1, B_HOA1)).dropped_as("peer_unresolved");
    rig.one(CORE, &by_core(S, D_HOA3)).sent_as("delivered");
}

#[test]
fn a_full_table_keeps_what_it_has_and_counts_what_it_refuses() {
    let mut rig = Rig::new();
    for n in 1..=200 {
        rig.update(Update::Bind { key: n, verdict: Verdict::Absent { park: false } });
    }
    let all = bindings().len() as u64 + 200;
    for _ in 0..1000 {
        rig.worker.housekeeping();
    }
    assert_eq!(rig.ends.stats.applied(), all);
    let out = rig.one(ACCESS, &from_a(A_HOA1, B_HOA1));
    out.sent_as("tunnelled");
    assert!(out.all["info.table_full"] > 50, "{:?}", out.all);
}

#[test]
fn the_old_snapshot_comes_back_and_the_new_one_is_in_force() {
    let mut rig = Rig::new();
    let mut next = fib();
    next.peers[2] = None;
    rig.update(Update::Fib(Arc::new(next.build())));
    rig.worker.housekeeping();
    let Ok(Punt::OldFib(old)) = rig.ends.punts.pop() else { panic!("no snapshot came back") };
    assert_eq!(Arc::strong_count(&old), 1, "no worker holds it");
    assert_eq!(old.peer_at(at(B_MAAR2)), Some(2));
    rig.one(ACCESS, &from_a(A_HOA1, B_HOA1)).dropped_as("peer_unknown");
}

#[test]
fn a_snapshot_waits_for_room_in_the_punt_ring_and_holds_later_updates_back() {
    let mut rig = Rig::new();
    // Mobility Headers may fill the ring whole.
    let signal = frame(CORE_MAC, MAC_ROUTER, A_MAAR1, A_MAAR3, 135, &[59, 0, 0, 0, 0, 0, 0, 0]);
    let mut burst = many(&signal, 32)
        .iter()
        .map(|f| wire::buf::VecBuf::new(f))
        .collect::<arrayvec::ArrayVec<_, 32>>();
    let full = burst.clone();
    while rig.ends.punts.slots() < 256 {
        burst.clone_from(&full);
        rig.worker.burst(CORE, &mut burst, &mut Sent::default());
    }
    let before = rig.ends.stats.applied();
    rig.update(Update::Fib(Arc::new(fib().build())));
    rig.update(Update::Unbind { key: key(B_HOA1) });
    for _ in 0..3 {
        rig.worker.housekeeping();
        assert_eq!(rig.ends.stats.applied(), before + 1);
    }
    assert!(rig.ends.punts.pop().is_ok());
    rig.worker.housekeeping();
    assert_eq!(rig.ends.stats.applied(), before + 2);
    let mut punts = std::iter::from_fn(|| rig.ends.punts.pop().ok());
    assert!(punts.any(|punt| matches!(punt, Punt::OldFib(_))));
}

#[test]
fn a_session_is_reported_once_until_the_worker_is_told_to_forget() {
    let mut rig = Rig::new();
    let out = rig.run(ACCESS, &many(&from_a(A_HOA1, B_HOA1), 320));
    assert_eq!(out.sessions, [(at(A_HOA1), at(B_HOA1))]);
    assert!(rig.run(CORE, &many(&by_tunnel(B_MAAR2, B_HOA1, A_HOA1), 64)).sessions.is_empty());
    rig.update(Update::ForgetSamples);
    rig.worker.housekeeping();
    let out = rig.run(CORE, &many(&by_tunnel(B_MAAR2, B_HOA1, A_HOA1), 64));
    assert_eq!(out.sessions, [(at(A_HOA1), at(B_HOA1))]);
}

#[test]
fn a_session_is_of_an_mn_here_with_a_managed_address_and_one_packet_a_burst_is_looked_at() {
    let mut rig = Rig::new();
    for (port, frame) in [(ACCESS, from_a(B_HOA1, E_HOA)), (CORE, by_core(E_HOA, "2001:db8:7::1"))]
    {
        assert!(rig.run(port, &many(&frame, 64)).sessions.is_empty());
    }
    // With all that no MAAR serves together, a HoA has one session: it is in use.
    let used = rig.run(ACCESS, &many(&from_a(A_HOA1, S), 64));
    assert_eq!(used.sessions, [(at(A_HOA1), at("::"))]);
    assert!(rig.run(CORE, &many(&by_core(S, A_HOA1), 64)).sessions.is_empty());
    let both = rig.run(ACCESS, &many(&from_a(A_HOA3, C_HOA3), 32));
    let (a, c) = (at(A_HOA3), at(C_HOA3));
    assert_eq!(both.sessions, [(a, c), (c, a)]);
    let host = |n: usize| from_a(A_HOA1, &format!("2001:db8:b2:e::{n:x}"));
    let hosts: Vec<_> = (1..=320).map(host).collect();
    assert_eq!(rig.run(ACCESS, &hosts).sessions.len(), 2, "no more in one turn");
    let mut burst_by_burst = || {
        let reported = hosts.chunks(32).map(|burst| {
            rig.worker.housekeeping();
            rig.run(ACCESS, burst).sessions.len()
        });
        reported.sum::<usize>()
    };
    assert_eq!(burst_by_burst(), 10);
}

#[test]
fn a_flood_of_one_kind_is_dropped_by_its_own_name_and_leaves_room_for_signalling() {
    let mut rig = Rig::new();
    let spoofed = from_a(C_HOA3, S);
    let out = rig.run(ACCESS, &many(&spoofed, 1000));
    assert_eq!(out.counts["punt.source_failed"], 16);
    assert_eq!(out.counts["drop.budget_source_failed"], 984);
    let solicit = hex(
        "33330000000202000000000a86dd6000000000083afffe80000000000000000000fffe00000aff02000000000000000000000000000285007e2d00000000",
    );
    let signal = frame(CORE_MAC, MAC_ROUTER, A_MAAR1, A_MAAR3, 135, &[59, 0, 0, 0, 0, 0, 0, 0]);
    // The slow path takes nothing for twenty turns.
    let mut sent = Sent::default();
    for _ in 0..20 {
        let mut flood = many(&solicit, 32).iter().map(|f| wire::buf::VecBuf::new(f)).collect();
        rig.worker.burst(ACCESS, &mut flood, &mut sent);
        rig.worker.housekeeping();
    }
    let out = rig.run(CORE, &many(&signal, 40));
    assert_eq!(out.punted.iter().filter(|(r, _)| *r == PuntReason::MobilityHeader).count(), 40);
    assert!(out.counts["drop.punt_ring_full"] > 0);
}

#[test]
fn turns_are_counted() {
    let mut rig = Rig::new();
    let before = rig.ends.stats.turns();
    rig.worker.housekeeping();
    rig.worker.housekeeping();
    assert_eq!(rig.ends.stats.turns(), before + 2);
}

#[test]
fn a_worker_can_be_handed_to_a_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Rig::new().worker);
}
