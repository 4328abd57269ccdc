// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the core brings outside a tunnel: R-35, signalling, Neighbour Discovery.

use crate::rig::*;
use dataplane::punt::PuntReason;
use dataplane::verdict::Verdict;
use wire::addr::{Mac, ROUTER_MAC};
use wire::ip6::Ip6View;

#[test]
fn a_packet_for_an_mn_here_is_delivered_to_its_mac_with_one_hop_less() {
    let frame = by_core(S, A_HOA1);
    let out = Rig::new().one(CORE, &frame);
    let (port, sent) = out.sent_as("delivered");
    assert_eq!((port, &sent[..14]), (ACCESS, &wire::eth::ipv6_header(MAC_A, ROUTER_MAC)[..]));
    assert_eq!((sent[14 + 7], &sent[22..]), (63, &frame[22..]));
}

#[test]
fn an_anchor_tunnels_what_arrives_for_an_mn_that_is_away() {
    let mut rig = Rig::and(key(D_HOA3), Verdict::Tunnel { peer: 2, anchored: true, former: false });
    let out = rig.one(CORE, &by_core(S, D_HOA3));
    let (port, sent) = out.sent_as("tunnelled");
    let outer = Ip6View::new_checked(&sent[14..]).unwrap();
    assert_eq!((port, outer.src(), outer.dst()), (CORE, at(A_MAAR3), at(B_MAAR2)));
    assert_eq!((outer.hop_limit(), outer.flow_label() & 1), (64, 0));
    assert_eq!(Ip6View::new_checked(&sent[54..]).unwrap().hop_limit(), 63);
}

#[test]
fn a_lease_without_its_mn_and_an_address_of_nobody_never_follow_a_route() {
    Rig::new().one(CORE, &by_core(S, D_HOA3)).dropped_as("mn_absent");
    let frame = by_core(S, UNLEASED);
    Rig::new().one(CORE, &frame).punted_as(PuntReason::PoolUnleased, &frame);
}

#[test]
fn the_rest_is_routed() {
    let mut rig = Rig::new();
    assert_eq!(rig.one(CORE, &by_core(S, "2001:db8:7::1")).sent_as("native").0, CORE);
    let on_link = rig.one(CORE, &by_core(S, B_MAAR2));
    assert_eq!(on_link.sent_as("native").1[..6], MAC_B_MAAR2.0);
    let frame = by_core(S, "2001:470::1");
    rig.one(CORE, &frame).punted_as(PuntReason::NoRoute, &frame);
}

#[test]
fn a_mobility_header_to_the_core_address_goes_to_the_slow_path() {
    let frame = hex(
        "02000000a30102000000 00ff86dd60000000003887 4020010db800ff000000000000000000a120010db800ff000000000000000000a33b060500046e2001830000961612008020010db800a1000a000000fffe00000a010400000000441020010db800ff000000000000000000a3",
    );
    let mut frame = frame;
    frame[..6].copy_from_slice(&CORE_MAC.0);
    Rig::new().one(CORE, &frame).punted_as(PuntReason::MobilityHeader, &frame);
}

#[test]
fn icmpv6_to_the_core_address_goes_to_the_slow_path_by_its_kind() {
    let icmp = |kind: u8, dst: &str| {
        frame(CORE_MAC, MAC_ROUTER, "2001:db8:ff::1", dst, 58, &[kind, 0, 0, 0, 0, 0, 0, 0])
    };
    for (kind, reason) in [
        (128, PuntReason::OwnIcmp),
        (2, PuntReason::OwnIcmp),
        (135, PuntReason::NeighborDiscovery),
        (136, PuntReason::NeighborDiscovery),
    ] {
        Rig::new().one(CORE, &icmp(kind, A_MAAR3)).punted_as(reason, &icmp(kind, A_MAAR3));
    }
    let link_local = icmp(135, "fe80::a3ff:fe01");
    Rig::new().one(CORE, &link_local).punted_as(PuntReason::NeighborDiscovery, &link_local);
}

#[test]
fn solicitations_of_other_stations_are_not_ours() {
    let solicit = |group: &str| {
        let mac = Mac::of_group(at(group));
        frame(mac, MAC_ROUTER, "2001:db8:ff::1", group, 58, &[135, 0, 0, 0, 0, 0, 0, 0])
    };
    for ours in ["ff02::1:ff00:a3", "ff02::1:ff00:a301", "ff02::1"] {
        Rig::new()
            .one(CORE, &solicit(ours))
            .punted_as(PuntReason::NeighborDiscovery, &solicit(ours));
    }
    Rig::new().one(CORE, &solicit("ff02::1:ff00:b2")).dropped_as("multicast");
}

#[test]
fn other_protocols_fragments_and_chatter_to_the_core_address_have_names() {
    Rig::new().one(CORE, &by_core(S, A_MAAR3)).dropped_as("own_no_listener");
    let fragment =
        frame(CORE_MAC, MAC_ROUTER, S, A_MAAR3, 44, &[58, 0, 0, 1, 0, 0, 0, 1, 128, 0, 0, 0]);
    Rig::new().one(CORE, &fragment).dropped_as("own_fragment");
    Rig::new().one(CORE, &by_core("fe80::1", A_HOA1)).dropped_as("link_local_scope");
    Rig::new().one(CORE, &by_core(S, "fe80::1")).dropped_as("link_local_scope");
    Rig::new().one(CORE, &by_core("::", A_HOA1)).dropped_as("address_invalid");
    Rig::new().one(CORE, &by_core("ff02::1", A_HOA1)).dropped_as("address_invalid");
    Rig::new().one(CORE, &by_core(S, "ff0e::1")).dropped_as("multicast");
}

#[test]
fn a_core_port_does_not_take_frames_for_the_access_routers_mac_or_from_itself() {
    Rig::new().one(CORE, &udp_frame(ROUTER_MAC, MAC_ROUTER, S, A_HOA1)).dropped_as("not_for_us");
    Rig::new().one(CORE, &udp_frame(CORE_MAC, CORE_MAC, S, A_HOA1)).dropped_as("own_mac");
}
