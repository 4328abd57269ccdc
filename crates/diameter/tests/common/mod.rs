// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The worked octets of the protocol description, and the values they stand for.
#![allow(dead_code)] // Each test file uses its part.

use diameter::nasreq::{AaAnswer, AaReply, AaRequest, Identity, Origin};

pub fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16).expect("the data files hold hex pairs"))
        .collect()
}

pub fn aar_octets() -> Vec<u8> {
    octets(include_str!("../data/aar.hex"))
}

pub fn aaa_octets() -> Vec<u8> {
    octets(include_str!("../data/aaa-handover.hex"))
}

pub fn aaa_first_octets() -> Vec<u8> {
    octets(include_str!("../data/aaa-first.hex"))
}

/// 2026-01-01T00:00:00Z.
pub const ATTACHED: u64 = 0x6955_b900_0000;

pub fn maar() -> Origin {
    Origin {
        identity: Identity { host: "amaar3.example.org".into(), realm: "example.org".into() },
        state_id: 0x6955_a320,
    }
}

pub fn aaa() -> Origin {
    Origin {
        identity: Identity { host: "aaa.example.org".into(), realm: "example.org".into() },
        state_id: 0x6955_7c10,
    }
}

pub fn request() -> AaRequest {
    AaRequest {
        session_id: "amaar3.example.org;1767225600;1;usera".into(),
        destination_realm: "example.org".into(),
        user_name: "usera@example.org".into(),
        calling_station_id: Some("02-00-00-00-00-0A".into()),
        maar: "2001:db8:ff::a3".parse().unwrap(),
        attach_time: None,
    }
}

pub fn answer() -> AaAnswer {
    AaAnswer {
        result_code: 2001,
        session_id: Some(request().session_id),
        previous: Some("2001:db8:ff::a2".parse().unwrap()),
        attach_time: Some(ATTACHED),
        mn_id: Some("usera@example.org".into()),
        session_timeout: Some(86_400),
    }
}

/// What a server says to get that answer.
pub fn reply() -> AaReply<'static> {
    AaReply {
        result_code: 2001,
        previous: answer().previous,
        attach_time: Some(ATTACHED),
        mn_id: Some("usera@example.org"),
        session_timeout: Some(86_400),
    }
}
