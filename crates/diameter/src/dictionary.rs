// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The AVPs this program knows: those of PROTOCOL.md 3.7 and of the base messages (RFC 6733 §4.5, RFC 5447, RFC 5779, RFC 7683).
//! An AVP outside this table with the M bit set is refused with 5001; a known one is never refused for its M bit,
//! because dictionaries differ about it.

/// AVP codes. Vendor 0 throughout.
pub mod code {
    #![allow(missing_docs)]
    pub const USER_NAME: u32 = 1;
    pub const SESSION_TIMEOUT: u32 = 27;
    pub const CALLING_STATION_ID: u32 = 31;
    pub const EVENT_TIMESTAMP: u32 = 55;
    pub const MIP6_FEATURE_VECTOR: u32 = 124;
    pub const HOST_IP_ADDRESS: u32 = 257;
    pub const AUTH_APPLICATION_ID: u32 = 258;
    pub const ACCT_APPLICATION_ID: u32 = 259;
    pub const VENDOR_SPECIFIC_APPLICATION_ID: u32 = 260;
    pub const SESSION_ID: u32 = 263;
    pub const ORIGIN_HOST: u32 = 264;
    pub const SUPPORTED_VENDOR_ID: u32 = 265;
    pub const VENDOR_ID: u32 = 266;
    pub const FIRMWARE_REVISION: u32 = 267;
    pub const RESULT_CODE: u32 = 268;
    pub const PRODUCT_NAME: u32 = 269;
    pub const DISCONNECT_CAUSE: u32 = 273;
    pub const AUTH_REQUEST_TYPE: u32 = 274;
    pub const AUTH_SESSION_STATE: u32 = 277;
    pub const ORIGIN_STATE_ID: u32 = 278;
    pub const FAILED_AVP: u32 = 279;
    pub const ERROR_MESSAGE: u32 = 281;
    pub const ROUTE_RECORD: u32 = 282;
    pub const DESTINATION_REALM: u32 = 283;
    pub const PROXY_INFO: u32 = 284;
    pub const RE_AUTH_REQUEST_TYPE: u32 = 285;
    pub const DESTINATION_HOST: u32 = 293;
    pub const ERROR_REPORTING_HOST: u32 = 294;
    pub const TERMINATION_CAUSE: u32 = 295;
    pub const ORIGIN_REALM: u32 = 296;
    pub const INBAND_SECURITY_ID: u32 = 299;
    pub const MIP_HOME_AGENT_ADDRESS: u32 = 334;
    pub const MIP6_AGENT_INFO: u32 = 486;
    pub const MIP_TIMESTAMP: u32 = 490;
    pub const MOBILE_NODE_IDENTIFIER: u32 = 506;
    pub const OC_SUPPORTED_FEATURES: u32 = 621;
    pub const OC_FEATURE_VECTOR: u32 = 622;
    pub const OC_OLR: u32 = 623;
    pub const OC_SEQUENCE_NUMBER: u32 = 624;
    pub const OC_VALIDITY_DURATION: u32 = 625;
    pub const OC_REPORT_TYPE: u32 = 626;
    pub const OC_REDUCTION_PERCENTAGE: u32 = 627;
}

/// Result codes (RFC 6733 §7.1).
pub mod result {
    #![allow(missing_docs)]
    pub const SUCCESS: u32 = 2001;
    pub const COMMAND_UNSUPPORTED: u32 = 3001;
    pub const UNABLE_TO_DELIVER: u32 = 3002;
    pub const REALM_NOT_SERVED: u32 = 3003;
    pub const TOO_BUSY: u32 = 3004;
    pub const LOOP_DETECTED: u32 = 3005;
    pub const APPLICATION_UNSUPPORTED: u32 = 3007;
    pub const INVALID_HDR_BITS: u32 = 3008;
    pub const UNKNOWN_PEER: u32 = 3010;
    pub const AVP_UNSUPPORTED: u32 = 5001;
    pub const UNKNOWN_SESSION_ID: u32 = 5002;
    pub const AUTHORIZATION_REJECTED: u32 = 5003;
    pub const INVALID_AVP_VALUE: u32 = 5004;
    pub const MISSING_AVP: u32 = 5005;
    pub const AVP_OCCURS_TOO_MANY_TIMES: u32 = 5009;
    pub const NO_COMMON_APPLICATION: u32 = 5010;
    pub const UNABLE_TO_COMPLY: u32 = 5012;
    pub const INVALID_AVP_LENGTH: u32 = 5014;
    pub const NO_COMMON_SECURITY: u32 = 5017;
    pub const USER_UNKNOWN: u32 = 5030;
}

/// The format of an AVP's data (RFC 6733 §4.2, §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any octets.
    OctetString,
    /// Exactly so many octets.
    Octets(usize),
    /// UTF-8 text.
    Utf8String,
    /// A host or realm name.
    DiameterIdentity,
    /// 4 octets; Enumerated and Time too.
    Unsigned32,
    /// 8 octets.
    Unsigned64,
    /// Address family in 2 octets, then the address.
    Address,
    /// AVPs.
    Grouped,
}

impl Kind {
    /// The least octets of data such an AVP has.
    pub const fn min_length(self) -> usize {
        match self {
            Kind::OctetString | Kind::Utf8String | Kind::DiameterIdentity | Kind::Grouped => 0,
            Kind::Octets(n) => n,
            Kind::Unsigned32 => 4,
            Kind::Unsigned64 => 8,
            Kind::Address => 2,
        }
    }

    /// Whether data may have this form by its length; an Address is measured by its family.
    pub fn length_fits(self, data: &[u8]) -> bool {
        match self {
            Kind::OctetString | Kind::Utf8String | Kind::DiameterIdentity | Kind::Grouped => true,
            Kind::Octets(_) | Kind::Unsigned32 | Kind::Unsigned64 => {
                data.len() == self.min_length()
            }
            Kind::Address => match data {
                [0, 1, address @ ..] => address.len() == 4,
                [0, 2, address @ ..] => address.len() == 16,
                _ => data.len() >= 2,
            },
        }
    }
}

/// One AVP of the dictionary.
#[derive(Debug)]
pub struct Definition {
    /// AVP code.
    pub code: u32,
    /// The RFC's name.
    pub name: &'static str,
    /// Format.
    pub kind: Kind,
    /// The M bit we send.
    pub mandatory: bool,
    /// At most once at the top of a message (5009).
    pub once: bool,
}

const fn avp(code: u32, name: &'static str, kind: Kind, mandatory: bool, once: bool) -> Definition {
    Definition { code, name, kind, mandatory, once }
}

/// Sorted by code.
#[rustfmt::skip]
const DICTIONARY: &[Definition] = &[
    avp(code::USER_NAME, "User-Name", Kind::Utf8String, true, true),
    avp(code::SESSION_TIMEOUT, "Session-Timeout", Kind::Unsigned32, true, true),
    avp(code::CALLING_STATION_ID, "Calling-Station-Id", Kind::Utf8String, true, true),
    avp(code::EVENT_TIMESTAMP, "Event-Timestamp", Kind::Unsigned32, true, true),
    avp(code::MIP6_FEATURE_VECTOR, "MIP6-Feature-Vector", Kind::Unsigned64, true, true),
    avp(code::HOST_IP_ADDRESS, "Host-IP-Address", Kind::Address, true, false),
    avp(code::AUTH_APPLICATION_ID, "Auth-Application-Id", Kind::Unsigned32, true, false),
    avp(code::ACCT_APPLICATION_ID, "Acct-Application-Id", Kind::Unsigned32, true, false),
    avp(code::VENDOR_SPECIFIC_APPLICATION_ID, "Vendor-Specific-Application-Id", Kind::Grouped, true, false),
    avp(code::SESSION_ID, "Session-Id", Kind::Utf8String, true, true),
    avp(code::ORIGIN_HOST, "Origin-Host", Kind::DiameterIdentity, true, true),
    avp(code::SUPPORTED_VENDOR_ID, "Supported-Vendor-Id", Kind::Unsigned32, true, false),
    avp(code::VENDOR_ID, "Vendor-Id", Kind::Unsigned32, true, true),
    avp(code::FIRMWARE_REVISION, "Firmware-Revision", Kind::Unsigned32, false, true),
    avp(code::RESULT_CODE, "Result-Code", Kind::Unsigned32, true, true),
    avp(code::PRODUCT_NAME, "Product-Name", Kind::Utf8String, false, true),
    avp(code::DISCONNECT_CAUSE, "Disconnect-Cause", Kind::Unsigned32, true, true),
    avp(code::AUTH_REQUEST_TYPE, "Auth-Request-Type", Kind::Unsigned32, true, true),
    avp(code::AUTH_SESSION_STATE, "Auth-Session-State", Kind::Unsigned32, true, true),
    avp(code::ORIGIN_STATE_ID, "Origin-State-Id", Kind::Unsigned32, true, true),
    // A Grouped by the RFC, but what it holds is broken by its nature: never walked into.
    avp(code::FAILED_AVP, "Failed-AVP", Kind::OctetString, true, false),
    avp(code::ERROR_MESSAGE, "Error-Message", Kind::Utf8String, false, true),
    avp(code::ROUTE_RECORD, "Route-Record", Kind::DiameterIdentity, true, false),
    avp(code::DESTINATION_REALM, "Destination-Realm", Kind::DiameterIdentity, true, true),
    avp(code::PROXY_INFO, "Proxy-Info", Kind::Grouped, true, false),
    avp(code::RE_AUTH_REQUEST_TYPE, "Re-Auth-Request-Type", Kind::Unsigned32, true, true),
    avp(code::DESTINATION_HOST, "Destination-Host", Kind::DiameterIdentity, true, true),
    avp(code::ERROR_REPORTING_HOST, "Error-Reporting-Host", Kind::DiameterIdentity, false, true),
    avp(code::TERMINATION_CAUSE, "Termination-Cause", Kind::Unsigned32, true, true),
    avp(code::ORIGIN_REALM, "Origin-Realm", Kind::DiameterIdentity, true, true),
    avp(code::INBAND_SECURITY_ID, "Inband-Security-Id", Kind::Unsigned32, true, false),
    avp(code::MIP_HOME_AGENT_ADDRESS, "MIP-Home-Agent-Address", Kind::Address, true, true),
    avp(code::MIP6_AGENT_INFO, "MIP6-Agent-Info", Kind::Grouped, true, true),
    avp(code::MIP_TIMESTAMP, "MIP-Timestamp", Kind::Octets(8), true, true),
    // Neither dictionary at hand states its M bit; as an endpoint freeDiameter refuses it with M set.
    avp(code::MOBILE_NODE_IDENTIFIER, "Mobile-Node-Identifier", Kind::Utf8String, false, true),
    // RFC 7683 §7: none has the M bit.
    avp(code::OC_SUPPORTED_FEATURES, "OC-Supported-Features", Kind::Grouped, false, true),
    avp(code::OC_FEATURE_VECTOR, "OC-Feature-Vector", Kind::Unsigned64, false, true),
    avp(code::OC_OLR, "OC-OLR", Kind::Grouped, false, false),
    avp(code::OC_SEQUENCE_NUMBER, "OC-Sequence-Number", Kind::Unsigned64, false, true),
    avp(code::OC_VALIDITY_DURATION, "OC-Validity-Duration", Kind::Unsigned32, false, true),
    avp(code::OC_REPORT_TYPE, "OC-Report-Type", Kind::Unsigned32, false, true),
    avp(code::OC_REDUCTION_PERCENTAGE, "OC-Reduction-Percentage", Kind::Unsigned32, false, true),
];

/// Codes below this are looked up; none of ours is above.
const CODES: usize = 640;
/// Of each code its place in the table plus 1; 0 for none.
static PLACES: [u8; CODES] = places();

const fn places() -> [u8; CODES] {
    let (mut places, mut at) = ([0; CODES], 0);
    while at < DICTIONARY.len() {
        places[DICTIONARY[at].code as usize] = at as u8 + 1;
        at += 1;
    }
    places
}

/// The definition of an AVP code of vendor 0.
pub fn lookup(code: u32) -> Option<&'static Definition> {
    place(code).map(|at| &DICTIONARY[at])
}

/// Its place in the table, below 64.
pub(crate) fn place(code: u32) -> Option<usize> {
    usize::from(*PLACES.get(code as usize)?).checked_sub(1)
}

const _: () = assert!(DICTIONARY.len() <= 64, "a bit of a u64 each");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_is_found() {
        assert!(DICTIONARY.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(
            DICTIONARY.iter().all(|d| lookup(d.code).is_some_and(|found| found.code == d.code))
        );
        assert_eq!(lookup(code::MIP_TIMESTAMP).map(|d| d.name), Some("MIP-Timestamp"));
        assert!(lookup(4711).is_none());
    }

    #[test]
    fn an_address_is_measured_by_its_family() {
        assert!(Kind::Address.length_fits(&[0, 1, 10, 0, 0, 1]));
        assert!(!Kind::Address.length_fits(&[0, 2, 1]));
        assert!(!Kind::Address.length_fits(&[0]));
        assert!(Kind::Address.length_fits(&[0, 8, b'+', b'4', b'9']));
    }
}
