// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hosts: they move, greet, hear and answer.

use crate::frames;
use crate::host::Heard;
use crate::names;
use crate::queue::{Act, Event, Greeting, HostId, NodeId, Told};
use crate::trace::Lane;
use crate::world::{HOST_ANSWERS, World};
use std::net::Ipv6Addr;
use wire::addr::Prefix64;

impl World {
    /// A host goes off its link; the access point says so, as `told` has it.
    pub(crate) fn leave(&mut self, host: HostId, told: Told) {
        self.hosts[host].travel += 1;
        if let Some(node) = self.hosts[host].at.take() {
            self.note_event(format!("{} leaves {}", names::host_name(host), names::name(node)));
            self.tell(host, node, false, told);
        }
    }

    /// It comes to a MAAR's link.
    pub(super) fn arrive(&mut self, host: HostId, to: NodeId, greeting: Greeting, told: Told) {
        self.hosts[host].at = Some(to);
        self.note_event(format!("{} comes to {}", names::host_name(host), names::name(to)));
        self.tell(host, to, true, told);
        let sessions = match greeting {
            Greeting::Nothing => return,
            Greeting::Rs => Vec::new(),
            Greeting::DraftRs => self.sessions_of(host),
        };
        self.solicit(host, sessions);
    }

    fn tell(&mut self, host: HostId, node: NodeId, attached: bool, told: Told) {
        let event = Act::L2 { node, mac: self.hosts[host].mac, attached };
        match told {
            Told::Never => {}
            Told::After(late) => self.later(late, event),
            Told::Twice(late) => {
                self.later(0, event.clone());
                self.later(late, event);
            }
        }
    }

    /// The sessions of a host as a draft RS lists them.
    fn sessions_of(&self, host: HostId) -> Vec<(Ipv6Addr, Ipv6Addr)> {
        use crate::flow::Party;
        let own = self.flows.iter().filter(|flow| flow.from == Party::Host(host));
        own.map(|flow| (flow.src, flow.dst)).take(32).collect()
    }

    /// It sends an RS.
    pub(super) fn solicit(&mut self, host: HostId, sessions: Vec<(Ipv6Addr, Ipv6Addr)>) {
        let Some(node) = self.hosts[host].at else { return };
        let mac = self.hosts[host].mac;
        if let Some(trace) = &mut self.trace {
            let text = if sessions.is_empty() { "RS" } else { "RS with sessions" };
            trace.arrow(self.now, Lane::Host(host), Lane::Maar(node), text.to_owned());
        }
        let frame = frames::router_solicit(mac, frames::link_local(mac), sessions);
        self.queue.push(self.now + HOST_ANSWERS, Event::FromHost { host, node, frame });
    }

    /// A frame leaves by a MAAR's access port: who is there and listens hears it.
    pub(super) fn over_access(&mut self, node: NodeId, frame: &[u8]) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].at == Some(node) && self.hosts[host].listens(frame) {
                self.hear(host, node, frame);
            }
        }
    }

    fn hear(&mut self, host: HostId, node: NodeId, frame: &[u8]) {
        match self.hosts[host].hear(frame) {
            Heard::Probe => self.arrived_at_host(host, frame),
            Heard::Answer(frame) => {
                self.queue.push(self.now + HOST_ANSWERS, Event::FromHost { host, node, frame });
            }
            Heard::Prefixes { preferred, kept } => self.advertised(host, node, &preferred, &kept),
            Heard::Nothing => {}
        }
    }

    /// A prefix belongs to the host that it was given to first: nobody else may be told to use it.
    fn advertised(
        &mut self,
        host: HostId,
        node: NodeId,
        preferred: &[Prefix64],
        kept: &[Prefix64],
    ) {
        if let Some(trace) = &mut self.trace {
            let text = |list: &[Prefix64]| {
                list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let text = match kept {
                [] => format!("RA {}", text(preferred)),
                _ => format!("RA {}, old {}", text(preferred), text(kept)),
            };
            trace.arrow(self.now, Lane::Maar(node), Lane::Host(host), text);
        }
        for prefix in preferred.iter().chain(kept) {
            let owner = *self.owners.entry(*prefix).or_insert(host);
            if owner != host {
                let text = format!(
                    "{} gives {prefix} of {} to {}",
                    names::name(node),
                    names::host_name(owner),
                    names::host_name(host)
                );
                self.findings.hijacked(self.now, text);
            }
        }
    }
}
