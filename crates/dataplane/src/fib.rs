// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What changes seldom, as one immutable snapshot that a worker swaps between bursts: ports, peers, anchors,
//! routes, neighbours of core ports, prebuilt rewrites.

use crate::PortId;
use crate::hops::{NextHop, NextHops};
use crate::lpm::Lpm;
use crate::peers::{Peers, Words};
use crate::verdict::PeerId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::Mac;
use wire::{eth, ip6};

/// The role of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Mobile nodes.
    Access,
    /// MAARs and the rest of the network.
    Core,
}

/// A port as the workers know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortInfo {
    /// Role.
    pub role: Role,
    /// Its own MAC; access ports also take [`wire::addr::ROUTER_MAC`].
    pub mac: Mac,
    /// IPv6 MTU, octets.
    pub mtu: u16,
    /// R-21 is on (`attach: any`).
    pub attach_on_frame: bool,
}

/// Index into [`FibBuilder::neighbors`].
pub type NeighborId = u32;

/// A next hop on a core port whose link-layer address is known: the 14 octets to put in front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbor {
    /// Out port.
    pub port: PortId,
    /// Destination MAC, source MAC, 0x86dd.
    pub eth: [u8; 14],
}

/// A peer MAAR (R-34's peer table and the prebuilt rewrite towards it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its core address.
    pub address: Ipv6Addr,
    /// Where its tunnel packets go, all of them: an end marker closes a path only if it takes it. `None` until
    /// resolved: drop `peer_unresolved`, and [`crate::punt::Punt::Peer`].
    pub next_hop: Option<NeighborId>,
    /// Path MTU a router of the core told, octets; `None`: the out port's is all that is known.
    pub path_mtu: Option<u16>,
}

/// Index into [`FibBuilder::groups`].
pub type GroupId = u32;

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Route {
    /// By one of these routers.
    Via(GroupId),
    /// Destination is on this port's link: neighbours by address in [`FibBuilder::on_link`]. One that is not there is
    /// punted, so that the slow path solicits it, and dropped meanwhile.
    OnLink(PortId),
    /// Own pool, nothing leased: ICMPv6 1/3 by the slow path, drop `pool_unleased`.
    Pool,
}

/// Routes by prefix. They name groups, not next hops, and so outlive many snapshots.
pub type Routes = Lpm<Route>;

/// Where an anchor-map prefix is anchored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Anchor {
    /// Here.
    Own,
    /// At a peer.
    Peer(PeerId),
}

/// What the slow path collects into a [`Fib`].
#[derive(Clone, Debug, Default)]
pub struct FibBuilder {
    /// This MAAR's core address.
    pub own: Option<Ipv6Addr>,
    /// Outer hop limit (R-30: 64).
    pub tunnel_hop_limit: u8,
    /// By [`PortId`].
    pub ports: Vec<PortInfo>,
    /// By [`NeighborId`].
    pub neighbors: Vec<Neighbor>,
    /// By [`PeerId`]; `None` where a removed peer left a gap.
    pub peers: Vec<Option<Peer>>,
    /// Address, length, anchor.
    pub anchors: Vec<(Ipv6Addr, u8, Anchor)>,
    /// By [`GroupId`]: the next hops of a route that are resolved and whose link is up. A packet to an empty group is
    /// punted, so that the slow path solicits them, and dropped meanwhile.
    pub groups: Vec<Vec<NeighborId>>,
    /// Shared: a snapshot does not copy them.
    pub routes: Arc<Routes>,
    /// Addresses on core links that are resolved.
    pub on_link: Vec<(Ipv6Addr, NeighborId)>,
    /// Core /64s: never bound, never managed.
    pub core_prefixes: Vec<(Ipv6Addr, u8)>,
}

/// The snapshot. Built once, read by all workers.
#[derive(Debug)]
pub struct Fib {
    own: Option<Ipv6Addr>,
    /// The same, for comparing it with what was just written word by word: a load of sixteen octets would have to wait.
    own_words: Option<Words>,
    ports: Vec<PortInfo>,
    next_hops: Vec<Option<NextHop>>,
    groups: Vec<Box<[NextHop]>>,
    tunnels: Vec<Result<Tunnel, NoTunnel>>,
    peers: Peers,
    /// `None` where a core prefix cuts a hole.
    anchors: Lpm<Option<Anchor>>,
    routes: Arc<Routes>,
    on_link: HashMap<Ipv6Addr, NeighborId, FixedState>,
}

#[inline(always)]
pub(crate) fn words(address: Ipv6Addr) -> Words {
    ((address.to_bits() >> 64) as u64, address.to_bits() as u64)
}

/// The rewrite towards a peer: what stands in front of every tunnelled packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tunnel {
    /// Ethernet and outer IPv6 header; payload length, traffic class and flow label are 0.
    pub header: [u8; TUNNEL_HEADER_LEN],
    /// Out port.
    pub port: PortId,
    /// MTU of the path to the peer: the port's, or what a router on the way told.
    pub path_mtu: usize,
}

/// Octets of [`Tunnel::header`].
pub(crate) const TUNNEL_HEADER_LEN: usize = eth::HEADER_LEN + ip6::HEADER_LEN;

/// Why there is no tunnel to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoTunnel {
    /// No such peer in this snapshot.
    Unknown,
    /// Its next hop is not resolved.
    Unresolved,
}

impl FibBuilder {
    /// Builds maps and rewrites. A neighbour on a port that does not exist and a next hop that is no neighbour count
    /// as unresolved; a prefix length above 128 counts as 128.
    pub fn build(self) -> Fib {
        let ports = self.ports;
        let next_hops: Vec<Option<NextHop>> =
            self.neighbors.iter().map(|&neighbor| NextHop::new(neighbor, &ports)).collect();
        let next_hop = |id: &NeighborId| *next_hops.get(*id as usize)?;
        let groups = self.groups.iter().map(|group| group.iter().filter_map(next_hop).collect());
        let groups = groups.collect();
        let tunnel = |peer: Option<Peer>| {
            let peer = peer.ok_or(NoTunnel::Unknown)?;
            let hop = peer.next_hop.as_ref().and_then(next_hop);
            let (hop, own) = hop.zip(self.own).ok_or(NoTunnel::Unresolved)?;
            Ok(prebuilt(own, peer, self.tunnel_hop_limit, hop))
        };
        let tunnels = self.peers.iter().map(|&peer| tunnel(peer)).collect();
        let by_address =
            |(id, peer): (usize, &Option<Peer>)| Some((words((*peer)?.address), id as PeerId));
        let peers = Peers::new(self.peers.iter().enumerate().filter_map(by_address));
        let anchors = self.anchors.into_iter().map(|(a, len, to)| (a, len, Some(to)));
        let holes = self.core_prefixes.into_iter().map(|(a, len)| (a, len, None));
        Fib {
            own: self.own,
            own_words: self.own.map(words),
            tunnels,
            peers,
            anchors: Lpm::new(anchors.chain(holes)),
            routes: self.routes,
            groups,
            on_link: self.on_link.into_iter().collect(),
            ports,
            next_hops,
        }
    }
}

fn prebuilt(own: Ipv6Addr, peer: Peer, hop_limit: u8, hop: NextHop) -> Tunnel {
    let mut header = [0; TUNNEL_HEADER_LEN];
    let (eth, outer) = header.split_at_mut(eth::HEADER_LEN);
    eth.copy_from_slice(&hop.neighbor.eth);
    ip6::write_header(outer, own, peer.address, ip6::IPV6_IN_IPV6, hop_limit, 0);
    // No path of IPv6 is smaller, whatever was told.
    let told = peer.path_mtu.map_or(hop.mtu, |told| usize::from(told).max(ip6::MIN_MTU));
    let path_mtu = hop.mtu.min(told);
    Tunnel { header, port: hop.neighbor.port, path_mtu }
}

impl Fib {
    /// A port by its number.
    pub fn port(&self, id: PortId) -> Option<&PortInfo> {
        self.ports.get(id as usize)
    }

    /// This MAAR's core address.
    pub fn own(&self) -> Option<Ipv6Addr> {
        self.own
    }

    /// Whether the upper and lower half are those of [`Fib::own`].
    #[inline]
    pub(crate) fn is_own(&self, upper: u64, lower: u64) -> bool {
        self.own_words == Some((upper, lower))
    }

    /// The peer whose core address this is (R-34: by the whole address).
    pub fn peer_at(&self, address: Ipv6Addr) -> Option<PeerId> {
        let (upper, lower) = words(address);
        self.peer_of(upper, lower)
    }

    /// The same by the halves of the address.
    #[inline]
    pub(crate) fn peer_of(&self, upper: u64, lower: u64) -> Option<PeerId> {
        self.peers.get((upper, lower))
    }

    /// Whether this is the core address of a MAAR, ours or a peer's.
    pub fn is_maar(&self, address: Ipv6Addr) -> bool {
        self.own == Some(address) || self.peer_at(address).is_some()
    }

    /// Where an address is anchored: longest match in the anchor map. `None`: not managed.
    pub fn anchor(&self, address: Ipv6Addr) -> Option<Anchor> {
        self.anchors.get(address)?
    }

    /// The route by longest match.
    pub fn route(&self, address: Ipv6Addr) -> Option<Route> {
        self.routes.get(address)
    }

    /// The routes, which later snapshots may share.
    pub fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes)
    }

    /// The neighbour that has this address on a core link.
    pub fn neighbor_at(&self, address: Ipv6Addr) -> Option<NeighborId> {
        self.on_link.get(&address).copied()
    }

    /// MTU of the tunnel to a peer: the largest packet it takes, octets, never below IPv6's least. `None`: no
    /// tunnel.
    pub fn tunnel_mtu(&self, peer: PeerId) -> Option<u16> {
        let path = self.tunnel(peer).ok()?.path_mtu;
        u16::try_from(path.saturating_sub(ip6::HEADER_LEN).max(ip6::MIN_MTU)).ok()
    }

    /// The neighbour that has this address on a core link, ready to be sent to.
    #[inline]
    pub(crate) fn host(&self, address: Ipv6Addr) -> Option<NextHops<'_>> {
        let host = self.next_hops.get(self.neighbor_at(address)? as usize)?.as_ref()?;
        NextHops::new(std::slice::from_ref(host))
    }

    /// The next hops of a group; `None`: none of them can be sent to.
    #[inline]
    pub(crate) fn group(&self, id: GroupId) -> Option<NextHops<'_>> {
        NextHops::new(self.groups.get(id as usize)?)
    }

    /// Next hops of a group that can be sent to.
    pub fn group_size(&self, id: GroupId) -> usize {
        self.groups.get(id as usize).map_or(0, |group| group.len())
    }

    #[inline]
    pub(crate) fn tunnel(&self, peer: PeerId) -> Result<&Tunnel, NoTunnel> {
        match self.tunnels.get(peer as usize) {
            Some(tunnel) => tunnel.as_ref().map_err(|why| *why),
            None => Err(NoTunnel::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Ipv6Addr {
        text.parse().expect("an address of the test")
    }

    fn sample() -> Fib {
        let core =
            PortInfo { role: Role::Core, mac: Mac([2; 6]), mtu: 1500, attach_on_frame: false };
        let eth = eth::ipv6_header(Mac([4; 6]), Mac([2; 6]));
        FibBuilder {
            own: Some(at("2001:db8:ff::a3")),
            tunnel_hop_limit: 64,
            ports: vec![core],
            neighbors: vec![Neighbor { port: 0, eth }, Neighbor { port: 7, eth }],
            peers: vec![
                Some(Peer { address: at("2001:db8:ff::a1"), next_hop: Some(0), path_mtu: None }),
                None,
                Some(Peer { address: at("2001:db8:ff::a2"), next_hop: None, path_mtu: None }),
                Some(Peer { address: at("2001:db8:ff::b1"), next_hop: Some(1), path_mtu: None }),
            ],
            anchors: vec![
                (at("2001:db8:a1::"), 48, Anchor::Peer(0)),
                (at("2001:db8:a3::"), 48, Anchor::Own),
                (at("2001:db8:ff::"), 48, Anchor::Peer(2)),
            ],
            groups: vec![vec![0]],
            routes: Arc::new(Routes::new([
                (at("::"), 0, Route::Via(0)),
                (at("2001:db8:a3::"), 48, Route::Pool),
            ])),
            on_link: vec![(at("2001:db8:ff::1"), 0)],
            core_prefixes: vec![(at("2001:db8:ff::"), 64)],
        }
        .build()
    }

    #[test]
    fn the_longest_prefix_wins_and_a_core_prefix_is_never_managed() {
        let fib = sample();
        assert_eq!(fib.anchor(at("2001:db8:a1:a::1")), Some(Anchor::Peer(0)));
        assert_eq!(fib.anchor(at("2001:db8:ff:1::1")), Some(Anchor::Peer(2)));
        assert_eq!(fib.anchor(at("2001:db8:ff::1")), None);
        assert_eq!(fib.anchor(at("2001:db8:cafe::80")), None);
        assert_eq!(fib.route(at("2001:db8:a3:a::1")), Some(Route::Pool));
        assert_eq!(fib.route(at("2001:db8:cafe::80")), Some(Route::Via(0)));
    }

    #[test]
    fn a_peer_is_found_by_its_whole_address_only() {
        let fib = sample();
        assert_eq!(fib.peer_at(at("2001:db8:ff::a2")), Some(2));
        assert_eq!(fib.peer_at(at("2001:db8:ff::a4")), None);
        assert!(fib.is_maar(at("2001:db8:ff::a3")) && fib.is_maar(at("2001:db8:ff::a1")));
        assert!(!fib.is_maar(at("2001:db8:ff::1")));
    }

    #[test]
    fn a_peer_without_a_usable_next_hop_has_no_tunnel() {
        let fib = sample();
        assert!(fib.tunnel(0).is_ok());
        assert_eq!(fib.tunnel(1).err(), Some(NoTunnel::Unknown));
        assert_eq!(fib.tunnel(2).err(), Some(NoTunnel::Unresolved));
        assert_eq!(fib.tunnel(3).err(), Some(NoTunnel::Unresolved));
        assert_eq!(fib.tunnel(4).err(), Some(NoTunnel::Unknown));
    }

    #[test]
    fn the_mtu_of_a_tunnel_is_the_paths_less_its_header_and_never_below_ipv6s_least() {
        for (told, path, tunnel) in [
            (None, 1500, 1460),
            (Some(1400), 1400, 1360),
            (Some(1300), 1300, 1280),
            (Some(9000), 1500, 1460),
        ] {
            let eth = eth::ipv6_header(Mac([4; 6]), Mac([2; 6]));
            let port =
                PortInfo { role: Role::Core, mac: Mac([2; 6]), mtu: 1500, attach_on_frame: false };
            let fib = FibBuilder {
                own: Some(at("2001:db8:ff::a3")),
                ports: vec![port],
                neighbors: vec![Neighbor { port: 0, eth }],
                peers: vec![Some(Peer {
                    address: at("2001:db8:ff::a1"),
                    next_hop: Some(0),
                    path_mtu: told,
                })],
                ..FibBuilder::default()
            }
            .build();
            assert_eq!(fib.tunnel(0).map(|t| t.path_mtu), Ok(path));
            assert_eq!(fib.tunnel_mtu(0), Some(tunnel), "{told:?}");
            assert_eq!(fib.tunnel_mtu(1), None);
        }
    }

    #[test]
    fn a_default_route_alone_matches_everything() {
        let routes = Arc::new(Routes::new([(at("::"), 0, Route::Via(0))]));
        let fib = FibBuilder { routes, ..FibBuilder::default() }.build();
        assert_eq!(fib.route(at("ffff::1")), Some(Route::Via(0)));
        assert_eq!(fib.route(at("::1")), Some(Route::Via(0)));
        assert!(fib.group(0).is_none(), "a group that is not there is empty");
    }
}
