// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figure 1 between whole routers, as frames on the core link (scenarios 1 to 7, R-11, R-40).

use crate::frames::*;
use crate::net::*;
use dataplane::verdict::Verdict;
use serde_json::Value;
use slowpath::Input;
use slowpath::control::{Request, Response, Table};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::mh::{Message, MhView};
use wire::nd::RouterSolicit;

pub const ALL: [Name; 5] = ["a1", "a2", "a3", "b1", "b2"];

fn table(net: &mut Net, name: Name, what: Table) -> Vec<Value> {
    let node = net.index(name);
    match net.ask(node, Request::Show { what }) {
        Response::Ok(Value::Array(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

/// The address assigned to the MN with this MAC at `name`.
fn hoa(net: &mut Net, name: Name, mac: Mac) -> Ipv6Addr {
    let rows = table(net, name, Table::Mns);
    let row = rows.iter().find(|row| row["mac"] == mac.to_string()).expect("an MN record");
    ip(row["hoa"].as_str().expect("an address"))
}

pub fn attach(net: &mut Net, name: Name, mac: Mac) -> Ipv6Addr {
    let node = net.index(name);
    let order = Request::Attach { mac: mac.to_string(), port: None, mn_id: None };
    assert!(matches!(net.ask(node, order), Response::Ok(_)));
    net.run(500 * MS);
    hoa(net, name, mac)
}

fn session(net: &mut Net, name: Name, hoa: Ipv6Addr, cn: Ipv6Addr) {
    let node = net.index(name);
    net.handle(node, Input::Session { hoa, cn });
}

/// Mobility Headers on the core link since the last call: time, message, from, to.
fn signalling(net: &mut Net) -> Vec<(u64, Message, Ipv6Addr, Ipv6Addr)> {
    let mut found = Vec::new();
    for node in &mut net.nodes {
        for (at, port, frame) in node.sent.drain(..) {
            if port != CORE || frame[20] != 135 {
                continue;
            }
            let seen = see(&frame);
            assert_eq!(seen.hops, 64);
            let view = MhView::new_checked(&seen.payload).expect("a sound MH");
            assert!(view.checksum_ok(seen.src, seen.dst));
            found.push((at, view.parse().expect("one of ours"), seen.src, seen.dst));
        }
    }
    found.sort_by_key(|&(at, ..)| at);
    found
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Sdbu(_) => "sDBU",
        Message::Sdba(_) => "sDBA",
        Message::Ddbu(_) => "dDBU",
        Message::Ddba(_) => "dDBA",
        _ => "other",
    }
}

fn verdict(net: &Net, name: Name, of: Ipv6Addr) -> Option<Verdict> {
    net.nodes[net.index(name)].table.get(&Prefix64::of(of).0).copied()
}

/// Whether `name` tunnels packets for `of` to `to`.
pub fn tunnels(net: &Net, name: Name, of: Ipv6Addr, to: Name) -> bool {
    let node = &net.nodes[net.index(name)];
    match verdict(net, name, of) {
        Some(Verdict::Tunnel { peer, .. }) => node.fib.peer_at(address(to)) == Some(peer),
        _ => false,
    }
}

/// Both users at home with a session, then A at A_MAAR2, B at B_MAAR2: the draft's start of Figure 1.
fn before_figure_1() -> (Net, Ipv6Addr, Ipv6Addr) {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "b1", b);
    assert!(pool("a1").contains(a_hoa) && pool("b1").contains(b_hoa));
    session(&mut net, "a1", a_hoa, b_hoa);
    session(&mut net, "b1", b_hoa, a_hoa);
    attach(&mut net, "a2", a);
    attach(&mut net, "b2", b);
    signalling(&mut net);
    (net, a_hoa, b_hoa)
}

/// Scenario 3.
#[test]
fn the_first_move_of_a_session_without_lists_ends_in_a_direct_tunnel() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "b1", b);
    session(&mut net, "a1", a_hoa, b_hoa);
    session(&mut net, "b1", b_hoa, a_hoa);
    assert!(signalling(&mut net).is_empty(), "home to home needs none (scenario 2)");
    attach(&mut net, "a2", a);
    assert!(tunnels(&net, "a2", b_hoa, "b1"));
    assert!(tunnels(&net, "b1", a_hoa, "a2"));
    assert!(tunnels(&net, "a1", a_hoa, "a2"), "the anchor forwards (R-11, R-26)");
    let here = verdict(&net, "a2", a_hoa);
    let deliver = matches!(here, Some(Verdict::Deliver { mac, anchored: false, .. }) if mac == a);
    assert!(deliver, "{here:?}");
}

/// Scenario 5: the eight messages of Figure 1, in order, with a draft RS and real octets.
#[test]
fn figure_1_is_played_in_its_order() {
    let a = mn(0xa);
    let (mut net, a_hoa, b_hoa) = before_figure_1();
    let a3 = net.index("a3");
    let asked = net.aaa.asked.len();
    let solicit = RouterSolicit {
        source: link_local(a),
        sllao: Some(a),
        mn_id: Some(Nai::new("02000000000a@example.org").unwrap()),
        sessions: vec![(a_hoa, b_hoa)],
    };
    let frame = rs(a, &solicit);
    net.frame(a3, ACCESS, dataplane::punt::PuntReason::NeighborDiscovery, &frame);
    net.run(SECOND);
    // 2, 3: one AAR; the AAA named A_MAAR2.
    assert_eq!(net.aaa.asked.len(), asked + 1);
    // 4: the first RA went out before the sDBU.
    let first_ra =
        net.nodes[a3].sent.iter().find(|(_, port, frame)| *port == ACCESS && frame[54] == 134);
    let first_ra = first_ra.expect("an RA").0;
    let all = signalling(&mut net);
    let flow: Vec<_> = all.iter().map(|(_, m, from, to)| (kind(m), *from, *to)).collect();
    let (maar2, maar3, cn) = (address("a2"), address("a3"), address("b2"));
    let place = |what| {
        flow.iter().position(|&step| step == what).unwrap_or_else(|| panic!("{what:?} in {flow:?}"))
    };
    let steps = [
        place(("sDBU", maar3, maar2)),
        place(("sDBA", maar2, maar3)),
        place(("dDBU", maar3, cn)),
        place(("dDBA", cn, maar3)),
    ];
    assert!(steps.is_sorted(), "{flow:?}");
    assert!(first_ra <= all[steps[0]].0);
    for what in
        [("sDBU", maar3, maar2), ("sDBA", maar2, maar3), ("dDBU", maar3, cn), ("dDBA", cn, maar3)]
    {
        assert_eq!(flow.iter().filter(|&&step| step == what).count(), 1, "one each");
    }
    // Every other message is a dDBU or dDBA with an anchor.
    assert!(
        flow.iter().all(|(kind, from, to)| kind.starts_with('s')
            || [from, to].contains(&&cn)
            || [from, to].contains(&&address("a1"))
            || [from, to].contains(&&maar2)),
        "{flow:?}"
    );
    let Message::Sdba(sdba) = &all[steps[1]].1 else { panic!("an sDBA") };
    assert_eq!(sdba.status.0, 0);
    let group = sdba.groups.iter().find(|group| group.hoa == a_hoa).expect("A_HoA1");
    assert!(group.sessions.iter().any(|s| s.cn == b_hoa && s.maar == cn), "{group:?}");
    // Figure 2: both directions by the direct tunnel.
    assert!(tunnels(&net, "a3", b_hoa, "b2"));
    assert!(tunnels(&net, "b2", a_hoa, "a3"));
    assert!(matches!(verdict(&net, "a3", a_hoa), Some(Verdict::Deliver { mac, .. }) if mac == a));
}

///
#[test]
fn a_handover_is_on_record_with_its_eight_steps_and_one_log_line() {
    let a = mn(0xa);
    let (mut net, ..) = before_figure_1();
    attach(&mut net, "a3", a);
    net.run(5 * SECOND);
    let rows = table(&mut net, "a3", Table::Handovers);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!(row["mn_id"], "02000000000a@example.org");
    assert_eq!(row["previous"], address("a2").to_string());
    assert_eq!(
        (&row["status"], &row["done"], &row["via"]),
        (&0.into(), &true.into(), &"l2".into())
    );
    let steps = row["steps"].as_array().unwrap();
    for n in 1..=8 {
        assert!(steps.iter().any(|step| step["n"] == n), "step {n} in {steps:?}");
    }
    let name = |n: i32| steps.iter().find(|step| step["n"] == n).map(|step| step["name"].clone());
    assert_eq!(name(1).unwrap(), "RS");
    assert_eq!(name(5).unwrap(), "sDBU");
    assert_eq!(name(8).unwrap(), "dDBA");
    assert_eq!(steps[0]["t_us"], 0);
    let times: Vec<_> = steps.iter().map(|step| step["t_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
    let a3 = net.index("a3");
    let lines = net.nodes[a3].log.iter().filter(|line| line.contains("handover of"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("5 sDBU") && lines[0].contains("8 dDBA"), "{lines:?}");
}

/// Scenario 7.
#[test]
fn the_previous_maar_keeps_forwarding_until_hold_is_over() {
    let a = mn(0xa);
    let (mut net, a_hoa, _) = before_figure_1();
    attach(&mut net, "a3", a);
    let state = |net: &mut Net| {
        let rows = table(net, "a2", Table::Mns);
        rows.iter().find(|row| row["mac"] == a.to_string()).map(|row| row["state"].clone())
    };
    assert_eq!(state(&mut net).unwrap(), "Released");
    assert!(tunnels(&net, "a2", a_hoa, "a3"));
    net.run(120 * SECOND);
    assert!(!tunnels(&net, "a2", a_hoa, "a3"));
}

/// Lost signalling is repeated, and frames to a peer that is not resolved wait for its answer.
#[test]
fn a_handover_survives_the_loss_of_its_first_messages() {
    let (a, b) = (mn(0xa), mn(0xb));
    let mut net = Net::new(&ALL);
    let a_hoa = attach(&mut net, "a1", a);
    let b_hoa = attach(&mut net, "b1", b);
    session(&mut net, "a1", a_hoa, b_hoa);
    net.lose = |frame| frame[20] == 135;
    attach(&mut net, "a2", a);
    assert!(!tunnels(&net, "b1", a_hoa, "a2"));
    net.lose = |_| false;
    net.run(10 * SECOND);
    assert!(tunnels(&net, "a2", b_hoa, "b1"));
    assert!(tunnels(&net, "b1", a_hoa, "a2"));
}

/// Two runs of the same inputs give the same frames, updates and answers.
#[test]
fn a_run_replays_octet_for_octet() {
    let run = || {
        let (mut net, ..) = before_figure_1();
        attach(&mut net, "a3", mn(0xa));
        net.run(10 * SECOND);
        let all = |node: &Node| {
            (
                node.sent.clone(),
                node.table.clone().into_keys().collect::<Vec<_>>(),
                node.log.clone(),
            )
        };
        net.nodes.iter().map(all).collect::<Vec<_>>()
    };
    assert!(run() == run());
}

#[test]
fn a_router_that_was_idle_since_its_start_hears_a_peer_whose_clock_is_behind() {
    let mut net = Net::new(&ALL);
    net.run(20 * SECOND);
    let mac = Mac([2, 0, 0, 0, 0, 0xa]);
    attach(&mut net, "a1", mac);
    // What a2 sends is older than a1's first event of the protocol, but not older than its start.
    let a2 = net.index("a2");
    net.nodes[a2].late = 3 * SECOND;
    attach(&mut net, "a2", mac);
    let rows = table(&mut net, "a2", Table::Bindings);
    assert!(rows.iter().any(|row| row["state"] == "Active"), "{rows:?}");
}
