// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an attached mobile node sends.

use crate::rig::*;
use dataplane::punt::PuntReason;
use dataplane::verdict::Verdict;
use wire::addr::{Mac, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::ip6::Ip6View;

/// The data packet of the protocol's section 3.5, outer flow label 0.
const DATA: &str = "
    60 00 00 00 00 37 29 40 20 01 0d b8 00 ff 00 00 00 00 00 00 00 00 00 a3 20 01 0d b8 00 ff 00 00
    00 00 00 00 00 00 00 b2 60 00 00 00 00 0f 11 3f 20 01 0d b8 00 a1 00 0a 00 00 00 ff fe 00 00 0a
    20 01 0d b8 00 b1 00 0b 00 00 00 ff fe 00 00 0b 9c 40 13 89 00 0f 6f 19 68 65 6c 6c 6f 2d 42";

/// Ethernet header and packet of what user A sent to become `DATA`.
fn hello_b() -> Vec<u8> {
    let mut frame = wire::eth::ipv6_header(ROUTER_MAC, MAC_A).to_vec();
    frame.extend_from_slice(&hex(DATA)[40..]);
    frame[14 + 7] = 64;
    frame
}

fn label(frame: &[u8]) -> u32 {
    Ip6View::new_checked(&frame[14..]).expect("a packet that was sent").flow_label()
}

#[test]
fn a_packet_to_a_listed_cn_becomes_the_tunnel_packet_of_the_protocols_example() {
    let out = Rig::new().one(ACCESS, &hello_b());
    let (port, sent) = out.sent_as("tunnelled");
    assert_eq!(port, CORE);
    assert_eq!(sent[..14], wire::eth::ipv6_header(MAC_B_MAAR2, CORE_MAC));
    let mut packet = sent[14..].to_vec();
    assert_ne!(label(sent), 0);
    packet[1] &= 0xf0;
    packet[2..4].fill(0);
    assert_eq!(packet, hex(DATA));
}

#[test]
fn padding_behind_the_packet_does_not_enter_the_tunnel() {
    let mut padded = hello_b();
    padded.extend_from_slice(&[0xee; 20]);
    let (plain, padded) = (Rig::new().one(ACCESS, &hello_b()), Rig::new().one(ACCESS, &padded));
    assert_eq!(plain.sent, padded.sent);
}

#[test]
fn a_priority_tag_is_taken_off() {
    let mut tagged = hello_b();
    tagged.splice(12..12, [0x81, 0x00, 0xe0, 0x00]);
    assert_eq!(Rig::new().one(ACCESS, &tagged).sent, Rig::new().one(ACCESS, &hello_b()).sent);
}

#[test]
fn a_packet_to_another_mn_here_is_delivered_with_one_hop_less_and_otherwise_unchanged() {
    let frame = from_a(A_HOA1, C_HOA3);
    let out = Rig::new().one(ACCESS, &frame);
    let (port, sent) = out.sent_as("delivered");
    assert_eq!(port, ACCESS);
    assert_eq!(sent[..14], wire::eth::ipv6_header(MAC_C, ROUTER_MAC));
    let mut expected = frame[14..].to_vec();
    expected[7] = 63;
    assert_eq!(sent[14..], expected);
}

#[test]
fn a_source_anchored_here_is_routed_natively() {
    for dst in [S, E_HOA] {
        let frame = from_a(A_HOA3, dst);
        let out = Rig::new().one(ACCESS, &frame);
        let (port, sent) = out.sent_as("native");
        assert_eq!(port, CORE);
        assert_eq!(sent[..14], wire::eth::ipv6_header(MAC_ROUTER, CORE_MAC));
        assert_eq!((sent[14 + 7], &sent[22..]), (63, &frame[22..]));
    }
}

#[test]
fn a_managed_destination_of_no_list_goes_to_its_anchor_with_the_loop_bit() {
    let out = Rig::new().one(ACCESS, &from_a(A_HOA1, E_HOA));
    let (_, sent) = out.sent_as("tunnelled");
    let outer = Ip6View::new_checked(&sent[14..]).unwrap();
    assert_eq!((outer.dst(), outer.flow_label() & 1), (at(B_MAAR2), 1));
}

#[test]
fn a_legacy_destination_goes_to_the_anchor_of_the_source() {
    let out = Rig::new().one(ACCESS, &from_a(A_HOA1, S));
    let (_, sent) = out.sent_as("tunnelled");
    let outer = Ip6View::new_checked(&sent[14..]).unwrap();
    assert_eq!((outer.dst(), outer.flow_label() & 1), (at(A_MAAR1), 0));
}

#[test]
fn without_any_anchor_the_slow_path_answers() {
    let mut fib = fib();
    fib.anchors.clear();
    let frame = from_a(A_HOA1, S);
    let out = Rig::with(fib, &bindings()).one(ACCESS, &frame);
    out.punted_as(PuntReason::NoAnchor, &frame);
}

#[test]
fn what_is_leased_to_an_absent_mn_or_to_nobody_is_not_routed() {
    for src in [A_HOA1, A_HOA3] {
        Rig::new().one(ACCESS, &from_a(src, D_HOA3)).dropped_as("mn_absent");
        let frame = from_a(src, UNLEASED);
        Rig::new().one(ACCESS, &frame).punted_as(PuntReason::PoolUnleased, &frame);
    }
}

#[test]
fn a_next_hop_that_is_not_resolved_is_named() {
    let resolve = |dst| {
        let frame = from_a(A_HOA3, dst);
        Rig::new().one(ACCESS, &frame).punted_as(PuntReason::Unresolved, &frame);
    };
    resolve("2001:db8:dead::1");
    resolve("2001:db8:ff::77");
    let frame = from_a(A_HOA3, "2001:470::1");
    Rig::new().one(ACCESS, &frame).punted_as(PuntReason::NoRoute, &frame);
    let to_b1 = Rig::and(key(B_HOA1), Verdict::Tunnel { peer: 3, anchored: false, former: false })
        .one(ACCESS, &from_a(A_HOA1, B_HOA1));
    to_b1.dropped_as("peer_unresolved");
    let to_nobody =
        Rig::and(key(B_HOA1), Verdict::Tunnel { peer: 9, anchored: false, former: false })
            .one(ACCESS, &from_a(A_HOA1, B_HOA1));
    to_nobody.dropped_as("peer_unknown");
}

#[test]
fn a_used_up_hop_limit_goes_to_the_slow_path_unchanged() {
    for (src, dst) in [(A_HOA1, B_HOA1), (A_HOA1, C_HOA3), (A_HOA3, S)] {
        for hop_limit in [0, 1] {
            let mut frame = from_a(src, dst);
            frame[14 + 7] = hop_limit;
            Rig::new().one(ACCESS, &frame).punted_as(PuntReason::HopLimit, &frame);
        }
    }
}

#[test]
fn dscp_and_ecn_are_copied_outward() {
    let mut frame = from_a(A_HOA1, B_HOA1);
    (frame[14], frame[15]) = (0x6b, 0xa0);
    let out = Rig::new().one(ACCESS, &frame);
    let (_, sent) = out.sent_as("tunnelled");
    let outer = Ip6View::new_checked(&sent[14..]).unwrap();
    assert_eq!((outer.traffic_class(), sent[54], sent[55]), (0xba, 0x6b, 0xa0));
}

#[test]
fn what_exceeds_the_tunnels_mtu_is_answered_and_what_just_fits_passes() {
    let sized = |len: usize| frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 17, &udp(&vec![7; len - 48]));
    let out = Rig::new().one(ACCESS, &sized(1460));
    assert_eq!(out.sent_as("tunnelled").1.len(), 14 + 1500);
    Rig::new().one(ACCESS, &sized(1461)).punted_as(PuntReason::TunnelTooBig, &sized(1461));
    let mut fib = fib();
    fib.ports[CORE as usize].mtu = 1300;
    let mut small = Rig::with(fib, &bindings());
    assert_eq!(small.one(ACCESS, &sized(1280)).sent.len(), 2, "in fragments");
    small.one(ACCESS, &sized(1281)).punted_as(PuntReason::TunnelTooBig, &sized(1281));
}

#[test]
fn what_exceeds_the_mtu_of_the_port_it_leaves_by_is_answered() {
    let sized =
        |dst, len: usize| frame(ROUTER_MAC, MAC_A, A_HOA3, dst, 17, &udp(&vec![7; len - 48]));
    for (dst, verdict) in [(S, "native"), (C_HOA3, "delivered")] {
        Rig::new().one(ACCESS, &sized(dst, 1500)).sent_as(verdict);
        let big = sized(dst, 1501);
        Rig::new().one(ACCESS, &big).punted_as(PuntReason::TooBig, &big);
    }
}

#[test]
fn two_flows_have_two_labels_and_one_flow_keeps_its_own() {
    let mut rig = Rig::new();
    let mut other = hello_b();
    other[14 + 40] ^= 1;
    let frames = [hello_b(), other.clone(), hello_b(), other];
    let out = rig.run(ACCESS, &frames);
    let labels: Vec<u32> = out.sent.iter().map(|(_, frame)| label(frame)).collect();
    assert_eq!((labels[0], labels[1]), (labels[2], labels[3]));
    assert_ne!(labels[0], labels[1]);
    assert!(labels.iter().all(|label| label & 1 == 0 && *label != 0));
}

#[test]
fn all_fragments_of_a_datagram_have_one_label() {
    let fragment = |next: u8, offset: u16, data: [u8; 16]| {
        let mut payload = vec![next, 0];
        payload.extend_from_slice(&(offset << 3 | 1).to_be_bytes());
        payload.extend_from_slice(&[0, 0, 0, 9]);
        payload.extend_from_slice(&data);
        frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 44, &payload)
    };
    let options = [17, 0, 1, 4, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
    for (next, first) in [(17, [1; 16]), (60, options)] {
        let out = Rig::new().run(ACCESS, &[fragment(next, 0, first), fragment(next, 2, [2; 16])]);
        assert_eq!(out.counts["tunnelled"], 2);
        assert_eq!(label(&out.sent[0].1), label(&out.sent[1].1), "next header {next}");
    }
}

#[test]
fn payload_of_an_unknown_protocol_is_never_read_as_ports() {
    let with = |next: u8, first: u8| {
        let out =
            Rig::new().one(ACCESS, &frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, next, &[first; 24]));
        label(out.sent_as("tunnelled").1)
    };
    let (gre, esp, ah, none, sctp) = (47, 50, 51, 59, 132);
    for protocol in [gre, esp, none] {
        assert_eq!(with(protocol, 0), with(protocol, 1), "next header {protocol}");
    }
    assert_ne!(with(sctp, 0), with(sctp, 1));
    let behind_ah = |port: u8| {
        let mut payload = [0; 24];
        (payload[0], payload[1], payload[13]) = (17, 1, port);
        let out = Rig::new().one(ACCESS, &frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, ah, &payload));
        label(out.sent_as("tunnelled").1)
    };
    assert_eq!(behind_ah(1), behind_ah(2));
}

#[test]
fn an_mn_may_ping_the_router_and_no_more() {
    let frame =
        |dst: &str, next| frame(ROUTER_MAC, MAC_A, A_HOA3, dst, next, &[128, 0, 0, 0, 0, 1, 0, 1]);
    let link_local = ROUTER_LINK_LOCAL.to_string();
    for dst in [A_MAAR3, &link_local] {
        Rig::new().one(ACCESS, &frame(dst, 58)).punted_as(PuntReason::OwnIcmp, &frame(dst, 58));
    }
    Rig::new().one(ACCESS, &frame(A_MAAR3, 17)).dropped_as("own_no_listener");
    Rig::new().one(ACCESS, &frame(&link_local, 17)).dropped_as("link_local_scope");
}

#[test]
fn a_station_on_a_port_the_snapshot_does_not_have_is_named() {
    let away = Verdict::Deliver { mac: Mac([2; 6]), port: 31, anchored: true, settled: true };
    Rig::and(key(C_HOA3), away).one(ACCESS, &from_a(A_HOA1, C_HOA3)).dropped_as("port_unknown");
    let core = Verdict::Deliver { mac: Mac([2; 6]), port: CORE, anchored: true, settled: true };
    Rig::and(key(C_HOA3), core).one(ACCESS, &from_a(A_HOA1, C_HOA3)).dropped_as("port_unknown");
    Rig::new().one(9, &from_a(A_HOA1, C_HOA3)).dropped_as("port_unknown");
}
