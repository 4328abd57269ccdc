// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each MN is: R-04 and table 4.2. One call is one atomic step of one MN; the answer may leave when it returns.
//! The rows live in memory only: after a restart the MAARs see a larger Origin-State-Id and register again (R-28b).

use diameter::dictionary::result;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::time::{AttachTime, Instant, Now};

/// End-to-End identifiers are unique for 4 minutes (RFC 6733 §3).
const REPLAY_WINDOW: Duration = Duration::from_secs(240);
/// Requests remembered per MN.
const REPLAY_MAX: usize = 8;

/// An AAR as the table sees it.
#[derive(Clone, Copy, Debug)]
pub struct Attach<'a> {
    /// The MN, in canonical form.
    pub mn_id: &'a str,
    /// With `end_to_end` it names the request.
    pub origin_host: &'a str,
    /// End-to-End Identifier.
    pub end_to_end: u32,
    /// Session-Id of the attachment.
    pub session_id: &'a str,
    /// The asking MAAR.
    pub maar: Ipv6Addr,
    /// Absent: a new attachment. Present: a re-registration or a question.
    pub time: Option<AttachTime>,
}

/// What an AAR is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 2001: the previous MAAR (`::` for none) and the attach time.
    Accepted {
        /// Where the MN was.
        previous: Ipv6Addr,
        /// When it came to where it is now.
        time: AttachTime,
    },
    /// 5003: a newer attachment is stored, at this MAAR (`::` after a detach).
    Outdated {
        /// Where the MN is.
        current: Ipv6Addr,
    },
}

impl Reply {
    /// Result-Code.
    pub fn result_code(self) -> u32 {
        match self {
            Reply::Accepted { .. } => result::SUCCESS,
            Reply::Outdated { .. } => result::AUTHORIZATION_REJECTED,
        }
    }
}

/// An answered request.
#[derive(Debug)]
struct Answered {
    at: Instant,
    origin_host: Box<str>,
    end_to_end: u32,
    reply: Reply,
}

#[derive(Debug)]
struct Row {
    /// `::` after a detach.
    maar: Ipv6Addr,
    time: AttachTime,
    session_id: Box<str>,
    /// Oldest first.
    answered: VecDeque<Answered>,
}

/// The location table.
#[derive(Debug, Default)]
pub struct Table {
    rows: HashMap<String, Row, foldhash::fast::RandomState>,
}

impl Table {
    /// MNs ever seen.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no MN was seen yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Where an MN is and since when; `::` after a detach.
    pub fn get(&self, mn_id: &str) -> Option<(Ipv6Addr, AttachTime)> {
        self.rows.get(mn_id).map(|row| (row.maar, row.time))
    }

    /// An AAR: finds its row of table 4.2, stores what that says and returns the answer. The second of two equal
    /// requests gets the answer of the first and changes nothing.
    pub fn attach(&mut self, now: Now, request: &Attach<'_>) -> Reply {
        if let Some(row) = self.rows.get_mut(request.mn_id) {
            row.forget(now.mono);
            if let Some(reply) = row.answered(request) {
                return reply;
            }
        }
        let (reply, new_time) =
            decide(self.get(request.mn_id), request, AttachTime::from_unix(now.wall));
        let row = self.rows.entry_ref(request.mn_id).or_insert_with(|| Row {
            maar: Ipv6Addr::UNSPECIFIED,
            time: AttachTime::default(),
            session_id: Box::default(),
            answered: VecDeque::new(),
        });
        if let Some(time) = new_time {
            row.maar = request.maar;
            row.time = time;
            row.session_id = request.session_id.into();
        }
        row.remember(now.mono, request, reply);
        reply
    }

    /// An STR: detaches the MN if this is the session of its stored attachment. The attach time stays, so that the next
    /// one is later. Any other STR changes nothing: it is of an attachment that is over.
    pub fn detach(&mut self, mn_id: &str, session_id: &str) -> bool {
        match self.rows.get_mut(mn_id) {
            Some(row) if *row.session_id == *session_id && !row.maar.is_unspecified() => {
                row.maar = Ipv6Addr::UNSPECIFIED;
                true
            }
            _ => false,
        }
    }
}

/// Table 4.2: the reply, and the time to store with the asker unless nothing changes.
fn decide(
    stored: Option<(Ipv6Addr, AttachTime)>,
    request: &Attach<'_>,
    wall: AttachTime,
) -> (Reply, Option<AttachTime>) {
    let accepted = |previous, time| Reply::Accepted { previous, time };
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

impl Row {
    fn forget(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|a| now - a.at >= REPLAY_WINDOW) {
            self.answered.pop_front();
        }
    }

    fn answered(&self, request: &Attach<'_>) -> Option<Reply> {
        let same = |a: &&Answered| {
            a.end_to_end == request.end_to_end && *a.origin_host == *request.origin_host
        };
        self.answered.iter().find(same).map(|a| a.reply)
    }

    fn remember(&mut self, now: Instant, request: &Attach<'_>, reply: Reply) {
        if self.answered.len() == REPLAY_MAX {
            self.answered.pop_front();
        }
        let (origin_host, end_to_end) = (request.origin_host.into(), request.end_to_end);
        self.answered.push_back(Answered { at: now, origin_host, end_to_end, reply });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A1: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa1);
    const A2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);
    const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

    /// `s` seconds after 2026 began and after the start.
    fn at(s: u64) -> Now {
        Now { mono: Instant(s * 1_000_000), wall: Duration::from_secs(1_767_225_600 + s) }
    }

    fn time(s: u64) -> AttachTime {
        AttachTime::from_unix(at(s).wall)
    }

    fn attach(maar: Ipv6Addr, end_to_end: u32, time: Option<AttachTime>) -> Attach<'static> {
        let session_id = if maar == A1 { "session of a1" } else { "session of a2" };
        let origin_host = if maar == A1 { "a1.example.org" } else { "a2.example.org" };
        Attach { mn_id: "usera@example.org", origin_host, end_to_end, session_id, maar, time }
    }

    fn accepted(previous: Ipv6Addr, time: AttachTime) -> Reply {
        Reply::Accepted { previous, time }
    }

    /// With (A1, time(10)) stored by request 1.
    fn stored() -> Table {
        let mut table = Table::default();
        assert_eq!(table.attach(at(10), &attach(A1, 1, None)), accepted(NOBODY, time(10)));
        table
    }

    #[test]
    fn nothing_stored_and_no_time_is_a_first_attachment() {
        assert_eq!(stored().get("usera@example.org"), Some((A1, time(10))));
    }

    #[test]
    fn a_new_attachment_gets_the_previous_maar_and_a_later_time() {
        let mut table = stored();
        assert_eq!(table.attach(at(20), &attach(A2, 2, None)), accepted(A1, time(20)));
        assert_eq!(table.attach(at(30), &attach(A2, 3, None)), accepted(A2, time(30)));
        assert_eq!(table.get("usera@example.org"), Some((A2, time(30))));
    }

    #[test]
    fn the_attach_time_rises_by_one_unit_when_the_clock_steps_back() {
        let mut table = stored();
        assert_eq!(table.attach(at(5), &attach(A2, 2, None)), accepted(A1, time(10).next()));
        assert_eq!(table.attach(at(5), &attach(A1, 3, None)), accepted(A2, time(10).next().next()));
    }

    #[test]
    fn the_same_request_within_240_s_gets_the_same_answer_and_changes_nothing() {
        let mut table = stored();
        let first = table.attach(at(20), &attach(A2, 2, None));
        table.attach(at(30), &attach(A1, 3, None));
        assert_eq!(table.attach(at(259), &attach(A2, 2, None)), first);
        assert_eq!(table.get("usera@example.org"), Some((A1, time(30))));
        assert_ne!(
            table.attach(at(260), &attach(A2, 2, None)),
            first,
            "after 240 s the id may be another request's"
        );
    }

    #[test]
    fn another_origin_with_the_same_end_to_end_id_is_another_request() {
        let mut table = stored();
        assert_eq!(table.attach(at(20), &attach(A2, 1, None)), accepted(A1, time(20)));
    }

    #[test]
    fn the_last_eight_requests_are_remembered() {
        let mut table = stored();
        for id in 2..=9 {
            table.attach(at(20), &attach(A1, id, None));
        }
        let before = table.get("usera@example.org");
        table.attach(at(21), &attach(A1, 2, None));
        assert_eq!(table.get("usera@example.org"), before);
        table.attach(at(21), &attach(A1, 1, None));
        assert_ne!(table.get("usera@example.org"), before, "the ninth last is forgotten");
    }

    #[test]
    fn a_registration_newer_than_what_is_stored_or_with_nothing_stored_is_taken() {
        let mut table = Table::default();
        assert_eq!(table.attach(at(10), &attach(A1, 1, Some(time(5)))), accepted(A1, time(5)));
        assert_eq!(table.attach(at(11), &attach(A2, 2, Some(time(6)))), accepted(A2, time(6)));
        assert_eq!(table.get("usera@example.org"), Some((A2, time(6))));
    }

    #[test]
    fn a_registration_of_the_same_attachment_is_confirmed() {
        let mut table = stored();
        assert_eq!(table.attach(at(50), &attach(A1, 2, Some(time(10)))), accepted(A1, time(10)));
        assert_eq!(table.get("usera@example.org"), Some((A1, time(10))));
    }

    #[test]
    fn an_older_registration_of_the_stored_maar_itself_is_told_the_stored_time() {
        let mut table = stored();
        assert_eq!(table.attach(at(50), &attach(A1, 2, Some(time(4)))), accepted(A1, time(10)));
        assert_eq!(table.get("usera@example.org"), Some((A1, time(10))));
    }

    #[test]
    fn a_registration_of_another_maar_that_is_not_newer_is_refused_with_the_current_one() {
        let mut table = stored();
        for (id, asked) in [(2, time(4)), (3, time(10))] {
            let reply = table.attach(at(50), &attach(A2, id, Some(asked)));
            assert_eq!((reply, reply.result_code()), (Reply::Outdated { current: A1 }, 5003));
        }
        assert_eq!(table.get("usera@example.org"), Some((A1, time(10))));
    }

    #[test]
    fn an_str_of_the_stored_attachment_clears_the_address_and_keeps_the_time() {
        let mut table = stored();
        assert!(table.detach("usera@example.org", "session of a1"));
        assert_eq!(table.get("usera@example.org"), Some((NOBODY, time(10))));
        assert_eq!(table.attach(at(5), &attach(A2, 2, None)), accepted(NOBODY, time(10).next()));
    }

    #[test]
    fn a_late_str_changes_nothing() {
        let mut table = stored();
        let again = Attach { session_id: "second session of a1", ..attach(A1, 2, None) };
        table.attach(at(20), &again);
        assert!(!table.detach("usera@example.org", "session of a1"));
        assert!(!table.detach("userb@example.org", "session of a1"));
        assert_eq!(table.get("usera@example.org"), Some((A1, time(20))));
    }

    #[test]
    fn after_a_detach_an_old_registration_does_not_bring_the_mn_back() {
        let mut table = stored();
        table.detach("usera@example.org", "session of a1");
        assert_eq!(
            table.attach(at(50), &attach(A1, 2, Some(time(10)))),
            Reply::Outdated { current: NOBODY }
        );
    }
}
