// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AA-Request, AA-Answer, Session-Termination as typed values (PROTOCOL.md 3.7; NASREQ, RFC 7155). Encoding and decoding
//! are in `request.rs` and `answer.rs`, what an AAA asks of a MAAR in `session.rs`; the order of AVPs is the one of the worked octets.

mod answer;
mod overload;
mod request;
mod session;

pub(crate) use answer::write_sta;
pub use overload::Overload;
pub(crate) use overload::write as write_overload;
pub use request::Sender;
pub(crate) use request::Target;
pub use session::{Ask, SessionRequest};

use std::net::Ipv6Addr;
use std::sync::Arc;

/// Auth-Request-Type AUTHORIZE_ONLY.
pub const AUTHORIZE_ONLY: u32 = 2;
/// Auth-Session-State STATE_MAINTAINED.
const STATE_MAINTAINED: u32 = 0;
/// MIP6-Feature-Vector PMIP6_SUPPORTED (RFC 5779 §4.5).
const PMIP6_SUPPORTED: u64 = 0x0000_0100_0000_0000;
/// Octets of an NAI (RFC 7542 §2.2).
pub const MAX_USER_NAME: usize = 253;
/// Octets of a Session-Id we take and keep; RFC 6733 sets no bound.
pub const MAX_SESSION_ID: usize = 1024;

/// Who speaks: Diameter identity and realm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Origin-Host.
    pub host: String,
    /// Origin-Realm.
    pub realm: String,
}

/// What every message of ours says about its origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Origin-Host and Origin-Realm.
    pub identity: Identity,
    /// Origin-State-Id: larger after each loss of state.
    pub state_id: u32,
}

/// AA-Request (265), AUTHORIZE_ONLY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AaRequest {
    /// `<origin-host>;<boot time>;<counter>;<user>`.
    pub session_id: String,
    /// Destination-Realm.
    pub destination_realm: String,
    /// User-Name: the MN-ID.
    pub user_name: String,
    /// Calling-Station-Id, "02-00-00-00-00-0A".
    pub calling_station_id: Option<String>,
    /// MIP6-Agent-Info / MIP-Home-Agent-Address: the asking MAAR.
    pub maar: Ipv6Addr,
    /// MIP-Timestamp, RFC 5213 form.
    pub attach_time: Option<u64>,
}

/// AA-Answer (265).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AaAnswer {
    /// Result-Code; 2001 is success.
    pub result_code: u32,
    /// Session-Id, absent in some errors.
    pub session_id: Option<String>,
    /// The previous MAAR, `::` = first attachment. `None` in a success is an error, never "first attachment".
    pub previous: Option<Ipv6Addr>,
    /// MIP-Timestamp.
    pub attach_time: Option<u64>,
    /// Mobile-Node-Identifier (506).
    pub mn_id: Option<String>,
    /// Session-Timeout, seconds.
    pub session_timeout: Option<u32>,
}

/// What an AA-Answer says, of a server that has the texts elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AaReply<'a> {
    /// Result-Code.
    pub result_code: u32,
    /// The previous MAAR, `::` = first attachment.
    pub previous: Option<Ipv6Addr>,
    /// MIP-Timestamp.
    pub attach_time: Option<u64>,
    /// Mobile-Node-Identifier (506).
    pub mn_id: Option<&'a str>,
    /// Session-Timeout, seconds.
    pub session_timeout: Option<u32>,
}

/// An AAR as a server reads it; its texts are shared with what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AaQuery {
    /// Session-Id.
    pub session_id: Arc<str>,
    /// User-Name: the MN-ID.
    pub user_name: Arc<str>,
    /// The asking MAAR.
    pub maar: Ipv6Addr,
    /// MIP-Timestamp.
    pub attach_time: Option<u64>,
    /// It announced overload control (RFC 7683).
    pub overload: bool,
}

/// An STR as a server reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StQuery {
    /// Of the attachment's AAR.
    pub session_id: Arc<str>,
    /// User-Name: the MN-ID.
    pub user_name: Arc<str>,
}

/// Session-Termination-Request (275).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StRequest {
    /// Of the attachment's AAR.
    pub session_id: String,
    /// Destination-Realm.
    pub destination_realm: String,
    /// User-Name.
    pub user_name: String,
    /// Termination-Cause: 1 DIAMETER_LOGOUT, 5 DIAMETER_LINK_BROKEN.
    pub cause: u32,
}
