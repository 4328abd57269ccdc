// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table under threads: readers never see a value that was never bound to their key, and always see
//! one that stays.
//!
//! First in shards of one bucket, with more keys than slots, so that every insert takes a slot another key just left: the
//! test fails within a second when slots are reused without waiting for the readers. Then in shards that grow from one
//! segment of a bucket to thousands, again and again: fails within a second when a segment is made zero too early.

use dataplane::table::{Heap, Parts, Reader, ShardWriter, Sizing, Table};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// So many keys of each shard.
fn keys(table: &Table, count: usize) -> Vec<Vec<u64>> {
    let of = |shard| (1..).filter(move |k| table.shard_of(*k) == shard).take(count).collect();
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
    // The last of a shard stays.
    let keys = keys(&table, MOVING + 1);
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

/// Keys of a shard in one growth.
const GROWN: u64 = 600;

/// Grows one shard; `bound` says how many of its keys are bound.
fn grow(writer: &mut ShardWriter, reader: &mut Reader, keys: &[u64], bound: &AtomicU64, run: &Run) {
    let _guard = Failing(run);
    for (n, key) in (1..).zip(keys) {
        while !writer.may_insert(*key) {
            turn(writer, reader);
            thread::yield_now();
        }
        writer.insert(*key, word(*key, n)).expect("there is room");
        // Release, as in `Stats`: who reads the number sees what was bound.
        bound.store(n, Ordering::Release);
        if n % 8 == 0 {
            turn(writer, reader);
        }
        if run.over() {
            return;
        }
    }
    while !run.over() {
        turn(writer, reader);
        thread::yield_now();
    }
}

fn turn(writer: &mut ShardWriter, reader: &mut Reader) {
    writer.reclaim();
    writer.grow();
    reader.end_turn();
}

/// Looks for what is bound, until all of it is.
fn watch(reader: &mut Reader, keys: &[Vec<u64>], bound: &[AtomicU64], run: &Run) {
    let _guard = Failing(run);
    let mut at = 0;
    loop {
        let counts: Vec<u64> = bound.iter().map(|n| n.load(Ordering::Acquire)).collect();
        let mut wanted = Vec::new();
        for _ in 0..32 {
            at += 7;
            for (keys, count) in keys.iter().zip(&counts) {
                wanted.extend(keys[..*count as usize].get(at % GROWN as usize));
            }
        }
        let mut words = vec![0; wanted.len()];
        reader.lookup_burst(&wanted, &mut words);
        for (key, word) in wanted.iter().zip(&words) {
            assert_eq!(word >> 32, *key, "a bound key was missed, or found with another's word");
        }
        reader.end_turn();
        if run.over() || counts.iter().all(|n| *n == GROWN) {
            run.0.store(true, Ordering::Relaxed);
            return;
        }
    }
}

#[test]
fn readers_find_every_bound_key_while_the_table_grows() {
    let start = Instant::now();
    while start.elapsed() < RUN {
        let capacity = 2 * SHARDS * GROWN as usize;
        let sizing = Sizing { shards: SHARDS, segment: 2, ..Sizing::new(capacity, SHARDS + 1) };
        let Parts { table, mut writers, mut readers } =
            Table::within(sizing, Box::new(Heap::new(sizing.lines())));
        let keys = keys(&table, GROWN as usize);
        let bound: Vec<_> = keys.iter().map(|_| AtomicU64::new(0)).collect();
        let run = Run::default();
        let mut watcher = readers.pop().expect("one more reader than shards");
        thread::scope(|scope| {
            let run = &run;
            for (n, (writer, reader)) in writers.iter_mut().zip(&mut readers).enumerate() {
                let (keys, bound) = (&keys[n], &bound[n]);
                scope.spawn(move || grow(writer, reader, keys, bound, run));
            }
            watch(&mut watcher, &keys, &bound, run);
        });
    }
}
