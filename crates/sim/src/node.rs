// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A MAAR: the shipped `slowpath::Router` and `dataplane::Worker`s with their rings, as maard puts them together.

use crate::clock::Clock;
use crate::names::{self, CORE_NET, LEGACY_NET, LEGACY_ROUTER};
use crate::queue::{ConnectionId, NodeId};
use crate::setup::Setup;
use arrayvec::ArrayVec;
use dataplane::fib::{PortInfo, Role};
use dataplane::punt::Punt;
use dataplane::update::Update;
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use diameter::nasreq::Identity;
use mobility::config::{Peer, Timers};
use slowpath::{Config, Persist, Record, Router};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use wire::buf::VecBuf;
use wire::mh::Key;

/// The port towards MNs.
pub const ACCESS: PortId = 0;
/// The port towards the other MAARs.
pub const CORE: PortId = 1;
/// Of the rings and the table, small enough that many networks fit into memory.
const SIZES: Sizes = Sizes { bindings: 1024, updates: 256, punts: 1024, parked: 3000 };
/// Bursts without a frame in one turn: a full list leaves at the rate of a worker.
const DRAIN: usize = 64;

/// The key every two MAARs share.
pub fn key() -> Key {
    Key { spi: 256, secret: (0..32).collect() }
}

/// One MAAR.
pub struct Node {
    /// Which.
    pub id: NodeId,
    /// Its clocks, which outlive a crash.
    pub clock: Clock,
    /// How often it was started.
    pub boots: u64,
    /// Its state file, by MN-ID.
    pub records: BTreeMap<String, Record>,
    /// `None` while it is dead.
    pub live: Option<Live>,
    /// Its connection to the AAA.
    pub connection: Option<ConnectionId>,
    /// The turn that is ordered.
    pub turn_at: Option<u64>,
    /// The earliest deadline that is ordered.
    pub wake_at: Option<u64>,
}

/// The parts of a running one.
pub struct Live {
    /// The control side.
    pub router: Router,
    workers: Vec<Worker<VecBuf>>,
    ends: Vec<WorkerEnds<VecBuf>>,
    /// Updates that found a ring full, in order.
    backlog: Vec<VecDeque<Update>>,
}

/// Frames workers sent, in order.
#[derive(Default)]
pub struct Sent(pub Vec<(PortId, VecBuf)>);

impl Transmit<VecBuf> for Sent {
    fn transmit(&mut self, port: PortId, buf: VecBuf) {
        self.0.push((port, buf));
    }
}

impl Live {
    fn new(config: Config, now: wire::time::Now) -> Live {
        let (workers, ends, table) = workers(config.workers, SIZES, config.first_fib());
        let backlog = ends.iter().map(|_| VecDeque::new()).collect();
        Live { router: Router::new(config, table, now), workers, ends, backlog }
    }

    /// The worker of a flow takes a frame, and has a turn.
    pub fn receive(&mut self, port: PortId, buf: VecBuf, spread: usize, sent: &mut Sent) {
        let worker = spread % self.workers.len();
        let mut burst = ArrayVec::<VecBuf, BURST>::new();
        burst.push(buf);
        self.workers[worker].burst(port, &mut burst, sent);
        self.workers[worker].housekeeping();
    }

    /// Worker `worker` has a turn: it applies what it was told and lets go what it held.
    pub fn turn(&mut self, worker: usize, sent: &mut Sent) {
        self.push(worker);
        self.workers[worker].housekeeping();
        for _ in 0..DRAIN {
            if !self.workers[worker].holds() {
                break;
            }
            self.workers[worker].burst(CORE, &mut ArrayVec::new(), sent);
        }
        self.workers[worker].housekeeping();
    }

    /// Updates a worker has applied.
    pub fn applied(&self, worker: usize) -> u64 {
        self.ends[worker].stats.applied()
    }

    /// What a worker says next.
    pub fn punt(&mut self, worker: usize) -> Option<Punt<VecBuf>> {
        self.ends[worker].punts.pop().ok()
    }

    /// For a worker's ring.
    pub fn update(&mut self, worker: usize, update: Update) {
        if let Some(backlog) = self.backlog.get_mut(worker) {
            backlog.push_back(update);
            self.push(worker);
        }
    }

    fn push(&mut self, worker: usize) {
        while let Some(update) = self.backlog[worker].pop_front() {
            if let Err(rtrb::PushError::Full(update)) = self.ends[worker].updates.push(update) {
                self.backlog[worker].push_front(update);
                break;
            }
        }
    }

    /// Whether there is something for a turn to do.
    pub fn has_work(&self) -> bool {
        let full = SIZES.updates;
        self.ends.iter().any(|ends| !ends.punts.is_empty() || ends.updates.slots() < full)
            || self.backlog.iter().any(|backlog| !backlog.is_empty())
            || self.router.waits_for_workers()
    }

    /// A worker's counter, summed over all workers.
    pub fn counter(&self, name: &str) -> u64 {
        let mut sum = 0;
        for ends in &self.ends {
            ends.stats.each(|known, value| sum += if known == name { value } else { 0 });
        }
        sum
    }
}

impl Node {
    /// A MAAR that is not started yet.
    pub fn new(id: NodeId, clock: Clock) -> Node {
        Node {
            id,
            clock,
            boots: 0,
            records: BTreeMap::new(),
            live: None,
            connection: None,
            turn_at: None,
            wake_at: None,
        }
    }

    /// Starts it with what its state file says.
    pub fn start(
        &mut self,
        now: u64,
        setup: &Setup,
        seed: u64,
        word: &dyn Fn(NodeId, &mut Config),
    ) {
        self.boots += 1;
        let now = self.clock.at(now);
        let boot = now.wall.as_secs();
        let mut config = config(self.id, setup, seed.wrapping_add(self.boots << 32), boot);
        word(self.id, &mut config);
        let mut live = Live::new(config, now);
        live.router.restore(now, self.records.values().cloned());
        self.live = Some(live);
    }

    /// Its state file changes.
    pub fn persist(&mut self, change: Persist) {
        match change {
            Persist::Keep(record) => {
                self.records.insert(record.mn_id.as_str().to_owned(), record);
            }
            Persist::Drop(mn) => drop(self.records.remove(mn.as_str())),
        }
    }

    /// It dies.
    pub fn crash(&mut self) {
        self.live = None;
        self.connection = None;
        self.turn_at = None;
        self.wake_at = None;
    }
}

/// As maard makes it of a file (`config/`): every MAAR knows every other, all pools, and S's net.
fn config(id: NodeId, setup: &Setup, seed: u64, boot: u64) -> Config {
    let others = || (0..setup.maars).filter(move |&other| other != id);
    let identity = |host: String| Identity { host, realm: "example.org".to_owned() };
    let port = |role, mac, mtu| PortInfo { role, mac, mtu, attach_on_frame: role == Role::Access };
    let mut routes: Vec<_> =
        others().map(|other| (names::pool(other), vec![names::address(other)])).collect();
    routes.push((LEGACY_NET, vec![LEGACY_ROUTER]));
    Config {
        name: names::name(id),
        mobility: mobility::Config {
            address: names::address(id),
            pool: names::pool(id),
            peers: others()
                .map(names::address)
                .chain(setup.hostile.then_some(names::EVIL))
                .map(|address| Peer { address, keys: vec![key()] })
                .collect(),
            anchors: (0..setup.maars)
                .map(|maar| (names::pool(maar), names::address(maar)))
                .collect(),
            core_prefixes: vec![CORE_NET],
            event_only_ports: Vec::new(),
            realm: "example.org".to_owned(),
            static_ids: Default::default(),
            trust_rs_mnid: false,
            fail_open: false,
            ra_mtu: u32::from(setup.core_mtu.saturating_sub(40)),
            rdnss: Vec::new(),
            timers: Timers { order: Duration::from_millis(setup.order_ms), ..Timers::default() },
            seed,
            first_sequence: None,
            boot,
        },
        ports: vec![
            port(Role::Access, names::access_mac(id), 1500),
            port(Role::Core, names::core_mac(id), setup.core_mtu),
        ],
        core_links: vec![(CORE_NET, CORE)],
        routes,
        tunnel_hop_limit: 64,
        aaa: slowpath::config::Aaa {
            identity: identity(format!("maar-{}.example.org", names::name(id))),
            realm: "example.org".to_owned(),
            servers: vec!["[2001:db8:ff::aaaa]:3868".parse().expect("an address")],
            host_ip: names::address(id).into(),
            state_id: boot as u32,
        },
        workers: setup.workers,
    }
}
