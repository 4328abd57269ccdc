// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket of a running `maard`: who owns the path, and clients that misbehave (FC-47, FC-48).

mod common;

use common::{Daemon, Net, ask, config, maard, until};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const MNS: &str = r#"{"do":"show","what":"mns"}"#;
const COUNTERS: &str = r#"{"do":"show","what":"counters"}"#;

struct Rig {
    maard: Daemon,
    control: PathBuf,
    file: PathBuf,
    router: String,
    net: Net,
}

fn rig(test: &str) -> Rig {
    let mut net = Net::new(test);
    let router = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let file = net.file("maard.yaml", &config(&net.name(""), &control));
    let maard = Daemon::maard(&net, &router, &file, &control);
    Rig { maard, control, file, router, net }
}

#[test]
fn a_second_instance_names_the_living_owner_and_a_stale_socket_is_replaced() {
    let mut rig = rig("c");
    let start = Instant::now();
    let second = maard(&["--config", rig.file.to_str().expect("a path of text")]);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    let expected = format!("{}: process {} is listening", rig.control.display(), rig.maard.pid());
    assert!(told.contains(&expected), "{told}");
    assert!(ask(&rig.control, MNS).is_some(), "the first one is unharmed");

    let (status, _) = rig.maard.terminate("-KILL");
    assert_eq!(status.code(), None);
    assert!(rig.control.exists(), "a killed process leaves its socket");
    rig.maard = Daemon::maard(&rig.net, &rig.router, &rig.file, &rig.control);
}

#[test]
fn clients_that_never_read_or_never_ask_hold_up_nobody() {
    let rig = rig("d");
    let connect = || UnixStream::connect(&rig.control).expect("maard listens");
    let mut greedy: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    let silent: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    for client in &mut greedy {
        // Far more questions than a socket's buffers take answers.
        client.set_nonblocking(true).expect("a socket");
        while client.write(format!("{COUNTERS}\n").as_bytes()).is_ok() {}
    }
    for _ in 0..10 {
        let start = Instant::now();
        assert!(ask(&rig.control, COUNTERS).is_some());
        assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    }
    drop((greedy, silent));
}

#[test]
fn what_is_no_question_is_answered_in_a_sentence() {
    let rig = rig("e");
    let error = |question: &str| {
        let answer = ask(&rig.control, question).expect("an answer");
        answer["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert!(error("hello").starts_with("not a question: "));
    assert!(error(r#"{"do":"dance"}"#).contains("unknown variant `dance`"));
    assert!(error(&"x".repeat(5000)).contains("4096 octets at most"));
    until("others are answered", Duration::from_secs(10), || ask(&rig.control, MNS));
}
