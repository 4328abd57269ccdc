// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The draft's walk-through: scenarios 1 to 9 of PROTOCOL.md section 5, from the first attachment to Figures 1 and 2.

mod common;

use common::world::*;
use common::{NEW_YEAR, Net, ms, secs};
use wire::mh::Message;
use wire::nd::PrefixInfo;
use wire::time::AttachTime;

/// 1.
#[test]
fn a_first_attachment_gets_a_prefix_and_asks_no_other_maar() {
    let mut net = Net::g0();
    net.solicit(A, A1, &[]);
    net.run(secs(10));
    let first = ["A>a1 RS()", "a1>AAA AAR A", "AAA>a1 AAA ::", "a1>A RA A_HoA1"];
    assert_eq!(net.story(net.log[0].at), first);
    let common::log::What::Ra(ra) = &net.log[3].what else { panic!("an RA") };
    let prefix = "2001:db8:a1:a::".parse().unwrap();
    assert_eq!(ra.prefixes, [PrefixInfo { prefix, valid: 14_400, preferred: 7_200 }]);
    assert_eq!(ra.assigned, Some("2001:db8:a1:a:0:ff:fe00:a".parse().unwrap()));
    assert_eq!((ra.router_lifetime, ra.mtu), (1_800, 1_460));
    assert_eq!(net.aaa.maar_of(&A.nai()), Some(A1));
    assert_eq!(net.router(A1).state(A), "Attached");
}

/// 2.
#[test]
fn at_home_packets_are_routed_natively_and_the_lists_are_empty() {
    let mut net = Net::g0().at_home();
    net.assert_direct(A_HOA1, B_HOA1, "a1->b1", "b1->a1");
    net.talk(A_HOA1, B_HOA1);
    net.run(secs(1));
    net.assert_all_arrived(common::START);
    assert!(net.lists(A1).is_empty() && net.lists(B1).is_empty());
    assert!(!net.log.iter().any(|sent| sent.is_mh()), "{:?}", net.story(common::START));
}

/// 3.
#[test]
fn the_first_move_finds_the_session_without_earlier_lists() {
    let mut net = Net::g0().at_home();
    let start = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    assert_eq!(net.talk_of(start, A2, AAA), ["a2>AAA AAR A", "AAA>a2 AAA a1"]);
    let fetched = ["a2>a1 sDBU A", "a1>a2 sDBA 0 A_HoA1/::@a1 A_HoA1/B_HoA1@b1"];
    assert_eq!(net.talk_of(start, A1, A2)[..2], fetched);
    let told = ["a2>b1 dDBU A_HoA1 B_HoA1", "b1>a2 dDBA 0 A_HoA1 B_HoA1"];
    assert_eq!(net.talk_of(start, A2, B1), told);
    assert_eq!(net.lists(A2), ["A_HoA1 -> A_HoA2", "B_HoA1 -> b1"]);
    assert_eq!(net.entries(B1, A_HOA1), ["A_HoA1 -> a2"]);
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b1", "b1=>a2");
    let moved = net.now;
    net.talk(A_HOA1, B_HOA1);
    net.run(secs(1));
    net.assert_all_arrived(moved);
}

/// 4.
#[test]
fn the_correspondent_moves_and_both_lists_are_those_of_the_draft() {
    let mut net = Net::g0().first_move();
    let start = net.now;
    net.attach(B, B2);
    net.run(secs(1));
    let fetched = ["b2>b1 sDBU B", "b1>b2 sDBA 0 B_HoA1/::@b1 B_HoA1/A_HoA1@a2"];
    assert_eq!(net.talk_of(start, B1, B2)[..2], fetched);
    let told = ["b2>a2 dDBU B_HoA1 A_HoA1", "a2>b2 dDBA 0 B_HoA1 A_HoA1"];
    assert_eq!(net.talk_of(start, B2, A2), told);
    // Draft section 3.3.
    assert_eq!(net.lists(A2), ["A_HoA1 -> A_HoA2", "B_HoA1 -> b2"]);
    assert_eq!(net.lists(B2), ["A_HoA1 -> a2", "B_HoA1 -> B_HoA2"]);
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
}

/// 5.
#[test]
fn figure_1_is_eight_messages_in_its_order_and_then_the_anchor_is_told() {
    let mut net = Net::g0().both_away();
    let start = net.now;
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    net.run(secs(1));
    let figure = [
        "A>a3 RS(A_HoA1/B_HoA1)",
        "a3>AAA AAR A",
        "AAA>a3 AAA a2",
        "a3>A RA A_HoA3",
        "a3>a2 sDBU A A_HoA1/B_HoA1",
        "a2>a3 sDBA 0 A_HoA1/B_HoA1@b2",
        "a3>b2 dDBU A_HoA1 B_HoA1",
        "b2>a3 dDBA 0 A_HoA1 B_HoA1",
    ];
    let (of_figure, others): (Vec<_>, Vec<_>) =
        net.story(start).into_iter().partition(|line| figure.contains(&line.as_str()));
    assert_eq!(of_figure, figure);
    let mut others = others;
    others.sort();
    let besides = ["a1>a3 dDBA 0 A_HoA1", "a3>A RA A_HoA3 old A_HoA1", "a3>a1 dDBU A_HoA1"];
    assert_eq!(others, besides);
    let at = |text: &str| net.story(start).iter().position(|line| line == text);
    assert!(at("a3>b2 dDBU A_HoA1 B_HoA1") < at("a3>a1 dDBU A_HoA1"), "{:?}", net.story(start));
    assert_eq!(net.lists(A3), ["A_HoA1 -> A_HoA3", "B_HoA1 -> b2"]);
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a3"]);
    assert_eq!(net.entries(A1, A_HOA1), ["A_HoA1 -> a3"]);
}

/// 5, octet by octet: the worked messages of PROTOCOL.md 3.4 are what the MAARs send.
#[test]
fn figure_1_with_the_worked_key_times_and_numbers_gives_the_worked_octets() {
    let mut net = Net::worked();
    let start = net.now;
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    net.run(secs(1));
    assert_eq!(net.attach_time(A3, A), AttachTime(0x0000_6955_b900_0000));
    let sent = |from, to, text: &str| {
        let mut sent = net.sent(start).filter(|sent| sent.is_between(from, to));
        let one = sent.find(|sent| sent.to_string().contains(text)).expect("was sent");
        one.octets().expect("a Mobility Header").to_vec()
    };
    for (name, from, to) in [("sDBU", A3, A2), ("sDBA", A2, A3), ("dDBU", A3, B2), ("dDBA", B2, A3)]
    {
        assert_eq!(sent(from, to, name), common::vectors::octets(name), "{name}");
    }
}

/// 6. One hop limit is taken at each MAAR on the way, so two MAARs are 64 - 2.
#[test]
fn figure_2_takes_the_tunnel_between_the_two_serving_maars_and_no_other() {
    let mut net = Net::g0().figure1();
    let start = net.now;
    net.keep_talking(A_HOA1, B_HOA1, ms(20), secs(1));
    net.run(secs(1));
    net.assert_all_arrived(start);
    let ways: Vec<_> = net.probes.iter().filter(|probe| probe.sent >= start).collect();
    assert_eq!(ways.len(), 100);
    for probe in ways {
        let way = if probe.src == A_HOA1 { "a3=>b2" } else { "b2=>a3" };
        assert_eq!(probe.path, way);
    }
}

/// 6, for a minute: who was told by the other side's dDBU tells nothing back when the session is sampled again.
#[test]
fn a_session_that_is_sampled_again_is_told_to_nobody_who_knows_it() {
    let mut net = Net::g0().figure1();
    net.run(secs(2));
    let start = net.now;
    net.keep_talking(A_HOA1, B_HOA1, ms(500), secs(60));
    net.run(secs(60));
    net.assert_all_arrived(start);
    assert_eq!(net.talk_of(start, A3, B2), [""; 0]);
}

/// 7.
#[test]
fn the_previous_maar_holds_what_it_released_for_92_seconds_and_then_nothing() {
    let mut net = Net::g0().figure1();
    let sdbu = net.log.iter().rev().find_map(|sent| sent.sdbu()).expect("step 5");
    let release = net.log.iter().rev().find(|sent| sent.sdba().is_some()).expect("step 6").at;
    for (after, number) in [(secs(10), 1), (secs(91), 2)] {
        net.run_until(release - common::START + after);
        assert_eq!(net.router(A2).state(A), "Released");
        let start = net.now;
        let repeat = wire::mh::Sdbu { seq: sdbu.seq.wrapping_add(number), ..sdbu.clone() };
        net.forge(A3, A2, &Message::Sdbu(repeat));
        assert_eq!(net.story(start), ["a2>a3 sDBA 0 A_HoA1/B_HoA1@b2"]);
    }
    assert_eq!(net.router(A2).place(A_HOA1), "a3");
    net.run_until(release - common::START + secs(93));
    assert_eq!(net.router(A2).state(A), "None");
    assert!(net.entries(A2, A_HOA1).is_empty() && net.entries(A2, A_HOA2).is_empty());
    assert_eq!(net.router(A2).place(A_HOA1), "unknown");
    assert_eq!(net.router(A2).place(A_HOA2), "nobody");
}

/// 8.
#[test]
fn a_new_session_uses_the_new_address_natively() {
    let mut net = Net::g0().figure1();
    net.attach(C, B3);
    net.run(secs(1));
    let start = net.now;
    net.keep_talking(A_HOA3, C_HOA3, ms(100), secs(2));
    net.run(secs(1));
    net.assert_direct(A_HOA3, C_HOA3, "a3->b3", "b3->a3");
    net.assert_all_arrived(start);
    assert_eq!(net.story(start), [""; 0]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 9.
#[test]
fn the_draft_s_own_ddbu_is_understood_where_the_peer_needs_no_key() {
    let mut net = Net::new(NEW_YEAR, |config| {
        if config.address == B2 {
            let a3 = config.peers.iter_mut().find(|peer| peer.address == A3);
            a3.expect("a peer").keys.clear();
        }
    });
    net = net.both_away();
    let start = net.now;
    let minimal = common::vectors::octets("dDBU-min");
    assert_eq!(minimal.len(), 56);
    net.inject(A3, B2, &minimal);
    assert_eq!(net.story(start), ["b2>a3 dDBA 0 A_HoA1 B_HoA1"]);
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a3"]);
}
