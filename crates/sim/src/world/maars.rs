// SPDX-License-Identifier: Apache-2.0 OR MIT
//! MAARs: frames to their workers, turns, deadlines, and what they want done.

use crate::core_host::{self, Taken};
use crate::frames;
use crate::names::{self, LEGACY_MAC};
use crate::node::{ACCESS, CORE, Sent};
use crate::queue::{Act, Event, NodeId};
use crate::trace::Lane;
use crate::world::World;
use dataplane::punt::Punt;
use dataplane::{PortId, WorkerId};
use slowpath::{Input, Output};
use wire::buf::{PacketBuf, VecBuf};
use wire::mh;

/// Messages an attacker remembers.
const CAPTURED: usize = 64;

impl World {
    /// Starts it, with its state file or without it.
    pub(super) fn start(&mut self, node: NodeId, record: bool) {
        if self.nodes[node].live.is_some() {
            return;
        }
        if !record {
            self.nodes[node].records.clear();
        }
        let seed = self.seed ^ (node as u64) << 16;
        self.nodes[node].start(self.now, &self.setup, seed, &*self.configs);
        self.note_event(format!("{} starts", names::name(node)));
        self.outputs(node);
        for port in [ACCESS, CORE] {
            self.input(node, Input::Link { port, up: true });
        }
        self.order_turn(node);
    }

    pub(super) fn crash(&mut self, node: NodeId) {
        if let Some(connection) = self.nodes[node].connection {
            self.hang_up(connection);
        }
        self.nodes[node].crash();
        self.note_event(format!("{} dies", names::name(node)));
    }

    /// Gives an input to a MAAR's control side, and does what it wants.
    pub(super) fn input(&mut self, node: NodeId, input: Input<'_>) {
        let now = self.nodes[node].clock.at(self.now);
        let Some(live) = &mut self.nodes[node].live else { return };
        let before: Option<Vec<_>> = self.trace.is_some().then(|| live.router.counters().collect());
        live.router.handle(now, input);
        if let (Some(trace), Some(before)) = (&mut self.trace, before) {
            trace.counted(self.now, Lane::Maar(node), &before, live.router.counters());
        }
        self.outputs(node);
    }

    pub(super) fn core_frame(&mut self, node: NodeId, buf: VecBuf) {
        self.receive(node, CORE, buf);
    }

    pub(super) fn access_frame(&mut self, node: NodeId, frame: &[u8]) {
        self.receive(node, ACCESS, VecBuf::new(frame));
    }

    fn receive(&mut self, node: NodeId, port: PortId, buf: VecBuf) {
        let Some(live) = &mut self.nodes[node].live else { return };
        let spread = frames::spread(buf.data());
        let mut sent = Sent::default();
        live.receive(port, buf, spread, &mut sent);
        let work = live.has_work();
        self.send(node, sent);
        if work {
            self.order_turn(node);
        }
    }

    fn order_turn(&mut self, node: NodeId) {
        if self.nodes[node].turn_at.is_none() {
            let at = self.now + self.moment();
            self.nodes[node].turn_at = Some(at);
            self.queue.push(at, Event::Turn { node });
        }
    }

    /// Workers apply what they were told, each in its own time; the control side hears what they say.
    pub(super) fn turn(&mut self, node: NodeId) {
        if self.nodes[node].turn_at.take() != Some(self.now) {
            return;
        }
        let mut sent = Sent::default();
        for worker in 0..self.setup.workers {
            // A worker that is late for once: its flows go by the old table a little longer.
            let late = self.rng.u32(0..4) == 0;
            if let (Some(live), false) = (&mut self.nodes[node].live, late) {
                live.turn(worker, &mut sent);
            }
        }
        self.send(node, sent);
        if self.nodes[node].live.as_ref().is_some_and(|live| live.router.waits_for_workers()) {
            for worker in 0..self.setup.workers {
                let Some(live) = &self.nodes[node].live else { return };
                let updates = live.applied(worker);
                self.input(node, Input::Applied { worker: worker as WorkerId, updates });
            }
        }
        for worker in 0..self.setup.workers {
            while let Some(punt) = self.nodes[node].live.as_mut().and_then(|live| live.punt(worker))
            {
                match punt {
                    Punt::Frame { port, reason, buf } => {
                        self.input(node, Input::Frame { port, reason, frame: buf.data() });
                    }
                    Punt::Session { hoa, cn } => self.input(node, Input::Session { hoa, cn }),
                    Punt::Parked(report) => self.input(node, Input::Parked(report)),
                    Punt::Marker(marker) => self.input(node, Input::Marker(marker)),
                    Punt::Peer(peer) => self.input(node, Input::Peer(peer)),
                    Punt::OldFib(_) => {}
                }
            }
        }
        if self.nodes[node].live.as_ref().is_some_and(|live| live.has_work()) {
            self.order_turn(node);
        }
    }

    pub(super) fn wake(&mut self, node: NodeId, boots: u64) {
        if self.nodes[node].boots != boots || self.nodes[node].wake_at != Some(self.now) {
            return;
        }
        self.nodes[node].wake_at = None;
        let now = self.nodes[node].clock.at(self.now);
        let Some(live) = &self.nodes[node].live else { return };
        if live.router.deadline().is_some_and(|at| at <= now.mono) {
            self.input(node, Input::Timeout);
        } else {
            self.order_wake(node);
        }
    }

    fn order_wake(&mut self, node: NodeId) {
        let entry = &mut self.nodes[node];
        let Some(at) = entry.live.as_ref().and_then(|live| live.router.deadline()) else { return };
        let at = entry.clock.until(at).max(self.now);
        if entry.wake_at.is_none_or(|wake| at < wake) {
            entry.wake_at = Some(at);
            self.queue.push(at, Event::Wake { node, boots: entry.boots });
        }
    }

    /// Everything the control side wants done, in its order.
    pub(super) fn outputs(&mut self, node: NodeId) {
        while let Some(output) =
            self.nodes[node].live.as_mut().and_then(|live| live.router.poll_output())
        {
            match output {
                Output::Frame { port, frame } => self.transmit(node, port, VecBuf::new(&frame)),
                Output::AaaConnect { .. } => self.aaa_connect(node),
                Output::AaaSend { octets, .. } => self.aaa_send(node, octets),
                Output::AaaClose { .. } => self.aaa_close(node),
                Output::Update { worker, update } => {
                    if let Some(live) = &mut self.nodes[node].live {
                        live.update(usize::from(worker), update);
                    }
                    self.order_turn(node);
                }
                Output::Log { line, .. } => {
                    if let Some(trace) = &mut self.trace {
                        trace.log(self.now, Lane::Maar(node), line);
                    }
                }
                Output::Control { response, .. } => self.answer = Some(response),
                Output::Persist(change) => self.nodes[node].persist(change),
                Output::Stopped => {}
            }
        }
        self.order_wake(node);
    }

    fn send(&mut self, node: NodeId, sent: Sent) {
        for (port, buf) in sent.0 {
            self.transmit(node, port, buf);
        }
    }

    fn transmit(&mut self, node: NodeId, port: PortId, buf: VecBuf) {
        self.digest_of((node * 2) as u64 + u64::from(port), buf.data());
        if port == ACCESS {
            return self.over_access(node, buf.data());
        }
        self.over_core(node, buf);
    }

    /// A frame goes onto the core link.
    pub(super) fn over_core(&mut self, from: NodeId, buf: VecBuf) {
        let maars = self.nodes.len();
        let frame = buf.data();
        let Some(to_mac) = frame.get(..6) else { return };
        if to_mac[0] & 1 == 1 {
            for to in (0..=maars).filter(|&to| to != from) {
                if let Some(at) = self.links.data(self.now, from, to).arrives {
                    self.queue.push(at, Event::Frame { node: to, buf: buf.clone() });
                }
            }
            return;
        }
        let Some(to) = names::node_of_mac(to_mac, maars).filter(|&to| to != from) else { return };
        let fate = match frames::next_header(frame) {
            Some(mh::NEXT_HEADER) => {
                self.capture(to, frame);
                let fate = self.links.signalling(self.now, from, to);
                if let Some(trace) = &mut self.trace {
                    trace.mobility(self.now, from, to, frame, fate);
                }
                fate
            }
            _ => {
                if let Some((flow, seq)) = frames::read_probe(frame) {
                    self.crossed(flow, seq, from, to);
                }
                self.links.data(self.now, from, to)
            }
        };
        if let Some(at) = fate.again {
            self.queue.push(at, Event::Frame { node: to, buf: buf.clone() });
        }
        if let Some(at) = fate.arrives {
            self.queue.push(at, Event::Frame { node: to, buf });
        }
    }

    fn capture(&mut self, to: NodeId, frame: &[u8]) {
        if self.setup.hostile {
            if self.captured.len() == CAPTURED {
                self.captured.pop_front();
            }
            self.captured.push_back((to, frame.to_vec()));
        }
    }

    /// A frame comes to S's router.
    pub(super) fn legacy_frame(&mut self, buf: VecBuf) {
        match core_host::take(buf.data()) {
            Taken::ForLegacy => self.arrived_at_legacy(buf.data()),
            Taken::Answer(frame) => self.over_core(self.nodes.len(), VecBuf::new(&frame)),
            Taken::Nothing => {}
        }
    }

    /// A packet of S goes by its router's routes.
    pub(super) fn legacy_sends(&mut self, flow: usize, seq: u32) {
        let (src, dst) = (self.flows[flow].src, self.flows[flow].dst);
        let Some(to) = core_host::next_hop(dst, self.nodes.len()) else { return };
        let frame = frames::probe(names::core_mac(to), LEGACY_MAC, src, dst, flow, seq);
        self.over_core(self.nodes.len(), VecBuf::new(&frame));
    }

    /// An access point's word.
    pub(super) fn l2(&mut self, node: NodeId, mac: wire::addr::Mac, attached: bool) {
        use slowpath::control::Request;
        let request = match attached {
            true => Request::Attach { mac: mac.to_string(), port: Some(ACCESS), mn_id: None },
            false => Request::Detach { mac: mac.to_string() },
        };
        if let (Some(trace), Some(host)) =
            (&mut self.trace, self.hosts.iter().position(|host| host.mac == mac))
        {
            let text = if attached { "L2 attach" } else { "L2 detach" };
            trace.arrow(self.now, Lane::Host(host), Lane::Maar(node), text.to_owned());
        }
        self.input(node, Input::Control { id: 0, request });
    }

    /// Orders an act for later.
    pub(super) fn later(&mut self, after: u64, act: Act) {
        self.plan(self.now + after, act);
    }
}
