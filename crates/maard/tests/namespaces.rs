// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real `maard` on net_tap ports with stock Linux hosts behind them.

mod common;

use common::{
    Daemon, Net, aaad, ask, config, counter, give, has_link, ip, ping, ping_once, stopping_took,
    until,
};
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

    let (status, said) = rig.maard.terminate("-TERM");
    assert_eq!(status.code(), Some(0));
    let took = stopping_took(&said);
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
    let (status, said) = rig.maard.terminate("-INT");
    assert_eq!(status.code(), Some(0));
    let took = stopping_took(&said);
    assert!(took < Duration::from_secs(2), "SIGINT took {took:?}");
}

/// The kernel gives a tap the port's own MAC, and a kernel with IPv6 soon sends from it.
#[test]
fn a_tap_that_speaks_with_the_ports_mac_is_told_once_with_the_mend() {
    let mut net = Net::new("m");
    let router = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let file = net.file("maard.yaml", &config(&net.name(""), &control));
    let maard = Daemon::maard(&net, &router, &file, &control);
    ip(&router, "addr add 2001:db8:ff::a3/64 dev core0 nodad\n");
    let dropped = until("frames with the port's MAC come in", Duration::from_secs(30), || {
        ping_once(&router, "2001:db8:ff::b2");
        Some(counter(&control, "worker.0.drop.own_mac")).filter(|dropped| *dropped > 0)
    });
    let lines = |said: String| {
        said.lines().filter(|line| line.contains("WARN") && line.contains("drop.own_mac")).count()
    };
    until("it is told", Duration::from_secs(10), || (lines(maard.said()) > 0).then_some(()));
    until("more come in", Duration::from_secs(30), || {
        ping_once(&router, "2001:db8:ff::b2");
        (counter(&control, "worker.0.drop.own_mac") > dropped).then_some(())
    });
    assert_eq!(lines(maard.said()), 1, "{}", maard.said());
}
