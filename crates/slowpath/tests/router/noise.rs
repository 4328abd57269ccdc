// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames nobody meant: random, cut and flipped (scenarios 40 and 45, FC-02, FC-55).

use crate::frames::*;
use crate::net::*;
use dataplane::punt::PuntReason;
use proptest::prelude::*;
use slowpath::control::{Request, Response, Table};
use wire::addr::{Mac, ROUTER_LINK_LOCAL, ROUTER_MAC};
use wire::nd::NeighborSolicit;

const REASONS: [PuntReason; 12] = [
    PuntReason::NeighborDiscovery,
    PuntReason::MobilityHeader,
    PuntReason::OwnIcmp,
    PuntReason::UnknownStation,
    PuntReason::SourceFailed,
    PuntReason::HopLimit,
    PuntReason::PoolUnleased,
    PuntReason::NoRoute,
    PuntReason::NoAnchor,
    PuntReason::TooBig,
    PuntReason::TunnelTooBig,
    PuntReason::Unresolved,
];

/// Sound frames to start from: RS, NS, data, and the dDBU of the field cases.
fn sound() -> Vec<Vec<u8>> {
    let a = mn(0xa);
    let asks = NeighborSolicit { source: link_local(a), target: ROUTER_LINK_LOCAL, sllao: Some(a) };
    let ddbu = hex(
        "00005e0052130200000000ff86dd600000000038874020010db800ff000000000000000000a320010db800ff\
         000000000000000000b23b060500046e2001830000961612008020010db800a1000a000000fffe00000a0104\
         00000000441020010db800ff000000000000000000a3",
    );
    vec![
        rs(a, &plain_rs(link_local(a))),
        ns(a, ROUTER_MAC, ROUTER_LINK_LOCAL, &asks),
        udp(a, ip("2001:db8:a1:a::1"), ip("2001:db8:b1:b::1"), 1, b"hello"),
        ddbu,
    ]
}

fn rows(net: &mut Net, what: Table) -> usize {
    match net.ask(0, Request::Show { what }) {
        Response::Ok(rows) => rows.as_array().expect("rows").len(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_frames_do_no_harm(
        frames in proptest::collection::vec(
            (0..3_u8, 0..REASONS.len(), proptest::collection::vec(any::<u8>(), 0..200)), 1..40),
    ) {
        let mut net = Net::one("a1", &["a1", "a2"]);
        let peers = net.nodes[0].fibs;
        for (port, reason, frame) in &frames {
            net.frame(0, *port, REASONS[*reason], frame);
        }
        net.run(2 * SECOND);
        prop_assert!(rows(&mut net, Table::Mns) <= frames.len());
        prop_assert_eq!(rows(&mut net, Table::Bindings), 0);
        prop_assert_eq!(net.nodes[0].fibs, peers, "no neighbour came of it");
    }

    #[test]
    fn mutated_frames_do_no_harm(
        changes in proptest::collection::vec(
            (0..2_u8, 0..REASONS.len(), 0..4_usize, 0..120_usize, any::<u8>(), 0..130_usize), 1..60),
    ) {
        let mut net = Net::one("a1", &["a1", "a2", "a3"]);
        for (port, reason, which, at, flip, cut) in &changes {
            let mut frame = sound()[*which].clone();
            let len = frame.len();
            frame[at % len] ^= flip;
            frame.truncate(*cut);
            net.frame(0, *port, REASONS[*reason], &frame);
            let whole = sound()[*which].clone();
            net.frame(0, *port, REASONS[*reason], &whole);
        }
        net.run(2 * SECOND);
        // Station A may attach; a station of one flipped MAC octet too; nobody else, and no list changes.
        prop_assert!(rows(&mut net, Table::Mns) <= changes.len() + 1);
        prop_assert_eq!(rows(&mut net, Table::Bindings), 0);
    }
}

/// Scenario 40 at the door of the whole router: one flipped octet of a keyed message leaves everything as it is.
#[test]
fn a_flipped_octet_of_signalling_changes_nothing() {
    let mut net = Net::new(&["a1", "a2"]);
    let a = mn(0xa);
    let order = Request::Attach { mac: a.to_string(), port: None, mn_id: None };
    net.ask(0, order.clone());
    net.run(SECOND);
    net.nodes[1].take(CORE);
    net.lose = |frame| frame[20] == 135;
    net.ask(1, order);
    net.run(100 * MS);
    let sent = net.nodes[1].take(CORE);
    let sdbu = sent.into_iter().find(|frame| frame[20] == 135).expect("an sDBU");
    let before = net.nodes[0].table.clone();
    for at in 54..sdbu.len() {
        let mut frame = sdbu.clone();
        frame[at] ^= 0x10;
        net.frame(0, CORE, PuntReason::MobilityHeader, &frame);
    }
    assert_eq!(net.nodes[0].table, before);
    assert!(net.nodes[0].take(CORE).iter().all(|frame| frame[20] != 135), "and no answer");
    net.frame(0, CORE, PuntReason::MobilityHeader, &sdbu);
    assert_ne!(net.nodes[0].table, before, "the sound one does");
}

#[test]
fn signalling_from_an_access_port_is_refused() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    let frame = sound()[3].clone();
    net.frame(0, ACCESS, PuntReason::MobilityHeader, &frame);
    assert_eq!(net.nodes[0].counter("mh_access_port"), 1);
}

#[test]
fn a_frame_of_a_port_that_is_not_there_is_counted() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let frame = rs(mac, &plain_rs(link_local(mac)));
    net.frame(0, 77, PuntReason::NeighborDiscovery, &frame);
    assert_eq!(net.nodes[0].counter("frame_malformed"), 1);
}
