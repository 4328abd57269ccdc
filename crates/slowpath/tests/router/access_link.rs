// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What hosts do on an access link beside attaching: they probe their router, look for duplicates, report groups
//! (FC-22, FC-23, R-32).

use crate::frames::*;
use crate::net::*;
use dataplane::punt::PuntReason;
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::ip6;
use wire::nd::{NeighborAdvert, NeighborSolicit};

fn one() -> Net {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.nodes[0].take(ACCESS);
    net
}

/// What went out on the access port since the last call.
fn sent(net: &mut Net) -> Vec<Seen> {
    net.nodes[0].take(ACCESS).iter().map(|frame| see(frame)).collect()
}

/// NAs among them: flags octet, and the whole.
fn adverts(net: &mut Net) -> Vec<(u8, Seen)> {
    let flags = |seen: &Seen| seen.icmp.as_ref().filter(|icmp| icmp.0 == 136).map(|icmp| icmp.2[4]);
    sent(net).into_iter().filter_map(|seen| Some((flags(&seen)?, seen))).collect()
}

fn probe(source: Ipv6Addr, target: Ipv6Addr) -> NeighborSolicit {
    NeighborSolicit { source, target, sllao: None }
}

/// FC-23: R, S and O.
#[test]
fn a_unicast_probe_of_the_router_is_answered_with_flags_e0() {
    let (a, mut net) = (mn(0xa), one());
    net.nd(&ns(a, ROUTER_MAC, ROUTER_LINK_LOCAL, &probe(link_local(a), ROUTER_LINK_LOCAL)));
    let answers = adverts(&mut net);
    assert_eq!(answers.len(), 1);
    let (flags, na) = &answers[0];
    assert_eq!(*flags, 0xe0);
    assert_eq!((na.eth_dst, na.eth_src), (a, ROUTER_MAC));
    assert_eq!((na.src, na.dst, na.hops), (ROUTER_LINK_LOCAL, link_local(a), 255));
    let icmp = &na.icmp.as_ref().unwrap().2;
    assert_eq!(icmp[8..24], ROUTER_LINK_LOCAL.octets());
    assert_eq!(
        icmp[24..32],
        [2, 1, 0x00, 0x00, 0x5e, 0x00, 0x52, 0x13],
        "target link-layer address"
    );
}

/// FC-22.
#[test]
fn a_duplicate_address_probe_for_the_router_is_answered_to_all_nodes() {
    let (a, mut net) = (mn(0xa), one());
    let group = ip("ff02::1:ff00:5213");
    net.nd(&ns(a, Mac::of_group(group), group, &probe(Ipv6Addr::UNSPECIFIED, ROUTER_LINK_LOCAL)));
    let answers = adverts(&mut net);
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0, answers[0].1.dst), (0xa0, ALL_NODES), "S=0, O=1");
}

/// FC-22: the MN's own probe, and its MLD reports, octet for octet.
#[test]
fn the_chatter_of_a_host_that_comes_up_is_neither_answered_nor_called_spoofing() {
    let dad = hex(
        "3333ff00000a02000000000a86dd6000000000183aff00000000000000000000000000000000ff02000000000\
         0000000000\
         1ff00000a87007d1300000000fe80000000000000000000fffe00000a",
    );
    let mld = hex(
        "33330000001602000000000a86dd600000000024000100000000000000000000000000000000ff0200000000\
         000000000000000000163a000502000001008f006f800000000104000000ff0200000000000000000001ff00\
         000a",
    );
    let mut net = one();
    net.nd(&dad);
    net.nd(&mld);
    assert!(adverts(&mut net).is_empty());
    assert_eq!(net.nodes[0].counter("mld_report_heard"), 1);
    for name in ["nd_malformed", "nd_checksum", "nd_hop_limit", "frame_malformed"] {
        assert_eq!(net.nodes[0].counter(name), 0, "{name}");
    }
    let errors =
        sent(&mut net).into_iter().filter_map(|seen| seen.icmp).filter(|icmp| icmp.0 < 128);
    assert_eq!(errors.count(), 0);
}

/// no prefix is on-link, so an MN has no neighbours but the router.
#[test]
fn a_probe_for_anybody_else_is_not_answered() {
    let (a, mut net) = (mn(0xa), one());
    let other = ip("2001:db8:a1:1::2");
    let group = ip("ff02::1:ff00:2");
    net.nd(&ns(a, Mac::of_group(group), group, &probe(link_local(a), other)));
    net.nd(&ns(a, Mac::of_group(group), group, &probe(link_local(a), address("a1"))));
    assert!(adverts(&mut net).is_empty());
    assert_eq!(net.nodes[0].counter("ns_not_ours"), 2);
}

/// FC-23: without the option it still shows that the MN is there.
#[test]
fn an_advertisement_without_option_is_taken() {
    let (a, mut net) = (mn(0xa), one());
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(SECOND);
    let na = NeighborAdvert {
        router: false,
        solicited: true,
        override_: false,
        target: link_local(a),
        tllao: None,
    };
    net.nd(&super::frames::na(a, ROUTER_MAC, link_local(a), ROUTER_LINK_LOCAL, &na));
    assert_eq!(net.nodes[0].counter("nd_malformed"), 0);
    assert_eq!(net.nodes[0].counter("station_frame"), 1);
    assert_eq!(net.aaa.asked.len(), 1, "an MN that is attached does not attach again");
}

/// The groups of the MLDv2 reports in `frames`, which etherparse must read as hop-by-hop with ICMPv6 behind.
fn reported(frames: Vec<Vec<u8>>) -> Vec<Vec<Ipv6Addr>> {
    let mut reports = Vec::new();
    for frame in frames.iter().filter(|frame| frame[20] == 0) {
        let seen = see(frame);
        assert_eq!((seen.dst, seen.hops), (ip("ff02::16"), 1));
        assert_eq!(seen.eth_dst, Mac::of_group(ip("ff02::16")));
        let (kind, _, icmp) = seen.icmp.expect("ICMPv6");
        assert_eq!(kind, 143);
        let count = usize::from(icmp[7]);
        let group = |n: usize| {
            let record = &icmp[8 + 20 * n..][..20];
            assert_eq!(record[0], 2, "mode is exclude");
            Ipv6Addr::from_octets(record[4..20].try_into().unwrap())
        };
        reports.push((0..count).map(group).collect());
    }
    reports
}

#[test]
fn a_link_that_comes_up_is_told_our_groups_twice() {
    let mut net = Net::cold(vec![config("a1", &["a1", "a2"])], &["a1"]);
    net.link(0, ACCESS, true);
    net.link(0, CORE, true);
    net.run(5 * SECOND);
    let access = reported(net.nodes[0].take(ACCESS));
    assert_eq!(access, vec![vec![ALL_ROUTERS, ip("ff02::1:ff00:5213")]; 2]);
    let core = reported(net.nodes[0].take(CORE));
    // The core address and the link-local of 02:c0:00:00:00:a1 end in the same 24 bits.
    assert_eq!(core, vec![vec![ip("ff02::1:ff00:a1")]; 2]);
    net.link(0, ACCESS, false);
    net.link(0, ACCESS, true);
    assert_eq!(reported(net.nodes[0].take(ACCESS)).len(), 1);
}

/// An MLDv1 query is enough for the router; `hops` is 1 in a sound one.
fn query(source: Ipv6Addr, group: Ipv6Addr, hops: u8) -> Vec<u8> {
    let querier = mn(0x77);
    let dst = if group.is_unspecified() { ALL_NODES } else { group };
    let mut icmp = vec![130, 0, 0, 0, 0x27, 0x10, 0, 0];
    icmp.extend(group.octets());
    let sum = ip6::checksum(source, dst, ip6::ICMPV6, &icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    // Hop-by-hop: Router Alert for MLD, PadN.
    let mut payload = vec![58, 0, 5, 2, 0, 0, 1, 0];
    payload.extend(icmp);
    let eth = wire::eth::ipv6_header(Mac::of_group(dst), querier);
    ip6::frame(eth, source, dst, 0, hops, &payload)
}

#[test]
fn a_query_is_answered_when_it_is_sound_and_about_us() {
    let mut net = one();
    net.run(5 * SECOND);
    net.nodes[0].take(ACCESS);
    let querier = link_local(mn(0x77));
    let mut answers = |frame: &[u8]| {
        net.nd(frame);
        reported(net.nodes[0].take(ACCESS)).len()
    };
    assert_eq!(answers(&query(querier, Ipv6Addr::UNSPECIFIED, 1)), 1);
    assert_eq!(answers(&query(querier, ALL_ROUTERS, 1)), 1);
    assert_eq!(answers(&query(querier, ip("ff02::1:ff00:1"), 1)), 0);
    assert_eq!(answers(&query(ip("2001:db8::1"), Ipv6Addr::UNSPECIFIED, 1)), 0);
    assert_eq!(answers(&query(querier, Ipv6Addr::UNSPECIFIED, 2)), 0);
    let flood = (0..100).map(|_| answers(&query(querier, Ipv6Addr::UNSPECIFIED, 1))).sum::<usize>();
    assert!(flood <= 10, "{flood} answers at once");
    assert_eq!(net.nodes[0].counter("nd_hop_limit") + net.nodes[0].counter("nd_malformed"), 2);
}

/// Two workers' samples of one session reach the protocol, and workers are told to forget them.
#[test]
fn workers_forget_their_samples_every_half_minute() {
    let mut net = one();
    net.run(61 * SECOND);
    assert_eq!(net.nodes[0].forgets, 2 * WORKERS);
}

/// A worker that raced with the table: no error while the MN's exchange runs (R-33, FC-32).
#[test]
fn a_source_that_fails_during_the_exchange_of_its_mn_gets_no_error() {
    let (a, mut net) = (mn(0xa), one());
    net.aaa.mood = crate::aaa::Mood::Silent;
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(10 * MS);
    let frame = udp(a, ip("2001:db8:a2:a::1"), ip("2001:db8:b1:b::1"), 64, b"hello");
    net.frame(0, ACCESS, PuntReason::SourceFailed, &frame);
    assert!(sent(&mut net).is_empty());
    assert_eq!(net.nodes[0].counter("source_pending"), 1);
}
