// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The AAA as table 4.2 of PROTOCOL.md, one clock for the whole domain.

use mobility::{AaaAnswer, AaaRequest};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Nai;
use wire::time::AttachTime;

/// Result-Code: not authorised, here a time older than the stored one.
const NOT_AUTHORISED: u32 = 5003;

struct Row {
    maar: Ipv6Addr,
    time: AttachTime,
    /// The attachment's number at that MAAR; a Session-Id names both.
    attachment: u64,
}

/// The location table.
#[derive(Default)]
pub struct Aaa {
    rows: BTreeMap<Nai, Row>,
    last: AttachTime,
}

impl Aaa {
    /// One request, answered and stored in one step.
    pub fn answer(&mut self, wall: Duration, from: Ipv6Addr, request: &AaaRequest) -> AaaAnswer {
        let row = self.rows.get(&request.mn_id);
        let (previous, time) = match (request.attach_time, row) {
            (None, row) => {
                self.last = self.last.next().max(AttachTime::from_unix(wall));
                (row.map_or(Ipv6Addr::UNSPECIFIED, |row| row.maar), self.last)
            }
            (Some(time), Some(row)) if time <= row.time && row.maar != from => {
                return AaaAnswer::Refused { code: NOT_AUTHORISED, current: Some(row.maar) };
            }
            (Some(time), Some(row)) => (from, time.max(row.time)),
            (Some(time), None) => (from, time),
        };
        let row = Row { maar: from, time, attachment: request.attachment };
        self.rows.insert(request.mn_id.clone(), row);
        AaaAnswer::Granted { previous, attach_time: Some(time), mn_id: Some(request.mn_id.clone()) }
    }

    /// An STR clears the address of the attachment it names, and no other.
    pub fn stop(&mut self, from: Ipv6Addr, mn_id: &Nai, attachment: u64) {
        if let Some(row) = self.rows.get_mut(mn_id)
            && (row.maar, row.attachment) == (from, attachment)
        {
            row.maar = Ipv6Addr::UNSPECIFIED;
        }
    }

    /// An update is lost: the table names an earlier MAAR again.
    pub fn misplace(&mut self, mn_id: &Nai, maar: Ipv6Addr) {
        self.rows.get_mut(mn_id).expect("a row").maar = maar;
    }

    /// The MAAR a user is at, as stored.
    pub fn maar_of(&self, mn_id: &Nai) -> Option<Ipv6Addr> {
        self.rows.get(mn_id).map(|row| row.maar)
    }
}
