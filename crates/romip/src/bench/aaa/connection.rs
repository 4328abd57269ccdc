// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection: fills the window, writes, reads, judges. The Hop-by-Hop id is the place in the window.

use super::histogram::Histogram;
use super::model::{Answer, Flight, Model, Order, maar};
use super::template::Template;
use super::{Load, MEASURED, OVER};
use diameter::avp::Avps;
use diameter::base;
use diameter::dictionary::{code, result};
use diameter::message::{Message, claimed_length};
use diameter::nasreq::{Identity, Origin};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// No answer for so long ends the run.
const SILENCE: Duration = Duration::from_secs(30);
const READ: usize = 256 * 1024;

/// A connection and its subscribers.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    origin: Origin,
    template: Template,
    pub model: Model,
    subscribers: u32,
    flights: Vec<(Flight, Instant)>,
    free: Vec<u32>,
    unsent: Vec<u8>,
    input: Vec<u8>,
    /// Octets in `input`.
    filled: usize,
    pub answered: u64,
    pub latencies: Histogram,
}

impl Connection {
    /// Connects and exchanges capabilities.
    pub fn open(load: &Load, number: u32, subscribers: u32) -> Result<Connection, String> {
        let identity =
            Identity { host: format!("maar{number}.{}", load.realm), realm: load.realm.clone() };
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let origin = Origin { identity, state_id: since_1970.as_secs() as u32 };
        let said = |error: std::io::Error| format!("{}: {error}", load.server);
        let mut stream = TcpStream::connect(load.server).map_err(said)?;
        stream.set_nodelay(true).map_err(said)?;
        stream.set_read_timeout(Some(SILENCE)).map_err(said)?;
        let host = stream.local_addr().map_err(said)?.ip();
        stream.write_all(&base::cer(&origin, host, (0, 0))).map_err(said)?;
        let now = Instant::now();
        let mut connection = Connection {
            stream,
            template: Template::new(&origin, &format!("u{number}-")),
            origin,
            // Another run within 4 minutes must not use the same End-to-End ids.
            model: Model::new(subscribers, (since_1970.as_micros() >> 4) as u32, load.mix),
            subscribers,
            flights: vec![(Flight::Free, now); load.window as usize],
            free: (0..load.window).collect(),
            unsent: Vec::new(),
            input: vec![0; 2 * READ],
            filled: 0,
            answered: 0,
            latencies: Histogram::new(),
        };
        connection.capabilities()?;
        Ok(connection)
    }

    fn capabilities(&mut self) -> Result<(), String> {
        loop {
            self.receive()?;
            if let Some(length) = self.whole(0)? {
                let octets = &self.input[..length];
                let message = Message::parse(octets).map_err(|error| error.to_string())?;
                let code = message.find(code::RESULT_CODE).and_then(|avp| avp.u32().ok());
                if code != Some(result::SUCCESS) {
                    let host = &self.origin.identity.host;
                    return Err(format!("the server refuses {host} with {code:?}; let it connect"));
                }
                self.input.copy_within(length..self.filled, 0);
                self.filled -= length;
                return Ok(());
            }
        }
    }

    /// Attaches every subscriber once.
    pub fn fill(&mut self, wanted: bool) -> Result<(), String> {
        let mut next = 0;
        let all = if wanted { self.subscribers } else { 0 };
        while next < all || self.free.len() < self.flights.len() {
            let now = Instant::now();
            while next < all
                && let Some(place) = self.free.pop()
            {
                let order = self.model.attach(next);
                next += 1;
                self.put(place, order, now);
            }
            self.turn(false)?;
        }
        Ok(())
    }

    /// Until the run is over.
    pub fn run(&mut self, phase: &AtomicU8) -> Result<(), String> {
        loop {
            let phase = phase.load(Ordering::Relaxed);
            if phase == OVER {
                return self.leave();
            }
            let now = Instant::now();
            while let Some(place) = self.free.pop() {
                let order = self.model.order();
                self.put(place, order, now);
            }
            self.turn(phase == MEASURED)?;
        }
    }

    /// A planned end, so that the server expects no more of this MAAR.
    fn leave(&mut self) -> Result<(), String> {
        let ids = (u32::MAX, u32::MAX);
        let dpr = base::dpr(&self.origin, base::DisconnectCause::DoNotWantToTalk, ids);
        self.unsent.extend(dpr);
        self.stream.write_all(&self.unsent).map_err(|error| format!("writing: {error}"))?;
        self.filled = 0;
        // The answers still under way and the DPA; the server closes or we do.
        let until = Instant::now() + Duration::from_millis(200);
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(100)));
        while Instant::now() < until && self.receive().is_ok() {
            self.filled = 0;
        }
        Ok(())
    }

    fn put(&mut self, place: u32, order: Order, now: Instant) {
        let flight = match order {
            Order::Attach { subscriber, end_to_end, again } => {
                let ids = (place, end_to_end);
                self.template.attach(&mut self.unsent, ids, subscriber, maar(end_to_end), again);
                Flight::Attach { subscriber, end_to_end }
            }
            Order::Detach { subscriber, attachment } => {
                let ids = (place, attachment.wrapping_sub(0x8000_0000));
                self.template.detach(&mut self.unsent, ids, subscriber, attachment);
                Flight::Detach { subscriber }
            }
        };
        self.flights[place as usize] = (flight, now);
    }

    /// Writes what there is, reads once, judges what came.
    fn turn(&mut self, measured: bool) -> Result<(), String> {
        self.stream.write_all(&self.unsent).map_err(|error| format!("writing: {error}"))?;
        self.unsent.clear();
        self.receive()?;
        let now = Instant::now();
        let mut at = 0;
        while let Some(length) = self.whole(at)? {
            self.take(at, length, now, measured)?;
            at += length;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }

    fn receive(&mut self) -> Result<(), String> {
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(n) => {
                self.filled += n;
                Ok(())
            }
            Err(error) => Err(format!("no answer within {} s: {error}", SILENCE.as_secs())),
        }
    }

    /// The length of the message at `at`, if all of it is there.
    fn whole(&self, at: usize) -> Result<Option<usize>, String> {
        let rest = &self.input[at..self.filled];
        let Some(head) = rest.first_chunk() else { return Ok(None) };
        let length = claimed_length(head).map_err(|error| format!("an answer: {error}"))?;
        Ok((rest.len() >= length).then_some(length))
    }

    fn take(
        &mut self,
        at: usize,
        length: usize,
        now: Instant,
        measured: bool,
    ) -> Result<(), String> {
        let octets = &self.input[at..at + length];
        let message = Message::parse(octets).map_err(|error| format!("an answer: {error}"))?;
        if message.header.is_request() {
            // DWR.
            self.unsent.extend(base::base_answer(&self.origin, &message.header));
            return Ok(());
        }
        let place = message.header.hop_by_hop;
        let answer = read(&message);
        let Some(slot) = self.flights.get_mut(place as usize) else {
            return Err(format!("an answer with Hop-by-Hop {place:x}, which was not sent"));
        };
        let (flight, sent) = std::mem::replace(slot, (Flight::Free, now));
        self.model.answered(flight, answer);
        if flight != Flight::Free {
            self.free.push(place);
        }
        if measured {
            self.answered += 1;
            self.latencies.add((now - sent).as_nanos() as u64);
        }
        Ok(())
    }
}

fn read(message: &Message<'_>) -> Answer {
    let mut answer = Answer::default();
    for avp in message.avps().map_while(Result::ok).filter(|avp| avp.vendor == 0) {
        match avp.code {
            code::RESULT_CODE => answer.result_code = avp.u32().unwrap_or(0),
            code::MIP_TIMESTAMP => answer.time = avp.u64().ok(),
            code::MIP6_AGENT_INFO => {
                let mut inner = Avps::new(avp.data).map_while(Result::ok);
                let address = inner.find(|avp| avp.code == code::MIP_HOME_AGENT_ADDRESS);
                answer.previous = address
                    .and_then(|avp| avp.data.get(2..18)?.try_into().ok().map(u128::from_be_bytes));
            }
            _ => {}
        }
    }
    answer
}
