// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The AAA: the shipped server's rules (`aaad`: who is known, table 4.2) behind the shipped Diameter peers. Its sockets
//! are the simulator's.

use crate::clock::Clock;
use crate::queue::ConnectionId;
use aaad::authority::Authority;
use aaad::config::Subscribers;
use aaad::store::memory::Memory;
use aaad::store::{LocationStore, Operation, Outcome, Request};
use diameter::dictionary::result;
use diameter::nasreq::{Identity, Origin};
use diameter::peer::{self, ServerConfig, ServerInput, ServerOutput, Ticket};
use diameter::refuse::Refusal;
use std::collections::BTreeMap;
use std::time::Duration;

/// RFC 6733: Tw.
const WATCHDOG: Duration = Duration::from_secs(30);
/// Session-Timeout of answers, seconds.
const SESSION_TIMEOUT: u32 = 86_400;

/// What a connection wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Send octets.
    Send(ConnectionId, Vec<u8>),
    /// Close it.
    Close(ConnectionId),
}

/// The server and its connections.
pub struct Server {
    clock: Clock,
    authority: Authority,
    /// `None` while it does not run.
    store: Option<Memory>,
    /// The table of a stopped server.
    kept: Option<Memory>,
    connections: BTreeMap<ConnectionId, peer::Server>,
    /// Admitted peers: Origin-Host, with Origin-State-Id.
    admitted: BTreeMap<ConnectionId, (String, Option<u32>)>,
    seed: u64,
    next: u64,
}

impl Server {
    /// A server with an empty table.
    pub fn new(seed: u64) -> Server {
        let clock = Clock { drift: 0, offset: 0 };
        Server {
            authority: Authority::new("example.org".into(), Subscribers::Realm, SESSION_TIMEOUT),
            store: Some(Memory::new(clock.at(0).wall)),
            kept: None,
            connections: BTreeMap::new(),
            admitted: BTreeMap::new(),
            seed,
            next: 0,
            clock,
        }
    }

    /// It stops at once; the connections that are gone with it.
    pub fn stop(&mut self) -> Vec<ConnectionId> {
        self.kept = self.store.take();
        self.admitted.clear();
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    /// It runs again, with its table or an empty one.
    pub fn start(&mut self, now: u64, table: bool) {
        let kept = self.kept.take().filter(|_| table);
        self.store = Some(kept.unwrap_or_else(|| Memory::new(self.clock.at(now).wall)));
    }

    /// A connection comes in; `false` when nobody listens.
    pub fn open(&mut self, now: u64, id: ConnectionId) -> bool {
        let Some(store) = &self.store else { return false };
        let identity = Identity { host: "aaa.example.org".into(), realm: "example.org".into() };
        let config = ServerConfig {
            origin: Origin { identity, state_id: store.state_id() },
            host_ip: "2001:db8:ff::aaaa".parse().expect("an address"),
            tw: WATCHDOG,
            seed: self.seed.wrapping_add(id),
        };
        self.connections.insert(id, peer::Server::new(config, time(now)));
        true
    }

    /// The other end is gone.
    pub fn closed(&mut self, now: u64, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.handle(time(now), ServerInput::Closed);
        }
        self.connections.remove(&id);
        self.admitted.remove(&id);
    }

    /// Octets arrive, or (without any) the deadline is reached.
    pub fn handle(&mut self, now: u64, id: ConnectionId, octets: Option<&[u8]>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let Some(mut connection) = self.connections.remove(&id) else { return wishes };
        match octets {
            Some(octets) => connection.handle(time(now), ServerInput::Octets(octets)),
            None if connection.deadline().is_some_and(|at| at <= time(now)) => {
                connection.handle(time(now), ServerInput::Timeout);
            }
            None => {}
        }
        let mut open = true;
        while let Some(output) = connection.poll_output() {
            match output {
                ServerOutput::Send(octets) => wishes.push(Wish::Send(id, octets)),
                ServerOutput::Close => open = false,
                // No simulated AAA asks anything itself, so nothing is answered to it.
                ServerOutput::Count(_) | ServerOutput::Asked { .. } => {}
                ServerOutput::Down => drop(self.admitted.remove(&id)),
                ServerOutput::Claim { host, state_id, .. } => {
                    self.claim(now, (id, host, state_id), &mut connection, &mut wishes);
                }
                ServerOutput::Authorize { ticket, sender, request } => {
                    let wall = self.clock.at(now).wall;
                    match self.authority.attach(wall, &sender, ticket.end_to_end(), &request) {
                        Ok(operation) => {
                            let octets = self.carry_out(now, operation, &ticket, &mut connection);
                            wishes.extend((!octets.is_empty()).then_some(Wish::Send(id, octets)));
                        }
                        Err(refusal) => connection.reject(&ticket, &refusal),
                    }
                }
                ServerOutput::Stop { ticket, request, .. } => {
                    let detach = Authority::detach(&request);
                    let octets = self.carry_out(now, detach, &ticket, &mut connection);
                    wishes.extend((!octets.is_empty()).then_some(Wish::Send(id, octets)));
                }
            }
        }
        if open {
            self.connections.insert(id, connection);
        } else {
            wishes.push(Wish::Close(id));
            self.admitted.remove(&id);
        }
        wishes
    }

    /// As the shipped server decides: one connection a peer, unless the old one is suspect or the peer was restarted.
    fn claim(
        &mut self,
        now: u64,
        (id, host, state_id): (ConnectionId, String, Option<u32>),
        connection: &mut peer::Server,
        wishes: &mut Vec<Wish>,
    ) {
        let known = self.admitted.iter().find(|(_, (known, _))| *known == host);
        if let Some((&old, &(_, old_state))) = known {
            let suspect = self.connections.get(&old).is_none_or(peer::Server::is_suspect);
            if !suspect && state_id <= old_state {
                return connection.refuse(result::UNABLE_TO_COMPLY);
            }
            self.connections.remove(&old);
            self.admitted.remove(&old);
            wishes.push(Wish::Close(old));
        }
        self.admitted.insert(id, (host, state_id));
        connection.admit(time(now));
    }

    /// The octets of the answer; a refusal goes the connection's own way.
    fn carry_out(
        &mut self,
        now: u64,
        operation: Operation,
        ticket: &Ticket,
        to: &mut peer::Server,
    ) -> Vec<u8> {
        let mut unsent = Vec::new();
        let Some(store) = &mut self.store else { return unsent };
        let mn_id = operation.mn_id().to_owned();
        self.next += 1;
        store.submit(self.clock.at(now), vec![Request { id: self.next, operation }]);
        let mut finished = Vec::new();
        store.finished(&mut finished);
        match finished.pop().map(|(_, outcome)| outcome) {
            Some(Outcome::Attached(reply)) => {
                to.answer(ticket, &self.authority.answer(reply, &mn_id), &mut unsent);
            }
            Some(Outcome::Detached(_)) => to.answer_stop(ticket, result::SUCCESS, &mut unsent),
            _ => to.reject(ticket, &Refusal::code(result::UNABLE_TO_COMPLY)),
        }
        unsent
    }

    /// When a connection has something to do without an event.
    pub fn deadline(&self, id: ConnectionId) -> Option<u64> {
        Some(self.connections.get(&id)?.deadline()?.as_micros() as u64)
    }
}

fn time(now: u64) -> peer::Time {
    Duration::from_micros(now)
}
