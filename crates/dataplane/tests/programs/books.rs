// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The books balance whatever comes in: every frame has one final count, nothing panics, and what goes out is whole.

use crate::rig::*;
use dataplane::PortId;
use dataplane::park::{By, ParkKey};
use dataplane::update::Update;
use dataplane::verdict::{Station, Verdict, station_key};
use etherparse::{Ipv6ExtensionsSlice, Ipv6HeaderSlice, LaxSlicedPacket, SlicedPacket};

/// splitmix64: a seed is all there is to repeat a run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A piece of a tunnel packet.
fn any_piece(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let len = whole.len() - 54;
    let (offset, take) = match random.below(5) {
        0 | 1 => (0, 24),
        2 | 3 => (24, len - 24),
        _ => (8 * random.below(len / 8), 8 * random.below(4)),
    };
    let take = take.min(len - offset);
    let more = offset + take < len;
    let id = random.below(2) as u32;
    let header = wire::ip6::FragmentHeader { next_header: whole[20], offset, more, id };
    let octets = &whole[54 + offset..54 + offset + take];
    let mut frame = [&whole[..54], &header.octets(), octets].concat();
    frame[20] = 44;
    frame[18..20].copy_from_slice(&((8 + take) as u16).to_be_bytes());
    frame
}

const ADDRESSES: [&str; 12] = [
    A_HOA1, A_HOA3, B_HOA1, C_HOA3, D_HOA3, UNLEASED, E_HOA, S, A_MAAR3, B_MAAR2, "fe80::1",
    "ff02::1",
];

fn any_verdict(random: &mut Random) -> Verdict {
    match random.below(4) {
        0 => Verdict::Deliver {
            mac: *random.one(&[MAC_A, MAC_C]),
            port: random.below(4) as PortId,
            anchored: random.below(2) == 0,
            settled: random.below(2) == 0,
        },
        1 => Verdict::Tunnel {
            peer: random.below(5) as u16,
            anchored: random.below(2) == 0,
            former: random.below(2) == 0,
        },
        2 => Verdict::Absent { park: random.below(2) == 0 },
        _ => Verdict::Station(*random.one(&[Station::Exchange, Station::Attached, Station::Quiet])),
    }
}

fn any_frame(random: &mut Random) -> Vec<u8> {
    let (src, dst) = (*random.one(&ADDRESSES), *random.one(&ADDRESSES));
    let peer = *random.one(&[A_MAAR1, A_MAAR2, B_MAAR1, B_MAAR2, S]);
    match random.below(8) {
        0 | 1 => from_a(src, dst),
        6 => {
            let data = vec![1; 1205 + random.below(40)];
            frame(wire::addr::ROUTER_MAC, MAC_A, src, B_HOA1, 17, &udp(&data))
        }
        7 => any_piece(random, &by_tunnel(peer, src, dst)),
        4 => {
            let marker = frame(CORE_MAC, MAC_ROUTER, B_MAAR2, dst, 59, &[]);
            around(peer, &marker[14..])
        }
        2 => by_core(src, dst),
        3 => by_tunnel(peer, src, dst),
        _ => frame(
            CORE_MAC,
            MAC_ROUTER,
            src,
            dst,
            *random.one(&[0, 43, 44, 51, 58, 60, 135]),
            &[0; 64],
        ),
    }
}

fn any_giving_up(random: &mut Random, prefix: u64) -> Update {
    let by = random.one(&[By::Destination, By::Station(MAC_A)]);
    let key = ParkKey { prefix, by: *by };
    let peer = random.below(4) as u16;
    match random.below(4) {
        0 => Update::GiveUp(key),
        1 => Update::Lift(key),
        2 => Update::Hold { prefix, peer },
        _ => Update::EndHold { prefix, peer },
    }
}

/// Flips octets, cuts or pads; one in four stays as it is.
fn mutate(random: &mut Random, frame: &mut Vec<u8>) -> bool {
    match random.below(4) {
        0 => return false,
        1 => frame.truncate(random.below(frame.len() + 1)),
        2 => frame.extend(vec![0xee; random.below(64)]),
        _ => {}
    }
    for _ in 0..random.below(4) {
        if !frame.is_empty() {
            let at = random.below(frame.len().min(120));
            frame[at] = random.next() as u8;
        }
    }
    true
}

/// What left is an Ethernet frame with exactly one IPv6 packet, and a tunnel packet holds exactly one more.
fn check(frame: &[u8], mutated: bool) {
    let parsed = LaxSlicedPacket::from_ethernet(frame).expect("an Ethernet frame");
    assert!(parsed.net.is_some(), "no IPv6 packet in {frame:02x?}");
    if !mutated {
        SlicedPacket::from_ethernet(frame).unwrap_or_else(|e| panic!("{e} in {frame:02x?}"));
    }
    let outer = Ipv6HeaderSlice::from_slice(&frame[14..]).expect("an IPv6 header");
    assert_eq!(outer.payload_length() as usize, frame.len() - 54);
    if outer.source_addr() == at(A_MAAR3) && outer.next_header().0 == 44 {
        let (fragment, next, data) =
            Ipv6ExtensionsSlice::from_slice(outer.next_header(), &frame[54..]).expect("walked");
        assert_eq!(next.0, 41);
        assert!(fragment.is_fragmenting_payload() && frame.len() <= 14 + 1300);
        assert!(data.len() <= 1280 && !data.is_empty());
    }
    if outer.source_addr() == at(A_MAAR3) && outer.next_header().0 == 41 {
        let inner = Ipv6HeaderSlice::from_slice(&frame[54..]).expect("an inner IPv6 header");
        assert_eq!(inner.payload_length() as usize, frame.len() - 94);
        assert_eq!(outer.hop_limit(), 64);
        assert_ne!(outer.flow_label().value() & !1, 0);
        assert_eq!(outer.traffic_class(), inner.traffic_class());
    }
}

#[test]
fn ten_thousand_random_frames_in_random_tables_have_one_count_each() {
    let (mut verdicts, mut reassembled) = (0, 0);
    for seed in 0..40 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut rig = Rig::narrow(if seed % 2 == 0 { 1500 } else { 1300 });
        let mut waiting = 0;
        for round in 0..50 {
            for _ in 0..2 {
                let key = match random.below(8) {
                    0 => station_key(MAC_A),
                    n => key(ADDRESSES[n]),
                };
                match random.below(5) {
                    0 => rig.update(Update::Unbind { key }),
                    1 => rig.update(any_giving_up(&mut random, key)),
                    _ => rig.update(Update::Bind { key, verdict: any_verdict(&mut random) }),
                }
            }
            let port = random.below(4) as PortId;
            let mut mutated = false;
            let mut frame = || {
                let mut frame = any_frame(&mut random);
                mutated |= mutate(&mut random, &mut frame);
                frame
            };
            let frames: Vec<_> = (0..10).map(|_| frame()).collect();
            rig.worker.expire(wire::time::Instant(round * 50_000));
            let out = rig.run(port, &frames);
            assert_eq!(out.all["rx"], 10);
            let final_counts = out.counts.values().sum::<u64>();
            assert_eq!(final_counts + out.waiting, 10 + waiting, "{:?}", out.counts);
            let sum = |prefix: &str| -> usize {
                let of = out.counts.iter().filter(|(name, _)| name.starts_with(prefix));
                of.map(|(_, n)| *n as usize).sum()
            };
            let left = final_counts as usize - sum("drop.") - sum("punt.") - sum("absorbed");
            let fragmented = out.all.get("info.fragmented").copied().unwrap_or(0) as usize;
            reassembled += out.all.get("info.reassembled").copied().unwrap_or(0);
            let left = left + fragmented;
            assert_eq!((out.sent.len(), out.punted.len()), (left, sum("punt.")));
            out.sent.iter().for_each(|(_, frame)| check(frame, mutated));
            verdicts |= usize::from(left > 0)
                | usize::from(sum("punt.") > 0) << 1
                | usize::from(out.waiting > waiting) << 2
                | usize::from(out.waiting < waiting) << 3
                | usize::from(fragmented > 0) << 4;
            waiting = out.waiting;
        }
    }
    assert_eq!(verdicts, 31, "they forward, punt, park, release and split something");
    assert!(reassembled > 0);
}
