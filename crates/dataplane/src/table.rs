// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table: shared by all workers, sharded, one writer a shard, readers without locks, and it grows while it
//! is read.
//!
//! ```text
//!  hash of a key:  | entry | bucket | ...
//!
//!  directory  [ a | a | b | c ]     an entry leads to a segment; several to the same one until it is split
//!                    │
//!  segment a  [ bucket 0 | bucket 1 | ... | notes ]      open addressing inside: a full bucket passes on to the next
//!                    │
//!  bucket     [ key key key key | value value value value ]      one cache line
//! ```
//!
//! A slot goes through these states, and only its shard's writer ([`ShardWriter`]) moves it on:
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
//! * *Growth* copies a segment into two others while readers go on with the old one, writes the new ones' numbers into
//!   the directory (Release), and raises the epoch: the old segment's memory is reused as a slot's is (`growth`).
//!
//! Read next: `segment` (one segment as its writer sees it), `writer`, `growth`.

mod growth;
mod memory;
mod segment;
mod shape;
mod sync;
mod writer;

pub use memory::{Heap, Line, Memory};
pub use shape::Sizing;
pub use writer::ShardWriter;

use crate::BURST;
use crossbeam_utils::CachePadded;
use memory::SLOTS;
use shape::Shape;
use std::fmt;
use std::sync::Arc;
use sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Key of a slot that was never used, or is free again. The /64 of `::`, which nobody leases.
const FREE: u64 = 0;
/// Key of a slot whose key was removed. ff00::/64: multicast, never looked up, and no station key.
const TOMBSTONE: u64 = 0xff00 << 48;
/// Keys in one burst lookup at most: source and destination of each packet.
pub const KEYS: usize = 2 * BURST;
/// Segments that are backed by memory before a writer asks for them.
const AHEAD: usize = 32;
/// Segments that one call of [`Table::prepare`] backs at most: some milliseconds.
const PREPARED: usize = 16;

/// Why a key is not taken into a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No free slot where a lookup would find it.
    Full,
    /// The key belongs to another shard, or is one that no lease and no station has.
    Misdirected,
}

struct Shared {
    shape: Shape,
    memory: Box<dyn Memory>,
    /// By entry: the first line of its segment.
    directory: Box<[AtomicU32]>,
    /// Segments taken by writers, of those that are backed.
    taken: CachePadded<AtomicUsize>,
    /// Segments backed by memory.
    backed: AtomicUsize,
    /// There is no memory for more.
    exhausted: AtomicBool,
    /// Removes and splits so far, of all shards.
    epoch: CachePadded<AtomicU64>,
    /// By worker: the epoch it saw between its last two bursts.
    seen: Box<[CachePadded<AtomicU64>]>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shape)
    }
}

/// Whether a key is one of those that mark slots.
#[inline(always)]
fn marks(key: u64) -> bool {
    // They have nothing but the upper octet, as hardly any other key.
    key << 8 == 0 && (key == FREE || key == TOMBSTONE)
}

/// What a bucket says of a key.
enum Found {
    /// Its value.
    Value(u64),
    /// It is in none.
    Nowhere,
    /// It may be further on.
    FurtherOn,
}

/// Compares without branches, but for the one that is a hit nearly always.
#[inline(always)]
fn find(line: &Line, key: u64) -> Found {
    let (keys, values) = line.split_at(SLOTS);
    let keys: [u64; SLOTS] = std::array::from_fn(|slot| keys[slot].load(Ordering::Acquire));
    let hits =
        keys.iter().enumerate().fold(0, |hits, (slot, k)| hits | u32::from(*k == key) << slot);
    if hits != 0 {
        // The lowest hit: while a key is removed and inserted again, a reader may meet it twice.
        let slot = hits.trailing_zeros() as usize % SLOTS;
        return Found::Value(values[slot].load(Ordering::Relaxed));
    }
    if keys.contains(&FREE) { Found::Nowhere } else { Found::FurtherOn }
}

impl Shared {
    /// The line of a key's home bucket.
    #[inline(always)]
    fn line(&self, key: u64) -> usize {
        let home = self.shape.home(key);
        // Acquire: who sees a segment's number sees what was copied into it.
        self.directory[home.entry].load(Ordering::Acquire) as usize + home.bucket
    }

    /// `None`: not in its home bucket, but may be further on.
    #[inline(always)]
    fn search(&self, lines: &[Line], line: usize, key: u64) -> Option<u64> {
        match find(&lines[line], key) {
            // The keys that mark slots bind nothing, whatever a slot in transition holds.
            Found::Value(_) if marks(key) => Some(0),
            Found::Value(value) => Some(value),
            Found::Nowhere => Some(0),
            Found::FurtherOn => None,
        }
    }

    /// Beyond the home bucket. In the segment that bucket is in, which need not be the directory's any more.
    #[cold]
    fn search_on(&self, lines: &[Line], line: usize, key: u64) -> u64 {
        if marks(key) {
            return 0;
        }
        let mut bucket = self.shape.home(key).bucket;
        let first = line - bucket;
        for _ in 1..self.shape.probes() {
            bucket = (bucket + 1) & self.shape.mask();
            match find(&lines[first + bucket], key) {
                Found::Value(value) => return value,
                Found::Nowhere => return 0,
                Found::FurtherOn => {}
            }
        }
        0
    }
}

/// The table as all may know it: which shard a key is in, and how much memory it has.
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
    /// One a worker. All of them must go on ending turns, or removed slots stay unused and the table stops growing.
    pub readers: Vec<Reader>,
}

impl Table {
    /// A table for `capacity` keys over `shards` writers, and `workers` readers, in ordinary memory.
    ///
    /// # Panics
    /// Without a shard or a worker.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a table is nothing without its writers and readers"
    )]
    pub fn new(capacity: usize, shards: usize, workers: usize) -> Parts {
        let sizing = Sizing { shards, ..Sizing::new(capacity, workers) };
        Table::within(sizing, Box::new(Heap::new(sizing.lines())))
    }

    /// A table within `memory`, which has [`Sizing::lines`].
    ///
    /// # Panics
    /// Without a shard or a worker, or when the memory cannot hold the one segment each shard starts with.
    pub fn within(sizing: Sizing, memory: Box<dyn Memory>) -> Parts {
        let shape = Shape::new(&sizing);
        let (shards, workers, stride) = (shape.shards, sizing.workers, shape.stride());
        assert!(memory.lines().len() >= sizing.lines(), "memory for the table's size");
        let backed = memory.prepare(shards * stride) / stride;
        assert!(backed >= shards, "no memory for the smallest table");
        let first = |entry: usize| AtomicU32::new(((entry >> shape.depth) * stride) as u32);
        let shared = Arc::new(Shared {
            directory: (0..shape.entries()).map(first).collect(),
            taken: CachePadded::new(AtomicUsize::new(shards)),
            backed: AtomicUsize::new(backed),
            exhausted: AtomicBool::new(false),
            epoch: CachePadded::new(AtomicU64::new(0)),
            seen: (0..workers).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            shape,
            memory,
        });
        let table = Table(shared);
        table.prepare();
        Parts {
            writers: (0..shards).map(|shard| ShardWriter::new(table.0.clone(), shard)).collect(),
            readers: (0..workers).map(|worker| Reader { table: table.0.clone(), worker }).collect(),
            table,
        }
    }

    /// Which shard (= which worker's update ring) owns `key`.
    pub fn shard_of(&self, key: u64) -> usize {
        self.0.shape.home(key).entry >> self.0.shape.depth
    }

    /// Backs what the writers will want soon by memory. To be called often by the one thread that sends updates; takes
    /// a few loads when nothing is to be done, some milliseconds at most.
    pub fn prepare(&self) {
        let Shared { shape, memory, taken, backed, exhausted, .. } = &*self.0;
        let (taken, have) = (taken.load(Ordering::Relaxed), backed.load(Ordering::Relaxed));
        let wanted = (taken + AHEAD).min(shape.segments()).min(have + PREPARED);
        if wanted <= have || exhausted.load(Ordering::Relaxed) {
            return;
        }
        let got = memory.prepare(wanted * shape.stride()) / shape.stride();
        // Release: the memory is as it was made before a writer takes it.
        backed.store(got.max(have), Ordering::Release);
        exhausted.store(got < wanted, Ordering::Release);
    }

    /// Octets of memory in use: the segments that writers have taken, and the directory.
    pub fn octets(&self) -> usize {
        let Shared { shape, taken, directory, .. } = &*self.0;
        taken.load(Ordering::Relaxed) * shape.octets() + size_of_val(&**directory)
    }
}

/// A key that was asked for, and the cache line that answers.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    key: u64,
    line: usize,
}

impl Asked {
    /// Nothing: the answer is 0.
    pub const NOTHING: Asked = Asked { key: FREE, line: 0 };
}

/// Lookups of one burst: many are asked and fetched before the first is answered, so that the memory accesses overlap
/// instead of waiting for each other.
#[derive(Clone, Copy)]
pub struct Lookups<'a> {
    table: &'a Shared,
    lines: &'a [Line],
}

impl Lookups<'_> {
    /// Finds the cache line of `key`.
    #[inline(always)]
    pub fn ask(&self, key: u64) -> Asked {
        Asked { key, line: self.table.line(key) }
    }

    /// Has the line fetched by `fetch`.
    #[inline(always)]
    pub fn fetch(&self, asked: Asked, fetch: impl Fn(&Line)) {
        if let Some(line) = self.lines.get(asked.line) {
            fetch(line);
        }
    }

    /// The word bound to the key, or 0; `None` where its bucket was full once and [`Lookups::answer_late`] has to look
    /// on.
    #[inline(always)]
    pub fn answer(&self, asked: Asked) -> Option<u64> {
        self.table.search(self.lines, asked.line, asked.key)
    }

    /// The line that comes next.
    #[inline]
    pub fn fetch_next(&self, asked: Asked, fetch: impl Fn(&Line)) {
        self.fetch(Asked { line: asked.line + 1, ..asked }, fetch);
    }

    /// The word bound to the key, or 0.
    pub fn answer_late(&self, asked: Asked) -> u64 {
        self.table.search_on(self.lines, asked.line, asked.key)
    }
}

impl Reader {
    /// The word bound to `key`, or 0.
    #[inline]
    pub fn lookup(&self, key: u64) -> u64 {
        let (lookups, line) = (self.lookups(), self.table.line(key));
        let asked = Asked { key, line };
        lookups.answer(asked).unwrap_or_else(|| lookups.answer_late(asked))
    }

    /// The lookups of one burst; what they ask is answered before [`Reader::end_turn`].
    #[inline(always)]
    pub fn lookups(&self) -> Lookups<'_> {
        Lookups { table: &self.table, lines: self.table.memory.lines() }
    }

    /// The words bound to `keys`, or 0, into `words` (as many).
    ///
    /// # Panics
    /// With more than [`KEYS`] keys, or fewer words.
    pub fn lookup_burst(&self, keys: &[u64], words: &mut [u64]) {
        let lookups = self.lookups();
        let mut asked = [Asked::NOTHING; KEYS];
        for (asked, key) in asked[..keys.len()].iter_mut().zip(keys) {
            *asked = lookups.ask(*key);
        }
        for (word, asked) in words[..keys.len()].iter_mut().zip(asked) {
            *word = lookups.answer(asked).unwrap_or_else(|| lookups.answer_late(asked));
        }
    }

    /// The worker ended a turn: nothing it read from the table is used any more.
    pub fn end_turn(&mut self) {
        let epoch = self.table.epoch.load(Ordering::Acquire);
        self.table.seen[self.worker].store(epoch, Ordering::Release);
    }
}
