// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The workers' snapshot, built from the configuration and from what is resolved on the core links.

use crate::Config;
use crate::neighbors::Neighbors;
use crate::paths::Paths;
use crate::routes::Routes;
use dataplane::fib::{Anchor, Fib, FibBuilder, Neighbor, NeighborId, Peer};
use dataplane::verdict::PeerId;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::eth;

/// Builds a snapshot. `PeerId` is the place in `mobility.peers`, in every snapshot; a `NeighborId` is the snapshot's own.
pub(crate) fn build(config: &Config, neighbors: &Neighbors, paths: &Paths) -> Arc<Fib> {
    let mut table = Vec::new();
    let mut ids = BTreeMap::new();
    for (address, port, mac) in neighbors.live() {
        let Some(info) = config.ports.get(usize::from(port)) else { continue };
        ids.insert(address, table.len() as NeighborId);
        table.push(Neighbor { port, eth: eth::ipv6_header(mac, info.mac) });
    }
    let id_towards = |dst: Ipv6Addr| ids.get(&neighbors.hop_towards(dst)?.address).copied();
    let builder = FibBuilder {
        own: Some(config.mobility.address),
        tunnel_hop_limit: config.tunnel_hop_limit,
        ports: config.ports.clone(),
        peers: peers(config, paths, id_towards),
        anchors: anchors(config),
        groups: groups(neighbors.routes(), &ids),
        routes: neighbors.routes().map(),
        on_link: ids.iter().map(|(&address, &id)| (address, id)).collect(),
        core_prefixes: config.mobility.core_prefixes.iter().map(|p| (p.addr, p.len)).collect(),
        neighbors: table,
    };
    Arc::new(builder.build())
}

fn peers(
    config: &Config,
    paths: &Paths,
    id_towards: impl Fn(Ipv6Addr) -> Option<NeighborId>,
) -> Vec<Option<Peer>> {
    let peer = |address| {
        let (next_hop, path_mtu) = (id_towards(address), paths.mtu(address));
        Some(Peer { address, next_hop, path_mtu })
    };
    config.mobility.peers.iter().map(|configured| peer(configured.address)).collect()
}

/// A MAAR that is neither this one nor a peer anchors nothing that could be reached; `maard --check` refuses it.
fn anchors(config: &Config) -> Vec<(Ipv6Addr, u8, Anchor)> {
    let anchor = |maar: Ipv6Addr| match peer_id(config, maar) {
        _ if maar == config.mobility.address => Some(Anchor::Own),
        id => id.map(Anchor::Peer),
    };
    let entry = |&(prefix, maar): &(mobility::config::Prefix, Ipv6Addr)| {
        Some((prefix.addr, prefix.len, anchor(maar)?))
    };
    config.mobility.anchors.iter().filter_map(entry).collect()
}

/// Of each group those that can be sent to.
fn groups(routes: &Routes, ids: &BTreeMap<Ipv6Addr, NeighborId>) -> Vec<Vec<NeighborId>> {
    let live = |hops: &Vec<Ipv6Addr>| hops.iter().filter_map(|hop| ids.get(hop).copied()).collect();
    routes.groups().iter().map(live).collect()
}

/// The workers' number of a peer.
pub(crate) fn peer_id(config: &Config, address: Ipv6Addr) -> Option<PeerId> {
    let place = config.mobility.peers.iter().position(|peer| peer.address == address)?;
    PeerId::try_from(place).ok()
}
