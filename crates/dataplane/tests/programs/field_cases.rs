// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The packet path's field cases (crates/maard/FIELD-CASES.md), each with its whole kind. The frames are those of its
//! data file; where it shows B_MAAR2 as this router, both ends are exchanged here.

use crate::rig::*;
use dataplane::PortId;
use dataplane::punt::PuntReason;
use std::collections::BTreeMap;
use wire::addr::{Mac, ROUTER_MAC};

const FRAMES: &str = include_str!("../../../maard/tests/data/field-frames.txt");

/// Frames by that name, as they stand in the file.
fn raw(name: &str) -> Vec<Vec<u8>> {
    let of = FRAMES.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let frames: Vec<_> = of
        .map(|rest| {
            let (len, octets) = rest.split_once(' ').expect("a length");
            let frame = hex(octets);
            assert_eq!(frame.len().to_string(), len, "{name}");
            frame
        })
        .collect();
    assert!(!frames.is_empty(), "no frame {name}");
    frames
}

fn access(name: &str) -> Vec<u8> {
    raw(name).remove(0)
}

/// A tunnel packet of ::a3 to ::b2, as one of ::b2 to us, from user B to user A.
fn core(name: &str) -> Vec<u8> {
    let mut frame = raw(name).remove(0);
    frame[..6].copy_from_slice(&CORE_MAC.0);
    let octets = |text: &str| at(text).octets();
    let exchanged = [(A_MAAR3, B_MAAR2), (B_MAAR2, A_MAAR3), (A_HOA1, B_HOA1), (B_HOA1, A_HOA1)];
    let mut from = 14;
    while from + 16 <= frame.len() {
        let found = exchanged.iter().find(|(was, _)| frame[from..from + 16] == octets(was));
        match found {
            Some((_, is)) => {
                frame[from..from + 16].copy_from_slice(&octets(is));
                from += 16;
            }
            None => from += 1,
        }
    }
    frame
}

/// Sent from `port` as `verdict`: the octets behind `skip` are those of `frame` but for the hop limit.
#[track_caller]
fn unchanged(port: PortId, frame: &[u8], verdict: &str, skip: usize) {
    let out = Rig::new().one(port, frame);
    let (_, sent) = out.sent_as(verdict);
    let mut expected = frame[14..].to_vec();
    expected[7] -= 1;
    assert_eq!(sent[skip..], expected, "{verdict}");
}

#[test]
fn fc_02_a_frame_cut_anywhere_has_one_drop_and_the_next_one_passes() {
    let (tunnel, plain) = (by_tunnel(B_MAAR2, B_HOA1, A_HOA1), from_a(A_HOA1, B_HOA1));
    let signal = {
        let mut frame = core("ddbu-min");
        frame[14 + 8..14 + 24].copy_from_slice(&at(B_MAAR2).octets());
        frame
    };
    for (port, whole) in [
        (ACCESS, access("fc06-sctp")),
        (ACCESS, access("fc20-rs-no-sllao")),
        (ACCESS, plain.clone()),
        (CORE, tunnel.clone()),
        (CORE, signal),
        (CORE, by_core(S, A_HOA1)),
    ] {
        let mut rig = Rig::parking();
        for len in 0..whole.len() {
            let name = if len < 14 { "eth_truncated" } else { "ip6_truncated" };
            rig.one(port, &whole[..len]).dropped_as(name);
        }
        rig.one(ACCESS, &plain).sent_as("tunnelled");
        rig.one(CORE, &tunnel).sent_as("delivered");
    }
    Rig::new().one(ACCESS, &access("fc02-short")).dropped_as("ip6_truncated");
}

#[test]
fn fc_02_a_payload_length_beyond_the_frame_reads_nothing_behind_it() {
    for (port, frame) in
        [(ACCESS, from_a(A_HOA1, B_HOA1)), (CORE, by_tunnel(B_MAAR2, B_HOA1, A_HOA1))]
    {
        let len = u16::from_be_bytes([frame[18], frame[19]]);
        for beyond in [len + 1, len + 100, 0x8000, u16::MAX - 40, u16::MAX] {
            let mut frame = frame.clone();
            frame[18..20].copy_from_slice(&beyond.to_be_bytes());
            Rig::new().one(port, &frame).dropped_as("ip6_truncated");
        }
    }
    // The inner one alone is wrong: its packet would end behind the outer one.
    let mut inner = by_tunnel(B_MAAR2, B_HOA1, A_HOA1);
    inner[54 + 5] += 1;
    Rig::new().one(CORE, &inner).dropped_as("ip6_truncated");
    inner.push(0);
    Rig::new().one(CORE, &inner).dropped_as("ip6_truncated");
}

#[test]
fn fc_04_an_encapsulation_limit_is_walked_from_a_peer_and_signalling_from_an_mn() {
    let frame = core("fc04-encaplimit");
    let out = Rig::new().one(CORE, &frame);
    let (port, sent) = out.sent_as("delivered");
    let mut inner = frame[14 + 48..].to_vec();
    inner[7] -= 1;
    assert_eq!((port, &sent[14..]), (ACCESS, &inner[..]));
    let mut by_mn = access("fc04-encaplimit");
    by_mn[6..12].copy_from_slice(&MAC_A.0);
    Rig::new().one(ACCESS, &by_mn).dropped_as("access_signalling");
}

#[test]
fn fc_05_an_extension_header_longer_than_its_packet_is_named_wherever_it_stands() {
    let drops = |port, frame: &[u8]| {
        let mut rig = Rig::new();
        rig.one(port, frame).dropped_as("ip6_ext_malformed");
        rig.one(ACCESS, &from_a(A_HOA1, B_HOA1)).sent_as("tunnelled");
    };
    drops(ACCESS, &access("fc05-hbh-overrun"));
    let chain = [60, 0, 1, 4, 0, 0, 0, 0].repeat(30);
    for next in [0, 43, 51, 60] {
        for bad in [&[17, 0xff, 0, 0, 0, 0, 0, 0][..], &[17, 1, 0, 0, 0, 0, 0, 0], &[17, 0], &[]] {
            let plain = |dst_mac, src_mac, src, dst| frame(dst_mac, src_mac, src, dst, next, bad);
            drops(ACCESS, &plain(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1));
            drops(CORE, &plain(CORE_MAC, MAC_ROUTER, S, A_HOA1));
            // Behind the outer header, and behind the inner one.
            drops(CORE, &plain(CORE_MAC, MAC_B_MAAR2, B_MAAR2, A_MAAR3));
            drops(CORE, &around(B_MAAR2, &plain(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1)[14..]));
        }
    }
    drops(ACCESS, &frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 60, &chain));
    drops(CORE, &frame(CORE_MAC, MAC_B_MAAR2, B_MAAR2, A_MAAR3, 60, &chain));
}

#[test]
fn fc_06_every_upper_protocol_passes_unchanged() {
    let mut sctp = access("fc06-sctp");
    sctp[6..12].copy_from_slice(&MAC_A.0);
    unchanged(ACCESS, &sctp, "tunnelled", 54);
    let ah = [[6, 4].as_slice(), &[0; 22], &[0x55; 20]].concat();
    for (next, payload) in
        [(132, vec![0xff; 30]), (47, vec![0xff; 30]), (50, vec![0xff; 30]), (51, ah), (59, vec![])]
            .into_iter()
            .chain((61..=255).filter(|n| *n != 135).map(|n| (n, vec![0xff; 2])))
    {
        unchanged(
            ACCESS,
            &frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, next, &payload),
            "tunnelled",
            54,
        );
        unchanged(ACCESS, &frame(ROUTER_MAC, MAC_A, A_HOA3, S, next, &payload), "native", 14);
        unchanged(CORE, &frame(CORE_MAC, MAC_ROUTER, S, A_HOA1, next, &payload), "delivered", 14);
    }
}

#[test]
fn fc_07_twenty_tunnels_in_each_other_are_one_drop() {
    let mut rig = Rig::parking();
    rig.one(CORE, &core("fc07-nested")).dropped_as("inner_to_self");
    assert_eq!(rig.turn().all.get("rx"), None, "nothing goes round");
}

#[test]
fn fc_15_nothing_of_link_local_scope_is_forwarded() {
    let all = "ff02::1";
    let local = "fe80::ff:fe00:a";
    for dst in [A_HOA1, B_HOA1, C_HOA3, S, UNLEASED, E_HOA] {
        Rig::parking().one(ACCESS, &from_a(local, dst)).dropped_as("link_local_scope");
        Rig::parking().one(CORE, &by_core(local, dst)).dropped_as("link_local_scope");
        Rig::parking().one(CORE, &by_tunnel(B_MAAR2, local, dst)).dropped_as("link_local_scope");
    }
    for src in [A_HOA1, B_HOA1, S] {
        Rig::parking().one(CORE, &by_core(src, local)).dropped_as("link_local_scope");
        Rig::parking().one(CORE, &by_tunnel(B_MAAR2, src, local)).dropped_as("link_local_scope");
        for group in [all, "ff0e::1"] {
            Rig::parking().one(CORE, &by_core(src, group)).dropped_as("multicast");
            Rig::parking().one(CORE, &by_tunnel(B_MAAR2, src, group)).dropped_as("multicast");
        }
        for group in [all, local] {
            Rig::parking().one(CORE, &by_tunnel(B_MAAR2, group, src)).dropped_as(if group == all {
                "address_invalid"
            } else {
                "link_local_scope"
            });
        }
    }
}

#[test]
fn fc_16_no_checksum_is_judged_or_rewritten() {
    let mut zero = access("fc16-zero-udp-checksum");
    zero[6..12].copy_from_slice(&MAC_A.0);
    unchanged(ACCESS, &zero, "tunnelled", 54);
    // UDP, TCP, ICMPv6: its field and a length that says otherwise than the packet.
    for (next, at_field, len) in [(17, 6, 20), (6, 16, 32), (58, 2, 24)] {
        for sum in [0u16, 0xffff, 0xbad0] {
            let mut payload = vec![0x80; len];
            payload[at_field..at_field + 2].copy_from_slice(&sum.to_be_bytes());
            let up = |src, dst| frame(ROUTER_MAC, MAC_A, src, dst, next, &payload);
            unchanged(ACCESS, &up(A_HOA1, B_HOA1), "tunnelled", 54);
            unchanged(ACCESS, &up(A_HOA3, S), "native", 14);
            unchanged(ACCESS, &up(A_HOA1, C_HOA3), "delivered", 14);
            let down = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, next, &payload);
            unchanged(CORE, &down, "delivered", 14);
            let out = Rig::new().one(CORE, &around(B_MAAR2, &down[14..]));
            let (_, sent) = out.sent_as("delivered");
            assert_eq!(sent[14 + 8..], down[14 + 8..]);
        }
    }
}

#[test]
fn fc_17_a_frame_for_another_station_is_one_drop_and_starts_nothing() {
    let other = Mac([2, 0, 0, 0, 0, 0xee]);
    let stranger = Mac([2, 0, 0, 0, 0, 0x99]);
    let mut frames = vec![access("fc17-wrong-mac")];
    for name in ["fc20-rs-no-sllao", "fc22-dad-mld", "fc23-na-no-tllao", "fc06-sctp"] {
        frames.extend(raw(name));
    }
    frames.push(udp_frame(other, stranger, "fe80::99", "fe80::1"));
    for port in [ACCESS, CORE, ACCESS_BY_EVENT] {
        for frame in &frames {
            for src in [MAC_A, stranger] {
                let mut frame = frame.clone();
                frame[..6].copy_from_slice(&other.0);
                frame[6..12].copy_from_slice(&src.0);
                let out = Rig::parking().one(port, &frame);
                out.dropped_as("not_for_us");
                assert!(out.parked.is_empty() && out.waiting == 0);
            }
        }
    }
    // The same frames for the router do start something.
    let mut own = access("fc17-wrong-mac");
    own[..6].copy_from_slice(&ROUTER_MAC.0);
    own[6..12].copy_from_slice(&stranger.0);
    Rig::parking().one(ACCESS, &own).punted_as(PuntReason::UnknownStation, &own);
}

#[test]
fn fc_20_to_23_what_hosts_say_on_their_link_reaches_the_slow_path_as_it_came() {
    for name in ["fc20-rs-no-sllao", "fc21-rs-unspecified", "fc22-dad-mld", "fc23-na-no-tllao"] {
        for frame in raw(name) {
            let out = Rig::parking().one(ACCESS, &frame);
            assert_eq!(out.counts, BTreeMap::from([("punt.neighbor_discovery", 1)]), "{name}");
            assert_eq!(out.punted[0].1, frame, "{name}");
            assert!(out.sent.is_empty() && out.parked.is_empty());
        }
    }
    let macs = raw("fc27-300-random-macs");
    let out = Rig::parking().run(ACCESS, &macs);
    assert_eq!(out.counts, BTreeMap::from([("punt.neighbor_discovery", macs.len() as u64)]));
}
