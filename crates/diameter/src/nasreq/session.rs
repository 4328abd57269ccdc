// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RAR and ASR, which go from the AAA to the MAAR of a session, and their answers.

use super::request::check_application;
use super::{MAX_SESSION_ID, MAX_USER_NAME, Origin, Sender, Target};
use crate::avp::Fault;
use crate::dictionary::code;
use crate::fields::Fields;
use crate::message::{FLAG_PROXIABLE, FLAG_REQUEST, Header, Message, Writer, application, command};

/// Re-Auth-Request-Type AUTHORIZE_ONLY.
const AUTHORIZE_ONLY: u32 = 0;

/// What an AAA asks of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// RAR (258): an AAR in the same session is to follow.
    Reauthorize,
    /// ASR (274): the session is to end, with an STR.
    Abort,
}

impl Ask {
    fn command(self) -> u32 {
        match self {
            Ask::Reauthorize => command::RE_AUTH,
            Ask::Abort => command::ABORT_SESSION,
        }
    }
}

/// RAR or ASR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRequest {
    /// Which of the two.
    pub ask: Ask,
    /// Of the attachment's AAR.
    pub session_id: String,
    /// Destination-Host: Origin-Host of that AAR.
    pub destination_host: String,
    /// Destination-Realm: Origin-Realm of that AAR.
    pub destination_realm: String,
    /// User-Name.
    pub user_name: String,
}

impl SessionRequest {
    /// The octets; `ids` are Hop-by-Hop and End-to-End.
    pub fn encode(&self, origin: &Origin, ids: (u32, u32)) -> Vec<u8> {
        let header = Header {
            flags: FLAG_REQUEST | FLAG_PROXIABLE,
            command: self.ask.command(),
            application: application::NASREQ,
            hop_by_hop: ids.0,
            end_to_end: ids.1,
        };
        let writer = Writer::new(header)
            .text(code::SESSION_ID, &self.session_id)
            .text(code::ORIGIN_HOST, &origin.identity.host)
            .text(code::ORIGIN_REALM, &origin.identity.realm)
            .text(code::DESTINATION_REALM, &self.destination_realm)
            .text(code::DESTINATION_HOST, &self.destination_host)
            .u32(code::AUTH_APPLICATION_ID, application::NASREQ);
        let writer = match self.ask {
            Ask::Reauthorize => writer.u32(code::RE_AUTH_REQUEST_TYPE, AUTHORIZE_ONLY),
            Ask::Abort => writer,
        };
        writer
            .text(code::USER_NAME, &self.user_name)
            .u32(code::ORIGIN_STATE_ID, origin.state_id)
            .finish()
    }

    /// Reads the AVPs of a RAR or ASR.
    pub fn decode(message: &Message<'_>) -> Result<SessionRequest, Fault> {
        let ask = match message.header.command {
            command::RE_AUTH => Ask::Reauthorize,
            _ => Ask::Abort,
        };
        let fields = Fields::of_request(message)?;
        let session_id = fields.text(code::SESSION_ID, MAX_SESSION_ID)?;
        Sender::decode(&fields, None)?;
        check_application(&fields)?;
        let target = Target::decode(&fields)?;
        let host = target.host.ok_or_else(|| Fault::missing(code::DESTINATION_HOST))?;
        if ask == Ask::Reauthorize {
            fields.need(code::RE_AUTH_REQUEST_TYPE)?.u32()?;
        }
        Ok(SessionRequest {
            ask,
            session_id: session_id.to_owned(),
            destination_host: host.to_ascii_lowercase(),
            destination_realm: target.realm.to_ascii_lowercase(),
            user_name: fields
                .text_if_any(code::USER_NAME, MAX_USER_NAME)?
                .unwrap_or_default()
                .to_owned(),
        })
    }
}
