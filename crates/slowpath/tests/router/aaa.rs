// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small AAA: real Diameter octets, table 4.2's answers for new attachments.

use diameter::base;
use diameter::dictionary::code;
use diameter::message::{Message, Writer, command};
use diameter::nasreq::{AaAnswer, AaRequest, Identity, Origin, StRequest};
use diameter::stream::Stream;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// What the next AARs are answered with instead of the table's answer.
#[derive(Clone, Debug)]
pub enum Mood {
    Normal,
    Silent,
    Refuse(u32),
    /// Granted under another MN-ID.
    Rename(String),
    /// 2001 without MIP6-Agent-Info.
    Incomplete,
}

pub struct Aaa {
    pub mood: Mood,
    pub state_id: u32,
    /// MN-ID -> MAAR, Session-Id.
    pub rows: BTreeMap<String, (Ipv6Addr, String)>,
    pub asked: Vec<AaRequest>,
    pub stopped: Vec<StRequest>,
    pub dprs: usize,
    /// Of each AAR: which server it came to, its End-to-End id, and whether it had the T bit.
    pub came: Vec<(usize, u32, bool)>,
    /// By router and server: they share the table.
    streams: BTreeMap<(usize, usize), Stream>,
    time: u64,
}

impl Aaa {
    pub fn new() -> Aaa {
        Aaa {
            mood: Mood::Normal,
            state_id: 1,
            rows: BTreeMap::new(),
            asked: Vec::new(),
            stopped: Vec::new(),
            dprs: 0,
            came: Vec::new(),
            streams: BTreeMap::new(),
            time: 0x6955_b900_0000,
        }
    }

    pub fn connected(&mut self, whose: (usize, usize)) {
        self.streams.insert(whose, Stream::default());
    }

    /// The answers to what a router sent to a server.
    pub fn octets(&mut self, whose: (usize, usize), octets: &[u8]) -> Vec<Vec<u8>> {
        let mut stream = self.streams.remove(&whose).expect("connected");
        stream.push(octets);
        let mut answers = Vec::new();
        while let Some(message) = stream.next_message().expect("framing") {
            let message = message.to_vec();
            answers.extend(self.answer(whose.1, &Message::parse(&message).expect("a message")));
        }
        self.streams.insert(whose, stream);
        answers
    }

    fn origin(&self, server: usize) -> Origin {
        let host =
            if server == 0 { "aaa.example.org".into() } else { format!("aaa{server}.example.org") };
        let identity = Identity { host, realm: "example.org".into() };
        Origin { identity, state_id: self.state_id }
    }

    fn answer(&mut self, server: usize, message: &Message<'_>) -> Option<Vec<u8>> {
        let origin = self.origin(server);
        let header = &message.header;
        match header.command {
            command::CAPABILITIES_EXCHANGE => {
                Some(base::cea(&origin, "2001:db8:ff::aaaa".parse().unwrap(), header, 2001, None))
            }
            command::DEVICE_WATCHDOG => Some(base::base_answer(&origin, header)),
            command::DISCONNECT_PEER => {
                self.dprs += 1;
                Some(base::base_answer(&origin, header))
            }
            command::AA => {
                let request = AaRequest::decode(message).expect("a sound AAR");
                self.asked.push(request.clone());
                self.came.push((server, header.end_to_end, header.flags & 0x10 != 0));
                let answer = self.authorize(&request)?;
                Some(answer.encode(&origin, header, &request.user_name))
            }
            command::SESSION_TERMINATION => {
                let request = StRequest::decode(message).expect("a sound STR");
                let sta = Writer::new(header.answer())
                    .text(code::SESSION_ID, &request.session_id)
                    .u32(code::RESULT_CODE, 2001)
                    .text(code::ORIGIN_HOST, &origin.identity.host)
                    .text(code::ORIGIN_REALM, &origin.identity.realm)
                    .finish();
                self.stopped.push(request);
                Some(sta)
            }
            other => panic!("command {other}"),
        }
    }

    fn authorize(&mut self, request: &AaRequest) -> Option<AaAnswer> {
        let mut answer = AaAnswer {
            result_code: 2001,
            session_id: Some(request.session_id.clone()),
            previous: None,
            attach_time: None,
            mn_id: Some(request.user_name.clone()),
            session_timeout: None,
        };
        match &self.mood {
            Mood::Silent => return None,
            Mood::Refuse(code) => {
                answer.result_code = *code;
                return Some(answer);
            }
            Mood::Incomplete => return Some(answer),
            Mood::Rename(name) => answer.mn_id = Some(name.clone()),
            Mood::Normal => {}
        }
        if let Some(time) = request.attach_time {
            return Some(self.register(request, time, answer));
        }
        self.time += 1;
        answer.attach_time = Some(self.time);
        let user = answer.mn_id.clone().expect("set above");
        let row = (request.maar, request.session_id.clone());
        let before = self.rows.insert(user, row).map(|(maar, _)| maar);
        answer.previous = Some(before.unwrap_or(Ipv6Addr::UNSPECIFIED));
        Some(answer)
    }

    /// Table 4.2 for a request with a time, as far as a MAAR that holds the MN asks it.
    fn register(&mut self, request: &AaRequest, time: u64, mut answer: AaAnswer) -> AaAnswer {
        let row = (request.maar, request.session_id.clone());
        let stored = self.rows.entry(request.user_name.clone()).or_insert(row).0;
        answer.previous = Some(stored);
        answer.attach_time = Some(time);
        if stored != request.maar {
            answer.result_code = 5003;
        }
        answer
    }
}
