// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loss, duplication, order: scenarios 17 to 23 of PROTOCOL.md section 5.

mod common;

use common::log::Sent;
use common::world::*;
use common::{Fate, Net, ms, secs};
use mobility::Event;
use mobility::show::BindingRow;
use std::time::Duration;
use wire::mh::{Ddba, Message, Sdba, Status};
use wire::time::{AttachTime, Instant};

/// Loses messages of this short form, the first `count` of them.
fn lose(text: &'static str, count: usize) -> impl FnMut(&Sent) -> Fate {
    let mut left = count;
    move |sent| {
        if left == 0 || !sent.to_string().starts_with(text) {
            return Fate::Arrive;
        }
        left -= 1;
        Fate::Lose
    }
}

/// When the MAAR's exchange for A was over, and how.
fn done(net: &Net, maar: std::net::Ipv6Addr, since: Instant) -> Option<(Duration, Option<u8>)> {
    net.router(maar).events.iter().find_map(|(at, event)| match event {
        Event::HandoverDone { mn_id, status, .. } if *mn_id == A.nai() && *at >= since => {
            Some((*at - since, *status))
        }
        _ => None,
    })
}

/// Until the entry of A_HoA1 at B_MAAR2 ends.
fn expiry(net: &Net) -> Duration {
    let rows = net.router(B2).maar.bindings(net.time());
    let mut of_a = rows.into_iter().filter_map(|row| match row {
        BindingRow::Internal { hoa, expires_in, .. } if hoa == A_HOA1 => expires_in,
        _ => None,
    });
    let expiry = of_a.next().expect("an entry that ends");
    assert_eq!(of_a.next(), None, "one entry");
    expiry
}

/// 17.
#[test]
fn an_sdba_lost_three_times_is_asked_for_at_0_1_3_and_7_seconds() {
    let mut net = Net::g0().both_away();
    net.set_fate(lose("a2>a3 sDBA", 3));
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(10));
    let asked: Vec<_> = net.sent(start).filter(|sent| sent.sdbu().is_some()).collect();
    let times: Vec<_> = asked.iter().map(|sent| sent.at - asked[0].at).collect();
    assert_eq!(times, [secs(0), secs(1), secs(3), secs(7)]);
    let numbers: Vec<_> =
        asked.iter().filter_map(|sent| sent.sdbu()).map(|sdbu| sdbu.seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
    let answers: Vec<_> = net.sent(start).filter_map(|sent| sent.sdba()).collect();
    assert_eq!(answers.len(), 4);
    for (answer, number) in answers.iter().zip(numbers) {
        assert_eq!((answer.seq, &answer.groups), (number, &answers[0].groups), "of the snapshot");
    }
    let (at, status) = done(&net, A3, start).expect("an end");
    assert_eq!((at, status), (secs(7) + ms(4), Some(0)));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 18.
#[test]
fn an_sdbu_never_answered_fails_after_63_seconds_and_the_anchor_gives_the_old_address_back() {
    let mut net = Net::g0().both_away();
    net.set_fate(lose("a3>a2 sDBU", usize::MAX));
    let start = net.now;
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    net.run(ms(10));
    // By the anchor of B_HoA1, as for anybody who never met B.
    net.assert_direct(A_HOA3, B_HOA1, "a3->b1=>b2", "b2=>a3");
    net.run(secs(60));
    assert!(net.entries(A3, A_HOA1).iter().all(|line| line.ends_with("tentative")));
    net.run(secs(40));
    let times = net.times(start + ms(2), "a3>a2 sDBU A A_HoA1/B_HoA1");
    assert_eq!(times, [0, 1, 3, 7, 15, 31].map(secs));
    assert_eq!(done(&net, A3, start), Some((secs(63) + ms(2), None)));
    assert_eq!(net.router(A3).state(A), "Attached");
    let asked = start + secs(63);
    assert_eq!(net.talk_of(asked, A3, A1)[..1], ["a3>a1 sDBU A A_HoA1"]);
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
    net.assert_direct(A_HOA3, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 19.
#[test]
fn a_repeated_ddbu_changes_nothing_but_the_expiry() {
    let mut net = Net::g0().both_away();
    net.set_fate(lose("b2>a3 dDBA", 1));
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(900));
    let (told, lists, left) = (net.router(B2).told.len(), net.lists(B2), expiry(&net));
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a3"]);
    net.run(ms(200));
    let asked = net.times(start, "a3>b2 dDBU A_HoA1 B_HoA1");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1] - asked[0], secs(1));
    assert_eq!((net.router(B2).told.len(), net.lists(B2)), (told, lists));
    assert!(expiry(&net) > left, "restarted");
    net.run(secs(10));
    assert_eq!(net.times(start, "a3>b2 dDBU A_HoA1 B_HoA1").len(), 2, "the second is answered");
}

/// 20, sent anew with the old attach time.
#[test]
fn a_ddbu_of_an_older_attachment_is_refused_and_changes_nothing() {
    let net = Net::g0().both_away();
    let before = net.attach_time(A2, A);
    let mut net = net;
    net.attach(A, A3);
    net.run(secs(10));
    let start = net.now;
    let old = net.ddbu(A2, 77, before, A_HOA1);
    net.forge(A2, B2, &old);
    assert_eq!(net.story(start), ["b2>a2 dDBA 157 A_HoA1"]);
    assert_eq!(net.entries(B2, A_HOA1), ["A_HoA1 -> a3"]);
}

/// 20, on its way for 10 s: its MESG-ID is more than 7 s off before its attach time is looked at.
#[test]
fn a_ddbu_ten_seconds_late_is_told_the_time_and_changes_nothing() {
    let mut net = Net::g0().at_home();
    net.set_fate(|sent| match sent.to_string().starts_with("a2>b1 dDBU") {
        true => Fate::Late(secs(10)),
        false => Fate::Arrive,
    });
    let start = net.now;
    net.attach(A, A2);
    net.run(ms(100));
    net.attach(A, A3);
    net.run(secs(9));
    assert_eq!(net.entries(B1, A_HOA1), ["A_HoA1 -> a3"]);
    net.run(secs(3));
    assert_eq!(net.talk_of(start, A2, B1), ["a2>b1 dDBU A_HoA1 B_HoA1", "b1>a2 dDBA 144 A_HoA1"]);
    assert_eq!(net.entries(B1, A_HOA1), ["A_HoA1 -> a3"]);
}

/// 21. The AAA names a1 to a3, so a2 never hears of A's move; a1 answers from what it still holds.
#[test]
fn an_outdated_maar_stops_refreshing_when_it_is_told_so() {
    let mut net = Net::g0().first_move();
    net.aaa.misplace(&A.nai(), A1);
    net.attach(A, A3);
    net.run(secs(1));
    assert_eq!((net.router(A2).state(A), net.router(A3).state(A)), ("Attached", "Attached"));
    assert_eq!(net.entries(A1, A_HOA1), ["A_HoA1 -> a3"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b1", "b1=>a3");
    let start = net.now;
    net.keep_talking(A_HOA1, B_HOA1, secs(20), secs(3000));
    let said = net.talk_about(start, A2, A1, A_HOA1);
    let said: Vec<_> = said.iter().map(|sent| sent.to_string()).collect();
    assert_eq!(said, ["a2>a1 dDBU A_HoA1", "a1>a2 dDBA 157 A_HoA1"]);
    assert!(net.talk_about(start, A2, B1, A_HOA1).is_empty(), "its session there is idle");
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b1", "b1=>a3");
}

/// 22, the duplicate.
#[test]
fn a_request_that_comes_twice_is_answered_once() {
    let mut net = Net::g0().both_away();
    net.set_fate(|sent| match sent.sdbu().is_some() || sent.ddbu().is_some() {
        true => Fate::Twice,
        false => Fate::Arrive,
    });
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(1));
    for peer in [A2, B2] {
        assert_eq!(net.talk_of(start, A3, peer).len() % 2, 0, "{:?}", net.talk_of(start, A3, peer));
        assert_eq!(
            net.router(peer).count("mesg_id_old"),
            net.talk_of(start, A3, peer).len() as u32 / 2
        );
    }
    assert_eq!(net.talk_of(start, A3, B2).len(), 2);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}

/// 22, the stray answers: unknown number, wrong E flag, wrong peer.
#[test]
fn an_answer_that_fits_no_question_is_counted_and_answers_nothing() {
    let mut net = Net::g0().both_away();
    net.set_fate(lose("b2>a3 dDBA", 1));
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(500));
    let asked = net.sent(start).find(|sent| sent.is_between(A3, B2)).and_then(Sent::ddbu);
    let asked = asked.expect("step 7");
    let ddba = |seq| {
        Message::Ddba(Ddba {
            status: Status::ACCEPTED,
            seq,
            lifetime: 150,
            attach_time: asked.attach_time,
            hoa: Some(A_HOA1),
            cns: Vec::new(),
        })
    };
    let sdba = Message::Sdba(Sdba {
        status: Status::ACCEPTED,
        seq: asked.seq,
        lifetime: 23,
        mn_id: Some(A.nai()),
        attach_time: asked.attach_time,
        groups: Vec::new(),
    });
    let before = (net.lists(A3), net.router(A3).told.len(), net.log.len());
    net.forge(B2, A3, &ddba(asked.seq.wrapping_sub(1)));
    net.forge(B2, A3, &sdba);
    net.forge(B1, A3, &ddba(asked.seq));
    assert_eq!(net.router(A3).count("ba_unexpected"), 3);
    assert_eq!((net.lists(A3), net.router(A3).told.len(), net.log.len()), before);
    net.run(secs(1));
    let asked = net.times(start, "a3>b2 dDBU A_HoA1 B_HoA1");
    assert_eq!(asked.len(), 2, "the question was still open");
}

/// 23, the receiver.
#[test]
fn a_sequence_number_may_wrap_but_not_go_back() {
    let mut net = Net::g0().both_away();
    let time = AttachTime(net.attach_time(A2, A).0 + (1 << 16));
    let mut answer = |seq| {
        let start = net.now;
        let ddbu = net.ddbu(A3, seq, time, A_HOA1);
        net.forge(A3, B2, &ddbu);
        net.run(ms(10));
        let answer = net.sent(start).find_map(Sent::ddba).expect("an answer");
        (answer.status.0, answer.seq)
    };
    assert_eq!(answer(65535), (0, 65535));
    assert_eq!(answer(0), (0, 0));
    assert_eq!(answer(32768), (135, 0), "with the last accepted number");
    assert_eq!(answer(32767), (0, 32767));
}

/// 23, the sender: b2 heard a number far ahead, so a3's refresh is behind it.
#[test]
fn a_sender_told_its_number_is_out_of_window_goes_on_behind_the_one_it_is_told() {
    let mut net = Net::g0().figure1();
    let sent = net.log.iter().rev().filter(|sent| sent.is_between(A3, B2)).find_map(Sent::ddbu);
    let last = sent.expect("step 7");
    let ahead = last.seq.wrapping_add(30_000);
    let ddbu = net.ddbu(A3, ahead, last.attach_time.expect("a time"), A_HOA1);
    net.forge(A3, B2, &ddbu);
    net.run(ms(1));
    let start = net.now;
    net.keep_talking(A_HOA1, B_HOA1, secs(20), secs(560));
    let said = net.talk_about(start, A3, B2, A_HOA1);
    let text: Vec<_> = said.iter().map(|sent| sent.to_string()).collect();
    let resynced = [
        "a3>b2 dDBU A_HoA1 B_HoA1",
        "b2>a3 dDBA 135 A_HoA1",
        "a3>b2 dDBU A_HoA1 B_HoA1",
        "b2>a3 dDBA 0 A_HoA1 B_HoA1",
    ];
    assert_eq!(text, resynced);
    assert_eq!(said[2].ddbu().map(|ddbu| ddbu.seq), Some(ahead.wrapping_add(1)));
}
