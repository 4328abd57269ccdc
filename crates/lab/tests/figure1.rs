// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole lab: five routers, an AAA server and two Linux hosts, as `romip lab figure1` plays it. Needs root and the
//! programs, and says so; nothing is skipped. A shared machine gets wider limits than the demo, whose judge is
//! exact. tshark, which shares no code with us, must read the handover the same way.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn play(out: &Path) -> Value {
    let mut said = Vec::new();
    let scene = lab::Scene { limits: lab::Limits::loaded(), ..lab::Scene::default() };
    let passed = lab::figure1(out, &scene, &mut said);
    let said = String::from_utf8_lossy(&said);
    match passed {
        Ok(true) => {}
        Ok(false) => panic!("{said}\nlogs are in {}", out.display()),
        Err(e) => panic!("{e}\nlogs are in {}", out.display()),
    }
    assert!(said.contains("Figure 1") && said.contains("Figure 2"), "{said}");
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

/// tshark's lines for a display filter.
fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.stderr(Stdio::null()).output().expect("apt install tshark");
    assert!(output.status.success(), "tshark refuses {filter}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The filters by which tshark knows the four messages: the draft's D is its P, E is F in a BU and T in a BA.
const MESSAGES: [(&str, &str); 4] = [
    ("sDBU", "mip6.mhtype==5 && mip6.bu.p_flag==1 && mip6.bu.f_flag==0"),
    ("sDBA", "mip6.mhtype==6 && mip6.ba.p_flag==1 && mip6.ba.t_flag==0"),
    ("dDBU", "mip6.mhtype==5 && mip6.bu.p_flag==1 && mip6.bu.f_flag==1"),
    ("dDBA", "mip6.mhtype==6 && mip6.ba.p_flag==1 && mip6.ba.t_flag==1"),
];

#[test]
fn the_drafts_story_is_played_after_a_run_that_was_killed_and_one_that_was_interrupted() {
    let mut out = tempfile::tempdir().unwrap();
    // Whoever reads that this test failed needs its logs and captures.
    out.disable_cleanup(true);
    println!("logs are in {}", out.path().display());
    half_way(out.path(), Signal::SIGKILL);
    assert!(!lab::netns::leftovers().unwrap().is_empty(), "nobody could take down that network");
    assert_eq!(half_way(out.path(), Signal::SIGINT), Some(1));
    assert_eq!(lab::netns::leftovers().unwrap(), [""; 0], "Ctrl-C takes everything down");

    let report = play(out.path());
    assert_eq!(lab::netns::leftovers().unwrap(), [""; 0], "the end takes everything down");
    assert_eq!(report["passed"], true);
    assert_eq!(report["steps"].as_array().unwrap().len(), 8);
    assert_eq!(report["moves"].as_array().unwrap().len(), 3);
    tshark_agrees(&out.path().join("core.pcap"), &report);
    dissector_agrees(&out.path().join("core.pcap"));
    out.disable_cleanup(false);
}

/// Runs the command until the session is on, ends it by `signal` and gives its exit status.
fn half_way(out: &Path, signal: Signal) -> Option<i32> {
    let romip = lab::topology::beside("romip").unwrap_or_else(|e| panic!("{e}"));
    let mut child = Command::new(romip)
        .args(["lab", "figure1", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().expect("stderr was asked for"));
    let said: Vec<String> = said
        .lines()
        .map(Result::unwrap)
        .inspect(|line| {
            if line.contains("session:") {
                kill(Pid::from_raw(child.id() as i32), signal).unwrap();
            }
        })
        .collect();
    assert!(said.iter().any(|line| line.contains("session:")), "{said:#?}");
    child.wait().unwrap().code()
}

/// `config/wireshark/romip.lua` gives as many frames each name as Wireshark's own fields do, and sees the end markers (R-42).
fn dissector_agrees(core: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/wireshark/romip.lua");
    let named = |filter: &str| {
        let mut command = Command::new("tshark");
        command.arg("-X").arg(format!("lua_script:{}", script.display())).arg("-r").arg(core);
        let out = command.args(["-Y", filter]).stderr(Stdio::null()).output().expect("tshark");
        assert!(out.status.success(), "tshark refuses {filter}");
        out.stdout.iter().filter(|&&octet| octet == b'\n').count()
    };
    for (name, filter) in MESSAGES {
        let ours = named(&format!("romip.message == \"{name}\""));
        assert_eq!(
            (ours, ours > 0),
            (tshark(core, filter, &["frame.number"]).len(), true),
            "{name}"
        );
    }
    assert!(named("romip.end_marker") > 0);
}

/// The four messages of the last move, one each and in this order, between the routers of Figure 1.
fn tshark_agrees(core: &Path, report: &Value) {
    let ends = [
        ("2001:db8:ff::a3", "2001:db8:ff::a2"),
        ("2001:db8:ff::a2", "2001:db8:ff::a3"),
        ("2001:db8:ff::a3", "2001:db8:ff::b2"),
        ("2001:db8:ff::b2", "2001:db8:ff::a3"),
    ];
    let mut before = 0.0;
    for ((name, filter), (src, dst)) in MESSAGES.into_iter().zip(ends) {
        let filter = format!("{filter} && ipv6.src=={src} && ipv6.dst=={dst}");
        let lines = tshark(core, &filter, &["frame.time_epoch"]);
        assert_eq!(lines.len(), 1, "{name} from {src} to {dst}: {lines:?}");
        let at: f64 = lines[0].parse().unwrap();
        assert!(at > before, "{name} is out of order");
        before = at;
    }
    let named = "diameter.cmd.code==265 && diameter.flags.request==0";
    let agents = tshark(core, named, &["diameter.MIP-Home-Agent-Address.IPv6"]);
    assert_eq!(agents.last().map(String::as_str), Some("2001:db8:ff::a2"), "{agents:?}");
    for (src, dst) in [("a3", "b2"), ("b2", "a3")] {
        let tunnel = format!(
            "ipv6.src==2001:db8:ff::{src} && ipv6.dst==2001:db8:ff::{dst} && ipv6.nxt==41 \
             && ipv6.addr==2001:db8:a1:a:0:ff:fe00:a && ipv6.addr==2001:db8:b1:b:0:ff:fe00:b"
        );
        assert!(!tshark(core, &tunnel, &["frame.number"]).is_empty(), "{src} to {dst}");
    }
    for maar in ["A_MAAR1", "A_MAAR2", "B_MAAR1"] {
        assert_eq!(report["session_packets_seen"][maar], 0, "{maar}");
    }
}
