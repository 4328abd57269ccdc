// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path's side of the rings: punts and samples from the workers, updates and frames to them.

use crate::worker::Outgoing;
use dataplane::PortId;
use dataplane::counters::Stats;
use dataplane::punt::Punt;
use dataplane::update::Update;
use dataplane::worker::WorkerEnds;
use dpdk::{Mbuf, Mempool};
use slowpath::Input;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::buf::PacketBuf;

/// One worker, seen from here.
pub struct WorkerEnd {
    ends: WorkerEnds<Mbuf>,
    /// Updates that found the ring full, in order.
    backlog: VecDeque<Update>,
    /// By `PortId`: frames the port did not take.
    unsent: Arc<[AtomicU64]>,
    /// Under a load test: whose updates are whose.
    shared: Option<Shared>,
}

/// What the worker counts as applied is the slow path's updates and a load test's together.
#[derive(Default)]
struct Shared {
    /// All that were queued.
    sent: u64,
    /// Of the slow path's that are not known to be applied, how many were queued until then, itself included.
    waiting: VecDeque<u64>,
    /// The slow path's that are applied.
    applied: u64,
}

impl WorkerEnd {
    /// The slow path's ends of one worker.
    pub fn new(ends: WorkerEnds<Mbuf>, unsent: Arc<[AtomicU64]>) -> WorkerEnd {
        WorkerEnd { ends, backlog: VecDeque::new(), unsent, shared: None }
    }

    /// Gives the worker's next message to `take`; `false` when there is none. Snapshots given back die here.
    pub fn punt(&mut self, take: impl FnOnce(Input<'_>)) -> bool {
        match self.ends.punts.pop() {
            Ok(Punt::Frame { port, reason, buf }) => {
                take(Input::Frame { port, reason, frame: buf.data() });
            }
            Ok(Punt::Session { hoa, cn }) => take(Input::Session { hoa, cn }),
            Ok(Punt::Parked(report)) => take(Input::Parked(report)),
            Ok(Punt::Marker(marker)) => take(Input::Marker(marker)),
            Ok(Punt::Peer(peer)) => take(Input::Peer(peer)),
            Ok(Punt::OldFib(_)) => {}
            Err(_) => return false,
        }
        true
    }

    /// Queues an update: none is lost, and their order is kept.
    pub fn update(&mut self, update: Update) {
        if let Some(shared) = &mut self.shared {
            shared.sent += 1;
            shared.waiting.push_back(shared.sent);
        }
        self.backlog.push_back(update);
        self.push();
    }

    /// Before the first update: a load test will send updates too.
    pub fn share(&mut self) {
        self.shared = Some(Shared::default());
    }

    /// Queues an update of a load test if there is room for it now.
    pub fn load(&mut self, update: Update) -> bool {
        let Some(shared) = &mut self.shared else { return false };
        let taken = self.backlog.is_empty() && self.ends.updates.push(update).is_ok();
        shared.sent += u64::from(taken);
        taken
    }

    /// Updates of the slow path that the worker has applied.
    pub fn applied(&mut self) -> u64 {
        let all = self.ends.stats.applied();
        let Some(shared) = &mut self.shared else { return all };
        while shared.waiting.pop_front_if(|at| *at <= all).is_some() {
            shared.applied += 1;
        }
        shared.applied
    }

    /// Updates of a load test that the worker has applied.
    pub fn applied_of_load(&mut self) -> u64 {
        let all = self.ends.stats.applied();
        all.saturating_sub(self.applied())
    }

    /// Moves waiting updates into the ring as far as it goes.
    pub fn push(&mut self) {
        while let Some(update) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(update)) = self.ends.updates.push(update) {
                self.backlog.push_front(update);
                break;
            }
        }
    }

    /// Updates that wait.
    pub fn waiting(&self) -> u64 {
        self.backlog.len() as u64
    }

    /// What the worker publishes.
    pub fn stats(&self) -> &Stats {
        &self.ends.stats
    }

    /// Frames a port did not take from this worker.
    pub fn unsent(&self, port: usize) -> u64 {
        self.unsent.get(port).map_or(0, |n| n.load(Ordering::Relaxed))
    }
}

/// The way out for the slow path's own frames: worker 0's queues.
pub struct Sender {
    ring: rtrb::Producer<Outgoing>,
    pool: Mempool,
    /// Frames lost because the mempool was empty or the frame too long for a buffer.
    pub no_mbuf: u64,
    /// Frames lost because worker 0 did not fetch them.
    pub ring_full: u64,
}

impl Sender {
    /// Frames from `pool` into `ring`.
    pub fn new(ring: rtrb::Producer<Outgoing>, pool: Mempool) -> Sender {
        Sender { ring, pool, no_mbuf: 0, ring_full: 0 }
    }

    /// Sends a frame, or drops and counts it.
    pub fn send(&mut self, port: PortId, frame: &[u8]) {
        let Some(frame) = self.pool.alloc_copy(frame) else {
            self.no_mbuf += 1;
            return;
        };
        if self.ring.push(Outgoing { port, frame }).is_err() {
            self.ring_full += 1;
        }
    }

    /// The mempool, for its counters.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::fib::FibBuilder;
    use dataplane::worker::{Sizes, workers};

    #[test]
    fn updates_that_find_the_ring_full_wait_and_none_is_lost() {
        let sizes = Sizes { bindings: 1024, updates: 2, punts: 16, parked: 0 };
        let fib = Arc::new(FibBuilder::default().build());
        let (mut workers, ends, _table) = workers::<Mbuf>(1, sizes, fib);
        let ends = ends.into_iter().next().expect("one worker");
        let mut end = WorkerEnd::new(ends, Arc::new([]));
        for key in 1..=10 {
            end.update(Update::Unbind { key });
        }
        assert_eq!(end.waiting(), 8);
        for _ in 0..5 {
            workers[0].housekeeping();
            end.push();
        }
        assert_eq!((end.waiting(), end.stats().applied()), (0, 10));
    }

    #[test]
    fn what_a_load_test_sends_acknowledges_nothing_of_the_slow_path() {
        let sizes = Sizes { bindings: 1024, updates: 4, punts: 16, parked: 0 };
        let fib = Arc::new(FibBuilder::default().build());
        let (mut workers, ends, _table) = workers::<Mbuf>(1, sizes, fib);
        let ends = ends.into_iter().next().expect("one worker");
        let mut end = WorkerEnd::new(ends, Arc::new([]));
        end.share();
        assert!(end.load(Update::Unbind { key: 1 }) && end.load(Update::Unbind { key: 2 }));
        end.update(Update::Unbind { key: 3 });
        assert!(end.load(Update::Unbind { key: 4 }));
        assert!(!end.load(Update::Unbind { key: 5 }), "no room");
        assert_eq!(end.applied(), 0);
        workers[0].housekeeping();
        assert_eq!((end.applied(), end.applied_of_load()), (1, 3));
    }
}
