// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program itself: it says when it is ready and ends cleanly on a signal.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn it_says_ready_and_exits_0_within_two_seconds_of_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aaad.yaml");
    let text = "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: memory\n";
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

fn with_store(directory: &std::path::Path) -> std::path::PathBuf {
    let file = directory.join("aaad.yaml");
    let store = directory.join("state");
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: {{path: {}}}\n",
        store.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn aaad(file: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aaad"));
    command.arg("--config").arg(file).stderr(Stdio::piped());
    command
}

/// Waits until it listens; its standard error from there.
fn ready(child: &mut std::process::Child) -> impl Iterator<Item = String> + use<> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line.contains("ready on [::1]:")));
    lines
}

#[test]
fn a_second_process_on_the_same_store_is_told_path_and_pid_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = with_store(directory.path());
    let mut first = aaad(&file).spawn().unwrap();
    let mut lines = ready(&mut first);
    let begun = Instant::now();
    let second = aaad(&file).output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    let path = directory.path().join("state").display().to_string();
    assert!(said.contains(&path) && said.contains(&format!("pid {}", first.id())), "{said}");
    assert!(Command::new("kill").arg(first.id().to_string()).status().unwrap().success());
    assert!(lines.any(|line| line.contains("stopped; 0 MNs seen")));
    assert_eq!(first.wait().unwrap().code(), Some(0));
}

#[test]
fn a_damaged_store_stops_the_start_with_the_mend_and_start_empty_is_that() {
    let directory = tempfile::tempdir().unwrap();
    let file = with_store(directory.path());
    for arguments in [&[][..], &[], &["--start-empty"], &["--restored"]] {
        let mut child = aaad(&file).args(arguments).spawn().unwrap();
        let _lines = ready(&mut child);
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        std::fs::write(directory.path().join("state/high-water"), [0; 16]).unwrap();
        let refused = aaad(&file).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1));
        assert!(said.contains("high-water is damaged") && said.contains("--start-empty"), "{said}");
        if arguments.is_empty() {
            std::fs::remove_dir_all(directory.path().join("state")).unwrap();
        }
    }
}

#[test]
fn an_address_in_use_is_told_with_the_mend_and_exit_status_1() {
    let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aaad.yaml");
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"{}\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: memory\n",
        taken.local_addr().unwrap()
    );
    std::fs::write(&file, text).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_aaad")).arg("--config").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot listen on [::1]:") && said.contains("change `listen`"), "{said}");
}

/// FC-46: the old configuration stays whole, a good one applies, what needs a restart is said.
#[test]
fn sighup_reads_the_configuration_again_and_a_broken_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (file, list) = (directory.path().join("aaad.yaml"), directory.path().join("list.csv"));
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\nsubscribers_file: {}\nstore: memory\n",
        list.display()
    );
    std::fs::write(&file, &text).unwrap();
    std::fs::write(&list, "mn_id,plan\nuserb@example.org,gold\n").unwrap();
    let mut child = aaad(&file).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |what: &str| lines.by_ref().find(|line| line.contains(what)).expect("its line");
    let address = until("ready on").split_once("ready on ").unwrap().1.parse().unwrap();
    let mut peer = common::Raw::open_at(address, "amaar1.example.org");
    let mut code = || peer.attach(common::address(1)).result_code;
    let hup = |pid: u32| {
        assert!(Command::new("kill").args(["-HUP", &pid.to_string()]).status().unwrap().success());
    };
    assert_eq!(code(), 5030);
    std::fs::write(&list, "mn_id,plan\nuserb@example.org,gold\nusera@EXAMPLE.org,\n").unwrap();
    hup(child.id());
    until("configuration read again");
    assert_eq!(code(), 2001, "over the connection that was up");
    std::fs::write(&list, "userb@example.org\n\u{1}\n").unwrap();
    hup(child.id());
    let said = until("stays as it was");
    assert!(said.contains("list.csv:2") && said.contains("ERROR"), "{said}");
    assert_eq!(code(), 2001);
    std::fs::write(&list, "userb@example.org\n").unwrap();
    std::fs::write(&file, text.replace("[::1]:0", "[::1]:1")).unwrap();
    hup(child.id());
    assert!(until("needs restart").contains("needs restart: listen; the rest applies"));
    until("configuration read again");
    assert_eq!(code(), 5030);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
