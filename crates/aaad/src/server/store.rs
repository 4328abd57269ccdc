// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Between the connections and the store: what one turn of the loop read goes there as a group, and an answer leaves when
//! its operation is durable. Meanwhile its connection may be gone: then nobody is answered, and a repeat is a replay.

use super::{Server, wall};
use crate::connection::{Connection, Turn};
use crate::store::{LocationStore, Operation, Outcome, Request};
use diameter::dictionary::result;
use diameter::nasreq::Overload;
use diameter::peer::Ticket;
use diameter::refuse::Refusal;
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
    /// Connection, MN and request by the number the store knows it by.
    awaited: Vec<Option<(usize, Arc<str>, Awaited)>>,
    /// Numbers nobody uses.
    free: Vec<u32>,
    finished: Vec<(u64, Outcome)>,
}

impl Exchange {
    pub fn new(store: Box<dyn LocationStore>) -> Exchange {
        Exchange {
            store,
            group: Vec::new(),
            awaited: Vec::new(),
            free: Vec::new(),
            finished: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.awaited.len() - self.free.len()
    }

    /// Keeps it until its outcome is there; its number.
    fn await_outcome(&mut self, what: (usize, Arc<str>, Awaited)) -> u64 {
        match self.free.pop() {
            Some(number) => {
                self.awaited[number as usize] = Some(what);
                number.into()
            }
            None => {
                self.awaited.push(Some(what));
                self.awaited.len() as u64 - 1
            }
        }
    }

    fn take(&mut self, number: u64) -> Option<(usize, Arc<str>, Awaited)> {
        let what = self.awaited.get_mut(number as usize)?.take()?;
        self.free.push(number as u32);
        Some(what)
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
        if let (Awaited::Attach(ticket), true) = (&awaited, self.store.count() >= MAX_AWAITED) {
            self.counters.add("store_queue_full");
            let (sequence, seconds) = (self.now().as_secs(), 1);
            let report = Overload { sequence, reduction: 50, seconds };
            return connection.machine.reject_busy(ticket, report);
        }
        connection.asked();
        let id = self.store.await_outcome((token, operation.mn_id().clone(), awaited));
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
        let (token, mn_id, awaited) = self.store.take(id)?;
        let Some(connection) = self.connections.get_mut(&token) else {
            self.counters.add("answer_without_connection");
            return None;
        };
        if connection.answered() {
            self.ready.insert(token);
        }
        match (awaited, outcome) {
            (Awaited::Attach(ticket), Outcome::Attached(reply)) => {
                connection.answer(&ticket, &self.authority.answer(reply, &mn_id));
            }
            (Awaited::Detach(ticket), Outcome::Detached(detached)) => {
                self.counters.add(if detached { "detached" } else { "detach_of_another_session" });
                connection.answer_stop(&ticket, result::SUCCESS);
            }
            (Awaited::Attach(ticket) | Awaited::Detach(ticket), _) => {
                self.counters.add("store_failed");
                connection.machine.reject(&ticket, &Refusal::code(result::UNABLE_TO_COMPLY));
            }
        }
        Some(token)
    }
}
