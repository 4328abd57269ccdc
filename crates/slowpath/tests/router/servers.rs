// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several AAA servers that share their table, and R-28b: who is asked, who takes over, what an outage does to whom.

use crate::handover::attach;
use crate::net::*;
use crate::parking::{delivered, l2_attach, send};
use slowpath::Config;
use slowpath::control::{Request, Response, Table};
use std::net::SocketAddr;
use wire::addr::Mac;

fn configs(names: &[Name], edit: impl Fn(&mut Config)) -> Vec<Config> {
    let one = |&name: &Name| {
        let mut config = config(name, names);
        edit(&mut config);
        config
    };
    names.iter().map(one).collect()
}

/// Two servers, both connected.
fn two(names: &[Name]) -> Net {
    let second: SocketAddr = "[2001:db8:ff::aaab]:3868".parse().unwrap();
    let mut net = Net::cold(configs(names, |config| config.aaa.servers.push(second)), names);
    up(&mut net);
    net
}

fn up(net: &mut Net) {
    for node in 0..net.nodes.len() {
        net.link(node, ACCESS, true);
        net.link(node, CORE, true);
    }
    net.run(100 * MS);
}

fn state(net: &mut Net, name: Name, mac: Mac) -> String {
    let node = net.index(name);
    let Response::Ok(rows) = net.ask(node, Request::Show { what: Table::Mns }) else { panic!() };
    let row = rows.as_array().unwrap().iter().find(|row| row["mac"] == mac.to_string());
    row.map_or("none".to_owned(), |row| row["state"].as_str().unwrap().to_owned())
}

#[test]
fn the_preferred_server_is_asked_and_the_next_one_when_its_connection_is_gone() {
    let mut net = two(&["a1"]);
    l2_attach(&mut net, "a1", mn(0xa));
    net.run(100 * MS);
    net.aaa_dies(0);
    l2_attach(&mut net, "a1", mn(0xb));
    net.run(100 * MS);
    let servers: Vec<usize> = net.aaa.came.iter().map(|(server, ..)| *server).collect();
    assert_eq!(servers, [0, 1]);
    assert_eq!(state(&mut net, "a1", mn(0xb)), "Attached");
}

/// Case 19: what the dead one owed is asked again at once, with the T bit and the same End-to-End id.
#[test]
fn what_a_lost_connection_owes_is_answered_by_the_next_server_at_once() {
    let mut net = two(&["a1"]);
    net.aaa_mute.insert(0);
    for n in 0..200 {
        l2_attach(&mut net, "a1", Mac([2, 0, 0, 0, 1, n]));
    }
    net.run(100 * MS);
    assert!(net.aaa.asked.is_empty());
    net.aaa_dies(0);
    net.run(100 * MS);
    assert_eq!(net.aaa.came.len(), 200);
    assert!(net.aaa.came.iter().all(|&(server, _, repeated)| server == 1 && repeated));
    let ids: std::collections::BTreeSet<u32> = net.aaa.came.iter().map(|(_, id, _)| *id).collect();
    assert_eq!(ids.len(), 200, "each once");
    assert_eq!(state(&mut net, "a1", Mac([2, 0, 0, 0, 1, 199])), "Attached");
}

/// FC-41, case 11: SIGSTOP leaves the connection up.
#[test]
fn a_silent_server_costs_t_aaa_once_and_is_put_aside() {
    let mut net = two(&["a1"]);
    net.aaa_mute.insert(0);
    l2_attach(&mut net, "a1", mn(0xa));
    net.run(2 * SECOND - 50 * MS);
    assert!(net.aaa.came.is_empty());
    net.run(100 * MS);
    assert_eq!(state(&mut net, "a1", mn(0xa)), "Attached");
    assert!(matches!(net.aaa.came[..], [(1, _, true)]), "{:?}", net.aaa.came);
    l2_attach(&mut net, "a1", mn(0xb));
    net.run(50 * MS);
    assert_eq!(state(&mut net, "a1", mn(0xb)), "Attached", "nobody waits for it again");
    assert_eq!(net.nodes[0].counter("aaa_silent"), 1);
}

/// RFC 3539: three watchdogs before a connection that was lost is preferred again.
#[test]
fn the_preferred_server_is_used_again_when_it_has_lasted() {
    let mut net = two(&["a1"]);
    net.aaa_dies(0);
    net.run(SECOND);
    net.aaa_down.clear();
    net.run(60 * SECOND);
    l2_attach(&mut net, "a1", mn(0xa));
    net.run(100 * MS);
    net.run(90 * SECOND);
    l2_attach(&mut net, "a1", mn(0xb));
    net.run(100 * MS);
    let servers: Vec<usize> = net.aaa.came.iter().map(|(server, ..)| *server).collect();
    assert_eq!(servers, [1, 0]);
}

/// Scenario 25, case 20.
#[test]
fn with_every_server_down_new_ones_wait_and_those_attached_notice_nothing() {
    let mut net = two(&["a1"]);
    let (a, b) = (mn(0xa), mn(0xb));
    let (a_hoa, b_hoa) = (attach(&mut net, "a1", a), attach(&mut net, "a1", b));
    net.aaa_dies(0);
    net.aaa_dies(1);
    l2_attach(&mut net, "a1", mn(0xc));
    net.run(20 * SECOND);
    assert_eq!(state(&mut net, "a1", mn(0xc)), "WaitAAA");
    send(&mut net, "a1", a, a_hoa, b_hoa, 7);
    net.run(MS);
    assert_eq!(delivered(&net, "a1"), [7]);
    net.aaa_down.remove(&1);
    net.run(3 * SECOND);
    assert_eq!(state(&mut net, "a1", mn(0xc)), "Attached");
}

/// R-28b, scenario 26: whoever lost the table learns it again from the MAARs.
#[test]
fn an_aaa_that_lost_its_table_is_told_of_everybody_here() {
    let mut net = Net::new(&["a1", "a2", "b1"]);
    let a_hoa = attach(&mut net, "a1", mn(0xa));
    let b_hoa = attach(&mut net, "b1", mn(0xb));
    attach(&mut net, "a2", mn(0xa));
    let rows = net.aaa.rows.clone();
    assert_eq!(rows.len(), 2);
    (net.aaa.rows, net.aaa.state_id) = (Default::default(), 2);
    net.aaa_dies(0);
    net.aaa_down.clear();
    net.run(5 * SECOND);
    assert_eq!(net.aaa.rows, rows, "the same places, the same sessions");
    assert!(net.aaa.asked.iter().rev().take(2).all(|asked| asked.attach_time.is_some()));
    assert_eq!(state(&mut net, "a2", mn(0xa)), "Attached");
    // And the next move is named rightly.
    attach(&mut net, "a1", mn(0xa));
    send(&mut net, "b1", mn(0xb), b_hoa, a_hoa, 9);
    net.run(SECOND);
    assert_eq!(delivered(&net, "a1"), [9]);
}

/// R-28b: fail-open serves at once, and fetches the sessions when the AAA is back.
#[test]
fn fail_open_serves_an_mn_and_its_sessions_follow() {
    let names = ["a1", "a2", "b1"];
    let mut net = Net::cold(configs(&names, |config| config.mobility.fail_open = true), &names);
    up(&mut net);
    let (a, b) = (mn(0xa), mn(0xb));
    let (a_hoa, b_hoa) = (attach(&mut net, "a1", a), attach(&mut net, "b1", b));
    send(&mut net, "a1", a, a_hoa, b_hoa, 0);
    net.aaa_dies(0);
    l2_attach(&mut net, "a2", a);
    net.run(7 * SECOND);
    assert_eq!(state(&mut net, "a2", a), "Attached");
    let node = net.index("a2");
    assert_eq!(net.nodes[node].counter("aaa_provisional"), 1);
    net.aaa_down.clear();
    net.run(20 * SECOND);
    assert_eq!(state(&mut net, "a1", a), "Released", "its lists were fetched");
    send(&mut net, "b1", b, b_hoa, a_hoa, 8);
    net.run(SECOND);
    assert_eq!(delivered(&net, "a2"), [8]);
}
