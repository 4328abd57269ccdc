// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The poll loop: receive a burst, run the packet program, send. Read [`PollLoop::run`] first, then
//! `dataplane::worker`.
//!
//! A turn looks at every port once. Nothing here waits, allocates, locks, logs or reads a clock; a worker that polls
//! adaptively sleeps when nothing came.

use crate::config::Poll;
use crate::idle::Idle;
use arrayvec::ArrayVec;
use dataplane::worker::{Transmit, Worker};
use dataplane::{BURST, PortId};
use dpdk::{Mbuf, RxQueue, TxQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Turns between two looks at the rings and the stop flag while there is traffic.
const HOUSEKEEPING: u32 = 8;
/// Frames of the slow path sent in one such look.
const SLOWPATH_FRAMES: usize = 64;
/// Empty turns before an adaptive worker sleeps.
const SPIN: u32 = 32;

/// A frame on its way from the slow path to worker 0.
pub struct Outgoing {
    /// By this port.
    pub port: PortId,
    /// The frame.
    pub frame: Mbuf,
}

/// One worker with its queues.
pub struct PollLoop {
    worker: Worker<Mbuf>,
    /// By `PortId`.
    receive: Vec<RxQueue>,
    transmit: Queues,
    /// Worker 0 sends for the slow path.
    outgoing: Option<rtrb::Consumer<Outgoing>>,
    poll: Poll,
    stop: Arc<AtomicBool>,
    /// Under a load test: the longest housekeeping so far, in cycles of the time stamp counter.
    longest: Option<Arc<AtomicU64>>,
}

impl PollLoop {
    /// `receive` and `transmit` are by `PortId`.
    pub fn new(
        worker: Worker<Mbuf>,
        receive: Vec<RxQueue>,
        transmit: Queues,
        outgoing: Option<rtrb::Consumer<Outgoing>>,
        poll: Poll,
        stop: Arc<AtomicBool>,
    ) -> PollLoop {
        PollLoop { worker, receive, transmit, outgoing, poll, stop, longest: None }
    }

    /// Takes the time of each housekeeping; where the longest one is told, in cycles of the time stamp counter. Who
    /// sets it to 0 starts anew.
    pub fn time_pauses(&mut self) -> Arc<AtomicU64> {
        self.longest.get_or_insert_default().clone()
    }

    /// Runs until the stop flag is up; the queues are given back then.
    pub fn run(mut self) {
        let mut idle = Idle::after(SPIN);
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let mut worked = self.ports();
            if turn % HOUSEKEEPING == 0 || idle.is_idle() {
                worked |= self.rings();
            }
            self.transmit.flush();
            turn = turn.wrapping_add(1);
            if self.poll == Poll::Adaptive {
                idle.turn(worked);
            }
        }
        self.rings();
        self.transmit.flush();
    }

    /// One burst of every port; whether anything came.
    fn ports(&mut self) -> bool {
        let mut burst = ArrayVec::new();
        let mut worked = false;
        for (port, queue) in self.receive.iter_mut().enumerate() {
            queue.receive(&mut burst);
            worked |= !burst.is_empty();
            if !burst.is_empty() || self.worker.holds() {
                self.worker.burst(port as PortId, &mut burst, &mut self.transmit);
            }
        }
        worked
    }

    /// Updates and counters, and the slow path's frames after them. Only frames that were there before: what a frame
    /// announces was put into the update ring first, and so is in force when it leaves.
    fn rings(&mut self) -> bool {
        let ready = self.outgoing.as_ref().map_or(0, rtrb::Consumer::slots).min(SLOWPATH_FRAMES);
        self.housekeeping();
        self.transmit.publish();
        for _ in 0..ready {
            let next = self.outgoing.as_mut().and_then(|outgoing| outgoing.pop().ok());
            let Some(Outgoing { port, frame }) = next else { break };
            self.transmit.transmit(port, frame);
        }
        ready > 0
    }

    fn housekeeping(&mut self) {
        let Some(longest) = &self.longest else { return self.worker.housekeeping() };
        let start = dpdk::cycles::now();
        self.worker.housekeeping();
        // Not fetch_max: a load and, seldom, a store. A reset that comes between them is lost, and tried again.
        let took = dpdk::cycles::now() - start;
        if took > longest.load(Ordering::Relaxed) {
            longest.store(took, Ordering::Relaxed);
        }
    }
}

/// A worker's transmit queues and what waits for them.
pub struct Queues {
    /// By `PortId`.
    ports: Vec<(TxQueue, ArrayVec<Mbuf, BURST>)>,
    /// By `PortId`: frames the port did not take, for the slow path to read.
    unsent: Arc<[AtomicU64]>,
}

impl Queues {
    /// `queues` are by `PortId`.
    pub fn new(queues: Vec<TxQueue>) -> Queues {
        let unsent = queues.iter().map(|_| AtomicU64::new(0)).collect();
        Queues { ports: queues.into_iter().map(|q| (q, ArrayVec::new())).collect(), unsent }
    }

    /// Frames that were freed because a port did not take them, by `PortId`.
    pub fn unsent(&self) -> Arc<[AtomicU64]> {
        self.unsent.clone()
    }

    fn flush(&mut self) {
        for (queue, waiting) in &mut self.ports {
            if !waiting.is_empty() {
                queue.send(waiting);
            }
        }
    }

    fn publish(&self) {
        for ((queue, _), unsent) in self.ports.iter().zip(self.unsent.iter()) {
            unsent.store(queue.unsent(), Ordering::Relaxed);
        }
    }
}

impl Transmit<Mbuf> for Queues {
    fn transmit(&mut self, port: PortId, frame: Mbuf) {
        // A port beyond the configured ones cannot be named: PortInfo and these queues are made from one list.
        let Some((queue, waiting)) = self.ports.get_mut(usize::from(port)) else { return };
        if waiting.is_full() {
            queue.send(waiting);
        }
        waiting.push(frame);
    }
}
