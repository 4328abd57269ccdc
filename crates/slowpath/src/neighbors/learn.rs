// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours say: their solicitations and advertisements (RFC 4861 §7.2.3, §7.2.5).

use super::{Hop, MAX_HOSTS, Neighbors, State};
use crate::effects::Effects;
use crate::frames::Received;
use dataplane::fib::PortInfo;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Mac;
use wire::nd::{NeighborAdvert, NeighborSolicit};
use wire::time::Instant;

/// RFC 4861 REACHABLE_TIME.
const REACHABLE: Duration = Duration::from_secs(30);
/// RFC 4861 DELAY_FIRST_PROBE_TIME: what was heard but not solicited is asked after.
const DELAY: Duration = Duration::from_secs(5);

impl Neighbors {
    /// A neighbour asked for us (RFC 4861 §7.2.3): what it says of itself is worth an entry.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        from: &Received<'_>,
        ns: &NeighborSolicit,
        fx: &mut Effects,
    ) {
        let Some(mac) = ns.sllao.filter(|_| !ns.source.is_unspecified()) else { return };
        if self.link_of(ns.source) != Some(from.port) || ns.source == self.core {
            return;
        }
        if !usable(mac, &from.info) {
            return fx.count("neighbor_bad_mac");
        }
        match self.entries.get(&ns.source) {
            Some(entry) if entry.mac() == Some(mac) => {}
            Some(_) => self.learn(now + DELAY, ns.source, mac, fx),
            None if self.hosts().count() >= MAX_HOSTS => fx.count("neighbor_table_full"),
            None => {
                let hop = Hop { address: ns.source, port: from.port };
                self.insert(hop, false, State::Incomplete { sent: 0 });
                self.learn(now + DELAY, ns.source, mac, fx);
            }
        }
    }

    /// RFC 4861 §7.2.5. An advertisement nobody asked for makes no entry.
    pub(crate) fn advert(
        &mut self,
        now: Instant,
        from: &Received<'_>,
        na: &NeighborAdvert,
        fx: &mut Effects,
    ) {
        let Some(entry) = self.entries.get(&na.target).filter(|entry| entry.port == from.port)
        else {
            return fx.count("na_unknown_neighbor");
        };
        if na.tllao.is_some_and(|mac| !usable(mac, &from.info)) {
            return fx.count("neighbor_bad_mac");
        }
        let known = entry.mac();
        let fresh = now + if na.solicited { REACHABLE } else { DELAY };
        match (known, na.tllao) {
            (None, None) => {}
            (None, Some(mac)) => self.learn(fresh, na.target, mac, fx),
            (Some(mac), told) if told.is_none_or(|told| told == mac) => {
                if na.solicited {
                    self.learn(fresh, na.target, mac, fx);
                }
            }
            (Some(_), Some(told)) if na.override_ => self.learn(fresh, na.target, told, fx),
            // Another MAC without O: the one in use is asked whether it still is there.
            (Some(mac), _) => self.learn(now, na.target, mac, fx),
        }
    }

    fn learn(&mut self, check_at: Instant, address: Ipv6Addr, mac: Mac, fx: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let before = entry.mac();
        entry.state = State::Reachable { mac };
        let (port, waiting) = (entry.port, std::mem::take(&mut entry.waiting));
        if before != Some(mac) {
            fx.count("neighbor_resolved");
            if entry.kept {
                fx.info(format!("core neighbour {address} is at {mac} on port {port}"));
            }
            self.changed = true;
        }
        self.arm(address, check_at);
        for (dst, payload) in waiting {
            self.transmit_mh(port, mac, dst, &payload, fx);
        }
    }
}

/// A single station's MAC, and not our own.
fn usable(mac: Mac, info: &PortInfo) -> bool {
    mac.is_unicast() && mac != info.mac
}
