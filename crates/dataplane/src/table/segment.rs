// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One segment as its writer sees it: buckets, and behind them what readers need not know of them. Read first:
//! [`super`], for the states of a slot.
//!
//! ```text
//!  note of a bucket, 16 bits, four in a word:   | passed | reusable |
//!                                               15      4 3         0
//! ```

use super::memory::{Line, SLOTS};
use super::shape::Shape;
use super::sync::Ordering::{Relaxed, Release};
use super::{FREE, TOMBSTONE};

/// Keys that were put further on because the bucket was full: in bits 4 and above. While there are any, a lookup must
/// not end here, so no slot may be [`FREE`]. In bits 0 to 3, by slot: a tombstone that all workers have seen.
type Note = u16;
const ONE_PASSED: Note = 1 << 4;
const REUSABLE: Note = ONE_PASSED - 1;

/// Where a key is or may go: how many buckets after its home, and which.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub steps: usize,
    pub bucket: usize,
    pub slot: usize,
}

/// The lines of one segment.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    lines: &'a [Line],
    shape: Shape,
}

impl<'a> Segment<'a> {
    pub fn new(lines: &'a [Line], first: usize, shape: Shape) -> Segment<'a> {
        Segment { lines: &lines[first..first + shape.stride()], shape }
    }

    /// Where `key` is; where it may go.
    pub fn search(&self, home: usize, key: u64) -> (Option<Place>, Option<Place>) {
        let mut bucket = home;
        let mut room = None;
        for steps in 0..self.shape.probes() {
            let keys = self.keys(bucket);
            let place = |slot| Place { steps, bucket, slot };
            if let Some(slot) = keys.iter().position(|k| *k == key) {
                return (Some(place(slot)), None);
            }
            let reusable = self.note(bucket);
            let usable = |slot: &usize| keys[*slot] == FREE || reusable & 1 << slot != 0;
            room = room.or_else(|| (0..SLOTS).find(usable).map(place));
            if keys.contains(&FREE) {
                break;
            }
            bucket = self.next(bucket);
        }
        (None, room)
    }

    /// Binds a key that is not here, at the place that `search` gave.
    pub fn fill(&self, home: usize, at: Place, key: u64, word: u64) {
        let mut bucket = home;
        for _ in 0..at.steps {
            self.set_note(bucket, self.note(bucket) + ONE_PASSED);
            bucket = self.next(bucket);
        }
        self.set_note(at.bucket, self.note(at.bucket) & !(1 << at.slot));
        self.replace(at, word);
        // Release: who sees the key sees the word.
        self.lines[at.bucket][at.slot].store(key, Release);
    }

    pub fn replace(&self, at: Place, word: u64) {
        self.lines[at.bucket][SLOTS + at.slot].store(word, Relaxed);
    }

    /// Leaves a tombstone.
    pub fn clear(&self, home: usize, at: Place) {
        self.replace(at, 0);
        self.lines[at.bucket][at.slot].store(TOMBSTONE, Release);
        let mut bucket = home;
        for _ in 0..at.steps {
            self.set_note(bucket, self.note(bucket) - ONE_PASSED);
            self.free_reusable(bucket);
            bucket = self.next(bucket);
        }
    }

    /// No worker may still read what stood where this tombstone is.
    pub fn reuse(&self, bucket: usize, slot: usize) {
        self.set_note(bucket, self.note(bucket) | 1 << slot);
        self.free_reusable(bucket);
    }

    /// Where no key lies further on, reusable slots become free, so that lookups end here again. Without this every
    /// bucket that was ever full would lengthen misses for good.
    fn free_reusable(&self, bucket: usize) {
        let note = self.note(bucket);
        if note >= ONE_PASSED || note & REUSABLE == 0 {
            return;
        }
        self.set_note(bucket, 0);
        for slot in (0..SLOTS).filter(|slot| note & 1 << slot != 0) {
            self.lines[bucket][slot].store(FREE, Release);
        }
    }

    /// The keys and words bound in one bucket.
    pub fn bound(&self, bucket: usize) -> impl Iterator<Item = (u64, u64)> {
        let line = &self.lines[bucket];
        let slots =
            (0..SLOTS).map(|slot| (line[slot].load(Relaxed), line[SLOTS + slot].load(Relaxed)));
        slots.filter(|(key, _)| *key != FREE && *key != TOMBSTONE)
    }

    /// Makes some lines zero, notes included.
    pub fn zero(&self, lines: std::ops::Range<usize>) {
        for line in &self.lines[lines] {
            line.iter().for_each(|word| word.store(0, Relaxed));
        }
    }

    fn keys(&self, bucket: usize) -> [u64; SLOTS] {
        std::array::from_fn(|slot| self.lines[bucket][slot].load(Relaxed))
    }

    fn next(&self, bucket: usize) -> usize {
        (bucket + 1) & self.shape.mask()
    }

    fn note(&self, bucket: usize) -> Note {
        let (line, word, shift) = self.note_at(bucket);
        (self.lines[line][word].load(Relaxed) >> shift) as Note
    }

    fn set_note(&self, bucket: usize, note: Note) {
        let (line, word, shift) = self.note_at(bucket);
        let others = self.lines[line][word].load(Relaxed) & !(u64::from(Note::MAX) << shift);
        self.lines[line][word].store(others | u64::from(note) << shift, Relaxed);
    }

    /// Line, word and bit.
    fn note_at(&self, bucket: usize) -> (usize, usize, usize) {
        let word = bucket / 4;
        let line = self.shape.buckets() + word / (2 * SLOTS);
        (line, word % (2 * SLOTS), bucket % 4 * 16)
    }
}
