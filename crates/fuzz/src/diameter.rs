// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Diameter: messages, and both ends of a connection, whichever way the reads are cut. What a server says is sound.

use crate::Script;
use diameter::avp;
use diameter::base::{self, Capabilities};
use diameter::message::{MAX_MESSAGE, Message};
use diameter::nasreq::{AaAnswer, AaReply, AaRequest, Identity, Origin, StRequest};
use diameter::peer::{
    Client, ClientConfig, ClientInput, Server, ServerConfig, ServerInput, ServerOutput,
};
use std::time::Duration;

const T: Duration = Duration::from_secs(1);

fn origin(host: &str) -> Origin {
    let identity = Identity { host: host.into(), realm: "example.org".into() };
    Origin { identity, state_id: 7 }
}

fn reply() -> AaReply<'static> {
    AaReply {
        result_code: 2001,
        previous: Some("2001:db8:ff::a2".parse().expect("an address")),
        attach_time: Some(1 << 40),
        mn_id: Some("usera@example.org"),
        session_timeout: None,
    }
}

/// One input.
pub fn run(input: &[u8]) {
    let mut script = Script(input);
    let after_cer = script.flag();
    let octets = if script.flag() { framed(script.0) } else { script.0.to_vec() };
    read(&octets);
    let cer = base::cer(&origin("maar"), "::1".parse().expect("an address"), (1, 1));
    let octets = if after_cer { [cer, octets].concat() } else { octets };
    let cut = usize::from(input.first().copied().unwrap_or(0)).min(octets.len());
    let (front, back) = octets.split_at(cut);
    assert_eq!(
        serve(&[&octets]),
        serve(&[front, back]),
        "how the reads are cut makes no difference"
    );
    ask(&octets);
}

/// The header's version and length are right.
fn framed(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets.truncate(octets.len() / 4 * 4);
    if octets.len() >= 20 {
        let len = octets.len() as u32;
        octets[..4].copy_from_slice(&(1 << 24 | len).to_be_bytes());
    }
    octets
}

fn read(octets: &[u8]) {
    let Ok(message) = Message::parse(octets) else { return };
    let _ = avp::check(message.avps);
    let _ = AaRequest::decode(&message);
    let _ = AaAnswer::decode(&message);
    let _ = StRequest::decode(&message);
    let _ = Capabilities::decode(&message);
}

/// What a server says to these reads; its owner admits everybody and answers everything.
fn serve(reads: &[&[u8]]) -> Vec<String> {
    let config = ServerConfig {
        origin: origin("aaa"),
        host_ip: "::1".parse().expect("an address"),
        tw: Duration::from_secs(30),
        seed: 1,
    };
    let mut server = Server::new(config, T);
    let mut said = Vec::new();
    for read in reads {
        server.handle(T, ServerInput::Octets(read));
        while let Some(output) = server.poll_output() {
            said.push(format!("{output:?}"));
            let mut sent = Vec::new();
            match output {
                ServerOutput::Claim { .. } => server.admit(T),
                ServerOutput::Authorize { ticket, .. } => {
                    server.answer(&ticket, &reply(), &mut sent);
                }
                ServerOutput::Stop { ticket, .. } => server.answer_stop(&ticket, 2001, &mut sent),
                ServerOutput::Send(octets) => sent = octets,
                _ => {}
            }
            if !sent.is_empty() {
                let message = Message::parse(&sent).expect("a sound answer");
                assert!(sent.len() <= MAX_MESSAGE && avp::check(message.avps).is_ok());
                said.push(format!("{sent:?}"));
            }
        }
    }
    said
}

/// A client that waits for an answer hears these octets instead.
fn ask(octets: &[u8]) {
    let config = ClientConfig {
        identity: origin("maar").identity,
        host_ip: "::1".parse().expect("an address"),
        state_id: 1,
        tw: Duration::from_secs(30),
        tc: Duration::from_secs(30),
        try_timeout: Duration::from_secs(2),
        tries: 3,
        shares: false,
        seed: 1,
    };
    let mut client = Client::new(config, T);
    client.handle(T, ClientInput::Connected);
    let request = AaRequest {
        session_id: "s".into(),
        destination_realm: "example.org".into(),
        user_name: "usera@example.org".into(),
        calling_station_id: None,
        maar: "2001:db8:ff::a3".parse().expect("an address"),
        attach_time: None,
    };
    client.authorize(T, 1, request);
    client.handle(T, ClientInput::Octets(octets));
    let mut outputs = 0;
    while client.poll_output().is_some() {
        outputs += 1;
        assert!(outputs < 10_000, "it never ends");
    }
}
