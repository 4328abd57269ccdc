// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Outer packets in fragments (R-29, FC-09): a MAAR with a path of 1300 octets makes them, the other end puts them
//! together.

use crate::rig::*;
use dataplane::PortId;
use dataplane::update::Update;
use dataplane::verdict::Verdict;
use dataplane::worker::{Sizes, Transmit, workers};
use etherparse::{Ipv6ExtensionsSlice, Ipv6HeaderSlice};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::addr::ROUTER_MAC;
use wire::buf::{PacketBuf, VecBuf};
use wire::ip6::{FragmentHeader, Ip6View};

const FRAGMENT: u8 = 44;

/// A_MAAR3 with a core port of so many octets.
fn narrow(mtu: u16) -> Rig {
    let mut fib = fib();
    fib.ports[CORE as usize].mtu = mtu;
    Rig::with(fib, &bindings())
}

/// B_MAAR2, where user B is.
fn other_end() -> Rig {
    let mut fib = fib();
    fib.own = Some(at(B_MAAR2));
    fib.ports[CORE as usize].mac = MAC_B_MAAR2;
    fib.peers[2].as_mut().expect("a peer").address = at(A_MAAR3);
    let here = Verdict::Deliver { mac: MAC_C, port: ACCESS, anchored: false, settled: true };
    Rig::with(fib, &[(key(B_HOA1), here)])
}

fn sized(len: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..len - 48).map(|n| n as u8).collect();
    frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, 17, &udp(&data))
}

/// The Fragment header of a frame, and the octets behind it.
fn read(frame: &[u8]) -> (FragmentHeader, &[u8]) {
    let outer = Ip6View::new_checked(&frame[14..]).expect("an IPv6 packet");
    assert_eq!(outer.next_header(), FRAGMENT);
    assert_eq!(outer.octets().len() + 14, frame.len());
    (FragmentHeader::parse(outer.payload()).expect("a Fragment header"), &outer.payload()[8..])
}

/// `frame`'s packet cut into pieces at these offsets, by B_MAAR2.
fn cut(frame: &[u8], id: u32, at_offsets: &[usize]) -> Vec<Vec<u8>> {
    let payload = &frame[54..];
    let ends = at_offsets.iter().copied().chain([payload.len()]);
    let starts = std::iter::once(0).chain(at_offsets.iter().copied());
    starts
        .zip(ends)
        .map(|(from, to)| piece(frame, id, from, &payload[from..to], to < payload.len()))
        .collect()
}

fn piece(of: &[u8], id: u32, offset: usize, octets: &[u8], more: bool) -> Vec<u8> {
    let header = FragmentHeader { next_header: of[20], offset, more, id };
    let mut frame = [&of[..54], &header.octets(), octets].concat();
    frame[20] = FRAGMENT;
    frame[18..20].copy_from_slice(&((8 + octets.len()) as u16).to_be_bytes());
    frame
}

/// A tunnel packet of 148 octets of user B's for user A.
fn from_b() -> Vec<u8> {
    let inner = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, 17, &udp(&[0x5a; 60]));
    around(B_MAAR2, &inner[14..])
}

#[test]
fn a_packet_of_1280_octets_passes_a_path_of_1300_in_two_fragments() {
    for mtu in [1280, 1281, 1300, 1319] {
        let mut near = narrow(mtu);
        for len in [1280, usize::from(mtu) - 39, 1241 + usize::from(mtu) - 1280] {
            let len = len.min(1280);
            let out = near.one(ACCESS, &sized(len));
            assert_eq!(out.counts, BTreeMap::from([("tunnelled", 1)]), "{len} over {mtu}");
            assert_eq!((out.all["info.fragmented"], out.sent.len()), (1, 2));
            let whole = Rig::new().one(ACCESS, &sized(len)).sent.remove(0).1;
            let mut octets = Vec::new();
            for (n, (port, frame)) in out.sent.iter().enumerate() {
                assert!(*port == CORE && frame.len() <= 14 + usize::from(mtu));
                let (header, data) = read(frame);
                assert_eq!((header.offset, header.more), (octets.len(), n == 0));
                assert_eq!((header.next_header, header.id), (41, read(&out.sent[0].1).0.id));
                // Traffic class, flow label, hop limit and addresses are the whole packet's.
                assert_eq!((&frame[..18], &frame[21..54]), (&whole[..18], &whole[21..54]));
                octets.extend_from_slice(data);
                let ip = Ipv6HeaderSlice::from_slice(&frame[14..]).expect("etherparse reads it");
                let (_, next, _) = Ipv6ExtensionsSlice::from_slice(ip.next_header(), &frame[54..])
                    .expect("etherparse walks it");
                assert_eq!(next.0, 41);
            }
            assert_eq!(octets, whole[54..]);
            let frames: Vec<_> = out.sent.into_iter().map(|(_, frame)| frame).collect();
            let out = other_end().run(CORE, &frames);
            assert_eq!(out.counts, BTreeMap::from([("absorbed", 1), ("delivered", 1)]));
            let mut sent = sized(len)[14..].to_vec();
            sent[7] -= 2;
            assert_eq!(out.sent[0].1[14..], sent);
        }
        near.one(ACCESS, &sized(1240.min(usize::from(mtu) - 40))).sent_as("tunnelled");
    }
}

#[test]
fn packets_that_are_split_are_told_apart() {
    let out = narrow(1300).run(ACCESS, &vec![sized(1280); 40]);
    let ids: std::collections::BTreeSet<_> =
        out.sent.iter().map(|(_, frame)| read(frame).0.id).collect();
    assert_eq!((out.sent.len(), ids.len()), (80, 40));
}

#[test]
fn pieces_make_their_packet_in_whatever_order_they_come() {
    let whole = from_b();
    let expected = Rig::new().one(CORE, &whole).sent;
    let cut = cut(&whole, 7, &[48, 96, 104]);
    let orders = (0..24).map(|n| {
        let mut left: Vec<_> = (0..4).collect();
        [6, 2, 1, 1].map(|radix| left.remove(n / radix % (left.len())))
    });
    for order in orders {
        let mut rig = Rig::new();
        let frames: Vec<_> = order.iter().map(|&n| cut[n].clone()).collect();
        let out = rig.run(CORE, &frames[..3]);
        assert_eq!(out.counts, BTreeMap::from([("absorbed", 3)]));
        assert!(rig.worker.reassembles());
        let out = rig.run(CORE, &frames[3..]);
        assert_eq!(out.counts, BTreeMap::from([("delivered", 1)]), "{order:?}");
        assert_eq!((&out.sent, out.all["info.reassembled"]), (&expected, 1));
        assert_eq!(out.all["info.decapsulated"], 1);
        assert!(!rig.worker.reassembles());
    }
}

#[test]
fn an_encapsulation_limit_is_walked_in_what_was_put_together_and_a_vlan_tag_is_taken_off() {
    let limit = [41, 0, 4, 1, 4, 1, 1, 0];
    let inner = &by_core(B_HOA1, A_HOA1)[14..];
    let whole = frame(CORE_MAC, MAC_B_MAAR2, B_MAAR2, A_MAAR3, 60, &[&limit[..], inner].concat());
    let mut pieces = cut(&whole, 1, &[16, 56]);
    pieces[1].splice(12..12, [0x81, 0x00, 0xe0, 0x00]);
    pieces[0].splice(12..12, [0x81, 0x00, 0xe0, 0x00]);
    pieces[2].extend([0xee; 6]);
    let out = Rig::new().run(CORE, &pieces);
    assert_eq!(out.counts, BTreeMap::from([("absorbed", 2), ("delivered", 1)]));
    assert_eq!(out.sent, Rig::new().one(CORE, &by_tunnel(B_MAAR2, B_HOA1, A_HOA1)).sent);
}

#[test]
fn fc_09_an_overlap_ends_its_packet_and_no_other() {
    let whole = from_b();
    let octets = |from: usize, to: usize| whole[54 + from..54 + to].to_vec();
    let (a, c) =
        (piece(&whole, 7, 0, &octets(0, 48), true), piece(&whole, 7, 96, &octets(96, 108), false));
    for (from, to, more) in [
        (0, 56, true),
        (40, 96, true),
        (48, 104, true),
        (96, 108, true),
        (8, 16, true),
        // Behind the last octet, and a last one before others.
        (112, 120, true),
        (104, 120, false),
        (40, 48, false),
    ] {
        let mut rig = Rig::new();
        let mut octets = octets(0, 108);
        octets.resize(120, 0);
        rig.run(CORE, &[a.clone(), c.clone()]);
        let bad = piece(&whole, 7, from, &octets[from..if more { to / 8 * 8 } else { to }], more);
        rig.one(CORE, &bad).dropped_as("fragment_overlap");
        // What would have made it whole comes too late.
        for late in cut(&whole, 7, &[48, 96]) {
            rig.one(CORE, &late).dropped_as("fragment_overlap");
        }
        let out = rig.run(CORE, &cut(&whole, 8, &[48, 96]));
        assert_eq!(out.counts, BTreeMap::from([("absorbed", 2), ("delivered", 1)]));
    }
}

#[test]
fn fc_09_a_repeated_piece_is_one_drop_and_the_packet_still_comes() {
    let mut rig = Rig::new();
    let [a, b, c] = cut(&from_b(), 7, &[48, 96]).try_into().expect("three");
    rig.run(CORE, &[a.clone(), c.clone()]);
    rig.one(CORE, &a).dropped_as("fragment_duplicate");
    rig.one(CORE, &c).dropped_as("fragment_duplicate");
    rig.one(CORE, &b).sent_as("delivered");
}

#[test]
fn fc_09_an_atomic_fragment_needs_no_other() {
    let mut rig = Rig::new();
    let whole = from_b();
    let atomic = piece(&whole, 7, 0, &whole[54..], false);
    assert_eq!(
        rig.one(CORE, &atomic).sent_as("delivered").1,
        Rig::new().one(CORE, &whole).sent[0].1
    );
    assert!(!rig.worker.reassembles());
    // Not even while pieces with the same identification wait.
    rig.run(CORE, &cut(&whole, 7, &[48])[..1]);
    rig.one(CORE, &atomic).sent_as("delivered");
}

#[test]
fn fc_09_a_65th_packet_of_a_peer_and_a_257th_of_all_find_no_room() {
    let whole = from_b();
    let first = |peer: &str, id| {
        let mut frame = cut(&whole, id, &[48]).remove(0);
        frame[22..38].copy_from_slice(&at(peer).octets());
        frame
    };
    let mut rig = Rig::new();
    let out = rig.run(CORE, &(0..10_000).map(|id| first(B_MAAR2, id)).collect::<Vec<_>>());
    assert_eq!(
        out.counts,
        BTreeMap::from([("absorbed", 64), ("drop.reassembly_full", 10_000 - 64)])
    );
    rig.one(CORE, &first(A_MAAR1, 0));
    // Those that have room are put together all the same.
    rig.one(CORE, &cut(&whole, 63, &[48])[1]).sent_as("delivered");
    rig.one(CORE, &first(B_MAAR2, 10_001));

    let mut fib = fib();
    fib.peers.extend((0..8).map(|n| {
        let address = at(&format!("2001:db8:ff::c{n}"));
        Some(dataplane::fib::Peer { address, next_hop: Some(0), path_mtu: None })
    }));
    let mut rig = Rig::with(fib, &bindings());
    for n in 0..8 {
        let peer = format!("2001:db8:ff::c{n}");
        let out = rig.run(CORE, &(0..40).map(|id| first(&peer, id)).collect::<Vec<_>>());
        let absorbed = out.counts.get("absorbed").copied().unwrap_or(0);
        assert_eq!(
            absorbed,
            if n < 6 {
                40
            } else if n == 6 {
                16
            } else {
                0
            },
            "peer {n}"
        );
    }
}

#[test]
fn fc_09_what_is_not_whole_after_a_second_is_forgotten() {
    let mut rig = Rig::new();
    let pieces = cut(&from_b(), 7, &[48, 96]);
    rig.run(CORE, &pieces[..2]);
    rig.expire(5_000);
    rig.run(CORE, &cut(&from_b(), 8, &[48])[..1]);
    rig.expire(5_400);
    assert!(rig.expire(5_999).all.is_empty());
    let out = rig.expire(6_000);
    assert_eq!(out.all, BTreeMap::from([("info.reassembly_timeouts", 1)]));
    // The last piece of the one starts it anew; the other is whole in time.
    rig.one(CORE, &pieces[2]);
    rig.one(CORE, &cut(&from_b(), 8, &[48])[1]).sent_as("delivered");
    rig.expire(6_100);
    assert_eq!(rig.expire(7_100).all["info.reassembly_timeouts"], 1);
    assert!(!rig.worker.reassembles());
    // One that was ended by an overlap is no time-out.
    rig.run(CORE, &[pieces[0].clone(), piece(&from_b(), 7, 40, &[0; 16], true)]);
    rig.expire(8_000);
    assert!(rig.expire(9_000).all.is_empty() && !rig.worker.reassembles());
}

#[test]
fn fc_09_no_fragment_of_a_stranger_or_of_anything_but_a_tunnel_packet_waits() {
    let mut rig = Rig::new();
    for mut piece in cut(&from_b(), 7, &[48]) {
        piece[22..38].copy_from_slice(&at(S).octets());
        rig.one(CORE, &piece).dropped_as("tunnel_not_peer");
    }
    for next in [135, 58, 17, 44, 0] {
        let mut whole = from_b();
        whole[20] = next;
        for piece in cut(&whole, 7, &[48]) {
            let out = rig.one(CORE, &piece);
            assert!(out.sent.is_empty() && out.punted.is_empty(), "next header {next}");
            assert!(out.counts.keys().all(|name| name.starts_with("drop.")), "{:?}", out.counts);
        }
    }
    assert!(!rig.worker.reassembles());
    // A host's own fragments are none of our business.
    let mut inner = frame(ROUTER_MAC, MAC_A, A_HOA1, B_HOA1, FRAGMENT, &[17, 0, 0, 1, 0, 0, 0, 9]);
    inner.extend([7; 16]);
    inner[19] += 16;
    Rig::new().one(ACCESS, &inner).sent_as("tunnelled");
}

#[test]
fn what_a_fragment_must_not_be_is_named() {
    let whole = from_b();
    for (offset, len, more) in [(0, 0, true), (0, 47, true), (48, 0, false), (0xfff8, 8, false)] {
        let out = Rig::new().one(CORE, &piece(&whole, 1, offset, &vec![1; len], more));
        out.dropped_as("fragment_malformed");
    }
    let cut_short = piece(&whole, 1, 0, &[], true);
    let mut cut_short = cut_short[..60].to_vec();
    cut_short[19] = 6;
    Rig::new().one(CORE, &cut_short).dropped_as("ip6_ext_malformed");
}

#[test]
fn what_comes_in_more_pieces_than_8_or_fits_no_buffer_is_given_up() {
    let mut rig = Rig::new();
    let whole = from_b();
    let pieces = cut(&whole, 7, &[8, 16, 24, 32, 40, 48, 56, 64]);
    assert_eq!(pieces.len(), 9);
    let out = rig.run(CORE, &pieces);
    assert_eq!(out.counts, BTreeMap::from([("absorbed", 8), ("drop.reassembly_too_big", 1)]));
    let inner = frame(CORE_MAC, MAC_ROUTER, B_HOA1, A_HOA1, 17, &udp(&[1; 2500]));
    let whole = around(B_MAAR2, &inner[14..]);
    let out = rig.run(CORE, &cut(&whole, 9, &[1400]));
    assert_eq!(out.counts, BTreeMap::from([("absorbed", 1), ("drop.reassembly_too_big", 1)]));
}

#[test]
fn congestion_marks_of_fragments_reach_the_packet_or_drop_it() {
    let with = |ecn: [u8; 2], inner: u8| {
        let mut whole = from_b();
        whole[55] |= inner << 4;
        let mut pieces = cut(&whole, 7, &[48]);
        for (piece, ecn) in pieces.iter_mut().zip(ecn) {
            piece[15] |= ecn << 4;
        }
        Rig::new().run(CORE, &pieces)
    };
    let out = with([2, 3], 2);
    assert_eq!(out.counts["delivered"], 1);
    assert_eq!(Ip6View::new_checked(&out.sent[0].1[14..]).unwrap().traffic_class() & 3, 3);
    let out = with([0, 3], 2);
    assert_eq!(out.counts, BTreeMap::from([("absorbed", 1), ("drop.ecn_ce_not_ect", 1)]));
}

/// A buffer whose pool is empty.
#[derive(Clone)]
struct LastOne(VecBuf);

impl PacketBuf for LastOne {
    fn data(&self) -> &[u8] {
        self.0.data()
    }
    fn data_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }
    fn is_contiguous(&self) -> bool {
        self.0.is_contiguous()
    }
    fn frame_len(&self) -> usize {
        self.0.frame_len()
    }
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.0.prepend(n)
    }
    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        self.0.append(n)
    }
    fn trim_front(&mut self, n: usize) {
        self.0.trim_front(n);
    }
    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
    fn pull_up(&mut self, n: usize) -> bool {
        self.0.pull_up(n)
    }
    fn another(&self) -> Option<Self> {
        None
    }
}

struct Nothing;

impl Transmit<LastOne> for Nothing {
    fn transmit(&mut self, port: PortId, buf: LastOne) {
        panic!("{} octets left by port {port}", buf.frame_len());
    }
}

#[test]
fn without_a_second_buffer_a_packet_that_needs_two_is_dropped_by_name() {
    let mut fib = fib();
    fib.ports[CORE as usize].mtu = 1300;
    let sizes = Sizes { bindings: 64, updates: 16, punts: 16, parked: 0 };
    let (mut workers, mut ends, _) = workers(1, sizes, Arc::new(fib.build()));
    for (key, verdict) in bindings() {
        ends[0].updates.push(Update::Bind { key, verdict }).expect("there is room");
    }
    workers[0].housekeeping();
    let mut burst = [LastOne(VecBuf::new(&sized(1280)))].into_iter().collect();
    workers[0].burst(ACCESS, &mut burst, &mut Nothing);
    workers[0].housekeeping();
    let mut drops = Vec::new();
    ends[0]
        .stats
        .each(|name, n| drops.extend((name.starts_with("drop.") && n > 0).then_some(name)));
    assert_eq!(drops, ["drop.fragment_no_buffer"]);
}
