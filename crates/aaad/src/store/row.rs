// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One MN's row: R-04 and table 4.2 as pure steps. A store calls one and writes the row if it changed.

use super::{Attach, Operation, Outcome, Reply};
use arrayvec::ArrayVec;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::time::AttachTime;

/// End-to-End identifiers are unique for 4 minutes (RFC 6733 §3).
const REPLAY_WINDOW: u64 = 240_000_000;
/// Requests remembered per MN.
pub const REPLAY_MAX: usize = 8;

/// When a request was answered, microseconds on a clock of the store that never steps back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp(pub u64);

/// When an operation was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When {
    /// The store's clock.
    pub stamp: Stamp,
    /// The server's clock, as attach times have it.
    pub wall: AttachTime,
}

/// Applies an operation to its row; the outcome, and whether the row changed.
pub fn apply(row: &mut Row, when: When, operation: &Operation) -> (Outcome, bool) {
    match operation {
        Operation::Attach(attach) => {
            let step = row.attach(when.stamp, when.wall, attach);
            (Outcome::Attached(step.reply), step.changed)
        }
        Operation::Detach(detach) => {
            let changed = row.detach(&detach.session_id);
            (Outcome::Detached(changed), changed)
        }
    }
}

/// An answered request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// When.
    pub at: Stamp,
    /// With `end_to_end` it names the request.
    pub origin_host: Arc<str>,
    /// End-to-End Identifier.
    pub end_to_end: u32,
    /// The answer.
    pub reply: Reply,
}

/// Where one MN is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The MN, in canonical form.
    pub mn_id: Arc<str>,
    /// `::` after a detach.
    pub maar: Ipv6Addr,
    /// Where it was before; `::` for nowhere.
    pub previous: Ipv6Addr,
    /// Attachments so far; 0 only before the first.
    pub version: u64,
    /// Of the attachment.
    pub time: AttachTime,
    /// Session-Id of the attachment.
    pub session_id: Arc<str>,
    /// Oldest first, at most [`REPLAY_MAX`].
    pub answered: ArrayVec<Answered, REPLAY_MAX>,
}

/// What [`Row::attach`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The answer.
    pub reply: Reply,
    /// Whether the row must be written: all but a replay.
    pub changed: bool,
}

impl Row {
    /// Of an MN never seen.
    pub fn vacant(mn_id: Arc<str>) -> Row {
        Row {
            mn_id,
            maar: Ipv6Addr::UNSPECIFIED,
            previous: Ipv6Addr::UNSPECIFIED,
            version: 0,
            time: AttachTime::default(),
            session_id: Arc::default(),
            answered: ArrayVec::new(),
        }
    }

    /// An AAR: finds its line of table 4.2; `wall` is the server's clock. The second of two equal requests gets the answer of the first and changes
    /// nothing.
    pub fn attach(&mut self, now: Stamp, wall: AttachTime, request: &Attach) -> Step {
        if let Some(reply) = self.replay(now, request) {
            return Step { reply, changed: false };
        }
        let (reply, new_time) = self.decide(request, wall);
        if let Some(time) = new_time {
            self.previous = self.maar;
            self.maar = request.maar;
            self.version += 1;
            self.time = time;
            self.session_id = request.session_id.clone();
        }
        self.remember(now, request, reply);
        Step { reply, changed: true }
    }

    /// An STR: detaches the MN if this is the session of its stored attachment. The attach time stays, so that the next
    /// one is later. Any other STR changes nothing: it is of an attachment that is over.
    pub fn detach(&mut self, session_id: &str) -> bool {
        let current = *self.session_id == *session_id && !self.maar.is_unspecified();
        if current {
            self.previous = self.maar;
            self.maar = Ipv6Addr::UNSPECIFIED;
        }
        current
    }

    /// Table 4.2: the reply, and the time to store with the asker unless nothing changes.
    fn decide(&self, request: &Attach, wall: AttachTime) -> (Reply, Option<AttachTime>) {
        let accepted = |previous, time| Reply::Accepted { previous, time };
        let stored = (self.version > 0).then_some((self.maar, self.time));
        match (stored, request.time) {
            (None, None) => (accepted(Ipv6Addr::UNSPECIFIED, wall), Some(wall)),
            (Some((previous, last)), None) => {
                let time = wall.max(last.next());
                (accepted(previous, time), Some(time))
            }
            (None, Some(asked)) => (accepted(request.maar, asked), Some(asked)),
            (Some((_, last)), Some(asked)) if asked > last => {
                (accepted(request.maar, asked), Some(asked))
            }
            (Some((current, last)), Some(_)) if current == request.maar => {
                (accepted(current, last), None)
            }
            (Some((current, _)), Some(_)) => (Reply::Outdated { current }, None),
        }
    }

    fn replay(&self, now: Stamp, request: &Attach) -> Option<Reply> {
        let same = |a: &&Answered| {
            a.end_to_end == request.end_to_end
                && *a.origin_host == *request.origin_host
                && now.0.saturating_sub(a.at.0) < REPLAY_WINDOW
        };
        self.answered.iter().find(same).map(|a| a.reply)
    }

    fn remember(&mut self, now: Stamp, request: &Attach, reply: Reply) {
        self.answered.retain(|a| now.0.saturating_sub(a.at.0) < REPLAY_WINDOW);
        if self.answered.is_full() {
            self.answered.remove(0);
        }
        let (origin_host, end_to_end) = (request.origin_host.clone(), request.end_to_end);
        self.answered.push(Answered { at: now, origin_host, end_to_end, reply });
    }
}
