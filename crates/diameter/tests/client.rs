// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Timelines of the client's end: at t this happens, at t that is seen.

mod common;

use common::*;
use diameter::base;
use diameter::message::{FLAG_ERROR, FLAG_PROXIABLE, Header, Message, Writer, command};
use diameter::nasreq::{AaAnswer, Ask, SessionRequest, StRequest};
use diameter::peer::{Client, ClientConfig, ClientInput, ClientOutput, Time, Unavailable};
use std::time::Duration;

fn ms(n: u64) -> Time {
    Duration::from_millis(n)
}

fn config() -> ClientConfig {
    ClientConfig {
        identity: maar().identity,
        host_ip: "2001:db8:ff::a3".parse().unwrap(),
        state_id: maar().state_id,
        tw: ms(30_000),
        tc: ms(30_000),
        try_timeout: ms(2_000),
        tries: 3,
        seed: 1,
        shares: false,
    }
}

/// A client and what came out of it.
struct Bench {
    client: Client,
    now: Time,
}

impl Bench {
    fn new() -> Bench {
        Bench { client: Client::new(config(), ms(0)), now: ms(0) }
    }

    /// With CER and CEA done.
    fn open() -> Bench {
        let mut bench = Bench::new();
        bench.come_up();
        bench
    }

    fn come_up(&mut self) -> Vec<ClientOutput> {
        assert!(self.drain().contains(&ClientOutput::Connect));
        self.client.handle(self.now, ClientInput::Connected);
        let cer = self.sent().remove(0);
        self.receive(&cea(&cer, 2001))
    }

    fn drain(&mut self) -> Vec<ClientOutput> {
        std::iter::from_fn(|| self.client.poll_output()).collect()
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        sent(self.drain())
    }

    fn receive(&mut self, octets: &[u8]) -> Vec<ClientOutput> {
        self.client.handle(self.now, ClientInput::Octets(octets));
        self.drain()
    }

    fn closed(&mut self) -> Vec<ClientOutput> {
        self.client.handle(self.now, ClientInput::Closed);
        self.drain()
    }

    /// Runs every deadline up to `t`; what came out, with its time.
    fn run_to(&mut self, t: Time) -> Vec<(Time, ClientOutput)> {
        let mut seen = Vec::new();
        while let Some(at) = self.client.deadline().filter(|at| *at <= t) {
            self.now = self.now.max(at);
            self.client.handle(self.now, ClientInput::Timeout);
            seen.extend(self.drain().into_iter().map(|output| (self.now, output)));
        }
        self.now = t;
        seen
    }
}

fn sent(outputs: Vec<ClientOutput>) -> Vec<Vec<u8>> {
    outputs
        .into_iter()
        .filter_map(|o| if let ClientOutput::Send(octets) = o { Some(octets) } else { None })
        .collect()
}

fn header(octets: &[u8]) -> Header {
    Message::parse(octets).unwrap().header
}

fn cea(cer: &[u8], code: u32) -> Vec<u8> {
    base::cea(&aaa(), "::1".parse().unwrap(), &header(cer), code, None)
}

fn aaa_to(aar: &[u8], answer: &AaAnswer) -> Vec<u8> {
    answer.encode(&aaa(), &header(aar), "usera@example.org")
}

/// As a relay makes errors: E set, P cleared, its own identity, no Auth-Application-Id.
fn relay_error(aar: &[u8], code: u32) -> Vec<u8> {
    let header = Header { flags: FLAG_ERROR, ..header(aar) };
    Writer::new(header)
        .text(263, "x")
        .text(264, "relay.test")
        .text(296, "test")
        .u32(268, code)
        .finish()
}

#[test]
fn a_request_made_before_the_aaa_is_there_goes_out_when_it_comes() {
    let mut bench = Bench::new();
    bench.client.authorize(ms(0), 7, request());
    assert_eq!(bench.drain(), [ClientOutput::Connect]);
    assert!(bench.closed().contains(&ClientOutput::Count("diameter_connect_failed")));
    assert_eq!(bench.run_to(ms(200)), [(ms(200), ClientOutput::Connect)]);
    bench.client.handle(bench.now, ClientInput::Connected);
    let cer = bench.sent().remove(0);
    let outputs = bench.receive(&cea(&cer, 2001));
    assert_eq!(
        outputs[0],
        ClientOutput::Up { host: "aaa.example.org".into(), state_id: Some(aaa().state_id) }
    );
    let aar = sent(outputs).remove(0);
    assert_eq!(header(&aar).flags, 0xc0, "never sent before: no T bit");
    assert_eq!(
        bench.receive(&aaa_to(&aar, &answer())),
        [ClientOutput::Answer { id: 7, answer: Ok(answer()) }]
    );
}

#[test]
fn a_silent_aaa_gets_three_tries_with_the_t_bit_and_one_end_to_end_id() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let first = header(&bench.sent().remove(0));
    let seen = bench.run_to(ms(6_000));
    let repeats: Vec<_> = seen
        .iter()
        .filter_map(
            |(t, o)| if let ClientOutput::Send(m) = o { Some((*t, header(m))) } else { None },
        )
        .collect();
    assert_eq!(repeats.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [ms(2_000), ms(4_000)]);
    for (_, repeat) in repeats {
        assert_eq!((repeat.flags, repeat.end_to_end), (0xd0, first.end_to_end));
        assert_ne!(repeat.hop_by_hop, first.hop_by_hop);
    }
    assert_eq!(
        seen.last().unwrap(),
        &(ms(6_000), ClientOutput::Answer { id: 1, answer: Err(Unavailable) })
    );
}

#[test]
fn the_late_answer_of_the_first_try_counts_and_the_second_answer_is_late() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let first = bench.sent().remove(0);
    let second = sent(bench.run_to(ms(2_000)).into_iter().map(|(_, o)| o).collect()).remove(0);
    assert_eq!(
        bench.receive(&aaa_to(&first, &answer())),
        [ClientOutput::Answer { id: 1, answer: Ok(answer()) }]
    );
    assert_eq!(
        bench.receive(&aaa_to(&second, &answer())),
        [ClientOutput::Count("diameter_late_answer")]
    );
}

#[test]
fn a_3xxx_is_tried_again_when_due_and_unavailable_only_after_the_tries() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let mut aar = bench.sent().remove(0);
    for t in [2_000, 4_000] {
        assert_eq!(
            bench.receive(&relay_error(&aar, 3002)),
            [ClientOutput::Count("diameter_protocol_error")]
        );
        aar = sent(bench.run_to(ms(t)).into_iter().map(|(_, o)| o).collect()).remove(0);
    }
    assert_eq!(
        bench.receive(&relay_error(&aar, 3004)),
        [
            ClientOutput::Count("diameter_protocol_error"),
            ClientOutput::Answer { id: 1, answer: Err(Unavailable) }
        ]
    );
}

#[test]
fn the_result_code_decides_and_not_the_e_bit() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let aar = bench.sent().remove(0);
    let mut refusal = relay_error(&aar, 5003);
    refusal[4] = 0;
    match &bench.receive(&refusal)[..] {
        [ClientOutput::Answer { id: 1, answer: Ok(answer) }] => {
            assert_eq!(answer.result_code, 5003)
        }
        other => panic!("{other:?}"),
    }
    bench.client.authorize(ms(0), 2, request());
    let aar = bench.sent().remove(0);
    let mut busy = relay_error(&aar, 3007);
    busy[4] = FLAG_PROXIABLE;
    assert_eq!(bench.receive(&busy), [ClientOutput::Count("diameter_protocol_error")]);
}

#[test]
fn success_without_agent_info_is_an_error_and_no_first_attachment() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let aar = bench.sent().remove(0);
    assert_eq!(
        bench.receive(&aaa_to(&aar, &AaAnswer { previous: None, ..answer() })),
        [
            ClientOutput::Count("diameter_no_agent_info"),
            ClientOutput::Answer { id: 1, answer: Err(Unavailable) }
        ]
    );
}

#[test]
fn what_a_relay_adds_to_an_answer_is_no_fault() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let aar = bench.sent().remove(0);
    let mut octets = aaa_to(&aar, &answer());
    octets[4] = 0; // P cleared.
    octets.extend_from_slice(&[0, 0, 1, 26, 0x40, 0, 0, 9, b'a', 0, 0, 0]); // Route-Record
    octets.extend_from_slice(&[0, 0, 0x7f, 1, 0x40, 0, 0, 8]); // unknown, M set
    let length = octets.len() as u32;
    octets[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    assert_eq!(bench.receive(&octets), [ClientOutput::Answer { id: 1, answer: Ok(answer()) }]);
}

#[test]
fn a_lost_connection_sends_what_is_pending_again_with_the_t_bit() {
    let mut bench = Bench::open();
    bench.client.authorize(ms(0), 1, request());
    let first = header(&bench.sent().remove(0));
    assert!(bench.closed().contains(&ClientOutput::Down));
    let seen = bench.run_to(ms(500));
    assert_eq!(seen, [(ms(200), ClientOutput::Connect)]);
    bench.client.handle(bench.now, ClientInput::Connected);
    let cer = bench.sent().remove(0);
    let repeat = sent(bench.receive(&cea(&cer, 2001))).remove(0);
    assert_eq!((header(&repeat).flags, header(&repeat).end_to_end), (0xd0, first.end_to_end));
    // An answer by the old connection's identifier is nobody's.
    let stale = relay_error(&Writer::new(first).finish(), 2001);
    assert_eq!(bench.receive(&stale), [ClientOutput::Count("diameter_late_answer")]);
}

#[test]
fn a_silent_connection_is_asked_after_tw_and_closed_after_two_more() {
    let mut bench = Bench::open();
    let seen = bench.run_to(ms(97_000));
    let names: Vec<_> = seen
        .iter()
        .map(|(t, output)| match output {
            ClientOutput::Send(m) => (t.as_secs(), format!("{}", header(m).command)),
            other => (t.as_secs(), format!("{other:?}")),
        })
        .collect();
    assert_eq!(names[0].1, "280");
    assert!((28..=32).contains(&names[0].0));
    assert!(names.iter().any(|(t, n)| n.contains("watchdog_suspect") && (56..=64).contains(t)));
    assert!(names.iter().any(|(t, n)| n == "Close" && (84..=96).contains(t)), "{names:?}");
}

#[test]
fn a_dpr_is_answered_and_a_waiting_request_brings_the_client_back_in_two_seconds() {
    let mut bench = Bench::open();
    let dpr = base::dpr(&aaa(), base::DisconnectCause::Rebooting, (5, 6));
    let outputs = bench.receive(&dpr);
    assert_eq!(outputs[1], ClientOutput::Down);
    assert_eq!(header(&sent(outputs)[0]), Header { flags: 0, ..header(&dpr) });
    bench.closed();
    assert_eq!(bench.run_to(ms(10_000)), []);
    bench.client.authorize(bench.now, 3, request());
    assert_eq!(bench.drain(), [ClientOutput::Connect]);
}

#[test]
fn a_busy_peer_is_left_alone_for_tc() {
    let mut bench = Bench::open();
    bench.receive(&base::dpr(&aaa(), base::DisconnectCause::Busy, (5, 6)));
    bench.closed();
    bench.client.authorize(bench.now, 3, request());
    let seen = bench.run_to(ms(26_000));
    assert!(!seen.iter().any(|(_, o)| *o == ClientOutput::Connect), "{seen:?}");
}

#[test]
fn a_planned_stop_sends_a_dpr_and_ends_with_one_close() {
    let mut bench = Bench::open();
    bench.client.shutdown(ms(0));
    let dpr = bench.sent().remove(0);
    assert_eq!(header(&dpr).command, command::DISCONNECT_PEER);
    let dpa = base::base_answer(&aaa(), &header(&dpr));
    assert_eq!(bench.receive(&dpa), [ClientOutput::Close]);
    assert_eq!(bench.client.deadline(), None);

    let mut never_connected = Bench::new();
    never_connected.client.shutdown(ms(0));
    assert_eq!(never_connected.drain(), [ClientOutput::Connect, ClientOutput::Close]);
    let mut unanswered = Bench::open();
    unanswered.client.shutdown(ms(0));
    unanswered.drain();
    assert_eq!(unanswered.run_to(ms(5_000)), [(ms(1_000), ClientOutput::Close)]);
}

#[test]
fn an_unknown_request_is_answered_3001_and_the_connection_stays() {
    let mut bench = Bench::open();
    let unknown = Writer::new(Header {
        flags: 0xc0,
        command: 300,
        application: 1,
        hop_by_hop: 8,
        end_to_end: 9,
    })
    .finish();
    let answer = sent(bench.receive(&unknown)).remove(0);
    assert_eq!(header(&answer), Header { flags: 0x60, ..header(&unknown) });
    assert_eq!(Message::parse(&answer).unwrap().find(268).unwrap().u32(), Ok(3001));
    let dwr = base::dwr(&aaa(), (1, 1));
    assert_eq!(header(&sent(bench.receive(&dwr))[0]).command, command::DEVICE_WATCHDOG);
}

#[test]
fn the_ten_thousand_and_first_request_is_turned_away() {
    let mut bench = Bench::new();
    bench.drain();
    for id in 0..=10_000 {
        bench.client.authorize(ms(0), id, request());
    }
    assert_eq!(
        bench.drain(),
        [
            ClientOutput::Count("diameter_queue_full"),
            ClientOutput::Answer { id: 10_000, answer: Err(Unavailable) }
        ]
    );
}

#[test]
fn an_str_comes_back_with_its_result() {
    let mut bench = Bench::open();
    let request = StRequest {
        session_id: request().session_id,
        destination_realm: "example.org".into(),
        user_name: "usera@example.org".into(),
        cause: 1,
    };
    bench.client.stop(ms(0), 4, request);
    let str_ = bench.sent().remove(0);
    let sta = Writer::new(header(&str_).answer()).u32(268, 2001).finish();
    assert_eq!(bench.receive(&sta), [ClientOutput::Stopped { id: 4, result_code: 2001 }]);
}

#[test]
fn a_refused_cer_closes_and_is_tried_again_later() {
    let mut bench = Bench::new();
    bench.drain();
    bench.client.handle(ms(0), ClientInput::Connected);
    let cer = bench.sent().remove(0);
    assert_eq!(
        bench.receive(&cea(&cer, 3010)),
        [ClientOutput::Close, ClientOutput::Count("diameter_cea_refused")]
    );
    assert_eq!(bench.run_to(ms(300)), [(ms(200), ClientOutput::Connect)]);
}

#[test]
fn a_connection_that_hangs_in_the_making_is_given_up_after_five_seconds() {
    let mut bench = Bench::new();
    bench.drain();
    let seen = bench.run_to(ms(5_100));
    assert_eq!(seen[0], (ms(5_000), ClientOutput::Close));
    assert_eq!(seen.last().unwrap(), &(ms(5_100), ClientOutput::Connect));
}

#[test]
fn a_rar_and_an_asr_reach_the_owner_and_its_answer_goes_back_in_the_session() {
    let mut bench = Bench::open();
    for (ask, command) in [(Ask::Reauthorize, 258), (Ask::Abort, 274)] {
        let asked = SessionRequest {
            ask,
            session_id: request().session_id,
            destination_host: "amaar3.example.org".into(),
            destination_realm: "example.org".into(),
            user_name: "usera@example.org".into(),
        };
        let outputs = bench.receive(&asked.encode(&aaa(), (77, 78)));
        let [ClientOutput::Asked { ticket, request: read }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(*read, asked);
        bench.client.answer_asked(ticket, 5002);
        let answer = bench.sent().remove(0);
        let (message, header) = (Message::parse(&answer).unwrap(), header(&answer));
        assert_eq!((header.command, header.hop_by_hop, header.end_to_end), (command, 77, 78));
        assert_eq!(message.find(268).unwrap().u32(), Ok(5002));
        assert_eq!(message.find(263).unwrap().data, request().session_id.as_bytes());
    }
}

#[test]
fn an_asr_without_a_session_is_5005_and_the_connection_stays() {
    let mut bench = Bench::open();
    let to = Header { command: 274, ..header(&aar_octets()) };
    let outputs = bench.receive(&Writer::new(to).text(264, "aaa.example.org").finish());
    let answer = sent(outputs).remove(0);
    assert_eq!(Message::parse(&answer).unwrap().find(268).unwrap().u32(), Ok(5005));
    let dwr = base::dwr(&aaa(), (9, 9));
    assert_eq!(sent(bench.receive(&dwr)).len(), 1);
}
