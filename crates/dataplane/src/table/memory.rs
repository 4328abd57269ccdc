// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the table's cache lines are. One stretch of addresses from the start, sized for the most the table may hold,
//! of which only the front is backed by memory: the thread that sends updates backs more before it is needed, so that
//! no worker ever meets a page fault ([`super::Table::prepare`]).

use super::sync::AtomicU64;

/// Slots of a bucket. Fewer under loom, which tries every order of every access.
pub(super) const SLOTS: usize = if cfg!(loom) { 2 } else { 4 };

/// One cache line: the keys of a bucket, then their values.
pub type Line = [AtomicU64; 2 * SLOTS];

/// The lines of one table, all zero at the start.
pub trait Memory: Send + Sync {
    /// All of them: always the same. Those that were not prepared are not touched.
    fn lines(&self) -> &[Line];

    /// Backs the first `lines` lines and gives how many are backed now; fewer than asked only when there is no more
    /// memory. May take long. Called by one thread at a time.
    fn prepare(&self, lines: usize) -> usize;
}

/// Ordinary memory, all of it taken at the start.
pub struct Heap {
    words: Box<[AtomicU64]>,
    /// Words in front of the first cache line.
    skip: usize,
    lines: usize,
}

impl Heap {
    /// So many lines.
    pub fn new(lines: usize) -> Heap {
        let line = size_of::<Line>() / size_of::<AtomicU64>();
        let words: Box<[AtomicU64]> = (0..(lines + 1) * line).map(|_| AtomicU64::new(0)).collect();
        let past = words.as_ptr().addr() % size_of::<Line>() / size_of::<AtomicU64>();
        Heap { words, skip: (line - past) % line, lines }
    }
}

impl Memory for Heap {
    #[inline]
    fn lines(&self) -> &[Line] {
        &self.words[self.skip..].as_chunks().0[..self.lines]
    }

    fn prepare(&self, _lines: usize) -> usize {
        self.lines
    }
}
