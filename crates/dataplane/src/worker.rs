// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A worker's half of the data plane: tables, rings, counters. The poll loop around it lives in maard (and in the
//! simulator): receive a burst, [`Worker::burst`], send; every few turns [`Worker::housekeeping`].

use crate::counters::{Counts, Info, Stats};
use crate::fib::Fib;
use crate::fragment::Fragments;
use crate::hold::Holds;
use crate::park::Parks;
use crate::pipeline::{Pipeline, Read, Source};
use crate::punt::{Punt, Punts};
use crate::sample::Samples;
use crate::spread::Mesh;
use crate::table::{Parts, Refused, ShardWriter, Table};
use crate::update::Update;
use crate::{BURST, PortId, WorkerId};
use arrayvec::ArrayVec;
use rtrb::RingBuffer;
use std::sync::Arc;
use wire::buf::PacketBuf;
use wire::time::Instant;

/// Updates applied in one turn at most: some microseconds between two bursts.
const UPDATES: usize = 64;

/// Where frames leave.
pub trait Transmit<B> {
    /// Queues `buf` on `port`. A full queue drops and counts, it never waits.
    fn transmit(&mut self, port: PortId, buf: B);
}

/// Sizes of what the workers and the slow path share.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Keys the binding table takes for certain.
    pub bindings: usize,
    /// Entries of each worker's update ring.
    pub updates: usize,
    /// Entries of each worker's punt ring.
    pub punts: usize,
    /// Packets each worker may park; all workers together a tenth of the packet buffers at most. 0: none.
    pub parked: usize,
}

/// One worker. Owned by one thread at a time.
pub struct Worker<B> {
    pipeline: Pipeline<B>,
    shard: ShardWriter,
    updates: rtrb::Consumer<Update>,
    /// A snapshot that waits for room in the punt ring. No update is applied before it is back, so there is never a
    /// second one.
    returning: Option<Arc<Fib>>,
    applied: u64,
    turns: u64,
    stats: Arc<Stats>,
}

/// The slow path's ends of one worker's rings, and what the worker publishes.
pub struct WorkerEnds<B> {
    /// Updates to the worker.
    pub updates: rtrb::Producer<Update>,
    /// What the worker punts.
    pub punts: rtrb::Consumer<Punt<B>>,
    /// Counters, updates applied, turns.
    pub stats: Arc<Stats>,
}

/// `n` workers that share one table, and the slow path's ends.
///
/// # Panics
/// If `n` is 0.
pub fn workers<B: PacketBuf>(
    n: usize,
    sizes: Sizes,
    fib: Arc<Fib>,
) -> (Vec<Worker<B>>, Vec<WorkerEnds<B>>, Table) {
    workers_on(Table::new(sizes.bindings, n, n), sizes, fib)
}

/// A worker for each shard of a table that was made for as many workers as shards, and the slow path's ends.
pub fn workers_on<B: PacketBuf>(
    parts: Parts,
    sizes: Sizes,
    fib: Arc<Fib>,
) -> (Vec<Worker<B>>, Vec<WorkerEnds<B>>, Table) {
    let Parts { table, writers, readers } = parts;
    let one = |(worker, (shard, reader)): (usize, _)| {
        let (updates_in, updates) = RingBuffer::new(sizes.updates);
        let (punts, punts_out) = RingBuffer::new(sizes.punts);
        let stats = Arc::new(Stats::default());
        let pipeline = Pipeline {
            fib: fib.clone(),
            table: reader,
            punts: Punts::new(punts),
            samples: Samples::new(),
            parks: Parks::new(sizes.parked),
            mesh: None,
            holds: Holds::new(),
            fragments: Fragments::new(worker as WorkerId),
            counts: Counts::new(),
            read: Read::new(),
        };
        let ends = WorkerEnds { updates: updates_in, punts: punts_out, stats: stats.clone() };
        let worker =
            Worker { pipeline, shard, updates, returning: None, applied: 0, turns: 0, stats };
        (worker, ends)
    };
    let (workers, ends) = writers.into_iter().zip(readers).enumerate().map(one).unzip();
    (workers, ends, table)
}

impl<B: PacketBuf> Worker<B> {
    /// Runs parked packets again, then the three passes over what came in on `port`; `burst` is empty afterwards, and
    /// may be before.
    pub fn burst(
        &mut self,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        tx: &mut impl Transmit<B>,
    ) {
        self.pipeline.run(Source::Port, port, burst, tx);
    }

    /// Spreads flows with the other workers of this mesh from now on.
    pub fn join(&mut self, mesh: Mesh<B>) {
        self.pipeline.mesh = Some(mesh);
    }

    /// Runs what other workers handed over, a burst of each at most; `false` when there was nothing. Once a turn.
    #[inline]
    pub fn taken_over(&mut self, tx: &mut impl Transmit<B>) -> bool {
        let others = self.pipeline.mesh.as_ref().map_or(0, Mesh::others);
        let mut burst = ArrayVec::new();
        for done in 0..others {
            let mesh = self.pipeline.mesh.as_mut();
            let Some(port) = mesh.and_then(|mesh| mesh.take_over(&mut burst)) else {
                return done > 0;
            };
            self.pipeline.run(Source::Mesh, port, &mut burst, tx);
        }
        others > 0
    }

    /// Whether packets are parked: then [`Worker::burst`] has work also without a frame.
    #[inline]
    pub fn holds(&self) -> bool {
        !self.pipeline.parks.is_empty()
    }

    /// Whether pieces of tunnel packets wait: then [`Worker::expire`] is to be called now and then.
    #[inline]
    pub fn reassembles(&self) -> bool {
        self.pipeline.fragments.wait()
    }

    /// Gives up tunnel packets whose pieces did not come within a second, counted from the first call after the
    /// first piece.
    pub fn expire(&mut self, now: Instant) {
        self.pipeline.fragments.expire(now, &mut self.pipeline.counts);
    }

    /// Between bursts: applies updates, publishes counters, marks a finished turn.
    pub fn housekeeping(&mut self) {
        self.give_back();
        self.shard.reclaim();
        self.shard.grow();
        for _ in 0..UPDATES {
            if self.returning.is_some() || !self.may_apply() {
                break;
            }
            let Ok(update) = self.updates.pop() else { break };
            self.apply(update);
            self.applied += 1;
        }
        self.pipeline.table.end_turn();
        self.pipeline.punts.new_turn();
        self.turns += 1;
        self.pipeline.counts.parked(self.pipeline.parks.held());
        self.stats.publish(&self.pipeline.counts, self.turns, self.applied);
    }

    /// Whether the table is ready for the next update.
    fn may_apply(&self) -> bool {
        match self.updates.peek() {
            Ok(Update::Bind { key, .. }) => self.shard.may_insert(*key),
            Ok(Update::Unbind { .. }) => self.shard.may_remove(),
            _ => true,
        }
    }

    fn apply(&mut self, update: Update) {
        match update {
            Update::Bind { key, verdict } => match self.shard.insert(key, verdict.to_word()) {
                Ok(()) => {}
                Err(Refused::Full) => self.pipeline.counts.info(Info::TableFull),
                Err(Refused::Misdirected) => self.pipeline.counts.info(Info::UpdateMisdirected),
            },
            Update::Unbind { key } => {
                self.shard.remove(key);
            }
            Update::Fib(fib) => {
                self.returning = Some(std::mem::replace(&mut self.pipeline.fib, fib));
                self.give_back();
            }
            Update::GiveUp(key) => self.pipeline.parks.give_up(key),
            Update::Lift(key) => self.pipeline.parks.lift(key),
            Update::Hold { prefix, peer } => {
                if !self.pipeline.holds.hold(prefix, peer) {
                    self.pipeline.counts.info(Info::HoldsFull);
                }
            }
            Update::EndHold { prefix, peer } => self.pipeline.holds.end(prefix, peer),
            Update::Turn => {}
            Update::ForgetSamples => self.pipeline.samples.forget(),
        }
    }

    fn give_back(&mut self) {
        if let Some(fib) = self.returning.take() {
            self.returning = self.pipeline.punts.old_fib(fib).err();
        }
    }
}
