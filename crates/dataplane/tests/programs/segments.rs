// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jumbo frames, and frames in several segments: however a frame is cut, what becomes of it is the same.

use crate::rig::*;
use dataplane::PortId;
use wire::addr::ROUTER_MAC;
use wire::buf::{PacketBuf, VecBuf};

/// Figure 2 with ports of 9,000 octets.
fn jumbo() -> Rig {
    let mut fib = fib();
    fib.ports.iter_mut().for_each(|port| port.mtu = 9000);
    Rig::with(fib, &bindings())
}

fn large(src: &str, dst: &str, len: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..len - 48).map(|n| (n / 7) as u8).collect();
    frame(ROUTER_MAC, MAC_A, src, dst, 17, &udp(&data))
}

fn by_core(src: &str, dst: &str, len: usize) -> Vec<u8> {
    let mut frame = large(src, dst, len);
    frame[..14].copy_from_slice(&wire::eth::ipv6_header(CORE_MAC, MAC_ROUTER));
    frame
}

/// In segments of these lengths, the rest in a last one.
fn chain(frame: &[u8], lengths: &[usize]) -> VecBuf {
    let mut parts = Vec::new();
    let mut rest = frame;
    for len in lengths {
        let (part, after) = rest.split_at((*len).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    VecBuf::chained(parts[0], &parts[1..])
}

/// Each way a packet may go, over the port it comes by.
fn ways(len: usize) -> Vec<(PortId, Vec<u8>, &'static str)> {
    let tunnelled = around(B_MAAR2, &by_core(B_HOA1, A_HOA1, len)[14..]);
    vec![
        (ACCESS, large(A_HOA1, B_HOA1, len), "tunnelled"),
        (ACCESS, large(A_HOA3, S, len), "native"),
        (ACCESS, large(A_HOA1, C_HOA3, len), "delivered"),
        (CORE, by_core(S, A_HOA1, len), "delivered"),
        (CORE, tunnelled, "delivered"),
    ]
}

#[test]
fn a_frame_in_segments_leaves_as_the_same_frame_in_one() {
    for len in [48, 500, 1400, 8900] {
        for (port, frame, verdict) in ways(len) {
            let whole = jumbo().one(port, &frame);
            whole.sent_as(verdict);
            for lengths in [
                &[1][..],
                &[13, 1],
                &[14],
                &[30, 50],
                &[54],
                &[60, 1, 1, 1],
                &[94, 400],
                &[2000; 4],
            ] {
                let mut padded = frame.clone();
                padded.extend_from_slice(&[0xee; 5]);
                for frame in [&frame, &padded] {
                    let out = jumbo().run_bufs(port, vec![chain(frame, lengths)]);
                    out.sent_as(verdict);
                    assert_eq!(out.sent, whole.sent, "{verdict}, {len} octets as {lengths:?}");
                }
            }
        }
    }
}

#[test]
fn a_chain_that_is_shorter_than_its_packet_says_is_truncated() {
    for (port, frame, _) in ways(3000) {
        for cut in [60, 100, 2999, frame.len() - 1] {
            let out = jumbo().run_bufs(port, vec![chain(&frame[..cut], &[54, 100])]);
            out.dropped_as("ip6_truncated");
        }
    }
    let mut inner_too_long = around(B_MAAR2, &by_core(B_HOA1, A_HOA1, 3000)[14..]);
    inner_too_long[54 + 5] += 1;
    let out = jumbo().run_bufs(CORE, vec![chain(&inner_too_long, &[1000])]);
    out.dropped_as("ip6_truncated");
}

#[test]
fn what_is_too_big_goes_to_the_slow_path_with_all_that_an_error_quotes() {
    for lengths in [&[20][..], &[500, 500], &[2000]] {
        let frame = large(A_HOA1, B_HOA1, 1480);
        let mut first = Vec::new();
        let mut rig = Rig::new();
        rig.run_bufs(ACCESS, vec![chain(&frame, lengths)]);
        rig.worker.burst(
            ACCESS,
            &mut [chain(&frame, lengths)].into_iter().collect(),
            &mut Sent::default(),
        );
        while let Ok(punt) = rig.ends.punts.pop() {
            if let dataplane::punt::Punt::Frame { buf, .. } = punt {
                first = buf.data().to_vec();
            }
        }
        assert!(first.len() >= 14 + 1232 && first == frame[..first.len()], "{}", first.len());
    }
}
