// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket: JSON lines (`slowpath::control`) over a Unix socket. A client that does not read, or never
//! asks, costs a bounded buffer until it is closed, and nobody else anything (FC-48).

use super::socket::Socket;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use slowpath::control::{Request, Response};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;
use wire::time::Instant;

/// Clients at once; one more is closed at once.
const CLIENTS: usize = 256;
/// Octets of a question.
const LINE: usize = 4096;
/// Octets of all answers that wait to be read.
const UNREAD: usize = 64 << 20;
/// A client that neither asked nor read for so long is closed.
const SILENCE: Duration = Duration::from_secs(60);

struct Client {
    stream: UnixStream,
    asked: Vec<u8>,
    unread: Vec<u8>,
    /// The question under way; the next one waits in the kernel until its answer is read.
    waits_for: Option<u64>,
    /// It sends no more.
    finished: bool,
    active: Instant,
}

/// A question, with the number its answer comes back with.
pub struct Question {
    /// The number.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// All clients of the socket.
pub struct Clients {
    /// Removed with its file at the end.
    _socket: Socket,
    listener: UnixListener,
    listen: Token,
    clients: BTreeMap<usize, Client>,
    next_token: usize,
    next_id: u64,
}

impl Clients {
    /// Listens. Tokens from `listen` on belong to this socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(socket: Socket, listen: Token, registry: &Registry) -> io::Result<Clients> {
        let mut listener = UnixListener::from_std(socket.listener()?);
        registry.register(&mut listener, listen, Interest::READABLE)?;
        Ok(Clients {
            _socket: socket,
            listener,
            listen,
            clients: BTreeMap::new(),
            next_token: listen.0 + 1,
            next_id: 0,
        })
    }

    /// Serves what mio says is ready; the questions that came.
    pub fn ready(&mut self, now: Instant, token: Token, registry: &Registry) -> Vec<Question> {
        if token == self.listen {
            self.accept(now, registry);
            return Vec::new();
        }
        let Some(client) = self.clients.get_mut(&token.0) else { return Vec::new() };
        let (mut questions, mut alive) = (Vec::new(), client.serve(now));
        while alive && let Some(line) = client.line() {
            match line {
                Ok(request) => {
                    self.next_id += 1;
                    client.waits_for = Some(self.next_id);
                    questions.push(Question { id: self.next_id, request });
                }
                Err(why) => alive = client.answer(&Response::Error(why), now),
            }
        }
        if !alive {
            self.close(token.0, registry);
        }
        questions
    }

    /// Gives the answer to the client that asked, if it is still there; the questions it had waiting behind.
    pub fn answer(
        &mut self,
        now: Instant,
        id: u64,
        response: &Response,
        registry: &Registry,
    ) -> Vec<Question> {
        let found = self.clients.iter().find(|(_, client)| client.waits_for == Some(id));
        let Some(token) = found.map(|(token, _)| *token) else { return Vec::new() };
        let unread: usize = self.clients.values().map(|client| client.unread.len()).sum();
        let full = Response::Error("too many answers nobody reads; try again later".into());
        let response = if unread > UNREAD { &full } else { response };
        let Some(client) = self.clients.get_mut(&token) else { return Vec::new() };
        client.waits_for = None;
        if !client.answer(response, now) {
            self.close(token, registry);
            return Vec::new();
        }
        self.ready(now, Token(token), registry)
    }

    /// Closes the silent ones.
    pub fn timeout(&mut self, now: Instant, registry: &Registry) {
        let silent = |client: &Client| now - client.active >= SILENCE;
        let tokens: Vec<usize> = self
            .clients
            .iter()
            .filter(|(_, client)| silent(client))
            .map(|(token, _)| *token)
            .collect();
        tokens.into_iter().for_each(|token| self.close(token, registry));
    }

    fn accept(&mut self, now: Instant, registry: &Registry) {
        // An error other than "none left" (descriptors used up) is over when clients leave.
        while let Ok((mut stream, _)) = self.listener.accept() {
            let token = Token(self.next_token);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.clients.len() >= CLIENTS
                || registry.register(&mut stream, token, interest).is_err()
            {
                continue;
            }
            self.next_token += 1;
            let client = Client {
                stream,
                asked: Vec::new(),
                unread: Vec::new(),
                waits_for: None,
                finished: false,
                active: now,
            };
            self.clients.insert(token.0, client);
        }
    }

    fn close(&mut self, token: usize, registry: &Registry) {
        if let Some(mut client) = self.clients.remove(&token) {
            let _ = registry.deregister(&mut client.stream);
        }
    }
}

impl Client {
    /// Writes what waits, then reads while nothing does; `false` when the client is done with.
    fn serve(&mut self, now: Instant) -> bool {
        self.write(now).is_ok() && self.read(now).is_ok() && !self.is_done()
    }

    fn is_done(&self) -> bool {
        self.finished
            && self.unread.is_empty()
            && self.waits_for.is_none()
            && !self.asked.contains(&b'\n')
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        while !self.unread.is_empty() {
            match self.stream.write(&self.unread) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.active = now;
                    self.unread.drain(..n);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, now: Instant) -> io::Result<()> {
        let mut octets = [0; LINE];
        while self.asked.len() <= LINE && !self.finished {
            match self.stream.read(&mut octets) {
                Ok(0) => self.finished = true,
                Ok(n) => {
                    self.active = now;
                    self.asked.extend_from_slice(&octets[..n]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next question, once the answer before it is out; an error in a sentence for what is none.
    fn line(&mut self) -> Option<Result<Request, String>> {
        if self.waits_for.is_some() || !self.unread.is_empty() {
            return None;
        }
        let end = self.asked.iter().position(|octet| *octet == b'\n');
        if end.unwrap_or(self.asked.len()) > LINE {
            self.asked.clear();
            self.finished = true;
            return Some(Err(format!("a question has {LINE} octets at most")));
        }
        let end = end?;
        let line: Vec<u8> = self.asked.drain(..=end).collect();
        Some(serde_json::from_slice(&line).map_err(|error| format!("not a question: {error}")))
    }

    /// Queues an answer and writes what the client takes; `false` when the client is done with.
    fn answer(&mut self, response: &Response, now: Instant) -> bool {
        let line = serde_json::to_vec(response);
        // Rows are made of numbers and texts, which always have a JSON form.
        self.unread.extend(line.unwrap_or_default());
        self.unread.push(b'\n');
        self.write(now).is_ok() && !self.is_done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream as Client;
    use std::path::Path;

    const LISTEN: Token = Token(1);
    const ASK: &[u8] = b"{\"do\":\"show\",\"what\":\"mns\"}\n";

    struct Rig {
        poll: mio::Poll,
        clients: Clients,
    }

    impl Rig {
        fn new(path: &Path) -> Rig {
            let poll = mio::Poll::new().expect("poll");
            let socket = Socket::bind(path).expect("a free path");
            let clients = Clients::new(socket, LISTEN, poll.registry()).expect("a listener");
            Rig { poll, clients }
        }

        /// Serves what is ready at `now`; the questions that came.
        fn turn(&mut self, now: Instant) -> Vec<Question> {
            let mut events = mio::Events::with_capacity(16);
            self.poll.poll(&mut events, Some(Duration::from_millis(50))).expect("poll");
            let registry = self.poll.registry();
            let ready = events.iter().map(mio::event::Event::token);
            ready.flat_map(|token| self.clients.ready(now, token, registry)).collect()
        }
    }

    fn second(n: u64) -> Instant {
        Instant(n * 1_000_000)
    }

    #[test]
    fn a_client_that_says_nothing_is_closed_after_sixty_seconds_and_one_that_asks_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s");
        let mut rig = Rig::new(&path);
        let mut silent = Client::connect(&path).expect("a listener");
        let mut asks = Client::connect(&path).expect("a listener");
        rig.turn(second(0));
        asks.write_all(ASK).expect("a socket");
        let questions = rig.turn(second(59));
        assert_eq!(questions.len(), 1);
        rig.clients.timeout(second(59), rig.poll.registry());
        assert_eq!(rig.clients.clients.len(), 2);
        rig.clients.timeout(second(60), rig.poll.registry());
        assert_eq!(rig.clients.clients.len(), 1);
        assert_eq!(silent.read(&mut [0]).expect("a socket"), 0, "closed");

        let answer = Response::Ok(serde_json::json!([]));
        rig.clients.answer(second(61), questions[0].id, &answer, rig.poll.registry());
        let mut line = String::new();
        BufReader::new(asks).read_line(&mut line).expect("an answer");
        assert_eq!(line, "{\"ok\":[]}\n");
    }

    #[test]
    fn a_second_question_waits_until_the_answer_to_the_first_is_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s");
        let mut rig = Rig::new(&path);
        let mut client = Client::connect(&path).expect("a listener");
        client.write_all(&ASK.repeat(3)).expect("a socket");
        let mut questions = rig.turn(second(0));
        questions.extend(rig.turn(second(0)));
        assert_eq!(questions.len(), 1);
        let answer = Response::Ok(serde_json::json!([1]));
        let registry = rig.poll.registry().try_clone().expect("a registry");
        let next = rig.clients.answer(second(0), questions[0].id, &answer, &registry);
        assert_eq!(next.len(), 1);
        assert!(next[0].id > questions[0].id);
        // An answer to a question of a client that has gone finds nobody.
        drop(client);
        rig.turn(second(1));
        assert!(rig.clients.answer(second(1), 999, &answer, &registry).is_empty());
    }
}
