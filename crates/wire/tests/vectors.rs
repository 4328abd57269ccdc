// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The worked messages of PROTOCOL.md 3.4 to 3.6, both ways, and the two captures of them.

mod common;

use common::{Vector, all, key, mesg_id, mobility, named};
use pcap_file::pcap::PcapReader;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, ROUTER_LINK_LOCAL};
use wire::eth::EthHeader;
use wire::ip6::{self, Ip6View};
use wire::mh::{
    self, AskGroup, CnPlace, Ddba, Ddbu, Message, MhView, Sdba, Sdbu, Seal, Serving, Status,
    TellGroup,
};
use wire::nd::{self, Icmp6, PrefixInfo, RouterAdvert, RouterSolicit};
use wire::time::AttachTime;

fn addr(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn a_hoa1() -> Ipv6Addr {
    addr("2001:db8:a1:a:0:ff:fe00:a")
}

fn b_hoa1() -> Ipv6Addr {
    addr("2001:db8:b1:b:0:ff:fe00:b")
}

fn user_a() -> Nai {
    Nai::new("usera@example.org").expect("an NAI")
}

/// 2026-01-01T00:00:00Z.
const ATTACH_TIME: Option<AttachTime> = Some(AttachTime(0x0000_6955_b900_0000));

fn sdbu(groups: Vec<AskGroup>) -> Message {
    let (mn_id, attach_time) = (user_a(), ATTACH_TIME);
    Message::Sdbu(Sdbu { seq: 0x1001, lifetime: 23, mn_id, attach_time, groups, cursor: None })
}

fn sdba(status: Status, lifetime: u16, groups: Vec<TellGroup>) -> Message {
    let (mn_id, attach_time) = (Some(user_a()), ATTACH_TIME);
    Message::Sdba(Sdba { status, seq: 0x1001, lifetime, mn_id, attach_time, groups })
}

fn ddbu(attach_time: Option<AttachTime>, cns: Vec<Ipv6Addr>) -> Message {
    let (hoa, serving) = (a_hoa1(), addr("2001:db8:ff::a3"));
    Message::Ddbu(Ddbu { seq: 0x2001, lifetime: 150, attach_time, hoa, serving, cns })
}

fn ddba(moved_to: Option<Ipv6Addr>) -> Message {
    let (hoa, cns) = (Some(a_hoa1()), vec![CnPlace { cn: b_hoa1(), moved_to }]);
    let (status, attach_time) = (Status::ACCEPTED, ATTACH_TIME);
    Message::Ddba(Ddba { status, seq: 0x2001, lifetime: 150, attach_time, hoa, cns })
}

/// What a worked message says, and the fraction of a second in its MESG-ID.
fn meant(name: &str) -> (Message, u64) {
    match name.trim_end_matches("-noauth") {
        "sDBU" => (sdbu(vec![AskGroup { hoa: a_hoa1(), cns: vec![b_hoa1()] }]), 0x40),
        "sDBU-all" => (sdbu(vec![]), 0x40),
        "sDBA" => {
            let sessions = vec![Serving { cn: b_hoa1(), maar: addr("2001:db8:ff::b2") }];
            (sdba(Status::ACCEPTED, 23, vec![TellGroup { hoa: a_hoa1(), sessions }]), 0x50)
        }
        "sDBA-none" => (sdba(Status::NOT_MAAR_OF_MN, 0, vec![]), 0x50),
        "dDBU" => (ddbu(ATTACH_TIME, vec![b_hoa1()]), 0x60),
        "dDBU-min" => (ddbu(None, vec![]), 0),
        "dDBA" => (ddba(None), 0x70),
        "dDBA-moved" => (ddba(Some(addr("2001:db8:ff::b3"))), 0x70),
        other => panic!("vector {other} is not known here"),
    }
}

#[test]
fn every_mobility_message_is_accepted_and_says_what_it_means() {
    for v in mobility() {
        let (src, dst) = v.ends();
        let view = MhView::new_checked(&v.octets).expect(v.name);
        assert!(view.checksum_ok(src, dst), "{}", v.name);
        assert!(!view.checksum_ok(dst, addr("::1")), "{}", v.name);
        let (message, fraction) = meant(v.name);
        assert_eq!(view.verify(&key(), src, dst), v.is_sealed(), "{}", v.name);
        assert_eq!(view.spi(), v.is_sealed().then_some(0x100), "{}", v.name);
        assert_eq!(view.mesg_id(), v.is_sealed().then_some(mesg_id(fraction)), "{}", v.name);
        assert_eq!(view.parse(), Ok(message), "{}", v.name);
    }
}

#[test]
fn every_mobility_message_is_written_octet_for_octet() {
    for v in mobility() {
        let (src, dst) = v.ends();
        let (message, fraction) = meant(v.name);
        let key = key();
        let seal = v.is_sealed().then_some(Seal { mesg_id: mesg_id(fraction), key: &key });
        assert_eq!(mh::encode(&message, src, dst, seal), Ok(v.octets.clone()), "{}", v.name);
        assert_eq!(mh::encoded_len(&message, v.is_sealed()), v.octets.len(), "{}", v.name);
    }
}

#[test]
fn another_key_spi_or_pair_of_addresses_does_not_verify() {
    let v = named("sDBU");
    let (src, dst) = v.ends();
    let view = MhView::new_checked(&v.octets).expect("valid");
    let mut other = key();
    other.secret[31] ^= 1;
    assert!(!view.verify(&other, src, dst));
    let other = mh::Key { spi: 0x101, ..key() };
    assert!(!view.verify(&other, src, dst));
    assert!(!view.verify(&key(), dst, src));
}

/// A receiver's checks in the order of R-36; true when the message would be acted upon.
fn accepted(octets: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> bool {
    MhView::new_checked(octets).is_ok_and(|view| {
        view.checksum_ok(src, dst) && view.verify(&key(), src, dst) && view.parse().is_ok()
    })
}

fn repair_checksum(octets: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    octets[4..6].fill(0);
    let checksum = ip6::checksum(src, dst, mh::NEXT_HEADER, octets);
    octets[4..6].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn any_flipped_bit_of_an_authenticated_message_is_refused_also_with_the_checksum_repaired() {
    for v in mobility().into_iter().filter(Vector::is_sealed) {
        let (src, dst) = v.ends();
        assert!(accepted(&v.octets, src, dst), "{}", v.name);
        for bit in 0..v.octets.len() * 8 {
            let mut octets = v.octets.clone();
            octets[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(!accepted(&octets, src, dst), "{} bit {bit}", v.name);
            repair_checksum(&mut octets, src, dst);
            // A flipped checksum bit is what the repair undoes: that message is the original.
            let undone = octets == v.octets;
            assert_eq!(undone, (32..48).contains(&bit), "{} bit {bit}", v.name);
            assert_eq!(accepted(&octets, src, dst), undone, "{} bit {bit}, repaired", v.name);
        }
    }
}

fn rs_value() -> RouterSolicit {
    RouterSolicit {
        source: addr("fe80::ff:fe00:a"),
        sllao: Some(Mac([2, 0, 0, 0, 0, 0xa])),
        mn_id: Some(user_a()),
        sessions: vec![(a_hoa1(), b_hoa1())],
    }
}

fn ra_value() -> RouterAdvert {
    let prefix = |text, preferred| PrefixInfo { prefix: addr(text), valid: 14400, preferred };
    RouterAdvert {
        router_lifetime: 1800,
        mtu: 1460,
        prefixes: vec![prefix("2001:db8:a3:a::", 7200), prefix("2001:db8:a1:a::", 0)],
        rdnss: vec![],
        assigned: Some(addr("2001:db8:a3:a:0:ff:fe00:a")),
    }
}

#[test]
fn the_router_solicitation_passes_both_ways() {
    let (rs, v) = (rs_value(), named("RS"));
    assert_eq!(nd::router_solicit(&rs, nd::ALL_ROUTERS), v.octets);
    let read = nd::parse(rs.source, nd::ALL_ROUTERS, 255, &v.octets);
    assert_eq!(read, Ok(Icmp6::RouterSolicit(rs)));
}

#[test]
fn the_router_advertisement_passes_both_ways() {
    let (ra, v, mn) = (ra_value(), named("RA"), addr("fe80::ff:fe00:a"));
    assert_eq!(nd::router_advert(&ra, ROUTER_LINK_LOCAL, mn), v.octets);
    assert_eq!(nd::parse_router_advert(ROUTER_LINK_LOCAL, mn, 255, &v.octets), Ok(ra));
    // A MAAR does not listen to other routers.
    assert_eq!(nd::parse(ROUTER_LINK_LOCAL, mn, 255, &v.octets), Ok(Icmp6::Other(134)));
}

#[test]
fn the_data_packet_is_an_outer_header_before_the_inner_packet() {
    let v = named("DATA");
    let (src, dst) = (addr("2001:db8:ff::a3"), addr("2001:db8:ff::b2"));
    let inner = Ip6View::new_checked(&v.octets[ip6::HEADER_LEN..]).expect("inner packet");
    assert_eq!((inner.src(), inner.dst(), inner.hop_limit()), (a_hoa1(), b_hoa1(), 63));

    let len = inner.octets().len();
    let mut made = vec![0; ip6::HEADER_LEN + len];
    ip6::write_header(&mut made, src, dst, ip6::IPV6_IN_IPV6, 64, len as u16);
    made[ip6::HEADER_LEN..].copy_from_slice(inner.octets());
    assert_eq!(made, v.octets);

    let outer = Ip6View::new_checked(&v.octets).expect("outer packet");
    let upper = outer.upper().expect("no extension header");
    assert_eq!((upper.protocol, upper.offset), (ip6::IPV6_IN_IPV6, ip6::HEADER_LEN));
    let udp = inner.upper().expect("no extension header");
    assert_eq!(ip6::checksum(inner.src(), inner.dst(), udp.protocol, inner.payload()), 0);
}

fn frames(capture: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = PcapReader::new(capture).expect("a capture");
    let mut next = || Some(reader.next_packet()?.expect("a frame").data.into_owned());
    std::iter::from_fn(&mut next).collect()
}

#[test]
fn the_capture_of_mobility_messages_holds_the_vectors() {
    let frames = frames(include_bytes!("data/vectors-mh.pcap"));
    let vectors = mobility();
    assert_eq!(frames.len(), vectors.len());
    for (frame, v) in frames.iter().zip(&vectors) {
        let (src, dst) = v.ends();
        assert_eq!(*frame, ip6::packet(src, dst, mh::NEXT_HEADER, 64, &v.octets), "{}", v.name);
    }
}

#[test]
fn the_capture_of_nd_data_and_diameter_holds_the_vectors() {
    let frames = frames(include_bytes!("data/vectors-nd-diameter.pcap"));
    let rest: Vec<_> = all().into_iter().filter(|v| v.ends.is_none()).collect();
    assert_eq!(frames.len(), rest.len());
    for (frame, v) in frames.iter().zip(&rest) {
        let eth = EthHeader::parse(frame).expect("an Ethernet header");
        assert_eq!((eth.vlan, eth.ethertype), (None, wire::eth::IPV6), "{}", v.name);
        let packet = Ip6View::new_checked(&frame[eth.len..]).expect(v.name);
        let carried = match packet.next_header() {
            6 => &packet.payload()[20..],
            ip6::IPV6_IN_IPV6 => packet.octets(),
            _ => packet.payload(),
        };
        assert_eq!(carried, v.octets, "{}", v.name);
        let checksum =
            ip6::checksum(packet.src(), packet.dst(), packet.next_header(), packet.payload());
        assert!(checksum == 0 || packet.next_header() == ip6::IPV6_IN_IPV6, "{}", v.name);
    }
}

#[test]
fn the_frames_of_the_capture_are_made_by_the_builders() {
    let frames = frames(include_bytes!("data/vectors-nd-diameter.pcap"));
    let (mn_mac, mn) = (Mac([2, 0, 0, 0, 0, 0xa]), addr("fe80::ff:fe00:a"));
    let rs = nd::router_solicit(&rs_value(), nd::ALL_ROUTERS);
    let eth = wire::eth::ipv6_header(Mac::of_group(nd::ALL_ROUTERS), mn_mac);
    assert_eq!(frames[0], ip6::frame(eth, mn, nd::ALL_ROUTERS, ip6::ICMPV6, 255, &rs));
    let ra = nd::router_advert(&ra_value(), ROUTER_LINK_LOCAL, mn);
    let eth = wire::eth::ipv6_header(mn_mac, wire::addr::ROUTER_MAC);
    assert_eq!(frames[1], ip6::frame(eth, ROUTER_LINK_LOCAL, mn, ip6::ICMPV6, 255, &ra));
}
