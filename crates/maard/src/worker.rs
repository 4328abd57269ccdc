// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The poll loop: receive a burst, run the packet program, send. Read [`PollLoop::run`] first, then
//! `dataplane::worker`.
//!
//! A turn looks at every port once. Nothing here waits, allocates, locks, logs or reads a clock
//! for a packet; a worker that polls
//! adaptively sleeps when nothing came.

use crate::config::Poll;
use crate::idle::Idle;
use crate::pauses::Pauses;
use arrayvec::ArrayVec;
use dataplane::worker::{Transmit, Worker};
use dataplane::{BURST, PortId};
use dpdk::{Mbuf, RxQueue, TxQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Turns between two looks at the rings and the stop flag while there is traffic.
const HOUSEKEEPING: u32 = 8;
/// Frames of the slow path sent in one such look.
const SLOWPATH_FRAMES: usize = 64;
/// Empty turns before an adaptive worker sleeps.
const SPIN: u32 = 32;

/// A frame on its way to a worker that sends it: from the slow path to worker 0, from a worker without transmit queue
/// on a port to one that has.
pub struct Outgoing {
    /// By this port.
    pub port: PortId,
    /// The frame.
    pub frame: Mbuf,
}

/// One worker with its queues.
pub struct PollLoop {
    worker: Worker<Mbuf>,
    receive: Vec<(PortId, RxQueue)>,
    transmit: Queues,
    /// Worker 0 sends for the slow path.
    outgoing: Option<rtrb::Consumer<Outgoing>>,
    /// From workers that have no transmit queue on some port.
    relayed: Vec<rtrb::Consumer<Outgoing>>,
    poll: Poll,
    stop: Arc<AtomicBool>,
    /// Where its time begins.
    since: Instant,
    /// Under a load test.
    pauses: Option<Arc<Pauses>>,
}

impl PollLoop {
    /// A worker with its queues and rings.
    pub fn new(
        worker: Worker<Mbuf>,
        hand: Hand,
        outgoing: Option<rtrb::Consumer<Outgoing>>,
        poll: Poll,
        stop: Arc<AtomicBool>,
    ) -> PollLoop {
        let Hand { receive, transmit, relayed } = hand;
        let since = Instant::now();
        PollLoop { worker, receive, transmit, outgoing, relayed, poll, stop, since, pauses: None }
    }

    /// Takes the time of each housekeeping.
    pub fn time_pauses(&mut self) -> Arc<Pauses> {
        self.pauses.get_or_insert_default().clone()
    }

    /// Runs until the stop flag is up; the queues are given back then.
    pub fn run(mut self) {
        let mut idle = Idle::after(SPIN);
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let mut worked = self.ports();
            worked |= self.relay();
            // Before the rings: what follows an update that is acknowledged there is behind what was decided without it.
            self.transmit.flush();
            if turn % HOUSEKEEPING == 0 || idle.is_idle() {
                worked |= self.rings();
                self.transmit.flush();
            }
            turn = turn.wrapping_add(1);
            if self.poll == Poll::Adaptive {
                idle.turn(worked);
            }
        }
        self.rings();
        self.transmit.flush();
    }

    /// One burst of every queue and of every other worker; whether anything came.
    fn ports(&mut self) -> bool {
        let mut burst = ArrayVec::new();
        let mut worked = false;
        for (port, queue) in &mut self.receive {
            queue.receive(&mut burst);
            if !burst.is_empty() {
                worked = true;
                self.worker.burst(*port, &mut burst, &mut self.transmit);
            }
        }
        worked |= self.worker.taken_over(&mut self.transmit);
        if !worked && self.worker.holds() {
            self.worker.burst(0, &mut burst, &mut self.transmit);
        }
        worked
    }

    /// Frames of workers that have no queue for them.
    fn relay(&mut self) -> bool {
        let mut worked = false;
        for ring in &mut self.relayed {
            for _ in 0..BURST {
                let Ok(Outgoing { port, frame }) = ring.pop() else { break };
                self.transmit.transmit(port, frame);
                worked = true;
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
        if self.worker.reassembles() {
            // The one clock a worker reads, and only while pieces of tunnel packets wait.
            let now = self.since.elapsed().as_micros() as u64;
            self.worker.expire(wire::time::Instant(now));
        }
        match &self.pauses {
            Some(pauses) => pauses.time(|| self.worker.housekeeping()),
            None => self.worker.housekeeping(),
        }
    }
}

/// What a worker works with.
#[derive(Default)]
pub struct Hand {
    /// Its receive queues.
    pub receive: Vec<(PortId, RxQueue)>,
    /// Its ways out.
    pub transmit: Queues,
    /// Rings of workers that send through it.
    pub relayed: Vec<rtrb::Consumer<Outgoing>>,
}

/// A worker's ways out.
#[derive(Default)]
pub struct Queues {
    /// By `PortId`.
    ports: Vec<WayOut>,
    /// By `PortId`: frames the port, or the ring to it, did not take, for the slow path to read.
    unsent: Arc<[AtomicU64]>,
}

/// How a worker's frames get to a port.
#[expect(clippy::large_enum_variant, reason = "one a port, and nearly all are the large one")]
pub enum WayOut {
    /// Its own queue, and what waits for it.
    Queue(TxQueue, ArrayVec<Mbuf, BURST>),
    /// A worker that has one; and what its ring did not take.
    Through(rtrb::Producer<Outgoing>, u64),
}

impl Queues {
    /// `ports` is by `PortId`.
    pub fn new(ports: Vec<WayOut>) -> Queues {
        Queues { unsent: ports.iter().map(|_| AtomicU64::new(0)).collect(), ports }
    }

    /// Frames that were freed because nobody took them, by `PortId`.
    pub fn unsent(&self) -> Arc<[AtomicU64]> {
        self.unsent.clone()
    }

    fn flush(&mut self) {
        for way in &mut self.ports {
            if let WayOut::Queue(queue, waiting) = way
                && !waiting.is_empty()
            {
                queue.send(waiting);
            }
        }
    }

    fn publish(&self) {
        for (way, unsent) in self.ports.iter().zip(self.unsent.iter()) {
            let now = match way {
                WayOut::Queue(queue, _) => queue.unsent(),
                WayOut::Through(_, lost) => *lost,
            };
            unsent.store(now, Ordering::Relaxed);
        }
    }
}

impl Transmit<Mbuf> for Queues {
    #[inline(always)]
    fn transmit(&mut self, port: PortId, frame: Mbuf) {
        match self.ports.get_mut(usize::from(port)) {
            Some(WayOut::Queue(queue, waiting)) => {
                if waiting.is_full() {
                    queue.send(waiting);
                }
                waiting.push(frame);
            }
            Some(WayOut::Through(ring, lost)) => {
                *lost += u64::from(ring.push(Outgoing { port, frame }).is_err());
            }
            // A port beyond the configured ones cannot be named: PortInfo and these ways are made from one list.
            None => {}
        }
    }
}
