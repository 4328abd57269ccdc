// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a table is sized by, and where a key belongs.

use super::memory::{Line, SLOTS};

/// Buckets of a segment. One split then copies 6,000 keys and the directory of 10 million bindings is 8 KiB.
const SEGMENT: usize = 2048;
/// Buckets that are searched for a key at most, so that a lookup's time has a bound. Where three quarters of the slots are
/// filled so many neighbours in a row are never full by chance (7 standard deviations); 32 are (3).
const PROBES: usize = 128;
/// Segments a shard may have beyond those in the directory: two that are being filled, two that wait to be cleared.
const IN_TRANSIT: usize = 4;
/// Words of notes hold four each: see [`super::segment`].
const NOTES: usize = 4 * 2 * SLOTS;

/// How large a table may become, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizing {
    /// Keys that are taken for certain. At that many 70 % of the slots are filled at most.
    pub capacity: usize,
    /// Writers.
    pub shards: usize,
    /// Readers whose turns delay the reuse of slots.
    pub workers: usize,
    /// Buckets of a segment at most; a power of two.
    pub segment: usize,
}

impl Sizing {
    /// For `capacity` keys, as many shards as workers.
    pub fn new(capacity: usize, workers: usize) -> Sizing {
        Sizing { capacity, shards: workers, workers, segment: SEGMENT }
    }

    /// Lines the table's [`super::Memory`] must have.
    pub fn lines(&self) -> usize {
        let shape = Shape::new(self);
        shape.segments() * shape.stride()
    }
}

/// The numbers that follow from it and never change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub shards: usize,
    /// log2 of the entries that a shard has in the directory.
    pub depth: u32,
    /// log2 of the buckets of a segment.
    pub bits: u32,
    /// Of all entries.
    buckets: u64,
    /// Of a bucket's number.
    mask: usize,
}

/// Where a key belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Home {
    /// Of the directory.
    pub entry: usize,
    /// Of the segment it leads to.
    pub bucket: usize,
}

impl Shape {
    pub fn new(sizing: &Sizing) -> Shape {
        let &Sizing { capacity, shards, workers, segment } = sizing;
        assert!(shards > 0 && workers > 0, "a table needs a shard and a worker");
        assert!(segment.is_power_of_two() && segment <= 1 << 16, "buckets are numbered in 16 bits");
        // 70 %: more than a segment is filled to before it is split, so every shard has room for its part and more.
        let slots = (capacity.div_ceil(shards) * 10).div_ceil(7);
        let buckets = slots.div_ceil(SLOTS).next_power_of_two();
        let bits = buckets.min(segment).trailing_zeros();
        Shape {
            shards,
            depth: buckets.trailing_zeros() - bits,
            bits,
            buckets: (shards * buckets) as u64,
            mask: (1 << bits) - 1,
        }
    }

    /// Multiplicative hash; its upper bits choose the shard, the next ones the entry, the next ones the bucket.
    #[inline(always)]
    pub fn home(&self, key: u64) -> Home {
        let hash = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = ((u128::from(hash) * u128::from(self.buckets)) >> 64) as usize;
        Home { entry: at >> self.bits, bucket: at & self.mask }
    }

    /// Of the directory.
    #[inline(always)]
    pub fn entries(&self) -> usize {
        self.shards << self.depth
    }

    /// Of a bucket's number.
    #[inline(always)]
    pub fn mask(&self) -> usize {
        self.mask
    }

    pub fn buckets(&self) -> usize {
        1 << self.bits
    }

    pub fn slots(&self) -> usize {
        self.buckets() * SLOTS
    }

    /// Buckets to search at most.
    pub fn probes(&self) -> usize {
        PROBES.min(self.buckets())
    }

    /// Lines of a segment: its buckets, then their notes.
    pub fn stride(&self) -> usize {
        self.buckets() + self.buckets().div_ceil(NOTES)
    }

    /// Segments at most.
    pub fn segments(&self) -> usize {
        self.entries() + self.shards * IN_TRANSIT
    }

    /// Octets of a segment.
    pub fn octets(&self) -> usize {
        self.stride() * size_of::<Line>()
    }
}
