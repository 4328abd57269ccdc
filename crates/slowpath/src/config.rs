// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a router's control side is told at start.

use dataplane::fib::PortInfo;
use diameter::nasreq::Identity;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The protocol's configuration: who fills a [`Config`] needs no other part of `mobility`.
pub use mobility::config as protocol;
pub use mobility::config::Prefix;

/// The configuration of a [`crate::Router`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Instance name.
    pub name: String,
    /// The protocol's part.
    pub mobility: mobility::Config,
    /// By `PortId`, MACs as the devices report them.
    pub ports: Vec<PortInfo>,
    /// Core links: the prefix on the link and the port.
    pub core_links: Vec<(Prefix, dataplane::PortId)>,
    /// Static routes by next hops (addresses on core links); flows are spread over those that are there.
    pub routes: Vec<(Prefix, Vec<Ipv6Addr>)>,
    /// Outer hop limit.
    pub tunnel_hop_limit: u8,
    /// The AAA servers.
    pub aaa: Aaa,
    /// Workers: updates go to the ring `shard_of(key)`.
    pub workers: usize,
}

impl Config {
    /// The snapshot the workers start with: nothing on the core links is resolved yet. `PeerId` is the place in
    /// `mobility.peers`.
    pub fn first_fib(&self) -> std::sync::Arc<dataplane::fib::Fib> {
        crate::fib::build(self, &crate::neighbors::Neighbors::new(self), &Default::default())
    }
}

/// The AAA's part.
#[derive(Clone, Debug)]
pub struct Aaa {
    /// Own Diameter identity.
    pub identity: Identity,
    /// Destination-Realm.
    pub realm: String,
    /// Servers of the realm in order of preference, one at least.
    pub servers: Vec<SocketAddr>,
    /// Local address of the connection, announced in CER.
    pub host_ip: IpAddr,
    /// Origin-State-Id.
    pub state_id: u32,
}
