// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Solicitations: when a neighbour is asked for, how often, and when it is given up (RFC 4861 §7.2.2, §7.3.3).

use super::{Hop, MAX_HOSTS, Neighbors, State};
use crate::effects::Effects;
use crate::frames::{self, ND_HOP_LIMIT};
use crate::routes::Towards;
use dataplane::PortId;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Mac;
use wire::nd::{self, NeighborSolicit};
use wire::time::Instant;

/// RFC 4861 RETRANS_TIMER.
const RETRANS: Duration = Duration::from_secs(1);
/// RFC 4861 MAX_UNICAST_SOLICIT, MAX_MULTICAST_SOLICIT.
const SOLICITS: u32 = 3;
/// How often a peer or next hop that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(10);
/// Hosts that were asked for and have not answered yet (RFC 6583).
const MAX_INCOMPLETE_HOSTS: usize = 64;

impl Neighbors {
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
                let group = nd::solicited_node(target);
                (group, Mac::of_group(group))
            }
        };
        let ns = NeighborSolicit { source: self.core, target, sllao: Some(info.mac) };
        let icmp = nd::neighbor_solicit(&ns, dst);
        fx.frame(port, frames::icmp_frame(info, mac, (self.core, dst), ND_HOP_LIMIT, &icmp));
    }

    /// A worker met a destination that is not resolved, or none of whose next hops is: they are asked for from now on.
    pub(crate) fn want(&mut self, now: Instant, dst: Ipv6Addr, fx: &mut Effects) {
        match self.routes.towards(dst) {
            Some(Towards::Link(port)) if !self.entries.contains_key(&dst) => {
                self.want_host(now, Hop { address: dst, port }, fx);
            }
            Some(Towards::Link(_)) => self.hurry(now, dst),
            Some(Towards::Via(hops)) => {
                let hops = hops.to_vec();
                hops.into_iter().for_each(|hop| self.hurry(now, hop));
            }
            None => {}
        }
    }

    /// A peer or next hop in its slow rhythm is asked at once, but never more than once a second.
    fn hurry(&mut self, now: Instant, address: Ipv6Addr) {
        let Some(entry) = self.entries.get(&address) else { return };
        let slow = matches!(entry.state, State::Incomplete { sent } if sent > SOLICITS);
        let soon = now + RETRANS;
        if slow && self.is_up(entry.port) && entry.next > soon {
            self.arm(address, soon);
        }
    }

    fn want_host(&mut self, now: Instant, hop: Hop, fx: &mut Effects) {
        let dst = hop.address;
        let nobody = dst.is_multicast() || dst.is_unspecified() || dst == self.core;
        if nobody || !self.is_up(hop.port) {
            return;
        }
        if self.hosts().count() >= MAX_HOSTS {
            return fx.count("neighbor_table_full");
        }
        if self.hosts().filter(|host| host.mac().is_none()).count() >= MAX_INCOMPLETE_HOSTS {
            return fx.count("neighbor_queue_full");
        }
        self.insert(hop, false, State::Incomplete { sent: 0 });
        self.step(now, dst, fx);
    }
}
