// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table: shared by all workers, sharded, one writer a shard, readers without locks.
//!
//! A bucket is one cache line: four keys, four values. A key lives in its home bucket or, when that was full, in one of
//! the next. A slot goes through these states, and only its shard's writer ([`ShardWriter`]) moves it on:
//!
//! ```text
//!   free (key 0) --insert--> bound (key, value) --remove--> tombstone (value 0) --every worker has seen it--> free again,
//!                                                                or reusable where a key lies further on
//! ```
//!
//! Why readers never see a value that was not bound to their key:
//! * *Insert* writes the value, then the key (Release). Who sees the key (Acquire) sees that value or a later one.
//! * *Replace* and *remove* write one word.
//! * *Reuse* for another key is the danger: a reader may have matched the old key and not yet read the value. So
//!   a remove raises the table's epoch after it wrote the tombstone; a worker between two bursts, when it holds nothing it
//!   read before, reads the epoch (Acquire) and shows the number it saw (Release); the slot is reused when every worker
//!   has shown that epoch or a later one (Acquire). Then each worker's earlier reads happened before the reuse, and its
//!   later ones happen after the tombstone and cannot match the old key any more.

mod writer;

pub use writer::ShardWriter;

use crate::BURST;
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Key of a slot that was never used, or is free again. The /64 of `::`, which nobody leases.
const FREE: u64 = 0;
/// Key of a slot whose key was removed. ff00::/64: multicast, never looked up, and no station key.
const TOMBSTONE: u64 = 0xff00 << 48;
/// Slots of a bucket.
const SLOTS: usize = 4;
/// Buckets that are searched for a key at most, so that a lookup's time has a bound.
const PROBES: usize = 32;
/// Keys in one burst lookup at most: source and destination of each packet.
pub const KEYS: usize = 2 * BURST;

/// Why a key is not taken into a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No free slot where a lookup would find it.
    Full,
    /// The key belongs to another shard, or is one that no lease and no station has.
    Misdirected,
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    keys: [AtomicU64; SLOTS],
    values: [AtomicU64; SLOTS],
}

impl Bucket {
    /// The value of `key` or 0, and whether the search ends here. Compares without branches.
    #[inline(always)]
    fn find(&self, key: u64) -> (u64, bool) {
        let keys = self.keys.each_ref().map(|k| k.load(Ordering::Acquire));
        let mut hits = 0usize;
        let mut free = false;
        for (slot, k) in keys.into_iter().enumerate() {
            hits |= usize::from(k == key) << slot;
            free |= k == FREE;
        }
        // The lowest hit: while a key is removed and inserted again, a reader may meet it twice.
        let slot = hits.trailing_zeros() as usize % SLOTS;
        let hit = hits != 0;
        let value = self.values[slot].load(Ordering::Relaxed);
        (value & u64::from(hit).wrapping_neg(), hit | free)
    }
}

#[derive(Debug)]
struct Shared {
    buckets: Box<[Bucket]>,
    /// log2 of the buckets of a shard.
    shard_bits: u32,
    /// Removes so far, of all shards.
    epoch: CachePadded<AtomicU64>,
    /// By worker: the epoch it saw between its last two bursts.
    seen: Box<[CachePadded<AtomicU64>]>,
}

impl Shared {
    /// The home bucket. Multiplicative hash; its upper bits choose the shard, the next ones the bucket.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let hash = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash as u128 * self.buckets.len() as u128) >> 64) as usize
    }

    /// The bucket after `at` in the same shard.
    #[inline]
    fn next(&self, at: usize) -> usize {
        let mask = (1 << self.shard_bits) - 1;
        at & !mask | (at + 1) & mask
    }

    /// Buckets to search at most.
    fn probes(&self) -> usize {
        PROBES.min(1 << self.shard_bits)
    }

    #[inline]
    fn search(&self, home: usize, key: u64) -> u64 {
        let (value, end) = self.buckets[home].find(key);
        let found = if end { value } else { self.search_on(home, key) };
        // The keys that mark slots bind nothing, whatever a slot in transition holds.
        if key == FREE || key == TOMBSTONE { 0 } else { found }
    }

    #[cold]
    fn search_on(&self, home: usize, key: u64) -> u64 {
        let mut at = home;
        for _ in 1..self.probes() {
            at = self.next(at);
            let (value, end) = self.buckets[at].find(key);
            if end {
                return value;
            }
        }
        0
    }
}

/// The table as all may know it: which shard a key is in.
#[derive(Clone, Debug)]
pub struct Table(Arc<Shared>);

/// One worker's eyes on the table.
#[derive(Debug)]
pub struct Reader {
    table: Arc<Shared>,
    worker: usize,
}

/// What [`Table::new`] makes.
#[derive(Debug)]
pub struct Parts {
    /// For whoever sends updates.
    pub table: Table,
    /// One a shard.
    pub writers: Vec<ShardWriter>,
    /// One a worker. All of them must go on ending turns, or removed slots stay unused.
    pub readers: Vec<Reader>,
}

impl Table {
    /// A table for `capacity` keys over `shards` writers, and `workers` readers whose turns delay the reuse of slots.
    ///
    /// The capacity never changes. At most half of the slots are filled when it is reached: keys that come and go leave
    /// more keys away from their homes than a new table has, and a miss then reads 1.5 buckets (1.2 in a new table; at
    /// 70 % it would be 5).
    ///
    /// # Panics
    /// Without a shard or a worker.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a table is nothing without its writers and readers"
    )]
    pub fn new(capacity: usize, shards: usize, workers: usize) -> Parts {
        assert!(shards > 0 && workers > 0, "a table needs a shard and a worker");
        let slots = capacity.div_ceil(shards) * 2;
        let buckets = slots.div_ceil(SLOTS).next_power_of_two();
        let shared = Arc::new(Shared {
            buckets: (0..buckets * shards).map(|_| Bucket::default()).collect(),
            shard_bits: buckets.trailing_zeros(),
            epoch: CachePadded::default(),
            seen: (0..workers).map(|_| CachePadded::default()).collect(),
        });
        Parts {
            writers: (0..shards).map(|shard| ShardWriter::new(shared.clone(), shard)).collect(),
            readers: (0..workers).map(|worker| Reader { table: shared.clone(), worker }).collect(),
            table: Table(shared),
        }
    }

    /// Which shard (= which worker's update ring) owns `key`.
    pub fn shard_of(&self, key: u64) -> usize {
        self.0.home(key) >> self.0.shard_bits
    }
}

impl Reader {
    /// The word bound to `key`, or 0.
    #[inline]
    pub fn lookup(&self, key: u64) -> u64 {
        self.table.search(self.table.home(key), key)
    }

    /// The words bound to `keys`, or 0, into `words` (as many). Hashes all, touches all cache lines, then compares: the
    /// memory accesses of a burst overlap instead of waiting for each other.
    ///
    /// # Panics
    /// With more than [`KEYS`] keys, or fewer words.
    #[inline]
    pub fn lookup_burst(&self, keys: &[u64], words: &mut [u64]) {
        let words = &mut words[..keys.len()];
        let mut homes = [0; KEYS];
        let homes = &mut homes[..keys.len()];
        for (home, key) in homes.iter_mut().zip(keys) {
            *home = self.table.home(*key);
        }
        let mut touched = 0;
        for home in homes.iter() {
            touched ^= self.table.buckets[*home].keys[0].load(Ordering::Relaxed);
        }
        std::hint::black_box(touched);
        for ((word, key), home) in words.iter_mut().zip(keys).zip(homes.iter()) {
            *word = self.table.search(*home, *key);
        }
    }

    /// The worker ended a turn: nothing it read from the table is used any more.
    pub fn end_turn(&mut self) {
        let epoch = self.table.epoch.load(Ordering::Acquire);
        self.table.seen[self.worker].store(epoch, Ordering::Release);
    }
}
