// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket: JSON lines (`slowpath::control`) over a Unix socket. A client that does not read, or never
//! asks, costs a bounded buffer until it is closed, and nobody else anything (FC-48).

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use slowpath::control::{Request, Response};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
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

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another instance answers there.
    #[error(
        "{path}: process {pid} is listening on this control socket; stop it, or give this instance another `name` or `control`"
    )]
    InUse {
        /// The path.
        path: String,
        /// Who.
        pid: i32,
    },
    /// Something else lies there.
    #[error("{path}: is there and no socket; delete it, or give another `control`")]
    NoSocket {
        /// The path.
        path: String,
    },
    /// The system refuses.
    #[error("{path}: cannot make the control socket: {why}")]
    Io {
        /// The path.
        path: String,
        /// Why.
        why: io::Error,
    },
}

/// The listening socket's file, removed when dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

impl Socket {
    /// Takes the path: a stale socket is replaced, a living owner is not (FC-47).
    ///
    /// # Errors
    /// [`SocketError`], which names the path.
    pub fn bind(path: &Path) -> Result<Socket, SocketError> {
        let name = path.display().to_string();
        let io = |why| SocketError::Io { path: name.clone(), why };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                if let Some(pid) = owner(path) {
                    return Err(SocketError::InUse { path: name, pid });
                }
                std::fs::remove_file(path).map_err(io)?;
            }
            Ok(_) => return Err(SocketError::NoSocket { path: name }),
            Err(_) => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path).map_err(io)?;
        let socket = Socket { path: path.into(), listener };
        // Whoever may write to it may attach and detach mobile nodes.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(io)?;
        socket.listener.set_nonblocking(true).map_err(io)?;
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that listens at `path`.
fn owner(path: &Path) -> Option<i32> {
    let stream = std::os::unix::net::UnixStream::connect(path).ok()?;
    getsockopt(&stream, PeerCredentials).ok().map(|peer| peer.pid())
}

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
        let mut listener = UnixListener::from_std(socket.listener.try_clone()?);
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
