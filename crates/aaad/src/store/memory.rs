// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows in memory only: for tests and trials. After a restart the MAARs see a larger Origin-State-Id and register again.

use super::row::{Row, Stamp};
use super::{LocationStore, Operation, Outcome, Request};
use hashbrown::HashMap;
use std::sync::Arc;
use std::time::Duration;
use wire::time::{AttachTime, Now};

/// The store that forgets.
#[derive(Debug)]
pub struct Memory {
    state_id: u32,
    rows: HashMap<Arc<str>, Row, foldhash::fast::RandomState>,
    finished: Vec<(u64, Outcome)>,
}

impl Memory {
    /// An empty table; `wall` is the time since 1970.
    pub fn new(wall: Duration) -> Memory {
        Memory { state_id: wall.as_secs() as u32, rows: HashMap::default(), finished: Vec::new() }
    }

    fn apply(&mut self, now: Now, operation: &Operation) -> Outcome {
        let stamp = Stamp(now.mono.0);
        match operation {
            Operation::Attach(attach) => {
                let row = self
                    .rows
                    .entry_ref(&attach.mn_id)
                    .or_insert_with(|| Row::vacant(attach.mn_id.clone()));
                Outcome::Attached(row.attach(stamp, AttachTime::from_unix(now.wall), attach).reply)
            }
            Operation::Detach(detach) => Outcome::Detached(
                self.rows.get_mut(&*detach.mn_id).is_some_and(|row| row.detach(&detach.session_id)),
            ),
        }
    }
}

impl LocationStore for Memory {
    fn state_id(&self) -> u32 {
        self.state_id
    }

    fn known(&self) -> u64 {
        self.rows.len() as u64
    }

    fn submit(&mut self, now: Now, group: Vec<Request>) {
        for request in group {
            let outcome = self.apply(now, &request.operation);
            self.finished.push((request.id, outcome));
        }
    }

    fn finished(&mut self, into: &mut Vec<(u64, Outcome)>) {
        into.append(&mut self.finished);
    }

    fn close(self: Box<Self>) {}
}
