// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many runs, on every core this process may use. Each run is its seed's alone, so their order does not matter.

use crate::oracle::Probes;
use crate::play::{Outcome, play};
use crate::setup::Setup;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all runs came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs.
    pub seeds: u64,
    /// Dead sessions.
    pub dead: u64,
    /// Indirect sessions.
    pub indirect: u64,
    /// Packets and bindings in wrong hands.
    pub hijacked: u64,
    /// Packets that went in circles.
    pub looped: u64,
    /// Packets delivered twice.
    pub doubled: u64,
    /// Packets out of order.
    pub reordered: u64,
    /// Entries that outlived their lifetime.
    pub outlived: u64,
    /// Probes.
    pub probes: Probes,
    /// Runs with a fault, by seed.
    pub failed: Vec<Outcome>,
}

impl Totals {
    /// One run more.
    pub fn add(&mut self, outcome: Outcome, setup: &Setup) {
        let findings = &outcome.findings;
        self.seeds += 1;
        self.dead += findings.dead;
        self.indirect += findings.indirect;
        self.hijacked += findings.hijacked;
        self.looped += findings.looped;
        self.doubled += findings.doubled;
        self.reordered += findings.reordered;
        self.outlived += findings.outlived;
        self.probes.sent += outcome.probes.sent;
        self.probes.lost += outcome.probes.lost;
        self.probes.unsent += outcome.probes.unsent;
        self.probes.to_dead_maar += outcome.probes.to_dead_maar;
        if outcome.failed(setup) {
            self.failed.push(outcome);
        }
    }

    /// Probes lost, percent of those a MAAR got.
    pub fn percent_lost(&self) -> f64 {
        100.0 * self.probes.lost as f64 / self.probes.sent.max(1) as f64
    }

    /// As the report file has it.
    pub fn json(&self, setup: &Setup, first_seed: u64) -> Value {
        json!({
            "seeds": self.seeds,
            "dead": self.dead,
            "indirect": self.indirect,
            "hijacked": self.hijacked,
            "looped": self.looped,
            "doubled": self.doubled,
            "reordered": self.reordered,
            "outlived": self.outlived,
            "probes": self.probes,
            "failed_seeds": self.failed.iter().map(|outcome| outcome.seed).collect::<Vec<_>>(),
            "first_seed": first_seed,
            "setup": setup,
        })
    }
}

/// Plays the seeds from `first` on. `progress` is told after each run how many are done and how many of them failed.
pub fn storm(setup: &Setup, first: u64, seeds: u64, progress: impl Fn(u64, u64) + Sync) -> Totals {
    let next = AtomicU64::new(0);
    let totals = Mutex::new(Totals::default());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get()) as u64;
    std::thread::scope(|scope| {
        for _ in 0..cores.min(seeds) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let outcome = play(setup, first + number);
                    let mut totals = totals.lock().expect("no run panics while it holds the lock");
                    totals.add(outcome, setup);
                    progress(totals.seeds, totals.failed.len() as u64);
                }
            });
        }
    });
    let mut totals = totals.into_inner().expect("no run panics while it holds the lock");
    totals.failed.sort_by_key(|outcome| outcome.seed);
    totals
}
