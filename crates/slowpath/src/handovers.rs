// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The record of handovers: Figure 1's steps with their times.

use crate::effects::{Effects, escaped};
use mobility::Event;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Nai;
use wire::time::{Instant, Now};

/// Records kept, and attachments whose exchange runs.
const KEPT: usize = 1000;
/// Steps of one record; a move with many correspondents has a dDBU and a dDBA for each.
const MAX_STEPS: usize = 64;
/// The last dDBA follows the end of the exchange with the previous MAAR within this time, or is not waited for.
const LINGER: Duration = Duration::from_secs(2);
/// Figure 1.
const NAMES: [&str; 8] = ["RS", "AAR", "AAA", "RA", "sDBU", "sDBA", "dDBU", "dDBA"];

#[derive(Clone, Debug)]
struct Step {
    n: u8,
    at: Duration,
    with: Option<Ipv6Addr>,
}

#[derive(Clone, Debug)]
struct Record {
    mn_id: Nai,
    attachment: u64,
    via: &'static str,
    previous: Option<Ipv6Addr>,
    status: Option<u8>,
    done: bool,
    begun: Now,
    steps: Vec<Step>,
}

/// Attachments under way, and the handovers among those that are over.
#[derive(Debug, Default)]
pub(crate) struct Handovers {
    open: BTreeMap<u64, Record>,
    /// When a handover that is done is logged although a dDBA is still missing; by attachment.
    waiting: BTreeSet<(Instant, u64)>,
    over: VecDeque<Record>,
}

impl Handovers {
    /// Takes note of a step or an end; other events are not for this record.
    pub(crate) fn note(&mut self, now: Now, event: &Event, fx: &mut Effects) {
        match event {
            Event::Step { mn_id, attachment, step: 1, via, .. } => {
                self.begin(now, mn_id, *attachment, via);
                self.step(now, *attachment, 1, None);
            }
            Event::Step { attachment, step, with, .. } => {
                self.step(now, *attachment, *step, *with);
                if self.open.get(attachment).is_some_and(Record::is_complete) {
                    self.close(*attachment, fx);
                }
            }
            Event::HandoverDone { mn_id, attachment, previous, status } => {
                self.done(now, mn_id, *attachment, *previous, *status, fx);
            }
            Event::Count(_) => {}
        }
    }

    fn begin(&mut self, now: Now, mn_id: &Nai, attachment: u64, via: &'static str) {
        if self.open.len() == KEPT {
            self.open.pop_first();
        }
        let record = Record {
            mn_id: mn_id.clone(),
            attachment,
            via,
            previous: None,
            status: None,
            done: false,
            begun: now,
            steps: Vec::new(),
        };
        self.open.insert(attachment, record);
    }

    /// A late dDBA still belongs to its record, which may be closed.
    fn step(&mut self, now: Now, attachment: u64, n: u8, with: Option<Ipv6Addr>) {
        let over = self.over.iter_mut().rfind(|record| record.attachment == attachment);
        let Some(record) = self.open.get_mut(&attachment).or(over) else { return };
        if record.steps.len() < MAX_STEPS {
            record.steps.push(Step { n, at: now.mono - record.begun.mono, with });
        }
    }

    /// The exchange with the previous MAAR ended; without one this is a first attachment and no handover.
    fn done(
        &mut self,
        now: Now,
        mn_id: &Nai,
        attachment: u64,
        previous: Ipv6Addr,
        status: Option<u8>,
        fx: &mut Effects,
    ) {
        let Some(record) = self.open.get_mut(&attachment) else { return };
        // The AAA may have given the MN another name since step 1.
        record.mn_id = mn_id.clone();
        if previous.is_unspecified() {
            fx.info(record.line());
            self.open.remove(&attachment);
            return;
        }
        (record.previous, record.status, record.done) = (Some(previous), status, true);
        if record.is_complete() {
            self.close(attachment, fx);
        } else {
            self.waiting.insert((now.mono + LINGER, attachment));
        }
    }

    /// When [`Handovers::tick`] has something to log.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|&(at, _)| at)
    }

    /// Closes what has waited long enough for its dDBA.
    pub(crate) fn tick(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(&(at, attachment)) = self.waiting.first()
            && at <= now
        {
            self.waiting.pop_first();
            self.close(attachment, fx);
        }
    }

    fn close(&mut self, attachment: u64, fx: &mut Effects) {
        let Some(record) = self.open.remove(&attachment) else { return };
        fx.info(record.line());
        let took = record.took();
        fx.add("handover_us", took.as_micros() as u64);
        fx.count(within(took));
        if self.over.len() == KEPT {
            self.over.pop_front();
        }
        self.over.push_back(record);
    }

    /// For `romip show handovers`, oldest first; those under way last.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let running = self.open.values().filter(|record| record.steps.iter().any(|s| s.n >= 5));
        self.over.iter().chain(running).map(Record::row).collect()
    }
}

impl Record {
    /// Done, and as many dDBAs came as dDBUs went out.
    fn is_complete(&self) -> bool {
        let of = |n| self.steps.iter().filter(|step| step.n == n).count();
        self.done && of(7) > 0 && of(8) >= of(7)
    }

    /// From step 1 to the last message.
    fn took(&self) -> Duration {
        self.steps.iter().map(|step| step.at).max().unwrap_or_default()
    }

    fn line(&self) -> String {
        let who = escaped(self.mn_id.as_str());
        let mut line = match (self.previous, self.status) {
            (None, _) => format!("attachment of {who}"),
            (Some(maar), Some(status)) => format!("handover of {who} from {maar}: status {status}"),
            (Some(maar), None) => format!("handover of {who} from {maar}: no answer"),
        };
        // Writing to a String cannot fail.
        let _ = write!(line, " (number {}, seen by {})", self.attachment, self.via);
        for step in &self.steps {
            let _ = write!(line, ", {} {}", step.n, name(step.n));
            if let Some(with) = step.with {
                let _ = write!(line, " {with}");
            }
            let _ = write!(line, " {:.3} ms", step.at.as_micros() as f64 / 1000.0);
        }
        line
    }

    fn row(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            json!({
                "n": step.n,
                "name": name(step.n),
                "t_us": step.at.as_micros() as u64,
                "with": step.with.map(|with| with.to_string()),
            })
        });
        json!({
            "mn_id": self.mn_id.as_str(),
            "attachment": self.attachment,
            "via": self.via,
            "previous": self.previous.map(|previous| previous.to_string()),
            "status": self.status,
            "done": self.done,
            "started_us": self.begun.wall.as_micros() as u64,
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

/// Counters of handovers by how long they took, each with its bound in microseconds.
const WITHIN: [(u128, &str); 10] = [
    (1_000, "handover_within_1ms"),
    (2_000, "handover_within_2ms"),
    (5_000, "handover_within_5ms"),
    (10_000, "handover_within_10ms"),
    (20_000, "handover_within_20ms"),
    (50_000, "handover_within_50ms"),
    (100_000, "handover_within_100ms"),
    (200_000, "handover_within_200ms"),
    (500_000, "handover_within_500ms"),
    (1_000_000, "handover_within_1s"),
];

/// The counter of handovers that took so long: one for each.
fn within(took: Duration) -> &'static str {
    let fits = WITHIN.iter().find(|(bound, _)| took.as_micros() <= *bound);
    fits.map_or("handover_longer", |(_, name)| name)
}

fn name(step: u8) -> &'static str {
    NAMES.get(usize::from(step).wrapping_sub(1)).copied().unwrap_or("?")
}
