// SPDX-License-Identifier: Apache-2.0 OR MIT
//! a MAAR that is killed, with the record it wrote and without it.

use crate::handover::{ALL, attach};
use crate::net::*;
use crate::parking::{delivered, forget_sent, l2_attach, send, talking};
use slowpath::control::{Request, Response, Table};
use std::net::Ipv6Addr;
use wire::addr::Mac;

fn row(net: &mut Net, name: Name, mac: Mac) -> serde_json::Value {
    let node = net.index(name);
    let Response::Ok(rows) = net.ask(node, Request::Show { what: Table::Mns }) else { panic!() };
    let row = rows.as_array().unwrap().iter().find(|row| row["mac"] == mac.to_string()).cloned();
    row.unwrap_or_default()
}

/// A's session works both ways, at `name`.
fn works(net: &mut Net, name: Name, a_hoa: Ipv6Addr, b_hoa: Ipv6Addr) {
    forget_sent(net);
    send(net, name, mn(0xa), a_hoa, b_hoa, 41);
    net.run(SECOND);
    send(net, "b1", mn(0xb), b_hoa, a_hoa, 42);
    net.run(SECOND);
    assert_eq!((delivered(net, "b1"), delivered(net, name)), (vec![41], vec![42]));
}

#[test]
fn with_its_record_a_maar_serves_its_mns_on_and_what_comes_meanwhile_waits() {
    let (mut net, a_hoa, b_hoa) = talking();
    net.restart("a2", true);
    assert_eq!(row(&mut net, "a2", mn(0xa))["state"], "Detached");
    net.run(100 * MS);
    for n in 0..20 {
        send(&mut net, "b1", mn(0xb), b_hoa, a_hoa, n);
        net.run(MS);
    }
    assert!(delivered(&net, "a2").is_empty());
    // Any frame of A shows that it is there.
    send(&mut net, "a2", mn(0xa), a_hoa, b_hoa, 99);
    net.run(SECOND);
    assert_eq!(delivered(&net, "a2"), (0..20).collect::<Vec<_>>());
    assert_eq!(delivered(&net, "b1"), [99]);
    works(&mut net, "a2", a_hoa, b_hoa);
}

#[test]
fn with_its_record_a_maar_gives_the_lists_to_the_next_one() {
    let (mut net, a_hoa, b_hoa) = talking();
    net.restart("a2", true);
    net.run(100 * MS);
    l2_attach(&mut net, "a3", mn(0xa));
    net.run(SECOND);
    let node = net.index("a3");
    let handovers = net.ask(node, Request::Show { what: Table::Handovers });
    let Response::Ok(rows) = handovers else { panic!() };
    assert_eq!(rows.as_array().unwrap().last().unwrap()["status"], 0, "{rows}");
    works(&mut net, "a3", a_hoa, b_hoa);
}

/// Scenario 28: then the anchor knows.
#[test]
fn without_its_record_the_anchor_brings_the_session_back() {
    let (mut net, a_hoa, b_hoa) = talking();
    net.restart("a2", false);
    net.run(100 * MS);
    assert_eq!(row(&mut net, "a2", mn(0xa)), serde_json::Value::Null);
    for n in 0..50 {
        send(&mut net, "a2", mn(0xa), a_hoa, b_hoa, n);
        net.run(20 * MS);
    }
    net.run(SECOND);
    assert!(delivered(&net, "b1").ends_with(&[48, 49]), "{:?}", delivered(&net, "b1"));
    works(&mut net, "a2", a_hoa, b_hoa);
}

/// The anchor itself: its leases are promised as before, and A's default binding comes with the next dDBU.
#[test]
fn a_lease_is_given_to_nobody_else_after_a_restart() {
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", mn(0xa));
    attach(&mut net, "a2", mn(0xa));
    net.run(200 * SECOND);
    net.restart("a1", true);
    net.run(100 * MS);
    // The low bits of its MAC name the same /64.
    let other = Mac([2, 0, 0, 1, 0, 0xa]);
    let hoa = attach(&mut net, "a1", other);
    assert_ne!(hoa.segments()[..4], a_hoa.segments()[..4]);
    let again = attach(&mut net, "a1", mn(0xa));
    assert_eq!(again, a_hoa);
}

/// T_DETACH of an attachment that an earlier process made ends it at the AAA too.
#[test]
fn who_never_comes_back_is_ended_at_the_aaa_with_its_own_session() {
    let (mut net, ..) = talking();
    let asked = net.aaa.asked.iter().rev().find(|asked| asked.maar == address("a2")).cloned();
    net.restart("a2", true);
    net.run(700 * SECOND);
    let stopped = net.aaa.stopped.iter().map(|stop| stop.session_id.clone()).collect::<Vec<_>>();
    assert_eq!(stopped, [asked.unwrap().session_id]);
    let record = &net.nodes[net.index("a2")].records;
    assert!(record.values().all(|record| record.here.is_none()), "its lease is kept: {record:?}");
}

/// Scenario 29: the correspondent's MAAR restarts; A's MAAR hears so and tells it again where A is.
#[test]
fn a_peer_that_restarted_is_told_again_at_once() {
    let mut net = Net::beating(&ALL);
    let (a, b) = (mn(0xa), mn(0xb));
    let (a_hoa, b_hoa) = (attach(&mut net, "a1", a), attach(&mut net, "b1", b));
    attach(&mut net, "a2", a);
    for n in 0..2 {
        send(&mut net, "a2", a, a_hoa, b_hoa, n);
        send(&mut net, "b1", b, b_hoa, a_hoa, n);
        net.run(SECOND);
    }
    net.run(61 * SECOND);
    net.restart("b1", true);
    net.run(SECOND);
    let node = net.index("a2");
    assert_eq!(net.nodes[node].counter("peer_restarted"), 1);
    // B's first frame attaches it again; then straight, not by A's anchor.
    send(&mut net, "b1", b, b_hoa, a_hoa, 7);
    net.run(SECOND);
    let anchor = net.index("a1");
    net.nodes[anchor].sent.clear();
    send(&mut net, "b1", b, b_hoa, a_hoa, 8);
    net.run(SECOND);
    assert_eq!(delivered(&net, "a2").last(), Some(&8));
    assert!(net.nodes[anchor].sent.iter().all(|(_, _, frame)| frame[20] != 41));
}

/// FC-30: one heartbeat a minute and peer, three unanswered ones are told, an answer ends that.
#[test]
fn a_peer_that_answers_no_more_is_told_and_one_that_does_again_too() {
    let mut net = Net::beating(&["a1", "a2"]);
    let a = mn(0xa);
    attach(&mut net, "a1", a);
    attach(&mut net, "a2", a);
    net.run(60 * SECOND);
    net.lose = |frame| frame[20] == 135 && frame[42 + 14] == 13;
    let node = net.index("a2");
    net.run(5 * 60 * SECOND);
    assert_eq!(net.nodes[node].counter("peer_down"), 1);
    net.lose = |_| false;
    net.run(61 * SECOND);
    assert_eq!(net.nodes[node].counter("peer_up"), 1);
}
