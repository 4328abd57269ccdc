// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What tunnels bring: R-34 and the exit's half of R-30.

use crate::rig::*;
use dataplane::punt::PuntReason;
use dataplane::verdict::Verdict;
use std::collections::BTreeMap;
use wire::addr::ROUTER_MAC;
use wire::ip6::Ip6View;

/// Flow labels of 20 bits at the end of the first word.
fn set_label(frame: &mut [u8], label: u32) {
    frame[15] = frame[15] & 0xf0 | (label >> 16) as u8;
    frame[16..18].copy_from_slice(&(label as u16).to_be_bytes());
}

fn outer(frame: &[u8]) -> Ip6View<'_> {
    Ip6View::new_checked(&frame[14..]).expect("a tunnel packet that was sent")
}

#[test]
fn a_packet_from_a_peers_tunnel_is_delivered_with_one_hop_less() {
    let out = Rig::new().one(CORE, &by_tunnel(B_MAAR2, B_HOA1, A_HOA1));
    let (port, sent) = out.sent_as("delivered");
    assert_eq!((port, &sent[..14]), (ACCESS, &wire::eth::ipv6_header(MAC_A, ROUTER_MAC)[..]));
    let mut inner = by_core(B_HOA1, A_HOA1)[14..].to_vec();
    inner[7] = 63;
    assert_eq!(sent[14..], inner);
    assert_eq!(out.all["info.decapsulated"], 1);
}

#[test]
fn a_destination_options_header_before_the_inner_packet_is_walked_and_no_other() {
    let with = |first: u8, header: &[u8]| {
        let inner = &by_core(B_HOA1, A_HOA1)[14..];
        frame(CORE_MAC, MAC_B_MAAR2, B_MAAR2, A_MAAR3, first, &[header, inner].concat())
    };
    let limit = [41, 0, 4, 1, 4, 1, 1, 0];
    Rig::new().one(CORE, &with(60, &limit)).sent_as("delivered");
    Rig::new().one(CORE, &with(0, &limit)).dropped_as("tunnel_ext_header");
    let two = [[60, 0, 4, 1, 4, 1, 1, 0], limit].concat();
    Rig::new().one(CORE, &with(60, &two)).dropped_as("tunnel_ext_header");
    // A Fragment header around the whole packet is none (RFC 6946), wherever else one stands it is not walked.
    let atomic = [41, 0, 0, 0, 0, 0, 0, 1];
    Rig::new().one(CORE, &with(44, &atomic)).sent_as("delivered");
    let behind = [[60, 0, 0, 0, 0, 0, 0, 1], limit].concat();
    Rig::new().one(CORE, &with(44, &behind)).sent_as("delivered");
    let before = [[44, 0, 4, 1, 4, 1, 1, 0], atomic].concat();
    Rig::new().one(CORE, &with(60, &before)).dropped_as("tunnel_ext_header");
}

#[test]
fn a_tunnel_from_a_stranger_is_dropped() {
    for stranger in ["2001:db8:ff::66", A_HOA1, A_MAAR3] {
        Rig::new().one(CORE, &by_tunnel(stranger, B_HOA1, A_HOA1)).dropped_as("tunnel_not_peer");
    }
}

#[test]
fn the_inner_source_of_an_mn_that_settled_here_is_refused_and_of_one_that_just_came_is_not() {
    Rig::new().one(CORE, &by_tunnel(B_MAAR2, C_HOA3, A_HOA1)).dropped_as("inner_source_here");
    let fresh = Verdict::Deliver { mac: MAC_C, port: ACCESS, anchored: true, settled: false };
    Rig::and(key(C_HOA3), fresh)
        .one(CORE, &by_tunnel(B_MAAR2, C_HOA3, A_HOA1))
        .sent_as("delivered");
}

#[test]
fn inner_addresses_are_global_unicast_and_not_our_own() {
    for (src, dst, name) in [
        ("fe80::1", A_HOA1, "link_local_scope"),
        (B_HOA1, "fe80::1", "link_local_scope"),
        (B_HOA1, "ff0e::1", "multicast"),
        ("ff0e::1", A_HOA1, "address_invalid"),
        ("::1", A_HOA1, "address_invalid"),
        (B_HOA1, "::", "address_invalid"),
        (B_HOA1, A_MAAR3, "inner_to_self"),
    ] {
        Rig::new().one(CORE, &by_tunnel(B_MAAR2, src, dst)).dropped_as(name);
    }
}

#[test]
fn nested_tunnels_are_opened_once() {
    let mut packet = by_core(B_HOA1, A_HOA1)[14..].to_vec();
    for _ in 0..20 {
        packet = around(B_MAAR2, &packet)[14..].to_vec();
    }
    let frame = [&wire::eth::ipv6_header(CORE_MAC, MAC_B_MAAR2)[..], &packet].concat();
    Rig::new().one(CORE, &frame).dropped_as("inner_to_self");
}

#[test]
fn an_inner_packet_longer_than_the_outer_one_or_malformed_is_dropped() {
    let whole = by_core(B_HOA1, A_HOA1)[14..].to_vec();
    for len in 0..whole.len() {
        Rig::new().one(CORE, &around(B_MAAR2, &whole[..len])).dropped_as("ip6_truncated");
    }
    let mut v4 = whole.clone();
    v4[0] = 0x45;
    Rig::new().one(CORE, &around(B_MAAR2, &v4)).dropped_as("ip6_version");
    let mut options = whole;
    (options[6], options[40], options[41]) = (0, 17, 0xff);
    Rig::new().one(CORE, &around(B_MAAR2, &options)).dropped_as("ip6_ext_malformed");
}

#[test]
fn octets_behind_the_inner_packet_are_cut_off() {
    let mut inner = by_core(B_HOA1, A_HOA1)[14..].to_vec();
    let len = inner.len();
    inner.extend_from_slice(&[0xee; 9]);
    let out = Rig::new().one(CORE, &around(B_MAAR2, &inner));
    assert_eq!(out.sent_as("delivered").1.len(), 14 + len);
}

#[test]
fn a_forwarding_entry_sends_on_and_keeps_the_loop_bit() {
    for bit in [0, 1] {
        let mut rig =
            Rig::and(key(A_HOA1), Verdict::Tunnel { peer: 1, anchored: false, former: false });
        let mut frame = by_tunnel(B_MAAR2, B_HOA1, A_HOA1);
        set_label(&mut frame, 0x12344 | bit);
        let out = rig.one(CORE, &frame);
        let (_, sent) = out.sent_as("tunnelled");
        let view = outer(sent);
        assert_eq!((view.src(), view.dst()), (at(A_MAAR3), at(A_MAAR2)));
        assert_eq!((view.flow_label() & 1, view.hop_limit(), sent[54 + 7]), (bit, 64, 63));
        assert_eq!(sent.len(), frame.len());
    }
}

#[test]
fn an_unknown_managed_destination_goes_to_its_anchor_once() {
    let mut rig = Rig::new();
    let mut frame = by_tunnel(A_MAAR2, B_HOA1, E_HOA);
    set_label(&mut frame, 0x12344);
    let out = rig.one(CORE, &frame);
    let (_, sent) = out.sent_as("tunnelled");
    assert_eq!((outer(sent).dst(), outer(sent).flow_label() & 1), (at(B_MAAR2), 1));
    set_label(&mut frame, 0x12345);
    rig.one(CORE, &frame).dropped_as("anchor_loop");
}

#[test]
fn an_entry_that_names_the_sender_is_not_followed() {
    let to_sender = Verdict::Tunnel { peer: 2, anchored: false, former: false };
    let mut rig = Rig::and(key("2001:db8:a2:7::"), to_sender);
    let out = rig.one(CORE, &by_tunnel(B_MAAR2, B_HOA1, "2001:db8:a2:7::1"));
    assert_eq!(outer(out.sent_as("tunnelled").1).dst(), at(A_MAAR2), "to the anchor instead");
    let mut rig = Rig::and(key(D_HOA3), Verdict::Tunnel { peer: 2, anchored: true, former: false });
    rig.one(CORE, &by_tunnel(B_MAAR2, B_HOA1, D_HOA3)).dropped_as("tunnel_back");
}

#[test]
fn an_anchor_forwards_natively_for_its_own_leases_and_for_nobody_else() {
    let mut rig = Rig::and(key(D_HOA3), Verdict::Tunnel { peer: 2, anchored: true, former: false });
    let out = rig.one(CORE, &by_tunnel(B_MAAR2, D_HOA3, S));
    let (port, sent) = out.sent_as("native");
    assert_eq!((port, &sent[..6], sent[14 + 7]), (CORE, &MAC_ROUTER.0[..], 63));
    rig.one(CORE, &by_tunnel(B_MAAR2, B_HOA1, S)).dropped_as("inner_unknown");
}

#[test]
fn an_inner_destination_of_this_pool_without_mn_is_named() {
    Rig::new().one(CORE, &by_tunnel(B_MAAR2, B_HOA1, D_HOA3)).dropped_as("mn_absent");
    let inner = udp_frame(CORE_MAC, MAC_B_MAAR2, B_HOA1, UNLEASED);
    let out = Rig::new().one(CORE, &by_tunnel(B_MAAR2, B_HOA1, UNLEASED));
    out.punted_as(PuntReason::PoolUnleased, &inner);
}

#[test]
fn what_goes_to_the_slow_path_out_of_a_tunnel_goes_without_the_outer_header() {
    let mut inner = udp_frame(CORE_MAC, MAC_B_MAAR2, B_HOA1, A_HOA1);
    inner[14 + 7] = 1;
    let mut tagged = around(B_MAAR2, &inner[14..]);
    tagged.splice(12..12, [0x81, 0x00, 0, 0]);
    tagged.extend_from_slice(&[0; 7]);
    let out = Rig::new().one(CORE, &tagged);
    out.punted_as(PuntReason::HopLimit, &inner);
}

#[test]
fn congestion_marks_of_the_tunnel_reach_the_inner_packet() {
    let mut seen = BTreeMap::new();
    for inner_ecn in 0..4u8 {
        for outer_ecn in 0..4u8 {
            let mut frame = by_tunnel(B_MAAR2, B_HOA1, A_HOA1);
            frame[15] |= outer_ecn << 4;
            frame[55] |= inner_ecn << 4;
            let out = Rig::new().one(CORE, &frame);
            match out.sent.first() {
                Some((_, sent)) => {
                    let view = Ip6View::new_checked(&sent[14..]).unwrap();
                    assert_eq!((view.traffic_class() & !3, view.flow_label()), (0, 0));
                    seen.insert((inner_ecn, outer_ecn), view.traffic_class());
                }
                None => out.dropped_as("ecn_ce_not_ect"),
            }
        }
    }
    assert_eq!(seen.len(), 15);
    assert_eq!((seen[&(2, 3)], seen[&(1, 3)], seen[&(2, 1)], seen[&(3, 0)]), (3, 3, 1, 3));
    assert!(!seen.contains_key(&(0, 3)));
}
