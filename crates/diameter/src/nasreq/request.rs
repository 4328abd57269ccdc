// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AAR and STR: octets out, octets in.

use super::*;
use crate::avp::Fault;
use crate::dictionary::code;
use crate::fields::Fields;
use crate::message::{FLAG_PROXIABLE, FLAG_REQUEST, Header, Message, Writer, application, command};
use std::net::IpAddr;

/// Octets of a Calling-Station-Id.
const MAX_STATION: usize = 64;

/// Who asked, as the request says; through a relay it is not the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Origin-Host and Origin-Realm, in lower case.
    pub identity: Identity,
    /// Origin-State-Id.
    pub state_id: Option<u32>,
}

/// Where a request is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Destination-Realm, in lower case.
    pub realm: String,
    /// Destination-Host, in lower case.
    pub host: Option<String>,
}

fn header(command: u32, ids: (u32, u32)) -> Header {
    Header {
        flags: FLAG_REQUEST | FLAG_PROXIABLE,
        command,
        application: application::NASREQ,
        hop_by_hop: ids.0,
        end_to_end: ids.1,
    }
}

/// The part AAR and STR begin with.
fn start(command: u32, ids: (u32, u32), session_id: &str, origin: &Origin, realm: &str) -> Writer {
    Writer::new(header(command, ids))
        .text(code::SESSION_ID, session_id)
        .u32(code::AUTH_APPLICATION_ID, application::NASREQ)
        .text(code::ORIGIN_HOST, &origin.identity.host)
        .text(code::ORIGIN_REALM, &origin.identity.realm)
        .text(code::DESTINATION_REALM, realm)
}

impl Sender {
    pub(crate) fn decode(fields: &Fields<'_>) -> Result<Sender, Fault> {
        Ok(Sender {
            identity: Identity {
                host: fields.need(code::ORIGIN_HOST)?.identity()?,
                realm: fields.need(code::ORIGIN_REALM)?.identity()?,
            },
            state_id: fields.u32(code::ORIGIN_STATE_ID)?,
        })
    }
}

impl Target {
    pub(crate) fn decode(fields: &Fields<'_>) -> Result<Target, Fault> {
        Ok(Target {
            realm: fields.need(code::DESTINATION_REALM)?.identity()?,
            host: fields.get(code::DESTINATION_HOST).map(|avp| avp.identity()).transpose()?,
        })
    }
}

/// The application a request names must be the one of its header.
fn check_application(fields: &Fields<'_>) -> Result<(), Fault> {
    let avp = fields.need(code::AUTH_APPLICATION_ID)?;
    if avp.u32()? == application::NASREQ { Ok(()) } else { Err(Fault::value(avp)) }
}

impl AaRequest {
    /// The octets of an AAR; `ids` are Hop-by-Hop and End-to-End.
    pub fn encode(&self, origin: &Origin, ids: (u32, u32)) -> Vec<u8> {
        start(command::AA, ids, &self.session_id, origin, &self.destination_realm)
            .u32(code::AUTH_REQUEST_TYPE, AUTHORIZE_ONLY)
            .text(code::USER_NAME, &self.user_name)
            .maybe(self.calling_station_id.as_ref(), |w, id| w.text(code::CALLING_STATION_ID, id))
            .u64(code::MIP6_FEATURE_VECTOR, PMIP6_SUPPORTED)
            .group(code::MIP6_AGENT_INFO, |w| {
                w.address(code::MIP_HOME_AGENT_ADDRESS, self.maar.into())
            })
            .maybe(self.attach_time, |w, time| w.u64(code::MIP_TIMESTAMP, time))
            .u32(code::AUTH_SESSION_STATE, STATE_MAINTAINED)
            .u32(code::ORIGIN_STATE_ID, origin.state_id)
            .finish()
    }

    /// Reads the AVPs of an AAR.
    pub fn decode(message: &Message<'_>) -> Result<AaRequest, Fault> {
        AaRequest::from_fields(&Fields::of_request(message)?)
    }

    pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<AaRequest, Fault> {
        let session_id = fields.text(code::SESSION_ID, MAX_SESSION_ID)?;
        check_application(fields)?;
        let kind = fields.need(code::AUTH_REQUEST_TYPE)?;
        if kind.u32()? != AUTHORIZE_ONLY {
            return Err(Fault::value(kind));
        }
        Ok(AaRequest {
            session_id,
            destination_realm: Target::decode(fields)?.realm,
            user_name: fields.text(code::USER_NAME, MAX_USER_NAME)?,
            calling_station_id: fields.text_if_any(code::CALLING_STATION_ID, MAX_STATION)?,
            maar: asking_maar(fields)?,
            attach_time: fields.get(code::MIP_TIMESTAMP).map(|avp| avp.u64()).transpose()?,
        })
    }
}

/// The asker's address must be one a peer can be reached at: IPv6, not `::`, not multicast (else 5004).
fn asking_maar(fields: &Fields<'_>) -> Result<Ipv6Addr, Fault> {
    let Some((avp, address)) = fields.agent()? else {
        return Err(Fault::missing(code::MIP6_AGENT_INFO));
    };
    match address {
        IpAddr::V6(a) if !a.is_unspecified() && !a.is_multicast() => Ok(a),
        _ => Err(Fault::value(&avp)),
    }
}

impl StRequest {
    /// The octets of an STR; `ids` are Hop-by-Hop and End-to-End.
    pub fn encode(&self, origin: &Origin, ids: (u32, u32)) -> Vec<u8> {
        start(command::SESSION_TERMINATION, ids, &self.session_id, origin, &self.destination_realm)
            .u32(code::TERMINATION_CAUSE, self.cause)
            .text(code::USER_NAME, &self.user_name)
            .u32(code::ORIGIN_STATE_ID, origin.state_id)
            .finish()
    }

    /// Reads the AVPs of an STR.
    pub fn decode(message: &Message<'_>) -> Result<StRequest, Fault> {
        StRequest::from_fields(&Fields::of_request(message)?)
    }

    pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<StRequest, Fault> {
        let session_id = fields.text(code::SESSION_ID, MAX_SESSION_ID)?;
        check_application(fields)?;
        Ok(StRequest {
            session_id,
            destination_realm: Target::decode(fields)?.realm,
            user_name: fields.text(code::USER_NAME, MAX_USER_NAME)?,
            cause: fields.need(code::TERMINATION_CAUSE)?.u32()?,
        })
    }
}
