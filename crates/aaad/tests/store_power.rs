// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power that fails (case 39), disks that fill up or fail (case 23).

mod common;

use aaad::config::Config;
use aaad::server::Server;
use aaad::store::embedded::{self, Embedded, Limits};
use aaad::store::{Attach, LocationStore, Opening, Operation, Outcome};
use common::disk::{Disk, Rng};
use common::driver::*;
use common::model::Model;
use common::{Raw, Running, result_code};
use std::sync::Mutex;

fn open_with(disk: &Disk, limits: Limits) -> Result<Driver<Embedded>, String> {
    let mut result = Ok(());
    let driver = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Driver::new(|wake| {
            embedded::open(disk.clone(), limits, Opening::AsItIs, at(0).wall, "test", wake)
                .map_err(|error| result = Err(error.to_string()))
                .unwrap()
        })
    }));
    result.map(|()| driver.unwrap())
}

fn open(disk: &Disk) -> Result<Driver<Embedded>, String> {
    open_with(disk, Limits::default())
}

/// Load, a power loss at some moment, a new start on what is left: is everything there that was answered?
fn power_loss(disk: &Disk, limits: Limits, seed: u64) -> Result<usize, String> {
    let mut rng = Rng(seed);
    let mut model = Model::new(60, seed);
    let mut driver = open_with(disk, limits)?;
    let end = rng.below(400);
    while model.answered < end {
        model.submit_some(&mut driver);
        if model.waits() && rng.below(2) == 0 {
            model.take(&mut driver)?;
        }
    }
    model.submit_some(&mut driver);
    let left = disk.after_power_loss(&mut rng);
    Box::new(driver.store).close();
    let answered = model.answered;
    let mut driver = open_with(&left, limits)?;
    model.check(&mut driver)?;
    Box::new(driver.store).close();
    Ok(answered)
}

#[test]
fn after_a_power_loss_every_answered_request_is_there() {
    let mut answered = 0;
    for seed in 0..60 {
        let limits = Limits::default();
        answered += power_loss(&Disk::new(), limits, seed)
            .unwrap_or_else(|said| panic!("seed {seed}: {said}"));
    }
    assert!(answered > 5000);
}

/// Every other group ends a journal file, so the power fails while rows go into the table, between that and the next
/// file's first record, and so on.
const SMALL: Limits = Limits { generation: 1 << 20, journal: 8 * 1024 };

#[test]
fn after_a_power_loss_while_the_journal_changes_files_every_answered_request_is_there() {
    let mut changes = 0;
    for seed in 0..60 {
        let disk = Disk::new();
        power_loss(&disk, SMALL, seed).unwrap_or_else(|said| panic!("seed {seed}: {said}"));
        changes += disk.changes_of_journal();
    }
    assert!(changes > 100, "{changes}");
}

#[test]
fn the_oracle_sees_a_journal_overwritten_before_its_rows_are_in_the_table() {
    let lost = |seed: &u64| power_loss(&Disk::without_sync_of_data(), SMALL, *seed).is_err();
    let lost = (0..20).filter(lost).count();
    assert!(lost >= 10, "seen in {lost} of 20 runs");
}

#[test]
fn the_oracle_sees_a_store_whose_sync_is_switched_off() {
    let lost = (0..20)
        .filter(|seed| power_loss(&Disk::without_sync(), Limits::default(), *seed).is_err())
        .count();
    assert!(lost >= 15, "seen in {lost} of 20 runs");
}

fn moves(ids: std::ops::Range<u32>) -> impl Iterator<Item = Operation> {
    ids.map(|id| Operation::Attach(Attach { mn_id: mn(id), ..attach(A1, id, None) }))
}

fn mn(id: u32) -> std::sync::Arc<str> {
    format!("user{id}@example.org").into()
}

/// A disk that fails under a store: nothing is answered that is not there later.
fn failing_disk(fail: impl Fn(&Disk), mend: impl Fn(&Disk)) {
    let disk = Disk::new();
    let mut driver = open(&disk).unwrap();
    let before = driver.run(at(10), moves(0..100));
    fail(&disk);
    let mut answered = 100;
    // A disk that is nearly full may take some more.
    while driver.run(at(11), moves(answered..answered + 1)) != [Outcome::Failed] {
        answered += 1;
    }
    assert_eq!(driver.run(at(12), moves(200_000..200_050)), [Outcome::Failed; 50]);
    assert_eq!(driver.run(at(12), moves(0..100)), before, "repeats need no room");
    mend(&disk);
    assert_eq!(driver.run(at(13), moves(200_050..200_051)), [Outcome::Failed], "until a restart");
    Box::new(driver.store).close();
    let mut driver = open(&disk).unwrap();
    assert_eq!(driver.run(at(14), moves(0..100)), before);
    for id in 0..answered {
        let next = Attach { mn_id: mn(id), ..attach(A2, id, None) };
        assert!(matches!(
            driver.attach(at(15), next),
            aaad::store::Reply::Accepted { previous: A1, .. }
        ));
    }
}

#[test]
fn a_full_disk_makes_it_read_only_and_a_restart_with_room_mends_it() {
    for room in [0, 5_000, 100_000] {
        failing_disk(|disk| disk.fill_up(room), Disk::make_room);
    }
}

#[test]
fn a_failed_fsync_makes_it_read_only() {
    failing_disk(|disk| disk.fail_sync(true), |disk| disk.fail_sync(false));
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl log::Log for Keep {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn on_a_full_disk_the_server_answers_5012_says_so_once_and_serves_the_rest() {
    log::set_logger(&Keep).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let disk = Disk::new();
    let text = "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: memory\n";
    let config = Config::parse(text.as_bytes()).unwrap();
    let files = disk.clone();
    let server = Server::bind_with(config, |wake| {
        let store =
            embedded::open(files, Limits::default(), Opening::AsItIs, at(0).wall, "full", wake)?;
        Ok(Box::new(store) as Box<dyn LocationStore>)
    });
    let server = Running::of(server.unwrap());
    let mut a1 = Raw::open(&server, "amaar1.example.org");
    let ids = a1.ids();
    let first = a1.request(A1).encode(&a1.origin, ids);
    a1.send(&first);
    let answer = a1.receive().unwrap();
    assert_eq!(result_code(&answer), 2001);
    disk.fill_up(0);
    let mut a2 = Raw::open(&server, "amaar2.example.org");
    for _ in 0..3 {
        assert_eq!(a2.attach(A2).result_code, 5012);
    }
    let session = a1.request(A1).session_id;
    let stop = a1.stop_request(&session);
    a1.send(&stop);
    assert_eq!(result_code(&a1.receive().unwrap()), 5012);
    a1.send(&first);
    assert_eq!(a1.receive().unwrap(), answer);
    let dwr = diameter::base::dwr(&a2.origin, (900, 900));
    a2.send(&dwr);
    assert_eq!(result_code(&a2.receive().unwrap()), 2001);
    server.stop();
    let lines = LINES.lock().unwrap();
    let said = lines.iter().filter(|line| line.starts_with("store full: cannot be written"));
    assert_eq!(said.count(), 1, "{lines:#?}");
}
