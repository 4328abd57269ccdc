// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has an end: stations of a port, old addresses of a user; and the AAA's answers that are no handover
//!

mod common;

use common::log::{Node, Sent, What};
use common::world::*;
use common::{Fate, NEW_YEAR, Net, ms, secs};
use mobility::Input;
use mobility::config::PortLimits;
use std::net::Ipv6Addr;
use wire::mh::{Message, Sdba, Serving, Status, TellGroup};
use wire::time::Instant;

///
#[test]
fn a_port_takes_no_more_stations_than_it_may_and_no_more_a_second_than_its_budget() {
    let mut net = Net::new(NEW_YEAR, |config| {
        let limits = PortLimits { max_mns: Some(5), attaches_per_second: 3 };
        config.timers.port_limits.insert(0, limits);
    });
    let crowd: Vec<User> = (0x100..0x108).map(User).collect();
    crowd.iter().for_each(|user| net.attach(*user, A1));
    assert_eq!(net.router(A1).maar.mns().len(), 3);
    assert_eq!(net.router(A1).count("attach_budget_exceeded"), 5);
    net.run(secs(1));
    crowd.iter().for_each(|user| net.attach(*user, A1));
    assert_eq!(net.router(A1).maar.mns().len(), 5, "three are here, and two more may be");
    assert_eq!(net.router(A1).count("port_full"), 1);
    assert_eq!(net.router(A1).count("attach_budget_exceeded"), 7);
    // Another port has limits of its own, and who leaves makes room.
    net.handle(A1, Input::L2Attach { port: 1, mac: crowd[7].mac(), mn_id: None });
    assert_eq!(net.router(A1).maar.mns().len(), 6);
    net.run(secs(1));
    net.attach(crowd[0], A2);
    net.run(secs(1));
    net.attach(crowd[6], A1);
    net.run(secs(1));
    let here = net.router(A1).maar.mns().into_iter().filter(|mn| mn.state == "Attached").count();
    assert_eq!(here, 6);
}

///
#[test]
fn an_answer_with_the_own_address_keeps_all_lists_and_one_with_a_stranger_s_is_an_alarm() {
    let mut net = Net::g0().figure1();
    let start = net.now;
    net.detach(A);
    net.run(secs(1));
    net.attach(A, A3);
    net.run(secs(1));
    assert_eq!(net.talk_of(start, A3, AAA), ["a3>AAA AAR A", "AAA>a3 AAA a3"]);
    assert_eq!(net.sent(start).filter(|sent| sent.sdbu().is_some()).count(), 0);
    assert_eq!(net.lists(A3), ["A_HoA1 -> A_HoA3", "B_HoA1 -> b2"]);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
    net.aaa.misplace(&A.nai(), STRANGER);
    let start = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    assert_eq!(net.router(A2).count("aaa_unknown_peer"), 1);
    assert_eq!(net.router(A2).state(A), "Attached");
    assert_eq!(net.sent(start).filter(|sent| sent.sdbu().is_some()).count(), 0, "as a first one");
}

/// The prefix of a HoA in the RAs to A since then, by valid lifetime.
fn announced(net: &Net, since: Instant, hoa: Ipv6Addr) -> Vec<u32> {
    let to_a = net.sent(since).filter(|sent| sent.to == Node::User(A));
    let adverts = to_a.filter_map(|sent| match &sent.what {
        What::Ra(ra) => Some(ra),
        _ => None,
    });
    let prefixes = adverts.flat_map(|ra| ra.prefixes.clone());
    let lease = wire::addr::Prefix64::of(hoa);
    prefixes
        .filter(|prefix| wire::addr::Prefix64::of(prefix.prefix) == lease)
        .map(|prefix| prefix.valid)
        .collect()
}

///
#[test]
fn an_address_nobody_uses_is_retired_after_two_hours_and_announced_once_more() {
    let mut net = Net::g0().figure1();
    let start = net.now;
    net.run(secs(7_200));
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    let valid = announced(&net, start, A_HOA1);
    assert!(valid.len() >= 11 && valid.iter().all(|valid| *valid == 14_400), "{valid:?}");
    let late = net.now;
    net.run(secs(3_600));
    let valid = announced(&net, late, A_HOA1);
    let (last, before) = valid.split_last().expect("announced");
    assert_eq!((*last, before.iter().all(|valid| *valid == 14_400)), (7_201, true), "{valid:?}");
    assert_eq!(net.router(A3).count("hoa_retired"), 1);
    assert!(net.talk_of(late, A3, A1).contains(&"a3>a1 dDBU A_HoA1 delete".into()));
    assert!(net.entries(A3, A_HOA1).is_empty() && net.entries(A1, A_HOA1).is_empty());
    let moved = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    let sdba = net.sent(moved).filter_map(Sent::sdba).next().expect("step 6");
    assert!(sdba.groups.iter().all(|group| group.hoa != A_HOA1), "absent from the next sDBA");
    // It was needed after all: the anchor still has it for A.
    net.probe(A_HOA1, B_HOA1);
    net.run(secs(1));
    assert_eq!(net.entries(A2, A_HOA1), ["A_HoA1 -> A_HoA2"]);
}

/// a packet now and then is use enough, with a legacy server too.
#[test]
fn an_address_that_is_used_with_anybody_is_kept() {
    let mut net = Net::g0().figure1();
    for _ in 0..40 {
        net.run(secs(300));
        net.handle(A3, Input::Session { hoa: A_HOA1, cn: Ipv6Addr::UNSPECIFIED });
    }
    assert_eq!(net.entries(A3, A_HOA1), ["A_HoA1 -> A_HoA3"]);
    assert_eq!(net.router(A3).count("hoa_retired"), 0);
}

///
#[test]
fn of_seventeen_old_addresses_the_one_unused_longest_goes() {
    let mut net = Net::g0().both_away();
    net.set_fate(|sent| match sent.to_string().starts_with("a2>a3 sDBA") {
        true => Fate::Lose,
        false => Fate::Arrive,
    });
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(10));
    let hoa = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0x100 + n, 0, 0, 0, 1);
    let group = |n| {
        let mut sessions = vec![Serving { cn: Ipv6Addr::UNSPECIFIED, maar: B1 }];
        sessions.extend((n != 7).then_some(Serving { cn: B_HOA1, maar: B2 }));
        TellGroup { hoa: hoa(n), sessions }
    };
    for (status, page) in [(Status::INCOMPLETE, 0..9), (Status::ACCEPTED, 9..17)] {
        let asked = net.sent(start).filter_map(Sent::sdbu).last().expect("step 5");
        let sdba = Sdba {
            status,
            seq: asked.seq,
            lifetime: 23,
            mn_id: Some(A.nai()),
            attach_time: asked.attach_time,
            groups: page.map(group).collect(),
        };
        net.forge(A2, A3, &Message::Sdba(sdba));
        net.run(ms(10));
    }
    net.run(secs(1));
    assert_eq!(net.router(A3).count("hoa_retired"), 1);
    let external = |n: u16| !net.entries(A3, hoa(n)).is_empty();
    let left: Vec<u16> = (0..17).filter(|n| external(*n)).collect();
    assert_eq!(left, (0..17).filter(|n| *n != 7).collect::<Vec<_>>(), "the one without a session");
}
