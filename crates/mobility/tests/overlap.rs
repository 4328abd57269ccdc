// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves that overlap: scenarios 10 to 16 of PROTOCOL.md section 5.

mod common;

use common::forward::Via;
use common::log::Sent;
use common::world::*;
use common::{Fate, Net, START, ms, secs};
use mobility::Input;
use std::net::Ipv6Addr;
use wire::mh::{CnPlace, Ddba, Message, Status};

/// Delays or loses the first message of this short form.
fn first(text: &'static str, fate: Fate) -> impl FnMut(&Sent) -> Fate {
    let mut fate = Some(fate);
    move |sent| match sent.to_string().starts_with(text) {
        true => fate.take().unwrap_or(Fate::Arrive),
        false => Fate::Arrive,
    }
}

/// 10. Both sDBAs arrive at 200 ms; from then on nothing may get lost.
#[test]
fn both_move_at_once_and_are_led_to_each_other_by_the_maars_they_left() {
    let mut net = Net::g0().both_away();
    net.set_delay(ms(50));
    let start = net.now;
    net.attach(A, A3);
    net.attach(B, B3);
    net.keep_talking(A_HOA1, B_HOA1, ms(10), secs(1));
    assert_eq!(net.entries(A3, B_HOA1), ["B_HoA1 -> b3"]);
    assert_eq!(net.entries(B3, A_HOA1), ["A_HoA1 -> a3"]);
    net.run(secs(1));
    let led = ["a3>b2 dDBU A_HoA1 B_HoA1", "b2>a3 dDBA 0 A_HoA1 B_HoA1@b3"];
    assert_eq!(net.talk_of(start, A3, B2), led);
    let led = ["b3>a2 dDBU B_HoA1 A_HoA1", "a2>b3 dDBA 0 B_HoA1 A_HoA1@a3"];
    assert_eq!(net.talk_of(start, B3, A2), led);
    let mut met = net.talk_of(start, A3, B3);
    met.retain(|line| line.contains("dDBU"));
    assert_eq!(met, ["a3>b3 dDBU A_HoA1 B_HoA1", "b3>a3 dDBU B_HoA1 A_HoA1"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b3", "b3=>a3");
    net.assert_all_arrived(start + ms(200));
    net.assert_none_twice();
}

/// 11.
#[test]
fn a_correspondent_s_maar_that_still_has_it_answers_here_and_later_hands_on_the_new_place() {
    let mut net = Net::g0().both_away();
    net.set_delay(ms(50));
    net.set_fate(first("b3>b2 sDBU", Fate::Late(ms(300))));
    let start = net.now;
    net.attach(A, A3);
    net.attach(B, B3);
    net.run(secs(1));
    let here = ["a3>b2 dDBU A_HoA1 B_HoA1", "b2>a3 dDBA 0 A_HoA1 B_HoA1"];
    assert_eq!(net.talk_of(start, A3, B2), here);
    let fetched = net.talk_of(start, B2, B3);
    assert_eq!(
        fetched[..2],
        ["b3>b2 sDBU B", "b2>b3 sDBA 0 B_HoA1/::@b1 B_HoA1/A_HoA1@a3 B_HoA2/::@b2"]
    );
    let redirected = |sent: &Sent| {
        sent.ddba().is_some_and(|ddba| ddba.cns.iter().any(|place| place.moved_to.is_some()))
    };
    assert!(!net.sent(start).any(redirected), "{:?}", net.story(start));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b3", "b3=>a3");
}

/// 12, the sDBA of the first move comes after the second.
#[test]
fn ping_pong_takes_the_lists_back_at_once_and_leaves_no_loop() {
    let mut net = Net::g0().both_away();
    net.set_fate(first("a2>a3 sDBA", Fate::Late(ms(600))));
    net.attach(A, A3);
    net.run(ms(400));
    assert_eq!(net.router(A2).state(A), "Released");
    net.attach(A, A2);
    net.run(ms(3));
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
    net.run(secs(3));
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a2"]);
    assert_eq!(net.entries(A1, A_HOA1), ["A_HoA1 -> a2"]);
    assert_eq!(net.entries(A2, A_HOA1), ["A_HoA1 -> A_HoA2"]);
    assert_eq!((net.router(A2).state(A), net.router(A3).state(A)), ("Attached", "Released"));
    let late = |at, from| net.path_from(at, Via::Tunnel(from), B_HOA1, A_HOA1);
    assert_eq!((late(A3, B2), late(A2, A3)), ("a3=>a2".into(), "a2".into()));
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
}

/// 12, the sDBA of the first move is lost, so a3 asks again when A is back at a2.
#[test]
fn ping_pong_answers_the_maar_in_between_that_it_is_outdated() {
    let mut net = Net::g0().both_away();
    net.set_fate(first("a2>a3 sDBA", Fate::Lose));
    net.attach(A, A3);
    net.run(ms(400));
    let back = net.now;
    net.attach(A, A2);
    net.run(secs(3));
    let mut answers = net.talk_of(back, A2, A3);
    answers.retain(|line| line.starts_with("a2>a3 sDBA"));
    assert_eq!(answers, ["a2>a3 sDBA 157"]);
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a2"]);
    assert_eq!((net.router(A2).state(A), net.router(A3).state(A)), ("Attached", "Released"));
    // a3 never had A_HoA1, so nobody was told it is there; what comes all the same goes by the anchor, once.
    let stray = net.path_from(A3, Via::Tunnel(B2), B_HOA1, A_HOA1);
    assert_eq!(stray, "a3=>a1=>a2");
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
}

/// 13.
#[test]
fn an_sdbu_that_comes_too_early_waits_for_the_sdba_and_not_for_its_repeat() {
    let mut net = Net::g0().at_home();
    net.set_link(A1, A2, ms(300));
    let start = net.now;
    net.attach(A, A2);
    net.run(ms(100));
    net.attach(A, A3);
    net.run(secs(2));
    let asked = net.times(start, "a3>a2 sDBU A");
    assert_eq!(asked, [ms(102)], "no repeat");
    let told = "a2>a3 sDBA 0 A_HoA1/::@a1 A_HoA1/B_HoA1@b1 A_HoA2/::@a2";
    assert_eq!(net.times(start, told), [ms(303)], "{:?}", net.talk_of(start, A2, A3));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b1", "b1=>a3");
    net.assert_direct(A_HOA2, B_HOA1, "a3=>b1", "b1->a2=>a3");
}

/// 14. a2's request reaches the AAA at 501 ms, so a3 lets A go at 503 ms although A is there.
#[test]
fn a_node_the_aaa_places_wrongly_is_found_by_its_next_frame() {
    let mut net = Net::g0().at_home();
    net.set_fate(first("a2>AAA AAR", Fate::Late(ms(500))));
    let start = net.now;
    net.solicit(A, A2, &[]);
    net.run(ms(100));
    net.solicit(A, A3, &[]);
    net.keep_talking(A_HOA1, B_HOA1, ms(20), secs(3));
    net.run(secs(1));
    assert!(net.talk_of(start, A2, AAA).contains(&"AAA>a2 AAA a3".to_string()));
    let again = net.times(start, "A>a3 frame");
    assert!(again.len() == 1 && again[0] >= ms(1503) && again[0] <= ms(1600), "{again:?}");
    assert_eq!(net.aaa.maar_of(&A.nai()), Some(A3));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b1", "b1=>a3");
    net.assert_all_arrived(start + ms(1700));
    net.assert_none_twice();
}

/// 15.
#[test]
fn a_node_that_comes_home_needs_no_binding_there() {
    let mut net = Net::g0().figure1();
    assert_eq!(net.router(A1).place(A_HOA1), "a3");
    net.attach(A, A1);
    net.run(ms(2));
    assert_eq!(net.router(A1).place(A_HOA1), "here", "at the AAA's answer");
    net.run(secs(1));
    assert!(net.entries(A1, A_HOA1).is_empty(), "{:?}", net.lists(A1));
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a1"]);
    assert_eq!(net.path_from(A1, Via::Core, C_HOA3, A_HOA1), "a1");
    net.assert_direct(A_HOA1, B_HOA1, "a1=>b2", "b2=>a1");
}

/// 16.
#[test]
fn two_users_at_one_maar_talk_without_tunnel_and_without_signalling_for_it() {
    let mut net = Net::g0().figure1();
    let start = net.now;
    net.attach(B, A3);
    net.run(secs(1));
    net.talk(A_HOA1, B_HOA1);
    net.run(secs(60));
    net.talk(A_HOA1, B_HOA1);
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3", "a3");
    assert_eq!(net.entries(A3, B_HOA1), ["B_HoA1 -> B_HoA@a3"], "the internal entry is gone");
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    let for_the_pair = |sent: &&Sent| sent.ddbu().is_some_and(|ddbu| !ddbu.cns.is_empty());
    assert_eq!(
        net.sent(start).filter(for_the_pair).map(Sent::to_string).collect::<Vec<_>>(),
        [""; 0]
    );
}

/// "not here" from the MAAR an entry names, told to a3 after b2's own dDBU of B. What a3 knows of B then.
fn after_not_here(ddbu_first: bool) -> Vec<String> {
    let mut net = Net::g0().both_away();
    net.set_fate(first("b2>a3 dDBA", Fate::Lose));
    let ddbu = net.ddbu(B2, 1, net.attach_time(B2, B), B_HOA1);
    if ddbu_first {
        net.forge(B2, A3, &ddbu);
    }
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(500));
    if !ddbu_first {
        net.forge(B2, A3, &ddbu);
    }
    let asked = net.sent(start).filter(|sent| sent.is_between(A3, B2)).find_map(Sent::ddbu);
    let asked = asked.expect("step 7");
    net.run(ms(1));
    let not_here = Ddba {
        status: Status::ACCEPTED,
        seq: asked.seq,
        lifetime: 150,
        attach_time: asked.attach_time,
        hoa: Some(A_HOA1),
        cns: vec![CnPlace { cn: B_HOA1, moved_to: Some(Ipv6Addr::UNSPECIFIED) }],
    };
    net.forge(B2, A3, &Message::Ddba(not_here));
    net.entries(A3, B_HOA1)
}

#[test]
fn not_here_ends_an_entry_that_stood_when_it_was_asked() {
    assert_eq!(after_not_here(true), [""; 0]);
}

#[test]
fn not_here_that_was_asked_before_the_correspondent_s_own_ddbu_came_is_the_older_word() {
    assert_eq!(after_not_here(false), ["B_HoA1 -> b2"]);
}

/// the sDBU a node's former MAAR sent too late is refused at the AAA's answer.
#[test]
fn an_sdbu_older_than_the_aaa_s_answer_is_refused_before_the_sdba_comes() {
    let mut net = Net::g0().at_home();
    net.set_link(A2, A3, ms(20));
    net.set_link(AAA, A3, ms(200));
    net.set_link(A1, A3, secs(5));
    let start = net.now;
    net.aaa.misplace(&A.nai(), A3);
    net.attach(A, A2);
    net.run(ms(1));
    net.aaa.misplace(&A.nai(), A1);
    net.attach(A, A3);
    net.run(ms(300));
    assert_eq!(net.times(start, "a2>a3 sDBU A"), [ms(2)]);
    assert_eq!(net.times(start, "a3>a2 sDBA 157"), [ms(202)], "{:?}", net.story(start));
}

/// A is at A_MAAR3 by way of A_MAAR2 and B_MAAR2, whose sDBUs wait for each other: A_MAAR2's do not reach A_MAAR1 for 10
/// seconds. A_MAAR3 has A's address from its anchor. Then B comes to A_MAAR2, where A still counts as attached.
fn left_behind() -> Net {
    let mut net = Net::g0().at_home();
    net.set_fate(|sent| {
        match sent.to_string().starts_with("a2>a1 sDBU A") && sent.at < START + secs(12) {
            true => Fate::Lose,
            false => Fate::Arrive,
        }
    });
    for maar in [A2, B2, A3] {
        net.attach(A, maar);
        net.run(ms(50));
    }
    net.keep_talking(A_HOA1, B_HOA1, ms(100), secs(4));
    let states = [A2, B2, A3].map(|maar| net.router(maar).state(A));
    assert_eq!(states, ["WaitSDBA"; 3], "each waits for the one before");
    net.attach(B, A2);
    net.keep_talking(A_HOA1, B_HOA1, ms(100), secs(1));
    net
}

/// 157 says by option 27 what is newer, and who hears it serves the MN no more.
#[test]
fn a_maar_that_was_left_without_a_word_is_told_the_newer_time_by_whom_it_asks() {
    let mut net = left_behind();
    let newest = net.attach_time(A3, A);
    let start = net.now;
    net.run(secs(11));
    let answer = net.sent(start).filter(|sent| sent.is_between(A1, A2)).find_map(Sent::sdba);
    let answer = answer.expect("an answer");
    assert_eq!((answer.status.0, answer.attach_time), (157, Some(newest)));
    assert_eq!(net.router(A2).count("attachment_outdated"), 1);
    let outdated = |sent: &&Sent| {
        let by_a2 = sent.from == common::log::Node::Router(A2);
        by_a2 && sent.ddbu().is_some_and(|ddbu| ddbu.hoa == A_HOA1)
    };
    assert_eq!(net.sent(start).filter(outdated).count(), 0, "nobody is told what is outdated");
    assert_eq!(net.entries(A2, A_HOA1).len(), 1);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>a2", "a2=>a3");
}

/// whoever was left hands on what it has, although it is outdated; so A_HoA2, leased in between, is not lost.
#[test]
fn lists_go_on_from_one_maar_that_was_left_to_the_next() {
    let mut net = left_behind();
    net.run(secs(11));
    let lists = net.lists(A3);
    for hoa in [A_HOA1, A_HOA2, A.hoa(B2)] {
        let line = format!("{} -> A_HoA3", name(hoa));
        assert!(lists.contains(&line), "{line}: {lists:?}");
    }
    assert_eq!([A2, B2].map(|maar| net.router(maar).state(A)), ["Released"; 2]);
}

/// the access point's word counts although an exchange is under way.
#[test]
fn a_node_that_leaves_during_its_exchange_is_detached_when_that_ends() {
    let mut net = Net::g0().both_away();
    net.set_link(A2, A3, ms(300));
    net.attach(A, A3);
    net.run(ms(100));
    assert_eq!(net.router(A3).state(A), "WaitSDBA");
    net.detach(A);
    net.run(secs(1));
    assert_eq!(net.router(A3).state(A), "Detached");
    assert_eq!(net.router(A3).place(A_HOA1), "nobody");
    net.attach(A, A1);
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a1=>b2", "b2=>a1");
}

/// R-03 source 1: what the station was known by before does not stay behind.
#[test]
fn a_station_that_takes_another_name_leaves_no_record_of_the_old_one_attached() {
    let mut net = Net::g0().at_home();
    let mn_id = Some(C.nai());
    net.handle(A1, Input::L2Attach { port: 0, mac: A.mac(), mn_id });
    net.run(secs(1));
    assert_eq!((net.router(A1).state(A), net.router(A1).state(C)), ("Detached", "Attached"));
    net.run(secs(700));
    assert_eq!((net.router(A1).state(A), net.router(A1).state(C)), ("None", "Attached"));
}
