// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two workers under tunnelled packets, fragments, strangers, stations that come and go and a core port that goes down
//! and up: every packet buffer is free again afterwards, and none outlives the process. A few rounds of it, or as many
//! seconds as `SOAK_SECONDS` says (`cargo xtask soak`).

mod common;

use common::{Daemon, Net, aaad, ask, config, counter, cpus, give, ip, until};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::ip6;

const HOA: &str = "2001:db8:b2:a:0:ff:fe00:a";
/// In the pool of a MAAR that is not there, and in the own one.
const ELSEWHERE: [&str; 3] = ["2001:db8:a3:a::1", "2001:db8:b2:ffff::1", "2001:db8:cafe::1"];

/// A UDP packet of `len` octets for `dst`.
fn packet(dst: &str, flow: u16, len: usize) -> Vec<u8> {
    let mut datagram = vec![0; len - ip6::HEADER_LEN];
    datagram[..2].copy_from_slice(&flow.to_be_bytes());
    datagram[4..6].copy_from_slice(&((len - ip6::HEADER_LEN) as u16).to_be_bytes());
    let [from, to] = ["2001:db8:a3:b::b", dst].map(|text| text.parse().expect("an address"));
    ip6::packet(from, to, 17, 64, &datagram)
}

/// Sends to the router what the kernel puts an IPv6 header in front of; what it refuses while the link is down is lost.
fn send(namespace: &str, protocol: i32, payloads: Vec<Vec<u8>>) {
    let namespace = std::fs::File::open(format!("/run/netns/{namespace}")).expect("a namespace");
    let send = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may");
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(protocol)));
        let socket = socket.expect("root may");
        let router = SocketAddr::new("2001:db8:ff::b2".parse().expect("an address"), 0).into();
        for payload in payloads {
            let _ = socket.send_to(&payload, &router);
        }
    };
    std::thread::spawn(send).join().expect("sent");
}

/// One of everything, in hundreds.
fn flood(peer: &str, round: u16) {
    let tunnel = |dst: &str, n: u16, len| packet(dst, round.wrapping_mul(251) ^ n, len);
    send(peer, 41, (0..300).map(|n| tunnel(HOA, n, 100 + usize::from(n))).collect());
    // Outer packets of more than 1500 octets: the peer's kernel sends them in fragments.
    send(peer, 41, (0..50).map(|n| tunnel(HOA, n, 1480)).collect());
    for dst in ELSEWHERE {
        send(peer, 41, (0..60).map(|n| tunnel(dst, n, 200)).collect());
    }
    send(peer, 41, (0..60u8).map(|n| vec![n.wrapping_mul(37); usize::from(n) * 4]).collect());
    // First fragments whose last one never comes: next header 41, offset 0, more; the identification.
    let orphan = |n: u16| {
        let [high, low] = n.to_be_bytes();
        [&[41, 0, 0, 1, 0, round as u8, high, low], &packet(HOA, n, 96)[..]].concat()
    };
    send(peer, 44, (0..100).map(orphan).collect());
}

/// Stations come and go by events of their access point.
fn stations(control: &Path, what: &str) {
    for n in 0x20..0x30 {
        let question = format!(r#"{{"do":"{what}","mac":"02:00:00:00:01:{n:02x}"}}"#);
        ask(control, &question).expect("maard answers");
    }
}

#[test]
fn every_packet_buffer_is_free_again_after_a_storm() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let mut net = Net::new("k");
    let (router, peer, host) = (net.namespace("r"), net.namespace("p"), net.namespace("h"));
    let control = net.dir.path().join("maard.sock");
    let (first, last) = (cpus()[0], cpus()[cpus().len() - 1]);
    let text = format!(
        "spread: software\nanchors:\n  - {{ prefix: '2001:db8:a3::/48', maar: '2001:db8:ff::a3' }}\n{}",
        config(&net.name(""), &control)
            .replace(&format!("workers: [{last}]"), &format!("workers: [{last}, {first}]"))
    );
    let file = net.file("maard.yaml", &text);
    let maard = Daemon::maard(&net, &router, &file, &control);
    give(&router, "core0", &peer, "02:00:00:00:01:01");
    let up = "link set core0 up\naddr replace 2001:db8:ff::a3/64 dev core0 nodad\n";
    ip(&peer, up);
    let _aaad = aaad(&net, &router);
    give(&router, "acc0", &host, "02:00:00:00:00:0a");
    ip(&host, "link set acc0 up\n");
    until("the mobile node is attached", Duration::from_secs(60), || {
        let mns = ask(&control, r#"{"do":"show","what":"mns"}"#)?;
        (mns["ok"][0]["state"] == "Attached").then_some(())
    });
    let in_use = || counter(&control, "mempool.in_use");
    let sum = |name: &str| -> u64 {
        (0..2).map(|n| counter(&control, &format!("worker.{n}.{name}"))).sum()
    };
    let before = in_use();

    let start = Instant::now();
    for round in 0.. {
        stations(&control, "attach");
        flood(&peer, round);
        if round % 2 == 1 {
            ip(&peer, "link set core0 down\n");
            flood(&peer, round);
            ip(&peer, up);
        }
        stations(&control, "detach");
        let enough = match seconds {
            Some(seconds) => start.elapsed() >= Duration::from_secs(seconds),
            None => round == 3,
        };
        if enough {
            break;
        }
    }
    until("the storm ends where it began: delivered", Duration::from_secs(30), || {
        send(&peer, 41, vec![packet(HOA, 1, 1480)]);
        (sum("delivered") > 0 && sum("info.reassembled") > 0).then_some(())
    });
    until("what waited gave up: fragments, parked packets", Duration::from_secs(30), || {
        (sum("info.reassembly_timeouts") > 0 && sum("info.parkings") > 0).then_some(())
    });
    // Pieces wait a second, packets of a key that nobody brings as long, those of a detached node ten; a burst may be
    // on its way in each of four queues.
    let mut least = u64::MAX;
    until("every buffer is free again", Duration::from_secs(40), || {
        least = least.min(in_use());
        (least <= before + 4 * 32).then_some(())
    });
    let (status, said) = maard.terminate("-TERM");
    assert!(status.success(), "{status}: {said}");
    for trouble in ["outlive their mempool", "panicked"] {
        assert!(!said.contains(trouble), "{trouble}: {said}");
    }
}
