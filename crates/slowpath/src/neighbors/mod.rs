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
use dataplane::PortId;
use dataplane::fib::PortInfo;
use mobility::config::Prefix;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::time::Instant;
use wire::{eth, ip6};

/// Hosts on the link, beside peers and next hops.
const MAX_HOSTS: usize = 1024;
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

    /// Hosts on the link, beside peers and next hops.
    fn hosts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.kept)
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

    /// Port and MAC of the neighbour a packet to `dst` goes to, once it is resolved.
    pub(crate) fn resolved_towards(&self, dst: Ipv6Addr) -> Option<(PortId, Mac)> {
        let hop = self.hop_towards(dst)?;
        Some((hop.port, self.entries.get(&hop.address)?.mac()?))
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
