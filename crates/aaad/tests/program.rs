// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program itself: it says when it is ready and ends cleanly on a signal.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn it_says_ready_and_exits_0_within_two_seconds_of_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aaad.yaml");
    let text = "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\n";
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_aaad"))
        .arg("--config")
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = lines.by_ref().map(Result::unwrap).find(|line| line.contains("ready on [::1]:"));
    assert!(ready.is_some_and(|line| line.contains("INFO")));
    let begun = Instant::now();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn an_address_in_use_is_told_with_the_mend_and_exit_status_1() {
    let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aaad.yaml");
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"{}\"]\nclients: [\"*.example.org\"]\naccept: realm\n",
        taken.local_addr().unwrap()
    );
    std::fs::write(&file, text).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_aaad")).arg("--config").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot listen on [::1]:") && said.contains("change `listen`"), "{said}");
}
