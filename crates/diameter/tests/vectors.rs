// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AAR and AAA are exactly the worked octets of PROTOCOL.md 3.7, both ways.

mod common;

use common::*;
use diameter::message::Message;
use diameter::nasreq::{AaAnswer, AaRequest};
use std::net::Ipv6Addr;

const IDS: (u32, u32) = (0x11, 0x22);

#[test]
fn an_aar_is_the_worked_octets() {
    assert_eq!(request().encode(&maar(), IDS), aar_octets());
}

#[test]
fn the_worked_aar_reads_as_what_it_says() {
    let octets = aar_octets();
    let message = Message::parse(&octets).unwrap();
    assert_eq!((message.header.hop_by_hop, message.header.end_to_end), IDS);
    assert_eq!(AaRequest::decode(&message).unwrap(), request());
}

#[test]
fn a_handover_aaa_is_the_worked_octets() {
    let aar = aar_octets();
    let header = Message::parse(&aar).unwrap().header;
    assert_eq!(answer().encode(&aaa(), &header, "usera@example.org"), aaa_octets());
}

#[test]
fn a_first_attachment_differs_in_the_address_only() {
    let first = AaAnswer { previous: Some(Ipv6Addr::UNSPECIFIED), ..answer() };
    let aar = aar_octets();
    let header = Message::parse(&aar).unwrap().header;
    assert_eq!(first.encode(&aaa(), &header, "usera@example.org"), aaa_first_octets());
    let octets = aaa_first_octets();
    assert_eq!(AaAnswer::decode(&Message::parse(&octets).unwrap()).unwrap(), first);
}

#[test]
fn the_worked_aaa_reads_as_what_it_says() {
    let octets = aaa_octets();
    assert_eq!(AaAnswer::decode(&Message::parse(&octets).unwrap()).unwrap(), answer());
}
