// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one writer of a shard. Read first: [`super`], for the states of a slot and why readers may read meanwhile.

use super::growth::Growth;
use super::segment::{Place, Segment};
use super::shape::Home;
use super::sync::Ordering;
use super::{FREE, Refused, Shared, TOMBSTONE};
use std::collections::VecDeque;
use std::sync::Arc;

/// Tombstones that may wait for the workers at a time.
const WAITING: usize = 1 << 16;

/// The writer of one shard: owned by one worker.
#[derive(Debug)]
pub struct ShardWriter {
    pub(super) table: Arc<Shared>,
    shard: usize,
    /// By number, those of this shard that the directory leads to or that are being filled.
    pub(super) segments: Box<[Info]>,
    /// Slots whose key was removed, oldest first, with the epoch all workers must have seen.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) growth: Growth,
    len: usize,
}

/// What a writer knows of one segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Info {
    pub keys: u32,
    /// Buckets that the keys are away from their homes, in all.
    pub steps: u32,
    /// The same when the segment was filled.
    pub fresh: u32,
    /// The first of the directory's entries that lead here.
    pub entry: u32,
    /// How often it came out of a split: of the bits that choose a shard's entry, so many are the same in all its keys.
    pub depth: u32,
    /// It waits to be split or built anew, or that is being done.
    pub queued: bool,
    /// It cannot be.
    pub stuck: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    segment: u32,
    bucket: u16,
    slot: u8,
    pub epoch: u64,
}

impl ShardWriter {
    pub(super) fn new(table: Arc<Shared>, shard: usize) -> ShardWriter {
        let shape = table.shape;
        let mut segments = vec![Info::default(); shape.segments()];
        segments[shard].entry = (shard << shape.depth) as u32;
        let slots = shape.slots() << shape.depth;
        ShardWriter {
            shard,
            segments: segments.into(),
            waiting: VecDeque::with_capacity(WAITING.min(slots)),
            growth: Growth::new(1 << shape.depth),
            len: 0,
            table,
        }
    }

    /// Keys bound.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no key is bound.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether [`ShardWriter::insert`] finds its part of the shard ready for a new key; if not, it is growing and
    /// wants [`ShardWriter::grow`] and the workers' turns first.
    pub fn may_insert(&self, key: u64) -> bool {
        self.home(key).is_none_or(|home| !self.pressed(self.number(home.entry)))
    }

    /// Binds `key` to `word`, or replaces its word.
    pub fn insert(&mut self, key: u64, word: u64) -> Result<(), Refused> {
        let home = self.home(key).ok_or(Refused::Misdirected)?;
        let number = self.number(home.entry);
        let (at, new) = self.put(number, home.bucket, key, word)?;
        if let Some(copy) = self.growth.copy_of(number, at.bucket, home.entry)
            && self.put(copy, home.bucket, key, word).is_err()
        {
            self.abandon();
        }
        if new {
            self.len += 1;
            self.grew(number);
        }
        Ok(())
    }

    /// Binds in one segment; where, and whether the key is new there.
    pub(super) fn put(
        &mut self,
        number: usize,
        bucket: usize,
        key: u64,
        word: u64,
    ) -> Result<(Place, bool), Refused> {
        let segment = self.segment(number);
        match segment.search(bucket, key) {
            (Some(at), _) => {
                segment.replace(at, word);
                Ok((at, false))
            }
            (None, Some(at)) => {
                segment.fill(bucket, at, key, word);
                let info = &mut self.segments[number];
                info.keys += 1;
                info.steps += at.steps as u32;
                Ok((at, true))
            }
            (None, None) => Err(Refused::Full),
        }
    }

    /// Whether [`ShardWriter::remove`] has room to remember one more slot; if not, the workers must end turns first.
    pub fn may_remove(&self) -> bool {
        self.waiting.len() < self.waiting.capacity()
    }

    /// Unbinds `key`; says whether it was bound.
    ///
    /// # Panics
    /// Without [`ShardWriter::may_remove`].
    pub fn remove(&mut self, key: u64) -> bool {
        assert!(self.may_remove(), "asked before");
        let Some(home) = self.home(key) else { return false };
        let number = self.number(home.entry);
        let Some(at) = self.take_out(number, home, key) else { return false };
        // Release, and after the tombstone: a worker that sees this epoch sees the tombstone. A read-modify-write, so
        // that this also holds for one that sees a later epoch, raised by another shard's writer.
        let epoch = self.table.epoch.fetch_add(1, Ordering::Release) + 1;
        let (bucket, slot) = (at.bucket as u16, at.slot as u8);
        self.waiting.push_back(Waiting { segment: number as u32, bucket, slot, epoch });
        self.len -= 1;
        if let Some(copy) = self.growth.copy_of(number, at.bucket, home.entry)
            && let Some(at) = self.take_out(copy, home, key)
        {
            // No worker reads the copy yet.
            self.segment(copy).reuse(at.bucket, at.slot);
        }
        true
    }

    fn take_out(&mut self, number: usize, home: Home, key: u64) -> Option<Place> {
        let segment = self.segment(number);
        let at = segment.search(home.bucket, key).0?;
        segment.clear(home.bucket, at);
        let info = &mut self.segments[number];
        info.keys -= 1;
        info.steps -= at.steps as u32;
        Some(at)
    }

    /// Takes the slots back that every worker has seen removed. Between bursts.
    pub fn reclaim(&mut self) {
        let Some(oldest) = self.waiting.front() else { return };
        let seen = self.seen();
        if oldest.epoch > seen {
            return;
        }
        while let Some(w) = self.waiting.pop_front_if(|w| w.epoch <= seen) {
            self.segment(w.segment as usize).reuse(w.bucket.into(), w.slot.into());
        }
    }

    /// The epoch that every worker has seen.
    pub(super) fn seen(&self) -> u64 {
        // Acquire: what the workers read before they showed this epoch happened before what is done then.
        let seen = self.table.seen.iter().map(|s| s.load(Ordering::Acquire)).min();
        seen.expect("a table has a worker")
    }

    /// Where a key of this shard belongs.
    fn home(&self, key: u64) -> Option<Home> {
        let home = self.table.shape.home(key);
        let ours = home.entry >> self.table.shape.depth == self.shard;
        (ours && key != FREE && key != TOMBSTONE).then_some(home)
    }

    /// The number of the segment that the directory leads to.
    fn number(&self, entry: usize) -> usize {
        let first = self.table.directory[entry].load(Ordering::Relaxed);
        first as usize / self.table.shape.stride()
    }

    pub(super) fn segment(&self, number: usize) -> Segment<'_> {
        let shape = self.table.shape;
        Segment::new(self.table.memory.lines(), number * shape.stride(), shape)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Parts, Reader, Table, find};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn one_shard(capacity: usize) -> (ShardWriter, Reader) {
        let Parts { mut writers, mut readers, .. } = Table::new(capacity, 1, 1);
        (writers.remove(0), readers.remove(0))
    }

    /// How many buckets a lookup of `key` reads.
    fn reads(reader: &Reader, key: u64) -> usize {
        let (table, lines) = (&reader.table, reader.table.memory.lines());
        let home = table.shape.home(key).bucket;
        let first = table.line(key) - home;
        let ends = |step: &usize| {
            !matches!(
                find(&lines[first + ((home + step) & table.shape.mask())], key),
                Found::FurtherOn
            )
        };
        let probes = table.shape.probes();
        (0..probes).find(ends).map_or(probes, |step| step + 1)
    }

    #[test]
    fn a_full_shard_refuses_and_keeps_what_it_has() {
        let (mut writer, reader) = one_shard(10);
        let taken: Vec<u64> = (1..=100).filter(|k| writer.insert(*k, *k + 1000).is_ok()).collect();
        assert!(taken.len() >= 10, "only {}", taken.len());
        assert_eq!(writer.insert(101, 1), Err(Refused::Full));
        for k in 1..=100 {
            assert_eq!(reader.lookup(k), if taken.contains(&k) { k + 1000 } else { 0 });
        }
        assert_eq!(writer.insert(taken[0], 7), Ok(()), "a replacement needs no room");
        assert_eq!(reader.lookup(taken[0]), 7);
    }

    #[test]
    fn the_keys_that_mark_slots_are_never_bound_and_never_found() {
        let (mut writer, mut reader) = one_shard(10);
        for key in [FREE, TOMBSTONE] {
            assert_eq!(writer.insert(key, 5), Err(Refused::Misdirected));
            assert!(!writer.remove(key));
            assert_eq!(reader.lookup(key), 0);
        }
        writer.insert(9, 9).unwrap();
        writer.remove(9);
        reader.end_turn();
        assert_eq!((reader.lookup(FREE), reader.lookup(TOMBSTONE)), (0, 0));
    }

    #[test]
    fn a_key_of_another_shard_is_refused() {
        let Parts { table, mut writers, .. } = Table::new(100, 3, 1);
        for key in 1..=60 {
            for (shard, writer) in writers.iter_mut().enumerate() {
                let expected =
                    if table.shard_of(key) == shard { Ok(()) } else { Err(Refused::Misdirected) };
                assert_eq!(writer.insert(key, 1), expected);
            }
        }
        let lens: Vec<_> = writers.iter().map(ShardWriter::len).collect();
        assert_eq!(lens.iter().sum::<usize>(), 60);
        assert!(lens.iter().all(|len| *len > 5), "uneven: {lens:?}");
    }

    #[test]
    fn a_slot_is_reused_only_after_every_worker_ended_a_turn() {
        let Parts { mut writers, mut readers, .. } = Table::new(2, 1, 2);
        let writer = &mut writers[0];
        let keys: Vec<u64> = (1..=4).collect();
        for k in &keys {
            writer.insert(*k, *k).unwrap();
        }
        assert_eq!(writer.insert(5, 5), Err(Refused::Full), "one bucket of four");
        writer.remove(1);
        for _ in 0..2 {
            writer.reclaim();
            assert_eq!(writer.insert(5, 5), Err(Refused::Full));
            readers[0].end_turn();
        }
        readers[1].end_turn();
        assert_eq!(writer.insert(5, 5), Err(Refused::Full), "not before it is reclaimed");
        writer.reclaim();
        assert_eq!(writer.insert(5, 5), Ok(()));
        assert_eq!((readers[0].lookup(1), readers[0].lookup(5)), (0, 5));
    }

    #[test]
    fn lookups_stay_short_after_many_keys_came_and_went() {
        // Keys without a pattern: the hash spreads consecutive ones too evenly to fill a bucket.
        let key = |n: u64| {
            let n = n.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (n ^ n >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) ^ n >> 29 | 1
        };
        let (live, rounds) = (1024, 40_000);
        let (mut old, mut old_reader) = one_shard(live as usize);
        for n in 0..rounds {
            old.insert(key(n), n).unwrap();
            if n >= live {
                assert!(old.remove(key(n - live)));
            }
            old_reader.end_turn();
            old.reclaim();
        }
        let (mut new, new_reader) = one_shard(live as usize);
        for n in rounds - live..rounds {
            new.insert(key(n), n).unwrap();
        }
        assert_eq!(old.len(), new.len());
        let misses =
            |reader| (rounds..rounds + 10_000).map(|n| reads(reader, key(n))).sum::<usize>();
        let (old, new) = (misses(&old_reader), misses(&new_reader));
        assert!(new > 12_000, "buckets overflow in this test");
        assert!(old * 10 < new * 14, "10,000 misses read {old} buckets, in a new table {new}");
    }

    #[test]
    fn a_burst_finds_what_single_lookups_find() {
        let (mut writer, reader) = one_shard(100);
        for k in 1..=100 {
            writer.insert(k, k * 3).unwrap();
        }
        let keys: Vec<u64> = (70..134).collect();
        let mut words = [9; 64];
        reader.lookup_burst(&keys, &mut words);
        assert_eq!(words.to_vec(), keys.iter().map(|k| reader.lookup(*k)).collect::<Vec<_>>());
        assert!(words[..31].iter().all(|w| *w != 0) && words[31..].iter().all(|w| *w == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_table_holds_what_an_ordered_map_holds(
            ops in prop::collection::vec((0..4u8, 1..40u64, 1..1000u64), 1..400)
        ) {
            // Four buckets for 39 keys, so that they overflow and wrap.
            let (mut writer, mut reader) = one_shard(8);
            let mut model = BTreeMap::new();
            for (op, key, word) in ops {
                match op {
                    0 | 1 => match writer.insert(key, word) {
                        Ok(()) => { model.insert(key, word); }
                        Err(_) => prop_assert!(!model.contains_key(&key)),
                    },
                    2 => prop_assert_eq!(writer.remove(key), model.remove(&key).is_some()),
                    _ => { reader.end_turn(); writer.reclaim(); }
                }
                prop_assert_eq!(writer.len(), model.len());
                for key in 1..40 {
                    prop_assert_eq!(reader.lookup(key), model.get(&key).copied().unwrap_or(0));
                }
            }
        }
    }
}
