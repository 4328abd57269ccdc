// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a shard grows while it is read. A segment that is five eighths full is copied into two, some buckets at a time
//! between bursts, and the directory is then led to these:
//!
//! ```text
//!   queued -> copied: readers go on with the old segment, updates behind the cursor go to both
//!          -> directory written, epoch raised -> every worker has seen it -> old segment made zero -> used for the next
//! ```
//!
//! A segment whose keys have moved too far from their homes, as many came and went, is built anew in the same way, into
//! one. The pace follows the new keys, so that a segment is copied long before it is full; the memory was prepared by
//! the thread that sends updates. So no step takes longer than [`MOST`] buckets.

use super::sync::Ordering;
use super::writer::{Info, ShardWriter};
use std::collections::VecDeque;

/// Buckets copied for each new key. All segments of a shard come to be split at much the same time; this gets the last
/// one done when it is 70 % full.
const PACE: usize = 4;
/// Lines made zero in the time of one bucket's copying.
const ZEROED: usize = 4;
/// Buckets in one call, at least and at most.
const LEAST: usize = 8;
const MOST: usize = 256;
/// Segments that wait to be made zero before another split begins.
const RETIRED: usize = 2;

/// What a shard is growing into.
#[derive(Debug)]
pub(super) struct Growth {
    /// Segments that are to be split or built anew.
    queue: VecDeque<usize>,
    copying: Option<Copying>,
    retired: VecDeque<Retired>,
    /// Segments at zero.
    spare: Vec<usize>,
    /// Buckets owed.
    credit: usize,
}

/// One segment on its way into two, or into one that then stands here twice.
#[derive(Clone, Copy, Debug)]
struct Copying {
    from: usize,
    into: [usize; 2],
    /// The first entry of the directory that leads to the second.
    middle: usize,
    /// Buckets before this one are copied.
    cursor: usize,
}

impl Copying {
    fn target(&self, entry: usize) -> usize {
        self.into[usize::from(entry >= self.middle)]
    }
}

#[derive(Clone, Copy, Debug)]
struct Retired {
    segment: usize,
    /// What all workers must have seen.
    epoch: u64,
    /// Lines before this one are zero.
    cursor: usize,
}

impl Growth {
    pub fn new(segments: usize) -> Growth {
        Growth {
            queue: VecDeque::with_capacity(segments),
            copying: None,
            retired: VecDeque::with_capacity(2 * RETIRED),
            spare: Vec::with_capacity(2 * RETIRED),
            credit: 0,
        }
    }

    /// Where a key in this bucket of this segment also is, or has to be put.
    #[inline]
    pub fn copy_of(&self, segment: usize, bucket: usize, entry: usize) -> Option<usize> {
        let copying = self.copying.as_ref()?;
        (copying.from == segment && bucket < copying.cursor).then(|| copying.target(entry))
    }
}

impl ShardWriter {
    /// A new key came to a segment.
    pub(super) fn grew(&mut self, number: usize) {
        self.growth.credit += PACE;
        let info = &self.segments[number];
        if !info.queued && !info.stuck && (self.is_full(info) || self.is_scattered(info)) {
            self.queue(number);
        }
    }

    fn queue(&mut self, number: usize) {
        self.segments[number].queued = true;
        self.growth.queue.push_back(number);
    }

    /// It is to be split.
    fn is_full(&self, info: &Info) -> bool {
        let shape = &self.table.shape;
        info.depth < shape.depth && info.keys as usize >= shape.slots() * 5 / 8
    }

    /// It is to be built anew. Where everything is a few lines away that is not worth it.
    fn is_scattered(&self, info: &Info) -> bool {
        let slots = self.table.shape.slots() as u32;
        slots >= 256 && info.steps > 2 * info.fresh + slots / 8
    }

    /// Whether a segment takes no new key until it is split.
    pub(super) fn pressed(&self, number: usize) -> bool {
        let info = &self.segments[number];
        info.queued
            && info.keys as usize >= self.table.shape.slots() * 3 / 4
            && self.is_full(info)
            && !self.table.exhausted.load(Ordering::Acquire)
    }

    /// Does a bounded part of what is to be done. Between bursts, often.
    pub fn grow(&mut self) {
        let mut budget = self.growth.credit.clamp(LEAST, MOST);
        self.growth.credit = self.growth.credit.saturating_sub(budget);
        while budget > 0 {
            let done = match self.growth.copying {
                _ if self.may_clear() => self.clear(budget),
                Some(copying) => self.copy(copying, budget),
                None => self.begin(),
            };
            if done == 0 {
                return;
            }
            budget -= done.min(budget);
        }
    }

    /// Takes the next segment up. 0 when there is none, or nothing to copy it into yet.
    fn begin(&mut self) -> usize {
        let Some(&from) = self.growth.queue.front() else {
            self.growth.credit = 0;
            return 0;
        };
        let info = self.segments[from];
        let split = self.is_full(&info);
        if self.growth.retired.len() >= RETIRED || !self.provide(1 + usize::from(split)) {
            return 0;
        }
        self.growth.queue.pop_front();
        let first = self.growth.spare.pop().expect("provided");
        let second = if split { self.growth.spare.pop().expect("provided") } else { first };
        let depth = info.depth + u32::from(split);
        let entries = 1 << (self.table.shape.depth - depth);
        let middle = if split { info.entry as usize + entries } else { usize::MAX };
        self.segments[first] = Info { entry: info.entry, depth, ..Info::default() };
        if split {
            self.segments[second] = Info { entry: middle as u32, depth, ..Info::default() };
        }
        self.growth.copying = Some(Copying { from, into: [first, second], middle, cursor: 0 });
        1
    }

    /// Whether there are so many spare segments now.
    fn provide(&mut self, wanted: usize) -> bool {
        while self.growth.spare.len() < wanted {
            let backed = self.table.backed.load(Ordering::Acquire);
            let next = |taken| (taken < backed).then_some(taken + 1);
            let taken = self.table.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            let Ok(number) = taken else { return false };
            self.growth.spare.push(number);
        }
        true
    }

    fn copy(&mut self, copying: Copying, budget: usize) -> usize {
        let buckets = self.table.shape.buckets();
        let end = buckets.min(copying.cursor + budget);
        for bucket in copying.cursor..end {
            let bound: BoundKeys = self.segment(copying.from).bound(bucket).collect();
            for (key, word) in bound {
                let home = self.table.shape.home(key);
                if self.put(copying.target(home.entry), home.bucket, key, word).is_err() {
                    self.abandon();
                    return budget;
                }
            }
        }
        self.growth.copying = Some(Copying { cursor: end, ..copying });
        if end == buckets {
            self.lead_on(copying);
        }
        end - copying.cursor
    }

    /// Leads the readers to the copies.
    fn lead_on(&mut self, copying: Copying) {
        let shape = self.table.shape;
        let Info { entry, depth, .. } = self.segments[copying.from];
        let entries = entry as usize..entry as usize + (1 << (shape.depth - depth));
        for entry in entries {
            let first = copying.target(entry) * shape.stride();
            // Release: who sees it sees what was copied.
            self.table.directory[entry].store(first as u32, Ordering::Release);
        }
        // Release, and after the directory, as in `remove`.
        let epoch = self.table.epoch.fetch_add(1, Ordering::Release) + 1;
        self.retire(copying.from, epoch);
        self.growth.copying = None;
        let [first, second] = copying.into;
        for number in [first, second].into_iter().take(1 + usize::from(first != second)) {
            let info = &mut self.segments[number];
            info.fresh = info.steps;
            if self.is_full(&self.segments[number]) {
                self.queue(number);
            }
        }
    }

    fn retire(&mut self, segment: usize, epoch: u64) {
        self.segments[segment] = Info::default();
        self.growth.retired.push_back(Retired { segment, epoch, cursor: 0 });
    }

    /// A copy has no room for a key where the original had: the segment stays as it is. Takes keys that were chosen for
    /// it.
    #[cold]
    pub(super) fn abandon(&mut self) {
        let Some(Copying { from, into: [first, second], .. }) = self.growth.copying.take() else {
            return;
        };
        let info = &mut self.segments[from];
        (info.queued, info.stuck) = (false, true);
        // No worker ever read them.
        self.retire(first, 0);
        if first != second {
            self.retire(second, 0);
        }
    }

    /// Whether the oldest retired segment is nobody's any more: no worker's, and no removed slot's.
    fn may_clear(&self) -> bool {
        let Some(retired) = self.growth.retired.front() else { return false };
        let waiting = self.waiting.front().is_some_and(|slot| slot.epoch <= retired.epoch);
        !waiting && (retired.cursor > 0 || retired.epoch <= self.seen())
    }

    /// Makes the oldest retired segment zero, then spare. What it cost, in buckets.
    fn clear(&mut self, budget: usize) -> usize {
        let stride = self.table.shape.stride();
        let Some(retired) = self.growth.retired.front_mut() else { return 0 };
        let Retired { segment, cursor, .. } = *retired;
        let end = stride.min(cursor + budget * ZEROED);
        retired.cursor = end;
        self.segment(segment).zero(cursor..end);
        if end == stride {
            self.growth.retired.pop_front();
            self.growth.spare.push(segment);
        }
        (end - cursor).div_ceil(ZEROED)
    }
}

type BoundKeys = arrayvec::ArrayVec<(u64, u64), { super::SLOTS }>;
