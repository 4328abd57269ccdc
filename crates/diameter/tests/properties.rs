// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whatever comes in: no panic, nothing held beyond what came, and the cut of the reads makes no difference.

mod common;

use common::*;
use diameter::avp;
use diameter::base;
use diameter::message::{MAX_MESSAGE, Message, Writer};
use diameter::nasreq::{AaAnswer, AaRequest, StRequest};
use diameter::peer::{
    Client, ClientConfig, ClientInput, ClientOutput, Server, ServerConfig, ServerInput,
    ServerOutput,
};
use proptest::prelude::*;
use std::time::Duration;

const T: Duration = Duration::from_secs(1);

fn server() -> Server {
    let tw = Duration::from_secs(30);
    Server::new(ServerConfig { origin: aaa(), host_ip: "::1".parse().unwrap(), tw, seed: 1 }, T)
}

/// What a server says to these reads; the owner admits everybody and answers everything.
fn serve(reads: &[&[u8]]) -> Vec<String> {
    let mut server = server();
    let mut said = Vec::new();
    for read in reads {
        server.handle(T, ServerInput::Octets(read));
        while let Some(output) = server.poll_output() {
            said.push(format!("{output:?}"));
            let mut answer = Vec::new();
            match output {
                ServerOutput::Claim { .. } => server.admit(T),
                ServerOutput::Authorize { ticket, .. } => {
                    server.answer(&ticket, &reply(), &mut answer);
                }
                ServerOutput::Stop { ticket, .. } => {
                    server.answer_stop(&ticket, 2001, &mut answer);
                }
                _ => {}
            }
            if !answer.is_empty() {
                said.push(format!("Answer {answer:?}"));
            }
        }
    }
    said
}

/// A conversation of sound messages: CER, AAR, STR, DWR, DPR.
fn conversation() -> Vec<u8> {
    let stop = StRequest {
        session_id: "s".into(),
        destination_realm: "example.org".into(),
        user_name: "usera@example.org".into(),
        cause: 1,
    };
    [
        base::cer(&maar(), "::1".parse().unwrap(), (1, 1)),
        aar_octets(),
        stop.encode(&maar(), (2, 2)),
        base::dwr(&maar(), (3, 3)),
        base::dpr(&maar(), base::DisconnectCause::Rebooting, (4, 4)),
    ]
    .concat()
}

/// The octets of a client's first request, and the client in the state that follows.
fn asking_client() -> (Client, Vec<u8>) {
    let config = ClientConfig {
        identity: maar().identity,
        host_ip: "::1".parse().unwrap(),
        state_id: 1,
        tw: Duration::from_secs(30),
        tc: Duration::from_secs(30),
        try_timeout: Duration::from_secs(2),
        tries: 3,
        seed: 1,
        shares: false,
    };
    let mut client = Client::new(config, T);
    client.handle(T, ClientInput::Connected);
    let mut sent = Vec::new();
    let mut drain = |client: &mut Client| {
        while let Some(output) = client.poll_output() {
            if let ClientOutput::Send(octets) = output {
                sent.push(octets);
            }
        }
    };
    drain(&mut client);
    client.authorize(T, 1, request());
    let cea = base::cea(
        &aaa(),
        "::1".parse().unwrap(),
        &Message::parse(&base::cer(&maar(), "::1".parse().unwrap(), (1, 1))).unwrap().header,
        2001,
        None,
    );
    client.handle(T, ClientInput::Octets(&cea));
    drain(&mut client);
    (client, sent.pop().unwrap())
}

fn read_everything(octets: &[u8]) {
    if let Ok(message) = Message::parse(octets) {
        let _ = avp::check(message.avps);
        let _ = AaRequest::decode(&message);
        let _ = AaAnswer::decode(&message);
        let _ = StRequest::decode(&message);
        let _ = base::Capabilities::decode(&message);
    }
}

prop_compose! {
    fn any_request()(
        session_id in "[ -~]{1,80}",
        realm in "[a-z]{1,20}\\.[a-z]{2,5}",
        user_name in "\\PC{1,60}",
        station in proptest::option::of("[0-9A-F-]{1,17}"),
        maar in any::<u128>().prop_filter("a unicast address", |a| *a != 0 && a >> 120 != 0xff),
        attach_time in any::<Option<u64>>(),
    ) -> AaRequest {
        AaRequest {
            session_id,
            destination_realm: realm,
            user_name,
            calling_station_id: station,
            maar: maar.into(),
            attach_time,
        }
    }
}

prop_compose! {
    fn any_answer()(
        result_code in any::<u32>(),
        session_id in proptest::option::of("[ -~]{1,80}"),
        previous in any::<Option<u128>>(),
        attach_time in any::<Option<u64>>(),
        mn_id in proptest::option::of("\\PC{1,60}"),
        session_timeout in any::<Option<u32>>(),
    ) -> AaAnswer {
        AaAnswer { result_code, session_id, previous: previous.map(Into::into), attach_time, mn_id, session_timeout }
    }
}

fn every_answer_is_sound(changes: &[(usize, u8)]) {
    let mut octets = conversation();
    for (at, value) in changes {
        let at = at % octets.len();
        octets[at] = *value;
    }
    let mut server = server();
    server.handle(T, ServerInput::Octets(&octets));
    while let Some(output) = server.poll_output() {
        let mut answer = Vec::new();
        match output {
            ServerOutput::Claim { .. } => server.admit(T),
            ServerOutput::Authorize { ticket, .. } => server.answer(&ticket, &reply(), &mut answer),
            ServerOutput::Stop { ticket, .. } => server.answer_stop(&ticket, 2001, &mut answer),
            ServerOutput::Send(sent) => answer = sent,
            _ => {}
        }
        if !answer.is_empty() {
            let message = Message::parse(&answer).unwrap();
            assert!(answer.len() <= MAX_MESSAGE);
            assert!(avp::check(message.avps).is_ok());
            assert!(message.find(268).is_some());
        }
    }
}

/// An AVP of the conversation that became a Proxy-Info: it was echoed with what is no group in it.
#[test]
fn a_proxy_info_that_holds_no_group_is_not_echoed() {
    every_answer_is_sound(&[(535, 28)]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn an_aar_comes_back_as_it_went(request in any_request(), ids in any::<(u32, u32)>()) {
        let octets = request.encode(&maar(), ids);
        let message = Message::parse(&octets).unwrap();
        prop_assert_eq!((message.header.hop_by_hop, message.header.end_to_end), ids);
        prop_assert_eq!(AaRequest::decode(&message).unwrap(), request);
    }

    #[test]
    fn an_aaa_comes_back_as_it_went(answer in any_answer()) {
        let aar = aar_octets();
        let octets = answer.encode(&aaa(), &Message::parse(&aar).unwrap().header, "usera@example.org");
        prop_assert_eq!(AaAnswer::decode(&Message::parse(&octets).unwrap()).unwrap(), answer);
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&octets);
        let mut framed = Writer::new(Message::parse(&aar_octets()).unwrap().header).raw(&octets).finish();
        read_everything(&framed);
        framed[0] = octets.first().copied().unwrap_or(1);
        serve(&[&framed]);
    }

    #[test]
    fn a_mutated_conversation_never_panics_and_every_answer_is_sound(
        at in proptest::collection::vec((0usize..700, any::<u8>()), 1..6),
    ) {
        every_answer_is_sound(&at);
    }

    #[test]
    fn a_mutated_answer_never_panics_and_never_invents_a_first_attachment(
        at in proptest::collection::vec((0usize..280, any::<u8>()), 1..4),
    ) {
        let (mut client, aar) = asking_client();
        let given = AaAnswer { previous: None, ..answer() };
        let mut octets = given.encode(&aaa(), &Message::parse(&aar).unwrap().header, "usera@example.org");
        for (at, value) in at {
            let at = at % octets.len();
            octets[at] = value;
        }
        client.handle(T, ClientInput::Octets(&octets));
        while let Some(output) = client.poll_output() {
            if let ClientOutput::Answer { answer: Ok(answer), .. } = output {
                prop_assert!(answer.result_code != 2001 || answer.previous.is_some());
            }
        }
    }

    #[test]
    fn how_the_reads_are_cut_makes_no_difference(cuts in proptest::collection::vec(1usize..200, 1..40)) {
        let octets = conversation();
        let mut reads = Vec::new();
        let mut rest = &octets[..];
        for cut in cuts.iter().cycle() {
            let (read, after) = rest.split_at((*cut).min(rest.len()));
            reads.push(read);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(serve(&reads), serve(&[&octets]));
    }
}

#[test]
fn octet_by_octet_is_the_same_as_one_read_and_all_five_are_answered() {
    let octets = conversation();
    let one_by_one: Vec<&[u8]> = octets.chunks(1).collect();
    let said = serve(&[&octets]);
    assert_eq!(serve(&one_by_one), said);
    let answers = said.iter().filter(|said| said.starts_with("Send") || said.starts_with("Answer"));
    assert_eq!(answers.count(), 5);
}

#[test]
fn every_single_octet_of_the_worked_messages_may_be_wrong() {
    for original in [aar_octets(), aaa_octets(), aaa_first_octets()] {
        for at in 0..original.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut octets = original.clone();
                octets[at] ^= flip;
                read_everything(&octets);
            }
        }
        for length in 0..original.len() {
            read_everything(&original[..length]);
        }
    }
}
