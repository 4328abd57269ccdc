// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table: shared by all workers, sharded, one writer a shard, readers without locks.

use std::sync::Arc;

/// The readers' side; clone it for each worker.
#[derive(Clone, Debug)]
pub struct Table(Arc<()>);

/// The writer of one shard: owned by one worker.
#[derive(Debug)]
pub struct ShardWriter(());

/// The shard has no free slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Table {
    /// A table for `capacity` keys over `shards` writers, and `workers` readers whose turns delay the reuse of slots.
    pub fn new(capacity: usize, shards: usize, workers: usize) -> (Table, Vec<ShardWriter>) {
        let _ = (capacity, shards, workers);
        todo!()
    }
    /// Which shard (= which worker's update ring) owns `key`.
    pub fn shard_of(&self, key: u64) -> usize {
        let _ = key;
        todo!()
    }
}
