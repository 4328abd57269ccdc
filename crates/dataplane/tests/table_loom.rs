// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The protocol between the table's readers and writers under loom: every order of every atomic access that three
//! preemptions can make, on tables of one or two buckets (of two slots, see `table/memory.rs`). `cargo xtask test` runs
//! it:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p dataplane --test table_loom --release --target-dir target/loom
//! ```

#![cfg(loom)]

use dataplane::table::{Heap, Parts, Reader, ShardWriter, Sizing, Table};
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Tries every order with so many preemptions at most.
fn every_order(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(test);
}

/// One shard, one worker that owns it, one that only reads.
fn table(capacity: usize) -> (ShardWriter, Reader, Reader) {
    let sizing = Sizing { shards: 1, segment: 1, ..Sizing::new(capacity, 2) };
    let Parts { mut writers, mut readers, .. } =
        Table::within(sizing, Box::new(Heap::new(sizing.lines())));
    let other = readers.pop().expect("two readers");
    (writers.remove(0), readers.remove(0), other)
}

/// A word that says which key it belongs to.
const fn word(key: u64, n: u64) -> u64 {
    key << 8 | n
}

fn is_of(word: u64, key: u64) -> bool {
    word == 0 || word >> 8 == key
}

#[test]
fn a_key_that_is_seen_has_its_word_and_a_later_word_replaces_it() {
    every_order(3, || {
        let (mut writer, _, other) = table(1);
        let reading = thread::spawn(move || {
            let (first, second) = (other.lookup(1), other.lookup(1));
            assert!([0, word(1, 1), word(1, 2)].contains(&first));
            assert!(second >= first, "an older word after a newer one");
        });
        writer.insert(1, word(1, 1)).expect("room");
        writer.insert(1, word(1, 2)).expect("a replacement needs no room");
        reading.join().expect("the reader");
    });
}

#[test]
fn a_slot_that_is_reused_shows_no_reader_the_word_of_another_key() {
    every_order(3, || {
        let (mut writer, mut own, mut other) = table(1);
        writer.insert(1, word(1, 1)).expect("room");
        writer.insert(2, word(2, 1)).expect("room");
        let reading = thread::spawn(move || {
            for _ in 0..2 {
                assert!(is_of(other.lookup(1), 1));
                assert!(is_of(other.lookup(3), 3));
                assert_eq!(other.lookup(2), word(2, 1), "it stays");
                other.end_turn();
            }
        });
        writer.remove(1);
        own.end_turn();
        writer.reclaim();
        // Refused until the reader has ended a turn.
        let _ = writer.insert(3, word(3, 1));
        reading.join().expect("the reader");
    });
}

/// The first segment holds two keys, so the second one splits it.
#[test]
fn a_bound_key_is_found_while_its_segment_is_split_and_the_old_one_used_again() {
    every_order(2, || {
        let (mut writer, mut own, mut other) = table(4);
        writer.insert(1, word(1, 1)).expect("room");
        let bound = Arc::new(AtomicU64::new(0));
        let reading = thread::spawn({
            let bound = bound.clone();
            move || {
                for _ in 0..2 {
                    let second = bound.load(Ordering::Acquire);
                    assert_eq!(other.lookup(1), word(1, 1), "it stays");
                    let found = other.lookup(2);
                    assert!(found == word(2, 1) || found == 0 && second == 0);
                    other.end_turn();
                }
            }
        });
        writer.insert(2, word(2, 1)).expect("room");
        bound.store(1, Ordering::Release);
        for _ in 0..3 {
            writer.reclaim();
            writer.grow();
            own.end_turn();
        }
        reading.join().expect("the reader");
    });
}

#[test]
fn an_update_of_a_segment_that_is_being_copied_is_not_lost() {
    every_order(2, || {
        let (mut writer, mut own, mut other) = table(4);
        writer.insert(1, word(1, 1)).expect("room");
        writer.insert(2, word(2, 1)).expect("room");
        let bound = Arc::new(AtomicU64::new(1));
        let reading = thread::spawn({
            let bound = bound.clone();
            move || {
                let least = bound.load(Ordering::Acquire);
                let found = other.lookup(1);
                assert!(found >= word(1, least), "{found:x} is older than {least}");
                other.end_turn();
            }
        });
        writer.grow();
        writer.insert(1, word(1, 2)).expect("a replacement needs no room");
        bound.store(2, Ordering::Release);
        writer.remove(2);
        own.end_turn();
        writer.reclaim();
        writer.grow();
        reading.join().expect("the reader");
        assert_eq!(own.lookup(1), word(1, 2));
        assert_eq!(own.lookup(2), 0);
    });
}
