// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Draft steps 1 to 4 as frames (R-01, R-03, R-08, R-21; FC-20, FC-21).

use crate::aaa::Mood;
use crate::frames::*;
use crate::net::*;
use dataplane::punt::PuntReason;
use dataplane::verdict::{Station, Verdict, station_key};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::nd::RouterSolicit;

/// RAs sent on the access port since the last call.
fn adverts(net: &mut Net) -> Vec<Seen> {
    let sent = net.nodes[0].take(ACCESS);
    let seen = sent.iter().map(|frame| see(frame));
    seen.filter(|seen| seen.icmp.as_ref().is_some_and(|icmp| icmp.0 == 134)).collect()
}

/// The prefixes an RA offers.
fn prefixes(ra: &Seen) -> Vec<Prefix64> {
    let icmp = &ra.icmp.as_ref().expect("an RA").2;
    let mut found = Vec::new();
    let mut at = 16;
    while at < icmp.len() {
        if icmp[at] == 3 {
            let upper = icmp[at + 16..at + 24].try_into().expect("eight octets");
            found.push(Prefix64(u64::from_be_bytes(upper)));
        }
        at += 8 * usize::from(icmp[at + 1]);
    }
    found
}

fn attached(frame: &[u8]) -> Net {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.nd(frame);
    net.run(50 * MS);
    net
}

#[test]
fn a_plain_rs_is_answered_with_an_ra_for_a_prefix_of_its_own() {
    let a = mn(0xa);
    let mut net = attached(&rs(a, &plain_rs(link_local(a))));
    let ras = adverts(&mut net);
    assert_eq!(ras.len(), 1);
    let ra = &ras[0];
    assert_eq!((ra.eth_dst, ra.eth_src), (a, ROUTER_MAC));
    assert_eq!((ra.src, ra.dst, ra.hops), (ROUTER_LINK_LOCAL, link_local(a), 255));
    let lease = prefixes(ra)[0];
    assert!(pool("a1").contains(lease.with_iid(0)), "{lease}");
    let deliver = Verdict::Deliver { mac: a, port: ACCESS, anchored: true, settled: false };
    assert_eq!(net.nodes[0].table.get(&lease.0), Some(&deliver));
    let station = Verdict::Station(Station::Attached);
    assert_eq!(net.nodes[0].table.get(&station_key(a)), Some(&station));
}

#[test]
fn the_aar_names_the_mn_its_station_and_this_maar() {
    let a = mn(0xa);
    let net = attached(&rs(a, &plain_rs(link_local(a))));
    let aar = &net.aaa.asked[0];
    assert_eq!(aar.user_name, "02000000000a@example.org");
    assert_eq!(aar.calling_station_id.as_deref(), Some("02-00-00-00-00-0A"));
    assert_eq!(aar.maar, address("a1"));
    assert_eq!(aar.destination_realm, "example.org");
    let parts: Vec<_> = aar.session_id.split(';').collect();
    assert_eq!(parts.len(), 4);
    assert_eq!((parts[0], parts[1], parts[3]), ("maar-a1.example.org", "1", "02000000000a"));
}

/// FC-20: what NetworkManager and phones send, octet for octet.
#[test]
fn an_rs_without_link_layer_option_needs_no_ns_before_its_ra() {
    let frame = hex(
        "33330000000202000000000a86dd6000000000083afffe80000000000000000000fffe00000aff0200000000\
         0000000000000000000285007e2d00000000",
    );
    let mut net = attached(&frame);
    let sent: Vec<_> = net.nodes[0].take(ACCESS).iter().map(|frame| see(frame)).collect();
    let kinds: Vec<_> = sent.iter().filter_map(|seen| Some(seen.icmp.as_ref()?.0)).collect();
    assert!(!kinds.contains(&135), "no NS");
    let ra = sent.iter().find(|seen| seen.icmp.as_ref().is_some_and(|icmp| icmp.0 == 134));
    assert_eq!(ra.expect("an RA").eth_dst, mn(0xa));
}

/// FC-21.
#[test]
fn an_rs_from_the_unspecified_address_gets_an_ra_to_all_nodes_in_a_frame_for_this_mn() {
    let frame = hex(
        "33330000000202000000000a86dd6000000000083aff00000000000000000000000000000000ff0200000000\
         0000000000000000000285007bb800000000",
    );
    let mut net = attached(&frame);
    let ras = adverts(&mut net);
    assert_eq!(ras.len(), 1);
    assert_eq!((ras[0].dst, ras[0].eth_dst), (ALL_NODES, mn(0xa)));
}

/// FC-21: its address may be on probation again, where a packet to it is dropped.
#[test]
fn a_station_that_solicits_from_the_unspecified_address_later_gets_its_ra_at_all_nodes_again() {
    let a = mn(0xa);
    let mut net = attached(&rs(a, &plain_rs(link_local(a))));
    let mut to = |source| {
        net.nd(&rs(a, &plain_rs(source)));
        net.run(50 * MS);
        adverts(&mut net).last().map(|ra| (ra.eth_dst, ra.dst))
    };
    assert_eq!(to(link_local(a)), Some((a, link_local(a))));
    assert_eq!(to(Ipv6Addr::UNSPECIFIED), Some((a, ip("ff02::1"))));
    assert_eq!(to(link_local(a)), Some((a, link_local(a))));
}

/// FC-21: whatever the RS came from, the RA comes from the routers' link-local address.
#[test]
fn an_rs_from_a_global_address_gets_an_ra_from_the_routers_link_local_address() {
    let a = mn(0xa);
    let mut net = attached(&rs(a, &plain_rs(link_local(a))));
    let lease = prefixes(&adverts(&mut net)[0])[0];
    net.nd(&rs(a, &plain_rs(lease.with_iid(a.eui64()))));
    net.run(50 * MS);
    let ras = adverts(&mut net);
    assert_eq!(ras.len(), 1);
    assert_eq!((ras[0].src, ras[0].hops, ras[0].eth_dst), (ROUTER_LINK_LOCAL, 255, a));
    assert_eq!(prefixes(&ras[0])[0], lease, "the same lease");
    assert_eq!(net.aaa.asked.len(), 1, "no second AAR");
}

/// R-01 (b): the pairs of a draft RS reach the protocol; a first attachment recovers nothing from them here.
#[test]
fn a_draft_rs_with_the_right_mn_id_attaches() {
    let a = mn(0xa);
    let rs = RouterSolicit {
        source: link_local(a),
        sllao: Some(a),
        mn_id: Some(Nai::new("02000000000a@example.org").unwrap()),
        sessions: vec![(ip("2001:db8:a2:a::1"), ip("2001:db8:a2:b::1"))],
    };
    let mut net = attached(&super::frames::rs(a, &rs));
    assert_eq!(adverts(&mut net)[0].eth_dst, a);
}

#[test]
fn an_rs_whose_option_names_another_station_is_dropped() {
    let a = mn(0xa);
    let mut claimed = plain_rs(link_local(a));
    claimed.sllao = Some(mn(0xb));
    let mut net = attached(&rs(a, &claimed));
    assert!(adverts(&mut net).is_empty());
    assert!(net.aaa.asked.is_empty());
    assert_eq!(net.nodes[0].counter("rs_sllao_mismatch"), 1);
}

#[test]
fn an_rs_on_a_core_port_is_counted_and_starts_nothing() {
    let a = mn(0xa);
    let mut net = Net::one("a1", &["a1", "a2"]);
    let frame = rs(a, &plain_rs(link_local(a)));
    net.frame(0, CORE, PuntReason::NeighborDiscovery, &frame);
    net.run(SECOND);
    assert!(net.aaa.asked.is_empty());
    assert_eq!(net.nodes[0].counter("rs_core_port"), 1);
}

#[test]
fn any_frame_of_a_station_for_us_attaches_it_and_a_frame_for_others_does_not() {
    let a = mn(0xa);
    let frame = udp(a, ip("2001:db8:a2:a::1"), ip("2001:db8:b1:b::1"), 64, b"hello");
    let mut elsewhere = frame.clone();
    elsewhere[..6].copy_from_slice(&[2, 0, 0, 0, 0, 0xee]);
    let mut tagged = frame.clone();
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.frame(0, ACCESS, PuntReason::UnknownStation, &elsewhere);
    net.frame(0, ACCESS, PuntReason::UnknownStation, &tagged);
    net.run(SECOND);
    assert!(net.aaa.asked.is_empty());
    assert_eq!(net.nodes[0].counter("frame_not_for_us"), 1);
    assert_eq!(net.nodes[0].counter("frame_foreign_vlan"), 1);
    net.frame(0, ACCESS, PuntReason::UnknownStation, &frame);
    net.run(50 * MS);
    assert_eq!(net.aaa.asked.len(), 1);
    let ras = adverts(&mut net);
    assert_eq!((ras[0].eth_dst, ras[0].dst), (a, ALL_NODES), "no link-local seen yet (R-08)");
}

/// The next RA goes to the link-local address that an NS showed.
#[test]
fn a_link_local_address_is_learnt_from_neighbour_discovery() {
    let a = mn(0xa);
    let mut net = attached(&rs(a, &plain_rs("::".parse().unwrap())));
    assert_eq!(adverts(&mut net)[0].dst, ALL_NODES);
    let private = ip("fe80::1234:5678:9abc:def0");
    let probe =
        wire::nd::NeighborSolicit { source: private, target: ROUTER_LINK_LOCAL, sllao: None };
    net.nd(&ns(a, ROUTER_MAC, ROUTER_LINK_LOCAL, &probe));
    net.run(601 * SECOND);
    let ras = adverts(&mut net);
    assert!(ras.iter().all(|ra| ra.dst == private && ra.eth_dst == a), "{ras:?}");
    assert!(!ras.is_empty(), "an RA every 600 s");
}

#[test]
fn a_frame_with_the_routers_own_mac_is_dropped_and_told_once() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    for _ in 0..3 {
        net.nd(&rs(ROUTER_MAC, &plain_rs(ROUTER_LINK_LOCAL)));
    }
    net.run(SECOND);
    assert!(net.aaa.asked.is_empty());
    assert_eq!(net.nodes[0].counter("frame_own_mac"), 3);
    assert_eq!(net.nodes[0].log.iter().filter(|line| line.contains("own MAC")).count(), 1);
}

#[test]
fn a_refused_mn_gets_no_ra() {
    let a = mn(0xa);
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.aaa.mood = Mood::Refuse(5030);
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(SECOND);
    assert!(adverts(&mut net).is_empty());
    assert!(net.nodes[0].table.values().all(|v| !matches!(v, Verdict::Deliver { .. })));
}

/// An answer that names no previous MAAR is an error, never a first attachment (PROTOCOL.md 3.7).
#[test]
fn an_answer_without_agent_info_attaches_nobody() {
    let a = mn(0xa);
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.aaa.mood = Mood::Incomplete;
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(SECOND);
    assert!(adverts(&mut net).is_empty());
}

/// FC-32, R-28b: the RS is kept while the AAA does not answer, and its MN is served once it does.
#[test]
fn an_rs_before_the_aaa_is_there_is_answered_when_it_comes() {
    let a = mn(0xa);
    let mut net = Net::cold(vec![config("a1", &["a1", "a2"])], &["a1"]);
    net.aaa_listens = false;
    net.link(0, ACCESS, true);
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(3 * SECOND);
    assert!(adverts(&mut net).is_empty());
    net.aaa_listens = true;
    net.run(40 * SECOND);
    assert_eq!(adverts(&mut net)[0].eth_dst, a);
}

#[test]
fn an_mn_id_of_the_aaa_is_used_and_its_text_is_escaped_in_the_log() {
    let a = mn(0xa);
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.aaa.mood = Mood::Rename("us\u{202e}er\u{e9}@example.org".to_owned());
    net.nd(&rs(a, &plain_rs(link_local(a))));
    net.run(SECOND);
    assert_eq!(adverts(&mut net)[0].eth_dst, a);
    // Net asserts that every line is printable ASCII.
    assert!(!net.nodes[0].log.is_empty());
}

#[test]
fn two_hundred_stations_each_get_a_prefix_of_their_own() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    let mut leases = std::collections::BTreeSet::new();
    for last in 0..200 {
        let mac = Mac([2, 0x11, 0x22, 0x33, 0, last]);
        net.nd(&rs(mac, &plain_rs(link_local(mac))));
        net.run(20 * MS);
        let ras = adverts(&mut net);
        assert_eq!((ras.len(), ras[0].eth_dst), (1, mac));
        assert!(leases.insert(prefixes(&ras[0])[0]), "leased twice");
    }
}
