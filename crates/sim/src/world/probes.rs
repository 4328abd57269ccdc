// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions and their probes: what is sent, where it goes, and what arrives that must not.

use crate::flow::{Flow, Party};
use crate::frames;
use crate::names::{self, LEGACY};
use crate::queue::{Act, Event, FlowId, HostId, NodeId};
use crate::world::World;
use crate::{MS, names::host_name};
use wire::addr::{Prefix64, ROUTER_MAC};

impl World {
    /// Two parties begin to talk, from the address each prefers now; as soon as each has one.
    pub(super) fn session(&mut self, a: HostId, b: Option<HostId>) {
        let other = match b {
            Some(b) => self.hosts[b].preferred().map(|address| (Party::Host(b), address)),
            None => Some((Party::Legacy, LEGACY)),
        };
        let (Some(own), Some((party, other))) = (self.hosts[a].preferred(), other) else {
            return self.later(100 * MS, Act::Session { a, b });
        };
        let text = |flow: &Flow| format!("{} talks to {}", flow.src, flow.dst);
        for (from, to, src, dst) in
            [(Party::Host(a), party, own, other), (party, Party::Host(a), other, own)]
        {
            let flow = Flow::new(from, to, src, dst);
            self.note_event(text(&flow));
            self.flows.push(flow);
            self.pace_flow(self.flows.len() - 1);
        }
    }

    /// A flow's next probe.
    pub(super) fn probe(&mut self, flow: FlowId, pace: u64) {
        if self.pace.1 != pace {
            return;
        }
        self.send_probe(flow);
        self.queue.push(self.now + self.pace.0, Event::Probe { flow, pace });
    }

    pub(crate) fn send_probe(&mut self, flow: FlowId) {
        let host = match self.flows[flow].from {
            Party::Host(host) => host,
            Party::Legacy => {
                let seq = self.flows[flow].send(self.now, true);
                return self.legacy_sends(flow, seq);
            }
        };
        let Some(node) = self.hosts[host].at else {
            self.flows[flow].unsent += 1;
            return;
        };
        let reached = self.nodes[node].live.is_some();
        let seq = self.flows[flow].send(self.now, reached);
        let Flow { src, dst, .. } = self.flows[flow];
        let frame = frames::probe(ROUTER_MAC, self.hosts[host].mac, src, dst, flow, seq);
        self.access_frame(node, &frame);
    }

    /// A probe goes over a link of the core.
    pub(super) fn crossed(&mut self, flow: FlowId, seq: u32, from: NodeId, to: NodeId) {
        let Some(probe) =
            self.flows.get_mut(flow).and_then(|flow| flow.probes.get_mut(seq as usize))
        else {
            return;
        };
        if probe.cross(from, to) {
            let text =
                format!("probe {seq} of flow {flow}: {}", way(probe.way(), self.nodes.len()));
            self.findings.looped(self.now, text);
        }
    }

    /// A packet that is no ICMPv6 comes to a host.
    pub(super) fn arrived_at_host(&mut self, host: HostId, frame: &[u8]) {
        let Some((flow, seq)) = frames::read_probe(frame) else { return };
        // A host that was given another's prefix thinks it owns it; its owner is who had it first.
        let owns = frames::destination(frame)
            .is_some_and(|dst| self.owners.get(&Prefix64::of(dst)) == Some(&host));
        if !owns {
            let text = format!("probe {seq} of flow {flow} comes to {}", host_name(host));
            return self.findings.hijacked(self.now, text);
        }
        if flow == FlowId::from(u16::MAX) {
            let text =
                format!("{} gets a packet with a source that is not its sender's", host_name(host));
            return self.findings.hijacked(self.now, text);
        }
        if self.flows.get(flow).is_some_and(|flow| flow.to == Party::Host(host)) {
            self.arrived(flow, seq);
        }
    }

    /// A packet comes to S.
    pub(super) fn arrived_at_legacy(&mut self, frame: &[u8]) {
        if let Some((flow, seq)) = frames::read_probe(frame)
            && self.flows.get(flow).is_some_and(|flow| flow.to == Party::Legacy)
        {
            self.arrived(flow, seq);
        }
    }

    fn arrived(&mut self, flow: FlowId, seq: u32) {
        let reordered = self.flows[flow].reordered;
        if self.flows[flow].arrive(self.now, seq) > 1 {
            self.findings.doubled(self.now, self.story(flow, seq));
        }
        if self.flows[flow].reordered > reordered {
            let ahead = self.flows[flow].newest - 1;
            let text = format!("{}; ahead was {}", self.story(flow, seq), self.story(flow, ahead));
            self.findings.reordered(self.now, text);
        }
    }

    /// A probe's way in words.
    fn story(&self, flow: FlowId, seq: u32) -> String {
        let probe = &self.flows[flow].probes[seq as usize];
        let sent = probe.sent as f64 / 1e3;
        format!(
            "probe {seq} of flow {flow}, sent at {sent:.3}: {}",
            way(probe.way(), self.nodes.len())
        )
    }
}

/// `a1>b2 b2>a3`.
pub(crate) fn way(links: &[(u8, u8)], maars: usize) -> String {
    let name = |node: u8| match usize::from(node) {
        node if node < maars => names::name(node),
        _ => "S".to_owned(),
    };
    links
        .iter()
        .map(|&(from, to)| format!("{}>{}", name(from), name(to)))
        .collect::<Vec<_>>()
        .join(" ")
}
