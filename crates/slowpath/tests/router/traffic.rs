// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets of users through real workers and their routers (scenarios 2 to 6, Figure 2): nothing is told by hand, the
//! sessions are those the workers see.

use crate::frames::*;
use crate::handover::{ALL, attach, tunnels};
use crate::net::*;
use std::net::Ipv6Addr;
use wire::addr::{Mac, ROUTER_MAC};
use wire::ip6;

/// A packet's way: the core frames it made, as (outer source, outer destination, next header), and where it arrived.
struct Way {
    core: Vec<(Ipv6Addr, Ipv6Addr, u8)>,
    delivered: Vec<(Name, Mac, Vec<u8>)>,
}

/// Sends a UDP packet from the MN `mac` at `name` and follows it.
fn send(net: &mut Net, name: Name, mac: Mac, src: Ipv6Addr, dst: Ipv6Addr) -> Way {
    let frame = udp(mac, src, dst, 64, b"hello");
    let node = net.index(name);
    for node in &mut net.nodes {
        node.sent.clear();
    }
    net.receive(node, ACCESS, &frame);
    net.run(10 * MS);
    let mut way = Way { core: Vec::new(), delivered: Vec::new() };
    for node in &net.nodes {
        for (_, port, frame) in &node.sent {
            let seen = see(frame);
            let next_header = frame[20];
            match *port {
                CORE if next_header == 41 && frame[60] == ip6::NO_NEXT_HEADER => {}
                CORE if next_header == 17 || next_header == 41 => {
                    way.core.push((seen.src, seen.dst, next_header));
                }
                ACCESS if next_header == 17 => {
                    way.delivered.push((node.name, seen.eth_dst, frame[14..].to_vec()));
                }
                _ => {}
            }
        }
    }
    way
}

/// Exactly once, to this MN at this MAAR, changed in nothing but the hop limit.
fn arrived(way: &Way, name: Name, mac: Mac, src: Ipv6Addr, dst: Ipv6Addr, hops: u8) {
    assert_eq!(way.delivered.len(), 1, "{src} -> {dst}: {:?}", way.core);
    let (at, to, packet) = &way.delivered[0];
    assert_eq!((*at, *to), (name, mac));
    assert_eq!(*packet, udp(mac, src, dst, hops, b"hello")[14..]);
}

#[test]
fn the_drafts_story_is_played_by_traffic_alone() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "b1", b);
    let core = |way: &Way| way.core.clone();

    // Scenario 2: home to home, no tunnel.
    let way = send(&mut net, "a1", a, a_hoa, b_hoa);
    arrived(&way, "b1", b, a_hoa, b_hoa, 62);
    assert_eq!(core(&way), [(a_hoa, b_hoa, 17)]);
    let way = send(&mut net, "b1", b, b_hoa, a_hoa);
    arrived(&way, "a1", a, b_hoa, a_hoa, 62);

    // Scenario 3: A moves; the session was seen by the workers only.
    attach(&mut net, "a2", a);
    assert!(tunnels(&net, "a2", b_hoa, "b1") && tunnels(&net, "b1", a_hoa, "a2"));
    let way = send(&mut net, "a2", a, a_hoa, b_hoa);
    arrived(&way, "b1", b, a_hoa, b_hoa, 62);
    assert_eq!(core(&way), [(address("a2"), address("b1"), 41)]);

    // Scenario 4: B moves.
    attach(&mut net, "b2", b);
    let way = send(&mut net, "b2", b, b_hoa, a_hoa);
    arrived(&way, "a2", a, b_hoa, a_hoa, 62);
    assert_eq!(core(&way), [(address("b2"), address("a2"), 41)]);

    // Scenarios 5 and 6: Figure 1, then Figure 2 both ways.
    attach(&mut net, "a3", a);
    let way = send(&mut net, "a3", a, a_hoa, b_hoa);
    arrived(&way, "b2", b, a_hoa, b_hoa, 62);
    assert_eq!(core(&way), [(address("a3"), address("b2"), 41)]);
    let way = send(&mut net, "b2", b, b_hoa, a_hoa);
    arrived(&way, "a3", a, b_hoa, a_hoa, 62);
    assert_eq!(core(&way), [(address("b2"), address("a3"), 41)]);
}

/// a correspondent that was never in contact reaches the MN by its anchor, and then directly.
#[test]
fn a_third_party_reaches_a_moved_mn_by_the_anchor_first_and_directly_then() {
    let (a, c) = (mn(0xa), mn(0xc));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let c_hoa = attach(&mut net, "b1", c);
    attach(&mut net, "a2", a);
    let way = send(&mut net, "b1", c, c_hoa, a_hoa);
    arrived(&way, "a2", a, c_hoa, a_hoa, 61);
    assert_eq!(way.core, [(address("a1"), address("a2"), 41), (c_hoa, a_hoa, 17)]);
    send(&mut net, "a2", a, a_hoa, c_hoa);
    net.run(SECOND);
    let way = send(&mut net, "b1", c, c_hoa, a_hoa);
    arrived(&way, "a2", a, c_hoa, a_hoa, 62);
    assert_eq!(way.core, [(address("b1"), address("a2"), 41)]);
}

///
#[test]
fn two_users_of_one_maar_need_no_core() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "a1", b);
    let way = send(&mut net, "a1", a, a_hoa, b_hoa);
    arrived(&way, "a1", b, a_hoa, b_hoa, 63);
    assert!(way.core.is_empty());
}

/// What an ICMPv6 error says and about what, if `frame` makes one.
fn error(net: &mut Net, name: Name, port: u8, frame: &[u8]) -> Option<(u8, u8, Seen)> {
    let node = net.index(name);
    net.nodes[node].sent.clear();
    net.receive(node, port, frame);
    net.nodes[node].take(port).iter().find_map(|frame| {
        let seen = see(frame);
        let (kind, code, _) = seen.icmp.clone()?;
        (kind < 128).then_some((kind, code, seen))
    })
}

#[test]
fn errors_come_back_to_the_user_whose_packet_was_dropped() {
    let (a, e) = (mn(0xa), mn(0xe));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    attach(&mut net, "a1", e);
    let remote = ip("2001:db8:b1:9::1");
    let (kind, code, seen) =
        error(&mut net, "a1", ACCESS, &udp(a, a_hoa, remote, 1, b"x")).unwrap();
    assert_eq!((kind, code, seen.eth_dst, seen.dst), (3, 0, a, a_hoa));
    // E with A's address.
    let (kind, code, seen) =
        error(&mut net, "a1", ACCESS, &udp(e, a_hoa, remote, 64, b"x")).unwrap();
    assert_eq!((kind, code, seen.eth_dst), (1, 5, e));
    // a /64 of the pool that nobody has.
    let unleased = ip("2001:db8:a1:ffff::1");
    let mut from_core = udp(core_mac("b1"), remote, unleased, 64, b"x");
    from_core[..6].copy_from_slice(&core_mac("a1").0);
    let (kind, code, seen) = error(&mut net, "a1", CORE, &from_core).unwrap();
    assert_eq!((kind, code, seen.eth_dst, seen.src), (1, 3, core_mac("b1"), address("a1")));
    // Nowhere: no anchor and no route.
    let nowhere = udp(a, a_hoa, ip("2001:db8:dead::1"), 64, b"x");
    let (kind, code, _) = error(&mut net, "a1", ACCESS, &nowhere).unwrap();
    assert_eq!((kind, code), (1, 0));
    // 1,461 octets do not fit into a tunnel over 1,500.
    let away = attach(&mut net, "a2", a);
    assert_ne!(away, a_hoa);
    let long = udp(a, a_hoa, remote, 64, &[0; 1461 - 48]);
    let (kind, code, seen) = error(&mut net, "a2", ACCESS, &long).unwrap();
    let mtu = seen.icmp.unwrap().2[4..8].try_into().map(u32::from_be_bytes).unwrap();
    assert_eq!((kind, code, mtu), (2, 0, 1460));
}

#[test]
fn a_user_can_ping_its_router() {
    let a = mn(0xa);
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    for target in [address("a1"), wire::addr::ROUTER_LINK_LOCAL] {
        let src = if target.is_unicast_link_local() { link_local(a) } else { a_hoa };
        let mut icmp = vec![128, 0, 0, 0, 0, 1, 0, 1, 7];
        let sum = ip6::checksum(src, target, ip6::ICMPV6, &icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let node = net.index("a1");
        net.nodes[node].sent.clear();
        net.receive(node, ACCESS, &super::frames::icmp(a, ROUTER_MAC, src, target, 64, &icmp));
        let sent = net.nodes[node].take(ACCESS);
        assert_eq!(sent.len(), 1, "{target}");
        let reply = see(&sent[0]);
        assert_eq!((reply.src, reply.dst, reply.icmp.unwrap().0), (target, src, 129));
    }
}

/// a silent move; the first frame of the old address starts the attachment.
#[test]
fn a_host_that_moved_in_silence_is_served_again_by_its_own_traffic() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "b1", b);
    send(&mut net, "a1", a, a_hoa, b_hoa);
    let way = send(&mut net, "a2", a, a_hoa, b_hoa);
    arrived(&way, "b1", b, a_hoa, b_hoa, 62);
    net.run(100 * MS);
    let way = send(&mut net, "a2", a, a_hoa, b_hoa);
    arrived(&way, "b1", b, a_hoa, b_hoa, 62);
    assert!(way.core.iter().all(|hop| *hop == (address("a2"), address("b1"), 41)));
}
