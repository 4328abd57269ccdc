// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The world: everything there is, and the loop that lets it happen. Read [`World::run`] first, then `world/maars.rs`
//! (a MAAR's turn and what it sends), `world/people.rs` (hosts and their moves), `world/aaa.rs`, `world/probes.rs`.

mod aaa;
mod maars;
mod mischief;
mod people;
mod probes;

pub(crate) use probes::way;

use crate::clock::Clock;
use crate::flow::Flow;
use crate::host::Host;
use crate::links::Links;
use crate::names;
use crate::node::Node;
use crate::oracle::Findings;
use crate::queue::{Act, ConnectionId, Event, HostId, NodeId, Queue};
use crate::server::Server;
use crate::setup::Setup;
use crate::trace::Trace;
use crate::{MS, SECOND};
use serde_json::Value;
use slowpath::control::{Request, Response, Table};
use slowpath::{Config, Input};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use wire::addr::Prefix64;

/// A word to the configuration of each MAAR that starts.
type Configs = Box<dyn Fn(NodeId, &mut Config)>;

/// One network and its people.
pub struct World {
    /// Microseconds since the start.
    pub now: u64,
    /// What was chosen.
    pub setup: Setup,
    /// What was seen that must not be.
    pub findings: Findings,
    pub(crate) nodes: Vec<Node>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) links: Links,
    pub(crate) trace: Option<Trace>,
    /// To whom each /64 was given first.
    pub(crate) owners: BTreeMap<Prefix64, HostId>,
    server: Server,
    connections: BTreeMap<ConnectionId, aaa::Connection>,
    next_connection: ConnectionId,
    queue: Queue,
    rng: fastrand::Rng,
    seed: u64,
    /// Between two probes of a flow, microseconds; 0: none are sent. And how often that was changed.
    pace: (u64, u64),
    /// Signalling an attacker has seen.
    captured: VecDeque<(NodeId, Vec<u8>)>,
    /// What a MAAR's configuration has that others' have not.
    pub(crate) configs: Configs,
    /// The last answer of a control side.
    answer: Option<Response>,
    digest: u64,
}

impl World {
    /// MAARs with all links up and the AAA's connections under way, hosts on no link.
    pub fn new(setup: &Setup, seed: u64) -> World {
        World::with_configs(setup, seed, |_, _| {})
    }

    /// The same with a word to each MAAR's configuration whenever it starts.
    pub fn with_configs(
        setup: &Setup,
        seed: u64,
        configs: impl Fn(NodeId, &mut Config) + 'static,
    ) -> World {
        let configs: Configs = Box::new(configs);
        let mut rng = fastrand::Rng::with_seed(seed);
        let links = Links::new(setup, rng.u64(..));
        let mut clock = || Clock {
            drift: rng.i64(-100..=100),
            offset: rng.i64(-2 * SECOND as i64..=2 * SECOND as i64),
        };
        let nodes = (0..setup.maars).map(|id| Node::new(id, clock())).collect();
        let hosts = setup.mns + usize::from(setup.hostile);
        let mut world = World {
            now: 0,
            setup: setup.clone(),
            findings: Findings::default(),
            nodes,
            hosts: (0..hosts).map(|host| Host::new(names::host_mac(host))).collect(),
            flows: Vec::new(),
            links,
            trace: None,
            owners: BTreeMap::new(),
            server: Server::new(rng.u64(..)),
            connections: BTreeMap::new(),
            next_connection: 0,
            queue: Queue::default(),
            rng,
            seed,
            pace: (0, 0),
            captured: VecDeque::new(),
            configs,
            answer: None,
            digest: 0,
        };
        for node in 0..setup.maars {
            world.start(node, false);
        }
        world
    }

    /// `act` happens at `at`.
    pub fn plan(&mut self, at: u64, act: Act) {
        self.queue.push(at, Event::Act(act));
    }

    /// Lets everything happen until `until`.
    pub fn run(&mut self, until: u64) {
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { node, buf } if node < self.nodes.len() => self.core_frame(node, buf),
            Event::Frame { buf, .. } => self.legacy_frame(buf),
            Event::FromHost { host, node, frame } => {
                if self.hosts[host].at == Some(node) {
                    self.access_frame(node, &frame);
                }
            }
            Event::Turn { node } => self.turn(node),
            Event::Wake { node, boots } => self.wake(node, boots),
            Event::AaaOpen { connection } => self.aaa_open(connection),
            Event::AaaOpened { connection, up } => self.aaa_opened(connection, up),
            Event::ToAaa { connection, octets } => self.aaa_hears(connection, Some(&octets)),
            Event::FromAaa { connection, octets } => self.aaa_said(connection, &octets),
            Event::AaaClosed { connection, at_server } => self.aaa_closed(connection, at_server),
            Event::AaaWake { connection } => self.aaa_hears(connection, None),
            Event::Probe { flow, pace } => self.probe(flow, pace),
            Event::Act(act) => self.act(act),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Move { host, to, gap, greeting, leave, come } => {
                self.leave(host, leave);
                let travel = self.hosts[host].travel;
                let arrive = Act::Arrive { host, to, travel, greeting, come };
                self.plan(self.now + gap, arrive);
            }
            Act::Arrive { host, to, travel, greeting, come } => {
                if self.hosts[host].travel == travel {
                    self.arrive(host, to, greeting, come);
                }
            }
            Act::L2 { node, mac, attached } => self.l2(node, mac, attached),
            Act::Session { a, b } => self.session(a, b),
            Act::Crash { node } => self.crash(node),
            Act::Start { node, record } => self.start(node, record),
            Act::AaaStop => self.aaa_stop(),
            Act::AaaStart { table } => {
                self.server.start(self.now, table);
                self.note_event(format!(
                    "AAA starts {} its table",
                    if table { "with" } else { "without" }
                ));
            }
            Act::Cut { a, b, cut } => {
                self.links.cut(a, b, cut);
                let what = if cut { "cut" } else { "mended" };
                self.note_event(format!("{} - {} {what}", names::name(a), names::name(b)));
            }
            Act::Step { node, by } => {
                self.nodes[node].clock.offset += by;
                self.note_event(format!(
                    "{} steps its clock by {} ms",
                    names::name(node),
                    by / 1000
                ));
            }
            Act::Claim { host, claims } => self.claim(host, claims),
            Act::Mischief { host, kind } => self.mischief(host, kind),
        }
    }

    /// From now on a probe of each flow every `period` microseconds; 0: none.
    pub fn pace(&mut self, period: u64) {
        self.pace = (period, self.pace.1 + 1);
        for flow in 0..self.flows.len() {
            self.pace_flow(flow);
        }
    }

    fn pace_flow(&mut self, flow: usize) {
        let (period, pace) = self.pace;
        if period > 0 {
            let first = self.now + self.rng.u64(0..period);
            self.queue.push(first, Event::Probe { flow, pace });
        }
    }

    /// A table of a MAAR, as `romip show` gives it; nothing of a dead one.
    pub fn show(&mut self, node: NodeId, what: Table) -> Vec<Value> {
        self.input(node, Input::Control { id: 0, request: Request::Show { what } });
        match self.answer.take() {
            Some(Response::Ok(Value::Array(rows))) => rows,
            _ => Vec::new(),
        }
    }

    /// A number made of everything that was sent, when and whereto.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Something was sent: octets at a time.
    fn digest_of(&mut self, place: u64, octets: &[u8]) {
        let mut sum = self.digest.rotate_left(5) ^ self.now ^ place << 56;
        for chunk in octets.chunks(8) {
            let word = chunk.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
            sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        self.digest = sum;
    }

    /// A word into the sequence diagram, if one is drawn.
    pub(crate) fn note_event(&mut self, text: String) {
        if let Some(trace) = &mut self.trace {
            trace.event(self.now, text);
        }
    }

    /// A little time, as a loop needs to come round.
    fn moment(&mut self) -> u64 {
        self.rng.u64(10..100)
    }
}

/// How long frames of a host take to its MAAR when they are answers.
const HOST_ANSWERS: u64 = MS / 5;
