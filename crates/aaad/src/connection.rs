// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One TCP connection of a peer: bounded reading and writing around the state machine. Decides nothing.

use crate::server::Bucket;
use diameter::nasreq::AaReply;
use diameter::peer::{Server, ServerInput, Ticket, Time};
use diameter::tls::{Broken, Channel};
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// A peer with this much unsent is not read from.
const MAX_UNSENT: usize = 1024 * 1024;
/// A peer with this many requests at the store is not read from until some are answered.
const MAX_UNANSWERED: usize = 1024;
/// How long a connection that is to be closed may take to empty its buffer and see the peer's end.
const LINGER: Duration = Duration::from_secs(1);

/// What became of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing more to do before the next event.
    Waits,
    /// There is more to read.
    Again,
    /// To be dropped.
    Over,
}

impl Turn {
    /// Both in a row: the end wins, then work left.
    pub fn then(self, next: Turn) -> Turn {
        match (self, next) {
            (Turn::Over, _) | (_, Turn::Over) => Turn::Over,
            (Turn::Again, _) | (_, Turn::Again) => Turn::Again,
            (Turn::Waits, Turn::Waits) => Turn::Waits,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The other end.
    pub address: SocketAddr,
    /// The Diameter peer.
    pub machine: Server,
    /// Origin-Host once admitted.
    pub host: Option<String>,
    /// Origin-State-Id of its CER.
    pub state_id: Option<u32>,
    /// What it may still ask, where that is limited.
    pub bucket: Option<Bucket>,
    /// Requests whose answer waits for the store.
    unanswered: usize,
    /// Encryption, on a TLS port.
    pub channel: Option<Channel>,
    /// Why that is over.
    pub broken: Option<Broken>,
    /// To be encrypted.
    plain: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
    /// Since when the peer does not take what is for it.
    stuck_since: Option<Time>,
    /// After `Close`: when to drop it at the latest.
    closing: Option<Time>,
    /// The deadline under which it stands in the server's list.
    pub listed_deadline: Option<Time>,
}

impl Connection {
    pub fn new(stream: TcpStream, address: SocketAddr, machine: Server) -> Connection {
        Connection {
            stream,
            address,
            machine,
            host: None,
            state_id: None,
            bucket: None,
            unanswered: 0,
            channel: None,
            broken: None,
            plain: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            stuck_since: None,
            closing: None,
            listed_deadline: None,
        }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.out().1.extend_from_slice(octets);
    }

    /// The machine, and where its octets go.
    fn out(&mut self) -> (&mut Server, &mut Vec<u8>) {
        let to = if self.channel.is_some() { &mut self.plain } else { &mut self.unsent };
        (&mut self.machine, to)
    }

    pub fn answer(&mut self, ticket: &Ticket, reply: &AaReply<'_>) {
        let (machine, unsent) = self.out();
        machine.answer(ticket, reply, unsent);
    }

    pub fn answer_stop(&mut self, ticket: &Ticket, result_code: u32) {
        let (machine, unsent) = self.out();
        machine.answer_stop(ticket, result_code, unsent);
    }

    /// From now on only what is unsent leaves.
    pub fn close(&mut self, now: Time) {
        self.closing.get_or_insert(now + LINGER);
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    fn backlog(&self) -> usize {
        self.unsent.len() - self.sent + self.plain.len()
    }

    /// A request went to the store.
    pub fn asked(&mut self) {
        self.unanswered += 1;
    }

    /// One came back; whether reading goes on because of it.
    pub fn answered(&mut self) -> bool {
        self.unanswered -= 1;
        self.unanswered + 1 == MAX_UNANSWERED
    }

    /// Reads once, unless the peer does not take its answers. One read a turn: nobody keeps the others waiting.
    pub fn read(&mut self, now: Time, buffer: &mut [u8]) -> Turn {
        if self.backlog() >= MAX_UNSENT || self.unanswered >= MAX_UNANSWERED {
            return Turn::Waits;
        }
        match self.stream.read(buffer) {
            // What comes after our end is of no interest, but left unread it would turn our end into a reset.
            Ok(n) if n > 0 && self.is_closing() => Turn::Again,
            Ok(n) if n > 0 => {
                self.received(now, &buffer[..n]);
                Turn::Again
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Turn::Waits,
            Err(error) if error.kind() == ErrorKind::Interrupted => Turn::Again,
            Ok(_) | Err(_) => {
                self.machine.handle(now, ServerInput::Closed);
                Turn::Over
            }
        }
    }

    fn received(&mut self, now: Time, octets: &[u8]) {
        let Some(channel) = &mut self.channel else {
            return self.machine.handle(now, ServerInput::Octets(octets));
        };
        let mut plain = Vec::new();
        let received = channel.receive(octets, &mut plain);
        // The handshake's next step, or the alert that says why there is none.
        let rest = channel.unsent(&mut self.unsent);
        let received = received.and(rest);
        if !plain.is_empty() {
            self.machine.handle(now, ServerInput::Octets(&plain));
        }
        if let Err(broken) = received {
            self.broken = Some(broken);
            self.machine.handle(now, ServerInput::Closed);
        }
    }

    fn encrypt(&mut self) {
        if let Some(channel) = &mut self.channel
            && let Err(broken) = channel.send(&std::mem::take(&mut self.plain), &mut self.unsent)
        {
            self.broken.get_or_insert(broken);
        }
    }

    /// Writes what can leave now.
    pub fn write(&mut self, now: Time) -> Turn {
        let was_full = self.backlog() >= MAX_UNSENT;
        self.encrypt();
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(n) => {
                    self.sent += n;
                    self.stuck_since = None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.machine.handle(now, ServerInput::Closed);
                    return Turn::Over;
                }
            }
        }
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
            if self.is_closing() {
                // The peer's end, or the deadline, drops it.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
        } else if self.backlog() >= MAX_UNSENT {
            self.stuck_since.get_or_insert(now);
        } else if self.sent >= MAX_UNSENT {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        if was_full && self.backlog() < MAX_UNSENT { Turn::Again } else { Turn::Waits }
    }

    /// When something must happen without an event.
    pub fn deadline(&self, tw: Duration) -> Option<Time> {
        let stuck = self.stuck_since.map(|since| since + 2 * tw);
        let machine = if self.is_closing() { None } else { self.machine.deadline() };
        [self.closing, stuck, machine].into_iter().flatten().min()
    }

    /// A deadline was reached; whether the connection is over. A peer that took nothing for 2 Tw is.
    pub fn timeout(&mut self, now: Time, tw: Duration) -> bool {
        let stuck = self.stuck_since.is_some_and(|since| since + 2 * tw <= now);
        let over = stuck || self.closing.is_some_and(|until| until <= now);
        self.machine.handle(now, if over { ServerInput::Closed } else { ServerInput::Timeout });
        over
    }
}
