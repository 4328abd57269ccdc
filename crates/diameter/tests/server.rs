// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Timelines of the server's end.

mod common;

use common::*;
use diameter::base;
use diameter::message::{FLAG_ERROR, Header, Message, Writer, command};
use diameter::nasreq::{Ask, SessionRequest};
use diameter::peer::{Server, ServerConfig, ServerInput, ServerOutput, Time};
use std::time::Duration;

fn s(n: u64) -> Time {
    Duration::from_secs(n)
}

fn server() -> Server {
    Server::new(
        ServerConfig { origin: aaa(), host_ip: "::1".parse().unwrap(), tw: s(30), seed: 1 },
        s(0),
    )
}

fn open() -> Server {
    let mut server = server();
    server.handle(s(0), ServerInput::Octets(&cer()));
    assert!(
        matches!(server.poll_output(), Some(ServerOutput::Claim { host, .. }) if host == "amaar3.example.org")
    );
    server.admit(s(0));
    assert_eq!(result(&sent(&mut server)[0]), 2001);
    server
}

fn cer() -> Vec<u8> {
    base::cer(&maar(), "2001:db8:ff::a3".parse().unwrap(), (1, 1))
}

fn drain(server: &mut Server) -> Vec<ServerOutput> {
    std::iter::from_fn(|| server.poll_output()).collect()
}

fn sent(server: &mut Server) -> Vec<Vec<u8>> {
    let octets = |output| if let ServerOutput::Send(octets) = output { Some(octets) } else { None };
    drain(server).into_iter().filter_map(octets).collect()
}

/// The kinds of outputs in order, counters by name.
fn kinds(server: &mut Server) -> Vec<String> {
    let kind = |output| match output {
        ServerOutput::Send(octets) => {
            format!("send {}", Message::parse(&octets).unwrap().header.command)
        }
        ServerOutput::Count(name) => name.to_owned(),
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    };
    drain(server).into_iter().map(kind).collect()
}

fn result(octets: &[u8]) -> u32 {
    Message::parse(octets).unwrap().find(268).unwrap().u32().unwrap()
}

#[test]
fn five_silent_seconds_end_a_new_connection() {
    let mut server = server();
    server.handle(s(4), ServerInput::Octets(&cer()[..30]));
    assert_eq!(server.deadline(), Some(s(5)));
    server.handle(s(5), ServerInput::Timeout);
    assert_eq!(kinds(&mut server), ["diameter_cer_timeout", "Close"]);
}

#[test]
fn nothing_goes_on_before_the_owner_has_judged_the_claim() {
    let mut server = server();
    server.handle(s(0), ServerInput::Octets(&[cer(), aar_octets()].concat()));
    assert_eq!(kinds(&mut server), ["Claim"]);
    server.refuse(3010);
    assert_eq!(kinds(&mut server), ["send 257", "diameter_cer_refused", "Close"]);
    server.handle(s(1), ServerInput::Octets(&aar_octets()));
    assert_eq!(kinds(&mut server), Vec::<String>::new());
}

#[test]
fn a_broken_cer_is_answered_by_name_and_closed() {
    let header = Header { flags: 0x80, command: 257, application: 0, hop_by_hop: 1, end_to_end: 1 };
    let start = || Writer::new(header).text(264, "a.example.org").text(296, "example.org");
    for (octets, code) in [
        (
            start()
                .address(257, "::1".parse().unwrap())
                .u32(266, 0)
                .text(269, "x")
                .text(264, "b")
                .finish(),
            5009,
        ),
        (start().u32(266, 0).text(269, "x").u32(258, 1).finish(), 5005),
        (start().octets(257, &[0, 2, 1]).finish(), 5014),
        (Writer::new(header).text(264, "").text(296, "example.org").finish(), 5004),
    ] {
        let mut server = server();
        server.handle(s(0), ServerInput::Octets(&octets));
        let outputs = drain(&mut server);
        let [ServerOutput::Send(cea), ServerOutput::Count(_), ServerOutput::Close] = &outputs[..]
        else {
            panic!("{outputs:?}")
        };
        assert_eq!(result(cea), code);
        assert!(Message::parse(cea).unwrap().find(279).is_some());
    }
}

#[test]
fn any_family_of_host_ip_address_is_taken_in_a_cer() {
    let header = Header { flags: 0x80, command: 257, application: 0, hop_by_hop: 1, end_to_end: 1 };
    for family in [&[0u8, 1, 10, 0, 0, 1][..], &[0, 8, b'+', b'4', b'9']] {
        let octets = Writer::new(header)
            .text(264, "a.example.org")
            .text(296, "example.org")
            .octets(257, family)
            .u32(266, 0)
            .text(269, "x")
            .u32(258, 0xffff_ffff)
            .finish();
        let mut server = server();
        server.handle(s(0), ServerInput::Octets(&octets));
        assert_eq!(kinds(&mut server), ["Claim"]);
    }
}

#[test]
fn a_silent_peer_is_asked_suspected_and_closed() {
    let mut server = open();
    let mut seen = Vec::new();
    while let Some(at) = server.deadline() {
        server.handle(at, ServerInput::Timeout);
        seen.push((at, server.is_suspect(), kinds(&mut server)));
    }
    assert_eq!(seen[0].2, ["send 280"]);
    assert_eq!((seen[1].1, &seen[1].2[..]), (true, &["diameter_watchdog_suspect".to_owned()][..]));
    assert_eq!(seen[2].2, ["diameter_watchdog_closed", "Down", "Close"]);
    assert!((s(84)..=s(96)).contains(&seen[2].0));
}

#[test]
fn a_dpr_is_answered_and_the_peer_may_close() {
    let mut server = open();
    server.handle(
        s(1),
        ServerInput::Octets(&base::dpr(&maar(), base::DisconnectCause::Rebooting, (5, 5))),
    );
    assert_eq!(kinds(&mut server), ["send 282", "Down"]);
    server.handle(s(1), ServerInput::Octets(&aar_octets()));
    assert_eq!(kinds(&mut server), Vec::<String>::new(), "after DPR nothing is served");
    server.handle(s(6), ServerInput::Timeout);
    assert_eq!(kinds(&mut server), ["Close"]);
}

#[test]
fn realm_and_host_of_the_destination_must_be_ours() {
    let mut server = open();
    let mut elsewhere = request();
    elsewhere.destination_realm = "example.net".into();
    server.handle(s(1), ServerInput::Octets(&elsewhere.encode(&maar(), (2, 2))));
    let answer = sent(&mut server).remove(0);
    assert_eq!((result(&answer), answer[4] & FLAG_ERROR), (3003, FLAG_ERROR));
    let mut other_host = request().encode(&maar(), (3, 3));
    other_host.extend([0, 0, 1, 37, 0x40, 0, 0, 9, b'x', 0, 0, 0]);
    let length = other_host.len() as u32;
    other_host[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    server.handle(s(1), ServerInput::Octets(&other_host));
    assert_eq!(result(&sent(&mut server)[0]), 3002);
}

#[test]
fn what_a_proxy_put_into_a_request_comes_back_in_its_answer() {
    let mut server = open();
    let mut octets = aar_octets();
    let proxy = [0, 0, 1, 28, 0x40, 0, 0, 20, 0, 0, 1, 24, 0x40, 0, 0, 10, b'p', b'.', 0, 0];
    octets.extend(proxy);
    let length = octets.len() as u32;
    octets[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    server.handle(s(1), ServerInput::Octets(&octets));
    let Some(ServerOutput::Authorize { ticket, sender, request: asked }) = server.poll_output()
    else {
        panic!()
    };
    assert_eq!((&*sender.host, &*sender.realm), ("amaar3.example.org", "example.org"));
    let (session_id, user_name) = (&*asked.session_id, &*asked.user_name);
    assert_eq!((session_id, user_name), (&*request().session_id, &*request().user_name));
    // Behind octets of another length than a multiple of four, too.
    let mut unsent = vec![9; 3];
    server.answer(&ticket, &reply(), &mut unsent);
    let sent = unsent.split_off(3);
    assert!(Message::parse(&sent).is_ok() && sent.ends_with(&proxy));
    assert_eq!(sent[20..280], aaa_octets()[20..]);
}

fn said(server: &mut Server) -> Vec<String> {
    drain(server).iter().map(|output| format!("{output:?}")).collect()
}

fn session_request(ask: Ask) -> SessionRequest {
    SessionRequest {
        ask,
        session_id: request().session_id,
        destination_host: "amaar3.example.org".into(),
        destination_realm: "example.org".into(),
        user_name: "usera@example.org".into(),
    }
}

#[test]
fn a_session_request_finds_its_answer_by_hop_by_hop_and_the_end_of_the_connection_answers_the_rest()
{
    let mut server = open();
    for (id, ask) in [(1, Ask::Reauthorize), (2, Ask::Abort), (3, Ask::Abort)] {
        assert!(server.ask(id, &session_request(ask)));
    }
    let asked = sent(&mut server);
    let read = |octets| SessionRequest::decode(&Message::parse(octets).unwrap()).unwrap();
    assert_eq!(read(&asked[0]), session_request(Ask::Reauthorize));
    assert_eq!(read(&asked[1]), session_request(Ask::Abort));
    let to = Message::parse(&asked[1]).unwrap().header;
    let asa = Writer::new(to.answer()).u32(268, 5002).finish();
    server.handle(s(1), ServerInput::Octets(&asa));
    assert_eq!(said(&mut server), ["Asked { id: 2, result_code: 5002 }"]);
    server.handle(s(1), ServerInput::Octets(&asa));
    assert_eq!(kinds(&mut server), ["diameter_unexpected_answer"]);
    server.handle(s(2), ServerInput::Closed);
    let left = said(&mut server);
    for id in [1, 3] {
        assert!(left.contains(&format!("Asked {{ id: {id}, result_code: 3002 }}")), "{left:?}");
    }
}

#[test]
fn a_stop_asks_the_peer_to_leave_and_waits_a_second() {
    let mut server = open();
    server.shutdown(s(1));
    assert_eq!(kinds(&mut server), ["send 282", "Down"]);
    assert_eq!(server.deadline(), Some(s(2)));
    server.handle(s(2), ServerInput::Timeout);
    assert_eq!(kinds(&mut server), ["Close"]);
}

#[test]
fn an_answer_nobody_asked_for_is_counted() {
    let mut server = open();
    server.handle(s(1), ServerInput::Octets(&aaa_octets()));
    assert_eq!(kinds(&mut server), ["diameter_unexpected_answer"]);
    let dwr = base::dwr(&maar(), (9, 9));
    server.handle(s(1), ServerInput::Octets(&dwr));
    let dwa = sent(&mut server).remove(0);
    let header = Message::parse(&dwa).unwrap().header;
    assert_eq!(
        (header.command, header.hop_by_hop, result(&dwa)),
        (command::DEVICE_WATCHDOG, 9, 2001)
    );
}
