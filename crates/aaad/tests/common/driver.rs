// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Drives any store: hands groups over and waits for their outcomes.
#![allow(dead_code)] // Each test file uses its part.

use aaad::store::{Attach, Detach, LocationStore, Operation, Outcome, Reply, Request, Wake};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wire::time::{AttachTime, Instant, Now};

/// Far beyond any commit.
const PATIENCE: Duration = Duration::from_secs(50);

pub const A1: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa1);
pub const A2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);
pub const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

pub struct Driver<S> {
    pub store: S,
    woken: Receiver<()>,
    next: u64,
}

/// `s` seconds after 2026 began and after the start.
pub fn at(s: u64) -> Now {
    Now { mono: Instant(s * 1_000_000), wall: Duration::from_secs(1_767_225_600 + s) }
}

pub fn time(s: u64) -> AttachTime {
    AttachTime::from_unix(at(s).wall)
}

pub fn attach(maar: Ipv6Addr, end_to_end: u32, time: Option<AttachTime>) -> Attach {
    let n = maar.segments()[7];
    Attach {
        mn_id: "usera@example.org".into(),
        origin_host: format!("a{n:x}.example.org").into(),
        end_to_end,
        session_id: format!("session of {n:x}").into(),
        maar,
        time,
    }
}

pub fn accepted(previous: Ipv6Addr, time: AttachTime) -> Reply {
    Reply::Accepted { previous, time }
}

impl<S> Driver<S> {
    /// With another store, whose wake-ups come here.
    pub fn with<T>(self, store: T) -> Driver<T> {
        Driver { store, woken: self.woken, next: self.next }
    }

    pub fn new(open: impl FnOnce(Wake) -> S) -> Driver<S> {
        let (wake, woken) = channel();
        let store = open(Arc::new(move || {
            // An error: nobody waits any more, the test is over.
            let _ = wake.send(());
        }));
        Driver { store, woken, next: 0 }
    }
}

impl<S: LocationStore> Driver<S> {
    /// Hands a group over; the numbers of its operations.
    pub fn submit(&mut self, now: Now, group: impl IntoIterator<Item = Operation>) -> Vec<u64> {
        let first = self.next;
        let group: Vec<_> =
            (first..).zip(group).map(|(id, operation)| Request { id, operation }).collect();
        self.next += group.len() as u64;
        self.store.submit(now, group);
        (first..self.next).collect()
    }

    /// Waits for at least one outcome.
    pub fn wait(&mut self) -> Vec<(u64, Outcome)> {
        let mut finished = Vec::new();
        loop {
            self.store.finished(&mut finished);
            if !finished.is_empty() {
                return finished;
            }
            self.woken.recv_timeout(PATIENCE).expect("an outcome");
        }
    }

    /// The outcomes of a group, in its order.
    pub fn run(&mut self, now: Now, group: impl IntoIterator<Item = Operation>) -> Vec<Outcome> {
        let ids = self.submit(now, group);
        let mut outcomes = BTreeMap::new();
        while outcomes.len() < ids.len() {
            outcomes.extend(self.wait());
        }
        assert!(outcomes.keys().copied().eq(ids), "each operation has one outcome");
        outcomes.into_values().collect()
    }

    pub fn attach(&mut self, now: Now, request: Attach) -> Reply {
        match self.run(now, [Operation::Attach(request)])[..] {
            [Outcome::Attached(reply)] => reply,
            ref other => panic!("{other:?}"),
        }
    }

    pub fn detach(&mut self, mn_id: &str, session_id: &str) -> bool {
        let detach = Detach { mn_id: mn_id.into(), session_id: session_id.into() };
        match self.run(at(40), [Operation::Detach(detach)])[..] {
            [Outcome::Detached(detached)] => detached,
            ref other => panic!("{other:?}"),
        }
    }
}
