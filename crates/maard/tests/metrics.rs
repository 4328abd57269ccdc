// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Metrics and health of a running `maard`, and scrapers that misbehave (FC-48, FC-55, FC-56).

mod common;

use common::{Daemon, Net, ask, config, until};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ADDRESS: &str = "[::1]:9464";

struct Rig {
    _maard: Daemon,
    control: PathBuf,
    namespace: String,
    _net: Net,
}

fn rig(test: &str) -> Rig {
    let mut net = Net::new(test);
    let namespace = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let text = format!("{}\nmetrics: \"{ADDRESS}\"\n", config(&net.name(""), &control));
    let file = net.file("maard.yaml", &text);
    let maard = Daemon::maard(&net, &namespace, &file, &control);
    Rig { _maard: maard, control, namespace, _net: net }
}

/// Does something inside the router's namespace: a socket belongs to the one its thread was in.
fn within<T: Send + 'static>(rig: &Rig, act: impl FnOnce() -> T + Send + 'static) -> T {
    let path = format!("/run/netns/{}", rig.namespace);
    let thread = std::thread::spawn(move || {
        setns(File::open(path).expect("a namespace"), CloneFlags::CLONE_NEWNET).expect("root");
        act()
    });
    thread.join().expect("no panic")
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(ADDRESS).expect("maard serves metrics");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

fn get(rig: &Rig, path: &'static str) -> String {
    within(rig, move || {
        let mut stream = connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: maard\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    })
}

/// `name{labels} value` -> value.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in\n{text}")).parse().expect("a whole number")
}

#[test]
fn every_counter_of_the_command_line_is_a_metric_and_the_books_balance_in_both() {
    let rig = rig("m");
    let text = get(&rig, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("romip_build_info{version="), "{text}");
    let rows = ask(&rig.control, r#"{"do":"show","what":"counters"}"#).expect("an answer");
    for row in rows["ok"].as_array().expect("rows") {
        let name = row["name"].as_str().expect("a name");
        let last = name.rsplit('.').next().expect("one at least");
        let histogram = name.starts_with("handover_");
        assert!(histogram || text.contains(last), "{name} is no metric");
    }
    // What a worker received has one final verdict each (design: the books), as Prometheus sums it.
    let frames = |verdict| {
        value(&text, &format!("romip_worker_frames_total{{worker=\"0\",verdict=\"{verdict}\"}}"))
    };
    let sum = |family: &str| -> u64 {
        let of = format!("romip_worker_{family}_total{{worker=\"0\",");
        let lines = text.lines().filter(|line| line.starts_with(&of));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let parked = value(&text, "romip_worker_parked{worker=\"0\"}");
    let verdicts: u64 = ["delivered", "tunnelled", "native", "absorbed"].map(frames).iter().sum();
    assert_eq!(frames("rx"), verdicts + sum("drops") + sum("punts") + parked, "{text}");
    assert!(get(&rig, "/other").starts_with("HTTP/1.1 404 "));
}

#[test]
fn scrapers_that_never_read_or_never_ask_hold_up_nobody() {
    let rig = rig("n");
    let idle: Vec<TcpStream> = within(&rig, || {
        let mut idle: Vec<TcpStream> = (0..40).map(|_| connect()).collect();
        for stream in &mut idle[..20] {
            stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it reads");
        }
        idle
    });
    // A bound on waiting, ten times the second that is promised.
    let start = Instant::now();
    assert!(get(&rig, "/metrics").starts_with("HTTP/1.1 200 "));
    assert!(ask(&rig.control, r#"{"do":"show","what":"mns"}"#).is_some());
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    drop(idle);
}

#[test]
fn a_router_that_lives_says_so() {
    let rig = rig("o");
    until("the router is healthy", Duration::from_secs(20), || {
        let text = get(&rig, "/health");
        (text.starts_with("HTTP/1.1 200 ") && text.ends_with("ok\n")).then_some(())
    });
}
