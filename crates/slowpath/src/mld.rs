// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Membership of our own groups: behind a snooping bridge a port that never reports gets no RS and no NS.

use crate::bucket::Bucket;
use crate::effects::Effects;
use crate::frames::{self, Received};
use dataplane::PortId;
use dataplane::fib::{PortInfo, Role};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Mac;
use wire::eth;
use wire::nd;
use wire::time::Instant;

/// ff02::2.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// ff02::16, where reports go (RFC 3810 §5.2.14).
const ALL_MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// RFC 3810 §9.11: the second report of a change follows within this time.
const UNSOLICITED: Duration = Duration::from_secs(1);
/// Answers a second and port; a querier asks every 125 s.
const ANSWERS: u64 = 10;

#[derive(Debug)]
struct Port {
    info: PortInfo,
    groups: Vec<Ipv6Addr>,
    repeat_at: Option<Instant>,
    answers: Bucket,
}

/// What each port listens to.
#[derive(Debug)]
pub(crate) struct Mld {
    ports: Vec<Port>,
}

impl Mld {
    pub(crate) fn new(config: &crate::Config) -> Mld {
        let port = |info: &PortInfo| Port {
            info: *info,
            groups: groups(info, config.mobility.address),
            repeat_at: None,
            answers: Bucket::new(ANSWERS, ANSWERS),
        };
        Mld { ports: config.ports.iter().map(port).collect() }
    }

    /// A link that came up is told at once and once more.
    pub(crate) fn link(&mut self, now: Instant, port: PortId, up: bool, fx: &mut Effects) {
        let Some(at) = self.ports.get_mut(usize::from(port)) else { return };
        at.repeat_at = up.then_some(now + UNSOLICITED);
        if up {
            at.report(port, fx);
        }
    }

    /// RFC 3810 §6.2: a general query, or one for a group of ours, is answered; at once, because a router has few
    /// groups and one report. (`wire` has refused a query with another hop limit than 1 or no link-local source.)
    pub(crate) fn query(
        &mut self,
        now: Instant,
        from: &Received<'_>,
        group: Ipv6Addr,
        fx: &mut Effects,
    ) {
        let Some(at) = self.ports.get_mut(usize::from(from.port)) else { return };
        fx.count("mld_query");
        if !group.is_unspecified() && !at.groups.contains(&group) {
            return;
        }
        match at.answers.take(now) {
            true => at.report(from.port, fx),
            false => fx.count("mld_query_limited"),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.ports.iter().filter_map(|port| port.repeat_at).min()
    }

    pub(crate) fn tick(&mut self, now: Instant, fx: &mut Effects) {
        for (id, port) in (0..).zip(&mut self.ports) {
            if port.repeat_at.is_some_and(|at| at <= now) {
                port.repeat_at = None;
                port.report(id, fx);
            }
        }
    }
}

impl Port {
    fn report(&self, id: PortId, fx: &mut Effects) {
        let header = eth::ipv6_header(Mac::of_group(ALL_MLD_ROUTERS), frames::own_mac(&self.info));
        let mut frame = header.to_vec();
        frame.extend(nd::mld_report(&self.groups, frames::own_link_local(&self.info)));
        fx.count("mld_report_sent");
        fx.frame(id, frame);
    }
}

/// The groups of a port, in ascending order and each once.
fn groups(info: &PortInfo, core: Ipv6Addr) -> Vec<Ipv6Addr> {
    let own = nd::solicited_node(frames::own_link_local(info));
    let mut groups = match info.role {
        Role::Access => vec![ALL_ROUTERS, own],
        Role::Core => vec![own, nd::solicited_node(core)],
    };
    groups.sort();
    groups.dedup();
    groups
}
