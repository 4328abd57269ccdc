// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Recovery: scenario 28 of PROTOCOL.md section 5, and the limits of what a station may ask for.

mod common;

use common::log::Sent;
use common::world::*;
use common::{Fate, Net, ms, secs};
use mobility::{Input, ParkKey};
use wire::addr::Prefix64;
use wire::mh::{AskGroup, Message, Sdbu};

/// A is at A_MAAR3, whose sDBU found nothing: A_MAAR2 restarted and knows nobody.
fn previous_forgot() -> Net {
    let mut net = Net::g0().both_away();
    net.restart(A2);
    net.attach(A, A3);
    net.run(secs(1));
    net
}

/// 28.
#[test]
fn a_previous_maar_that_forgot_everything_is_stood_in_for_by_the_anchor() {
    let mut net = previous_forgot();
    assert!(net.entries(A3, A_HOA1).is_empty(), "{:?}", net.lists(A3));
    assert_eq!(net.router(A3).state(A), "Attached");
    let start = net.now;
    net.probe(A_HOA1, B_HOA1);
    net.run(ms(100));
    let asked = net.talk_of(start, A3, A1);
    assert_eq!(asked[..2], ["a3>a1 sDBU A A_HoA1", "a1>a3 sDBA 0 A_HoA1/::@a1 A_HoA1/B_HoA1@b1"]);
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    net.talk(A_HOA1, B_HOA1);
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
    assert_eq!(net.entries(A1, A_HOA1), ["A_HoA1 -> a3"]);
}

/// When the anchor has forgotten A's sessions too, it still knows whose lease it is.
#[test]
fn an_anchor_without_a_record_answers_with_the_default_binding() {
    let mut net = Net::g0().both_away();
    net.run(secs(100));
    assert_eq!(net.router(A1).state(A), "None");
    net.restart(A2);
    net.attach(A, A3);
    net.run(secs(1));
    let start = net.now;
    net.probe(A_HOA1, B_HOA1);
    net.run(ms(3));
    let asked = ["a3>a1 sDBU A A_HoA1", "a1>a3 sDBA 0 A_HoA1/::@a1", "a3>a1 dDBU A_HoA1"];
    assert_eq!(net.talk_of(start, A3, A1)[..3], asked);
    net.keep_talking(A_HOA1, B_HOA1, ms(100), secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// the station is in an exchange meanwhile, so its packets wait and nobody tells it an error.
#[test]
fn a_station_is_in_an_exchange_while_its_address_is_recovered() {
    let mut net = previous_forgot();
    let state = |net: &Net| net.router(A3).stations[&A.mac()];
    assert_eq!(state(&net), mobility::StationState::Attached);
    net.probe(A_HOA1, B_HOA1);
    assert_eq!(state(&net), mobility::StationState::Exchange);
    net.run(ms(100));
    assert_eq!(state(&net), mobility::StationState::Attached);
    assert!(net.router(A3).given_up.is_empty(), "what waited was let go");
}

#[test]
fn addresses_a_draft_rs_names_are_recovered_without_a_packet() {
    let mut net = Net::g0().both_away();
    net.restart(A2);
    let start = net.now;
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    net.run(secs(1));
    let asked = net.talk_of(start, A3, A1);
    assert_eq!(asked[..1], ["a3>a1 sDBU A A_HoA1"]);
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// The AAA lost its table: to A_MAAR3 it is a first attachment.
#[test]
fn an_attachment_that_asks_nobody_recovers_what_the_rs_names() {
    let mut net = Net::g0().both_away();
    net.aaa = Default::default();
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    net.run(secs(1));
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

#[test]
fn a_previous_maar_that_is_silent_for_a_second_does_not_hold_up_the_anchor() {
    let mut net = Net::g0().both_away();
    net.set_fate(|sent: &Sent| match sent.to_string().starts_with("a3>a2 sDBU") {
        true => Fate::Lose,
        false => Fate::Arrive,
    });
    net.attach(A, A3);
    net.run(ms(10));
    net.keep_talking(A_HOA1, B_HOA1, ms(50), secs(2));
    assert_eq!(net.router(A3).state(A), "WaitSDBA");
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

#[test]
fn a_recovery_that_is_not_answered_is_repeated_and_ends_after_63_seconds() {
    let mut net = previous_forgot();
    net.set_fate(|sent: &Sent| match sent.to_string().starts_with("a3>a1 sDBU") {
        true => Fate::Lose,
        false => Fate::Arrive,
    });
    let start = net.now;
    net.probe(A_HOA1, B_HOA1);
    net.run(secs(100));
    let times = net.times(start, "a3>a1 sDBU A A_HoA1");
    assert_eq!(times, [0, 1, 3, 7, 15, 31].map(secs));
    assert_eq!(net.router(A3).count("recovery_unanswered"), 1);
    assert_eq!(net.router(A3).stations[&A.mac()], mobility::StationState::Attached);
}

/// At most one a second for each HoA, three a second for each station.
#[test]
fn a_station_that_invents_sources_asks_three_anchors_a_second() {
    let mut net = Net::g0();
    net.attach(E, A3);
    net.run(secs(1));
    let start = net.now;
    let hoas = [A1, A2, B1, B2, B3].map(|maar| A.hoa(maar));
    let packet = |net: &mut Net, n: usize| {
        let key = ParkKey { station: Some(E.mac()), prefix: Prefix64::of(hoas[n % 5]) };
        if !net.router(A3).not_parking.contains(&key) {
            net.handle(A3, Input::Parked(key));
        }
        net.run(ms(10));
    };
    (0..100).for_each(|n| packet(&mut net, n));
    let asked = |net: &Net| net.sent(start).filter(|sent| sent.sdbu().is_some()).count();
    assert_eq!(asked(&net), 3);
    assert_eq!(net.router(A3).count("recovery_limited"), 2);
    (0..400).for_each(|n| packet(&mut net, n));
    assert!((12..=15).contains(&asked(&net)), "{}", asked(&net));
    assert!(net.lists(A3).is_empty(), "none is its own: {:?}", net.lists(A3));
}

/// The anchor's default binding lives 600 s, the entry an sDBU makes 92 s.
#[test]
fn an_sdbu_repeated_after_the_ddbu_does_not_shorten_the_default_binding() {
    let mut net = Net::g0().both_away();
    net.run(secs(100));
    net.restart(A2);
    net.attach(A, A3);
    net.run(secs(1));
    net.probe(A_HOA1, B_HOA1);
    net.run(secs(1));
    let groups = vec![AskGroup { hoa: A_HOA1, cns: Vec::new() }];
    let attach_time = Some(net.attach_time(A3, A));
    let (seq, lifetime, mn_id, cursor) = (9, 23, A.nai(), None);
    let again = Message::Sdbu(Sdbu { seq, lifetime, mn_id, attach_time, groups, cursor });
    net.forge(A3, A1, &again);
    net.run(secs(100));
    assert_eq!(net.entries(A1, A_HOA1), ["A_HoA1 -> a3"]);
}

/// a station whose own source comes in by another access port is there now.
#[test]
fn a_silent_move_to_another_port_of_the_same_maar_is_followed() {
    let mut net = Net::g0().figure1();
    net.handle(A3, Input::SourceFailed { port: 1, mac: A.mac(), source: A_HOA1 });
    assert_eq!(net.router(A3).mn(A).map(|mn| mn.port), Some(1));
    net.handle(A3, Input::SourceFailed { port: 0, mac: A.mac(), source: A_HOA1 });
    assert_eq!(net.router(A3).mn(A).map(|mn| mn.port), Some(1), "once a second");
    net.run(secs(1));
    net.handle(A3, Input::SourceFailed { port: 0, mac: A.mac(), source: B_HOA1 });
    assert_eq!(net.router(A3).mn(A).map(|mn| mn.port), Some(1), "not by another's source");
}
