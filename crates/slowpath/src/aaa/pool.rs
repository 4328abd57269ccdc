// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several AAA servers of one realm, in order of preference: which one is asked, and who takes over what another left
//! without an answer (RFC 3539 §3.4, RFC 6733 §5.5.4).
//!
//! A request goes to the first server that is up, is not silent, and is proven. A connection that closes gives
//! everything it owes to the next one at once; a server that answers nothing for T_AAA loses the request to the next one
//! and is put aside for a while. A server that comes back is preferred again when its connection has lasted for three
//! watchdogs.

use diameter::nasreq::{AaRequest, StRequest};
use diameter::peer::{Client, ClientConfig, ClientInput, ClientOutput, Handed, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 6733 §7.1.5, to a RAR or ASR: what they ask is not done here yet.
const UNKNOWN_SESSION_ID: u32 = 5002;
/// RFC 3539 §3.4.1: a connection that was lost is used again after so many watchdog intervals.
const PROVEN: u32 = 3;

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    client: Client,
    /// It is used only from here on, unless no other is up.
    proven_at: Time,
    lost_before: bool,
    /// It was silent.
    aside_until: Time,
}

/// The servers.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: Vec<Server>,
    tw: Duration,
}

impl Pool {
    /// Begins to connect to each; `addresses` in order of preference, one at least.
    pub(crate) fn new(config: &ClientConfig, addresses: &[SocketAddr], now: Time) -> Pool {
        let shares = addresses.len() > 1;
        let server = |(n, address): (u64, &SocketAddr)| {
            // Identifiers of their own: a request keeps its End-to-End id when it changes hands.
            let seed = config.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let config = ClientConfig { seed, shares, ..config.clone() };
            let client = Client::new(config, now);
            let (proven_at, aside_until) = (Duration::ZERO, Duration::ZERO);
            Server { address: *address, client, proven_at, lost_before: false, aside_until }
        };
        Pool { servers: (0..).zip(addresses).map(server).collect(), tw: config.tw }
    }

    pub(crate) fn address(&self, server: usize) -> Option<SocketAddr> {
        self.servers.get(server).map(|server| server.address)
    }

    pub(crate) fn authorize(&mut self, now: Time, id: u64, request: AaRequest) {
        let server = self.choose(now, None);
        self.servers[server].client.authorize(now, id, request);
        self.press(now);
    }

    pub(crate) fn stop(&mut self, now: Time, id: u64, request: StRequest) {
        let server = self.choose(now, None);
        self.servers[server].client.stop(now, id, request);
    }

    pub(crate) fn shutdown(&mut self, now: Time) {
        self.servers.iter_mut().for_each(|server| server.client.shutdown(now));
    }

    pub(crate) fn handle(&mut self, now: Time, server: usize, input: ClientInput<'_>) {
        if let Some(server) = self.servers.get_mut(server) {
            server.client.handle(now, input);
        }
        self.press(now);
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.servers.iter().filter_map(|server| server.client.deadline()).min()
    }

    pub(crate) fn tick(&mut self, now: Time) {
        for server in &mut self.servers {
            if server.client.deadline().is_some_and(|at| at <= now) {
                server.client.handle(now, ClientInput::Timeout);
            }
        }
        self.press(now);
    }

    /// With none up, whichever comes first is wanted.
    fn press(&mut self, now: Time) {
        let waits = self.servers.iter().any(|server| server.client.owes());
        let pressed = waits && !self.servers.iter().any(|server| server.client.is_open());
        self.servers.iter_mut().for_each(|server| server.client.press(now, pressed));
    }

    /// The next effect and whose it is. What only concerns the choice is done here.
    pub(crate) fn poll_output(&mut self, now: Time) -> Option<(usize, ClientOutput)> {
        let polled = |server: &mut Server| server.client.poll_output();
        let (n, output) = self
            .servers
            .iter_mut()
            .enumerate()
            .find_map(|(n, server)| Some((n, polled(server)?)))?;
        match &output {
            ClientOutput::Up { .. } => self.up(now, n),
            ClientOutput::Down => self.down(now, n),
            ClientOutput::TryElsewhere(handed) => {
                self.servers[n].aside_until = now + self.tw;
                let next = self.choose(now, Some(n));
                self.servers[next].client.adopt(now, handed.clone());
            }
            ClientOutput::Asked { ticket, .. } => {
                self.servers[n].client.answer_asked(ticket, UNKNOWN_SESSION_ID);
            }
            _ => {}
        }
        Some((n, output))
    }

    fn up(&mut self, now: Time, n: usize) {
        let server = &mut self.servers[n];
        server.aside_until = Duration::ZERO;
        server.proven_at = if server.lost_before { now + self.tw * PROVEN } else { now };
        // What waited while none was up.
        for other in (0..self.servers.len()).filter(|other| *other != n) {
            if !self.servers[other].client.is_open() {
                let waiting = self.servers[other].client.hand_over();
                self.adopt(now, n, waiting);
            }
        }
    }

    fn down(&mut self, now: Time, n: usize) {
        self.servers[n].lost_before = true;
        let next = self.choose(now, None);
        if next != n {
            let owed = self.servers[n].client.hand_over();
            self.adopt(now, next, owed);
        }
    }

    fn adopt(&mut self, now: Time, by: usize, handed: Vec<Handed>) {
        for one in handed {
            self.servers[by].client.adopt(now, one);
        }
    }

    /// Who is asked now; `but` not that one, if there is another.
    fn choose(&self, now: Time, but: Option<usize>) -> usize {
        let rank = |(n, server): &(usize, &Server)| {
            (
                !server.client.is_open(),
                Some(*n) == but,
                server.aside_until > now,
                server.proven_at > now,
                *n,
            )
        };
        self.servers.iter().enumerate().min_by_key(rank).map_or(0, |(n, _)| n)
    }
}
