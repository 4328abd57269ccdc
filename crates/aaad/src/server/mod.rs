// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loop: listeners, connections, deadlines. `peers.rs` decides who may connect; what a request asks is
//! [`crate::authority`]'s, `store.rs` takes it to the store and back.

mod bucket;
mod peers;
mod reload;
mod store;

pub(crate) use bucket::Bucket;

use crate::authority::Authority;
use crate::config::{Config, StoreConfig, TlsConfig};
use crate::connection::{Connection, Turn};
use crate::counters::{Counters, Throttle};
use crate::listen::{StartError, listen};
use crate::store::{LocationStore, Opening, StoreError, Wake};
use diameter::nasreq::Origin;
use diameter::peer::{self, ServerConfig, Time};
use diameter::tls::{Channel, Credentials};
use log::{info, warn};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::Exchange;

/// Connections at a time; more are closed as they come.
const MAX_CONNECTIONS: usize = 4096;
/// Octets of one read.
const READ: usize = 64 * 1024;
/// A planned stop waits for the peers' DPAs and ends so long after at the latest.
const STOP_WAIT: Duration = Duration::from_millis(1500);
/// The pause after an accept that failed, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const WAKER: Token = Token(0);

/// Ends a running server, or has it read its configuration again, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    flag: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Asks the server to read its configuration again.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }

    /// Asks for the planned stop; `run` returns within 2 s.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // Without the wake-up the flag is seen at the next event or deadline.
        let _ = self.waker.wake();
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    config: Config,
    /// The file it came from.
    file: Option<PathBuf>,
    origin: Origin,
    authority: Authority,
    store: Exchange,
    poll: Poll,
    stopper: Stopper,
    /// The plain ones, then those for TLS.
    listeners: Vec<TcpListener>,
    credentials: Option<Credentials>,
    connections: BTreeMap<usize, Connection>,
    /// Admitted peers by Origin-Host.
    peers: BTreeMap<String, usize>,
    /// Origin-State-Id by Origin-Host, also of those that are gone.
    state_ids: BTreeMap<String, u32>,
    deadlines: BTreeSet<(Time, usize)>,
    ready: BTreeSet<usize>,
    next_token: usize,
    accept_again: Option<Time>,
    start: Instant,
    seed: u64,
    counters: Counters,
    throttle: Throttle,
}

impl Server {
    /// Opens the configured store and listens on the configured addresses.
    pub fn bind(config: Config, opening: Opening) -> Result<Server, StartError> {
        let store = config.store.clone();
        Server::bind_with(config, |wake| crate::store::open(&store, opening, wake))
    }

    /// The same on a store of the caller's.
    pub fn bind_with(
        config: Config,
        open: impl FnOnce(Wake) -> Result<Box<dyn LocationStore>, StoreError>,
    ) -> Result<Server, StartError> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let wake = waker.clone();
        // A wake-up that fails only makes answers late, until the next event.
        let store = open(Arc::new(move || drop(wake.wake())))?;
        if config.store == StoreConfig::Memory {
            warn!(
                "store: memory: what is stored is lost at every stop; set `store: {{path: DIR}}`"
            );
        }
        let mut listeners = Vec::new();
        let credentials = config.tls.as_ref().map(TlsConfig::load).transpose()?;
        let on_tls = config.tls.iter().flat_map(|tls| &tls.listen);
        for (at, address) in config.listen.iter().chain(on_tls).enumerate() {
            let mut listener = listen(*address)?;
            poll.registry().register(&mut listener, Token(1 + at), Interest::READABLE)?;
            listeners.push(listener);
        }
        let realm = config.identity.realm.clone();
        Ok(Server {
            origin: Origin { identity: config.identity.clone(), state_id: store.state_id() },
            authority: Authority::new(realm, config.subscribers.clone(), config.session_timeout),
            store: Exchange::new(store),
            poll,
            stopper: Stopper { flag: Arc::default(), reload: Arc::default(), waker },
            next_token: 1 + listeners.len(),
            listeners,
            credentials,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            state_ids: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ready: BTreeSet::new(),
            accept_again: None,
            start: Instant::now(),
            seed: RandomState::new().build_hasher().finish(),
            counters: Counters::default(),
            throttle: Throttle::default(),
            file: None,
            config,
        })
    }

    /// The addresses really bound, in the order of `listen`, then those for TLS.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Where [`Stopper::reload`] reads the configuration.
    pub fn reload_from(&mut self, file: &Path) {
        self.file = Some(file.to_owned());
    }

    /// The handle that ends [`Server::run`].
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped.
    pub fn run(mut self) -> io::Result<()> {
        for address in self.addresses() {
            info!("ready on {address}");
        }
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; READ];
        let mut stop_at = None;
        loop {
            let timeout = self.timeout(stop_at);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(at) if at <= self.listeners.len() => self.accept(at - 1),
                    Token(at) => {
                        self.ready.insert(at);
                    }
                }
            }
            self.serve(&mut buffer);
            self.exchange();
            if self.stopper.reload.swap(false, Ordering::AcqRel) {
                self.reload();
            }
            if stop_at.is_none() && self.stopper.flag.load(Ordering::Acquire) {
                stop_at = Some(self.now() + STOP_WAIT);
                self.begin_stop();
            }
            if stop_at.is_some_and(|at| self.connections.is_empty() || at <= self.now()) {
                info!("stopped; {} MNs seen{}", self.store.known(), self.counters);
                self.store.close();
                return Ok(());
            }
        }
    }

    fn now(&self) -> Time {
        self.start.elapsed()
    }

    fn timeout(&self, stop_at: Option<Time>) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let first = self.deadlines.first().map(|(at, _)| *at);
        let next = [first, self.accept_again, stop_at].into_iter().flatten().min()?;
        // epoll counts milliseconds and rounds down: one more, or it would spin through the last one.
        Some(next.saturating_sub(self.now()) + Duration::from_millis(1))
    }

    /// One turn of every connection with something to do, then the deadlines.
    fn serve(&mut self, buffer: &mut [u8]) {
        for token in std::mem::take(&mut self.ready) {
            if let Some(mut connection) = self.connections.remove(&token) {
                let turn = connection.read(self.now(), buffer);
                self.settle(token, connection, turn);
            }
        }
        let now = self.now();
        while let Some((_, token)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let Some(mut connection) = self.connections.remove(&token) else {
                self.deadlines.pop_first();
                continue;
            };
            let over = connection.timeout(now, self.config.watchdog);
            self.settle(token, connection, if over { Turn::Over } else { Turn::Waits });
        }
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            for at in 0..self.listeners.len() {
                self.accept(at);
            }
        }
    }

    fn accept(&mut self, at: usize) {
        loop {
            match self.listeners[at].accept() {
                Ok((stream, address)) => {
                    self.accepted(stream, address, at >= self.config.listen.len());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    self.counters.add("accept_failed");
                    self.warn(|| format!("cannot accept a connection: {error}"));
                    self.accept_again = Some(self.now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, mut stream: mio::net::TcpStream, address: SocketAddr, on_tls: bool) {
        let token = self.next_token;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let full = self.connections.len() >= MAX_CONNECTIONS;
        let Ok(local) = stream.local_addr() else { return self.counters.add("connection_lost") };
        if full || self.poll.registry().register(&mut stream, Token(token), interest).is_err() {
            return self.counters.add("connection_limit");
        }
        // Without it only answers are late.
        let _ = stream.set_nodelay(true);
        self.next_token += 1;
        let config = ServerConfig {
            origin: self.origin.clone(),
            host_ip: local.ip(),
            tw: self.config.watchdog,
            seed: self.seed.wrapping_add(token as u64),
        };
        let machine = peer::Server::new(config, self.now());
        let mut connection = Connection::new(stream, address, machine);
        if let Some(credentials) = self.credentials.as_ref().filter(|_| on_tls) {
            match Channel::server(credentials) {
                Ok(channel) => connection.channel = Some(channel),
                Err(_) => return self.counters.add("tls_failed"),
            }
        }
        connection.bucket = self.config.rate.map(|rate| Bucket::new(rate, self.now()));
        self.settle(token, connection, Turn::Again);
    }

    /// Does what a connection wants, writes what can leave, and puts it back in its place.
    fn settle(&mut self, token: usize, mut connection: Connection, mut turn: Turn) {
        if let Some(at) = connection.listed_deadline.take() {
            self.deadlines.remove(&(at, token));
        }
        let now = self.now();
        self.outputs(now, token, &mut connection);
        if turn != Turn::Over {
            turn = turn.then(connection.write(now));
            self.outputs(now, token, &mut connection);
        }
        if let Some(broken) = connection.broken.take() {
            let address = connection.address;
            self.counters.add("tls_failed");
            self.warn(|| format!("{address}: {broken}"));
        }
        if turn == Turn::Over {
            // Dropping it closes the socket; a broken one need not be deregistered.
            let _ = self.poll.registry().deregister(connection.stream());
            return;
        }
        if turn == Turn::Again {
            self.ready.insert(token);
        }
        if let Some(at) = connection.deadline(self.config.watchdog) {
            connection.listed_deadline = Some(at);
            self.deadlines.insert((at, token));
        }
        self.connections.insert(token, connection);
    }

    fn begin_stop(&mut self) {
        for mut listener in std::mem::take(&mut self.listeners) {
            let _ = self.poll.registry().deregister(&mut listener);
        }
        let now = self.now();
        for token in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(mut connection) = self.connections.remove(&token) {
                connection.machine.shutdown(now);
                self.settle(token, connection, Turn::Waits);
            }
        }
    }

    fn warn(&mut self, line: impl FnOnce() -> String) {
        if self.throttle.allows(self.now()) {
            let left_out = std::mem::take(&mut self.throttle.left_out);
            match left_out {
                0 => warn!("{}", line()),
                n => warn!("{} ({n} lines left out before)", line()),
            }
        }
    }
}

/// Time since 1970.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
