// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is going to happen, in the order of time; of two things at one time the one said first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::buf::VecBuf;

/// Index of a MAAR; the number behind the last one is the router of the legacy host.
pub type NodeId = usize;
/// Index of a host.
pub type HostId = usize;
/// Index of a flow.
pub type FlowId = usize;
/// One TCP connection to the AAA.
pub type ConnectionId = u64;

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// A frame arrives at a core port.
    Frame { node: NodeId, buf: VecBuf },
    /// A host's frame arrives at the access port.
    FromHost { host: HostId, node: NodeId, frame: Vec<u8> },
    /// A MAAR's workers and control side have a turn.
    Turn { node: NodeId },
    /// A MAAR's deadline.
    Wake { node: NodeId, boots: u64 },
    /// A SYN of the connection arrives at the AAA, or its answer at the MAAR.
    AaaOpen { connection: ConnectionId },
    /// The AAA's SYN-ACK, or RST, arrives.
    AaaOpened { connection: ConnectionId, up: bool },
    /// Octets arrive at the AAA.
    ToAaa { connection: ConnectionId, octets: Vec<u8> },
    /// Octets arrive at the MAAR.
    FromAaa { connection: ConnectionId, octets: Vec<u8> },
    /// The other end's FIN arrives.
    AaaClosed { connection: ConnectionId, at_server: bool },
    /// A deadline of the AAA.
    AaaWake { connection: ConnectionId },
    /// The next probe of a flow, unless the pace has changed since.
    Probe { flow: FlowId, pace: u64 },
    /// What the plan says.
    Act(Act),
}

/// A thing of the plan.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// A host leaves its link and goes to a MAAR.
    Move { host: HostId, to: NodeId, gap: u64, greeting: Greeting, leave: Told, come: Told },
    /// It is there, unless it has been sent elsewhere since.
    Arrive { host: HostId, to: NodeId, travel: u64, greeting: Greeting, come: Told },
    /// An access point says that a station came or went.
    L2 { node: NodeId, mac: Mac, attached: bool },
    /// Two parties begin to talk.
    Session { a: HostId, b: Option<HostId> },
    /// A MAAR dies.
    Crash { node: NodeId },
    /// And is started again.
    Start { node: NodeId, record: bool },
    /// The AAA stops.
    AaaStop,
    /// And is started again.
    AaaStart { table: bool },
    /// Nothing passes between two MAARs, or everything again.
    Cut { a: NodeId, b: NodeId, cut: bool },
    /// A MAAR's wall clock steps, microseconds.
    Step { node: NodeId, by: i64 },
    /// A host claims addresses in a draft RS.
    Claim { host: HostId, claims: Vec<(Ipv6Addr, Ipv6Addr)> },
    /// A host of the plan does what is not its right: the kind of mischief by number.
    Mischief { host: HostId, kind: u32 },
}

/// What a host sends of its own when it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Greeting {
    /// Nothing: stock Linux after a silent move.
    Nothing,
    /// A plain RS.
    Rs,
    /// An RS with its sessions in it (R-01b).
    DraftRs,
}

/// How the access point's event comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Not at all.
    Never,
    /// So many microseconds later.
    After(u64),
    /// At once, and again so much later.
    Twice(u64),
}

struct Item {
    at: u64,
    serial: u64,
    event: Event,
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Item {}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Item) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item {
    /// The earliest is the greatest: a heap gives that one first.
    fn cmp(&self, other: &Item) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Item>,
    serial: u64,
}

impl Queue {
    /// `event` happens at `at`.
    pub fn push(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.heap.push(Item { at, serial: self.serial, event });
    }

    /// The next event, if it happens by `until`.
    pub fn pop(&mut self, until: u64) -> Option<(u64, Event)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.heap.pop().map(|item| (item.at, item.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_and_then_as_they_were_said() {
        let mut queue = Queue::default();
        for (at, node) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            queue.push(at, Event::Turn { node });
        }
        let next = |queue: &mut Queue| match queue.pop(5) {
            Some((at, Event::Turn { node })) => Some((at, node)),
            _ => None,
        };
        let order: Vec<_> = std::iter::from_fn(|| next(&mut queue)).collect();
        assert_eq!(order, [(3, 1), (3, 3), (5, 0), (5, 2)]);
    }

    #[test]
    fn what_is_later_than_asked_for_stays() {
        let mut queue = Queue::default();
        queue.push(7, Event::AaaWake { connection: 1 });
        assert!(queue.pop(6).is_none());
        assert!(queue.pop(7).is_some());
    }
}
