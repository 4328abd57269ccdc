// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The store in PostgreSQL: what `--check` and the start say, an aaad killed beside another, a primary killed and its
//! standby promoted (case 41). The contract is in `store_contract.rs`.

mod common;

use aaad::store::{LocationStore, Opening, Operation, Outcome, postgres};
use common::driver::*;
use common::load::Client;
use common::model::Model;
use common::postgres::{Server, new_database, signal};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Store = postgres::Postgres;

fn open(url: &str, opening: Opening) -> Result<Driver<Store>, String> {
    let mut result = Ok(());
    let mut driver = Driver::new(|wake| {
        postgres::open(url, 3, opening, at(0).wall, &wake)
            .map_err(|error| result = Err(error.to_string()))
            .ok()
    });
    let store = driver.store.take();
    result.map(|()| driver.with(store.unwrap()))
}

fn close(driver: Driver<Store>) {
    Box::new(driver.store).close();
}

#[test]
fn rows_outlive_the_process_and_a_second_one_sees_every_move_of_the_first() {
    let url = new_database();
    let mut model = Model::new(60, 1);
    let (mut one, mut two) =
        (open(&url, Opening::AsItIs).unwrap(), open(&url, Opening::AsItIs).unwrap());
    // By turns: what the other wrote lies in nobody's cache.
    for _ in 0..4 {
        model.check(&mut one).unwrap();
        model.check(&mut two).unwrap();
    }
    assert_eq!(one.store.state_id(), two.store.state_id());
    close(one);
    close(two);
    let mut driver = open(&url, Opening::AsItIs).unwrap();
    assert_eq!(driver.store.known(), 60);
    model.check(&mut driver).unwrap();
    close(driver);
}

#[test]
fn a_request_answered_by_one_process_is_a_repeat_for_the_other() {
    let url = new_database();
    let (mut one, mut two) =
        (open(&url, Opening::AsItIs).unwrap(), open(&url, Opening::AsItIs).unwrap());
    let first = one.attach(at(10), attach(A1, 1, None));
    assert_eq!(two.attach(at(11), attach(A1, 1, None)), first);
    assert_eq!(two.attach(at(12), attach(A2, 2, None)), accepted(A1, time(12)));
    // It has an old row in its cache.
    assert_eq!(one.attach(at(13), attach(A2, 2, None)), accepted(A1, time(12)));
    assert!(one.detach("usera@example.org", "session of a2"), "judged by the row as it is");
    assert_eq!(two.attach(at(50), attach(A1, 3, None)), accepted(NOBODY, time(50)));
    close(one);
    close(two);
}

#[test]
fn two_processes_at_once_make_a_single_chain() {
    let url = new_database();
    let ends: Vec<_> = (0..2)
        .map(|half| {
            let url = url.clone();
            std::thread::spawn(move || {
                let mut driver = open(&url, Opening::AsItIs).unwrap();
                let mut links = Vec::new();
                for n in 0..150u16 {
                    let maar = std::net::Ipv6Addr::new(0x2001, 0xdb8, half, 0, 0, 0, 0, 1 + n);
                    let request = attach(maar, u32::from(half) << 16 | u32::from(n), None);
                    match driver.attach(at(20), request) {
                        aaad::store::Reply::Accepted { previous, time } => {
                            links.push((time, previous, maar));
                        }
                        other => panic!("{other:?}"),
                    }
                }
                close(driver);
                links
            })
        })
        .collect();
    let mut links: Vec<_> = ends.into_iter().flat_map(|end| end.join().unwrap()).collect();
    links.sort();
    let (mut expected, mut previous) = (time(20), NOBODY);
    for (time, from, to) in links {
        assert_eq!((time, from), (expected, previous), "versions rise by one");
        (expected, previous) = (time.next(), to);
    }
}

#[test]
fn origin_state_id_is_kept_and_rises_when_the_table_is_set_aside_or_restored() {
    let url = new_database();
    let driver = open(&url, Opening::AsItIs).unwrap();
    let first = driver.store.state_id();
    close(driver);
    assert_eq!(open(&url, Opening::AsItIs).unwrap().store.state_id(), first);
    let mut driver = open(&url, Opening::Empty).unwrap();
    assert!(driver.store.state_id() > first);
    let second = driver.store.state_id();
    Model::new(20, 1).check(&mut driver).unwrap();
    close(driver);
    let driver = open(&url, Opening::Restored).unwrap();
    assert!(driver.store.state_id() > second);
    assert_eq!(driver.store.known(), 20);
    close(driver);
}

#[test]
fn a_damaged_row_is_refused_and_the_others_are_served() {
    let url = new_database();
    let mut model = Model::new(30, 1);
    let mut driver = open(&url, Opening::AsItIs).unwrap();
    model.check(&mut driver).unwrap();
    close(driver);
    let mut client = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
    client
        .batch_execute("UPDATE location SET row = set_byte(row, 20, get_byte(row, 20) # 1) WHERE key = (SELECT key FROM location ORDER BY key LIMIT 1)")
        .unwrap();
    let mut driver = open(&url, Opening::AsItIs).unwrap();
    assert_eq!(model.check_but_refused(&mut driver), Ok(1));
    close(driver);
}

#[test]
fn a_server_that_may_forget_or_is_not_there_is_refused_with_the_mend() {
    let url = new_database();
    let said = open(&url.replace("dbname=", "dbname=no"), Opening::AsItIs).err().unwrap();
    assert!(said.contains("does not exist") && said.contains("aaad --check"), "{said}");
    assert!(postgres::check(&url).unwrap().to_string().contains("no tables yet"));
    close(open(&url, Opening::AsItIs).unwrap());
    let about = postgres::check(&url).unwrap().to_string();
    assert!(about.contains("0 MNs, no synchronous standby"), "{about}");
    let mut client = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
    client.batch_execute("INSERT INTO aaad_schema VALUES (99)").unwrap();
    let said = open(&url, Opening::AsItIs).err().unwrap();
    assert!(said.contains("version 99, made by a newer aaad"), "{said}");
}

#[test]
fn while_the_server_is_away_nothing_is_answered_2001_and_then_it_goes_on() {
    let server = Server::start();
    let mut driver = open(&server.url("postgres"), Opening::AsItIs).unwrap();
    assert_eq!(driver.attach(at(10), attach(A1, 1, None)), accepted(NOBODY, time(10)));
    drop(server);
    let outcomes = driver.run(at(11), [Operation::Attach(attach(A2, 2, None))]);
    assert_eq!(outcomes, [Outcome::Failed]);
    close(driver);
}

fn aaad(directory: &Path, name: &str, url: &str) -> (Child, SocketAddr) {
    let text = format!(
        "host: {name}.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: {{postgres: \"{url}\"}}\n"
    );
    let file = directory.join(format!("{name}.yaml"));
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_aaad"))
        .arg("--config")
        .arg(file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.by_ref().find_map(|line| Some(line.split_once("ready on ")?.1.to_owned()));
    // Read on, or the server would wait for somebody to.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("it is ready").parse().unwrap())
}

const WINDOW: usize = 32;

fn clients() -> Vec<Client> {
    (0..4).map(|n| Client::new(&format!("amaar{n}.example.org"), 64, n as u64)).collect()
}

/// All of them at once, each with its own thread.
fn each(clients: &mut [Client], act: impl Fn(&mut Client) + Sync) {
    std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| act(client));
        }
    });
}

fn wrong(clients: &[Client]) -> Vec<&String> {
    clients.iter().flat_map(|client| &client.wrong).collect()
}

#[test]
fn one_of_two_killed_under_load_all_requests_are_answered_within_a_second_by_the_other() {
    let (directory, url) = (tempfile::tempdir().unwrap(), new_database());
    let (mut first, one) = aaad(directory.path(), "aaa1", &url);
    let (mut second, two) = aaad(directory.path(), "aaa2", &url);
    let mut clients = clients();
    each(&mut clients, |client| {
        // The other knows the rows as they are now, so that its cache is old later.
        client.run(two, WINDOW, client.pass()).unwrap();
        client.run(one, WINDOW, client.pass()).unwrap();
    });
    std::thread::scope(|scope| {
        let runs: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || {
                    client.run(one, WINDOW, u64::MAX / 2).expect_err("it was killed");
                    let (lost, pending) = (Instant::now(), client.in_flight() as u64);
                    client.run(two, WINDOW, pending).unwrap();
                    (pending, lost.elapsed())
                })
            })
            .collect();
        // Not to wait for something: this is the load.
        std::thread::sleep(Duration::from_millis(300));
        first.kill().unwrap();
        for run in runs {
            let (pending, took) = run.join().unwrap();
            assert!(pending > 0 && took < Duration::from_secs(1), "{pending} in {took:?}");
        }
    });
    each(&mut clients, |client| client.run(two, WINDOW, 2 * client.pass()).unwrap());
    assert!(wrong(&clients).is_empty(), "{:#?}", wrong(&clients));
    assert!(clients.iter().map(|client| client.repeated).sum::<u64>() > 0);
    first.wait().unwrap();
    signal("TERM", &second.id().to_string());
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

/// Load, the primary killed, the standby promoted; the load's end comes after that.
fn promotion(synchronous: bool) -> Vec<Client> {
    let primary = Server::start();
    let standby = primary.standby(synchronous);
    let directory = tempfile::tempdir().unwrap();
    let (mut child, address) = aaad(directory.path(), "aaa", &primary.url_of_both(&standby));
    let mut clients = clients();
    each(&mut clients, |client| client.run(address, WINDOW, client.pass()).unwrap());
    let receiver = if synchronous { None } else { Some(standby.stop_receiving()) };
    std::thread::scope(|scope| {
        let runs: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || client.run(address, WINDOW, 40 * client.pass()).unwrap())
            })
            .collect();
        // Not to wait for something: this is the load.
        std::thread::sleep(Duration::from_millis(200));
        primary.kill();
        receiver.iter().for_each(|pid| signal("CONT", pid));
        standby.promote();
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
    child.kill().unwrap();
    child.wait().unwrap();
    clients
}

#[test]
fn primary_killed_and_standby_promoted_under_load_nothing_answered_is_missing() {
    let clients = promotion(true);
    assert!(wrong(&clients).is_empty(), "{:#?}", wrong(&clients));
}

#[test]
fn the_oracle_sees_a_standby_that_was_not_waited_for() {
    assert!(!wrong(&promotion(false)).is_empty());
}
