// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A worker that forwards makes no system call: `strace` of its thread sees none.

mod common;

use common::{Daemon, Net, config, counter, until};
use dataplane::synthetic::Population;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use wire::addr::{Prefix64, ROUTER_MAC};
use wire::{eth, ip6};

const BINDINGS_IN: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xdb8, 0, 0, 0, 0, 0, 0), 32);
const POOL: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0xdb8, 0xb2, 0, 0, 0, 0, 0), 48);

/// A capture of one frame of the load test's first station to its first binding, which the port plays round and round.
fn capture(net: &Net) -> PathBuf {
    let people = Population::new(1, POOL, BINDINGS_IN, vec![0], 1);
    let at = |key| Prefix64(key).with_iid(1);
    let (src, dst) = (at(people.leases.key(0)), at(people.elsewhere.key(0)));
    let front = eth::ipv6_header(ROUTER_MAC, people.mac(0));
    let frame = ip6::frame(front, src, dst, ip6::NO_NEXT_HEADER, 64, &[0; 10]);
    let words: [u32; 10] =
        [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1, 0, 0, frame.len() as u32, frame.len() as u32];
    let mut octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    octets.extend(frame);
    let path = net.dir.path().join("in.pcap");
    std::fs::write(&path, octets).expect("the folder takes a file");
    path
}

/// The thread of the one worker.
fn worker(process: u32) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let mut workers = tasks.flatten().filter(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with("rte-worker") || name.starts_with("lcore-worker")
    });
    let task = workers.next().expect("a worker");
    Pid::from_raw(task.file_name().to_string_lossy().parse().expect("a number"))
}

/// Lines of system calls while `meanwhile` runs.
fn traced(thread: Pid, out: &Path, meanwhile: impl FnOnce()) -> Vec<String> {
    let mut strace = Command::new("strace")
        .args(["-p", &thread.to_string(), "-o"])
        .arg(out)
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace can be run");
    let status = format!("/proc/{thread}/status");
    until("strace is there", Duration::from_secs(20), || {
        let text = std::fs::read_to_string(&status).expect("the worker is there");
        text.lines()
            .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            .then_some(())
    });
    meanwhile();
    kill(Pid::from_raw(strace.id() as i32), Signal::SIGINT).expect("strace is a child");
    strace.wait().expect("a child");
    let text = std::fs::read_to_string(out).expect("strace writes a file");
    text.lines().filter(|line| line.contains('(')).map(str::to_owned).collect()
}

#[test]
fn a_worker_that_forwards_makes_no_system_call() {
    let mut net = Net::new("y");
    let namespace = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let source = format!("net_pcap0,rx_pcap={},infinite_rx=1", capture(&net).display());
    let text = config(&net.name(""), &control)
        .replace("net_tap0,iface=acc0", &source)
        .replace("net_tap1,iface=core0", "net_null0,no-rx=1")
        .replace("net_tap2,iface=core1", "net_null1,no-rx=1");
    let file = net.file("maard.yaml", &text);
    let load = net.file("load.yaml", "mns: 1\nbindings: 1\nports: [0]\nupdates_per_second: 1000\n");
    let load = load.to_str().expect("a path of text");
    let daemon = Daemon::maard_with(&net, &namespace, &file, &control, &["--load-test", load]);
    let tunnelled = || counter(&control, "worker.0.tunnelled");
    until("packets are forwarded", Duration::from_secs(60), || (tunnelled() > 0).then_some(()));
    let thread = worker(daemon.pid());
    let calls = traced(thread, &net.dir.path().join("calls"), || {
        let (packets, updates) =
            (tunnelled() + 100_000, counter(&control, "load_test.applied") + 500);
        until("it goes on", Duration::from_secs(60), || {
            let on = tunnelled() > packets && counter(&control, "load_test.applied") > updates;
            on.then_some(())
        });
    });
    assert_eq!(calls, Vec::<String>::new());
    let (status, said) = daemon.terminate("-TERM");
    assert!(status.success(), "{said}");
}
