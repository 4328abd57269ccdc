// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which updates are in force: what was sent to each worker, and how many each has applied. A change gets a ticket; it
//! is acknowledged when the worker it went to has applied it and all earlier tickets are acknowledged.

use dataplane::WorkerId;
use std::collections::VecDeque;

/// By worker, and the tickets that are not acknowledged.
#[derive(Debug)]
pub(crate) struct Acks {
    sent: Vec<u64>,
    applied: Vec<u64>,
    /// Tickets in order: the worker, and the number of the update among all sent to it.
    open: VecDeque<(WorkerId, u64)>,
    /// The last ticket that is acknowledged.
    done: u64,
}

impl Acks {
    pub(crate) fn new(workers: usize) -> Acks {
        let workers = workers.min(usize::from(WorkerId::MAX));
        let none = vec![0; workers];
        Acks { sent: none.clone(), applied: none, open: VecDeque::new(), done: 0 }
    }

    /// How many there are.
    pub(crate) fn workers(&self) -> WorkerId {
        self.sent.len() as WorkerId
    }

    /// An update of no interest here was sent to `worker`; it counts all the same.
    pub(crate) fn sent(&mut self, worker: WorkerId) {
        if let Some(sent) = self.sent.get_mut(usize::from(worker)) {
            *sent += 1;
        }
    }

    /// An update was sent to `worker`; its ticket.
    pub(crate) fn ticket(&mut self, worker: WorkerId) -> u64 {
        self.sent(worker);
        let number = self.sent.get(usize::from(worker)).copied().unwrap_or(0);
        self.open.push_back((worker, number));
        self.last()
    }

    /// The last ticket there is.
    pub(crate) fn last(&self) -> u64 {
        self.done + self.open.len() as u64
    }

    /// `worker` has applied so many; whether that acknowledged a ticket.
    pub(crate) fn applied(&mut self, worker: WorkerId, updates: u64) -> bool {
        if let Some(applied) = self.applied.get_mut(usize::from(worker)) {
            *applied = updates.max(*applied);
        }
        let before = self.done;
        while let Some(&(worker, number)) = self.open.front()
            && self.applied.get(usize::from(worker)).is_none_or(|applied| *applied >= number)
        {
            self.open.pop_front();
            self.done += 1;
        }
        self.done > before
    }

    /// Whether `ticket` is acknowledged. 0 is.
    pub(crate) fn reached(&self, ticket: u64) -> bool {
        self.done >= ticket
    }

    /// Whether some are not.
    pub(crate) fn waits(&self) -> bool {
        !self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_acknowledged_when_it_and_all_before_it_are_applied() {
        let mut acks = Acks::new(2);
        acks.sent(0);
        let (first, second) = (acks.ticket(0), acks.ticket(1));
        assert!(acks.reached(0) && !acks.reached(first) && acks.waits());
        assert!(!acks.applied(1, 1), "the first is not yet");
        assert!(!acks.applied(0, 1), "that one is no ticket");
        assert!(acks.applied(0, 2));
        assert!(acks.reached(first) && acks.reached(second) && !acks.waits());
        let third = acks.ticket(1);
        assert!(!acks.reached(third) && acks.applied(1, 2) && acks.reached(third));
    }
}
