// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server's end of one accepted connection. Who may connect and what a request is answered decides the owner:
//!
//! ```text
//! Claim            -> admit() or refuse(Result-Code)
//! Authorize, Stop  -> answer(), answer_stop() or reject()
//! ask()            -> Asked
//! ```

mod messages;

use crate::base::{self, DisconnectCause};
use crate::dictionary::result;
use crate::message::{Header, Writer};
use crate::nasreq::{self, AaQuery, AaReply, Origin, Overload, Sender, SessionRequest, StQuery};
use crate::peer::rng::Rng;
use crate::peer::watchdog::{Bark, Watchdog};
use crate::peer::{EXCHANGE_TIMEOUT, Time};
use crate::refuse::{self, Echo, Refusal};
use crate::stream::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// RARs and ASRs without an answer on one connection.
const MAX_ASKED: usize = 1024;
/// How long a planned stop waits for the DPA.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(1);

/// What happened to a connection.
#[derive(Clone, Copy, Debug)]
pub enum ServerInput<'a> {
    /// Octets arrived.
    Octets(&'a [u8]),
    /// TCP is gone.
    Closed,
    /// The deadline is reached.
    Timeout,
}

/// What a connection wants, in order.
#[derive(Debug)]
pub enum ServerOutput {
    /// Send octets.
    Send(Vec<u8>),
    /// Close TCP when what was sent has left. Nothing follows.
    Close,
    /// A sound CER of this peer. Nothing goes on before [`Server::admit`] or [`Server::refuse`].
    Claim {
        /// Origin-Host, in lower case.
        host: String,
        /// Origin-Realm, in lower case.
        realm: String,
        /// Origin-State-Id.
        state_id: Option<u32>,
    },
    /// An admitted peer is no longer usable.
    Down,
    /// An AAR to be answered.
    Authorize {
        /// For the answer.
        ticket: Ticket,
        /// Its origin, which is not the peer if a relay is between.
        sender: Sender,
        /// What is asked.
        request: AaQuery,
    },
    /// An STR to be answered.
    Stop {
        /// For the answer.
        ticket: Ticket,
        /// Its origin, which is not the peer if a relay is between.
        sender: Sender,
        /// What is asked.
        request: StQuery,
    },
    /// The answer to [`Server::ask`].
    Asked {
        /// The caller's.
        id: u64,
        /// Result-Code; 3002 when the connection ended before.
        result_code: u32,
    },
    /// A counter by name, one of [`Server::COUNTERS`] or of [`Refusal::counter`].
    Count(&'static str),
}

/// What an answer repeats from its request.
#[derive(Clone, Debug)]
pub struct Ticket {
    header: Header,
    session_id: Arc<str>,
    user_name: Arc<str>,
    proxy_info: Vec<u8>,
    /// It announced overload control.
    overload: bool,
}

impl Ticket {
    /// End-to-End Identifier: with Origin-Host it names the request for 4 minutes.
    pub fn end_to_end(&self) -> u32 {
        self.header.end_to_end
    }
}

/// What a server connection needs to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Own identity (in lower case) and Origin-State-Id.
    pub origin: Origin,
    /// Host-IP-Address of CEA.
    pub host_ip: IpAddr,
    /// Watchdog Tw (30 s).
    pub tw: Duration,
    /// Seed of identifiers and jitter.
    pub seed: u64,
}

#[derive(Debug)]
enum State {
    /// TCP is up.
    WaitCer { until: Time },
    /// CER read; the owner decides.
    Claimed { cer: Header },
    /// Requests flow.
    Open { watchdog: Watchdog },
    /// DPR or DPA sent: the peer closes, or answers.
    Leaving { until: Time },
    /// Over.
    Closed,
}

/// The server side of one connection.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    rng: Rng,
    next_id: u32,
    state: State,
    /// When the octets in `stream` came.
    now: Time,
    stream: Stream,
    /// Own requests without an answer, by Hop-by-Hop.
    asked: BTreeMap<u32, u64>,
    /// Of the last request.
    sender: Option<Sender>,
    outputs: VecDeque<ServerOutput>,
}

impl Server {
    /// The names in [`ServerOutput::Count`] that [`Refusal::counter`] does not give.
    pub const COUNTERS: &'static [&'static str] = &[
        "diameter_cer_refused",
        "diameter_cer_timeout",
        "diameter_connection_lost",
        "diameter_framing",
        "diameter_no_cer",
        "diameter_unexpected_answer",
        "diameter_watchdog_closed",
        "diameter_watchdog_suspect",
    ];

    /// A connection just accepted: a CER must come within 5 s.
    pub fn new(config: ServerConfig, now: Time) -> Server {
        let mut rng = Rng::new(config.seed);
        Server {
            next_id: rng.next() as u32,
            config,
            rng,
            now,
            state: State::WaitCer { until: now + EXCHANGE_TIMEOUT },
            stream: Stream::default(),
            asked: BTreeMap::new(),
            sender: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: ServerInput<'_>) {
        match input {
            ServerInput::Octets(octets) => {
                self.now = now;
                if !matches!(self.state, State::Closed) {
                    self.stream.push(octets);
                }
            }
            ServerInput::Closed => {
                if matches!(
                    self.state,
                    State::WaitCer { .. } | State::Claimed { .. } | State::Open { .. }
                ) {
                    self.count("diameter_connection_lost");
                }
                self.end();
            }
            ServerInput::Timeout => self.timers(now),
        }
    }

    /// The peer of [`ServerOutput::Claim`] may use this connection.
    pub fn admit(&mut self, now: Time) {
        if let State::Claimed { cer } = self.state {
            self.send_cea(&cer, result::SUCCESS);
            self.state =
                State::Open { watchdog: Watchdog::new(now, self.config.tw, &mut self.rng) };
        }
    }

    /// It may not: a CEA with `code`, then the end.
    pub fn refuse(&mut self, code: u32) {
        if let State::Claimed { cer } = self.state {
            self.send_cea(&cer, code);
            self.close("diameter_cer_refused");
        }
    }

    /// Answers an AAR: the octets go straight behind those that wait to be sent.
    pub fn answer(&mut self, ticket: &Ticket, reply: &AaReply<'_>, unsent: &mut Vec<u8>) {
        if !matches!(self.state, State::Closed) {
            let writer = Writer::behind(std::mem::take(unsent), ticket.header.answer());
            let (session_id, origin) = (Some(&*ticket.session_id), &self.config.origin);
            let writer = reply.write(writer, origin, session_id, &ticket.user_name);
            let writer = match ticket.overload {
                true => nasreq::write_overload(writer, None),
                false => writer,
            };
            *unsent = writer.raw(&ticket.proxy_info).finish();
        }
    }

    /// Answers an STR in the same way.
    pub fn answer_stop(&mut self, ticket: &Ticket, result_code: u32, unsent: &mut Vec<u8>) {
        if !matches!(self.state, State::Closed) {
            let writer = Writer::behind(std::mem::take(unsent), ticket.header.answer());
            let origin = &self.config.origin;
            let writer = nasreq::write_sta(writer, origin, &ticket.session_id, result_code);
            *unsent = writer.raw(&ticket.proxy_info).finish();
        }
    }

    /// Refuses an AAR with 3004; a client that announced overload control is told how much less to ask.
    pub fn reject_busy(&mut self, ticket: &Ticket, report: Overload) {
        let refusal = Refusal::code(result::TOO_BUSY);
        self.count(refusal.counter());
        let session_id = Some(ticket.session_id.as_bytes());
        let echo = Echo { header: ticket.header, session_id, proxy_info: &ticket.proxy_info };
        let report = ticket.overload.then_some(report);
        self.send(refuse::answer_busy(&self.config.origin, echo, &refusal, report));
    }

    /// Refuses an AAR or STR.
    pub fn reject(&mut self, ticket: &Ticket, refusal: &Refusal) {
        self.count(refusal.counter());
        let session_id = Some(ticket.session_id.as_bytes());
        let echo = Echo { header: ticket.header, session_id, proxy_info: &ticket.proxy_info };
        self.send(refuse::answer_to(&self.config.origin, echo, refusal));
    }

    /// Sends a RAR or ASR; false where the connection takes none now. `id` comes back with its answer.
    pub fn ask(&mut self, id: u64, request: &SessionRequest) -> bool {
        let open = matches!(self.state, State::Open { .. }) && self.asked.len() < MAX_ASKED;
        if open {
            let ids = self.next_ids();
            self.asked.insert(ids.0, id);
            self.send(request.encode(&self.config.origin, ids));
        }
        open
    }

    /// Asks the peer to leave (DPR, REBOOTING) and closes when the DPA is in, or after 1 s.
    pub fn shutdown(&mut self, now: Time) {
        match self.state {
            State::Open { .. } => {
                let ids = self.next_ids();
                self.send(base::dpr(&self.config.origin, DisconnectCause::Rebooting, ids));
                self.outputs.push_back(ServerOutput::Down);
                self.state = State::Leaving { until: now + SHUTDOWN_WAIT };
            }
            State::WaitCer { .. } | State::Claimed { .. } => self.end(),
            State::Leaving { .. } | State::Closed => {}
        }
    }

    /// Ends the connection at once, without a word: another one took its place.
    pub fn abandon(&mut self) {
        self.end();
    }

    /// Whether the last DWR found no answer yet.
    pub fn is_suspect(&self) -> bool {
        matches!(&self.state, State::Open { watchdog } if watchdog.is_suspect())
    }

    /// The next effect. The next message is read when there is none left of the last one: an owner that answers at once
    /// sees the same order however the messages arrived.
    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        while self.outputs.is_empty() && self.read_message() {}
        self.outputs.pop_front()
    }

    /// When to call `handle` with `Timeout`.
    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::WaitCer { until } | State::Leaving { until } => Some(*until),
            State::Open { watchdog } => Some(watchdog.deadline()),
            State::Claimed { .. } | State::Closed => None,
        }
    }

    fn count(&mut self, name: &'static str) {
        self.outputs.push_back(ServerOutput::Count(name));
    }

    fn send(&mut self, message: Vec<u8>) {
        if !matches!(self.state, State::Closed) {
            self.outputs.push_back(ServerOutput::Send(message));
        }
    }

    fn send_cea(&mut self, cer: &Header, code: u32) {
        self.send(base::cea(&self.config.origin, self.config.host_ip, cer, code, None));
    }

    fn next_ids(&mut self) -> (u32, u32) {
        self.next_id = self.next_id.wrapping_add(1);
        (self.next_id, self.next_id)
    }

    fn close(&mut self, counter: &'static str) {
        self.count(counter);
        self.end();
    }

    fn end(&mut self) {
        for (_, id) in std::mem::take(&mut self.asked) {
            let result_code = result::UNABLE_TO_DELIVER;
            self.outputs.push_back(ServerOutput::Asked { id, result_code });
        }
        if matches!(self.state, State::Open { .. }) {
            self.outputs.push_back(ServerOutput::Down);
        }
        if !matches!(self.state, State::Closed) {
            self.outputs.push_back(ServerOutput::Close);
        }
        self.state = State::Closed;
        self.stream = Stream::default();
    }

    fn timers(&mut self, now: Time) {
        match &mut self.state {
            State::WaitCer { until } if *until <= now => self.close("diameter_cer_timeout"),
            State::Leaving { until } if *until <= now => self.end(),
            State::Open { watchdog } => match watchdog.expire(now, &mut self.rng) {
                Bark::Silent => {}
                Bark::Ask => {
                    let ids = self.next_ids();
                    self.send(base::dwr(&self.config.origin, ids));
                }
                Bark::Suspect => self.count("diameter_watchdog_suspect"),
                Bark::Dead => self.close("diameter_watchdog_closed"),
            },
            _ => {}
        }
    }
}
