// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Forged, replayed, broken and foreign messages, and stations that claim what is not theirs: scenarios 38 to 42 and
//! 45 to 47 of PROTOCOL.md section 5, as far as signalling decides them.

mod common;

use common::forge::{self, option};
use common::forward::Via;
use common::log::{Node, Sent};
use common::world::*;
use common::{Fate, NEW_YEAR, Net, ms, secs, vectors};
use mobility::{Input, Place};
use std::net::Ipv6Addr;
use wire::addr::{Nai, Prefix64};
use wire::mh::{Ddbu, Key, Message, Sdbu, Seal};
use wire::nd::RouterSolicit;
use wire::time::{AttachTime, MesgId};

/// All that a message may change: what is sent, and what the MAAR shows and tells its workers.
fn state(net: &Net, maar: Ipv6Addr) -> (usize, Vec<String>, usize, Vec<String>) {
    let router = net.router(maar);
    let mns = router.maar.mns().iter().map(|mn| format!("{mn:?}")).collect();
    let lists = router.maar.bindings(net.time());
    (net.log.len(), lists.iter().map(|row| format!("{row:?}")).collect(), router.told.len(), mns)
}

/// A net in which B_MAAR2 and A_MAAR2 ask no key of A_MAAR3.
fn without_key() -> Net {
    let net = Net::new(NEW_YEAR, |config| {
        let a3 = config.peers.iter_mut().find(|peer| peer.address == A3);
        if let (A2 | B2, Some(a3)) = (config.address, a3) {
            a3.keys.clear();
        }
    });
    net.both_away()
}

/// 38.
#[test]
fn a_ddbu_without_the_right_key_is_dropped_in_silence() {
    let mut net = Net::g0().both_away();
    let newer = AttachTime(net.attach_time(A2, A).0 + (1 << 16));
    let before = state(&net, B2);
    let mesg_id = MesgId::from_unix(net.time().wall);
    let wrong = Key { spi: 0x100, secret: vec![0xff; 32].into() };
    let unknown = Key { spi: 0x101, ..key() };
    let seals =
        [None, Some(&wrong), Some(&unknown)].map(|key| key.map(|key| Seal { mesg_id, key }));
    for seal in seals {
        let ddbu = net.ddbu(A3, 1, newer, A_HOA1);
        let octets = wire::mh::encode(&ddbu, A3, B2, seal).expect("short");
        net.inject(A3, B2, &octets);
    }
    assert_eq!(net.router(B2).count("mh_auth_failed"), 3);
    let ddbu = net.ddbu(STRANGER, 1, newer, A_HOA1);
    net.forge(STRANGER, B2, &ddbu);
    assert_eq!(net.router(B2).count("mh_unknown_peer"), 1);
    assert_eq!(state(&net, B2), before);
}

/// 39. A3 is dead, so the entry its dDBU made has ended.
#[test]
fn a_valid_ddbu_replayed_after_20_minutes_makes_no_entry() {
    let mut net = Net::g0().figure1();
    let ddbu = net.log.iter().rev().find(|sent| sent.is_between(A3, B2) && sent.ddbu().is_some());
    let captured = ddbu.and_then(Sent::octets).expect("step 7").to_vec();
    let a3 = Node::Router(A3);
    net.set_fate(
        move |sent| if sent.from == a3 || sent.to == a3 { Fate::Lose } else { Fate::Arrive },
    );
    net.run(secs(1200));
    assert!(net.entries(B2, A_HOA1).is_empty(), "{:?}", net.lists(B2));
    let (_, lists, told, mns) = state(&net, B2);
    let start = net.now;
    net.inject(A3, B2, &captured);
    assert_eq!(net.story(start), ["b2>a3 dDBA 144 A_HoA1"]);
    let (_, after, told_after, mns_after) = state(&net, B2);
    assert_eq!((after, told_after, mns_after), (lists, told, mns));
    net.run(ms(1));
    net.inject(A3, B2, &captured);
    assert_eq!(net.story(start).len(), 1, "told the time once a second");
}

/// 40. Each is tried at the moment the true one is about to arrive, and the true one is still accepted.
#[test]
fn each_worked_message_with_an_octet_changed_is_refused_whatever_its_checksum_says() {
    let mut net = Net::worked();
    let start = net.now;
    net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
    let flights = [
        ("sDBU", A3, A2, 425),
        ("sDBA", A2, A3, 485),
        ("dDBU", A3, B2, 550),
        ("dDBA", B2, A3, 610),
    ];
    for (name, from, to, at) in flights {
        net.run_until(start - common::START + ms(at));
        let before = state(&net, to);
        let golden = vectors::octets(name);
        for at in 0..golden.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut octets = golden.clone();
                octets[at] ^= mask;
                if !(4..6).contains(&at) {
                    forge::repair(&mut octets, from, to);
                }
                net.inject(from, to, &octets);
                assert_eq!(state(&net, to), before, "{name}, octet {at} changed by {mask:#x}");
            }
        }
    }
    net.run(secs(1));
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
    let repeats = net.sent(start).filter(|sent| sent.sdbu().is_some()).count();
    assert_eq!(repeats, 1, "each of the true messages was taken at once");
}

/// 41.
#[test]
fn a_peer_that_names_another_maar_in_its_ddbu_is_refused() {
    let mut net = Net::g0().both_away();
    let newer = AttachTime(net.attach_time(A2, A).0 + (1 << 16));
    let Message::Ddbu(ddbu) = net.ddbu(A2, 1, newer, A_HOA1) else { unreachable!("a dDBU") };
    let (_, lists, told, _) = state(&net, B2);
    let start = net.now;
    net.forge(A2, B2, &Message::Ddbu(Ddbu { serving: A3, ..ddbu }));
    assert_eq!(net.story(start), ["b2>a2 dDBA 129 A_HoA1"]);
    let (_, after, told_after, _) = state(&net, B2);
    assert_eq!((after, told_after), (lists, told));
}

/// what may not enter a list.
#[test]
fn addresses_no_maar_anchors_core_addresses_and_others_leases_enter_no_list() {
    let mut net = Net::g0().both_away();
    let newer = AttachTime(net.attach_time(A2, A).0 + (1 << 16));
    let (_, _, told, _) = state(&net, B2);
    let lists = net.lists(B2);
    let unleased = Ipv6Addr::new(0x2001, 0xdb8, 0xb2, 0x77, 0, 0, 0, 1);
    let server = Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 0x80);
    for hoa in [server, A1, unleased, "fe80::1".parse().unwrap(), "ff02::1".parse().unwrap()] {
        let start = net.now;
        let ddbu = net.ddbu(A3, 1, newer, hoa);
        net.forge(A3, B2, &ddbu);
        let answer = net.sent(start).find_map(Sent::ddba).expect("an answer");
        assert_eq!(answer.status.0, 155, "{hoa}");
        net.run(ms(1));
    }
    assert_eq!((net.lists(B2), net.router(B2).told.len()), (lists, told));
}

/// 42.
#[test]
fn a_station_that_claims_another_s_address_never_gets_it() {
    for maar in [B3, A1, A2, A3] {
        let mut net = Net::g0().figure1();
        net.attach(E, B1);
        net.run(secs(20));
        net.set_link(B1, maar, ms(500));
        net.solicit(E, maar, &[(A_HOA1, B_HOA1)]);
        net.run(ms(100));
        if maar == B3 {
            assert_eq!(net.router(maar).state(E), "WaitSDBA");
            assert_eq!(net.entries(B3, A_HOA1), ["A_HoA1 -> E_HoA3 tentative"], "and shown");
        }
        let spoofed = |net: &Net| net.path_from(maar, Via::Access(E.mac()), A_HOA1, B_HOA1);
        assert!(spoofed(&net).ends_with("lost: source not the station's"), "{}", spoofed(&net));
        net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
        net.run(secs(2));
        assert!(spoofed(&net).ends_with("lost: source not the station's"), "{}", spoofed(&net));
        net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
        for router in net.routers.values() {
            let shown: Vec<_> = router.lists(net.time());
            assert!(!shown.iter().any(|line| line.contains("A_HoA1 -> E")), "{shown:?}");
            let lease = Prefix64::of(A_HOA1);
            let to_e = |place: &Place| matches!(place, Place::Here { mac, .. } if *mac == E.mac());
            assert!(!router.told.iter().any(|(prefix, place)| *prefix == lease && to_e(place)));
        }
    }
}

/// the RS's own word is not taken.
#[test]
fn a_station_that_solicits_under_another_s_name_is_dropped() {
    let mut net = Net::g0().figure1();
    net.put(E, A2);
    let rs = RouterSolicit {
        source: E.link_local(),
        sllao: Some(E.mac()),
        mn_id: Some(A.nai()),
        sessions: vec![(A_HOA1, B_HOA1)],
    };
    let before = state(&net, A2);
    net.handle(A2, Input::RouterSolicit { port: 0, mac: E.mac(), rs });
    assert_eq!(net.router(A2).count("rs_mn_id_mismatch"), 1);
    assert_eq!(state(&net, A2), before);
}

/// 45. The octets are the worked sDBU without seal, which A_MAAR2 would obey: it serves A.
#[test]
fn malformed_messages_are_counted_and_change_nothing() {
    let mut net = without_key();
    let sdbu = vectors::octets("sDBU-noauth");
    type Edit = fn(&mut Vec<u8>);
    let edits: [(&str, Edit); 12] = [
        ("no octets", |o| o.clear()),
        ("seven octets", |o| o.truncate(7)),
        ("eight octets fewer than Header Len says", |o| o.truncate(o.len() - 8)),
        ("a packet that is no multiple of 8", |o| o.truncate(o.len() - 3)),
        ("Header Len 255", |o| o[1] = 255),
        ("Header Len 0", |o| o[1] = 0),
        ("an option of 255 octets", |o| o[0x21] = 255),
        ("MN-ID of 255 octets", |o| o[0x0d] = 255),
        ("MN-ID of no octets", |o| o[0x0d] = 0),
        ("a Timestamp of 7 octets", |o| o[0x23] = 7),
        ("HNP prefix length 129", |o| o[0x2f] = 129),
        ("a CN-HoA without a group head", |o| o[0x2c] = 200),
    ];
    let before = state(&net, A2);
    for (n, (what, edit)) in edits.into_iter().enumerate() {
        let mut octets = sdbu.clone();
        edit(&mut octets);
        if octets.len() >= 8 {
            forge::repair(&mut octets, A3, A2);
        }
        net.inject(A3, A2, &octets);
        assert_eq!(net.router(A2).count("mh_malformed"), n as u32 + 1, "{what}");
        assert_eq!(state(&net, A2), before, "{what}");
    }
    let start = net.now;
    net.inject(A3, A2, &sdbu);
    assert_eq!(net.story(start).len(), 1, "unedited it is answered");
}

/// 46: MN-ID, handoff indicator, access technology type and home network prefix, word 0x8200.
fn pmipv6_update(seq: u16) -> Vec<u8> {
    let mn_id = [&[1], A.nai().as_str().as_bytes()].concat();
    let prefix = [&[0, 64], &A_HOA1.octets()[..]].concat();
    let time = 0x6955_b900_0000_u64.to_be_bytes();
    let options =
        [option(8, &mn_id), option(22, &prefix), option(23, &[0, 1]), option(24, &[0, 4])];
    forge::update(seq, 0x8200, 23, &[&options[..], &[option(27, &time)]].concat())
}

/// 46.
#[test]
fn a_proxy_binding_update_of_pmipv6_is_refused_when_signed_and_dropped_when_not() {
    let mut net = Net::g0().both_away();
    let (_, lists, told, mns) = state(&net, A2);
    let mut octets = pmipv6_update(1);
    forge::finish(&mut octets, A3, A2);
    let start = net.now;
    net.inject(A3, A2, &octets);
    assert_eq!((net.router(A2).count("mh_auth_failed"), net.story(start).len()), (1, 0));
    let mut octets = pmipv6_update(2);
    let id = MesgId::from_unix(net.time().wall);
    forge::seal(&mut octets, A3, A2, id);
    net.inject(A3, A2, &octets);
    assert_eq!(net.story(start), ["a2>a3 sDBA 152"]);
    let (_, after, told_after, mns_after) = state(&net, A2);
    assert_eq!((after, told_after, mns_after), (lists, told, mns));
}

/// 47.
#[test]
fn a_mobile_ipv6_update_is_not_ours_and_an_unknown_type_is_a_binding_error() {
    let mut net = without_key();
    let before = state(&net, A2);
    let mn_id = [&[1], A.nai().as_str().as_bytes()].concat();
    let mut plain = forge::update(1, 0x8000, 23, &[option(8, &mn_id)]);
    forge::finish(&mut plain, A3, A2);
    net.inject(A3, A2, &plain);
    assert_eq!(net.router(A2).count("mh_not_romip"), 1);
    assert_eq!(state(&net, A2), before);
    let mut unknown = forge::header(200, &[0; 10]);
    forge::finish(&mut unknown, A3, A2);
    let start = net.now;
    net.inject(A3, A2, &unknown);
    assert_eq!(net.story(start), ["a2>a3 BE 2"]);
    for _ in 0..100 {
        net.inject(A3, A2, &unknown);
    }
    assert!(net.story(start).len() <= 10, "at most ten a second");
    assert_eq!(net.router(A2).count("mh_unknown_type"), 101);
    let (_, lists, told, mns) = before;
    let (_, after, told_after, mns_after) = state(&net, A2);
    assert_eq!((after, told_after, mns_after), (lists, told, mns));
}

/// 47, from a peer with a key: where the options of an unknown type begin is not known, its seal is.
#[test]
fn an_unknown_type_is_a_binding_error_for_a_keyed_peer_and_silence_for_a_forger() {
    let mut net = Net::new(NEW_YEAR, |_| ());
    net.run(secs(1));
    let mut forged = forge::header(200, &[0; 10]);
    forge::finish(&mut forged, A3, A2);
    let start = net.now;
    net.inject(A3, A2, &forged);
    assert!(net.story(start).is_empty(), "{:?}", net.story(start));
    let mut sealed = forge::header(200, &[0; 10]);
    let id = MesgId::from_unix(net.time().wall);
    forge::seal(&mut sealed, A3, A2, id);
    net.inject(A3, A2, &sealed);
    assert_eq!(net.story(start), ["a2>a3 BE 2"]);
}

/// nobody gets another's lease by sharing a name with the realm's made-up ones.
#[test]
fn a_station_without_a_name_is_named_by_its_mac() {
    let mut net = Net::new(NEW_YEAR, |config| config.static_ids.clear());
    net.solicit(A, A1, &[]);
    net.run(secs(1));
    let made_up = Nai::new("02000000000a@example.org").unwrap();
    assert_eq!(net.router(A1).maar.mns()[0].mn_id, made_up);
}

/// R-37, `verify-aaa`: a peer with a key asks for an MN the AAA has not placed there.
#[test]
fn a_peer_that_asks_for_an_mn_that_is_elsewhere_gets_nothing_when_the_aaa_is_asked() {
    let mut net = Net::new(NEW_YEAR, |config| config.timers.verify_aaa = true).both_away();
    let newer = AttachTime(net.attach_time(A2, A).0 + (1 << 16));
    let mn_id = A.nai();
    let (groups, cursor) = (Vec::new(), None);
    let sdbu = Sdbu { seq: 1, lifetime: 23, mn_id, attach_time: Some(newer), groups, cursor };
    let start = net.now;
    net.forge(A3, A2, &Message::Sdbu(sdbu));
    net.run(ms(10));
    let asked = ["a2>AAA AAR A", "AAA>a2 AAA a2", "a2>a3 sDBA 154"];
    assert_eq!(net.story(start), asked);
    assert_eq!((net.router(A2).state(A), net.aaa.maar_of(&A.nai())), ("Attached", Some(A2)));
    net.assert_direct(A_HOA1, B_HOA1, "a2=>b2", "b2=>a2");
    // One that really has it is answered as ever, one round trip later.
    let start = net.now;
    net.attach(A, A3);
    net.run(secs(1));
    let asked = ["a2>AAA AAR A", "AAA>a2 AAA refused 5003"];
    assert_eq!(net.talk_of(start, A2, AAA), asked);
    net.assert_direct(A_HOA1, B_HOA1, "a3=>b2", "b2=>a3");
}
