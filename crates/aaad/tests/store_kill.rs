// SPDX-License-Identifier: Apache-2.0 OR MIT
//! kill -9 of a real aaad under load (case 38): after each restart everything that was answered is there, and a kill
//! meets journals that change files every few hundred milliseconds.

mod common;

use aaad::store::embedded::JOURNALS;
use common::disk::Rng;
use common::load::Client;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CLIENTS: usize = 4;
const WINDOW: usize = 32;

fn configure(directory: &Path, store: &str) {
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: {store}\n"
    );
    std::fs::write(directory.join("aaad.yaml"), text).unwrap();
}

fn start(directory: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aaad"))
        .arg("--config")
        .arg(directory.join("aaad.yaml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        if let Some((_, address)) = line.split_once("ready on ") {
            // Read on, or the server would wait for somebody to.
            let address = address.parse().unwrap();
            std::thread::spawn(move || lines.for_each(drop));
            return (child, address);
        }
        seen.push(line);
    }
    panic!("it ended with {} before it was ready: {seen:#?}", child.wait().unwrap());
}

/// The number of the group each journal file begins with.
fn first_groups(state: &Path) -> Vec<Vec<u8>> {
    let begins = JOURNALS.map(|name| std::fs::read(state.join(name)).unwrap_or_default());
    begins.iter().filter_map(|octets| Some(octets.get(8..16)?.to_vec())).collect()
}

/// One life of the server: first every MN once, then load until the kill, which comes after some time of load.
fn round(clients: &mut [Client], directory: &Path, load: Duration) {
    let (mut child, server) = start(directory);
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || {
                    let pass = client.pass();
                    client.run(server, WINDOW, pass).expect("the server lives");
                    client
                })
            })
            .collect();
        let clients: Vec<_> = running.into_iter().map(|client| client.join().unwrap()).collect();
        let loaded: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(move || client.run(server, WINDOW, u64::MAX / 2)))
            .collect();
        // Not to wait for something: this is the load.
        std::thread::sleep(load);
        child.kill().unwrap();
        for client in loaded {
            client.join().unwrap().expect_err("the server was killed");
        }
    });
    child.wait().unwrap();
}

fn clients() -> Vec<Client> {
    (0..CLIENTS).map(|n| Client::new(&format!("amaar{n}.example.org"), 64, n as u64)).collect()
}

#[test]
fn after_twenty_kills_under_load_every_answered_request_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    configure(directory.path(), &format!("{{path: {}, journal: 1}}", state.display()));
    let (mut clients, mut rng) = (clients(), Rng(3));
    let (mut unanswered, mut journals) = (0, BTreeSet::new());
    for n in 0..20 {
        round(&mut clients, directory.path(), Duration::from_millis(100 + rng.below(200) as u64));
        unanswered += clients.iter().map(Client::in_flight).sum::<usize>();
        for client in &clients {
            assert!(client.wrong.is_empty(), "round {n}: {:#?}", client.wrong);
        }
        journals.extend(first_groups(&state));
    }
    let answered: u64 = clients.iter().map(|client| client.answered).sum();
    let repeated: u64 = clients.iter().map(|client| client.repeated).sum();
    assert!(answered > 20 * 2 * 64 * CLIENTS as u64, "{answered}");
    assert!(unanswered > 0 && repeated > 0, "no kill hit a request: {unanswered}, {repeated}");
    assert!(journals.len() > 20, "{} journal files were begun", journals.len());
}

#[test]
fn the_oracle_sees_a_store_that_forgets() {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), "memory");
    let mut clients = clients();
    for _ in 0..2 {
        round(&mut clients, directory.path(), Duration::from_millis(50));
    }
    assert!(clients.iter().all(|client| client.wrong.len() > 32));
}
