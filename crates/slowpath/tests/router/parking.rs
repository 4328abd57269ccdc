// SPDX-License-Identifier: Apache-2.0 OR MIT
//! R-41 and the buffer of R-28 between whole routers with real workers: nothing that reaches a MAAR gets lost in a
//! handover, and nothing overtakes.

use crate::frames::*;
use crate::handover::{ALL, attach};
use crate::net::*;
use slowpath::control::Request;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::ip6;

/// Sends a packet with a number from the MN `mac` at `name`.
pub fn send(net: &mut Net, name: Name, mac: Mac, src: Ipv6Addr, dst: Ipv6Addr, n: u8) {
    let node = net.index(name);
    net.receive(node, ACCESS, &udp(mac, src, dst, 64, &[n]));
}

/// The numbers of the packets delivered at `name`, in order.
pub fn delivered(net: &Net, name: Name) -> Vec<u8> {
    let sent = net.nodes[net.index(name)].sent.iter();
    let packets = sent.filter(|(_, port, frame)| *port == ACCESS && frame[20] == 17);
    packets.map(|(_, _, frame)| frame[frame.len() - 1]).collect()
}

/// The outer ends of what user packets crossed the core, without those before.
fn tunnels_used(net: &Net) -> Vec<(Ipv6Addr, Ipv6Addr)> {
    let all = net.nodes.iter().flat_map(|node| &node.sent);
    let packets = all.filter(|(_, port, frame)| *port == CORE && frame[20] == 41);
    let packets = packets.filter(|(_, _, frame)| frame[60] != ip6::NO_NEXT_HEADER);
    packets.map(|(_, _, frame)| (see(frame).src, see(frame).dst)).collect()
}

pub fn forget_sent(net: &mut Net) {
    net.nodes.iter_mut().for_each(|node| node.sent.clear());
}

fn order(net: &mut Net, name: Name, request: Request) {
    let node = net.index(name);
    net.ask(node, request);
}

pub fn l2_attach(net: &mut Net, name: Name, mac: Mac) {
    order(net, name, Request::Attach { mac: mac.to_string(), port: None, mn_id: None });
}

fn l2_detach(net: &mut Net, name: Name, mac: Mac) {
    order(net, name, Request::Detach { mac: mac.to_string() });
}

/// A at A_MAAR2, B at B_MAAR1, and they talk.
pub fn talking() -> (Net, Ipv6Addr, Ipv6Addr) {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let (a_hoa, b_hoa) = (attach(&mut net, "a1", a), attach(&mut net, "b1", b));
    attach(&mut net, "a2", a);
    send(&mut net, "a2", a, a_hoa, b_hoa, 0);
    send(&mut net, "b1", b, b_hoa, a_hoa, 0);
    net.run(SECOND);
    assert_eq!((delivered(&net, "a2"), delivered(&net, "b1")), (vec![0], vec![0]));
    forget_sent(&mut net);
    (net, a_hoa, b_hoa)
}

#[test]
fn what_an_mn_sends_during_the_exchange_arrives_in_order_by_the_direct_way() {
    let (mut net, a_hoa, b_hoa) = talking();
    let a = mn(0xa);
    l2_attach(&mut net, "a3", a);
    // Every 0.1 ms; the exchange takes a few.
    for n in 0..100 {
        send(&mut net, "a3", a, a_hoa, b_hoa, n);
        net.run(MS / 10);
    }
    net.run(SECOND);
    assert_eq!(delivered(&net, "b1"), (0..100).collect::<Vec<_>>());
    let direct = (address("a3"), address("b1"));
    assert!(tunnels_used(&net).iter().all(|way| *way == direct), "{:?}", tunnels_used(&net));
}

/// the first frame itself waits for the attachment it starts.
#[test]
fn a_silent_move_loses_nothing_of_what_the_mn_sends() {
    let (mut net, a_hoa, b_hoa) = talking();
    for n in 0..100 {
        send(&mut net, "a3", mn(0xa), a_hoa, b_hoa, n);
        net.run(MS / 10);
    }
    net.run(SECOND);
    assert_eq!(delivered(&net, "b1"), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_detach_and_an_attachment_elsewhere_lose_nothing_in_either_direction() {
    let (mut net, a_hoa, b_hoa) = talking();
    let (a, b) = (mn(0xa), mn(0xb));
    l2_detach(&mut net, "a2", a);
    for n in 0..130 {
        send(&mut net, "b1", b, b_hoa, a_hoa, n);
        net.run(MS);
    }
    assert!(delivered(&net, "a2").is_empty());
    l2_attach(&mut net, "a3", a);
    for n in 130..200 {
        send(&mut net, "b1", b, b_hoa, a_hoa, n);
        send(&mut net, "a3", a, a_hoa, b_hoa, n);
        net.run(MS);
    }
    net.run(SECOND);
    assert_eq!(delivered(&net, "a3"), (0..200).collect::<Vec<_>>());
    assert_eq!(delivered(&net, "b1"), (130..200).collect::<Vec<_>>());
}

/// The event may overtake what the MN sent before it left: that goes its way, and starts no attachment.
#[test]
fn what_lay_in_a_queue_when_the_detach_event_came_goes_its_way() {
    let (mut net, a_hoa, b_hoa) = talking();
    l2_detach(&mut net, "a2", mn(0xa));
    let asked = net.aaa.asked.len();
    for n in 0..20 {
        send(&mut net, "a2", mn(0xa), a_hoa, b_hoa, n);
        net.run(MS);
    }
    net.run(5 * MS);
    assert_eq!(delivered(&net, "b1"), (0..20).collect::<Vec<_>>());
    assert_eq!(net.aaa.asked.len(), asked);
    // Another's source it is not.
    send(&mut net, "a2", mn(0xe), a_hoa, b_hoa, 66);
    net.run(50 * MS);
    assert_eq!(delivered(&net, "b1").len(), 20);
    // Later frames show that it is here after all.
    send(&mut net, "a2", mn(0xa), a_hoa, b_hoa, 99);
    net.run(50 * MS);
    assert_eq!(delivered(&net, "b1").last(), Some(&99));
    assert!(net.aaa.asked.len() > asked);
}

#[test]
fn a_node_that_comes_back_where_it_was_gets_what_waited_in_order() {
    let (mut net, a_hoa, b_hoa) = talking();
    l2_detach(&mut net, "a2", mn(0xa));
    for n in 0..50 {
        send(&mut net, "b1", mn(0xb), b_hoa, a_hoa, n);
    }
    net.run(5 * SECOND);
    l2_attach(&mut net, "a2", mn(0xa));
    net.run(SECOND);
    assert_eq!(delivered(&net, "a2"), (0..50).collect::<Vec<_>>());
}

/// R-33, FC-32: no error while the exchange runs, one as soon as nothing brings the source.
#[test]
fn a_source_nobody_owns_is_given_up_and_then_answered() {
    let (mut net, a_hoa, b_hoa) = talking();
    let e = mn(0xe);
    attach(&mut net, "a1", e);
    forget_sent(&mut net);
    l2_attach(&mut net, "a3", e);
    let errors = |net: &Net| {
        let node = &net.nodes[net.index("a3")];
        let kinds = node.sent.iter().filter(|(_, port, _)| *port == ACCESS);
        kinds.filter_map(|(_, _, frame)| see(frame).icmp).filter(|icmp| icmp.0 == 1).count()
    };
    send(&mut net, "a3", e, a_hoa, b_hoa, 1);
    net.run(MS);
    assert_eq!(errors(&net), 0, "it waits");
    net.run(SECOND / 2);
    let node = net.index("a3");
    assert_eq!(net.nodes[node].given_up.len(), 1);
    assert_eq!(errors(&net), 1, "E's exchange did not bring it");
    send(&mut net, "a3", e, a_hoa, b_hoa, 2);
    assert_eq!(errors(&net), 2, "and it waits no more");
    net.run(2 * SECOND);
    assert!(net.nodes[node].given_up.is_empty(), "lifted");
    assert!(delivered(&net, "b1").is_empty());
}

/// The sDBA is late: 1 s, no error, and the MN has service all the same later.
#[test]
fn what_waits_longer_than_a_second_ends_without_an_error() {
    let (mut net, a_hoa, b_hoa) = talking();
    let a = mn(0xa);
    net.lose = |frame| frame[20] == 135;
    l2_attach(&mut net, "a3", a);
    send(&mut net, "a3", a, a_hoa, b_hoa, 1);
    net.run(1500 * MS);
    let node = net.index("a3");
    assert_eq!(net.nodes[node].given_up.len(), 1);
    let errors = net.nodes[node].take(ACCESS);
    assert!(errors.iter().all(|frame| see(frame).icmp.is_none_or(|icmp| icmp.0 != 1)));
    net.lose = |_| false;
    net.run(10 * SECOND);
    send(&mut net, "a3", a, a_hoa, b_hoa, 2);
    net.run(SECOND);
    assert_eq!(delivered(&net, "b1"), [2]);
}
