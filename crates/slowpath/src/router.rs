// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decode, ask, encode: what comes in goes to the part that knows, what is decided goes out in that order.
//! Read first: [`Router::handle`]; then `punts` (a frame to the part that knows), `nd` (RS, NS, NA), then `install` (list change -> table update).

use crate::aaa::{Aaa, News};
use crate::control::Response;
use crate::effects::Effects;
use crate::frames::{self, HOP_LIMIT, ND_HOP_LIMIT};
use crate::handovers::Handovers;
use crate::icmp::Icmp;
use crate::install::Install;
use crate::markers::{Marker, Markers};
use crate::mld::Mld;
use crate::neighbors::Neighbors;
use crate::paths::Paths;
use crate::{Config, Input, Output, fib};
use dataplane::PortId;
use dataplane::fib::Fib;
use dataplane::table::Table;
use mobility::{Event, Maar, StationState};
use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use wire::addr::{Mac, ROUTER_LINK_LOCAL};
use wire::time::{Instant, Now};
use wire::{eth, ip6, nd};

/// R-09: how often workers forget what they sampled.
const FORGET_SAMPLES: Duration = Duration::from_secs(30);
/// A neighbour that changes its mind all the time must not fill the workers' update rings.
const FIB_INTERVAL: Duration = Duration::from_millis(10);
/// One router's control side.
///
/// ```text
/// let fib = config.first_fib();                                  // what the workers start with
/// let (workers, ends, table) = dataplane::worker::workers(n, sizes, fib);
/// let mut router = Router::new(config, table, now);              // the table says which worker owns a key
/// ```
#[derive(Debug)]
pub struct Router {
    pub(crate) config: Config,
    pub(crate) maar: Maar,
    pub(crate) aaa: Aaa,
    pub(crate) install: Install,
    pub(crate) neighbors: Neighbors,
    pub(crate) mld: Mld,
    pub(crate) icmp: Icmp,
    pub(crate) handovers: Handovers,
    markers: Markers,
    /// Answers of the control socket that wait for what they confirm: for this ticket, of this question.
    pub(crate) confirmations: VecDeque<(u64, u64, Response)>,
    pub(crate) fx: Effects,
    pub(crate) paths: Paths,
    pub(crate) fib: Arc<Fib>,
    /// When workers may be told a newer snapshot, and whether there is one to tell.
    fib_at: Instant,
    fib_stale: bool,
    forget_at: Instant,
    /// Faults of a port that were told already: once each, however often they are counted.
    pub(crate) told: BTreeSet<(PortId, &'static str)>,
}

impl Router {
    /// A router whose workers run with [`Config::first_fib`]; its first outputs open the AAA connection. `table` is
    /// only asked which shard, and so which worker's update ring, owns a key.
    pub fn new(config: Config, table: Table, now: Now) -> Router {
        let neighbors = Neighbors::new(&config);
        let mut router = Router {
            maar: Maar::new(config.mobility.clone()),
            aaa: Aaa::new(&config, now),
            install: Install::new(&config, table),
            mld: Mld::new(&config),
            icmp: Icmp::new(config.mobility.address),
            handovers: Handovers::default(),
            markers: Markers::default(),
            confirmations: VecDeque::new(),
            fx: Effects::new(),
            fib: fib::build(&config, &neighbors, &Paths::default()),
            paths: Paths::default(),
            fib_at: now.mono,
            fib_stale: false,
            forget_at: now.mono + FORGET_SAMPLES,
            told: BTreeSet::new(),
            neighbors,
            config,
        };
        router.fx.at(now);
        // Its own start (R-36) is now, not the first event, which may be much later.
        router.maar.begin(now);
        router.settle(now);
        router
    }

    /// Before the first input: what the process before kept (R-43).
    pub fn restore(&mut self, now: Now, records: impl IntoIterator<Item = mobility::Record>) {
        self.maar.restore(now, records);
        self.settle(now);
    }

    /// The newest snapshot: what every worker has been, or is about to be, told.
    pub fn fib(&self) -> Arc<Fib> {
        Arc::clone(&self.fib)
    }

    /// The slow path's own counters, by name in alphabetical order.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.fx.counters().iter()
    }

    /// Takes one input. Poll the outputs afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.fx.at(now);
        match input {
            Input::Frame { port, reason, frame } => self.frame(now, port, reason, frame),
            Input::Session { hoa, cn } => {
                self.maar.handle(now, mobility::Input::Session { hoa, cn });
            }
            Input::Parked(report) => self.parked(now, report),
            Input::Marker(marker) => self.marker(now, marker),
            Input::Peer(peer) => self.peer_wanted(now, peer),
            Input::Applied { worker, updates } => {
                self.install.applied(worker, updates, &mut self.fx);
                self.confirm();
                return self.markers.look(now.mono, |ticket| self.install.reached(ticket));
            }
            Input::Routes(routes) => {
                self.config.routes = routes;
                self.neighbors.reroute(now.mono, &self.config);
                self.neighbors.tick(now.mono, &mut self.fx);
            }
            Input::Aaa { server, input } => self.aaa.handle(now, server, input),
            Input::Link { port, up } => self.link(now, port, up),
            Input::Control { id, request } => return self.control(now, id, request),
            Input::Stop => self.aaa.shutdown(now),
            Input::Timeout => self.timeout(now),
        }
        self.settle(now);
    }

    /// Whether something was told to workers that must be in force before something else is told (R-41): as long as
    /// this is so, [`Input::Applied`] is to be given in each turn.
    pub fn waits_for_workers(&self) -> bool {
        self.install.waits()
    }

    /// The next effect, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.fx.pop()
    }

    /// When to call `handle` with [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        [
            Some(self.forget_at),
            self.fib_stale.then_some(self.fib_at),
            self.maar.deadline(),
            self.aaa.deadline(),
            self.neighbors.deadline(),
            self.mld.deadline(),
            self.handovers.deadline(),
            self.paths.deadline(),
            self.markers.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn timeout(&mut self, now: Now) {
        if self.maar.deadline().is_some_and(|at| at <= now.mono) {
            self.maar.handle(now, mobility::Input::Timeout);
        }
        self.aaa.tick(now, &mut self.fx);
        self.neighbors.tick(now.mono, &mut self.fx);
        self.mld.tick(now.mono, &mut self.fx);
        self.handovers.tick(now.mono, &mut self.fx);
        self.forget_paths(now.mono);
        while let Some(marker) = self.markers.pop_due(now.mono) {
            self.send_marker(marker);
        }
        if self.forget_at <= now.mono {
            self.forget_at = now.mono + FORGET_SAMPLES;
            self.install.forget_samples(&mut self.fx);
        }
    }

    fn link(&mut self, now: Now, port: PortId, up: bool) {
        self.fx.count(if up { "link_up" } else { "link_down" });
        if up {
            self.maar.handle(now, mobility::Input::PortUp { port });
        }
        self.mld.link(now.mono, port, up, &mut self.fx);
        self.neighbors.link(now.mono, port, up);
        self.neighbors.tick(now.mono, &mut self.fx);
    }

    /// Runs the protocol and the AAA client until both want nothing, then tells the workers what is resolved now.
    pub(crate) fn settle(&mut self, now: Now) {
        loop {
            while let Some(output) = self.maar.poll_output() {
                self.effect(now, output);
            }
            match self.aaa.poll(now, &mut self.fx) {
                Some(News::Answer(id, answer)) => {
                    self.maar.handle(now, mobility::Input::Aaa { id, answer });
                }
                Some(News::LostState) => self.maar.handle(now, mobility::Input::AaaLostState),
                None => break,
            }
        }
        self.fib_stale |= self.neighbors.take_changed();
        self.fib_stale |= self.paths.take_changed();
        if self.fib_stale && self.fib_at <= now.mono {
            self.fib_stale = false;
            self.fib_at = now.mono + FIB_INTERVAL;
            self.fib = fib::build(&self.config, &self.neighbors, &self.paths);
            self.install.fib(&self.fib, &mut self.fx);
        }
    }

    fn effect(&mut self, now: Now, output: mobility::Output) {
        use mobility::Output as Decided;
        match output {
            Decided::AaaRequest(request) => self.aaa.ask(now, request),
            Decided::AaaStop { mn_id, attachment } => self.aaa.stop(now, &mn_id, attachment),
            Decided::Advertise { port, mac, to, ra } => {
                self.advertise(port, mac, to, &nd::router_advert(&ra, ROUTER_LINK_LOCAL, to));
            }
            Decided::Mh { dst, octets } => self.neighbors.send_mh(dst, octets, &mut self.fx),
            Decided::Place { prefix, place } => self.install.place(prefix, place, &mut self.fx),
            Decided::Station { mac, state } => self.station(mac, state),
            Decided::GiveUp(key) => self.install.give_up(key, &mut self.fx),
            Decided::Lift(key) => self.install.lift(key, &mut self.fx),
            Decided::Hold { prefix, maar } => self.install.hold(prefix, maar, &mut self.fx),
            Decided::EndHold { prefix, maar, after_turn } => {
                self.install.end_hold(prefix, maar, after_turn, &mut self.fx);
            }
            Decided::EndMarker { hoa, by } => self.mark(now, Marker { hoa, by }),
            Decided::Persist(change) => self.fx.push(Output::Persist(change)),
            Decided::Event(Event::Count(name)) => self.fx.count(name),
            Decided::Event(event) => self.handovers.note(now, &event, &mut self.fx),
        }
    }

    /// Draft step 4. The Ethernet destination is the MN also when the RA goes to ff02::1 (R-08, RFC 6085).
    fn advertise(&mut self, port: PortId, mac: Mac, to: Ipv6Addr, icmp: &[u8]) {
        let Some(info) = self.config.ports.get(usize::from(port)) else { return };
        let addresses = (ROUTER_LINK_LOCAL, to);
        self.fx.count("ra_sent");
        self.fx.frame(port, frames::icmp_frame(info, mac, addresses, ND_HOP_LIMIT, icmp));
    }

    /// The workers have just been told of another path to a HoA (R-42).
    fn mark(&mut self, now: Now, marker: Marker) {
        if !self.markers.add(self.install.last_path(), marker) {
            self.fx.count("marker_unsent");
        }
        self.markers.look(now.mono, |ticket| self.install.reached(ticket));
    }

    fn send_marker(&mut self, Marker { hoa, by }: Marker) {
        let core = self.config.mobility.address;
        let hop = self.neighbors.resolved_towards(by.unwrap_or(hoa));
        let port = hop.and_then(|(port, _)| self.config.ports.get(usize::from(port)));
        let (Some((port, mac)), Some(info)) = (hop, port) else {
            return self.fx.count("marker_unsent");
        };
        let header = eth::ipv6_header(mac, info.mac);
        let marker = ip6::frame(header, core, hoa, ip6::NO_NEXT_HEADER, HOP_LIMIT, &[]);
        let frame = match by {
            None => marker,
            Some(maar) => {
                let inner = &marker[eth::HEADER_LEN..];
                ip6::frame(header, core, maar, ip6::IPV6_IN_IPV6, HOP_LIMIT, inner)
            }
        };
        self.fx.count("marker_sent");
        self.fx.frame(port, frame);
    }

    fn station(&mut self, mac: Mac, state: Option<StationState>) {
        if self.install.station(mac, state, &mut self.fx) {
            let state = match state {
                Some(StationState::Exchange) => "exchange under way",
                Some(StationState::Attached) => "attached",
                Some(StationState::Quiet) => "not attached here",
                None => "forgotten",
            };
            self.fx.info(format!("station {mac}: {state}"));
        }
    }
}
