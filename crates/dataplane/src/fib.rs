// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What changes seldom, as one immutable snapshot that a worker swaps between bursts: ports, peers, anchors,
//! routes, neighbours of core ports, prebuilt rewrites.

use crate::PortId;
use crate::verdict::PeerId;
use std::net::Ipv6Addr;
use wire::addr::Mac;

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

/// Index into [`Fib::neighbors`].
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
    /// Where its tunnel packets go; `None` until resolved (drop `peer_unresolved`, the slow path is told).
    pub next_hop: Option<NeighborId>,
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// By a router that is resolved.
    Via(NeighborId),
    /// By a router or host not resolved yet: punted so that the slow path solicits it, dropped meanwhile.
    Unresolved,
    /// Destination is on this port's link: neighbours by address in [`FibBuilder::on_link`], a miss is punted.
    OnLink(PortId),
    /// Own pool, nothing leased: ICMPv6 1/3 by the slow path, drop `pool_unleased`.
    Pool,
}

/// Where an anchor-map prefix is anchored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Address, length, route.
    pub routes: Vec<(Ipv6Addr, u8, Route)>,
    /// Addresses on core links that are resolved.
    pub on_link: Vec<(Ipv6Addr, NeighborId)>,
    /// Core /64s: never bound, never managed.
    pub core_prefixes: Vec<(Ipv6Addr, u8)>,
}

/// The snapshot. Built once, read by all workers.
#[derive(Debug)]
pub struct Fib(());

impl FibBuilder {
    /// Builds tries and rewrites.
    pub fn build(self) -> Fib {
        todo!()
    }
}
