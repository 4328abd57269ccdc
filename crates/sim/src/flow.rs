// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions: two flows each, and every probe's way and end.

use crate::queue::{HostId, NodeId};
use std::net::Ipv6Addr;

/// Core links a probe's record holds.
pub const HOPS: usize = 8;

/// One end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// A mobile node.
    Host(HostId),
    /// The host without MAAR.
    Legacy,
}

/// One probe.
#[derive(Clone, Debug)]
pub struct Probe {
    /// When it was sent.
    pub sent: u64,
    /// When it arrived first; 0: never.
    pub arrived: u64,
    /// How often it arrived.
    pub times: u8,
    /// A MAAR that works got it from its sender.
    pub reached: bool,
    /// Core links it crossed: from, to.
    pub hops: u8,
    pub way: [(u8, u8); HOPS],
}

impl Probe {
    /// The core links, as far as they are kept.
    pub fn way(&self) -> &[(u8, u8)] {
        &self.way[..usize::from(self.hops).min(HOPS)]
    }

    /// It crosses a link; whether it has been there before, or has crossed more than any way needs.
    pub fn cross(&mut self, from: NodeId, to: NodeId) -> bool {
        let link = (from as u8, to as u8);
        let again = self.way().contains(&link);
        if let Some(slot) = self.way.get_mut(usize::from(self.hops)) {
            *slot = link;
        }
        self.hops = self.hops.saturating_add(1);
        again || usize::from(self.hops) > HOPS
    }
}

/// One direction of a session.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Who sends.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Every probe, by its number.
    pub probes: Vec<Probe>,
    /// Probes not sent because the sender was on no link.
    pub unsent: u64,
    /// The greatest number that arrived, and one.
    pub newest: u32,
    /// Probes that arrived behind one sent later.
    pub reordered: u64,
}

impl Flow {
    /// Nothing sent yet.
    pub fn new(from: Party, to: Party, src: Ipv6Addr, dst: Ipv6Addr) -> Flow {
        Flow { from, to, src, dst, probes: Vec::new(), unsent: 0, newest: 0, reordered: 0 }
    }

    /// A probe leaves; its number.
    pub fn send(&mut self, now: u64, reached: bool) -> u32 {
        let way = [(0, 0); HOPS];
        self.probes.push(Probe { sent: now, arrived: 0, times: 0, reached, hops: 0, way });
        self.probes.len() as u32 - 1
    }

    /// Probe `seq` has arrived; how often by now.
    pub fn arrive(&mut self, now: u64, seq: u32) -> u8 {
        let Some(probe) = self.probes.get_mut(seq as usize) else { return 0 };
        probe.times = probe.times.saturating_add(1);
        if probe.times == 1 {
            probe.arrived = now;
            self.reordered += u64::from(seq < self.newest);
            self.newest = self.newest.max(seq + 1);
        }
        probe.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        let nowhere = Ipv6Addr::UNSPECIFIED;
        Flow::new(Party::Host(0), Party::Legacy, nowhere, nowhere)
    }

    #[test]
    fn a_probe_that_is_overtaken_is_counted_once_and_a_copy_is_no_reordering() {
        let mut flow = flow();
        for now in 0..4 {
            flow.send(now, true);
        }
        for seq in [0, 2, 1, 3, 2] {
            flow.arrive(9, seq);
        }
        assert_eq!(flow.reordered, 1);
        assert_eq!(flow.probes[2].times, 2);
    }

    #[test]
    fn a_link_crossed_twice_is_a_loop_and_back_by_another_is_none() {
        let mut flow = flow();
        flow.send(0, true);
        let probe = &mut flow.probes[0];
        assert!(!probe.cross(1, 2));
        assert!(!probe.cross(2, 1));
        assert!(probe.cross(1, 2));
        assert_eq!(probe.way(), [(1, 2), (2, 1), (1, 2)]);
        for node in 3..20 {
            probe.cross(node, node + 1);
        }
        assert!(probe.cross(40, 41), "longer than any way");
    }
}
