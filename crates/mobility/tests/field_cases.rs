// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults seen in the field on other mobility routers, as far as the protocol decides them (FC-25 to FC-32 of
//! `crates/maard/FIELD-CASES.md`).

mod common;

use common::forge;
use common::log::{Node, Sent, What};
use common::world::*;
use common::{NEW_YEAR, Net, ms, secs};
use mobility::{Input, ParkKey, StationState};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64};
use wire::nd::RouterSolicit;
use wire::time::MesgId;

fn adverts(net: &Net, since: wire::time::Instant, user: User) -> Vec<std::time::Duration> {
    let to_user = |sent: &&Sent| matches!(sent.what, What::Ra(_)) && sent.to == Node::User(user);
    net.sent(since).filter(to_user).map(|sent| sent.at - since).collect()
}

#[test]
fn fc_25_after_a_link_flap_every_attached_mn_is_advertised_within_three_seconds() {
    let mut net = Net::g0();
    let crowd: Vec<User> = (0x100..0x120).map(User).collect();
    crowd.iter().for_each(|user| net.attach(*user, A1));
    net.run(secs(60));
    let up = net.now;
    net.handle(A1, Input::PortUp { port: 0 });
    net.run(secs(3));
    let times: Vec<_> = crowd.iter().map(|user| adverts(&net, up, *user)).collect();
    assert!(times.iter().all(|of_one| of_one.len() == 1), "{times:?}");
    let first = times.iter().flatten().filter(|at| **at < ms(500)).count();
    assert!(first < crowd.len() / 2, "spread, not in one burst: {first}");
    // An RS is answered at once all the same.
    let start = net.now;
    net.solicit(crowd[0], A1, &[]);
    net.run(ms(1));
    assert_eq!(adverts(&net, start, crowd[0]).len(), 1);
}

#[test]
fn fc_26_fifty_thousand_stations_a_second_delay_no_handover() {
    let mut net = Net::g0().figure1();
    for n in 0..50_000u64 {
        let mac = Mac::from_u64(0x0600_0000_0000 + n);
        let rs = RouterSolicit {
            source: Ipv6Addr::UNSPECIFIED,
            sllao: None,
            mn_id: None,
            sessions: Vec::new(),
        };
        net.handle_quietly(A3, Input::RouterSolicit { port: 0, mac, rs });
    }
    assert_eq!(net.router(A3).count("attach_budget_exceeded"), 45_000);
    assert_eq!(net.router(A3).maar.mns().len(), 5_001);
    let start = net.now;
    net.attach(A, A1);
    net.run(ms(20));
    assert_eq!(
        net.talk_of(start, A1, A3)[1],
        "a3>a1 sDBA 0 A_HoA1/::@a1 A_HoA1/B_HoA1@b2 A_HoA3/::@a3"
    );
    net.assert_direct(A_HOA1, B_HOA1, "a1=>b2", "b2=>a1");
}

#[test]
fn fc_27_a_pool_of_256_serves_256_and_each_mn_has_one_lease() {
    let mut net = Net::new(NEW_YEAR, |config| config.pool.len = 56);
    for n in 0..300u16 {
        net.attach(User(0x100 + n), A1);
    }
    net.run(secs(1));
    let mns = net.router(A1).maar.mns();
    let leases: std::collections::BTreeSet<_> = mns.iter().filter_map(|mn| mn.lease).collect();
    assert_eq!((mns.len(), leases.len()), (256, 256));
    assert_eq!(net.router(A1).count("lease_pool_exhausted"), 44);
    let first = net.router(A1).mn(User(0x100)).and_then(|mn| mn.lease);
    for _ in 0..300 {
        net.detach(User(0x100));
        net.attach(User(0x100), A1);
        net.run(ms(10));
        assert_eq!(net.router(A1).mn(User(0x100)).and_then(|mn| mn.lease), first);
    }
}

#[test]
fn fc_28_a_late_detach_event_where_the_mn_was_changes_nothing() {
    let mut net = Net::g0().figure1();
    assert_eq!(net.router(A2).state(A), "Released");
    let start = net.now;
    net.handle(A2, Input::L2Detach { mac: A.mac() });
    net.run(secs(20));
    assert_eq!(net.router(A2).count("detach_not_here"), 1);
    let from_a2 = |sent: &&Sent| sent.from == Node::Router(A2);
    assert_eq!(net.sent(start).filter(from_a2).count(), 0, "no STR, no dDBU");
    assert_eq!(net.router(A2).place(A_HOA1), "a3", "forwarded until HOLD ends");
}

/// HOLD of the record ends while the entry for its HoA is the correspondent's MAAR's own by now.
#[test]
fn fc_29_the_end_of_a_record_leaves_the_newer_entry_alone() {
    let mut net = Net::g0().both_away();
    net.attach(B, A2);
    net.run(secs(1));
    net.talk(A_HOA1, B_HOA1);
    net.attach(A, A3);
    net.run(secs(1));
    assert_eq!(net.router(A2).state(A), "Released");
    net.keep_talking(A_HOA1, B_HOA1, secs(10), secs(120));
    assert_eq!(net.router(A2).state(A), "None", "HOLD is over");
    assert_eq!(net.entries(A2, A_HOA1), ["A_HoA1 -> a3"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>a2", "a2=>a3");
    // T_DETACH of a MAAR that was never told where A went.
    net.detach(A);
    net.run(secs(1));
    net.aaa.misplace(&A.nai(), A2);
    net.solicit(A, B3, &[(A_HOA1, B_HOA1)]);
    net.run(secs(1));
    assert_eq!(net.router(A3).state(A), "Detached");
    net.keep_talking(A_HOA1, B_HOA1, secs(10), secs(700));
    assert_eq!(net.router(A3).state(A), "None");
    assert_eq!(net.aaa.maar_of(&A.nai()), Some(B3), "the late STR is not the stored attachment's");
    assert_eq!(net.entries(A2, A_HOA1), ["A_HoA1 -> b3"]);
    net.assert_direct(A_HOA1, B_HOA1, "b3=>a2", "a2=>b3");
}

#[test]
fn fc_30_heartbeats_of_any_shape_are_counted_and_harmless() {
    let mut net = Net::g0().both_away();
    let counted = |net: &Net| net.router(A2).counts.values().sum::<u32>();
    let bodies: [&[u8]; 6] = [
        &[],
        &[0; 6],
        &[0xff; 6],
        &[0, 0, 0, 0, 0, 0, 28, 0],
        &[0, 2, 0, 0, 0, 1, 28, 4, 0, 0, 0, 0],
        &[0; 30],
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        let before = (counted(&net), net.lists(A2), net.router(A2).told.len());
        let mut octets = forge::header(13, body);
        let id = MesgId::from_unix(net.time().wall + ms(n as u64 + 1));
        forge::seal(&mut octets, A3, A2, id);
        net.inject(A3, A2, &octets);
        assert!(counted(&net) > before.0 || net.story(net.now).len() == 1, "{body:x?}");
        assert_eq!((net.lists(A2), net.router(A2).told.len()), (before.1, before.2));
        net.run(ms(10));
    }
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
}

#[test]
fn fc_31_a_clock_that_steps_back_is_not_followed_and_one_that_is_wrong_costs_a_round_trip() {
    let mut net = Net::g0().both_away();
    net.step_back(A3, secs(3600));
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
    let refused = |sent: &&Sent| {
        let status = sent.sdba().map(|m| m.status.0).or(sent.ddba().map(|m| m.status.0));
        status.is_some_and(|status| status != 0)
    };
    assert_eq!(net.sent(start).filter(refused).count(), 0, "{:?}", net.story(start));
    // One whose clock is an hour behind from the start on is told so, asks once more and is answered.
    net.step_back(B3, secs(3600));
    net.restart(B3);
    let start = net.now;
    net.attach(B, B3);
    net.run(secs(1));
    let said = net.talk_of(start, B2, B3);
    assert_eq!(said[..3], ["b3>b2 sDBU B", "b2>b3 sDBA 144", "b3>b2 sDBU B"]);
    assert!(said[3].starts_with("b2>b3 sDBA 0"), "{said:?}");
    assert!(net.router(B3).count("peer_clock_off") >= 1);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b3", "b3=>a3");
    // Timers are of the other clock: nothing ends early, nothing hangs.
    net.keep_talking(A_HOA1, B_HOA1, secs(10), secs(700));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b3", "b3=>a3");
}

/// Scenario 3 with an sDBA that takes 500 ms.
#[test]
fn fc_32_nothing_is_refused_while_the_sdba_is_under_way() {
    let mut net = Net::g0().at_home();
    net.set_link(A1, A2, ms(500));
    net.attach(A, A2);
    net.handle(A2, Input::Parked(ParkKey { station: Some(A.mac()), prefix: Prefix64::of(A_HOA1) }));
    for _ in 0..50 {
        let state = net.router(A2).stations[&A.mac()];
        assert_eq!(state, StationState::Exchange, "its packets wait, none is answered (R-33)");
        net.run(ms(10));
    }
    net.run(ms(3));
    assert_eq!(net.router(A2).stations[&A.mac()], StationState::Attached);
    assert!(net.router(A2).given_up.is_empty());
    let start = net.now;
    net.probe(A_HOA1, B_HOA1);
    net.run(ms(10));
    net.assert_all_arrived(start);
}
