// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The client's end: one AAA server, reconnecting, with the requests under way. What is done with a message is in
//! `messages.rs`.

mod messages;

use crate::base::{self, DisconnectCause};
use crate::dictionary::result;
use crate::message::{Header, Writer};
use crate::nasreq::{self, AaAnswer, AaRequest, Identity, Origin, SessionRequest, StRequest};
use crate::peer::reconnect::Reconnect;
use crate::peer::requests::{Expired, Handed, Kind, Requests};
use crate::peer::rng::Rng;
use crate::peer::watchdog::{Bark, Watchdog};
use crate::peer::{EXCHANGE_TIMEOUT, Time};
use crate::stream::Stream;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a planned stop waits for the DPA.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(1);

/// What happened to a client connection.
#[derive(Clone, Copy, Debug)]
pub enum ClientInput<'a> {
    /// TCP is up.
    Connected,
    /// Octets arrived.
    Octets(&'a [u8]),
    /// TCP is gone or could not be made.
    Closed,
    /// The deadline is reached.
    Timeout,
}

/// What a client connection wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientOutput {
    /// Open TCP (first tries at 0, 0.2, 0.5, 1, 2 s, then Tc with jitter, FC-41).
    Connect,
    /// Send octets.
    Send(Vec<u8>),
    /// Close TCP, or give up opening it. A planned stop ends with exactly one.
    Close,
    /// CER/CEA done: requests flow.
    Up {
        /// Origin-Host of the peer.
        host: String,
        /// Its Origin-State-Id; a larger one than before means it lost its state.
        state_id: Option<u32>,
    },
    /// No longer.
    Down,
    /// What became of an AAR.
    Answer {
        /// The caller's.
        id: u64,
        /// `Err` when 3 tries of T_AAA passed or the peer answered 3xxx.
        answer: Result<AaAnswer, Unavailable>,
    },
    /// What became of an STR.
    Stopped {
        /// The caller's.
        id: u64,
        /// Result-Code; 3002 when no answer came.
        result_code: u32,
    },
    /// With [`ClientConfig::shares`]: a try of T_AAA passed in silence; another server may answer.
    TryElsewhere(Handed),
    /// A RAR or ASR, to be answered by [`Client::answer_asked`].
    Asked {
        /// For the answer.
        ticket: AskedTicket,
        /// What is asked.
        request: SessionRequest,
    },
    /// A counter by name, one of [`Client::COUNTERS`].
    Count(&'static str),
}

/// What an answer repeats from its RAR or ASR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedTicket {
    header: Header,
    session_id: String,
    proxy_info: Vec<u8>,
}

/// R-28b: the AAA gave no usable answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Own identity.
    pub identity: Identity,
    /// Host-IP-Address of CER.
    pub host_ip: std::net::IpAddr,
    /// Origin-State-Id: constant per process life, larger after each restart.
    pub state_id: u32,
    /// Watchdog Tw (30 s).
    pub tw: Duration,
    /// Reconnect Tc (30 s).
    pub tc: Duration,
    /// T_AAA, one try (2 s).
    pub try_timeout: Duration,
    /// Tries (3).
    pub tries: u32,
    /// Seed of identifiers and jitter.
    pub seed: u64,
    /// Other servers may take requests over ([`Client::hand_over`], [`Client::adopt`]).
    pub shares: bool,
}

#[derive(Debug)]
enum State {
    /// No TCP; the next try is [`Reconnect`]'s.
    Waiting,
    /// TCP is being made.
    Connecting { until: Time },
    /// CER sent.
    WaitCea { until: Time },
    /// Requests flow.
    Open { since: Time, watchdog: Watchdog },
    /// DPA sent: the peer closes.
    Dismissed { until: Time },
    /// Own DPR sent.
    Stopping { until: Time },
    /// After a planned stop.
    Stopped,
}

/// The client side: one AAA server, reconnecting, with the requests under way.
#[derive(Debug)]
pub struct Client {
    origin: Origin,
    host_ip: std::net::IpAddr,
    tw: Duration,
    rng: Rng,
    state: State,
    stream: Stream,
    reconnect: Reconnect,
    requests: Requests,
    /// Requests wait elsewhere for want of an open connection.
    pressed: bool,
    shares: bool,
    outputs: VecDeque<ClientOutput>,
}

impl Client {
    /// Every name in [`ClientOutput::Count`].
    pub const COUNTERS: &'static [&'static str] = &[
        "diameter_cea_refused",
        "diameter_connect_failed",
        "diameter_connection_lost",
        "diameter_exchange_timeout",
        "diameter_framing",
        "diameter_late_answer",
        "diameter_malformed_answer",
        "diameter_no_agent_info",
        "diameter_protocol_error",
        "diameter_queue_full",
        "diameter_retransmit",
        "diameter_timeout",
        "diameter_unknown_request",
        "diameter_watchdog_closed",
        "diameter_watchdog_suspect",
    ];

    /// A client that is not connected; its first output is `Connect`.
    pub fn new(config: ClientConfig, now: Time) -> Client {
        let mut rng = Rng::new(config.seed);
        let requests = Requests::new(config.state_id, config.try_timeout, config.tries, &mut rng);
        let mut client = Client {
            origin: Origin { identity: config.identity, state_id: config.state_id },
            host_ip: config.host_ip,
            tw: config.tw,
            rng,
            state: State::Waiting,
            stream: Stream::default(),
            reconnect: Reconnect::new(now, config.tc),
            requests,
            pressed: false,
            shares: config.shares,
            outputs: VecDeque::new(),
        };
        client.connect_if_due(now);
        client
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: ClientInput<'_>) {
        match (&self.state, input) {
            (State::Connecting { .. }, ClientInput::Connected) => self.connected(now),
            (State::Connecting { .. }, ClientInput::Closed) => {
                self.failed(now, "diameter_connect_failed")
            }
            (State::WaitCea { .. } | State::Open { .. }, ClientInput::Closed) => {
                self.failed(now, "diameter_connection_lost");
            }
            (State::Dismissed { .. }, ClientInput::Closed) => self.state = State::Waiting,
            (State::Stopping { .. }, ClientInput::Closed) => self.stopped(),
            (
                State::WaitCea { .. } | State::Open { .. } | State::Stopping { .. },
                ClientInput::Octets(octets),
            ) => {
                self.octets(now, octets);
            }
            // Only the timers below, or leftovers of a connection that is over here.
            _ => {}
        }
        self.timers(now);
    }

    /// Sends an AAR (queued while down, repeated with the T bit, same End-to-End id). `id` is the caller's.
    pub fn authorize(&mut self, now: Time, id: u64, request: AaRequest) {
        let ids = self.requests.next_ids();
        let message = request.encode(&self.origin, ids);
        self.request(now, id, Kind::Authorize, message);
    }

    /// Sends an STR.
    pub fn stop(&mut self, now: Time, id: u64, request: StRequest) {
        let ids = self.requests.next_ids();
        let message = request.encode(&self.origin, ids);
        self.request(now, id, Kind::Stop, message);
    }

    /// Whether requests flow.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether requests wait here for an answer or a connection.
    pub fn owes(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether requests wait for any connection: then it is tried as often as if they waited here.
    pub fn press(&mut self, now: Time, pressed: bool) {
        self.pressed = pressed;
        self.connect_if_due(now);
    }

    fn is_pressed(&self) -> bool {
        self.pressed || self.owes()
    }

    /// Everything without an answer, oldest first, to be given to another server.
    pub fn hand_over(&mut self) -> Vec<Handed> {
        let keys = self.requests.keys();
        keys.into_iter().filter_map(|key| self.requests.take(key)).collect()
    }

    /// Takes a request over from another server of the same realm: the same End-to-End id, and the T bit if it was sent
    /// there (RFC 6733 §5.5.4).
    pub fn adopt(&mut self, now: Time, handed: Handed) {
        let (id, kind) = handed.whose();
        if matches!(self.state, State::Stopping { .. } | State::Stopped) {
            return self.give_up(id, kind);
        }
        if self.requests.is_full() {
            self.count("diameter_queue_full");
            return self.give_up(id, kind);
        }
        let key = self.requests.adopt(now, handed);
        if self.is_open() {
            self.transmit(now, key);
        }
        self.connect_if_due(now);
    }

    /// Answers a RAR or ASR: 2001, or 5002 where there is no such session. Nothing leaves if its connection is over.
    pub fn answer_asked(&mut self, ticket: &AskedTicket, result_code: u32) {
        if matches!(self.state, State::Open { .. }) {
            let AskedTicket { header, session_id, proxy_info } = ticket;
            let writer = Writer::new(header.answer());
            let writer = nasreq::write_sta(writer, &self.origin, session_id, result_code);
            self.send(writer.raw(proxy_info).finish());
        }
    }

    /// Sends DPR (cause REBOOTING) and closes when the DPA is in, or after 1 s. Requests under way get no answer.
    pub fn shutdown(&mut self, now: Time) {
        match self.state {
            State::Open { .. } => {
                let ids = self.requests.next_ids();
                self.outputs.push_back(ClientOutput::Send(base::dpr(
                    &self.origin,
                    DisconnectCause::Rebooting,
                    ids,
                )));
                self.outputs.push_back(ClientOutput::Down);
                self.requests.disconnected();
                self.state = State::Stopping { until: now + SHUTDOWN_WAIT };
            }
            State::Stopping { .. } | State::Stopped => {}
            _ => self.stopped(),
        }
    }

    /// The next effect.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// When to call `handle` with `Timeout`.
    pub fn deadline(&self) -> Option<Time> {
        let own = match &self.state {
            State::Waiting => self.reconnect.due(self.is_pressed()),
            State::Connecting { until } | State::WaitCea { until } | State::Dismissed { until } => {
                *until
            }
            State::Stopping { until } => return Some(*until),
            State::Open { watchdog, .. } => watchdog.deadline(),
            State::Stopped => return None,
        };
        Some(self.requests.deadline().map_or(own, |requests| requests.min(own)))
    }

    fn count(&mut self, name: &'static str) {
        debug_assert!(Client::COUNTERS.contains(&name));
        self.outputs.push_back(ClientOutput::Count(name));
    }

    fn request(&mut self, now: Time, id: u64, kind: Kind, message: Vec<u8>) {
        if matches!(self.state, State::Stopping { .. } | State::Stopped) {
            return self.give_up(id, kind);
        }
        if self.requests.is_full() {
            self.count("diameter_queue_full");
            return self.give_up(id, kind);
        }
        let key = self.requests.add(now, id, kind, message);
        if matches!(self.state, State::Open { .. }) {
            self.transmit(now, key);
        }
        self.connect_if_due(now);
    }

    fn transmit(&mut self, now: Time, key: u64) {
        if let Some((message, repeated)) = self.requests.transmit(now, key) {
            if repeated {
                self.count("diameter_retransmit");
            }
            self.outputs.push_back(ClientOutput::Send(message));
        }
    }

    fn give_up(&mut self, id: u64, kind: Kind) {
        self.outputs.push_back(match kind {
            Kind::Authorize => ClientOutput::Answer { id, answer: Err(Unavailable) },
            Kind::Stop => ClientOutput::Stopped { id, result_code: result::UNABLE_TO_DELIVER },
        });
    }

    fn connect_if_due(&mut self, now: Time) {
        if matches!(self.state, State::Waiting) && self.reconnect.due(self.is_pressed()) <= now {
            self.reconnect.started(now);
            self.stream = Stream::default();
            self.state = State::Connecting { until: now + EXCHANGE_TIMEOUT };
            self.outputs.push_back(ClientOutput::Connect);
        }
    }

    fn connected(&mut self, now: Time) {
        let ids = self.requests.next_ids();
        self.outputs.push_back(ClientOutput::Send(base::cer(&self.origin, self.host_ip, ids)));
        self.state = State::WaitCea { until: now + EXCHANGE_TIMEOUT };
    }

    /// TCP is gone, or its making failed.
    fn failed(&mut self, now: Time, counter: &'static str) {
        self.count(counter);
        if let State::Open { since, .. } = self.state {
            self.outputs.push_back(ClientOutput::Down);
            // A peer that takes us and drops us at once must not be asked again without a pause.
            if now.saturating_sub(since) >= self.tw {
                self.reconnect.proven();
            }
        }
        self.requests.disconnected();
        self.reconnect.failed(now, &mut self.rng);
        self.state = State::Waiting;
    }

    fn abort(&mut self, now: Time, counter: &'static str) {
        self.outputs.push_back(ClientOutput::Close);
        self.failed(now, counter);
    }

    fn stopped(&mut self) {
        self.outputs.push_back(ClientOutput::Close);
        self.state = State::Stopped;
    }

    fn send(&mut self, message: Vec<u8>) {
        self.outputs.push_back(ClientOutput::Send(message));
    }

    fn timers(&mut self, now: Time) {
        match &mut self.state {
            State::Connecting { until } | State::WaitCea { until } if *until <= now => {
                self.abort(now, "diameter_exchange_timeout");
            }
            State::Dismissed { until } if *until <= now => {
                self.outputs.push_back(ClientOutput::Close);
                self.state = State::Waiting;
            }
            State::Stopping { until } if *until <= now => self.stopped(),
            State::Open { watchdog, .. } => match watchdog.expire(now, &mut self.rng) {
                Bark::Silent => {}
                Bark::Ask => {
                    let ids = self.requests.next_ids();
                    self.send(base::dwr(&self.origin, ids));
                }
                Bark::Suspect => self.count("diameter_watchdog_suspect"),
                Bark::Dead => self.abort(now, "diameter_watchdog_closed"),
            },
            _ => {}
        }
        if matches!(self.state, State::Stopping { .. } | State::Stopped) {
            return;
        }
        while let Some(expired) = self.requests.expire(now) {
            match expired {
                Expired::Again(key) if self.shares => {
                    let handed = self.requests.take(key);
                    self.outputs.extend(handed.map(ClientOutput::TryElsewhere));
                }
                Expired::Again(key) if matches!(self.state, State::Open { .. }) => {
                    self.transmit(now, key)
                }
                Expired::Again(_) => {}
                Expired::Over { id, kind } => {
                    self.count("diameter_timeout");
                    self.give_up(id, kind);
                }
            }
        }
        self.connect_if_due(now);
    }
}
