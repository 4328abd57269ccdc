// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two workers on real ports: one pair of MAARs, which is one outer flow, keeps both of them busy; queue counts follow
//! the device (FC-51).

mod common;

use common::{Daemon, Net, aaad, ask, config, cpus, give, inside, ip, until};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::ip6;

const HOA: &str = "2001:db8:b2:a:0:ff:fe00:a";

/// The counters of one worker.
fn worker(control: &Path, n: usize) -> BTreeMap<String, u64> {
    let answer = ask(control, r#"{"do":"show","what":"counters"}"#).expect("maard answers");
    let rows = answer["ok"].as_array().expect("rows").iter();
    let prefix = format!("worker.{n}.");
    let row = |row: &serde_json::Value| {
        let name = row["name"].as_str()?.strip_prefix(&prefix)?;
        Some((name.to_owned(), row["value"].as_u64()?))
    };
    rows.filter_map(row).collect()
}

/// What was received, what got a final count or waits, and what is between the workers.
fn books(control: &Path) -> (i64, i64, i64) {
    let (mut received, mut ended, mut crossing) = (0, 0, 0);
    for n in 0..2 {
        for (name, value) in worker(control, n) {
            // The workers publish one after the other: what was taken over may show before it was handed over.
            let value = value.cast_signed();
            let verdict = ["delivered", "tunnelled", "native", "parked"].contains(&name.as_str());
            match name.as_str() {
                "rx" => received += value,
                "info.handed_over" => crossing += value,
                "info.taken_over" => crossing -= value,
                _ if verdict || name.starts_with("drop.") || name.starts_with("punt.") => {
                    ended += value;
                }
                _ => {}
            }
        }
    }
    (received, ended, crossing)
}

/// A router with two workers; its peer, at 2001:db8:ff::a3, is a Linux host; a mobile node is attached.
struct Rig {
    maard: Daemon,
    control: PathBuf,
    peer: String,
    _aaad: Daemon,
    _net: Net,
}

fn rig(test: &str, edit: impl Fn(&str) -> String, core: impl Fn(&Net, &str, &str)) -> Rig {
    let mut net = Net::new(test);
    let (router, peer, host) = (net.namespace("r"), net.namespace("p"), net.namespace("h"));
    let control = net.dir.path().join("maard.sock");
    let (first, last) = (cpus()[0], cpus()[cpus().len() - 1]);
    let text = config(&net.name(""), &control)
        .replace(&format!("workers: [{last}]"), &format!("workers: [{last}, {first}]"));
    let file = net.file("maard.yaml", &edit(&text));
    core(&net, &router, &peer);
    let maard = Daemon::maard(&net, &router, &file, &control);
    if !edit(&text).contains("af_packet") {
        give(&router, "core0", &peer, "02:00:00:00:01:01");
    }
    ip(&peer, "link set core0 up\naddr add 2001:db8:ff::a3/64 dev core0 nodad\n");
    let aaad = aaad(&net, &router);
    give(&router, "acc0", &host, "02:00:00:00:00:0a");
    ip(&host, "link set acc0 up\n");
    until("the mobile node is attached", Duration::from_secs(60), || {
        let mns = ask(&control, r#"{"do":"show","what":"mns"}"#)?;
        (mns["ok"][0]["state"] == "Attached").then_some(())
    });
    Rig { maard, control, peer, _aaad: aaad, _net: net }
}

/// A UDP packet to the mobile node, by its source port.
fn inner(flow: u16) -> Vec<u8> {
    let mut datagram = vec![0; 64];
    datagram[..2].copy_from_slice(&flow.to_be_bytes());
    datagram[2..6].copy_from_slice(&[0x13, 0x89, 0, 64]);
    let (from, to) = ("2001:db8:a3:b::b", HOA);
    let [from, to] = [from, to].map(|text| text.parse().expect("an address"));
    ip6::frame([0; 14], from, to, 17, 64, &datagram)[14..].to_vec()
}

/// Sends `packets` as a tunnel of the peer brings them: the kernel puts the outer header in front.
fn send_by_tunnel(peer: &str, packets: Vec<Vec<u8>>) {
    let namespace = std::fs::File::open(format!("/run/netns/{peer}")).expect("a namespace");
    let send = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may");
        let tunnel = Protocol::from(41);
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(tunnel)).expect("root may");
        let router = SocketAddr::new("2001:db8:ff::b2".parse().expect("an address"), 0).into();
        for packet in packets {
            socket.send_to(&packet, &router).expect("the kernel takes it");
            // Slower than an idle worker looks, so that no queue of the kernel overflows.
            std::thread::sleep(Duration::from_micros(100));
        }
    };
    std::thread::spawn(send).join().expect("sent");
}

/// Sends 400 flows through the tunnel; what each worker delivered of them.
fn deliver(rig: &Rig) -> [u64; 2] {
    let delivered = || [0, 1].map(|n| worker(&rig.control, n)["delivered"]);
    // Until the kernel has resolved the router, it keeps only a few.
    until("the tunnel is open", Duration::from_secs(20), || {
        send_by_tunnel(&rig.peer, vec![inner(1)]);
        (delivered() != [0, 0]).then_some(())
    });
    let before = delivered();
    send_by_tunnel(&rig.peer, (1000..1400).map(inner).collect());
    until("400 flows are delivered", Duration::from_secs(20), || {
        let now = delivered();
        let moved = [now[0] - before[0], now[1] - before[1]];
        (moved[0] + moved[1] >= 400).then_some(moved)
    })
}

#[track_caller]
fn both_work_and_the_books_balance(rig: &Rig) {
    let moved = deliver(rig);
    assert!(moved.iter().all(|n| *n > 100), "{moved:?}");
    assert!(
        worker(&rig.control, 0)["info.handed_over"] + worker(&rig.control, 1)["info.handed_over"]
            > 100
    );
    // The workers publish one after the other, and neighbours talk: a moment of rest is needed.
    until("the books balance", Duration::from_secs(20), || {
        let (received, ended, crossing) = books(&rig.control);
        (crossing == 0 && received == ended).then_some(())
    });
}

#[test]
fn one_pair_of_maars_keeps_both_workers_busy_on_taps() {
    let rig = rig("s", |text| format!("spread: software\n{text}"), |_, _, _| {});
    both_work_and_the_books_balance(&rig);
    let said = rig.maard.said();
    assert!(said.contains("(net_tap1): 2 rx and 2 tx queues, tunnelled flows spread"), "{said}");
}

/// net_af_packet has one queue unless told otherwise: the worker without it says so, lives on what the other hands
/// over, and sends through it.
#[test]
fn a_port_with_one_queue_keeps_both_workers_busy() {
    let rig = rig(
        "q",
        |text| text.replace("net_tap1,iface=core0", "net_af_packet0,iface=port0"),
        |net, router, peer| {
            let veth = net.name("v");
            common::run(
                "ip",
                &["link", "add", &veth, "type", "veth", "peer", "name", "core0", "netns", peer],
            );
            common::run("ip", &["link", "set", &veth, "netns", router, "name", "port0"]);
            ip(router, "link set port0 up\n");
        },
    );
    both_work_and_the_books_balance(&rig);
    let said = rig.maard.said();
    assert!(said.contains("(net_af_packet0): 1 rx and 1 tx queues, all flows spread"), "{said}");
    let lacking = said.lines().filter(|line| line.contains("no queue on port 1 (net_af_packet0)"));
    assert_eq!(lacking.count(), 1, "{said}");
}

#[test]
fn what_only_a_nic_could_do_is_refused_where_there_is_none() {
    let mut net = Net::new("n");
    let router = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let (first, last) = (cpus()[0], cpus()[cpus().len() - 1]);
    let text = format!("spread: nic\n{}", config(&net.name(""), &control))
        .replace(&format!("workers: [{last}]"), &format!("workers: [{last}, {first}]"));
    let file = net.file("maard.yaml", &text);
    let output = inside(&router, env!("CARGO_BIN_EXE_maard")).arg("--config").arg(&file).output();
    let output = output.expect("maard runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("maard.yaml:10: ports[1].device: "), "{told}");
    assert!(told.contains("set `spread: auto`"), "{told}");
}
