// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the command line says: `--check`, and exit status 2 for what is wrong with a configuration.

mod common;

use common::{cpus, maard};
use std::path::Path;

/// The shipped example with CPUs this machine has.
fn example() -> String {
    let cpus = cpus();
    let text = include_str!("../../../config/maard.yaml");
    text.replace("slowpath: 0", &format!("slowpath: {}", cpus[0]))
        .replace("workers: [1]", &format!("workers: [{}]", cpus[cpus.len() - 1]))
}

fn check(text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("m.yaml");
    std::fs::write(&file, text).expect("a file");
    let path = file.to_str().expect("a path of text");
    let output = maard(&[&["--config", path], more].concat());
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace(path, "m.yaml");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_shipped_example_is_right_and_its_core_plan_is_printed() {
    let (code, plan, told) = check(&example(), &["--check"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    for part in [
        "a_maar1 at 2001:db8:ff::a1",
        "slow path  CPU",
        "worker 0   CPU",
        "queue 0 of every port",
        "port 0     net_tap0,iface=acc0: access, MTU 1500, at most 1 rx and 1 tx queues",
        "port 1     net_tap1,iface=core0: core, MTU 1500, at most 1 rx and 1 tx queues, link 2001:db8:ff::/64",
        "RA MTU     1460",
        "pool       2001:db8:a1::/48: 65536 leases, 4.37 new MNs a second for good",
        "control    /run/romip/a_maar1.sock",
        "warning    peer 2001:db8:ff::b1 has `auth: none`",
    ] {
        assert!(plan.contains(part), "{part:?} is not in:\n{plan}");
    }
}

#[test]
fn what_is_wrong_with_a_file_ends_with_status_2() {
    let (code, out, told) = check(&example().replace("pool:", "poool:"), &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(told, "m.yaml:11: poool: unknown key; did you mean `pool`?\n");
    let output = maard(&["--config", "/nowhere/m.yaml", "--check"]);
    assert_eq!(output.status.code(), Some(2));
}

/// The index the kernel gives the next interface of a namespace: one that was made and went has used one up.
fn next_index(namespace: &str) -> u32 {
    common::ip(namespace, "link add probe type bridge\n");
    let shown = common::run("ip", &["-n", namespace, "-json", "link", "show", "dev", "probe"]);
    common::ip(namespace, "link del probe\n");
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("ip speaks JSON");
    shown[0]["ifindex"].as_u64().expect("a number") as u32
}

#[test]
fn a_port_that_does_not_exist_is_named_before_another_one_is_touched() {
    let mut net = common::Net::new("x");
    let namespace = net.namespace("x");
    let control = net.dir.path().join("m.sock");
    let text = common::config(&net.name("x"), &control).replace("log: debug", "log: info");
    for (device, why) in [
        ("net_nosuch0", "no driver has this name"),
        ("0000:fe:1f.7", "no PCI device has this address"),
        ("net_af_packet0,iface=nosuch0", "there is no network interface \"nosuch0\""),
    ] {
        let file = net.file("m.yaml", &text.replace("net_tap2,iface=core1", device));
        let before = next_index(&namespace);
        let output = common::inside(&namespace, env!("CARGO_BIN_EXE_maard"))
            .args([Path::new("--config"), &file])
            .output()
            .expect("maard can be run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let start =
            format!("{}:10: ports[2].device: no such port \"{device}\": {why}", file.display());
        assert!(told.starts_with(&start) && told.contains("mend: "), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!control.exists(), "the control socket is left");
        assert_eq!(next_index(&namespace), before + 1, "an interface was made");
    }
}

#[test]
fn a_cpu_outside_the_allowed_set_is_named_with_the_set() {
    let missing = cpus().into_iter().max().map_or(0, |cpu| cpu + 1);
    let text = example().replace("slowpath: ", &format!("slowpath: {missing} # "));
    let (code, _, told) = check(&text, &["--check"]);
    assert_eq!(code, Some(2));
    let allowed = format!("CPU {missing} is not among the allowed CPUs {:?}", cpus());
    assert!(told.contains(&allowed), "{told}");
}
