// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Between the connections and the store: what one turn of the loop read goes there as a group, and an answer leaves when
//! its operation is durable. Meanwhile its connection may be gone: then nobody is answered, and a repeat is a replay.

use super::{Server, wall};
use crate::connection::{Connection, Turn};
use crate::store::{LocationStore, Operation, Outcome, Request};
use diameter::dictionary::result;
use diameter::peer::Ticket;
use diameter::refuse::Refusal;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::time::{Instant, Now};

/// Requests at the store in all; more are refused at once (3004).
const MAX_AWAITED: usize = 64 * 1024;

/// A request at the store.
#[derive(Debug)]
pub enum Awaited {
    /// An AAR.
    Attach(Ticket),
    /// An STR.
    Detach(Ticket),
}

/// The store with what is on the way to it and back.
#[derive(Debug)]
pub struct Exchange {
    store: Box<dyn LocationStore>,
    group: Vec<Request>,
    awaited: HashMap<u64, (usize, Arc<str>, Awaited), foldhash::fast::RandomState>,
    next_id: u64,
    finished: Vec<(u64, Outcome)>,
}

impl Exchange {
    pub fn new(store: Box<dyn LocationStore>) -> Exchange {
        Exchange {
            store,
            group: Vec::new(),
            awaited: HashMap::default(),
            next_id: 0,
            finished: Vec::new(),
        }
    }

    /// MNs ever seen.
    pub fn known(&self) -> u64 {
        self.store.known()
    }

    /// Finishes what was handed over.
    pub fn close(self) {
        self.store.close();
    }
}

impl Server {
    /// Puts a request into the next group.
    pub(super) fn ask(
        &mut self,
        token: usize,
        connection: &mut Connection,
        awaited: Awaited,
        operation: Operation,
    ) {
        if let (Awaited::Attach(ticket), true) = (&awaited, self.store.awaited.len() >= MAX_AWAITED)
        {
            self.counters.add("store_queue_full");
            return connection.machine.reject(ticket, &Refusal::code(result::TOO_BUSY));
        }
        let id = self.store.next_id;
        self.store.next_id += 1;
        connection.asked();
        self.store.awaited.insert(id, (token, operation.mn_id().into(), awaited));
        self.store.group.push(Request { id, operation });
    }

    /// Hands the group over and answers what is durable, until there is nothing of either.
    pub(super) fn exchange(&mut self) {
        loop {
            if !self.store.group.is_empty() {
                let mono = Instant(self.now().as_micros() as u64);
                let group = std::mem::take(&mut self.store.group);
                self.store.store.submit(Now { mono, wall: wall() }, group);
            }
            let mut finished = std::mem::take(&mut self.store.finished);
            self.store.store.finished(&mut finished);
            let touched: BTreeSet<usize> =
                finished.drain(..).filter_map(|(id, outcome)| self.answer(id, outcome)).collect();
            self.store.finished = finished;
            if touched.is_empty() && self.store.group.is_empty() {
                return;
            }
            for token in touched {
                if let Some(connection) = self.connections.remove(&token) {
                    self.settle(token, connection, Turn::Waits);
                }
            }
        }
    }

    /// Answers one request; the connection that has to be written to.
    fn answer(&mut self, id: u64, outcome: Outcome) -> Option<usize> {
        let (token, mn_id, awaited) = self.store.awaited.remove(&id)?;
        let Some(connection) = self.connections.get_mut(&token) else {
            self.counters.add("answer_without_connection");
            return None;
        };
        if connection.answered() {
            self.ready.insert(token);
        }
        let machine = &mut connection.machine;
        match (awaited, outcome) {
            (Awaited::Attach(ticket), Outcome::Attached(reply)) => {
                machine.answer(ticket, &self.authority.answer(reply, mn_id.to_string()));
            }
            (Awaited::Detach(ticket), Outcome::Detached(detached)) => {
                self.counters.add(if detached { "detached" } else { "detach_of_another_session" });
                machine.answer_stop(ticket, result::SUCCESS);
            }
            (Awaited::Attach(ticket) | Awaited::Detach(ticket), _) => {
                self.counters.add("store_failed");
                machine.reject(&ticket, &Refusal::code(result::UNABLE_TO_COMPLY));
            }
        }
        Some(token)
    }
}
