// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several workers of one router: flows are handed to their workers, and the books balance over all of them.

use crate::rig::*;
use arrayvec::ArrayVec;
use dataplane::punt::Punt;
use dataplane::spread::{Spread, mesh};
use dataplane::update::Update;
use dataplane::worker::{Sizes, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::buf::VecBuf;

struct Crew {
    workers: Vec<Worker<VecBuf>>,
    ends: Vec<WorkerEnds<VecBuf>>,
    /// By worker.
    sent: Vec<Sent>,
    /// Frames a worker punted; sessions and reports aside.
    punted: usize,
}

impl Crew {
    /// Figure 2 with `n` workers whose rings take `entries` packets.
    fn new(n: usize, entries: usize, ports: &[Spread]) -> Crew {
        let sizes = Sizes { bindings: 256, updates: 256, punts: 1024, parked: 256 };
        let (mut workers, mut ends, table) = workers(n, sizes, Arc::new(fib().build()));
        for (worker, mesh) in workers.iter_mut().zip(mesh(n, entries, ports)) {
            worker.join(mesh);
        }
        for (key, verdict) in bindings() {
            let update = Update::Bind { key, verdict };
            assert!(ends[table.shard_of(key)].updates.push(update).is_ok());
        }
        workers.iter_mut().for_each(Worker::housekeeping);
        let sent = (0..n).map(|_| Sent::default()).collect();
        Crew { workers, ends, sent, punted: 0 }
    }

    fn receive(&mut self, worker: usize, port: PortId, frames: &[Vec<u8>]) {
        for frames in frames.chunks(BURST) {
            let mut burst: ArrayVec<VecBuf, BURST> =
                frames.iter().map(|frame| VecBuf::new(frame)).collect();
            self.workers[worker].burst(port, &mut burst, &mut self.sent[worker]);
        }
    }

    /// Turns until the rings are empty.
    fn settle(&mut self) {
        while self.turn() {}
    }

    fn turn(&mut self) -> bool {
        let mut worked = false;
        for (worker, sent) in self.workers.iter_mut().zip(&mut self.sent) {
            worked |= worker.taken_over(sent);
            worker.housekeeping();
        }
        for ends in &mut self.ends {
            while let Ok(punt) = ends.punts.pop() {
                self.punted += usize::from(matches!(punt, Punt::Frame { .. }));
            }
        }
        worked
    }

    fn counts(&self, worker: usize) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        self.ends[worker].stats.each(|name, value| {
            counts.insert(name, value);
        });
        counts
    }

    fn sum(&self, name: &str) -> u64 {
        (0..self.workers.len()).map(|worker| self.counts(worker)[name]).sum()
    }

    /// Every received frame has one final count, or waits.
    #[track_caller]
    fn balance(&self) {
        let is_final = |name: &str| name != "rx" && !name.starts_with("info.");
        let of = |worker| self.counts(worker).into_iter();
        let ended: u64 = (0..self.workers.len())
            .flat_map(|worker| of(worker).filter(|(name, _)| is_final(name)))
            .map(|(_, value)| value)
            .sum();
        assert_eq!(self.sum("info.handed_over"), self.sum("info.taken_over"));
        assert_eq!(self.sum("rx"), ended);
        let left = self.sum("delivered") + self.sum("tunnelled") + self.sum("native");
        assert_eq!(self.sent.iter().map(|sent| sent.0.len() as u64).sum::<u64>(), left);
    }
}

/// `packets` of each of `flows` flows from B to A through one tunnel, one after the other; their numbers are in them.
fn tunnel_flows(flows: u16, packets: u8) -> Vec<Vec<u8>> {
    let one = |flow: u16, n: u8| {
        let mut datagram = udp(&[n]);
        datagram[..2].copy_from_slice(&(40_000 + flow).to_be_bytes());
        let inner = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, 17, &datagram);
        around(B_MAAR2, &inner[14..])
    };
    (0..packets).flat_map(|n| (0..flows).map(move |flow| one(flow, n))).collect()
}

/// Source port and number of a delivered packet.
fn flow_and_number(frame: &[u8]) -> (u16, u8) {
    (u16::from_be_bytes([frame[54], frame[55]]), frame[62])
}

#[test]
fn one_pair_of_maars_is_spread_over_the_workers_and_each_flow_stays_in_order_on_one() {
    for n in [2, 3, 4] {
        let mut crew = Crew::new(n, 1024, &[Spread::Off, Spread::Tunnels]);
        let frames = tunnel_flows(64, 10);
        crew.receive(0, CORE, &frames);
        crew.settle();
        crew.balance();
        assert_eq!(crew.sum("delivered"), 640);
        let mut seen: BTreeMap<u16, (usize, u8)> = BTreeMap::new();
        for (worker, sent) in crew.sent.iter().enumerate() {
            let share = sent.0.len();
            assert!((640 / n / 3..640 * 2 / n).contains(&share), "worker {worker} of {n}: {share}");
            for (port, frame) in &sent.0 {
                assert_eq!(*port, ACCESS);
                let (flow, number) = flow_and_number(frame);
                let next = seen.entry(flow).or_insert((worker, 0));
                assert_eq!(*next, (worker, number), "flow {flow}");
                next.1 += 1;
            }
        }
        assert_eq!(seen.len(), 64);
    }
}

#[test]
fn the_fragments_of_a_labelled_flow_stay_with_its_other_packets() {
    let mut crew = Crew::new(4, 1024, &[Spread::Off, Spread::Tunnels]);
    let labelled = |next: u8, payload: &[u8], label: u8| {
        let mut inner = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, next, payload)[14..].to_vec();
        inner[3] = label;
        around(B_MAAR2, &inner)
    };
    for label in 1..=32 {
        let before: Vec<u64> = (0..4).map(|worker| crew.counts(worker)["delivered"]).collect();
        let fragment = [&[17, 0, 0, 1, 0, 0, 0, 1][..], &udp(b"hello")].concat();
        let whole = labelled(17, &udp(b"hello"), label);
        crew.receive(0, CORE, &[whole, labelled(44, &fragment, label)]);
        crew.settle();
        let moved = |worker: usize| crew.counts(worker)["delivered"] - before[worker];
        assert_eq!((0..4).filter(|&worker| moved(worker) == 2).count(), 1, "label {label}");
    }
    assert!((0..4).all(|worker| crew.counts(worker)["delivered"] > 0));
}

#[test]
fn a_port_whose_hash_spreads_plain_flows_hands_only_tunnel_packets_over() {
    let uplink = |n: u16| from_a(A_HOA1, &format!("2001:db8:b1:b::{n:x}"));
    let frames: Vec<_> = (1..=64).map(uplink).collect();
    let mut crew = Crew::new(2, 1024, &[Spread::Tunnels, Spread::Tunnels]);
    crew.receive(0, ACCESS, &frames);
    crew.settle();
    crew.balance();
    assert_eq!((crew.counts(0)["tunnelled"], crew.sum("info.handed_over")), (64, 0));
    let mut crew = Crew::new(2, 1024, &[Spread::All, Spread::Tunnels]);
    crew.receive(0, ACCESS, &frames);
    crew.settle();
    crew.balance();
    assert!(crew.counts(1)["tunnelled"] > 16);
    assert_eq!(crew.sum("tunnelled"), 64);
}

#[test]
fn a_worker_that_is_behind_costs_its_own_flows_packets_and_nobody_waits() {
    let mut crew = Crew::new(2, 16, &[Spread::Off, Spread::Tunnels]);
    crew.receive(0, CORE, &tunnel_flows(64, 1));
    crew.settle();
    crew.balance();
    let (own, others) = (crew.counts(0)["delivered"], crew.counts(1)["delivered"]);
    assert_eq!((others, crew.counts(0)["drop.mesh_full"]), (16, 64 - own - 16));
}

#[test]
fn what_is_no_packet_to_forward_ends_where_it_came_in() {
    let mut crew = Crew::new(2, 64, &[Spread::All, Spread::All]);
    let signal = frame(CORE_MAC, MAC_ROUTER, A_MAAR1, A_MAAR3, 135, &[59, 0, 0, 0, 0, 0, 0, 0]);
    crew.receive(1, CORE, &[signal, by_core(S, "ff0e::1"), by_tunnel(S, B_HOA1, A_HOA1)]);
    crew.settle();
    crew.balance();
    let counts = crew.counts(1);
    assert_eq!((counts["punt.mobility_header"], crew.punted), (1, 1));
    assert_eq!((counts["drop.multicast"], counts["drop.tunnel_not_peer"]), (1, 1));
    assert_eq!(crew.sum("info.handed_over"), 0);
}

#[test]
fn packets_of_a_flow_that_wait_leave_in_order_from_the_worker_they_wait_with() {
    let mut crew = Crew::new(2, 1024, &[Spread::Off, Spread::Tunnels]);
    let mut frames = tunnel_flows(8, 6);
    for frame in &mut frames {
        frame[54 + 24..54 + 40].copy_from_slice(&at(E_HOA).octets());
    }
    crew.receive(0, CORE, &frames);
    crew.settle();
    crew.balance();
    assert_eq!(crew.sum("parked"), 48);
    assert!(crew.counts(1)["parked"] > 0 && crew.counts(0)["parked"] > 0);
    let bind = Update::Bind { key: key(E_HOA), verdict: DELIVER_A };
    for ends in &mut crew.ends {
        // The one whose shard it is takes it, the other counts it as misdirected.
        assert!(ends.updates.push(bind.clone()).is_ok());
    }
    crew.settle();
    for _ in 0..50 {
        for worker in 0..2 {
            crew.receive(worker, CORE, &[]);
            let mut nothing = ArrayVec::new();
            crew.workers[worker].burst(CORE, &mut nothing, &mut crew.sent[worker]);
        }
        crew.settle();
    }
    crew.balance();
    assert_eq!((crew.sum("parked"), crew.sum("delivered")), (0, 48));
    let mut next: BTreeMap<u16, u8> = BTreeMap::new();
    for (_, frame) in crew.sent.iter().flat_map(|sent| &sent.0) {
        let (flow, number) = flow_and_number(frame);
        let expected = next.entry(flow).or_default();
        assert_eq!(*expected, number, "flow {flow}");
        *expected += 1;
    }
}
