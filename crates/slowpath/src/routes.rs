// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where addresses outside the binding table are: on a core link, behind next hops, in the own pool. One map, shared
//! with the workers' snapshots, so that telling them who is resolved does not copy it.

use crate::Config;
use dataplane::PortId;
use dataplane::fib::{self, GroupId, Route};
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The routes.
#[derive(Debug)]
pub(crate) struct Routes {
    map: Arc<fib::Routes>,
    /// By [`GroupId`]: next hops, each group once, ascending.
    groups: Vec<Vec<Ipv6Addr>>,
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Towards<'a> {
    /// To the address itself, by this port.
    Link(PortId),
    /// By one of these.
    Via(&'a [Ipv6Addr]),
}

impl Routes {
    /// The configured ones. A link is not replaced by a route of its own prefix, and nothing replaces the pool.
    pub(crate) fn new(config: &Config) -> Routes {
        let mut groups = Vec::new();
        let mut numbers = HashMap::new();
        let mut group = |hops: &[Ipv6Addr]| {
            let mut hops = hops.to_vec();
            hops.sort_unstable();
            hops.dedup();
            *numbers.entry(hops).or_insert_with_key(|hops| {
                groups.push(hops.clone());
                groups.len() as GroupId - 1
            })
        };
        let statics: Vec<_> =
            config.routes.iter().map(|(to, hops)| (*to, Route::Via(group(hops)))).collect();
        let links = config.core_links.iter().map(|&(link, port)| (link, Route::OnLink(port)));
        let pool = (config.mobility.pool, Route::Pool);
        // Of equal prefixes the later one counts.
        let all = statics.into_iter().chain(links).chain([pool]);
        let map = fib::Routes::new(all.map(|(prefix, route)| (prefix.addr, prefix.len, route)));
        Routes { map: Arc::new(map), groups }
    }

    /// Where a packet to `dst` goes. `None`: nowhere, or `dst` is of the own pool.
    pub(crate) fn towards(&self, dst: Ipv6Addr) -> Option<Towards<'_>> {
        match self.map.get(dst)? {
            Route::OnLink(port) => Some(Towards::Link(port)),
            Route::Via(group) => self.groups.get(group as usize).map(|hops| Towards::Via(hops)),
            Route::Pool => None,
        }
    }

    /// For the workers.
    pub(crate) fn map(&self) -> Arc<fib::Routes> {
        Arc::clone(&self.map)
    }

    /// By [`GroupId`].
    pub(crate) fn groups(&self) -> &[Vec<Ipv6Addr>] {
        &self.groups
    }
}
