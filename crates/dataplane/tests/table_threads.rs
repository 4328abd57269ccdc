// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table under threads: readers never see a value that was never bound to their key, and always see
//! one that stays.

use dataplane::table::{KEYS, Parts, Reader, ShardWriter, Table};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Keys that come and go; few, so that slots are reused all the time.
const MOVING: u64 = 48;
/// Keys that stay, with values that change.
const STAYING: u64 = 16;

/// A word that says which key it belongs to.
fn word(key: u64, n: u64) -> u64 {
    key << 32 | n << 1 | 1
}

fn read(reader: &mut Reader, done: &AtomicBool) -> u64 {
    let keys: Vec<u64> = (1..=KEYS as u64).collect();
    assert_eq!(keys.len() as u64, MOVING + STAYING);
    let (mut words, mut hits) = ([0; KEYS], 0);
    while !done.load(Ordering::Relaxed) {
        for _ in 0..20 {
            reader.lookup_burst(&keys, &mut words);
            for (key, word) in keys.iter().zip(words) {
                assert!(word == 0 || word >> 32 == *key, "{word:x} was never bound to {key:x}");
                assert!(word != 0 || *key <= MOVING, "{key:x} is bound all the time");
                hits += u64::from(word != 0);
            }
        }
        reader.end_turn();
    }
    hits
}

/// Binds and unbinds keys of this shard until `inserts` were taken; ends its own turns too, as a worker does. Slots are
/// few, so this goes on only because the other workers end turns.
fn write(writer: &mut ShardWriter, reader: &mut Reader, own: &[u64], inserts: u64) {
    let (mut n, mut inserted) = (0u64, 0);
    while inserted < inserts {
        n += 1;
        let key = own[(n.wrapping_mul(0x9e37_79b9) >> 3) as usize % own.len()];
        writer.reclaim();
        if key > MOVING || n % 3 != 0 {
            inserted += u64::from(writer.insert(key, word(key, n)).is_ok());
        } else if writer.may_remove() {
            writer.remove(key);
        }
        reader.end_turn();
    }
}

#[test]
fn readers_never_see_a_value_that_was_never_bound_to_their_key() {
    let (shards, inserts) = (2, 50_000);
    // Just room enough: removed slots must be taken again.
    let Parts { table, mut writers, mut readers } = Table::new(80, shards, shards + 2);
    let own = |shard| (1..=MOVING + STAYING).filter(|k| table.shard_of(*k) == shard).collect();
    let own: Vec<Vec<u64>> = (0..shards).map(own).collect();
    for (writer, own) in writers.iter_mut().zip(&own) {
        for key in own.iter().filter(|key| **key > MOVING) {
            writer.insert(*key, word(*key, 0)).expect("room at the start");
        }
    }
    let done = AtomicBool::new(false);
    let lookers = readers.split_off(shards);
    thread::scope(|scope| {
        let looking: Vec<_> = lookers
            .into_iter()
            .map(|mut reader| {
                let done = &done;
                scope.spawn(move || read(&mut reader, done))
            })
            .collect();
        let writing: Vec<_> = writers
            .iter_mut()
            .zip(&mut readers)
            .zip(&own)
            .map(|((writer, reader), own)| scope.spawn(move || write(writer, reader, own, inserts)))
            .collect();
        writing.into_iter().for_each(|w| w.join().expect("a writer"));
        done.store(true, Ordering::Relaxed);
        let hits: Vec<u64> = looking.into_iter().map(|l| l.join().expect("a reader")).collect();
        assert!(hits.iter().all(|n| *n > 0), "readers saw nothing: {hits:?}");
    });
}
