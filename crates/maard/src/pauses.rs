// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Under a load test: how long a worker is away from its ports for its housekeeping, by the time stamp counter; while the
//! table grows also by the thread's own time, which leaves out what the kernel gave to others. That one is a system call,
//! which a worker makes at no other time.

use nix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The longest of one worker so far.
#[derive(Default)]
pub struct Pauses {
    cycles: AtomicU64,
    own_ns: AtomicU64,
    takes_own: AtomicBool,
}

impl Pauses {
    /// Does `work` and takes its time.
    pub fn time(&self, work: impl FnOnce()) {
        let own = self.takes_own.load(Ordering::Relaxed).then(own_time);
        let start = dpdk::cycles::now();
        work();
        longest(&self.cycles, dpdk::cycles::now() - start);
        if let Some(before) = own {
            longest(&self.own_ns, own_time().saturating_sub(before).as_nanos() as u64);
        }
    }

    /// From now on, anew; with the thread's own time or without.
    pub fn restart(&self, takes_own: bool) {
        self.cycles.store(0, Ordering::Relaxed);
        self.own_ns.store(0, Ordering::Relaxed);
        self.takes_own.store(takes_own, Ordering::Relaxed);
    }

    /// Cycles of the time stamp counter.
    pub fn longest_cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Nanoseconds of the thread's own time.
    pub fn longest_own_ns(&self) -> u64 {
        self.own_ns.load(Ordering::Relaxed)
    }
}

/// Not fetch_max: a load and, seldom, a store. A restart that comes between them is lost for one worker's one turn.
fn longest(so_far: &AtomicU64, took: u64) {
    if took > so_far.load(Ordering::Relaxed) {
        so_far.store(took, Ordering::Relaxed);
    }
}

/// Time this thread ran.
fn own_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
