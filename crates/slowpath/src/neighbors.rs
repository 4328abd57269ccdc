// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours on core links (RFC 4861 §7.2, §7.3): peers and next hops for good, hosts on the link while they answer.
//!
//! ```text
//!              NS x 3, 1 s apart (then every 10 s)         30 s
//! Incomplete ------------------------------------> Reachable ---> Probing: 3 unicast, 3 multicast NS, 1 s apart
//!      ^                        NA, or NS of the neighbour  ^---------|   |
//!      +------------------------------------------------------------------+   (its MAC is used until then, RFC 7048)
//! ```
//! A worker cannot say which neighbour it used, so an entry is kept alive as long as it is held.

use crate::effects::Effects;
use crate::frames::{self, HOP_LIMIT, ND_HOP_LIMIT, Received};
use dataplane::PortId;
use dataplane::fib::PortInfo;
use mobility::config::Prefix;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Mac;
use wire::nd::{self, NeighborAdvert, NeighborSolicit};
use wire::time::Instant;
use wire::{eth, ip6};

/// RFC 4861 RETRANS_TIMER.
const RETRANS: Duration = Duration::from_secs(1);
/// RFC 4861 MAX_UNICAST_SOLICIT, MAX_MULTICAST_SOLICIT.
const SOLICITS: u32 = 3;
/// RFC 4861 REACHABLE_TIME.
const REACHABLE: Duration = Duration::from_secs(30);
/// RFC 4861 DELAY_FIRST_PROBE_TIME: what was heard but not solicited is asked after.
const DELAY: Duration = Duration::from_secs(5);
/// How often a peer or next hop that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(10);
/// Hosts on the link, beside peers and next hops; and those of them that have not answered yet (RFC 6583).
const MAX_HOSTS: usize = 1024;
const MAX_INCOMPLETE_HOSTS: usize = 64;
/// Own packets that wait for one neighbour (RFC 4861 §7.2.2).
const MAX_WAITING: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Incomplete { sent: u32 },
    Reachable { mac: Mac },
    Probing { mac: Mac, sent: u32 },
}

#[derive(Debug)]
struct Entry {
    port: PortId,
    /// A peer or a next hop: never given up.
    kept: bool,
    state: State,
    next: Instant,
    /// Payloads of Mobility Headers to peers behind it: destination and octets.
    waiting: VecDeque<(Ipv6Addr, Vec<u8>)>,
}

impl Entry {
    fn mac(&self) -> Option<Mac> {
        match self.state {
            State::Incomplete { .. } => None,
            State::Reachable { mac } | State::Probing { mac, .. } => Some(mac),
        }
    }
}

/// Where a route of the slow path leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    /// Its address on the link.
    pub(crate) address: Ipv6Addr,
    /// The port of the link.
    pub(crate) port: PortId,
}

/// The neighbours on core links, and the routes that lead to them.
#[derive(Debug)]
pub(crate) struct Neighbors {
    core: Ipv6Addr,
    ports: Vec<PortInfo>,
    up: Vec<bool>,
    links: Vec<(Prefix, PortId)>,
    /// Longest prefix first.
    routes: Vec<(Prefix, Ipv6Addr)>,
    entries: BTreeMap<Ipv6Addr, Entry>,
    due: BTreeSet<(Instant, Ipv6Addr)>,
    changed: bool,
}

impl Neighbors {
    /// Nothing is resolved, nothing is asked before [`Neighbors::link`] says that a port is up.
    pub(crate) fn new(config: &crate::Config) -> Neighbors {
        let mut routes = config.routes.clone();
        routes.sort_by_key(|&(prefix, hop)| (std::cmp::Reverse(prefix.len), prefix, hop));
        let mut links = config.core_links.clone();
        links.sort_by_key(|&(prefix, port)| (std::cmp::Reverse(prefix.len), prefix, port));
        let mut neighbors = Neighbors {
            core: config.mobility.address,
            ports: config.ports.clone(),
            up: vec![false; config.ports.len()],
            links,
            routes,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            changed: false,
        };
        let peers: Vec<_> = config.mobility.peers.iter().map(|peer| peer.address).collect();
        let hops = neighbors.routes.iter().map(|&(_, hop)| hop).collect::<Vec<_>>();
        for address in peers.into_iter().chain(hops) {
            if let Some(hop) = neighbors.hop_towards(address) {
                neighbors.insert(hop, true, State::Incomplete { sent: 0 });
            }
        }
        neighbors
    }

    /// The link that holds `address`.
    fn link_of(&self, address: Ipv6Addr) -> Option<PortId> {
        self.links.iter().find(|(prefix, _)| prefix.contains(address)).map(|&(_, port)| port)
    }

    /// The neighbour a packet to `dst` goes to. A route and a link of the same length: the link.
    pub(crate) fn hop_towards(&self, dst: Ipv6Addr) -> Option<Hop> {
        let link = self.links.iter().find(|(prefix, _)| prefix.contains(dst));
        let route = self.routes.iter().find(|(prefix, _)| prefix.contains(dst));
        match (link, route) {
            (Some(&(on, port)), via) if via.is_none_or(|(to, _)| to.len <= on.len) => {
                Some(Hop { address: dst, port })
            }
            (_, Some(&(_, address))) => self.link_of(address).map(|port| Hop { address, port }),
            _ => None,
        }
    }

    fn insert(&mut self, hop: Hop, kept: bool, state: State) {
        let Hop { address, port } = hop;
        let next = Instant(u64::MAX);
        let entry = Entry { port, kept, state, next, waiting: VecDeque::new() };
        self.entries.entry(address).or_insert(entry).kept |= kept;
    }

    fn arm(&mut self, address: Ipv6Addr, at: Instant) {
        if let Some(entry) = self.entries.get_mut(&address) {
            self.due.remove(&(entry.next, address));
            entry.next = at;
            self.due.insert((at, address));
        }
    }

    fn remove(&mut self, address: Ipv6Addr) {
        if let Some(entry) = self.entries.remove(&address) {
            self.due.remove(&(entry.next, address));
        }
    }

    /// A port came up: every neighbour on it is asked (again). It went down: nobody on it is asked any more.
    pub(crate) fn link(&mut self, now: Instant, port: PortId, up: bool) {
        let Some(was) = self.up.get_mut(usize::from(port)) else { return };
        *was = up;
        let on_port = self.entries.iter_mut().filter(|(_, entry)| entry.port == port);
        let addresses: Vec<_> = on_port
            .map(|(&address, entry)| {
                entry.state = match entry.mac() {
                    Some(mac) => State::Probing { mac, sent: 0 },
                    None => State::Incomplete { sent: 0 },
                };
                address
            })
            .collect();
        for address in addresses {
            if up {
                self.arm(address, now);
            } else if let Some(entry) = self.entries.get(&address) {
                self.due.remove(&(entry.next, address));
            }
        }
    }

    /// When [`Neighbors::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Sends the solicitations that are due.
    pub(crate) fn tick(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(&(at, address)) = self.due.first() {
            if at > now {
                return;
            }
            self.due.pop_first();
            self.step(now, address, fx);
        }
    }

    fn step(&mut self, now: Instant, address: Ipv6Addr, fx: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let port = entry.port;
        let (state, unicast, wait) = match entry.state {
            State::Incomplete { sent } if sent < SOLICITS => {
                (State::Incomplete { sent: sent + 1 }, None, RETRANS)
            }
            State::Incomplete { sent } => {
                let first = sent == SOLICITS;
                return self.unanswered(now, address, first, fx);
            }
            State::Reachable { mac } => (State::Probing { mac, sent: 1 }, Some(mac), RETRANS),
            State::Probing { mac, sent } if sent < 2 * SOLICITS => {
                let unicast = Some(mac).filter(|_| sent < SOLICITS);
                (State::Probing { mac, sent: sent + 1 }, unicast, RETRANS)
            }
            State::Probing { .. } => {
                self.changed = true;
                entry.state = State::Incomplete { sent: SOLICITS + 1 };
                fx.warn(format!("core neighbour {address} does not answer any more"));
                return self.unanswered(now, address, true, fx);
            }
        };
        entry.state = state;
        self.solicit(port, address, unicast, fx);
        self.arm(address, now + wait);
    }

    /// Nobody answered: a host is forgotten, a peer or next hop is asked every 10 s. What waited is dropped.
    fn unanswered(&mut self, now: Instant, address: Ipv6Addr, first: bool, fx: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        for _ in entry.waiting.drain(..) {
            fx.count("neighbor_unresolved_drop");
        }
        if first {
            fx.count("neighbor_failed");
        }
        if !entry.kept {
            return self.remove(address);
        }
        entry.state = State::Incomplete { sent: SOLICITS + 1 };
        let port = entry.port;
        if !first {
            self.solicit(port, address, None, fx);
        }
        self.arm(address, now + AGAIN);
    }

    /// RFC 4861 §7.2.2: from the core address, with our MAC; to the solicited-node group, or by unicast when probing.
    fn solicit(&self, port: PortId, target: Ipv6Addr, unicast: Option<Mac>, fx: &mut Effects) {
        let Some(info) = self.ports.get(usize::from(port)) else { return };
        let (dst, mac) = match unicast {
            Some(mac) => (target, mac),
            None => {
                let group = frames::solicited_node(target);
                (group, Mac::of_group(group))
            }
        };
        let ns = NeighborSolicit { source: self.core, target, sllao: Some(info.mac) };
        let icmp = nd::neighbor_solicit(&ns, dst);
        fx.frame(port, frames::icmp_frame(info, mac, (self.core, dst), ND_HOP_LIMIT, &icmp));
    }

    /// A worker met a destination on a core link that is not resolved: it is asked for from now on.
    pub(crate) fn want(&mut self, now: Instant, dst: Ipv6Addr, fx: &mut Effects) {
        let Some(hop) = self.hop_towards(dst) else { return };
        if let Some(entry) = self.entries.get(&hop.address) {
            // A peer in its slow rhythm is asked at once, but never more than once a second.
            if matches!(entry.state, State::Incomplete { sent } if sent > SOLICITS) {
                let soon = now + RETRANS;
                if entry.next > soon {
                    self.arm(hop.address, soon);
                }
            }
            return;
        }
        let multicast = dst.is_multicast() || dst.is_unspecified() || dst == self.core;
        if multicast || !self.up.get(usize::from(hop.port)).copied().unwrap_or(false) {
            return;
        }
        let hosts = || self.entries.values().filter(|entry| !entry.kept);
        if hosts().count() >= MAX_HOSTS {
            return fx.count("neighbor_table_full");
        }
        if hosts().filter(|entry| entry.mac().is_none()).count() >= MAX_INCOMPLETE_HOSTS {
            return fx.count("neighbor_queue_full");
        }
        self.insert(hop, false, State::Incomplete { sent: 0 });
        self.step(now, hop.address, fx);
    }

    /// A neighbour asked for us (RFC 4861 §7.2.3): what it says of itself is worth an entry.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        from: &Received<'_>,
        ns: &NeighborSolicit,
        fx: &mut Effects,
    ) {
        let Some(mac) = ns.sllao.filter(|_| !ns.source.is_unspecified()) else { return };
        if self.link_of(ns.source) != Some(from.port) || ns.source == self.core {
            return;
        }
        if !usable(mac, &from.info) {
            return fx.count("neighbor_bad_mac");
        }
        match self.entries.get(&ns.source) {
            Some(entry) if entry.mac() == Some(mac) => {}
            Some(_) => self.learn(now + DELAY, ns.source, mac, fx),
            None if self.entries.values().filter(|entry| !entry.kept).count() >= MAX_HOSTS => {
                fx.count("neighbor_table_full");
            }
            None => {
                let hop = Hop { address: ns.source, port: from.port };
                self.insert(hop, false, State::Incomplete { sent: 0 });
                self.learn(now + DELAY, ns.source, mac, fx);
            }
        }
    }

    /// RFC 4861 §7.2.5. An advertisement nobody asked for makes no entry.
    pub(crate) fn advert(
        &mut self,
        now: Instant,
        from: &Received<'_>,
        na: &NeighborAdvert,
        fx: &mut Effects,
    ) {
        let Some(entry) = self.entries.get(&na.target).filter(|entry| entry.port == from.port)
        else {
            return fx.count("na_unknown_neighbor");
        };
        if na.tllao.is_some_and(|mac| !usable(mac, &from.info)) {
            return fx.count("neighbor_bad_mac");
        }
        let known = entry.mac();
        let fresh = now + if na.solicited { REACHABLE } else { DELAY };
        match (known, na.tllao) {
            (None, None) => {}
            (None, Some(mac)) => self.learn(fresh, na.target, mac, fx),
            (Some(mac), told) if told.is_none_or(|told| told == mac) => {
                if na.solicited {
                    self.learn(fresh, na.target, mac, fx);
                }
            }
            (Some(_), Some(told)) if na.override_ => self.learn(fresh, na.target, told, fx),
            // Another MAC without O: the one in use is asked whether it still is there.
            (Some(mac), _) => self.learn(now, na.target, mac, fx),
        }
    }

    fn learn(&mut self, check_at: Instant, address: Ipv6Addr, mac: Mac, fx: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let before = entry.mac();
        entry.state = State::Reachable { mac };
        let (port, waiting) = (entry.port, std::mem::take(&mut entry.waiting));
        if before != Some(mac) {
            fx.count("neighbor_resolved");
            if entry.kept {
                fx.info(format!("core neighbour {address} is at {mac} on port {port}"));
            }
            self.changed = true;
        }
        self.arm(address, check_at);
        for (dst, payload) in waiting {
            self.transmit_mh(port, mac, dst, &payload, fx);
        }
    }

    /// Sends a Mobility Header from the core address, once the next hop is known.
    pub(crate) fn send_mh(&mut self, dst: Ipv6Addr, octets: Vec<u8>, fx: &mut Effects) {
        let hop = self.hop_towards(dst);
        let Some((hop, entry)) =
            hop.and_then(|hop| Some((hop, self.entries.get_mut(&hop.address)?)))
        else {
            return fx.count("mh_unroutable");
        };
        match entry.mac() {
            Some(mac) => self.transmit_mh(hop.port, mac, dst, &octets, fx),
            None => {
                if entry.waiting.len() == MAX_WAITING {
                    entry.waiting.pop_front();
                    fx.count("neighbor_unresolved_drop");
                }
                entry.waiting.push_back((dst, octets));
            }
        }
    }

    fn transmit_mh(&self, port: PortId, mac: Mac, dst: Ipv6Addr, octets: &[u8], fx: &mut Effects) {
        let Some(info) = self.ports.get(usize::from(port)) else { return };
        let header = eth::ipv6_header(mac, info.mac);
        fx.count("mh_sent");
        let frame = ip6::frame(header, self.core, dst, wire::mh::NEXT_HEADER, HOP_LIMIT, octets);
        fx.frame(port, frame);
    }

    /// Whether the set of resolved neighbours is another one since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The resolved ones: address, port, MAC, by address.
    pub(crate) fn resolved(&self) -> impl Iterator<Item = (Ipv6Addr, PortId, Mac)> {
        self.entries
            .iter()
            .filter_map(|(&address, entry)| Some((address, entry.port, entry.mac()?)))
    }
}

/// A single station's MAC, and not our own.
fn usable(mac: Mac, info: &PortInfo) -> bool {
    mac.is_unicast() && mac != info.mac
}
