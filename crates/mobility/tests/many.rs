// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many sessions, addresses and correspondents, a silent AAA, a user that goes away: scenarios 24, 25 and 30 to 34 of
//! PROTOCOL.md section 5.

mod common;

use common::forward::Via;
use common::log::{Node, Sent, What};
use common::world::*;
use common::{Fate, Net, ms, secs};
use mobility::{AaaAnswer, Input, Place};
use std::net::Ipv6Addr;
use wire::addr::Prefix64;

/// Stations at B_MAAR1, each with a name made of its MAC.
fn crowd() -> impl Iterator<Item = User> {
    (0x100..0x164).map(User)
}

/// 24.
#[test]
fn a_hundred_sessions_come_in_pages_and_are_told_in_pages_none_above_1232_octets() {
    let mut net = Net::g0();
    net.attach(A, A1);
    crowd().for_each(|user| net.attach(user, B1));
    net.run(secs(1));
    net.attach(A, A2);
    net.run(secs(1));
    for user in crowd() {
        net.handle(A2, Input::Session { hoa: A_HOA1, cn: user.hoa(B1) });
    }
    net.run(secs(5));
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(3));
    let between: Vec<&Sent> =
        net.sent(start).filter(|s| s.is_between(A3, A2) || s.is_between(A2, A3)).collect();
    let pages: Vec<_> = between.iter().filter_map(|sent| sent.sdba()).collect();
    let (last, before) = pages.split_last().expect("answers");
    assert!(before.len() >= 4 && before.iter().all(|page| page.status.0 == 4), "{}", before.len());
    assert_eq!(last.status.0, 0);
    let asked: Vec<_> = between.iter().filter_map(|sent| sent.sdbu()).collect();
    assert_eq!(asked.len(), pages.len(), "one sDBU a page");
    for (next, page) in asked[1..].iter().zip(&pages) {
        let group = page.groups.last().expect("pairs");
        let pair = (group.hoa, group.sessions.last().expect("a pair").cn);
        assert_eq!(next.cursor, Some(pair), "the last pair received");
    }
    let octets = net.sent(start).filter_map(Sent::octets).map(<[u8]>::len).max();
    assert!(octets.is_some_and(|most| most > 1000 && most <= 1232), "{octets:?}");
    let told: Vec<_> =
        net.sent(start).filter(|s| s.is_between(A3, B1)).filter_map(Sent::ddbu).collect();
    let cns: std::collections::BTreeSet<Ipv6Addr> =
        told.iter().filter(|m| m.hoa == A_HOA1).flat_map(|m| m.cns.clone()).collect();
    assert_eq!((cns.len(), told.len() >= 3), (100, true), "in several dDBUs");
    for user in crowd() {
        let line = format!("{} -> b1", user.hoa(B1));
        assert!(net.lists(A3).contains(&line), "{line}");
        net.assert_direct(A_HOA1, user.hoa(B1), "a3=>b1", "b1=>a3");
    }
}

/// 25. The Diameter client has tried three times in 6 s when it says so (`diameter/tests/client.rs`).
#[test]
fn a_silent_aaa_means_no_ra_and_when_it_is_back_an_ra_at_once() {
    let mut net = Net::g0().both_away();
    net.attach(C, A3);
    net.run(secs(1));
    let down = |sent: &Sent| matches!(sent.what, What::Request(_));
    net.set_fate(move |sent| if down(sent) { Fate::Lose } else { Fate::Arrive });
    let start = net.now;
    net.solicit(A, A3, &[]);
    for _ in 0..4 {
        net.run(secs(3));
        let asked = net.log.iter().rev().find_map(|sent| match &sent.what {
            What::Request(request) => Some(request.id),
            _ => None,
        });
        let id = asked.expect("a request");
        net.handle(A3, Input::Aaa { id, answer: AaaAnswer::Unavailable });
        net.solicit(A, A3, &[]);
    }
    let to_a = |sent: &&Sent| matches!(sent.what, What::Ra(_)) && sent.to == Node::User(A);
    assert_eq!(net.sent(start).filter(to_a).count(), 0, "no RA without the AAA");
    assert!(net.sent(start).filter(|sent| down(sent)).count() >= 5, "each RS asks again");
    net.assert_direct(C.hoa(A3), B_HOA1, "a3->b1=>b2", "b2=>a3");
    net.set_fate(|_| Fate::Arrive);
    let back = net.now;
    net.run(secs(3));
    let id = net.log.iter().rev().find_map(|sent| match &sent.what {
        What::Request(request) => Some(request.id),
        _ => None,
    });
    net.handle(A3, Input::Aaa { id: id.expect("a request"), answer: AaaAnswer::Unavailable });
    net.solicit(A, A3, &[]);
    net.run(ms(2));
    assert_eq!(net.sent(back).filter(to_a).count(), 1, "{:?}", net.story(back));
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 30, gone for good. How many packets wait and in which order they leave is `dataplane`'s.
#[test]
fn a_node_that_stays_away_waits_ten_seconds_in_the_workers_and_600_in_the_lists() {
    let mut net = Net::g0().figure1();
    let start = net.now;
    net.detach(A);
    let ends = Some(Place::Absent { park: false });
    let place = |net: &Net| net.router(A3).places.get(&Prefix64::of(A_HOA1)).copied();
    net.run(ms(9_999));
    assert_ne!(place(&net), ends, "its packets wait");
    net.run(ms(2));
    assert_eq!(place(&net), ends);
    net.run_until(start - common::START + ms(599_999));
    assert_eq!(net.router(A3).state(A), "Detached");
    let end = net.now;
    net.run(ms(10));
    let said: Vec<_> = net.story(end).into_iter().filter(|line| line.starts_with("a3>")).collect();
    assert!(said.contains(&"a3>AAA STR A".into()), "{said:?}");
    assert!(said.contains(&"a3>a1 dDBU A_HoA1 delete".into()), "{said:?}");
    assert_eq!(net.aaa.maar_of(&A.nai()), Some(Ipv6Addr::UNSPECIFIED), "the next answer");
    assert!(net.entries(A1, A_HOA1).is_empty() && net.entries(A3, A_HOA1).is_empty());
    let again = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    assert_eq!(net.talk_of(again, A2, AAA), ["a2>AAA AAR A", "AAA>a2 AAA ::"]);
    assert_eq!(net.sent(again).filter(|sent| sent.sdbu().is_some()).count(), 0);
}

/// 30, back in time, elsewhere.
#[test]
fn a_node_that_comes_back_elsewhere_within_ten_seconds_is_waited_for_until_then() {
    let mut net = Net::g0().figure1();
    net.detach(A);
    net.run(secs(9));
    net.attach(A, A2);
    net.run(ms(2));
    let at_a3 = net.router(A3).told.len();
    net.run(secs(1));
    let told = &net.router(A3).told[at_a3..];
    let first = told.iter().find(|(prefix, _)| *prefix == Prefix64::of(A_HOA1)).map(|told| told.1);
    assert_eq!(
        first,
        Some(Place::Behind { maar: A2, anchored: false, former: true }),
        "what waits follows it"
    );
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
}

/// 31. S is no MAAR's user: nobody signals with it, and it sees A at A_MAAR1 all the time.
#[test]
fn a_session_with_a_legacy_server_goes_by_the_anchor_of_its_address() {
    let s = Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 0x80);
    let mut net = Net::g0();
    net.attach(A, A1);
    net.run(secs(1));
    net.handle(A1, Input::Session { hoa: A_HOA1, cn: s });
    for (maar, up, down) in [(A2, "a2=>a1->", "a1=>a2"), (A3, "a3=>a1->", "a1=>a3")] {
        let start = net.now;
        net.attach(A, maar);
        net.run(secs(1));
        let listed = net.sent(start).filter_map(Sent::sdba).flat_map(|sdba| sdba.groups);
        let pairs: Vec<_> = listed
            .filter(|group| group.hoa == A_HOA1)
            .flat_map(|group| group.sessions)
            .map(|session| (session.cn, session.maar))
            .collect();
        assert_eq!(pairs, [(Ipv6Addr::UNSPECIFIED, A1)], "CN-HoA ::, Serving MAAR = anchor");
        assert_eq!(net.path(A_HOA1, s), up, "with source A_HoA1 natively from its anchor only");
        assert_eq!(net.path_from(A1, Via::Core, s, A_HOA1), down);
    }
}

/// 32.
#[test]
fn a_third_party_s_first_packets_come_by_the_anchor_and_then_its_maar_knows_better() {
    let mut net = Net::g0().figure1();
    net.attach(C, B3);
    net.run(secs(1));
    assert_eq!(net.path(C_HOA3, A_HOA1), "b3->a1=>a3");
    let start = net.now;
    net.talk(C_HOA3, A_HOA1);
    net.run(secs(1));
    assert_eq!(net.entries(B3, A_HOA1), ["A_HoA1 -> a3"]);
    net.assert_direct(C_HOA3, A_HOA1, "b3=>a3", "a3=>b3");
    net.assert_all_arrived(start);
}

/// 33.
#[test]
fn each_of_two_addresses_has_a_default_binding_at_its_own_anchor() {
    let s = Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 0x80);
    let mut net = Net::g0().both_away();
    net.handle(A2, Input::Session { hoa: A_HOA2, cn: s });
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(1));
    assert_eq!(net.talk_of(start, A3, A1), ["a3>a1 dDBU A_HoA1", "a1>a3 dDBA 0 A_HoA1"]);
    let told = net.talk_of(start, A3, A2);
    let to_a2 = ["a3>a2 dDBU A_HoA2", "a2>a3 dDBA 0 A_HoA2"];
    assert_eq!(told[told.len() - 2..], to_a2);
    assert_eq!(net.path(A_HOA2, s), "a3=>a2->");
    assert_eq!(net.path(A_HOA1, s), "a3=>a1->");
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 34.
#[test]
fn two_correspondents_behind_one_maar_are_told_in_one_ddbu() {
    let mut net = Net::g0().at_home();
    net.attach(C, B1);
    net.run(secs(1));
    net.talk(A_HOA1, C.hoa(B1));
    net.run(secs(1));
    let start = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    let told = net.talk_of(start, A2, B1);
    let one = ["a2>b1 dDBU A_HoA1 B_HoA1 C_HoA1", "b1>a2 dDBA 0 A_HoA1 B_HoA1 C_HoA1"];
    assert_eq!(told, one);
}

/// What the AAA's user never had is nobody's; an old lease is not given away while it is in use.
#[test]
fn a_living_user_s_lease_is_given_to_nobody_however_quiet_it_is() {
    let mut net = Net::g0();
    net.attach(A, A1);
    net.run(secs(300));
    let double = User(A.0 + 0x4000);
    let mac = wire::addr::Mac([2, 0, 0, 1, 0, A.0 as u8]);
    net.handle(A1, Input::L2Attach { port: 0, mac, mn_id: Some(double.nai()) });
    net.run(secs(1));
    let leases: Vec<_> = net.router(A1).maar.mns().iter().map(|mn| mn.lease).collect();
    assert_eq!(leases.len(), 2);
    assert_ne!(leases[0], leases[1]);
}
