// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table under threads: readers never see a value that was never bound to their key, and always see
//! one that stays.
//!
//! Shards of one bucket, with more keys than slots, so that every insert takes a slot another key just left: the test
//! fails within a second when slots are reused without waiting for the readers.

use dataplane::table::{Parts, Reader, ShardWriter, Table};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Shards, each with its writer.
const SHARDS: usize = 2;
/// Keys of a shard that come and go.
const MOVING: usize = 5;
/// How long the threads run: a fault shows after a quarter of it.
const RUN: Duration = Duration::from_secs(1);

/// A word that says which key it belongs to.
fn word(key: u64, n: u64) -> u64 {
    key << 32 | n & 0x7fff_ffff | 1
}

/// The keys of each shard; the last one stays.
fn keys(table: &Table) -> Vec<Vec<u64>> {
    let of = |shard| (1..).filter(move |k| table.shard_of(*k) == shard).take(MOVING + 1).collect();
    (0..SHARDS).map(of).collect()
}

/// Set at the end, or when a thread panics.
#[derive(Default)]
struct Run(AtomicBool);

impl Run {
    fn over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Failing<'a>(&'a Run);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_or(thread::panicking(), Ordering::Relaxed);
    }
}

fn read(reader: &mut Reader, keys: &[Vec<u64>], run: &Run) -> u64 {
    let _guard = Failing(run);
    let all = keys.concat();
    let (mut words, mut hits) = (vec![0; all.len()], 0);
    let start = Instant::now();
    while start.elapsed() < RUN && !run.over() {
        for _ in 0..16 {
            reader.lookup_burst(&all, &mut words);
            for (key, word) in all.iter().zip(&words) {
                assert!(*word == 0 || word >> 32 == *key, "{word:x} was never bound to {key:x}");
                hits += u64::from(*word != 0);
            }
        }
        for keys in keys {
            assert_ne!(reader.lookup(keys[MOVING]), 0, "a key that stays was missed");
        }
        reader.end_turn();
    }
    run.0.store(true, Ordering::Relaxed);
    hits
}

/// Binds and unbinds keys of this shard, which goes on only because all workers end turns. How many inserts were taken.
fn write(writer: &mut ShardWriter, reader: &mut Reader, keys: &[u64], run: &Run) -> u64 {
    let _guard = Failing(run);
    let (mut n, mut inserted) = (0, 0);
    while !run.over() {
        n += 1;
        let (comes, goes) = (keys[n as usize % MOVING], keys[(n as usize + 2) % MOVING]);
        writer.insert(keys[MOVING], word(keys[MOVING], n)).expect("it has its place");
        writer.reclaim();
        match writer.insert(comes, word(comes, n)) {
            Ok(()) => inserted += 1,
            Err(_) => thread::yield_now(),
        }
        if writer.may_remove() {
            writer.remove(goes);
        }
        reader.end_turn();
    }
    inserted
}

#[test]
fn readers_never_see_a_value_that_was_never_bound_to_their_key() {
    let Parts { table, mut writers, mut readers } = Table::new(2 * SHARDS, SHARDS, SHARDS + 1);
    let keys = keys(&table);
    for (writer, keys) in writers.iter_mut().zip(&keys) {
        writer.insert(keys[MOVING], word(keys[MOVING], 0)).expect("room at the start");
    }
    let run = Run::default();
    let mut looker = readers.pop().expect("one more reader than shards");
    thread::scope(|scope| {
        let (run, keys) = (&run, &keys);
        let mut writing = Vec::new();
        for ((writer, reader), keys) in writers.iter_mut().zip(&mut readers).zip(keys) {
            writing.push(scope.spawn(move || write(writer, reader, keys, run)));
        }
        assert!(read(&mut looker, keys, run) > 0, "the reader saw nothing");
        for writer in writing {
            assert!(writer.join().expect("a writer") > 4, "slots are not taken again");
        }
    });
}
