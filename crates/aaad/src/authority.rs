// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What AAR and STR are answered: is the user known (5030), then the store's word.

use crate::config::Subscribers;
use crate::store::{Attach, Detach, Operation, Reply};
use crate::text::Foreign;
use diameter::dictionary::{code, result};
use diameter::message::encode_avp;
use diameter::nasreq::{AaQuery, AaReply, Sender, StQuery};
use diameter::refuse::Refusal;
use log::debug;
use std::sync::Arc;
use std::time::Duration;
use wire::time::AttachTime;

/// An attach time further ahead of this server's clock than this comes from no clock in order. Stored, it would stand
/// above every later attachment of its MN.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The rules around the store.
#[derive(Debug)]
pub struct Authority {
    realm: String,
    subscribers: Subscribers,
    session_timeout: u32,
}

impl Authority {
    /// Whose MNs are served, and for how long an answer holds (seconds).
    pub fn new(realm: String, subscribers: Subscribers, session_timeout: u32) -> Authority {
        Authority { realm, subscribers, session_timeout }
    }

    /// Other rules from now on.
    pub fn set(&mut self, subscribers: Subscribers, session_timeout: u32) {
        (self.subscribers, self.session_timeout) = (subscribers, session_timeout);
    }

    /// What an AAR asks of the store; `wall` is the time since 1970.
    pub fn attach(
        &self,
        wall: Duration,
        sender: &Sender,
        end_to_end: u32,
        request: &AaQuery,
    ) -> Result<Operation, Refusal> {
        let mn_id = shared(&request.user_name);
        if !self.subscribers.know(&mn_id, &self.realm) {
            debug!("{} is no subscriber", Foreign(&mn_id));
            return Err(Refusal::code(result::USER_UNKNOWN));
        }
        let time = request.attach_time.map(AttachTime);
        if let Some(time) = time.filter(|time| *time > AttachTime::from_unix(wall + MAX_AHEAD)) {
            return Err(bad_time(time));
        }
        Ok(Operation::Attach(Attach {
            mn_id,
            origin_host: sender.host.clone(),
            end_to_end,
            session_id: request.session_id.clone(),
            maar: request.maar,
            time,
        }))
    }

    /// The answer to an AAR of this MN.
    pub fn answer<'a>(&self, reply: Reply, mn_id: &'a str) -> AaReply<'a> {
        debug!("{}: {reply:?}", Foreign(mn_id));
        let (previous, time) = match reply {
            Reply::Accepted { previous, time } => (previous, Some(time)),
            Reply::Outdated { current } => (current, None),
        };
        AaReply {
            result_code: reply.result_code(),
            previous: Some(previous),
            attach_time: time.map(|time| time.0),
            mn_id: time.map(|_| mn_id),
            session_timeout: time.map(|_| self.session_timeout),
        }
    }

    /// What an STR asks of the store. Its answer is a success whatever is stored: a late one has nothing left to end.
    pub fn detach(request: &StQuery) -> Operation {
        let session_id = request.session_id.clone();
        Operation::Detach(Detach { mn_id: shared(&request.user_name), session_id })
    }
}

/// The realm of an NAI is compared without case, its user part is not (RFC 7542 §2.4).
pub(crate) fn canonical(user_name: &str) -> String {
    match user_name.rsplit_once('@') {
        Some((user, realm)) => format!("{user}@{}", realm.to_ascii_lowercase()),
        None => user_name.to_owned(),
    }
}

/// The canonical form; the text itself where it is that already.
fn shared(user_name: &Arc<str>) -> Arc<str> {
    match user_name.rsplit_once('@') {
        Some((_, realm)) if realm.bytes().any(|c| c.is_ascii_uppercase()) => {
            canonical(user_name).into()
        }
        _ => user_name.clone(),
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
    use std::net::Ipv6Addr;

    const WALL: Duration = Duration::from_secs(1_767_225_600);

    fn authority() -> Authority {
        Authority::new("example.org".into(), Subscribers::Realm, 86_400)
    }

    fn attach(user_name: &str, attach_time: Option<u64>) -> Result<Operation, Refusal> {
        let sender = Sender {
            host: "amaar1.example.org".into(),
            realm: "example.org".into(),
            state_id: None,
        };
        let request = AaQuery {
            session_id: "s;1".into(),
            user_name: user_name.into(),
            maar: "2001:db8:ff::a1".parse().unwrap(),
            attach_time,
            overload: false,
        };
        authority().attach(WALL, &sender, 1, &request)
    }

    #[test]
    fn the_realm_is_compared_without_case_and_comes_back_in_lower_case() {
        let operation = attach("UserA@Example.ORG", None).unwrap();
        assert_eq!(&**operation.mn_id(), "UserA@example.org");
        let reply = Reply::Accepted { previous: Ipv6Addr::UNSPECIFIED, time: AttachTime(5) };
        let answer = authority().answer(reply, operation.mn_id());
        assert_eq!(answer.mn_id, Some("UserA@example.org"));
        assert_eq!((answer.result_code, answer.session_timeout), (2001, Some(86_400)));
    }

    #[test]
    fn a_user_of_another_realm_is_unknown() {
        assert_eq!(attach("usera@example.net", None).unwrap_err().code, 5030);
    }

    #[test]
    fn a_time_of_no_sane_clock_is_refused() {
        let refusal = attach("usera@example.org", Some(u64::MAX)).unwrap_err();
        assert_eq!(refusal.code, 5004);
        assert_eq!(refusal.failed.unwrap()[..8], [0, 0, 1, 0xea, 0x40, 0, 0, 16]);
    }
}
