// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one writer of a shard. Read first: [`super`], for the states of a slot and why readers may read meanwhile.

use super::{FREE, Refused, SLOTS, Shared, TOMBSTONE};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Tombstones that may wait for the workers at a time.
const WAITING: usize = 1 << 16;

/// The writer of one shard: owned by one worker.
#[derive(Debug)]
pub struct ShardWriter {
    table: Arc<Shared>,
    /// First bucket of the shard.
    first: usize,
    /// By bucket of the shard, what readers need not know.
    notes: Box<[Note]>,
    /// Slots whose key was removed, oldest first, with the epoch all workers must have seen.
    waiting: VecDeque<Waiting>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// Keys that were put further on because this bucket was full. While there are any, a lookup must not end here: no
    /// slot may be [`FREE`].
    passed: u32,
    /// By slot, a bit: tombstone that all workers have seen.
    reusable: u8,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    bucket: u32,
    slot: u8,
    epoch: u64,
}

/// Where a key is or may go: how many buckets after its home, and which.
#[derive(Clone, Copy)]
struct Place {
    steps: usize,
    bucket: usize,
    slot: usize,
}

impl ShardWriter {
    pub(super) fn new(table: Arc<Shared>, shard: usize) -> ShardWriter {
        let buckets = 1usize << table.shard_bits;
        ShardWriter {
            first: shard << table.shard_bits,
            notes: vec![Note::default(); buckets].into(),
            waiting: VecDeque::with_capacity(WAITING.min(buckets * SLOTS)),
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

    /// Binds `key` to `word`, or replaces its word.
    pub fn insert(&mut self, key: u64, word: u64) -> Result<(), Refused> {
        let home = self.home(key).ok_or(Refused::Misdirected)?;
        match self.search(home, key) {
            (Some(at), _) => {
                self.table.buckets[at.bucket].values[at.slot].store(word, Ordering::Relaxed);
                return Ok(());
            }
            (None, None) => return Err(Refused::Full),
            (None, Some(at)) => self.fill(home, at, key, word),
        }
        self.len += 1;
        Ok(())
    }

    fn fill(&mut self, home: usize, at: Place, key: u64, word: u64) {
        let mut bucket = home;
        for _ in 0..at.steps {
            self.note(bucket).passed += 1;
            bucket = self.table.next(bucket);
        }
        self.note(at.bucket).reusable &= !(1 << at.slot);
        let line = &self.table.buckets[at.bucket];
        line.values[at.slot].store(word, Ordering::Relaxed);
        // Release: who sees the key sees the word.
        line.keys[at.slot].store(key, Ordering::Release);
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
        let (Some(at), _) = self.search(home, key) else { return false };
        let line = &self.table.buckets[at.bucket];
        line.values[at.slot].store(0, Ordering::Relaxed);
        line.keys[at.slot].store(TOMBSTONE, Ordering::Release);
        // Release, and after the tombstone: a worker that sees this epoch sees the tombstone. A read-modify-write, so
        // that this also holds for one that sees a later epoch, raised by another shard's writer.
        let epoch = self.table.epoch.fetch_add(1, Ordering::Release) + 1;
        self.waiting.push_back(Waiting { bucket: at.bucket as u32, slot: at.slot as u8, epoch });
        self.len -= 1;
        let mut bucket = home;
        for _ in 0..at.steps {
            self.note(bucket).passed -= 1;
            self.free_reusable(bucket);
            bucket = self.table.next(bucket);
        }
        true
    }

    /// Takes the slots back that every worker has seen removed. Between bursts.
    pub fn reclaim(&mut self) {
        let Some(oldest) = self.waiting.front() else { return };
        // Acquire: what the workers read before they showed this epoch happened before the reuse below.
        let seen = self.table.seen.iter().map(|s| s.load(Ordering::Acquire)).min();
        let seen = seen.expect("a table has a worker");
        if oldest.epoch > seen {
            return;
        }
        while let Some(w) = self.waiting.pop_front_if(|w| w.epoch <= seen) {
            self.note(w.bucket as usize).reusable |= 1 << w.slot;
            self.free_reusable(w.bucket as usize);
        }
    }

    /// Where no key lies further on, reusable slots become free, so that lookups end here again. Without this every
    /// bucket that was ever full would lengthen misses for good.
    fn free_reusable(&mut self, bucket: usize) {
        let note = self.note(bucket);
        if note.passed > 0 {
            return;
        }
        let reusable = std::mem::take(&mut note.reusable);
        for slot in (0..SLOTS).filter(|slot| reusable & 1 << slot != 0) {
            self.table.buckets[bucket].keys[slot].store(FREE, Ordering::Release);
        }
    }

    /// Where `key` is; where it may go.
    fn search(&mut self, home: usize, key: u64) -> (Option<Place>, Option<Place>) {
        let mut bucket = home;
        let mut room = None;
        for steps in 0..self.table.probes() {
            let keys =
                self.table.buckets[bucket].keys.each_ref().map(|k| k.load(Ordering::Relaxed));
            let reusable = self.note(bucket).reusable;
            let place = |slot| Place { steps, bucket, slot };
            if let Some(slot) = keys.iter().position(|k| *k == key) {
                return (Some(place(slot)), None);
            }
            let usable = |slot: &usize| keys[*slot] == FREE || reusable & 1 << slot != 0;
            room = room.or_else(|| (0..SLOTS).find(usable).map(place));
            if keys.contains(&FREE) {
                break;
            }
            bucket = self.table.next(bucket);
        }
        (None, room)
    }

    /// The home bucket of a key of this shard.
    fn home(&self, key: u64) -> Option<usize> {
        let home = self.table.home(key);
        let ours = home & !((1 << self.table.shard_bits) - 1) == self.first;
        (ours && key != FREE && key != TOMBSTONE).then_some(home)
    }

    fn note(&mut self, bucket: usize) -> &mut Note {
        &mut self.notes[bucket - self.first]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Parts, Reader, Table};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn one_shard(capacity: usize) -> (ShardWriter, Reader) {
        let Parts { mut writers, mut readers, .. } = Table::new(capacity, 1, 1);
        (writers.remove(0), readers.remove(0))
    }

    /// How many buckets a lookup of `key` reads.
    fn reads(reader: &Reader, key: u64) -> usize {
        let mut at = reader.table.home(key);
        let ends = |at: usize| reader.table.buckets[at].find(key).1;
        let mut reads = 1;
        while !ends(at) && reads < reader.table.probes() {
            at = reader.table.next(at);
            reads += 1;
        }
        reads
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
