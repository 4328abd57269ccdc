// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours on core links (RFC 4861 §7.2, §7.3): peers and next hops for good, hosts on the link while they answer.
//!
//! ```text
//!              NS x 3, 1 s apart (then every 10 s)         30 s
//! Incomplete ------------------------------------> Reachable ---> Probing: 3 unicast, 3 multicast NS, 1 s apart
//!      ^                        NA, or NS of the neighbour  ^---------|   |
//!      +------------------------------------------------------------------+   (its MAC is used until then, RFC 7048)
//! ```
//! A worker cannot say which neighbour it used, so an entry is kept alive as long as it is held. Solicitations are in
//! `ask`, what neighbours say is in `learn`.

mod ask;
mod learn;

use crate::effects::Effects;
use crate::frames::HOP_LIMIT;
use crate::routes::{Routes, Towards};
use dataplane::PortId;
use dataplane::fib::PortInfo;
use dataplane::hops::rank;
use mobility::config::Prefix;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::time::Instant;
use wire::{eth, ip6};

/// Hosts on the link, beside peers and next hops.
const MAX_HOSTS: usize = 1024;
/// Not asked yet.
const NEVER: Instant = Instant(u64::MAX);
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
    routes: Routes,
    entries: BTreeMap<Ipv6Addr, Entry>,
    due: BTreeSet<(Instant, Ipv6Addr)>,
    changed: bool,
}

impl Neighbors {
    /// Nothing is resolved, nothing is asked before [`Neighbors::link`] says that a port is up.
    pub(crate) fn new(config: &crate::Config) -> Neighbors {
        let mut neighbors = Neighbors {
            core: config.mobility.address,
            ports: config.ports.clone(),
            up: vec![false; config.ports.len()],
            links: config.core_links.clone(),
            routes: Routes::new(config),
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            changed: false,
        };
        neighbors.keep(config);
        neighbors
    }

    /// Peers on a link and next hops are never given up.
    fn keep(&mut self, config: &crate::Config) {
        let peers = config.mobility.peers.iter().map(|peer| peer.address);
        let on_link =
            peers.filter(|&peer| matches!(self.routes.towards(peer), Some(Towards::Link(_))));
        let hops = self.routes.groups().iter().flatten().copied();
        for address in on_link.chain(hops).collect::<BTreeSet<_>>() {
            if let Some(port) = self.link_of(address) {
                self.insert(Hop { address, port }, true, State::Incomplete { sent: 0 });
            }
        }
    }

    /// Other routes are in force. Who is no peer and no next hop any more is a host, or forgotten.
    pub(crate) fn reroute(&mut self, now: Instant, config: &crate::Config) {
        self.routes = Routes::new(config);
        self.entries.values_mut().for_each(|entry| entry.kept = false);
        self.keep(config);
        let useless = |entry: &Entry| !entry.kept && entry.mac().is_none();
        let new = |entry: &Entry| entry.kept && entry.next == NEVER;
        let of = |which: &dyn Fn(&Entry) -> bool| -> Vec<Ipv6Addr> {
            self.entries.iter().filter(|(_, entry)| which(entry)).map(|(&at, _)| at).collect()
        };
        let (useless, new) = (of(&useless), of(&new));
        useless.into_iter().for_each(|address| self.remove(address));
        for address in new {
            if self.entries.get(&address).is_some_and(|entry| self.is_up(entry.port)) {
                self.arm(address, now);
            }
        }
        self.changed = true;
    }

    /// The routes in force.
    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The link that holds `address`. Links do not overlap.
    fn link_of(&self, address: Ipv6Addr) -> Option<PortId> {
        self.links.iter().find(|(prefix, _)| prefix.contains(address)).map(|&(_, port)| port)
    }

    fn is_up(&self, port: PortId) -> bool {
        self.up.get(usize::from(port)).copied().unwrap_or(false)
    }

    /// Whether something sent to `address` on a core link gets out: it is resolved, and its port is up.
    fn is_live(&self, address: Ipv6Addr) -> bool {
        self.entries
            .get(&address)
            .is_some_and(|entry| entry.mac().is_some() && self.is_up(entry.port))
    }

    /// The neighbour a packet of our own to `dst` goes to, and every tunnel to it: of several next hops one that is
    /// live, for all packets the same (R-42).
    pub(crate) fn hop_towards(&self, dst: Ipv6Addr) -> Option<Hop> {
        match self.routes.towards(dst)? {
            Towards::Link(port) => Some(Hop { address: dst, port }),
            Towards::Via(hops) => {
                let best = hops.iter().max_by_key(|&&hop| (self.is_live(hop), rank(dst, hop)));
                best.and_then(|&address| Some(Hop { address, port: self.link_of(address)? }))
            }
        }
    }

    /// The smallest MTU of the ports by which a packet to `dst` may leave.
    pub(crate) fn mtu_towards(&self, dst: Ipv6Addr) -> Option<u16> {
        let mtu = |port: PortId| self.ports.get(usize::from(port)).map(|info| info.mtu);
        match self.routes.towards(dst)? {
            Towards::Link(port) => mtu(port),
            Towards::Via(hops) => {
                hops.iter().filter_map(|&hop| self.link_of(hop).and_then(mtu)).min()
            }
        }
    }

    fn insert(&mut self, hop: Hop, kept: bool, state: State) {
        let Hop { address, port } = hop;
        let entry = Entry { port, kept, state, next: NEVER, waiting: VecDeque::new() };
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

    /// Hosts on the link, beside peers and next hops.
    fn hosts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.kept)
    }

    /// A port came up: every neighbour on it is asked (again), and used as it was known meanwhile. It went down: nobody on
    /// it is asked any more, and nothing is sent to them.
    pub(crate) fn link(&mut self, now: Instant, port: PortId, up: bool) {
        let Some(was) = self.up.get_mut(usize::from(port)) else { return };
        let other = std::mem::replace(was, up) != up;
        let on_port = self.entries.iter_mut().filter(|(_, entry)| entry.port == port);
        let addresses: Vec<_> = on_port
            .map(|(&address, entry)| {
                self.changed |= other && entry.mac().is_some();
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

    /// Port and MAC of the neighbour a packet to `dst` goes to, if it gets there.
    pub(crate) fn resolved_towards(&self, dst: Ipv6Addr) -> Option<(PortId, Mac)> {
        let hop = self.hop_towards(dst).filter(|hop| self.is_live(hop.address))?;
        Some((hop.port, self.entries.get(&hop.address)?.mac()?))
    }

    /// Whether the set of live neighbours is another one since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Those that are resolved and whose port is up: address, port, MAC, by address.
    pub(crate) fn live(&self) -> impl Iterator<Item = (Ipv6Addr, PortId, Mac)> {
        let live = self.entries.iter().filter(|(_, entry)| self.is_up(entry.port));
        live.filter_map(|(&address, entry)| Some((address, entry.port, entry.mac()?)))
    }
}
