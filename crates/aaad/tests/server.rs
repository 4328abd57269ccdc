// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real server over real TCP.

mod common;

use aaad::server::Server;
use aaad::store::Opening;
use common::*;
use diameter::base;
use diameter::message::{FLAG_RETRANSMITTED, Header, Message, Writer, command};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

const A1: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa1);
const A2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);

#[test]
fn a_first_attachment_finds_nobody_and_a_handover_names_the_previous_maar() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let mut a2 = Raw::open(&server, "amaar2.example.org");
    let first = a1.attach(A1);
    assert_eq!((first.result_code, first.previous), (2001, Some(Ipv6Addr::UNSPECIFIED)));
    assert_eq!(
        (first.mn_id.as_deref(), first.session_timeout),
        (Some("usera@example.org"), Some(86_400))
    );
    let second = a2.attach(A2);
    assert_eq!((second.result_code, second.previous), (2001, Some(A1)));
    assert!(second.attach_time > first.attach_time);
    server.stop();
}

#[test]
fn a_repeat_with_the_t_bit_gets_the_same_octets_and_changes_nothing() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    a1.attach(A1);
    let mut a2 = Raw::open(&server, "amaar2.example.org");
    let ids = a2.ids();
    let mut aar = a2.request(A2).encode(&a2.origin, ids);
    a2.send(&aar);
    let first = a2.receive().unwrap();
    aar[4] |= FLAG_RETRANSMITTED;
    a2.send(&aar);
    assert_eq!(a2.receive().unwrap(), first);
    aar[4] &= !FLAG_RETRANSMITTED;
    a2.send(&aar);
    assert_eq!(a2.receive().unwrap(), first, "duplicates without the T bit are real, too");
}

#[test]
fn a_stale_str_changes_nothing_and_the_right_one_detaches() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let old = a1.request(A1).session_id;
    a1.attach(A1);
    let ids = a1.ids();
    let mut newer = a1.request(A1);
    newer.session_id = "amaar1.example.org;1;2;usera".into();
    let newer_octets = newer.encode(&a1.origin, ids);
    assert_eq!(a1.ask(&newer_octets).previous, Some(A1));
    let stale = a1.stop_request(&old);
    a1.send(&stale);
    assert_eq!(result_code(&a1.receive().unwrap()), 2001);
    let mut a2 = Raw::open(&server, "amaar2.example.org");
    assert_eq!(a2.attach(A2).previous, Some(A1));
    let session = a2.request(A2).session_id;
    let right = a2.stop_request(&session);
    a2.send(&right);
    assert_eq!(result_code(&a2.receive().unwrap()), 2001);
    let mut again = a2.request(A2);
    again.session_id.push('2');
    let ids = a2.ids();
    let octets = again.encode(&a2.origin, ids);
    assert_eq!(a2.ask(&octets).previous, Some(Ipv6Addr::UNSPECIFIED));
}

/// An AAR of our own making, AVP by AVP.
fn aar(fill: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
    let header = Header {
        flags: 0xc0,
        command: command::AA,
        application: 1,
        hop_by_hop: 70,
        end_to_end: 71,
    };
    fill(Writer::new(header)).finish()
}

fn usual(w: Writer) -> Writer {
    w.u32(258, 1)
        .text(264, "amaar1.example.org")
        .text(296, "example.org")
        .text(283, "example.org")
        .u32(274, 2)
        .text(1, "usera@example.org")
}

fn agent(w: Writer) -> Writer {
    w.group(486, |g| g.address(334, A1.into()))
}

#[test]
fn bad_requests_are_answered_by_name_and_the_connection_stays() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let unknown_command = Writer::new(Header {
        flags: 0xc0,
        command: 300,
        application: 1,
        hop_by_hop: 5,
        end_to_end: 6,
    })
    .finish();
    let unknown_application = Writer::new(Header {
        flags: 0xc0,
        command: 265,
        application: 4,
        hop_by_hop: 5,
        end_to_end: 6,
    })
    .finish();
    let mut both_bits = aar(|w| agent(usual(w.text(263, "s"))));
    both_bits[4] |= 0x20;
    for (what, octets, code, e_bit) in [
        ("unknown command", unknown_command, 3001, true),
        ("unknown application", unknown_application, 3007, true),
        ("R and E", both_bits, 3008, true),
        (
            "own name in Route-Record",
            aar(|w| agent(usual(w.text(263, "s").text(282, "AAA.example.org")))),
            3005,
            true,
        ),
        ("no Session-Id", aar(|w| agent(usual(w))), 5005, false),
        ("no MIP6-Agent-Info", aar(|w| usual(w.text(263, "s"))), 5005, false),
        ("User-Name twice", aar(|w| agent(usual(w.text(263, "s").text(1, "x")))), 5009, false),
        (
            "Address of 3 octets",
            aar(|w| usual(w.text(263, "s")).group(486, |g| g.octets(334, &[0, 2, 1]))),
            5014,
            false,
        ),
        (
            "Address of family 1",
            aar(|w| usual(w.text(263, "s")).group(486, |g| g.octets(334, &[0, 1, 9, 9, 9, 9]))),
            5004,
            false,
        ),
        (
            "asker is ::",
            aar(|w| {
                usual(w.text(263, "s")).group(486, |g| g.address(334, Ipv6Addr::UNSPECIFIED.into()))
            }),
            5004,
            false,
        ),
        ("unknown AVP with M", aar(|w| agent(usual(w.text(263, "s").u32(9999, 1)))), 5001, false),
        (
            "User-Name is not UTF-8",
            aar(|w| {
                agent(
                    w.text(263, "s")
                        .u32(258, 1)
                        .text(264, "a.example.org")
                        .text(296, "example.org")
                        .text(283, "example.org")
                        .u32(274, 2)
                        .octets(1, &[0xff]),
                )
            }),
            5004,
            false,
        ),
    ] {
        a1.send(&octets);
        let answer = a1.receive().unwrap();
        let (asked, answered) =
            (Message::parse(&octets).unwrap().header, Message::parse(&answer).unwrap().header);
        assert_eq!(result_code(&answer), code, "{what}");
        assert_eq!(answered, Header { flags: if e_bit { 0x60 } else { 0x40 }, ..asked }, "{what}");
        if code >= 5000 {
            assert!(failed_avp(&answer).len() >= 8, "{what}");
        }
    }
    assert_eq!(
        a1.attach(A1).previous,
        Some(Ipv6Addr::UNSPECIFIED),
        "nothing was stored by any of them"
    );
}

#[test]
fn a_missing_avp_comes_back_as_an_empty_example() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    a1.send(&aar(|w| agent(usual(w))));
    assert_eq!(failed_avp(&a1.receive().unwrap()), [0, 0, 1, 7, 0x40, 0, 0, 8]);
}

#[test]
fn an_avp_length_that_cannot_be_is_5014_with_the_header_of_the_offender() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let mut octets = aar(|w| agent(usual(w.text(263, "s"))).u32(278, 1));
    let at = octets.len() - 5;
    octets[at] = 7;
    a1.send(&octets);
    let answer = a1.receive().unwrap();
    assert_eq!(result_code(&answer), 5014);
    assert_eq!(failed_avp(&answer), [0, 0, 1, 0x16, 0x40, 0, 0, 12, 0, 0, 0, 0]);
    assert_eq!(a1.attach(A1).result_code, 2001);
}

#[test]
fn no_common_application_is_5010_without_the_e_bit_and_the_end() {
    let server = start();
    let mut raw = Raw::connect(&server, "amaar1.example.org");
    let header = Header { flags: 0x80, command: 257, application: 0, hop_by_hop: 1, end_to_end: 1 };
    let cer = Writer::new(header)
        .text(264, "amaar1.example.org")
        .text(296, "example.org")
        .address(257, A1.into())
        .u32(266, 0)
        .text(269, "other")
        .u32(258, 4)
        .finish();
    raw.send(&cer);
    let cea = raw.receive().unwrap();
    assert_eq!((result_code(&cea), cea[4]), (5010, 0));
    assert_eq!(raw.receive(), None);
}

#[test]
fn an_unlisted_host_is_3010_with_the_e_bit_and_the_end() {
    let server = start();
    let mut raw = Raw::connect(&server, "maar.elsewhere.net");
    let cer = base::cer(&raw.origin, A1.into(), (1, 1));
    raw.send(&cer);
    let cea = raw.receive().unwrap();
    assert_eq!((result_code(&cea), cea[4]), (3010, 0x20));
    assert_eq!(raw.receive(), None);
}

#[test]
fn a_second_connection_of_a_peer_is_5012_and_the_first_works_on() {
    let server = start();
    let mut first = Raw::open(&server, "amaar1.example.org");
    let mut second = Raw::connect(&server, "AMAAR1.example.org");
    assert_eq!(second.exchange_capabilities(), 5012);
    assert_eq!(second.receive(), None);
    assert_eq!(first.attach(A1).result_code, 2001);
}

#[test]
fn a_suspect_connection_gives_way_to_a_new_one_of_its_peer() {
    let mut config = config("accept: realm\nstore: memory");
    config.watchdog = Duration::from_millis(300);
    let server = Running::of(Server::bind(config, Opening::AsItIs).unwrap());
    let mut first = Raw::open(&server, "amaar1.example.org");
    let dwr = first.receive().unwrap();
    assert_eq!(Message::parse(&dwr).unwrap().header.command, command::DEVICE_WATCHDOG);
    // It does not answer: suspect a Tw later, closed another Tw later.
    let begun = Instant::now();
    loop {
        let mut second = Raw::connect(&server, "amaar1.example.org");
        match second.exchange_capabilities() {
            2001 => {
                assert_eq!(first.receive(), None);
                assert_eq!(second.attach(A1).result_code, 2001);
                break;
            }
            code => assert_eq!(code, 5012),
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_peer_that_was_restarted_takes_the_place_of_its_former_self() {
    let server = start();
    let mut first = Raw::open(&server, "amaar1.example.org");
    let mut second = Raw::connect(&server, "amaar1.example.org");
    second.origin.state_id += 1;
    assert_eq!(second.exchange_capabilities(), 2001);
    assert_eq!(first.receive(), None);
    assert_eq!(second.attach(A1).result_code, 2001);
}

#[test]
fn what_does_not_begin_with_a_cer_is_closed() {
    let server = start();
    let dwr = base::dwr(&Raw::connect(&server, "a.example.org").origin, (1, 1));
    for start in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[1, 255, 255, 252], &[1, 0, 0, 16, 0, 0, 0, 0], &dwr]
    {
        let mut raw = Raw::connect(&server, "amaar1.example.org");
        raw.send(start);
        assert_eq!(raw.receive(), None);
    }
}

#[test]
fn a_silent_connection_is_closed_after_five_seconds() {
    let server = start();
    let start = Instant::now();
    assert_eq!(Raw::connect(&server, "amaar1.example.org").receive(), None);
    assert!(start.elapsed() >= Duration::from_secs(5));
}

#[test]
fn octet_by_octet_is_the_same_as_at_once() {
    let server = start();
    let mut a1 = Raw::connect(&server, "amaar1.example.org");
    let cer = base::cer(&a1.origin, A1.into(), (1, 1));
    let ids = a1.ids();
    let aar = a1.request(A1).encode(&a1.origin, ids);
    for octet in cer.iter().chain(&aar) {
        a1.send(&[*octet]);
    }
    assert_eq!(result_code(&a1.receive().unwrap()), 2001);
    assert_eq!(result_code(&a1.receive().unwrap()), 2001);
    let mut a2 = Raw::connect(&server, "amaar2.example.org");
    let both =
        [base::cer(&a2.origin, A2.into(), (1, 1)), a2.request(A2).encode(&a2.origin, (2, 2))]
            .concat();
    a2.send(&both);
    assert_eq!(result_code(&a2.receive().unwrap()), 2001);
    assert_eq!(Message::parse(&a2.receive().unwrap()).unwrap().header.command, command::AA);
}

#[test]
fn a_thousand_concurrent_requests_for_one_mn_make_a_single_chain() {
    const PEERS: u16 = 10;
    const EACH: u16 = 100;
    let server = start();
    let mut links: Vec<(u64, Ipv6Addr, Ipv6Addr)> = std::thread::scope(|scope| {
        let peers: Vec<_> = (0..PEERS)
            .map(|peer| {
                scope.spawn({
                    let server = &server;
                    move || {
                        let mut raw = Raw::open(server, &format!("maar{peer}.example.org"));
                        let asked: Vec<_> =
                            (0..EACH).map(|n| address(0x1000 + peer * EACH + n)).collect();
                        for maar in &asked {
                            let ids = raw.ids();
                            let octets = raw.request(*maar).encode(&raw.origin, ids);
                            raw.send(&octets);
                        }
                        let answers = asked.iter().map(|maar| {
                            let octets = raw.receive().unwrap();
                            let answer = diameter::nasreq::AaAnswer::decode(
                                &Message::parse(&octets).unwrap(),
                            )
                            .unwrap();
                            (answer.attach_time.unwrap(), answer.previous.unwrap(), *maar)
                        });
                        answers.collect::<Vec<_>>()
                    }
                })
            })
            .collect();
        peers.into_iter().flat_map(|peer| peer.join().unwrap()).collect()
    });
    links.sort();
    assert_eq!(links.len(), usize::from(PEERS * EACH));
    let mut previous = Ipv6Addr::UNSPECIFIED;
    let mut last = 0;
    for (time, from, to) in links {
        assert!(time > last);
        assert_eq!(from, previous);
        (last, previous) = (time, to);
    }
}

#[test]
fn a_user_who_is_no_subscriber_is_5030() {
    let server = start_with("subscribers: [userb@example.org]\nstore: memory");
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    assert_eq!(a1.attach(A1).result_code, 5030);
}

#[test]
fn a_dpr_is_answered_and_a_stop_sends_one() {
    let server = start();
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let dpr = base::dpr(&a1.origin, base::DisconnectCause::Rebooting, (8, 9));
    a1.send(&dpr);
    assert_eq!(result_code(&a1.receive().unwrap()), 2001);
    let mut a2 = Raw::open(&server, "amaar2.example.org");
    let begun = Instant::now();
    server.begin_stop();
    let dpr = a2.receive().unwrap();
    let header = Message::parse(&dpr).unwrap().header;
    assert_eq!(header.command, command::DISCONNECT_PEER);
    let dpa = base::base_answer(&a2.origin, &header);
    a2.send(&dpa);
    assert_eq!(a2.receive(), None);
    drop((a1, a2));
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_peer_that_reads_nothing_is_not_read_from_and_harms_nobody() {
    let server = start();
    let mut deaf = Raw::open(&server, "deaf.example.org");
    let mut bold = Raw::open(&server, "bold.example.org");
    let dwr = base::dwr(&deaf.origin, (1, 1)).repeat(1000);
    deaf.give_up_writing_after(Duration::from_millis(500));
    let mut taken = 0;
    while taken < 200 * 1024 * 1024 && deaf.try_send(&dwr) {
        taken += dwr.len();
    }
    assert!(
        taken < 200 * 1024 * 1024,
        "the server took {taken} octets from a peer that reads nothing"
    );
    assert_eq!(bold.attach(A1).result_code, 2001);
}
