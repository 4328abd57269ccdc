// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The AAA's TCP connection over the kernel, as octets. When to connect again is the Diameter client's decision.

use diameter::peer::ClientInput;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;
use wire::time::Instant;

/// A peer that answers no SYN for so long counts as absent; the kernel would go on for two minutes.
const CONNECT: Duration = Duration::from_secs(2);
/// Octets that may wait for a peer that does not read. More than that is a broken peer.
const BUFFER: usize = 1 << 20;

/// What happened, for the Diameter client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// TCP is up.
    Connected,
    /// Octets came.
    Octets(Vec<u8>),
    /// TCP is gone, or could not be made.
    Closed,
}

impl Event {
    /// As the Diameter client takes it.
    pub fn input(&self) -> ClientInput<'_> {
        match self {
            Event::Connected => ClientInput::Connected,
            Event::Octets(octets) => ClientInput::Octets(octets),
            Event::Closed => ClientInput::Closed,
        }
    }
}

/// The connection, when there is one.
pub struct Connection {
    server: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    up: bool,
    /// When a connection under way is given up.
    give_up: Option<Instant>,
    unsent: Vec<u8>,
}

impl Connection {
    /// A connection to `server` that is not made yet.
    pub fn new(server: SocketAddr, token: Token) -> Connection {
        Connection { server, token, stream: None, up: false, give_up: None, unsent: Vec::new() }
    }

    /// Begins to connect; what comes of it is an event.
    pub fn connect(&mut self, now: Instant, registry: &Registry) -> Option<Event> {
        self.close(registry);
        let opened = TcpStream::connect(self.server).and_then(|mut stream| {
            registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                self.stream = Some(stream);
                self.give_up = Some(now + CONNECT);
                None
            }
            Err(error) => {
                log::debug!("AAA {}: {error}", self.server);
                Some(Event::Closed)
            }
        }
    }

    /// Sends octets, as soon as the kernel takes them.
    pub fn send(&mut self, octets: &[u8], registry: &Registry) -> Option<Event> {
        self.unsent.extend_from_slice(octets);
        self.flush(registry)
    }

    /// Closes without a further event.
    pub fn close(&mut self, registry: &Registry) {
        if let Some(mut stream) = self.stream.take() {
            let _ = registry.deregister(&mut stream);
        }
        self.up = false;
        self.give_up = None;
        self.unsent.clear();
    }

    /// When to call [`Connection::timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.give_up
    }

    /// Gives up a connection that takes too long.
    pub fn timeout(&mut self, now: Instant, registry: &Registry) -> Option<Event> {
        self.give_up.filter(|at| *at <= now)?;
        log::debug!("AAA {}: no answer to connect", self.server);
        Some(self.lost(registry))
    }

    /// Serves the socket after mio said so; events in order.
    pub fn ready(&mut self, registry: &Registry) -> Vec<Event> {
        let mut events = Vec::new();
        if self.stream.is_some() && !self.up {
            events.extend(self.connecting(registry));
        }
        if self.up {
            events.extend(self.flush(registry));
        }
        while self.up {
            match self.read() {
                Ok(Some(octets)) => events.push(Event::Octets(octets)),
                Ok(None) => break,
                Err(()) => events.push(self.lost(registry)),
            }
        }
        events
    }

    /// mio's recipe for a non-blocking connect: an error shows in `take_error`, success in `peer_addr`.
    fn connecting(&mut self, registry: &Registry) -> Option<Event> {
        let stream = self.stream.as_ref()?;
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            log::debug!("AAA {}: {error}", self.server);
            return Some(self.lost(registry));
        }
        match stream.peer_addr() {
            Ok(_) => {
                // Requests are single small segments and wait for an answer each.
                let _ = stream.set_nodelay(true);
                self.up = true;
                self.give_up = None;
                Some(Event::Connected)
            }
            Err(_) => None,
        }
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, ()> {
        let mut octets = vec![0; 16 * 1024];
        let Some(stream) = &mut self.stream else { return Ok(None) };
        loop {
            return match stream.read(&mut octets) {
                Ok(0) => Err(()),
                Ok(n) => {
                    octets.truncate(n);
                    Ok(Some(octets))
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => Err(()),
            };
        }
    }

    fn flush(&mut self, registry: &Registry) -> Option<Event> {
        let stream = self.stream.as_mut().filter(|_| self.up)?;
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(n) if n > 0 => drop(self.unsent.drain(..n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && self.unsent.len() <= BUFFER =>
                {
                    break;
                }
                _ => return Some(self.lost(registry)),
            }
        }
        None
    }

    fn lost(&mut self, registry: &Registry) -> Event {
        self.close(registry);
        Event::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, TcpListener};

    /// Turns `poll` until the connection has an event.
    fn events(connection: &mut Connection, poll: &mut mio::Poll) -> Vec<Event> {
        let mut ready = mio::Events::with_capacity(4);
        for _ in 0..100 {
            poll.poll(&mut ready, Some(Duration::from_millis(200))).expect("poll");
            let events = connection.ready(poll.registry());
            if !events.is_empty() {
                return events;
            }
        }
        panic!("no event within 20 s");
    }

    #[test]
    fn a_server_that_is_not_there_closes_and_one_that_comes_later_is_reached() {
        let mut poll = mio::Poll::new().expect("poll");
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port");
        let server = listener.local_addr().expect("bound");
        drop(listener);
        let mut connection = Connection::new(server, Token(0));
        let registry = poll.registry().try_clone().expect("a registry");
        let at_once = connection.connect(Instant(0), &registry);
        let first = at_once.map_or_else(|| events(&mut connection, &mut poll), |event| vec![event]);
        assert_eq!(first, [Event::Closed]);

        let listener = TcpListener::bind(server).expect("the port is free again");
        assert_eq!(connection.connect(Instant(0), &registry), None);
        assert_eq!(events(&mut connection, &mut poll)[0], Event::Connected);
        let (mut peer, _) = listener.accept().expect("a client");
        assert_eq!(connection.send(b"hello", &registry), None);
        let mut got = [0; 5];
        peer.read_exact(&mut got).expect("five octets");
        peer.write_all(&got).expect("sent back");
        assert_eq!(events(&mut connection, &mut poll)[0], Event::Octets(b"hello".to_vec()));
        drop(peer);
        assert_eq!(events(&mut connection, &mut poll), [Event::Closed]);
    }

    #[test]
    fn a_connection_under_way_is_given_up_after_two_seconds() {
        let poll = mio::Poll::new().expect("poll");
        // The discard prefix (RFC 6666): either no route, or nobody answers.
        let mut connection =
            Connection::new("[100::1]:3868".parse().expect("an address"), Token(0));
        if connection.connect(Instant(0), poll.registry()).is_none() {
            let at = connection.deadline().expect("a deadline");
            assert_eq!(connection.timeout(Instant(at.0 - 1), poll.registry()), None);
            assert_eq!(connection.timeout(at, poll.registry()), Some(Event::Closed));
        }
        assert_eq!(connection.deadline(), None);
    }
}
