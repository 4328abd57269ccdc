// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow-path loop: punt rings, sockets, links, deadlines in; the router's outputs to where they belong. No
//! decisions: what happens is `slowpath::Router`'s word.
//!
//! Read [`SlowPath::run`] first, then `slowpath::router`.

mod aaa;
mod alarm;
mod clients;
mod counters;
mod load;
mod socket;
mod workers;

pub use load::Load;
pub use socket::{Socket, SocketError};
pub use workers::{Sender, WorkerEnd};

use crate::clock::Clock;
use crate::config::Poll;
use crate::idle::Idle;
use crate::logging::Logging;
use crate::record::Writer;
use alarm::Alarm;
use clients::{Clients, Question};
use dataplane::punt::PuntReason;
use dataplane::table::Table as BindingTable;
use dataplane::{PortId, WorkerId};
use dpdk::Port;
use mio::{Events, Token};
use serde_json::json;
use slowpath::control::{Request, Response, Table};
use slowpath::{Input, Output, Router};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::time::{Instant, Now};

/// Punts taken from one worker before the next one, the sockets and the deadlines have their turn.
const PUNTS: usize = 64;
/// Turns between two looks at the sockets while there is work on the rings.
const SOCKETS: u32 = 16;
/// Links and alarming counters are looked at so often.
const LINKS: Duration = Duration::from_millis(100);
/// The end waits so long for the AAA's DPA.
const STOP: Duration = Duration::from_millis(1000);
/// Empty turns before the loop sleeps: its core is its own, or shared.
const SPIN_BUSY: u32 = 2000;
const SPIN_ADAPTIVE: u32 = 32;

/// The AAA servers have the tokens below: as many as a configuration may name.
pub const MOST_AAA: usize = 8;
/// The control socket, and from here on its clients.
const CONTROL: Token = Token(MOST_AAA);

/// What the loop is made of.
pub struct Parts<'p> {
    /// The control side.
    pub router: Router,
    /// What outlives a restart.
    pub record: Option<Writer>,
    /// The workers' table, which grows by what this loop prepares.
    pub table: BindingTable,
    /// Time.
    pub clock: Clock,
    /// By `WorkerId`.
    pub workers: Vec<WorkerEnd>,
    /// The way out.
    pub sender: Sender,
    /// By `PortId`.
    pub ports: &'p [Port],
    /// The AAA servers' addresses.
    pub aaa: &'p [SocketAddr],
    /// Control socket.
    pub socket: Socket,
    /// How to wait.
    pub poll: Poll,
    /// Up when a signal asks for the end.
    pub stop: Arc<AtomicBool>,
    /// For its count of lost lines.
    pub logging: Logging,
    /// A load test, if one is wanted.
    pub load: Option<Load>,
}

/// The slow path.
pub struct SlowPath<'p> {
    router: Router,
    record: Option<Writer>,
    table: BindingTable,
    clock: Clock,
    workers: Vec<WorkerEnd>,
    sender: Sender,
    ports: &'p [Port],
    links: Vec<Option<bool>>,
    links_at: Instant,
    alarm: Alarm,
    /// By server.
    aaa: Vec<aaa::Connection>,
    clients: Clients,
    /// Questions whose answer the workers' and ports' rows are added to.
    counters_asked: BTreeSet<u64>,
    sockets: mio::Poll,
    idle: Idle,
    stop: Arc<AtomicBool>,
    stopped: bool,
    logging: Logging,
    load: Option<Load>,
}

impl<'p> SlowPath<'p> {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the system gives no epoll instance.
    pub fn new(mut parts: Parts<'p>) -> io::Result<SlowPath<'p>> {
        if parts.load.is_some() {
            parts.workers.iter_mut().for_each(WorkerEnd::share);
        }
        let sockets = mio::Poll::new()?;
        let clients = Clients::new(parts.socket, CONTROL, sockets.registry())?;
        let spin = if parts.poll == Poll::Busy { SPIN_BUSY } else { SPIN_ADAPTIVE };
        Ok(SlowPath {
            router: parts.router,
            record: parts.record,
            table: parts.table,
            clock: parts.clock,
            workers: parts.workers,
            sender: parts.sender,
            ports: parts.ports,
            links: vec![None; parts.ports.len()],
            links_at: Instant(0),
            alarm: Alarm::default(),
            aaa: parts
                .aaa
                .iter()
                .zip(0..)
                .map(|(a, n)| aaa::Connection::new(*a, Token(n)))
                .collect(),
            clients,
            counters_asked: BTreeSet::new(),
            sockets,
            idle: Idle::after(spin),
            stop: parts.stop,
            stopped: false,
            logging: parts.logging,
            load: parts.load,
        })
    }

    /// Runs until the stop flag is up and the AAA has been told.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(128);
        let mut turn = 0u32;
        self.outputs(self.clock.now());
        while !self.stop.load(Ordering::Relaxed) {
            let worked = self.turn(turn, &mut events);
            turn = turn.wrapping_add(1);
            self.idle.turn(worked);
        }
        log::info!("stopping");
        let now = self.clock.now();
        self.handle(now, Input::Stop);
        while !self.stopped && self.clock.now().mono < now.mono + STOP {
            let worked = self.turn(0, &mut events);
            self.idle.turn(worked);
        }
    }

    /// One turn; whether there was anything to do.
    fn turn(&mut self, turn: u32, events: &mut Events) -> bool {
        let now = self.clock.now();
        let mut worked = self.acknowledgements(now);
        worked |= self.punts(now);
        if !worked || turn.is_multiple_of(SOCKETS) {
            worked |= self.poll_sockets(now, events);
        }
        if self.links_at <= now.mono {
            self.links_at = now.mono + LINKS;
            self.poll_links(now);
            if let Some(line) = self.alarm.look(&self.workers) {
                log::warn!("{line}");
            }
            self.clients.timeout(now.mono, self.sockets.registry());
        }
        if self.router.deadline().is_some_and(|at| at <= now.mono) {
            self.handle(now, Input::Timeout);
            worked = true;
        }
        for server in 0..self.aaa.len() {
            if self.aaa[server].deadline().is_some_and(|at| at <= now.mono) {
                let event = self.aaa[server].timeout(now.mono, self.sockets.registry());
                self.aaa_event(now, server, event);
            }
        }
        self.table.prepare();
        self.workers.iter_mut().for_each(WorkerEnd::push);
        if let Some(load) = &mut self.load {
            worked |= load.turn(now.mono, &mut self.workers);
        }
        worked
    }

    /// What the workers have applied, when something waits for it; whether that let something go.
    fn acknowledgements(&mut self, now: Now) -> bool {
        if !self.router.waits_for_workers() {
            return false;
        }
        for worker in 0..self.workers.len() {
            let updates = self.workers[worker].applied();
            self.handle(now, Input::Applied { worker: worker as WorkerId, updates });
        }
        !self.router.waits_for_workers()
    }

    /// What the workers have to say.
    fn punts(&mut self, now: Now) -> bool {
        let mut worked = false;
        for worker in 0..self.workers.len() {
            for _ in 0..PUNTS {
                let router = &mut self.router;
                if !self.workers[worker].punt(|input| router.handle(now, input)) {
                    break;
                }
                worked = true;
                self.outputs(now);
            }
        }
        worked
    }

    fn poll_sockets(&mut self, now: Now, events: &mut Events) -> bool {
        if let Err(error) = self.sockets.poll(events, Some(Duration::ZERO)) {
            // A signal: the flag tells.
            log::debug!("epoll: {error}");
            return false;
        }
        for event in events.iter() {
            let server = event.token().0;
            if let Some(connection) = self.aaa.get_mut(server) {
                for event in connection.ready(self.sockets.registry()) {
                    self.aaa_event(now, server, Some(event));
                }
            } else {
                let questions =
                    self.clients.ready(now.mono, event.token(), self.sockets.registry());
                self.ask(now, questions);
            }
        }
        !events.is_empty()
    }

    fn aaa_event(&mut self, now: Now, server: usize, event: Option<aaa::Event>) {
        if let Some(event) = event {
            self.handle(now, Input::Aaa { server, input: event.input() });
        }
    }

    fn ask(&mut self, now: Now, questions: Vec<Question>) {
        for Question { id, request } in questions {
            if request == (Request::Show { what: Table::Counters }) {
                self.counters_asked.insert(id);
            }
            self.handle(now, Input::Control { id, request });
        }
    }

    fn poll_links(&mut self, now: Now) {
        for port in 0..self.ports.len() {
            let up = self.ports[port].link_up();
            if self.links[port] != Some(up) {
                self.links[port] = Some(up);
                let word = if up { "up" } else { "down" };
                log::info!("port {port} ({}): link {word}", self.ports[port].name());
                self.handle(now, Input::Link { port: port as PortId, up });
            }
        }
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.router.handle(now, input);
        self.outputs(now);
    }

    /// Everything the router wants done, in its order.
    fn outputs(&mut self, now: Now) {
        while let Some(output) = self.router.poll_output() {
            match output {
                Output::Frame { port, frame } => {
                    self.sender.send(port, &frame);
                    let answer = self.load.as_ref().and_then(|load| load.answer(port, &frame));
                    if let Some(frame) = answer {
                        let reason = PuntReason::NeighborDiscovery;
                        self.router.handle(now, Input::Frame { port, reason, frame: &frame });
                    }
                }
                Output::Update { worker, update } => {
                    if let Some(worker) = self.workers.get_mut(usize::from(worker)) {
                        worker.update(update);
                    }
                }
                Output::AaaConnect { server } => {
                    let event = self.aaa[server].connect(now.mono, self.sockets.registry());
                    self.aaa_told(now, server, event);
                }
                Output::AaaSend { server, octets } => {
                    let event = self.aaa[server].send(&octets, self.sockets.registry());
                    self.aaa_told(now, server, event);
                }
                Output::AaaClose { server } => self.aaa[server].close(self.sockets.registry()),
                Output::Control { id, response } => self.answer(now, id, response),
                Output::Persist(change) => {
                    if let Some(record) = &mut self.record {
                        record.keep(change);
                    }
                }
                Output::Log { level, line } => log::log!(level, "{line}"),
                Output::Stopped => self.stopped = true,
            }
        }
    }

    /// As [`SlowPath::aaa_event`], from within the outputs: what follows is appended to those under way.
    fn aaa_told(&mut self, now: Now, server: usize, event: Option<aaa::Event>) {
        if let Some(event) = event {
            self.router.handle(now, Input::Aaa { server, input: event.input() });
        }
    }

    fn answer(&mut self, now: Now, id: u64, mut response: Response) {
        if self.counters_asked.remove(&id)
            && let Response::Ok(serde_json::Value::Array(rows)) = &mut response
        {
            counters::add(rows, &self.workers, self.ports, &self.sender, self.logging.dropped());
            let lost = self.record.iter().map(|record| ("record.lost", record.lost));
            rows.extend(lost.map(|(name, value)| json!({ "name": name, "value": value })));
            let load = self.load.iter().flat_map(Load::rows);
            rows.extend(load.map(|(name, value)| json!({ "name": name, "value": value })));
        }
        let registry = self.sockets.registry();
        let questions = self.clients.answer(now.mono, id, &response, registry);
        for Question { id, request } in questions {
            if request == (Request::Show { what: Table::Counters }) {
                self.counters_asked.insert(id);
            }
            self.router.handle(now, Input::Control { id, request });
        }
    }
}
