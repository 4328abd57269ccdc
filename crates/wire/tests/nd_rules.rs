// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 of access and core ports: the checks of RFC 4861 §6.1.1, §7.1.1 and §7.1.2, the RoMIP option of
//! PROTOCOL.md 3.6, echo, errors, MLD; and smoltcp's reading of what we write.

mod common;

use common::named;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{EthernetAddress, Icmpv6Packet, Icmpv6Repr, NdiscNeighborFlags, NdiscRepr};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::eth::EthHeader;
use wire::ip6::{self, Ip6View};
use wire::nd::{
    self, ALL_NODES, ALL_ROUTERS, Icmp6, NdError, NeighborAdvert, NeighborSolicit, PrefixInfo,
    RouterAdvert, RouterSolicit, solicited_node,
};

const MN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xa);
const MN_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

/// `octets` with its checksum made right.
fn sealed(mut octets: Vec<u8>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    octets[2..4].fill(0);
    let checksum = ip6::checksum(src, dst, ip6::ICMPV6, &octets);
    octets[2..4].copy_from_slice(&checksum.to_be_bytes());
    octets
}

/// An RS from `src` with these options.
fn rs(src: Ipv6Addr, options: &[&[u8]]) -> Result<RouterSolicit, NdError> {
    let octets = [&[133, 0, 0, 0, 0, 0, 0, 0][..], &options.concat()].concat();
    match nd::parse(src, ALL_ROUTERS, 255, &sealed(octets, src, ALL_ROUTERS))? {
        Icmp6::RouterSolicit(rs) => Ok(rs),
        other => panic!("no RS: {other:?}"),
    }
}

const SLLAO: &[u8] = &[1, 1, 2, 0, 0, 0, 0, 0xa];

fn romip(subtype: u8, aux: u8, body: &[u8]) -> Vec<u8> {
    [&[253, (1 + body.len() / 8) as u8, subtype, aux][..], b"RoMP", body].concat()
}

#[test]
fn a_plain_solicitation_needs_no_option_at_all() {
    let bare = RouterSolicit { source: MN, sllao: None, mn_id: None, sessions: vec![] };
    assert_eq!(rs(MN, &[]), Ok(bare.clone()));
    assert_eq!(rs(NOBODY, &[]), Ok(RouterSolicit { source: NOBODY, ..bare.clone() }));
    // A nonce (RFC 3971) and an option of the future are passed over.
    assert_eq!(
        rs(MN, &[&[14, 1, 1, 2, 3, 4, 5, 6], SLLAO, &[200, 2], &[0; 14]]).map(|rs| rs.sllao),
        Ok(Some(MN_MAC))
    );
}

#[test]
fn a_link_layer_address_from_nobody_is_malformed() {
    assert_eq!(rs(NOBODY, &[SLLAO]), Err(NdError::Malformed));
}

#[test]
fn hop_limit_checksum_code_and_length_of_a_solicitation_are_checked() {
    let octets = named("RS").octets;
    let parse =
        |hop_limit, octets: &[u8]| nd::parse(MN, ALL_ROUTERS, hop_limit, octets).map(|_| ());
    assert!(parse(255, &octets).is_ok());
    assert_eq!(parse(254, &octets), Err(NdError::HopLimit));
    assert_eq!(nd::parse(MN, ALL_NODES, 255, &octets), Err(NdError::Checksum));
    let mut coded = octets.clone();
    coded[1] = 1;
    assert_eq!(parse(255, &coded), Err(NdError::Checksum));
    assert_eq!(parse(255, &sealed(coded, MN, ALL_ROUTERS)), Err(NdError::Malformed));
    for cut in 4..octets.len() {
        let cut = sealed(octets[..cut].to_vec(), MN, ALL_ROUTERS);
        // Cut between two options an RS is only shorter.
        let whole = [8, 16, 48].contains(&cut.len());
        assert_eq!(parse(255, &cut).is_ok(), whole, "{}", cut.len());
    }
    assert_eq!(parse(255, &octets[..3]), Err(NdError::Malformed));
}

#[test]
fn an_option_of_length_zero_or_past_the_end_makes_the_message_malformed() {
    for option in [
        &[1, 0, 2, 0, 0, 0, 0, 0xa][..],
        &[200, 0, 0, 0, 0, 0, 0, 0],
        &[200, 2, 0, 0, 0, 0, 0, 0],
        &[1],
    ] {
        assert_eq!(rs(MN, &[SLLAO, option]), Err(NdError::Malformed), "{option:?}");
    }
    assert_eq!(rs(MN, &[&[1, 2], &[0; 14]]), Err(NdError::Malformed), "Ethernet has 6 octets");
    assert_eq!(rs(MN, &[SLLAO, SLLAO]), Err(NdError::Malformed));
}

#[test]
fn another_experiment_with_type_253_is_skipped() {
    let mut other = romip(1, 17, b"usera@example.org\0\0\0\0\0\0\0");
    other[4] = b'X';
    assert_eq!(rs(MN, &[&other]).map(|rs| rs.mn_id), Ok(None));
    assert_eq!(rs(MN, &[&romip(9, 9, &[9; 8])]).map(|rs| rs.mn_id), Ok(None), "unknown subtype");
    assert_eq!(rs(MN, &[&romip(3, 0, &[9; 16])]).map(|rs| rs.sessions), Ok(vec![]), "RA only");
}

#[test]
fn an_mn_id_that_is_no_nai_or_does_not_fit_its_option_is_malformed() {
    assert_eq!(
        rs(MN, &[&romip(1, 3, b"a@b\0\0\0\0\0")]).map(|rs| rs.mn_id),
        Ok(Nai::new("a@b").ok())
    );
    for (aux, body) in
        [(0, &b"a@b\0\0\0\0\0"[..]), (9, b"a@b\0\0\0\0\0"), (4, b"a@b\0\0\0\0\0"), (1, b"")]
    {
        assert_eq!(rs(MN, &[&romip(1, aux, body)]), Err(NdError::Malformed), "{aux}");
    }
    let twice = romip(1, 1, b"a\0\0\0\0\0\0\0");
    assert_eq!(rs(MN, &[&twice, &twice]), Err(NdError::Malformed));
}

#[test]
fn thirty_two_sessions_are_read_and_no_more() {
    let session = |n: u8| romip(2, 0, &[n; 32]);
    let sessions: Vec<_> = (0..40).map(session).collect();
    let options: Vec<_> = sessions.iter().map(Vec::as_slice).collect();
    let read = rs(MN, &options).expect("valid").sessions;
    assert_eq!(read.len(), 32);
    assert_eq!(read[31], (Ipv6Addr::from([31; 16]), Ipv6Addr::from([31; 16])));
    for len in [24, 40] {
        assert_eq!(rs(MN, &[&romip(2, 0, &vec![1; len])]), Err(NdError::Malformed), "{len}");
    }
}

#[test]
fn a_neighbour_solicitation_is_checked_as_rfc_4861_asks() {
    let target = ROUTER_LINK_LOCAL;
    let group = solicited_node(target);
    let read = |ns: NeighborSolicit, dst| {
        nd::parse(ns.source, dst, 255, &nd::neighbor_solicit(&ns, dst)).map(|_| ())
    };
    let good = NeighborSolicit { source: MN, target, sllao: Some(MN_MAC) };
    let probe = NeighborSolicit { source: NOBODY, target, sllao: None };
    assert_eq!(
        nd::parse(MN, group, 255, &nd::neighbor_solicit(&good, group)),
        Ok(Icmp6::NeighborSolicit(good))
    );
    assert_eq!(read(good, target), Ok(()));
    assert_eq!(read(probe, group), Ok(()));
    assert_eq!(read(probe, target), Err(NdError::Malformed), "a probe goes to the group");
    assert_eq!(read(probe, solicited_node(MN)), Err(NdError::Malformed), "of its target");
    assert_eq!(
        read(NeighborSolicit { sllao: Some(MN_MAC), ..probe }, group),
        Err(NdError::Malformed)
    );
    assert_eq!(read(NeighborSolicit { target: ALL_NODES, ..good }, group), Err(NdError::Malformed));
    let octets = nd::neighbor_solicit(&good, group);
    assert_eq!(nd::parse(MN, group, 64, &octets), Err(NdError::HopLimit));
    for cut in 8..octets.len() {
        let cut = sealed(octets[..cut].to_vec(), MN, group);
        assert_eq!(nd::parse(MN, group, 255, &cut).is_ok(), cut.len() == 24, "{}", cut.len());
    }
}

#[test]
fn a_neighbour_advertisement_is_checked_as_rfc_4861_asks() {
    let na = NeighborAdvert {
        router: false,
        solicited: true,
        override_: true,
        target: MN,
        tllao: Some(MN_MAC),
    };
    let read = |na: &NeighborAdvert, dst| {
        nd::parse(MN, dst, 255, &nd::neighbor_advert(na, MN, dst)).map(|_| ())
    };
    let octets = nd::neighbor_advert(&na, MN, ROUTER_LINK_LOCAL);
    assert_eq!(nd::parse(MN, ROUTER_LINK_LOCAL, 255, &octets), Ok(Icmp6::NeighborAdvert(na)));
    assert_eq!(read(&na, ALL_NODES), Err(NdError::Malformed), "solicited to a group");
    assert_eq!(read(&NeighborAdvert { solicited: false, ..na }, ALL_NODES), Ok(()));
    assert_eq!(
        read(&NeighborAdvert { target: ALL_NODES, ..na }, ROUTER_LINK_LOCAL),
        Err(NdError::Malformed)
    );
    assert_eq!(read(&NeighborAdvert { tllao: None, ..na }, ROUTER_LINK_LOCAL), Ok(()));
}

#[test]
fn the_routers_answer_to_a_unicast_solicitation_has_flags_e0() {
    let target = ROUTER_LINK_LOCAL;
    let na = NeighborAdvert {
        router: true,
        solicited: true,
        override_: true,
        target,
        tllao: Some(ROUTER_MAC),
    };
    assert_eq!(nd::neighbor_advert(&na, target, MN)[4], 0xe0);
}

/// (source, destination, hop limit, ICMPv6 octets) of a frame from a stock host.
fn host_frame(hex: &str) -> (Ipv6Addr, Ipv6Addr, u8, Vec<u8>) {
    let digits: Vec<_> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let eth = EthHeader::parse(&digits).expect("an Ethernet header");
    let packet = Ip6View::new_checked(&digits[eth.len..]).expect("a packet");
    let upper = packet.upper().expect("readable");
    (packet.src(), packet.dst(), packet.hop_limit(), packet.octets()[upper.offset..].to_vec())
}

#[test]
fn what_stock_hosts_send_is_read() {
    let read = |hex: &str, expected: fn(&Icmp6<'_>) -> bool| {
        let (src, dst, hop_limit, icmp) = host_frame(hex);
        let message = nd::parse(src, dst, hop_limit, &icmp).expect("valid");
        assert!(expected(&message), "{message:?}");
    };
    // An RS without SLLAO, one from `::`, a DAD probe, an MLDv2 report, an NA without TLLAO.
    read(
        "33330000000202000000000a86dd6000000000083afffe80000000000000000000fffe00000aff02000000000000000000000000000285007e2d00000000",
        |m| matches!(m, Icmp6::RouterSolicit(rs) if rs.sllao.is_none() && rs.source == MN),
    );
    read(
        "33330000000202000000000a86dd6000000000083aff00000000000000000000000000000000ff02000000000000000000000000000285007bb800000000",
        |m| matches!(m, Icmp6::RouterSolicit(rs) if rs.source.is_unspecified()),
    );
    read(
        "3333ff00000a02000000000a86dd6000000000183aff00000000000000000000000000000000ff0200000000000000000001ff00000a87007d1300000000fe80000000000000000000fffe00000a",
        |m| matches!(m, Icmp6::NeighborSolicit(ns) if ns.source.is_unspecified() && ns.target == MN),
    );
    read(
        "33330000001602000000000a86dd600000000024000100000000000000000000000000000000ff0200000000000000000000000000163a000502000001008f006f800000000104000000ff0200000000000000000001ff00000a",
        |m| *m == Icmp6::Other(143),
    );
    read(
        "00005e00521302000000000a86dd6000000000183afffe80000000000000000000fffe00000afe8000000000000002005efffe00521388006d0260000000fe80000000000000000000fffe00000a",
        |m| matches!(m, Icmp6::NeighborAdvert(na) if na.solicited && na.override_ && na.tllao.is_none()),
    );
}

#[test]
fn an_mld_query_comes_from_a_link_local_address_with_hop_limit_one() {
    let query = |group: Ipv6Addr, len: usize| {
        let mut octets = vec![130, 0, 0, 0, 0x27, 0x10, 0, 0];
        octets.extend_from_slice(&group.octets());
        octets.resize(len, 0);
        octets
    };
    let read = |src, hop_limit, octets| {
        nd::parse(src, ALL_NODES, hop_limit, &sealed(octets, src, ALL_NODES)).map(|m| match m {
            Icmp6::MldQuery(group) => group,
            other => panic!("no query: {other:?}"),
        })
    };
    assert_eq!(read(MN, 1, query(NOBODY, 28)), Ok(NOBODY));
    assert_eq!(read(MN, 1, query(ALL_ROUTERS, 24)), Ok(ALL_ROUTERS), "version 1");
    assert_eq!(read(MN, 64, query(NOBODY, 28)), Err(NdError::HopLimit));
    assert_eq!(read(NOBODY, 1, query(NOBODY, 28)), Err(NdError::Malformed));
    assert_eq!(read(MN, 1, query(MN, 28)), Err(NdError::Malformed));
    assert_eq!(read(MN, 1, query(NOBODY, 16)), Err(NdError::Malformed));
}

#[test]
fn an_echo_request_gives_what_its_reply_returns() {
    let router = ROUTER_LINK_LOCAL;
    let request = sealed([&[128, 0, 0, 0, 0x12, 0x34, 0, 1][..], b"data"].concat(), MN, router);
    let Ok(Icmp6::EchoRequest(body)) = nd::parse(MN, router, 64, &request) else {
        panic!("an echo request");
    };
    let reply = nd::echo_reply(body, router, MN);
    assert_eq!((reply[0], &reply[4..]), (129, &request[4..]));
    assert_eq!(nd::parse(router, MN, 64, &reply), Ok(Icmp6::Other(129)));
}

#[test]
fn an_error_gives_its_field_and_the_quoted_packet() {
    let inner = ip6::packet(MN, ALL_NODES, 17, 64, &[1, 2, 3]);
    let octets =
        sealed([&[2, 0, 0, 0, 0, 0, 0x05, 0x14][..], &inner].concat(), MN, ROUTER_LINK_LOCAL);
    let expected = Icmp6::Error { kind: 2, code: 0, value: 1300, quoted: &inner };
    assert_eq!(nd::parse(MN, ROUTER_LINK_LOCAL, 60, &octets), Ok(expected));
}

#[test]
fn an_advertisement_with_name_servers_is_read_by_a_host_as_it_was_meant() {
    let prefix = "2001:db8:a3:a::".parse().unwrap();
    let server = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, n);
    for servers in [0, 1, 3, 127, 128, 300] {
        let ra = RouterAdvert {
            router_lifetime: 1800,
            mtu: 1460,
            prefixes: vec![PrefixInfo { prefix, valid: 14400, preferred: 7200 }],
            rdnss: (0..servers).map(server).collect(),
            assigned: None,
        };
        let octets = nd::router_advert(&ra, ROUTER_LINK_LOCAL, MN);
        assert_eq!(
            nd::parse_router_advert(ROUTER_LINK_LOCAL, MN, 255, &octets),
            Ok(ra),
            "{servers}"
        );
    }
}

#[test]
fn an_advertisement_from_a_routable_address_or_with_hop_limit_64_is_not_believed() {
    let octets = named("RA").octets;
    let global = "2001:db8:ff::a3".parse().unwrap();
    let parse = |src, hop_limit| {
        nd::parse_router_advert(src, MN, hop_limit, &sealed(octets.clone(), src, MN))
    };
    assert!(parse(ROUTER_LINK_LOCAL, 255).is_ok());
    assert_eq!(parse(ROUTER_LINK_LOCAL, 64), Err(NdError::HopLimit));
    assert_eq!(parse(global, 255), Err(NdError::Malformed));
}

/// smoltcp's reading, its checksum check included.
fn second_opinion(src: Ipv6Addr, dst: Ipv6Addr, octets: &[u8]) -> NdiscRepr<'_> {
    let packet = Icmpv6Packet::new_checked(octets).expect("long enough");
    match Icmpv6Repr::parse(&src, &dst, &packet, &ChecksumCapabilities::default()) {
        Ok(Icmpv6Repr::Ndisc(repr)) => repr,
        other => panic!("no ND message: {other:?}"),
    }
}

#[test]
fn smoltcp_reads_what_is_written() {
    let (router, target) = (ROUTER_LINK_LOCAL, ROUTER_LINK_LOCAL);
    let ns = NeighborSolicit { source: MN, target, sllao: Some(MN_MAC) };
    let octets = nd::neighbor_solicit(&ns, solicited_node(target));
    let repr = second_opinion(MN, solicited_node(target), &octets);
    assert_eq!(
        repr,
        NdiscRepr::NeighborSolicit {
            target_addr: target,
            lladdr: Some(EthernetAddress(MN_MAC.0).into())
        }
    );

    let na = NeighborAdvert {
        router: true,
        solicited: false,
        override_: true,
        target,
        tllao: Some(ROUTER_MAC),
    };
    let octets = nd::neighbor_advert(&na, router, ALL_NODES);
    let flags = NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::OVERRIDE;
    let lladdr = Some(EthernetAddress(ROUTER_MAC.0).into());
    assert_eq!(
        second_opinion(router, ALL_NODES, &octets),
        NdiscRepr::NeighborAdvert { flags, target_addr: target, lladdr }
    );

    let octets = named("RA").octets;
    let NdiscRepr::RouterAdvert {
        hop_limit, router_lifetime, mtu, prefix_info: Some(last), ..
    } = second_opinion(router, MN, &octets)
    else {
        panic!("an RA with a prefix");
    };
    assert_eq!((hop_limit, router_lifetime.secs(), mtu), (64, 1800, Some(1460)));
    assert_eq!((last.prefix, last.prefix_len), ("2001:db8:a1:a::".parse().unwrap(), 64));
}
