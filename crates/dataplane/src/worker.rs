// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A worker's half of the data plane: tables, rings, counters. The poll loop around it lives in maard (and in the
//! simulator): receive a burst, [`Worker::burst`], send; every few turns [`Worker::housekeeping`].

use crate::fib::Fib;
use crate::punt::Punt;
use crate::update::Update;
use crate::{BURST, PortId};
use arrayvec::ArrayVec;
use std::marker::PhantomData;
use std::sync::Arc;
use wire::buf::PacketBuf;

/// Where frames leave.
pub trait Transmit<B> {
    /// Queues `buf` on `port`. A full queue drops and counts, it never waits.
    fn transmit(&mut self, port: PortId, buf: B);
}

/// Sizes of what the workers and the slow path share.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Keys in the binding table.
    pub bindings: usize,
    /// Entries of each worker's update ring.
    pub updates: usize,
    /// Entries of each worker's punt ring.
    pub punts: usize,
}

/// One worker.
pub struct Worker<B>(PhantomData<B>);

/// The slow path's ends of one worker's rings, and what the worker publishes.
pub struct WorkerEnds<B> {
    /// Updates to the worker.
    pub updates: rtrb::Producer<Update>,
    /// What the worker punts.
    pub punts: rtrb::Consumer<Punt<B>>,
    /// Counters, updates applied, turns.
    pub stats: Arc<crate::counters::Stats>,
}

/// `n` workers that share one table, and the slow path's ends.
pub fn workers<B: PacketBuf>(
    n: usize,
    sizes: Sizes,
    fib: Arc<Fib>,
) -> (Vec<Worker<B>>, Vec<WorkerEnds<B>>, crate::table::Table) {
    let _ = (n, sizes, fib);
    todo!()
}

impl<B: PacketBuf> Worker<B> {
    /// Runs the three passes over what came in on `port`; `burst` is empty afterwards.
    pub fn burst(
        &mut self,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        tx: &mut impl Transmit<B>,
    ) {
        let _ = (port, burst, tx);
        todo!()
    }

    /// Between bursts: applies updates, publishes counters, marks a finished turn.
    pub fn housekeeping(&mut self) {
        todo!()
    }
}
