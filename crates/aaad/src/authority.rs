// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What AAR and STR are answered: is the user known (5030), then the table's word.

use crate::config::Subscribers;
use crate::table::{Attach, Reply, Table};
use crate::text::Foreign;
use diameter::dictionary::{code, result};
use diameter::message::encode_avp;
use diameter::nasreq::{AaAnswer, AaRequest, Sender, StRequest};
use diameter::refuse::Refusal;
use log::debug;
use std::time::Duration;
use wire::time::{AttachTime, Now};

/// An attach time further ahead of this server's clock than this comes from no clock in order. Stored, it would stand
/// above every later attachment of its MN.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The table with the rules around it.
#[derive(Debug)]
pub struct Authority {
    realm: String,
    subscribers: Subscribers,
    session_timeout: u32,
    table: Table,
}

impl Authority {
    /// With an empty table.
    pub fn new(realm: String, subscribers: Subscribers, session_timeout: u32) -> Authority {
        Authority { realm, subscribers, session_timeout, table: Table::default() }
    }

    /// MNs ever seen.
    pub fn known(&self) -> usize {
        self.table.len()
    }

    /// Answers an AAR.
    pub fn attach(
        &mut self,
        now: Now,
        sender: &Sender,
        end_to_end: u32,
        request: &AaRequest,
    ) -> Result<AaAnswer, Refusal> {
        let mn_id = canonical(&request.user_name);
        if !self.subscribers.know(&mn_id, &self.realm) {
            debug!("{} is no subscriber", Foreign(&mn_id));
            return Err(Refusal::code(result::USER_UNKNOWN));
        }
        let time = request.attach_time.map(AttachTime);
        if let Some(time) = time.filter(|time| *time > AttachTime::from_unix(now.wall + MAX_AHEAD))
        {
            return Err(bad_time(time));
        }
        let attach = Attach {
            mn_id: &mn_id,
            origin_host: &sender.identity.host,
            end_to_end,
            session_id: &request.session_id,
            maar: request.maar,
            time,
        };
        let reply = self.table.attach(now, &attach);
        debug!("{} at {}: {reply:?}", Foreign(&mn_id), request.maar);
        Ok(self.answer(reply, mn_id))
    }

    fn answer(&self, reply: Reply, mn_id: String) -> AaAnswer {
        let (previous, time) = match reply {
            Reply::Accepted { previous, time } => (previous, Some(time)),
            Reply::Outdated { current } => (current, None),
        };
        AaAnswer {
            result_code: reply.result_code(),
            session_id: None,
            previous: Some(previous),
            attach_time: time.map(|time| time.0),
            mn_id: time.map(|_| mn_id),
            session_timeout: time.map(|_| self.session_timeout),
        }
    }

    /// Answers an STR. It is always a success: a late one has nothing left to end.
    pub fn detach(&mut self, request: &StRequest) -> u32 {
        let mn_id = canonical(&request.user_name);
        let detached = self.table.detach(&mn_id, &request.session_id);
        debug!(
            "{} {}",
            Foreign(&mn_id),
            if detached { "detached" } else { "not detached: another attachment is stored" }
        );
        result::SUCCESS
    }
}

/// The realm of an NAI is compared without case, its user part is not (RFC 7542 §2.4).
pub(crate) fn canonical(user_name: &str) -> String {
    match user_name.rsplit_once('@') {
        Some((user, realm)) => format!("{user}@{}", realm.to_ascii_lowercase()),
        None => user_name.to_owned(),
    }
}

/// 5004 with the MIP-Timestamp as it came.
fn bad_time(time: AttachTime) -> Refusal {
    let failed = encode_avp(|w| w.u64(code::MIP_TIMESTAMP, time.0));
    Refusal { code: result::INVALID_AVP_VALUE, failed: Some(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diameter::nasreq::Identity;
    use wire::time::Instant;

    fn authority() -> Authority {
        Authority::new("example.org".into(), Subscribers::Realm, 86_400)
    }

    fn now() -> Now {
        Now { mono: Instant(0), wall: Duration::from_secs(1_767_225_600) }
    }

    fn sender() -> Sender {
        let identity = Identity { host: "amaar1.example.org".into(), realm: "example.org".into() };
        Sender { identity, state_id: None }
    }

    fn request(user_name: &str, attach_time: Option<u64>) -> AaRequest {
        AaRequest {
            session_id: "s;1".into(),
            destination_realm: "example.org".into(),
            user_name: user_name.into(),
            calling_station_id: None,
            maar: "2001:db8:ff::a1".parse().unwrap(),
            attach_time,
        }
    }

    #[test]
    fn the_realm_is_compared_without_case_and_comes_back_in_lower_case() {
        let answer =
            authority().attach(now(), &sender(), 1, &request("UserA@Example.ORG", None)).unwrap();
        assert_eq!(answer.mn_id.as_deref(), Some("UserA@example.org"));
        assert_eq!((answer.result_code, answer.session_timeout), (2001, Some(86_400)));
    }

    #[test]
    fn a_user_of_another_realm_is_unknown() {
        let refusal = authority()
            .attach(now(), &sender(), 1, &request("usera@example.net", None))
            .unwrap_err();
        assert_eq!(refusal.code, 5030);
    }

    #[test]
    fn a_time_of_no_sane_clock_is_refused_and_stores_nothing() {
        let mut authority = authority();
        let refusal = authority
            .attach(now(), &sender(), 1, &request("usera@example.org", Some(u64::MAX)))
            .unwrap_err();
        assert_eq!(refusal.code, 5004);
        assert_eq!(refusal.failed.unwrap()[..8], [0, 0, 1, 0xea, 0x40, 0, 0, 16]);
        assert_eq!(authority.known(), 0);
    }
}
