// SPDX-License-Identifier: Apache-2.0 OR MIT
//! R-42 between whole routers with real workers: what B sends arrives at A in order while its path switches, and the end
//! markers go their way. The former path is a hop longer, so without the rule the first straight packets would be ahead.

use crate::frames::*;
use crate::net::*;
use crate::parking::{delivered, forget_sent, l2_attach, send, talking};
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::ip6;

/// End markers on the core: from, to and the tunnel's end, if any.
fn markers(net: &Net) -> Vec<(Ipv6Addr, Ipv6Addr, Option<Ipv6Addr>)> {
    let all = net.nodes.iter().flat_map(|node| &node.sent).filter(|(_, port, _)| *port == CORE);
    let marker = |frame: &[u8]| match frame[20] {
        ip6::NO_NEXT_HEADER => Some((see(frame).src, see(frame).dst, None)),
        41 if frame[60] == ip6::NO_NEXT_HEADER => {
            let inner = [&frame[..14], &frame[54..]].concat();
            Some((see(&inner).src, see(&inner).dst, Some(see(frame).dst)))
        }
        _ => None,
    };
    all.filter_map(|(_, _, frame)| marker(frame)).collect()
}

fn counter(net: &Net, name: Name, counter: &str) -> u64 {
    let mut counters = net.nodes[net.index(name)].router.counters();
    counters.find(|(name, _)| *name == counter).map_or(0, |(_, value)| value)
}

/// B, at B_MAAR1, sends to A all the time, a packet in 0.1 ms, while A goes to `to`.
fn talk_across_a_move(net: &mut Net, b: (Mac, Ipv6Addr), a: (Mac, Ipv6Addr), to: Name) {
    for n in 0..200 {
        if n == 20 {
            l2_attach(net, to, a.0);
        }
        send(net, "b1", b.0, b.1, a.1, n);
        net.run(MS / 10);
    }
    net.run(SECOND);
}

#[test]
fn nothing_is_overtaken_when_the_correspondents_path_switches() {
    let (mut net, a_hoa, b_hoa) = talking();
    let (a, b) = (mn(0xa), mn(0xb));
    talk_across_a_move(&mut net, (b, b_hoa), (a, a_hoa), "a3");
    let (before, after) = (delivered(&net, "a2"), delivered(&net, "a3"));
    let all: Vec<u8> = before.into_iter().chain(after).collect();
    // What A_MAAR2 had sent to A's old place is not lost by a MAAR.
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    let by_way = markers(&net);
    let from_b1 = (address("b1"), a_hoa, Some(address("a2")));
    let sent_on = (address("b1"), a_hoa, Some(address("a3")));
    assert!(by_way.contains(&from_b1) && by_way.contains(&sent_on), "{by_way:?}");
    assert_eq!(counter(&net, "a3", "end_marker_missed"), 0);
}

/// The CN's MAAR had no entry: its packets went by the route to the anchor, and so does the marker.
#[test]
fn the_first_move_of_a_session_keeps_its_order_too() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&crate::handover::ALL);
    let a_hoa = crate::handover::attach(&mut net, "a1", a);
    let b_hoa = crate::handover::attach(&mut net, "b1", b);
    send(&mut net, "a1", a, a_hoa, b_hoa, 0);
    send(&mut net, "b1", b, b_hoa, a_hoa, 0);
    net.run(10 * MS);
    forget_sent(&mut net);
    talk_across_a_move(&mut net, (b, b_hoa), (a, a_hoa), "a2");
    let all: Vec<u8> = delivered(&net, "a1").into_iter().chain(delivered(&net, "a2")).collect();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    assert!(markers(&net).contains(&(address("b1"), a_hoa, None)));
}

#[test]
fn a_lost_marker_delays_and_loses_nothing() {
    let (mut net, a_hoa, b_hoa) = talking();
    net.lose = |frame| frame[20] == 41 && frame[60] == ip6::NO_NEXT_HEADER;
    l2_attach(&mut net, "a3", mn(0xa));
    for n in 0..100 {
        send(&mut net, "b1", mn(0xb), b_hoa, a_hoa, n);
        net.run(MS / 10);
    }
    net.run(SECOND);
    let all: Vec<u8> = delivered(&net, "a2").into_iter().chain(delivered(&net, "a3")).collect();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    assert_eq!(counter(&net, "a3", "end_marker_missed"), 1);
}
