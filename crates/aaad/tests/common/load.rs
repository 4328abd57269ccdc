// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A client that keeps many requests in flight over TCP and checks every answer against its own model: the previous MAAR
//! must be that of the MN's last answered request. What is unanswered when the server dies is repeated to the next one.
#![allow(dead_code)] // Each test file uses its part.

use super::disk::Rng;
use diameter::base;
use diameter::dictionary::code;
use diameter::message::{FLAG_RETRANSMITTED, Message};
use diameter::nasreq::{AaAnswer, AaRequest, Identity, Origin, StRequest};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};

/// A request without an answer.
struct Flight {
    mn: usize,
    octets: Vec<u8>,
    /// The MAAR of an attachment; `None`: an STR.
    maar: Option<Ipv6Addr>,
}

struct Mn {
    name: String,
    /// By its last answer; `::` after a detach.
    at: Ipv6Addr,
    session_id: String,
    time: u64,
}

pub struct Client {
    origin: Origin,
    mns: Vec<Mn>,
    idle: VecDeque<usize>,
    flights: HashMap<u32, Flight>,
    next: u32,
    rng: Rng,
    unsent: Vec<u8>,
    pub answered: u64,
    pub repeated: u64,
    /// Answers that contradict the model, by a sentence.
    pub wrong: Vec<String>,
    pub state_id: Option<u32>,
}

impl Client {
    pub fn new(host: &str, mns: usize, seed: u64) -> Client {
        let mn = |n| Mn {
            name: format!("user{n}.{}", host.replace('.', "-")) + "@example.org",
            at: Ipv6Addr::UNSPECIFIED,
            session_id: String::new(),
            time: 0,
        };
        let identity = Identity { host: host.into(), realm: "example.org".into() };
        Client {
            origin: Origin { identity, state_id: 7 },
            mns: (0..mns).map(mn).collect(),
            idle: (0..mns).collect(),
            flights: HashMap::new(),
            next: 1,
            rng: Rng(seed),
            unsent: Vec::new(),
            answered: 0,
            repeated: 0,
            wrong: Vec::new(),
            state_id: None,
        }
    }

    /// Connects and repeats what is in flight. `Ok`: the quota is answered; an error: the server is gone.
    pub fn run(&mut self, server: SocketAddr, window: usize, quota: u64) -> io::Result<()> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.write_all(&base::cer(&self.origin, server.ip(), (0, 0)))?;
        let mut input = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        let end = self.answered + quota;
        self.unsent.clear();
        self.repeat();
        let mut open = false;
        while self.answered < end {
            if open {
                while self.flights.len() < window
                    && self.answered + (self.flights.len() as u64) < end
                    && let Some(mn) = self.idle.pop_front()
                {
                    self.ask(mn);
                }
                stream.write_all(&std::mem::take(&mut self.unsent))?;
            }
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            input.extend_from_slice(&buffer[..n]);
            let mut at = 0;
            while let Some(length) = whole(&input[at..]) {
                open |= self.take(&input[at..at + length]);
                at += length;
            }
            input.drain(..at);
        }
        Ok(())
    }

    /// Requests that would move every MN once.
    pub fn pass(&self) -> u64 {
        (self.mns.len() + self.flights.len()) as u64
    }

    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn repeat(&mut self) {
        let mut flights: Vec<_> = self.flights.iter_mut().collect();
        flights.sort_by_key(|(id, _)| **id);
        for (_, flight) in flights {
            flight.octets[4] |= FLAG_RETRANSMITTED;
            self.unsent.extend_from_slice(&flight.octets);
            self.repeated += 1;
        }
    }

    fn ask(&mut self, n: usize) {
        let (id, mn) = (self.next, &mut self.mns[n]);
        self.next += 1;
        let detach = !mn.at.is_unspecified() && self.rng.below(16) == 0;
        let (octets, maar) = if detach {
            let request = StRequest {
                session_id: mn.session_id.clone(),
                destination_realm: "example.org".into(),
                user_name: mn.name.clone(),
                cause: 1,
            };
            (request.encode(&self.origin, (id, id)), None)
        } else {
            let maar = Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(id));
            mn.session_id = format!("{};1;{id};user", self.origin.identity.host);
            let request = AaRequest {
                session_id: mn.session_id.clone(),
                destination_realm: "example.org".into(),
                user_name: mn.name.clone(),
                calling_station_id: None,
                maar,
                attach_time: None,
            };
            (request.encode(&self.origin, (id, id)), Some(maar))
        };
        self.unsent.extend_from_slice(&octets);
        self.flights.insert(id, Flight { mn: n, octets, maar });
    }

    /// Whether it was the CEA.
    fn take(&mut self, octets: &[u8]) -> bool {
        let message = Message::parse(octets).unwrap();
        let state_id = message.find(code::ORIGIN_STATE_ID).and_then(|avp| avp.u32().ok());
        if *self.state_id.get_or_insert(state_id.unwrap_or(0)) != state_id.unwrap_or(0) {
            self.wrong.push(format!("Origin-State-Id was {:?}, is {state_id:?}", self.state_id));
        }
        let Some(flight) = self.flights.remove(&message.header.end_to_end) else { return true };
        let answer = AaAnswer::decode(&message).unwrap();
        let mn = &mut self.mns[flight.mn];
        let right = match flight.maar {
            Some(_) => {
                answer.previous == Some(mn.at) && answer.attach_time.is_some_and(|t| t > mn.time)
            }
            None => true,
        };
        if answer.result_code != 2001 || !right {
            self.wrong.push(format!("{} was at {}, the answer is {answer:?}", mn.name, mn.at));
        }
        mn.at = flight.maar.unwrap_or(Ipv6Addr::UNSPECIFIED);
        mn.time = answer.attach_time.unwrap_or(mn.time);
        self.answered += 1;
        self.idle.push_back(flight.mn);
        false
    }
}

/// The length of the first message, if all of it is there.
fn whole(input: &[u8]) -> Option<usize> {
    let head = input.first_chunk::<4>()?;
    let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    (input.len() >= length).then_some(length)
}
