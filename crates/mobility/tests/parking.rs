// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What workers hold until an exchange ends, and for a Detached node: who it may still come for, and when
//! it is given up.

mod common;

use common::world::*;
use common::{NEW_YEAR, Net, ms, secs};
use mobility::{Input, ParkKey, Place};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Prefix64};
use wire::time::Instant;

fn of(user: User, hoa: Ipv6Addr) -> ParkKey {
    ParkKey { station: Some(user.mac()), prefix: Prefix64::of(hoa) }
}

fn towards(hoa: Ipv6Addr) -> ParkKey {
    ParkKey { station: None, prefix: Prefix64::of(hoa) }
}

/// When keys were given up, from `start` on.
fn given_up(net: &Net, maar: Ipv6Addr, start: Instant) -> Vec<(Duration, ParkKey)> {
    net.router(maar).given_up.iter().map(|&(at, key)| (at - start, key)).collect()
}

fn lifted(net: &Net, maar: Ipv6Addr, start: Instant) -> Vec<(Duration, ParkKey)> {
    net.router(maar).lifted.iter().map(|&(at, key)| (at - start, key)).collect()
}

/// The places told of a HoA since there were `from` of all.
fn told(net: &Net, maar: Ipv6Addr, hoa: Ipv6Addr, from: usize) -> Vec<Place> {
    let told = &net.router(maar).told[from..];
    let of_hoa = told.iter().filter(|(prefix, _)| *prefix == Prefix64::of(hoa));
    of_hoa.map(|&(_, place)| place).collect()
}

/// A's packets wait, at a HoA of an earlier MAAR and at the lease.
const PARK: Place = Place::Left { port: 0, mac: A_MAC, anchored: false };
const PARK_LEASE: Place = Place::Left { port: 0, mac: A_MAC, anchored: true };
const A_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
const DROP: Place = Place::Absent { park: false };

#[test]
fn what_the_exchange_brings_is_not_given_up() {
    let mut net = Net::g0().both_away();
    net.set_link(A2, A3, ms(200));
    net.attach(A, A3);
    for key in [of(A, A_HOA1), of(A, A_HOA3), towards(A_HOA1)] {
        net.handle(A3, Input::Parked(key));
    }
    net.run(secs(3));
    assert_eq!(net.router(A3).state(A), "Attached");
    assert_eq!(net.router(A3).given_up, []);
}

/// The order of R-41: the first packets that are let go know the direct way.
#[test]
fn the_correspondents_places_are_told_before_the_hoa_s_own() {
    let mut net = Net::g0().both_away();
    let from = net.router(A3).told.len();
    net.attach(A, A3);
    net.run(secs(1));
    let told = &net.router(A3).told[from..];
    let at = |hoa| told.iter().position(|(prefix, _)| *prefix == Prefix64::of(hoa));
    assert!(at(B_HOA1) < at(A_HOA1) && at(B_HOA1).is_some(), "{told:?}");
}

/// R-02, scenario 42: E parks packets with A's source, and its exchange does not bring that.
#[test]
fn what_the_exchange_did_not_bring_is_given_up_when_it_ends_and_lifted_a_second_later() {
    let mut net = Net::g0().both_away();
    net.attach(E, A2);
    net.run(secs(1));
    net.set_link(A2, A3, ms(100));
    let start = net.now;
    net.attach(E, A3);
    net.handle(A3, Input::Parked(of(E, A_HOA1)));
    net.run(secs(3));
    // When the exchange ends its anchor is asked, which knows E but not as its owner.
    assert_eq!(given_up(&net, A3, start), [(ms(105), of(E, A_HOA1))]);
    assert_eq!(lifted(&net, A3, start), [(ms(1105), of(E, A_HOA1))]);
    // And so whenever packets wait again.
    let start = net.now;
    net.handle(A3, Input::Parked(of(E, A_HOA1)));
    net.run(ms(10));
    assert_eq!(
        net.talk_of(start, A3, A1),
        ["a3>a1 sDBU E 2001:db8:a1:a:0:ff:fe00:e", "a1>a3 sDBA 153"]
    );
    assert_eq!(given_up(&net, A3, start).last(), Some(&(ms(2), of(E, A_HOA1))));
    // A worker that had no room to note it says so again.
    net.handle(A3, Input::Parked(of(E, A_HOA1)));
    assert_eq!(net.router(A3).given_up.len(), 3);
    assert_eq!(net.router(A3).counts["parked_given_up"], 2);
}

#[test]
fn nothing_waits_longer_than_a_second_for_an_exchange() {
    let mut net = Net::g0().both_away();
    net.set_link(A2, A3, secs(2));
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(10));
    let reported = net.now - start;
    net.handle(A3, Input::Parked(of(A, A_HOA1)));
    net.run(ms(500));
    // Another worker; the time is that of the first.
    net.handle(A3, Input::Parked(of(A, A_HOA1)));
    net.run(secs(10));
    assert_eq!(given_up(&net, A3, start), [(reported + secs(1), of(A, A_HOA1))]);
    assert_eq!(lifted(&net, A3, start), [(reported + secs(2), of(A, A_HOA1))]);
}

#[test]
fn what_a_tunnel_brings_waits_only_while_some_exchange_is_under_way() {
    let mut net = Net::g0().both_away();
    let start = net.now;
    net.handle(A3, Input::Parked(towards(A_HOA1)));
    assert_eq!(given_up(&net, A3, start), [(ms(0), towards(A_HOA1))]);
    net.run(secs(2));
    net.set_link(A2, A3, ms(100));
    let start = net.now;
    net.attach(A, A3);
    net.handle(A3, Input::Parked(towards(A_HOA1)));
    net.handle(A3, Input::Parked(towards(B_HOA2)));
    net.run(secs(3));
    assert_eq!(given_up(&net, A3, start)[1..], [(ms(103), towards(B_HOA2))]);
}

#[test]
fn a_new_attachment_may_bring_what_was_given_up() {
    let mut net = Net::g0().both_away();
    net.handle(A3, Input::Parked(of(A, A_HOA1)));
    assert_eq!(net.router(A3).given_up.len(), 1);
    let start = net.now;
    net.attach(A, A3);
    assert_eq!(lifted(&net, A3, start), [(ms(0), of(A, A_HOA1))]);
    net.run(secs(3));
    assert_eq!(net.router(A3).lifted.len(), 1);
}

#[test]
fn what_waits_for_a_station_the_aaa_refuses_is_given_up() {
    let mut net = Net::g0().both_away();
    net.set_fate(|sent| match sent.to_string().as_str() {
        "a3>AAA AAR A" => common::Fate::Lose,
        _ => common::Fate::Arrive,
    });
    net.attach(A, A3);
    net.handle(A3, Input::Parked(of(A, A_HOA1)));
    net.run(ms(100));
    let start = net.now;
    let id = net.log.iter().rev().find_map(|sent| match &sent.what {
        common::log::What::Request(request) => Some(request.id),
        _ => None,
    });
    let id = id.expect("step 2");
    let answer = mobility::AaaAnswer::Refused { code: 5003, current: None };
    net.handle(A3, Input::Aaa { id, answer });
    assert_eq!(given_up(&net, A3, start), [(ms(0), of(A, A_HOA1))]);
}

/// 10 s, then the lists stay but packets do not wait.
#[test]
fn packets_for_a_detached_node_wait_ten_seconds() {
    let mut net = Net::g0().figure1();
    let from = net.router(A3).told.len();
    net.detach(A);
    net.run(ms(9_999));
    assert_eq!(told(&net, A3, A_HOA1, from), [PARK]);
    net.run(ms(2));
    assert_eq!(told(&net, A3, A_HOA1, from), [PARK, DROP]);
    assert_eq!(told(&net, A3, A_HOA3, from), [PARK_LEASE, DROP]);
    assert_eq!(net.router(A3).state(A), "Detached");
}

#[test]
fn a_detached_node_that_comes_back_or_is_fetched_gets_what_waits() {
    let mut net = Net::g0().figure1();
    let from = net.router(A3).told.len();
    net.detach(A);
    net.run(secs(5));
    net.attach(A, A3);
    net.run(secs(20));
    let places = told(&net, A3, A_HOA1, from);
    assert!(
        matches!(places[..], [PARK, Place::Here { settled: false, .. }, Place::Here { .. }]),
        "{places:?}"
    );
    let from = net.router(A3).told.len();
    net.detach(A);
    net.run(secs(5));
    net.attach(A, A2);
    net.run(secs(20));
    assert_eq!(
        told(&net, A3, A_HOA1, from),
        [PARK, Place::Behind { maar: A2, anchored: false, former: true }]
    );
    assert_eq!(
        told(&net, A3, A_HOA3, from),
        [PARK_LEASE, Place::Behind { maar: A2, anchored: true, former: true }]
    );
}

#[test]
fn both_times_are_knobs_and_0_is_off() {
    let mut net = Net::new(NEW_YEAR, |config| {
        (config.timers.park, config.timers.buffer) = (Duration::ZERO, Duration::ZERO);
    });
    net = net.figure1();
    let from = net.router(A3).told.len();
    net.detach(A);
    net.run(secs(20));
    assert_eq!(told(&net, A3, A_HOA1, from), [DROP]);
    net.attach(A, A2);
    let start = net.now;
    net.handle(A2, Input::Parked(of(A, A_HOA1)));
    assert_eq!(given_up(&net, A2, start), [(ms(0), of(A, A_HOA1))]);
}
