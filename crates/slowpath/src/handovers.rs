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
        let attachment = match event {
            Event::Step { mn_id, attachment, step, via, with } => {
                let record = self.record(now, mn_id, *attachment);
                if record.via.is_empty() {
                    record.via = via;
                }
                if record.steps.len() < MAX_STEPS {
                    let at = now.mono - record.begun.mono;
                    record.steps.push(Step { n: *step, at, with: *with });
                }
                *attachment
            }
            Event::HandoverDone { mn_id, attachment, previous, status } => {
                let record = self.record(now, mn_id, *attachment);
                record.previous = Some(*previous);
                record.status = *status;
                record.done = true;
                self.waiting.insert((now.mono + LINGER, *attachment));
                *attachment
            }
            Event::Count(_) => return,
        };
        if self.open.get(&attachment).is_some_and(|record| record.done && record.answered()) {
            self.close(attachment, fx);
        }
    }

    fn record(&mut self, now: Now, mn_id: &Nai, attachment: u64) -> &mut Record {
        // A late dDBA belongs to a record that is closed already.
        if let Some(place) = self.over.iter().rposition(|record| record.attachment == attachment) {
            return &mut self.over[place];
        }
        if self.open.len() == KEPT && !self.open.contains_key(&attachment) {
            self.open.pop_first();
        }
        self.open.entry(attachment).or_insert_with(|| Record {
            mn_id: mn_id.clone(),
            attachment,
            via: "",
            previous: None,
            status: None,
            done: false,
            begun: now,
            steps: Vec::new(),
        })
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
    /// As many dDBAs came as dDBUs went out.
    fn answered(&self) -> bool {
        let of = |n| self.steps.iter().filter(|step| step.n == n).count();
        of(7) > 0 && of(8) >= of(7)
    }

    fn line(&self) -> String {
        let mut line = format!(
            "handover of {} (attachment {}, {}) from {}: status {}",
            escaped(self.mn_id.as_str()),
            self.attachment,
            self.via,
            self.previous.unwrap_or(Ipv6Addr::UNSPECIFIED),
            self.status.map_or("none".to_owned(), |status| status.to_string()),
        );
        for step in &self.steps {
            let name = name(step.n);
            let ms = step.at.as_micros() as f64 / 1000.0;
            // Writing to a String cannot fail.
            let _ = write!(line, ", {} {name} {ms:.3} ms", step.n);
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

fn name(step: u8) -> &'static str {
    NAMES.get(usize::from(step).wrapping_sub(1)).copied().unwrap_or("?")
}
