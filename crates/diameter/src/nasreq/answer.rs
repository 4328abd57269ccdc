// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AAA and STA: octets out, octets in. A client decides by Result-Code, not by the E bit, and takes what relays add.

use super::*;
use crate::avp::Fault;
use crate::dictionary::code;
use crate::fields::Fields;
use crate::message::{Header, Message, Writer, application};
use std::net::IpAddr;

impl AaAnswer {
    /// The octets of the answer to the request with header `to`. `user_name` repeats the request's.
    pub fn encode(&self, origin: &Origin, to: &Header, user_name: &str) -> Vec<u8> {
        let reply = AaReply {
            result_code: self.result_code,
            previous: self.previous,
            attach_time: self.attach_time,
            mn_id: self.mn_id.as_deref(),
            session_timeout: self.session_timeout,
        };
        let writer = Writer::new(to.answer());
        reply.write(writer, origin, self.session_id.as_deref(), user_name).finish()
    }
}

impl AaReply<'_> {
    pub(crate) fn write(
        &self,
        writer: Writer,
        origin: &Origin,
        session_id: Option<&str>,
        user_name: &str,
    ) -> Writer {
        writer
            .maybe(session_id, |w, id| w.text(code::SESSION_ID, id))
            .u32(code::AUTH_APPLICATION_ID, application::NASREQ)
            .u32(code::AUTH_REQUEST_TYPE, AUTHORIZE_ONLY)
            .u32(code::RESULT_CODE, self.result_code)
            .text(code::ORIGIN_HOST, &origin.identity.host)
            .text(code::ORIGIN_REALM, &origin.identity.realm)
            .text(code::USER_NAME, user_name)
            .maybe(self.mn_id, |w, id| w.text(code::MOBILE_NODE_IDENTIFIER, id))
            .maybe(self.previous, |w, maar| {
                w.group(code::MIP6_AGENT_INFO, |g| {
                    g.address(code::MIP_HOME_AGENT_ADDRESS, maar.into())
                })
            })
            .maybe(self.attach_time, |w, time| w.u64(code::MIP_TIMESTAMP, time))
            .maybe(self.session_timeout, |w, seconds| w.u32(code::SESSION_TIMEOUT, seconds))
            .u32(code::ORIGIN_STATE_ID, origin.state_id)
    }
}

/// The octets of an STA, RAA or ASA.
pub(crate) fn write_sta(
    writer: Writer,
    origin: &Origin,
    session_id: &str,
    result_code: u32,
) -> Writer {
    writer
        .text(code::SESSION_ID, session_id)
        .u32(code::RESULT_CODE, result_code)
        .text(code::ORIGIN_HOST, &origin.identity.host)
        .text(code::ORIGIN_REALM, &origin.identity.realm)
        .u32(code::ORIGIN_STATE_ID, origin.state_id)
}

impl AaAnswer {
    /// Reads an AAA, or an STA, of which only the Result-Code has a meaning. Only Result-Code must be there; an
    /// unusable address or text counts as absent.
    pub fn decode(message: &Message<'_>) -> Result<AaAnswer, Fault> {
        let fields = Fields::of_answer(message)?;
        let text = |code| {
            fields
                .get(code)
                .and_then(|avp| avp.text().ok())
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let previous = match fields.agent() {
            Ok(Some((_, IpAddr::V6(address)))) => Some(address),
            _ => None,
        };
        Ok(AaAnswer {
            result_code: fields.need(code::RESULT_CODE)?.u32()?,
            session_id: text(code::SESSION_ID),
            previous,
            attach_time: fields.get(code::MIP_TIMESTAMP).and_then(|avp| avp.u64().ok()),
            mn_id: text(code::MOBILE_NODE_IDENTIFIER)
                .filter(|id| id.len() <= MAX_USER_NAME && !id.contains('\0')),
            session_timeout: fields.get(code::SESSION_TIMEOUT).and_then(|avp| avp.u32().ok()),
        })
    }
}
