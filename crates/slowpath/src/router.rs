// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decode, ask, encode.

use crate::{Config, Input, Output};
use dataplane::fib::Fib;
use dataplane::table::Table;
use std::sync::Arc;
use wire::time::{Instant, Now};

/// One router's control side.
///
/// ```text
/// let fib = config.first_fib();                                  // what the workers start with
/// let (workers, ends, table) = dataplane::worker::workers(n, sizes, fib);
/// let mut router = Router::new(config, table, now);              // the table says which worker owns a key
/// ```
#[derive(Debug)]
pub struct Router {
    config: Config,
    table: Table,
    fib: Arc<Fib>,
}

impl Router {
    /// A router whose workers run with [`Config::first_fib`]; its first outputs open the AAA connection. `table` is
    /// only asked which shard, and so which worker's update ring, owns a key.
    pub fn new(config: Config, table: Table, now: Now) -> Router {
        let _ = now;
        let fib = config.first_fib();
        Router { config, table, fib }
    }

    /// The newest snapshot: what every worker has been, or is about to be, told.
    pub fn fib(&self) -> Arc<Fib> {
        Arc::clone(&self.fib)
    }

    /// The slow path's own counters, by name in alphabetical order.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let _ = (&self.config, &self.table);
        std::iter::empty()
    }

    /// Takes one input. Poll the outputs afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input);
        todo!()
    }

    /// The next effect, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// When to call `handle` with [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}
