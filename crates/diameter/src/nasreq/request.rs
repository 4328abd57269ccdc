// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AAR and STR: octets out, octets in.

use super::*;
use crate::avp::Fault;
use crate::dictionary::code;
use crate::fields::Fields;
use crate::message::{FLAG_PROXIABLE, FLAG_REQUEST, Header, Message, Writer, application, command};
use std::net::IpAddr;
use std::sync::Arc;

/// Octets of a Calling-Station-Id.
const MAX_STATION: usize = 64;

/// Who asked, as the request says; through a relay it is not the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Origin-Host, in lower case.
    pub host: Arc<str>,
    /// Origin-Realm, in lower case.
    pub realm: Arc<str>,
    /// Origin-State-Id.
    pub state_id: Option<u32>,
}

/// Where a request is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target<'a> {
    /// Destination-Realm.
    pub realm: &'a str,
    /// Destination-Host.
    pub host: Option<&'a str>,
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
    /// `last` is the one before on this connection, most often the same.
    pub(crate) fn decode(fields: &Fields<'_>, last: Option<&Sender>) -> Result<Sender, Fault> {
        let host = fields.need(code::ORIGIN_HOST)?.identity_text()?;
        let realm = fields.need(code::ORIGIN_REALM)?.identity_text()?;
        let name = |text: &str, last: Option<&Arc<str>>| match last {
            Some(last) if last.eq_ignore_ascii_case(text) => last.clone(),
            _ => text.to_ascii_lowercase().into(),
        };
        Ok(Sender {
            host: name(host, last.map(|last| &last.host)),
            realm: name(realm, last.map(|last| &last.realm)),
            state_id: fields.u32(code::ORIGIN_STATE_ID)?,
        })
    }
}

impl<'a> Target<'a> {
    pub(crate) fn decode(fields: &Fields<'a>) -> Result<Target<'a>, Fault> {
        let host = fields.get(code::DESTINATION_HOST);
        Ok(Target {
            realm: fields.need(code::DESTINATION_REALM)?.identity_text()?,
            host: host.map(|avp| avp.identity_text()).transpose()?,
        })
    }
}

/// The application a request names must be the one of its header.
pub(super) fn check_application(fields: &Fields<'_>) -> Result<(), Fault> {
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
        let fields = Fields::of_request(message)?;
        let query = AaQuery::from_fields(&fields)?;
        let station = fields.text_if_any(code::CALLING_STATION_ID, MAX_STATION)?;
        Ok(AaRequest {
            session_id: query.session_id.as_ref().to_owned(),
            destination_realm: Target::decode(&fields)?.realm.to_ascii_lowercase(),
            user_name: query.user_name.as_ref().to_owned(),
            calling_station_id: station.map(str::to_owned),
            maar: query.maar,
            attach_time: query.attach_time,
        })
    }
}

impl AaQuery {
    pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<AaQuery, Fault> {
        let session_id = fields.text(code::SESSION_ID, MAX_SESSION_ID)?;
        check_application(fields)?;
        let kind = fields.need(code::AUTH_REQUEST_TYPE)?;
        if kind.u32()? != AUTHORIZE_ONLY {
            return Err(Fault::value(kind));
        }
        fields.text_if_any(code::CALLING_STATION_ID, MAX_STATION)?;
        Ok(AaQuery {
            session_id: session_id.into(),
            user_name: fields.text(code::USER_NAME, MAX_USER_NAME)?.into(),
            maar: asking_maar(fields)?,
            attach_time: fields.get(code::MIP_TIMESTAMP).map(|avp| avp.u64()).transpose()?,
            overload: fields.get(code::OC_SUPPORTED_FEATURES).is_some(),
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
        let fields = Fields::of_request(message)?;
        let query = StQuery::from_fields(&fields)?;
        Ok(StRequest {
            session_id: query.session_id.as_ref().to_owned(),
            destination_realm: Target::decode(&fields)?.realm.to_ascii_lowercase(),
            user_name: query.user_name.as_ref().to_owned(),
            cause: fields.need(code::TERMINATION_CAUSE)?.u32()?,
        })
    }
}

impl StQuery {
    pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<StQuery, Fault> {
        let session_id = fields.text(code::SESSION_ID, MAX_SESSION_ID)?;
        check_application(fields)?;
        fields.need(code::TERMINATION_CAUSE)?.u32()?;
        let user_name = fields.text(code::USER_NAME, MAX_USER_NAME)?.into();
        Ok(StQuery { session_id: session_id.into(), user_name })
    }
}
