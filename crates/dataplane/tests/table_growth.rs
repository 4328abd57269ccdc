// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table while it grows: it holds what a map holds, takes what it was made for, and takes its memory as it
//! needs it.

use dataplane::table::{Heap, Line, Memory, Parts, Reader, Refused, ShardWriter, Sizing, Table};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn table(sizing: Sizing) -> Parts {
    Table::within(sizing, Box::new(Heap::new(sizing.lines())))
}

/// Keys without a pattern, never 0.
fn key(n: u64) -> u64 {
    let n = n.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (n ^ n >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) ^ n >> 29 | 1
}

/// One turn of one worker that owns the shard.
fn turn(writer: &mut ShardWriter, reader: &mut Reader) {
    writer.reclaim();
    writer.grow();
    reader.end_turn();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Segments of a few buckets, so that most of the time one of them is half copied, retired, or both.
    #[test]
    fn a_table_that_grows_holds_what_a_map_holds(
        bits in 0..3u32,
        ops in prop::collection::vec((0..8u8, 1..120u64, 1..1000u64), 1..1200)
    ) {
        let sizing = Sizing { shards: 2, segment: 1 << bits, ..Sizing::new(160, 2) };
        let Parts { table, mut writers, mut readers } = table(sizing);
        let mut model = HashMap::new();
        for (op, n, word) in ops {
            let key = key(n);
            let writer = &mut writers[table.shard_of(key)];
            match op {
                0..=3 => match writer.insert(key, word) {
                    Ok(()) => { model.insert(key, word); }
                    Err(why) => {
                        prop_assert_eq!(why, Refused::Full);
                        prop_assert!(!model.contains_key(&key));
                    }
                },
                4 => prop_assert_eq!(writer.remove(key), model.remove(&key).is_some()),
                5 => readers.iter_mut().for_each(Reader::end_turn),
                6 => writers.iter_mut().for_each(ShardWriter::reclaim),
                _ => writers.iter_mut().for_each(ShardWriter::grow),
            }
            prop_assert_eq!(writers.iter().map(ShardWriter::len).sum::<usize>(), model.len());
            for n in 1..120 {
                let key = self::key(n);
                prop_assert_eq!(readers[0].lookup(key), model.get(&key).copied().unwrap_or(0));
            }
        }
    }
}

#[test]
fn a_table_takes_all_keys_it_was_made_for_and_its_memory_follows_them() {
    all_fit(200_000, 64);
}

/// In a large segment a run of full buckets may be as long as in a small one there are buckets.
#[test]
fn a_table_of_large_segments_takes_all_keys_too() {
    all_fit(400_000, 2048);
}

fn all_fit(keys: u64, segment: usize) {
    let sizing = Sizing { segment, ..Sizing::new(keys as usize, 1) };
    let Parts { table, mut writers, mut readers } = table(sizing);
    let (writer, reader) = (&mut writers[0], &mut readers[0]);
    assert!(table.octets() < segment * 600, "{} octets at the start", table.octets());
    for n in 0..keys {
        // Between two turns a small segment may be filled from where its split begins to where it waits for it.
        let mut waits = if segment > 64 { 0 } else { 20 };
        while !writer.may_insert(key(n)) {
            assert!(waits > 0, "the copying does not keep pace at {n}");
            waits -= 1;
            turn(writer, reader);
        }
        assert_eq!(writer.insert(key(n), n + 1), Ok(()), "{n}");
        // As slow as a worker may be: 64 updates between two bursts.
        if n % 64 == 0 {
            turn(writer, reader);
        }
        if n.is_power_of_two() && n > 64 * segment as u64 {
            let each = table.octets() / n as usize;
            assert!((20..56).contains(&each), "{each} octets a binding at {n}");
        }
    }
    assert_eq!(writer.len(), keys as usize);
    assert!((0..keys).all(|n| reader.lookup(key(n)) == n + 1));
    assert!((keys..2 * keys).all(|n| reader.lookup(key(n)) == 0));
}

#[test]
fn keys_that_come_and_go_for_long_do_not_make_the_table_grow() {
    let live = 20_000;
    let sizing = Sizing { segment: 64, ..Sizing::new(10 * live as usize, 1) };
    let Parts { table, mut writers, mut readers } = table(sizing);
    let (writer, reader) = (&mut writers[0], &mut readers[0]);
    let mut octets = 0;
    for n in 0..20 * live {
        writer.insert(key(n), n + 1).expect("there is room");
        if n >= live {
            assert!(writer.remove(key(n - live)));
        }
        turn(writer, reader);
        if n == 2 * live {
            octets = table.octets();
        }
    }
    assert!((19 * live..20 * live).all(|n| reader.lookup(key(n)) == n + 1));
    let grown = table.octets() as f64 / octets as f64;
    assert!(grown < 1.3, "{octets} octets became {grown} times as many");
}

/// Memory that is backed up to a limit which moves.
struct Scarce {
    heap: Heap,
    limit: Arc<AtomicUsize>,
}

impl Memory for Scarce {
    fn lines(&self) -> &[Line] {
        self.heap.lines()
    }
    fn prepare(&self, lines: usize) -> usize {
        lines.min(self.limit.load(Ordering::Relaxed))
    }
}

/// Inserts until something stops it; what.
fn fill(writer: &mut ShardWriter, reader: &mut Reader, from: u64) -> (u64, Option<Refused>) {
    for n in from.. {
        if !writer.may_insert(key(n)) {
            return (n, None);
        }
        if let Err(why) = writer.insert(key(n), n + 1) {
            return (n, Some(why));
        }
        turn(writer, reader);
    }
    unreachable!("memory ends")
}

#[test]
fn a_shard_waits_for_memory_that_is_not_prepared_yet_and_refuses_when_there_is_none() {
    let sizing = Sizing { segment: 64, ..Sizing::new(1_000_000, 1) };
    let limit = Arc::new(AtomicUsize::new(usize::MAX));
    let memory = Scarce { heap: Heap::new(sizing.lines()), limit: limit.clone() };
    let Parts { table, mut writers, mut readers } = Table::within(sizing, Box::new(memory));
    let (writer, reader) = (&mut writers[0], &mut readers[0]);
    let (first, why) = fill(writer, reader, 0);
    assert_eq!(why, None, "nobody called prepare");
    for _ in 0..100 {
        turn(writer, reader);
        assert!(!writer.may_insert(key(first)));
    }
    table.prepare();
    while !writer.may_insert(key(first)) {
        turn(writer, reader);
    }
    let (second, why) = fill(writer, reader, first);
    assert_eq!(why, None);
    assert!(second > first);
    limit.store(0, Ordering::Relaxed);
    table.prepare();
    let (last, why) = fill(writer, reader, second);
    assert_eq!(why, Some(Refused::Full));
    assert!(last > second, "the segments are filled first");
    assert!((0..last).all(|n| reader.lookup(key(n)) == n + 1));
}
