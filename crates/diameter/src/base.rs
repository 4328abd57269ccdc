// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Base messages (RFC 6733 §5): capabilities exchange, watchdog, disconnect.

use crate::avp::{Avp, Fault};
use crate::dictionary::{code, result};
use crate::fields::Fields;
use crate::message::{FLAG_REQUEST, Header, Message, Writer, application, command};
use crate::nasreq::{Identity, Origin};
use std::net::IpAddr;

const PRODUCT: &str = "romip";
/// Inband-Security-Id NO_INBAND_SECURITY (RFC 6733 §6.10).
const NO_INBAND_SECURITY: u32 = 0;

/// Disconnect-Cause (RFC 6733 §5.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisconnectCause {
    /// 0: a restart is near.
    Rebooting,
    /// 1: resources are short.
    Busy,
    /// 2: it does not want to talk.
    DoNotWantToTalk,
}

impl DisconnectCause {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            DisconnectCause::Rebooting => 0,
            DisconnectCause::Busy => 1,
            DisconnectCause::DoNotWantToTalk => 2,
        }
    }
}

fn request(command: u32, ids: (u32, u32)) -> Header {
    Header {
        flags: FLAG_REQUEST,
        command,
        application: application::BASE,
        hop_by_hop: ids.0,
        end_to_end: ids.1,
    }
}

/// Capabilities-Exchange-Request. `ids` are Hop-by-Hop and End-to-End.
pub fn cer(origin: &Origin, host_ip: IpAddr, ids: (u32, u32)) -> Vec<u8> {
    capabilities(Writer::new(request(command::CAPABILITIES_EXCHANGE, ids)), origin, host_ip)
        .finish()
}

/// Capabilities-Exchange-Answer; 3xxx gets the E bit.
pub fn cea(
    origin: &Origin,
    host_ip: IpAddr,
    to: &Header,
    result_code: u32,
    failed: Option<&Fault>,
) -> Vec<u8> {
    let header = if (3000..4000).contains(&result_code) { to.error() } else { to.answer() };
    let start = Writer::new(header).u32(code::RESULT_CODE, result_code);
    capabilities(start, origin, host_ip)
        .maybe(failed, |w, f| w.octets(code::FAILED_AVP, &f.avp))
        .finish()
}

fn capabilities(writer: Writer, origin: &Origin, host_ip: IpAddr) -> Writer {
    writer
        .text(code::ORIGIN_HOST, &origin.identity.host)
        .text(code::ORIGIN_REALM, &origin.identity.realm)
        .address(code::HOST_IP_ADDRESS, host_ip)
        .u32(code::VENDOR_ID, 0)
        .text(code::PRODUCT_NAME, PRODUCT)
        .u32(code::ORIGIN_STATE_ID, origin.state_id)
        .u32(code::AUTH_APPLICATION_ID, application::NASREQ)
}

/// Device-Watchdog-Request.
pub fn dwr(origin: &Origin, ids: (u32, u32)) -> Vec<u8> {
    named(Writer::new(request(command::DEVICE_WATCHDOG, ids)), origin)
        .u32(code::ORIGIN_STATE_ID, origin.state_id)
        .finish()
}

/// Disconnect-Peer-Request.
pub fn dpr(origin: &Origin, cause: DisconnectCause, ids: (u32, u32)) -> Vec<u8> {
    named(Writer::new(request(command::DISCONNECT_PEER, ids)), origin)
        .u32(code::DISCONNECT_CAUSE, cause.number())
        .finish()
}

/// DWA or DPA with success.
pub fn base_answer(origin: &Origin, to: &Header) -> Vec<u8> {
    let writer = Writer::new(to.answer()).u32(code::RESULT_CODE, result::SUCCESS);
    let writer = named(writer, origin);
    if to.command == command::DEVICE_WATCHDOG {
        writer.u32(code::ORIGIN_STATE_ID, origin.state_id).finish()
    } else {
        writer.finish()
    }
}

fn named(writer: Writer, origin: &Origin) -> Writer {
    writer
        .text(code::ORIGIN_HOST, &origin.identity.host)
        .text(code::ORIGIN_REALM, &origin.identity.realm)
}

/// What a CER or CEA says about its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Origin-Host and Origin-Realm.
    pub identity: Identity,
    /// Origin-State-Id.
    pub state_id: Option<u32>,
    /// NASREQ or relay is among its applications.
    pub common_application: bool,
    /// It offers a connection without TLS.
    pub plain: bool,
    /// Result-Code, of a CEA.
    pub result_code: Option<u32>,
}

impl Capabilities {
    /// Reads a CER (strict) or a CEA.
    pub fn decode(message: &Message<'_>) -> Result<Capabilities, Fault> {
        let strict = message.header.is_request();
        let fields =
            if strict { Fields::of_request(message)? } else { Fields::of_answer(message)? };
        let identity = Identity {
            host: fields.need(code::ORIGIN_HOST)?.identity()?,
            realm: fields.need(code::ORIGIN_REALM)?.identity()?,
        };
        if strict {
            for needed in [code::HOST_IP_ADDRESS, code::VENDOR_ID, code::PRODUCT_NAME] {
                fields.need(needed)?;
            }
        }
        let mut security = fields.all(code::INBAND_SECURITY_ID).peekable();
        Ok(Capabilities {
            identity,
            state_id: fields.u32(code::ORIGIN_STATE_ID)?,
            common_application: has_common_application(&fields),
            plain: security.peek().is_none() || security.any(|a| a.u32() == Ok(NO_INBAND_SECURITY)),
            result_code: fields.u32(code::RESULT_CODE)?,
        })
    }
}

/// A relay advertises 0xffffffff only, in whichever of the two AVPs.
fn has_common_application(fields: &Fields<'_>) -> bool {
    let ours = |avp: &Avp<'_>| match (avp.code, avp.u32()) {
        (code::AUTH_APPLICATION_ID, Ok(id)) => {
            id == application::NASREQ || id == application::RELAY
        }
        (code::ACCT_APPLICATION_ID, Ok(id)) => id == application::RELAY,
        _ => false,
    };
    fields.all(code::AUTH_APPLICATION_ID).chain(fields.all(code::ACCT_APPLICATION_ID)).any(ours)
        || fields
            .all(code::VENDOR_SPECIFIC_APPLICATION_ID)
            .any(|g| g.group().map_while(Result::ok).any(|a| ours(&a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            identity: Identity { host: "m.example.org".into(), realm: "example.org".into() },
            state_id: 7,
        }
    }

    #[test]
    fn a_cer_says_who_it_is_from_and_that_there_is_a_common_application() {
        let octets = cer(&origin(), "2001:db8:ff::a3".parse().unwrap(), (1, 2));
        let read = Capabilities::decode(&Message::parse(&octets).unwrap()).unwrap();
        assert_eq!(read.identity, origin().identity);
        assert_eq!((read.state_id, read.common_application, read.plain), (Some(7), true, true));
    }

    fn with_applications(fill: impl FnOnce(Writer) -> Writer) -> Capabilities {
        let writer = named(Writer::new(request(command::CAPABILITIES_EXCHANGE, (1, 2))), &origin())
            .address(code::HOST_IP_ADDRESS, "10.0.0.1".parse().unwrap())
            .u32(code::VENDOR_ID, 0)
            .text(code::PRODUCT_NAME, "other");
        let octets = fill(writer).finish();
        Capabilities::decode(&Message::parse(&octets).unwrap()).unwrap()
    }

    #[test]
    fn a_relay_counts_as_common_application_and_credit_control_does_not() {
        assert!(
            with_applications(|w| w.u32(code::AUTH_APPLICATION_ID, application::RELAY))
                .common_application
        );
        assert!(
            with_applications(|w| w.group(code::VENDOR_SPECIFIC_APPLICATION_ID, |g| {
                g.u32(code::VENDOR_ID, 10415).u32(code::AUTH_APPLICATION_ID, 1)
            }))
            .common_application
        );
        assert!(!with_applications(|w| w.u32(code::AUTH_APPLICATION_ID, 4)).common_application);
    }

    #[test]
    fn a_cer_for_tls_only_does_not_offer_a_plain_connection() {
        assert!(!with_applications(|w| w.u32(code::INBAND_SECURITY_ID, 1)).plain);
        assert!(
            with_applications(|w| w
                .u32(code::INBAND_SECURITY_ID, 1)
                .u32(code::INBAND_SECURITY_ID, 0))
            .plain
        );
    }

    #[test]
    fn an_error_cea_has_the_e_bit_for_3xxx_only() {
        let to = request(command::CAPABILITIES_EXCHANGE, (1, 2));
        let ip = "::1".parse().unwrap();
        assert_eq!(cea(&origin(), ip, &to, result::UNKNOWN_PEER, None)[4], 0x20);
        assert_eq!(cea(&origin(), ip, &to, result::NO_COMMON_APPLICATION, None)[4], 0);
    }
}
