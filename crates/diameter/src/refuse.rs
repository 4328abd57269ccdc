// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers that refuse a request (RFC 6733 §7): protocol errors 3xxx with the E bit, the others without it.

use crate::avp::{self, Avp, Fault};
use crate::dictionary::{code, result};
use crate::message::{Header, Message, Writer, application, command};
use crate::nasreq::{MAX_SESSION_ID, Origin, Overload, write_overload};

/// Proxy-Info echoed into an answer, octets in all. A request with more is answered without.
const MAX_PROXY_INFO: usize = 16 * 1024;

/// Why a request gets no ordinary answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Result-Code.
    pub code: u32,
    /// Content of Failed-AVP.
    pub failed: Option<Vec<u8>>,
}

impl Refusal {
    /// A refusal that blames no AVP.
    pub fn code(code: u32) -> Refusal {
        Refusal { code, failed: None }
    }

    /// The counter of this kind of refusal.
    pub fn counter(&self) -> &'static str {
        match self.code {
            result::COMMAND_UNSUPPORTED => "diameter_command_unsupported",
            result::UNABLE_TO_DELIVER => "diameter_unable_to_deliver",
            result::REALM_NOT_SERVED => "diameter_realm_not_served",
            result::TOO_BUSY => "diameter_too_busy",
            result::LOOP_DETECTED => "diameter_loop_detected",
            result::APPLICATION_UNSUPPORTED => "diameter_application_unsupported",
            result::INVALID_HDR_BITS => "diameter_invalid_header_bits",
            result::AVP_UNSUPPORTED => "diameter_avp_unsupported",
            result::INVALID_AVP_VALUE => "diameter_invalid_avp_value",
            result::MISSING_AVP => "diameter_missing_avp",
            result::AVP_OCCURS_TOO_MANY_TIMES => "diameter_avp_too_many_times",
            result::INVALID_AVP_LENGTH => "diameter_invalid_avp_length",
            result::USER_UNKNOWN => "diameter_user_unknown",
            _ => "diameter_refused",
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal { code: fault.code, failed: Some(fault.avp) }
    }
}

/// What a refusing answer repeats from its request.
#[derive(Clone, Copy, Debug)]
pub struct Echo<'a> {
    /// Of the request.
    pub header: Header,
    /// Session-Id, if it could be read.
    pub session_id: Option<&'a [u8]>,
    /// What [`proxy_info`] gave.
    pub proxy_info: &'a [u8],
}

/// The refusing answer to a request whose AVPs may be broken: only what stands before the first fault is echoed.
pub fn answer(origin: &Origin, request: &Message<'_>, refusal: &Refusal) -> Vec<u8> {
    let session_id =
        request.find(code::SESSION_ID).map(|avp| avp.data).filter(|id| id.len() <= MAX_SESSION_ID);
    let proxy_info = proxy_info(request);
    answer_to(origin, Echo { header: request.header, session_id, proxy_info: &proxy_info }, refusal)
}

/// The refusing answer to a request that was read before.
pub fn answer_to(origin: &Origin, request: Echo<'_>, refusal: &Refusal) -> Vec<u8> {
    write(origin, request, refusal).finish()
}

/// The same with an overload report, if the client takes one.
pub(crate) fn answer_busy(
    origin: &Origin,
    request: Echo<'_>,
    refusal: &Refusal,
    report: Option<Overload>,
) -> Vec<u8> {
    let writer = write(origin, request, refusal);
    writer.maybe(report, |w, report| write_overload(w, Some(report))).finish()
}

fn write(origin: &Origin, request: Echo<'_>, refusal: &Refusal) -> Writer {
    let writer = Writer::new(header(&request.header, refusal.code));
    let writer = writer.maybe(request.session_id, |w, id| w.octets(code::SESSION_ID, id));
    authorization(writer, &request.header, refusal.code)
        .u32(code::RESULT_CODE, refusal.code)
        .text(code::ORIGIN_HOST, &origin.identity.host)
        .text(code::ORIGIN_REALM, &origin.identity.realm)
        .maybe(refusal.failed.as_ref(), |w, failed| w.octets(code::FAILED_AVP, failed))
        .u32(code::ORIGIN_STATE_ID, origin.state_id)
        .raw(request.proxy_info)
}

fn header(request: &Header, code: u32) -> Header {
    if (3000..4000).contains(&code) { request.error() } else { request.answer() }
}

/// An answer without the E bit must follow the grammar of its command: AAA names application and request type.
fn authorization(writer: Writer, request: &Header, code: u32) -> Writer {
    if (3000..4000).contains(&code)
        || request.command != command::AA
        || request.application != application::NASREQ
    {
        return writer;
    }
    writer
        .u32(code::AUTH_APPLICATION_ID, application::NASREQ)
        .u32(code::AUTH_REQUEST_TYPE, crate::nasreq::AUTHORIZE_ONLY)
}

/// The Proxy-Info AVPs of a request, in order, to be added to its answer (RFC 6733 §6.2); not those that are broken inside,
/// which would make the answer as broken as the request.
pub fn proxy_info(request: &Message<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    let sound =
        |a: &Avp<'_>| a.code == code::PROXY_INFO && a.vendor == 0 && avp::check(a.raw()).is_ok();
    for avp in request.avps().map_while(Result::ok).filter(sound) {
        octets.extend_from_slice(avp.raw());
        octets.resize(octets.len().next_multiple_of(4), 0);
    }
    if octets.len() > MAX_PROXY_INFO { Vec::new() } else { octets }
}
