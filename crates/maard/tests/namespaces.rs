// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real `maard` on net_tap ports with stock Linux hosts behind them.

mod common;

use common::{Daemon, Net, aaad, ask, config, counter, give, has_link, ip, ping, ping_once, until};
use std::path::PathBuf;
use std::time::Duration;

/// A router whose core ports are the interfaces of two hosts, `west` (2001:db8:ff::a3, a peer's address) and `east`
/// (2001:db8:fe::2); `acc0` is still with the router.
struct Rig {
    maard: Daemon,
    control: PathBuf,
    router: String,
    west: String,
    east: String,
    net: Net,
}

fn rig(test: &str) -> Rig {
    let mut net = Net::new(test);
    let (router, west, east) = (net.namespace("r"), net.namespace("w"), net.namespace("e"));
    let control = net.dir.path().join("maard.sock");
    let file = net.file("maard.yaml", &config(&net.name(""), &control));
    let maard = Daemon::maard(&net, &router, &file, &control);
    give(&router, "core0", &west, "02:00:00:00:01:01");
    give(&router, "core1", &east, "02:00:00:00:01:02");
    ip(
        &west,
        "link set core0 up
addr add 2001:db8:ff::a3/64 dev core0 nodad
route add 2001:db8:fe::/64 via 2001:db8:ff::b2
route add 2001:db8:b2::/48 via 2001:db8:ff::b2\n",
    );
    ip(
        &east,
        "link set core1 up
addr add 2001:db8:fe::2/64 dev core1 nodad
route add 2001:db8:ff::b2 dev core1
route add 2001:db8:ff::/64 via 2001:db8:ff::b2 dev core1\n",
    );
    Rig { maard, control, router, west, east, net }
}

fn lost_none(summary: &str, count: u32) {
    assert!(summary.contains(&format!("{count} received, 0% packet loss")), "{summary}");
}

#[test]
fn packets_between_two_core_links_are_forwarded_natively_and_sigterm_ends_cleanly() {
    let rig = rig("a");
    until("an echo crosses", Duration::from_secs(20), || {
        ping_once(&rig.west, "2001:db8:fe::2").then_some(())
    });
    let before = counter(&rig.control, "worker.0.native");
    let summary = ping(&rig.west, 100, "2001:db8:fe::2");
    lost_none(&summary, 100);
    assert!(summary.contains("ttl=63"), "one hop: {summary}");
    lost_none(&ping(&rig.east, 100, "2001:db8:ff::a3"), 100);
    until("400 packets are counted", Duration::from_secs(10), || {
        (counter(&rig.control, "worker.0.native") - before >= 400).then_some(())
    });
    lost_none(&ping(&rig.west, 10, "2001:db8:ff::b2"), 10);

    let (status, took) = rig.maard.terminate("-TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "SIGTERM took {took:?}");
    assert!(!rig.control.exists(), "the control socket is left");
    for (namespace, link) in [(&rig.router, "acc0"), (&rig.west, "core0"), (&rig.east, "core1")] {
        assert!(!has_link(namespace, link), "{link} is left");
    }
}

#[test]
fn a_linux_host_attaches_by_its_router_solicitation_and_reaches_the_core() {
    let mut rig = rig("b");
    // Started after the router, which has to come back to it.
    let _aaad = aaad(&rig.net, &rig.router);
    let host = rig.net.namespace("h");
    give(&rig.router, "acc0", &host, "02:00:00:00:00:0a");
    ip(&host, "link set acc0 up\n");
    let hoa = "2001:db8:b2:a:0:ff:fe00:a";
    until("the host has its address", Duration::from_secs(40), || {
        let addresses = common::run("ip", &["-n", &host, "-6", "addr", "show", "dev", "acc0"]);
        let line = addresses.lines().find(|line| line.contains(hoa))?;
        (!line.contains("tentative")).then_some(())
    });
    until("the host reaches the core", Duration::from_secs(20), || {
        ping_once(&host, "2001:db8:ff::a3").then_some(())
    });
    lost_none(&ping(&host, 100, "2001:db8:ff::a3"), 100);
    lost_none(&ping(&rig.east, 1, "2001:db8:ff::b2"), 1);
    let mns = ask(&rig.control, r#"{"do":"show","what":"mns"}"#).expect("maard answers");
    assert_eq!(mns["ok"][0]["state"], "Attached", "{mns}");
    assert_eq!(mns["ok"][0]["hoa"], hoa, "{mns}");
    let routes = common::run("ip", &["-n", &host, "-6", "route", "show", "default"]);
    assert!(routes.contains("via fe80::200:5eff:fe00:5213"), "{routes}");
    assert!(routes.contains("mtu 1460"), "{routes}");
    let (status, took) = rig.maard.terminate("-INT");
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "SIGINT took {took:?}");
}
