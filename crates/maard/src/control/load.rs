// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--load-test`: fills the workers' table over the same rings and by the same updates as the slow path does, then
//! changes it at a given rate. Nothing of it is known to the protocol.
//!
//! ```text
//! fill: stations, bindings -> "in force" -> grow: to so many bindings, at full speed -> run: updates at a rate
//! ```
//!
//! The next hops on the core links do not exist either: what the router asks by Neighbour Solicitation is answered here.

mod neighbors;

use super::workers::WorkerEnd;
use crate::config::LoadTest;
use crate::pauses::Pauses;
use dataplane::PortId;
use dataplane::table::Table;
use dataplane::update::Update;
use neighbors::Neighbors;
use slowpath::config::Prefix;
use std::sync::Arc;
use std::time::Duration;
use wire::time::Instant;

/// Updates sent in one turn of the slow path's loop, so that the rest of it has its turns.
const BATCH: u64 = 512;
/// Keys that come and go among the updates.
const CHURN: u64 = crate::config::CHURN;
/// A rate is taken over so long.
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Fill,
    Grow,
    Run,
}

/// A load test under way.
pub struct Load {
    wanted: LoadTest,
    table: Table,
    neighbors: Neighbors,
    /// By worker.
    pauses: Vec<Arc<Pauses>>,
    cycles_per_second: u64,
    stage: Stage,
    since: Instant,
    /// Updates of this stage that were sent.
    next: u64,
    told: Told,
    window: (Instant, u64),
}

/// The figures of `romip show counters`.
#[derive(Default)]
struct Told {
    sent: u64,
    applied: u64,
    fill_per_second: u64,
    grow_per_second: u64,
    grow_longest_pause_ns: u64,
    grow_longest_own_pause_ns: u64,
    applied_per_second: u64,
}

impl Load {
    /// `links`: the prefix of each core port. `pauses`: of [`crate::worker::PollLoop::time_pauses`], by worker.
    pub fn new(
        wanted: LoadTest,
        table: Table,
        links: Vec<(PortId, Prefix)>,
        pauses: Vec<Arc<Pauses>>,
        cycles_per_second: u64,
    ) -> Load {
        log::warn!(
            "load test: stations and bindings that do not exist; for measurements, never in service"
        );
        Load {
            wanted,
            table,
            neighbors: Neighbors::new(links),
            pauses,
            cycles_per_second,
            stage: Stage::Fill,
            since: Instant(0),
            next: 0,
            told: Told::default(),
            window: (Instant(0), 0),
        }
    }

    /// What a made-up neighbour says to a frame that goes out by `port`.
    pub fn answer(&self, port: PortId, frame: &[u8]) -> Option<Vec<u8>> {
        self.neighbors.answer(port, frame)
    }

    /// Sends what is due; whether there was anything.
    pub fn turn(&mut self, now: Instant, workers: &mut [WorkerEnd]) -> bool {
        if self.told.sent == 0 {
            self.since = now;
        }
        let due = self.due(now);
        let sent = self.send(due, workers);
        self.told.applied = workers.iter_mut().map(WorkerEnd::applied_of_load).sum();
        self.rate(now);
        let in_force = self.next >= self.end() && self.told.applied >= self.told.sent;
        if self.stage != Stage::Run && in_force {
            self.finish(now);
        }
        sent || self.stage != Stage::Run
    }

    /// Updates of a stage.
    fn end(&self) -> u64 {
        match self.stage {
            Stage::Fill => self.wanted.mns + self.wanted.bindings,
            Stage::Grow => self.wanted.grow_to - self.wanted.bindings,
            Stage::Run => u64::MAX,
        }
    }

    /// Updates of this stage that should have been sent by now.
    fn due(&mut self, now: Instant) -> u64 {
        if self.stage != Stage::Run {
            return self.end();
        }
        let rate = self.wanted.updates_per_second;
        let due = |since| ((now - since).as_micros() * u128::from(rate) / 1_000_000) as u64;
        if due(self.since).saturating_sub(self.next) > rate {
            // A second behind: what the workers do not take in time is not owed to them later.
            self.since = Instant(now.0.saturating_sub(self.next * 1_000_000 / rate.max(1)));
        }
        due(self.since)
    }

    fn send(&mut self, due: u64, workers: &mut [WorkerEnd]) -> bool {
        let first = self.next;
        while self.next < due && self.next - first < BATCH {
            let (key, update) = self.update(self.next);
            let worker = workers.get_mut(self.table.shard_of(key));
            if worker.is_none_or(|worker| !worker.load(update)) {
                break;
            }
            self.next += 1;
            self.told.sent += 1;
        }
        self.next > first
    }

    /// Update `n` of this stage.
    fn update(&self, n: u64) -> (u64, Update) {
        let people = &self.wanted.population;
        let bind = |(key, verdict)| (key, Update::Bind { key, verdict });
        match self.stage {
            Stage::Fill if n < self.wanted.mns => bind(people.station(n)),
            Stage::Fill => bind(people.binding(n - self.wanted.mns, 0)),
            Stage::Grow => bind(people.binding(self.wanted.bindings + n, 0)),
            Stage::Run => {
                let (bindings, round) = (self.wanted.grow_to, n / 4);
                let fresh = |n: u64| bindings + n % CHURN;
                match n % 4 {
                    1 => bind(people.binding(fresh(round), 0)),
                    3 => {
                        let key = people.binding(fresh(round + CHURN / 2), 0).0;
                        (key, Update::Unbind { key })
                    }
                    // To its next peer, and at the next time back.
                    _ if bindings > 0 => {
                        let (index, visit) = (n / 2 % bindings, n / 2 / bindings);
                        bind(people.binding(index, (visit + 1) % 2))
                    }
                    _ => bind(people.binding(fresh(round), 1)),
                }
            }
        }
    }

    fn rate(&mut self, now: Instant) {
        let (since, applied) = self.window;
        if now - since >= WINDOW {
            self.told.applied_per_second = per_second(self.told.applied - applied, now - since);
            self.window = (now, self.told.applied);
        }
    }

    /// A stage's updates are all in force.
    fn finish(&mut self, now: Instant) {
        let rate = per_second(self.next, now - self.since);
        let (pause, own) = (self.longest_pause_ns(), self.longest_own_pause_ns());
        match self.stage {
            Stage::Fill => {
                let (mns, bindings) = (self.wanted.mns, self.wanted.bindings);
                log::info!(
                    "load test in force: {mns} leases, {bindings} bindings, {rate} updates a second"
                );
                self.told.fill_per_second = rate;
                self.stage = Stage::Grow;
            }
            _ => {
                if self.next > 0 {
                    let to = self.wanted.grow_to;
                    let us = own / 1000;
                    log::info!(
                        "load test: grown to {to} bindings, {rate} updates a second, longest housekeeping {us} us"
                    );
                    self.told.grow_per_second = rate;
                    self.told.grow_longest_pause_ns = pause;
                    self.told.grow_longest_own_pause_ns = own;
                }
                self.stage = Stage::Run;
            }
        }
        let growing = self.stage == Stage::Grow;
        self.pauses.iter().for_each(|pauses| pauses.restart(growing));
        (self.since, self.next) = (now, 0);
    }

    fn longest_pause_ns(&self) -> u64 {
        let cycles = self.pauses.iter().map(|pauses| pauses.longest_cycles()).max();
        let ns = u128::from(cycles.unwrap_or(0)) * 1_000_000_000;
        (ns / u128::from(self.cycles_per_second.max(1))) as u64
    }

    /// Of the threads' own time, which is taken while the table grows.
    fn longest_own_pause_ns(&self) -> u64 {
        self.pauses.iter().map(|pauses| pauses.longest_own_ns()).max().unwrap_or(0)
    }

    /// Rows for `romip show counters`: stage 0 fills, 1 grows, 2 runs; pauses are of the stage under way.
    pub fn rows(&self) -> [(&'static str, u64); 10] {
        [
            ("load_test.stage", self.stage as u64),
            ("load_test.sent", self.told.sent),
            ("load_test.applied", self.told.applied),
            ("load_test.applied_per_second", self.told.applied_per_second),
            ("load_test.fill_per_second", self.told.fill_per_second),
            ("load_test.grow_per_second", self.told.grow_per_second),
            ("load_test.longest_pause_ns", self.longest_pause_ns()),
            ("load_test.grow_longest_pause_ns", self.told.grow_longest_pause_ns),
            ("load_test.grow_longest_own_pause_ns", self.told.grow_longest_own_pause_ns),
            ("load_test.table_octets", self.table.octets() as u64),
        ]
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    (u128::from(count) * 1_000_000 / time.as_micros().max(1)) as u64
}
