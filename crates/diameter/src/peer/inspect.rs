// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a server makes of a request before anybody decides on it: the checks of RFC 6733 §6.1 and §7 in their order. The
//! first that fails is the answer.

use crate::avp;
use crate::dictionary::{code, result};
use crate::fields::Fields;
use crate::message::{FLAG_ERROR, Message, application, command};
use crate::nasreq::{AaQuery, Identity, Sender, StQuery, Target};
use crate::refuse::Refusal;

/// A request that passed.
#[derive(Debug)]
pub enum Request {
    /// DWR or DPR.
    Base,
    /// AAR.
    Authorize(Sender, AaQuery),
    /// STR.
    Terminate(Sender, StQuery),
}

/// Reads a request that came over an open connection to the server `own`, after one of `last`.
pub fn request(
    own: &Identity,
    message: &Message<'_>,
    last: Option<&Sender>,
) -> Result<Request, Refusal> {
    let header = &message.header;
    if header.flags & FLAG_ERROR != 0 {
        return Err(Refusal::code(result::INVALID_HDR_BITS));
    }
    match (header.application, header.command) {
        (application::BASE, command::DEVICE_WATCHDOG | command::DISCONNECT_PEER) => {
            avp::check(message.avps)?;
            Ok(Request::Base)
        }
        // A second CER over a connection that is open already.
        (application::BASE, command::CAPABILITIES_EXCHANGE) => {
            Err(Refusal::code(result::UNABLE_TO_COMPLY))
        }
        (application::NASREQ, command::AA | command::SESSION_TERMINATION)
        | (application::BASE, command::SESSION_TERMINATION) => session(own, message, last),
        (application::BASE | application::NASREQ, _) => {
            Err(Refusal::code(result::COMMAND_UNSUPPORTED))
        }
        _ => Err(Refusal::code(result::APPLICATION_UNSUPPORTED)),
    }
}

fn session(
    own: &Identity,
    message: &Message<'_>,
    last: Option<&Sender>,
) -> Result<Request, Refusal> {
    let fields = Fields::of_request(message)?;
    for hop in fields.all(code::ROUTE_RECORD) {
        if hop.data.eq_ignore_ascii_case(own.host.as_bytes()) {
            return Err(Refusal::code(result::LOOP_DETECTED));
        }
    }
    fields.need(code::SESSION_ID)?;
    let sender = Sender::decode(&fields, last)?;
    let target = Target::decode(&fields)?;
    if !target.realm.eq_ignore_ascii_case(&own.realm) {
        return Err(Refusal::code(result::REALM_NOT_SERVED));
    }
    if target.host.is_some_and(|host| !host.eq_ignore_ascii_case(&own.host)) {
        return Err(Refusal::code(result::UNABLE_TO_DELIVER));
    }
    if message.header.command == command::AA {
        Ok(Request::Authorize(sender, AaQuery::from_fields(&fields)?))
    } else {
        Ok(Request::Terminate(sender, StQuery::from_fields(&fields)?))
    }
}
