// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What comes in by an access port and is not, or not yet, an attached mobile node's traffic.

use crate::rig::*;
use dataplane::punt::PuntReason;
use dataplane::verdict::{Station, Verdict, station_key};
use wire::addr::{Mac, ROUTER_MAC};

const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0x99]);

fn to_router(src_mac: Mac, src: &str, dst: &str) -> Vec<u8> {
    udp_frame(ROUTER_MAC, src_mac, src, dst)
}

#[test]
fn a_frame_of_an_unknown_station_starts_an_attachment() {
    for dst in [ROUTER_MAC, ACCESS_MAC] {
        let frame = udp_frame(dst, STRANGER, A_HOA1, B_HOA1);
        Rig::new().one(ACCESS, &frame).punted_as(PuntReason::UnknownStation, &frame);
    }
    let group = udp_frame(Mac([0x33, 0x33, 0, 0, 0, 2]), STRANGER, "fe80::99", "ff02::2");
    Rig::new().one(ACCESS, &group).punted_as(PuntReason::UnknownStation, &group);
    let local = to_router(STRANGER, "fe80::99", "fe80::200:5eff:fe00:5213");
    Rig::new().one(ACCESS, &local).punted_as(PuntReason::UnknownStation, &local);
}

#[test]
fn where_only_events_attach_a_frame_of_an_unknown_station_is_dropped() {
    let frame = to_router(STRANGER, A_HOA1, B_HOA1);
    Rig::new().one(ACCESS_BY_EVENT, &frame).dropped_as("station_unknown");
}

#[test]
fn a_frame_for_another_station_or_vlan_starts_nothing() {
    let other = udp_frame(Mac([2, 0, 0, 0, 0, 0xee]), STRANGER, A_HOA1, B_HOA1);
    Rig::new().one(ACCESS, &other).dropped_as("not_for_us");
    let mut tagged = to_router(STRANGER, A_HOA1, B_HOA1);
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    Rig::new().one(ACCESS, &tagged).dropped_as("vlan_foreign");
    let mdns = udp_frame(Mac([0x33, 0x33, 0, 0, 0, 0xfb]), STRANGER, "fe80::99", "ff02::fb");
    Rig::new().one(ACCESS, &mdns).dropped_as("multicast");
}

#[test]
fn what_a_source_that_misses_means_depends_on_the_station() {
    let foreign = from_a("2001:db8:a2:a::1", B_HOA1);
    let with =
        |station| Rig::and(station_key(MAC_A), Verdict::Station(station)).one(ACCESS, &foreign);
    with(Station::Attached).punted_as(PuntReason::SourceFailed, &foreign);
    with(Station::Exchange).dropped_as("source_pending");
    with(Station::Quiet).dropped_as("station_quiet");
}

#[test]
fn another_mns_source_or_the_own_source_at_another_port_is_not_the_stations() {
    let spoofed = from_a(C_HOA3, S);
    Rig::new().one(ACCESS, &spoofed).punted_as(PuntReason::SourceFailed, &spoofed);
    let tunnelled = from_a(B_HOA1, S);
    Rig::new().one(ACCESS, &tunnelled).punted_as(PuntReason::SourceFailed, &tunnelled);
    let elsewhere = from_a(A_HOA3, S);
    Rig::new().one(ACCESS_BY_EVENT, &elsewhere).punted_as(PuntReason::SourceFailed, &elsewhere);
}

#[test]
fn a_frame_with_this_routers_address_as_source_is_a_loop() {
    for mac in [ACCESS_MAC, ROUTER_MAC] {
        Rig::new().one(ACCESS, &to_router(mac, A_HOA1, B_HOA1)).dropped_as("own_mac");
    }
    let link_local = to_router(STRANGER, "fe80::200:5eff:fe00:5213", "ff02::1");
    Rig::new().one(ACCESS, &link_local).dropped_as("own_mac");
    let group = to_router(Mac([0x33, 0x33, 0, 0, 0, 1]), A_HOA1, B_HOA1);
    Rig::new().one(ACCESS, &group).dropped_as("source_mac");
}

#[test]
fn neighbour_discovery_and_mld_go_to_the_slow_path_also_from_the_unspecified_address() {
    let frames = [
        // RS without SLLAO, RS from ::, DAD, MLDv2 reports behind a router alert (from :: and from the link-local), NA.
        "33330000000202000000000a86dd6000000000083afffe80000000000000000000fffe00000aff02000000000000000000000000000285007e2d00000000",
        "33330000000202000000000a86dd6000000000083aff00000000000000000000000000000000ff02000000000000000000000000000285007bb800000000",
        "3333ff00000a02000000000a86dd6000000000183aff00000000000000000000000000000000ff0200000000000000000001ff00000a87007d1300000000fe80000000000000000000fffe00000a",
        "33330000001602000000000a86dd600000000024000100000000000000000000000000000000ff0200000000000000000000000000163a000502000001008f006f800000000104000000ff0200000000000000000001ff00000a",
        "33330000001602000000000a86dd6000000000380001fe80000000000000000000fffe00000aff0200000000000000000000000000163a000502000001008f006de20000000204000000ff0200000000000000000001ff00000a04000000ff0200000000000000000000000000fb",
        "00005e00521302000000000a86dd6000000000183afffe80000000000000000000fffe00000afe8000000000000002005efffe00521388006d0260000000fe80000000000000000000fffe00000a",
    ];
    for text in frames {
        let frame = hex(text);
        Rig::new().one(ACCESS, &frame).punted_as(PuntReason::NeighborDiscovery, &frame);
    }
}

#[test]
fn signalling_from_the_access_link_is_dropped_also_behind_extension_headers() {
    let options = |next: u8| {
        let mut payload = vec![next, 0, 4, 1, 4, 1, 1, 0];
        payload.extend_from_slice(&by_core(A_HOA1, B_HOA1)[14..]);
        payload
    };
    let fragment = |next: u8| [&[next, 0, 0, 8, 0, 0, 0, 1], &[0; 16][..]].concat();
    for maar in [A_MAAR3, B_MAAR2, B_MAAR1] {
        for next in [135, 41] {
            for (first, payload) in
                [(next, options(0)), (60, options(next)), (0, options(next)), (44, fragment(next))]
            {
                let frame = frame(ROUTER_MAC, MAC_A, A_HOA1, maar, first, &payload);
                Rig::new().one(ACCESS, &frame).dropped_as("access_signalling");
            }
        }
    }
    let to_a_host = frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 41, &options(0));
    Rig::new().one(ACCESS, &to_a_host).sent_as("tunnelled");
}

#[test]
fn link_local_scope_and_multicast_are_never_forwarded() {
    Rig::new().one(ACCESS, &from_a("fe80::ff:fe00:a", B_HOA1)).dropped_as("link_local_scope");
    Rig::new().one(ACCESS, &from_a(A_HOA1, "fe80::1")).dropped_as("link_local_scope");
    for group in ["ff0e::1", "ff05::2", "ff02::fb", "ff02::1"] {
        Rig::new().one(ACCESS, &from_a(A_HOA1, group)).dropped_as("multicast");
    }
    for (src, dst) in
        [("::", B_HOA1), ("::1", B_HOA1), ("ff02::1", B_HOA1), (A_HOA1, "::"), (A_HOA1, "::1")]
    {
        Rig::new().one(ACCESS, &from_a(src, dst)).dropped_as("address_invalid");
    }
}

#[test]
fn a_frame_cut_anywhere_is_dropped_by_name_and_the_next_one_passes() {
    let whole = from_a(A_HOA1, B_HOA1);
    let mut rig = Rig::new();
    for len in 0..whole.len() {
        let name = if len < 14 { "eth_truncated" } else { "ip6_truncated" };
        rig.one(ACCESS, &whole[..len]).dropped_as(name);
    }
    rig.one(ACCESS, &whole).sent_as("tunnelled");
    let short = hex(
        "00005e00521302000000000a86dd6000000003e8114020010db800a1000a000000fffe00000a20010db800b1000b000000fffe00000b9c401389000f6f1968656c6c6f2d42",
    );
    rig.one(ACCESS, &short).dropped_as("ip6_truncated");
}

#[test]
fn an_extension_header_that_runs_past_the_end_or_a_long_chain_is_dropped() {
    let overrun = hex(
        "00005e00521302000000000a86dd600000000008004020010db800a1000a000000fffe00000a20010db800b1000b000000fffe00000b11ff000000000000",
    );
    Rig::new().one(ACCESS, &overrun).dropped_as("ip6_ext_malformed");
    for next in [43, 60] {
        let frame = frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, next, &[17, 0xff, 0, 0, 0, 0, 0, 0]);
        Rig::new().one(ACCESS, &frame).dropped_as("ip6_ext_malformed");
    }
    let chain = frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 60, &[60, 0, 1, 4, 0, 0, 0, 0].repeat(30));
    Rig::new().one(ACCESS, &chain).dropped_as("ip6_ext_malformed");
}

#[test]
fn other_protocols_than_ipv6_are_dropped_by_name() {
    let mut frame = from_a(A_HOA1, B_HOA1);
    (frame[12], frame[13]) = (0x08, 0x06);
    Rig::new().one(ACCESS, &frame).dropped_as("not_ipv6");
    let mut frame = from_a(A_HOA1, B_HOA1);
    frame[14] = 0x45;
    Rig::new().one(ACCESS, &frame).dropped_as("ip6_version");
}
