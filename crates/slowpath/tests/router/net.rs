// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routers with real workers, a core link that joins them, an AAA, and virtual time. Beside its workers each node keeps
//! a plain copy of what they were told, to be looked at.

use crate::aaa::Aaa;
use crate::frames::ip;
use arrayvec::ArrayVec;
use dataplane::fib::{Fib, PortInfo, Role};
use dataplane::park::ParkKey;
use dataplane::punt::Punt;
use dataplane::punt::PuntReason;
use dataplane::table::Table;
use dataplane::update::Update;
use dataplane::verdict::Verdict;
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{PortId, WorkerId};
use diameter::nasreq::Identity;
use diameter::peer::ClientInput;
use mobility::config::{Peer, Prefix};
use slowpath::control::{Request, Response};
use slowpath::{Config, Input, Output, Router};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use wire::addr::Mac;
use wire::buf::{PacketBuf, VecBuf};
use wire::mh::Key;
use wire::time::{Instant, Now};

pub const MS: u64 = 1000;
pub const SECOND: u64 = 1_000_000;
pub const ACCESS: PortId = 0;
pub const CORE: PortId = 1;
pub const WORKERS: usize = 3;
/// One way over the core link, and to the AAA.
const DELAY: u64 = 500;
/// 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A MAAR of PROTOCOL.md's address table: `a1` is 2001:db8:ff::a1 with pool 2001:db8:a1::/48.
pub type Name = &'static str;

pub fn address(name: &str) -> Ipv6Addr {
    ip(&format!("2001:db8:ff::{name}"))
}

pub fn pool(name: &str) -> Prefix {
    Prefix { addr: ip(&format!("2001:db8:{name}::")), len: 48 }
}

pub fn core_mac(name: &str) -> Mac {
    Mac([2, 0xc0, 0, 0, 0, u8::from_str_radix(name, 16).expect("two digits")])
}

/// The configuration of MAAR `name` among `all`, with one key for everybody.
pub fn config(name: Name, all: &[Name]) -> Config {
    let key = Key { spi: 256, secret: (0..32).collect() };
    let others = || all.iter().filter(|&&other| other != name);
    let peer = |&other: &Name| Peer { address: address(other), keys: vec![key.clone()] };
    let core = Prefix { addr: ip("2001:db8:ff::"), len: 64 };
    Config {
        name: name.to_owned(),
        mobility: mobility::Config {
            address: address(name),
            pool: pool(name),
            peers: others().map(peer).collect(),
            anchors: all.iter().map(|&maar| (pool(maar), address(maar))).collect(),
            core_prefixes: vec![core],
            event_only_ports: Vec::new(),
            realm: "example.org".to_owned(),
            static_ids: Default::default(),
            trust_rs_mnid: false,
            ra_mtu: 1460,
            rdnss: Vec::new(),
            timers: slowpath::config::protocol::Timers {
                // Only where a test is about them.
                heartbeat: Duration::ZERO,
                ..Default::default()
            },
            seed: 7,
            first_sequence: None,
            fail_open: false,
            boot: 1,
        },
        ports: vec![
            PortInfo {
                role: Role::Access,
                mac: Mac([2, 0xac, 0, 0, 0, core_mac(name).0[5]]),
                mtu: 1500,
                attach_on_frame: true,
            },
            PortInfo { role: Role::Core, mac: core_mac(name), mtu: 1500, attach_on_frame: false },
        ],
        core_links: vec![(core, CORE)],
        routes: others().map(|&maar| (pool(maar), vec![address(maar)])).collect(),
        tunnel_hop_limit: 64,
        aaa: slowpath::config::Aaa {
            identity: Identity {
                host: format!("maar-{name}.example.org"),
                realm: "example.org".to_owned(),
            },
            realm: "example.org".to_owned(),
            servers: vec!["[2001:db8:ff::aaaa]:3868".parse().expect("an address")],
            host_ip: address(name).into(),
            state_id: 1,
        },
        workers: WORKERS,
    }
}

pub struct Node {
    pub name: Name,
    pub router: Router,
    /// What the workers' table holds.
    pub table: BTreeMap<u64, Verdict>,
    shards: Table,
    workers: Vec<Worker<VecBuf>>,
    ends: Vec<WorkerEnds<VecBuf>>,
    pub fib: Arc<Fib>,
    pub fibs: usize,
    /// Frames sent: time, port, octets.
    pub sent: Vec<(u64, PortId, Vec<u8>)>,
    pub log: Vec<String>,
    pub answers: BTreeMap<u64, Response>,
    pub forgets: usize,
    /// Keys of parked packets the workers were told to give up.
    pub given_up: BTreeSet<ParkKey>,
    pub stopped: bool,
    /// What outlives a restart.
    pub records: BTreeMap<String, slowpath::Record>,
    /// Microseconds by which its wall clock is behind.
    pub late: u64,
}

type Burst = ArrayVec<VecBuf, { dataplane::BURST }>;

/// Frames a worker sends.
struct Sent(Vec<(PortId, Vec<u8>)>);

impl Transmit<VecBuf> for Sent {
    fn transmit(&mut self, port: PortId, buf: VecBuf) {
        self.0.push((port, buf.data().to_vec()));
    }
}

enum Event {
    Frame { node: usize, frame: Vec<u8> },
    Connected { node: usize, server: usize },
    ToAaa { node: usize, server: usize, octets: Vec<u8> },
    FromAaa { node: usize, server: usize, octets: Vec<u8> },
}

pub struct Net {
    pub now: u64,
    pub nodes: Vec<Node>,
    pub aaa: Aaa,
    /// The AAA accepts connections.
    pub aaa_listens: bool,
    /// AAA servers that take no connection.
    pub aaa_down: BTreeSet<usize>,
    /// AAA servers that answer nothing any more.
    pub aaa_mute: BTreeSet<usize>,
    /// Frames the core link loses.
    pub lose: fn(&[u8]) -> bool,
    events: BTreeMap<(u64, u64), Event>,
    serial: u64,
}

impl Net {
    /// Routers with all links up and the AAA connected.
    pub fn new(names: &[Name]) -> Net {
        let mut net = Net::cold(names.iter().map(|name| config(name, names)).collect(), names);
        for node in 0..net.nodes.len() {
            net.link(node, ACCESS, true);
            net.link(node, CORE, true);
        }
        net.run(100 * MS);
        net
    }

    /// One router among peers that are not there.
    pub fn one(name: Name, all: &[Name]) -> Net {
        let mut net = Net::cold(vec![config(name, all)], &[name]);
        net.link(0, ACCESS, true);
        net.link(0, CORE, true);
        net.run(100 * MS);
        net
    }

    /// Routers as they are before any link is up.
    pub fn cold(configs: Vec<Config>, names: &[Name]) -> Net {
        let now = SECOND;
        let node = |(config, &name): (Config, &Name)| Node::new(config, name, now);
        let mut net = Net {
            now,
            nodes: configs.into_iter().zip(names).map(node).collect(),
            aaa: Aaa::new(),
            aaa_listens: true,
            aaa_down: BTreeSet::new(),
            aaa_mute: BTreeSet::new(),
            lose: |_| false,
            events: BTreeMap::new(),
            serial: 0,
        };
        for node in 0..net.nodes.len() {
            net.drain(node);
        }
        net
    }

    /// Routers that send heartbeats.
    pub fn beating(names: &[Name]) -> Net {
        let beating = |name: &Name| {
            let mut config = config(name, names);
            config.mobility.timers.heartbeat = Duration::from_secs(60);
            config
        };
        let mut net = Net::cold(names.iter().map(beating).collect(), names);
        for node in 0..net.nodes.len() {
            net.link(node, ACCESS, true);
            net.link(node, CORE, true);
        }
        net.run(100 * MS);
        net
    }

    /// kill -9 and a new start, with or without what was written.
    pub fn restart(&mut self, name: Name, with_record: bool) {
        let id = self.index(name);
        let names: Vec<Name> = self.nodes.iter().map(|node| node.name).collect();
        let mut config = config(name, &names);
        config.mobility.timers.heartbeat = Duration::from_secs(60);
        self.serial += 1;
        (config.mobility.boot, config.aaa.state_id) = (1 + self.serial, 1 + self.serial as u32);
        let records = std::mem::take(&mut self.nodes[id].records);
        self.nodes[id] = Node::new(config, name, self.now);
        if with_record {
            self.nodes[id].router.restore(at(self.now), records.values().cloned());
            self.nodes[id].records = records;
        }
        self.drain(id);
        self.housekeeping(id);
        self.link(id, ACCESS, true);
        self.link(id, CORE, true);
    }

    pub fn index(&self, name: Name) -> usize {
        self.nodes.iter().position(|node| node.name == name).expect("a node")
    }

    pub fn handle(&mut self, node: usize, input: Input<'_>) {
        let now = self.clock(node);
        self.nodes[node].router.handle(now, input);
        self.drain(node);
        self.housekeeping(node);
    }

    fn clock(&self, node: usize) -> Now {
        let now = at(self.now);
        Now { wall: now.wall - Duration::from_micros(self.nodes[node].late), ..now }
    }

    /// Workers apply what they were told, and their router hears so, until it has no more to tell; then they let go what
    /// they held.
    fn housekeeping(&mut self, node: usize) {
        loop {
            for worker in &mut self.nodes[node].workers {
                worker.expire(Instant(self.now));
                worker.housekeeping();
            }
            if !self.nodes[node].router.waits_for_workers() {
                break;
            }
            for worker in 0..WORKERS {
                let updates = self.nodes[node].ends[worker].stats.applied();
                let worker = worker as WorkerId;
                let input = Input::Applied { worker, updates };
                let now = self.clock(node);
                self.nodes[node].router.handle(now, input);
                self.drain(node);
            }
        }
        for worker in 0..WORKERS {
            // As often as a full list takes.
            for _ in 0..64 {
                if self.nodes[node].workers[worker].holds() {
                    self.burst(node, worker, CORE, ArrayVec::new());
                }
            }
        }
        if self.nodes[node].ends.iter().any(|ends| !ends.punts.is_empty()) {
            self.punts(node);
        }
    }

    /// A worker takes what came in on a port, and what it sends is under way.
    fn burst(&mut self, node: usize, worker: usize, port: PortId, mut burst: Burst) {
        let mut sent = Sent(Vec::new());
        self.nodes[node].workers[worker].burst(port, &mut burst, &mut sent);
        for (port, frame) in sent.0 {
            self.transmit(node, port, frame);
        }
    }

    pub fn frame(&mut self, node: usize, port: PortId, reason: PuntReason, frame: &[u8]) {
        self.handle(node, Input::Frame { port, reason, frame });
    }

    /// A frame arrives at a port: the worker that the NIC's hash over both addresses chooses takes it, and its router
    /// what the worker punts.
    pub fn receive(&mut self, node: usize, port: PortId, frame: &[u8]) {
        let addresses = frame.get(22..54).unwrap_or_default().iter();
        let worker = addresses.map(|octet| usize::from(*octet)).sum::<usize>() % WORKERS;
        self.burst(node, worker, port, ArrayVec::from_iter([VecBuf::new(frame)]));
        self.punts(node);
    }

    /// Workers have a turn, and the router hears what they say.
    fn punts(&mut self, node: usize) {
        let mut heard = Vec::new();
        let Node { workers, ends, .. } = &mut self.nodes[node];
        for (worker, ends) in workers.iter_mut().zip(ends) {
            worker.housekeeping();
            heard.extend(std::iter::from_fn(|| ends.punts.pop().ok()));
        }
        for punt in heard {
            match punt {
                Punt::Frame { port, reason, buf } => self.frame(node, port, reason, buf.data()),
                Punt::Session { hoa, cn } => self.handle(node, Input::Session { hoa, cn }),
                Punt::Parked(report) => self.handle(node, Input::Parked(report)),
                Punt::Marker(marker) => self.handle(node, Input::Marker(marker)),
                Punt::Peer(peer) => self.handle(node, Input::Peer(peer)),
                Punt::OldFib(_) => {}
            }
        }
    }

    /// As [`Net::frame`], ND on the access port of the only router.
    pub fn nd(&mut self, frame: &[u8]) {
        self.frame(0, ACCESS, PuntReason::NeighborDiscovery, frame);
    }

    pub fn link(&mut self, node: usize, port: PortId, up: bool) {
        self.handle(node, Input::Link { port, up });
    }

    pub fn ask(&mut self, node: usize, request: Request) -> Response {
        self.serial += 1;
        let id = self.serial;
        self.handle(node, Input::Control { id, request });
        self.nodes[node].answers.remove(&id).expect("every question is answered at once")
    }

    /// Lets `micros` pass.
    pub fn run(&mut self, micros: u64) {
        let until = self.now + micros;
        for _ in 0..1_000_000 {
            let due = self.nodes.iter().map(|node| node.router.deadline());
            let deadline = due.enumerate().filter_map(|(id, at)| Some((at?.0, id))).min();
            let event = self.events.first_key_value().map(|(&(at, _), _)| at);
            let next = deadline.map(|(at, _)| at).into_iter().chain(event).min();
            let Some(next) = next.filter(|&next| next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, event) = self.events.pop_first().expect("it was there");
                self.happen(event);
            } else if let Some((_, node)) = deadline {
                self.handle(node, Input::Timeout);
            }
        }
        panic!("a deadline that is never done with");
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { node, frame } => self.receive(node, CORE, &frame),
            Event::Connected { node, server } => {
                let up = self.aaa_listens && !self.aaa_down.contains(&server);
                if up {
                    self.aaa.connected((node, server));
                }
                let input = if up { ClientInput::Connected } else { ClientInput::Closed };
                self.handle(node, Input::Aaa { server, input });
            }
            Event::ToAaa { server, .. } | Event::FromAaa { server, .. }
                if self.aaa_down.contains(&server) => {}
            Event::ToAaa { server, .. } if self.aaa_mute.contains(&server) => {}
            Event::ToAaa { node, server, octets } => {
                for octets in self.aaa.octets((node, server), &octets) {
                    self.later(Event::FromAaa { node, server, octets });
                }
            }
            Event::FromAaa { node, server, octets } => {
                let input = ClientInput::Octets(&octets);
                self.handle(node, Input::Aaa { server, input });
            }
        }
    }

    /// The TCP connections to an AAA server break, and no new one is taken.
    pub fn aaa_dies(&mut self, server: usize) {
        self.aaa_down.insert(server);
        for node in 0..self.nodes.len() {
            self.handle(node, Input::Aaa { server, input: ClientInput::Closed });
        }
    }

    fn later(&mut self, event: Event) {
        self.serial += 1;
        self.events.insert((self.now + DELAY, self.serial), event);
    }

    fn drain(&mut self, id: usize) {
        while let Some(output) = self.nodes[id].router.poll_output() {
            match output {
                Output::Frame { port, frame } => self.transmit(id, port, frame),
                Output::AaaConnect { server } => self.later(Event::Connected { node: id, server }),
                Output::AaaSend { server, octets } => {
                    self.later(Event::ToAaa { node: id, server, octets });
                }
                Output::AaaClose { .. } => {}
                Output::Update { worker, update } => self.nodes[id].update(worker, update),
                Output::Control { id: question, response } => {
                    self.nodes[id].answers.insert(question, response);
                }
                Output::Log { level, line } => {
                    assert!(line.bytes().all(|octet| (0x20..0x7f).contains(&octet)), "{line:?}");
                    self.nodes[id].log.push(format!("{level} {line}"));
                }
                Output::Persist(slowpath::Persist::Keep(record)) => {
                    let name = record.mn_id.as_str().to_owned();
                    self.nodes[id].records.insert(name, record);
                }
                Output::Persist(slowpath::Persist::Drop(mn)) => {
                    self.nodes[id].records.remove(mn.as_str());
                }
                Output::Stopped => self.nodes[id].stopped = true,
            }
        }
    }

    fn transmit(&mut self, id: usize, port: PortId, frame: Vec<u8>) {
        self.nodes[id].sent.push((self.now, port, frame.clone()));
        if port != CORE || (self.lose)(&frame) {
            return;
        }
        let dst = Mac(frame[..6].try_into().expect("six octets"));
        for other in 0..self.nodes.len() {
            if other != id && (!dst.is_unicast() || dst == core_mac(self.nodes[other].name)) {
                self.later(Event::Frame { node: other, frame: frame.clone() });
            }
        }
    }
}

impl Node {
    fn new(config: Config, name: Name, now: u64) -> Node {
        let fib = config.first_fib();
        let sizes = Sizes { bindings: 4096, updates: 1024, punts: 1024, parked: 3000 };
        let (workers, ends, shards) = workers(WORKERS, sizes, fib.clone());
        Node {
            name,
            router: Router::new(config, shards.clone(), at(now)),
            table: BTreeMap::new(),
            shards,
            workers,
            ends,
            fib,
            fibs: 0,
            sent: Vec::new(),
            log: Vec::new(),
            answers: BTreeMap::new(),
            forgets: 0,
            given_up: BTreeSet::new(),
            stopped: false,
            records: BTreeMap::new(),
            late: 0,
        }
    }

    fn update(&mut self, worker: WorkerId, update: Update) {
        let ring = &mut self.ends[usize::from(worker)].updates;
        if ring.push(update.clone()).is_err() {
            panic!("1,024 updates at once");
        }
        match update {
            Update::Bind { key, verdict } => {
                assert_eq!(
                    usize::from(worker),
                    self.shards.shard_of(key),
                    "the owner of the shard"
                );
                assert_ne!(self.table.insert(key, verdict), Some(verdict), "told twice: {key:x}");
            }
            Update::Unbind { key } => {
                assert_eq!(
                    usize::from(worker),
                    self.shards.shard_of(key),
                    "the owner of the shard"
                );
                assert!(self.table.remove(&key).is_some(), "told twice: no {key:x}");
            }
            Update::Fib(fib) => {
                assert!(usize::from(worker) < WORKERS);
                self.fib = fib;
                self.fibs += 1;
            }
            Update::GiveUp(key) => {
                self.given_up.insert(key);
            }
            Update::Lift(key) => {
                self.given_up.remove(&key);
            }
            Update::ForgetSamples => self.forgets += 1,
            Update::Hold { .. } | Update::EndHold { .. } | Update::Turn => {}
        }
    }

    pub fn counter(&self, name: &str) -> u64 {
        let mut counters = self.router.counters();
        counters.find(|&(known, _)| known == name).map_or(0, |(_, value)| value)
    }

    /// Frames sent by `port` since the last call.
    pub fn take(&mut self, port: PortId) -> Vec<Vec<u8>> {
        let (taken, kept) = self.sent.drain(..).partition(|&(_, by, _)| by == port);
        self.sent = kept;
        let taken: Vec<(u64, PortId, Vec<u8>)> = taken;
        taken.into_iter().map(|(_, _, frame)| frame).collect()
    }
}

pub fn at(micros: u64) -> Now {
    Now { mono: Instant(micros), wall: EPOCH + Duration::from_micros(micros) }
}

/// The station of user A or B.
pub fn mn(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}
