// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next hops, and which of several a flow takes: each flow ranks them by a hash of its own and takes the first that is
//! there (rendezvous hashing), so that of one that goes only its own flows move, and of one that comes only those that
//! are its from then on.

use crate::fib::{Neighbor, PortInfo};
use crate::flow;
use std::net::Ipv6Addr;

/// A neighbour and what its port lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NextHop {
    /// What to put in front, and where out.
    pub neighbor: Neighbor,
    /// IPv6 MTU of the port.
    pub mtu: usize,
    /// What flows know it by from snapshot to snapshot: a hash of its MAC and port, which differ in few bits.
    name: u64,
}

impl NextHop {
    /// `None`: its port does not exist.
    pub(crate) fn new(neighbor: Neighbor, ports: &[PortInfo]) -> Option<NextHop> {
        let mtu = ports.get(usize::from(neighbor.port))?.mtu.into();
        let [m0, m1, m2, m3, m4, m5, ..] = neighbor.eth;
        let name = u64::from_be_bytes([0, neighbor.port, m0, m1, m2, m3, m4, m5]);
        Some(NextHop { neighbor, mtu, name: flow::mix(0xbe54_66cf_34e9_0c6c, name) })
    }
}

/// The next hops of a packet, one at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextHops<'a> {
    first: &'a NextHop,
    others: &'a [NextHop],
}

impl<'a> NextHops<'a> {
    /// `None`: there is none.
    pub(crate) fn new(hops: &'a [NextHop]) -> Option<NextHops<'a>> {
        let (first, others) = hops.split_first()?;
        Some(NextHops { first, others })
    }

    /// The one that a flow takes, by its hash.
    #[inline]
    pub(crate) fn choose(self, flow: impl FnOnce() -> u64) -> &'a NextHop {
        if self.others.is_empty() { self.first } else { self.among(flow()) }
    }

    fn among(self, flow: u64) -> &'a NextHop {
        let rank = |hop: &NextHop| flow::mix(flow, hop.name);
        self.others
            .iter()
            .fold(self.first, |best, hop| if rank(hop) > rank(best) { hop } else { best })
    }
}

/// As [`NextHops`] for what is no packet flow: the rank that `address` gives a next hop.
pub fn rank(address: Ipv6Addr, hop: Ipv6Addr) -> u64 {
    flow::hash(address, hop, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::Role;
    use wire::addr::Mac;

    fn hops(names: &[u8]) -> Vec<NextHop> {
        let port =
            PortInfo { role: Role::Core, mac: Mac([2; 6]), mtu: 1500, attach_on_frame: false };
        let neighbor = |&n: &u8| {
            let eth = wire::eth::ipv6_header(Mac([2, 0, 0, 0, 0, n]), port.mac);
            Neighbor { port: n % 2, eth }
        };
        names.iter().map(|name| NextHop::new(neighbor(name), &[port; 2]).expect("a port")).collect()
    }

    /// Hashes as flows have them: of addresses that differ in few bits.
    fn flows() -> impl Iterator<Item = u64> {
        (0..10_000u128).map(|n| {
            let of = |n| Ipv6Addr::from_bits(0x2001_0db8 << 96 | n);
            flow::hash(of(n % 100), of(n / 100), 0, 0x9c40_1389)
        })
    }

    fn chosen(hops: &[NextHop], flow: u64) -> u8 {
        NextHops::new(hops).expect("some").choose(|| flow).neighbor.eth[5]
    }

    #[test]
    fn flows_are_spread_evenly() {
        for n in [2, 3, 8] {
            let names: Vec<u8> = (1..=n).collect();
            let hops = hops(&names);
            let fair = 10_000 / usize::from(n);
            for name in names {
                let share = flows().filter(|&flow| chosen(&hops, flow) == name).count();
                // Six standard deviations of a fair choice.
                let most = 6 * fair.isqrt();
                assert!(share.abs_diff(fair) < most, "{share} of {n}");
            }
        }
    }

    #[test]
    fn of_a_next_hop_that_goes_only_its_own_flows_move_and_they_come_back() {
        let (all, left) = (hops(&[1, 2, 3, 4]), hops(&[4, 1, 3]));
        for flow in flows() {
            let (before, after) = (chosen(&all, flow), chosen(&left, flow));
            assert!(before == after || before == 2, "{before} {after}");
        }
        let moved: Vec<_> = flows().filter(|&flow| chosen(&all, flow) == 2).collect();
        for name in [1, 3, 4] {
            let share = moved.iter().filter(|&&flow| chosen(&left, flow) == name).count();
            assert!(
                share > moved.len() / 4,
                "those that move are spread: {share} of {}",
                moved.len()
            );
        }
    }
}
