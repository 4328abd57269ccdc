// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Damage is refused by name, or the rows it hit are; it is never a silent loss (case 40). What to do then; what happens
//! to Origin-State-Id (R-28b); the lock.

mod common;

use aaad::store::embedded::{self, DATA, Embedded, JOURNALS, Limits, MARK};
use aaad::store::{LocationStore, Opening};
use common::disk::{Disk, Rng};
use common::driver::*;
use common::model::Model;
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;

fn open_as(path: &Path, opening: Opening) -> Result<Driver<Embedded>, String> {
    let mut store = None;
    let driver = Driver::new(|wake| {
        store = Some(embedded::open_directory(path, Limits::default(), opening, at(0).wall, wake));
    });
    store.unwrap().map(|store| driver.with(store)).map_err(|error| error.to_string())
}

fn open(path: &Path) -> Result<Driver<Embedded>, String> {
    open_as(path, Opening::AsItIs)
}

fn close(driver: Driver<Embedded>) {
    Box::new(driver.store).close();
}

/// The refusal of a store that must not open.
fn refusal(path: &Path) -> String {
    match open(path) {
        Err(said) => {
            assert!(said.starts_with(&format!("store {}: ", path.display())), "{said}");
            assert!(said.contains("--restored") && said.contains("--start-empty"), "{said}");
            said
        }
        Ok(_) => panic!("it opened"),
    }
}

/// A store of 120 MNs that moved often.
fn filled(path: &Path) -> (Model, Driver<Embedded>) {
    let (mut model, mut driver) = (Model::new(120, 7), open(path).unwrap());
    while model.answered < 2000 {
        model.submit_some(&mut driver);
        while model.waits() {
            model.take(&mut driver).unwrap();
        }
    }
    (model, driver)
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in [DATA, MARK].into_iter().chain(JOURNALS) {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.path().join(name)).unwrap();
        }
    }
    to
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The database panics at much of the damage, which is of no interest here.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
}

/// Opens a store on a disk of its own, so that a run has the time for many.
fn open_copy(
    data: Vec<u8>,
    journals: [Vec<u8>; 2],
    mark: &[u8],
) -> Result<Driver<Embedded>, String> {
    let (disk, mut store) = (Disk::with(data, journals, mark), None);
    QUIET.set(true);
    let driver = Driver::new(|wake| {
        store = Some(embedded::open(
            disk,
            Limits::default(),
            Opening::AsItIs,
            at(0).wall,
            "copy",
            wake,
        ));
    });
    QUIET.set(false);
    store.unwrap().map(|store| driver.with(store)).map_err(|error| error.to_string())
}

/// Flips bits of the database here and there; nothing may be lost without a word. How many were noticed.
fn flip(from: &Path, model: &Model, rng: &mut Rng) -> usize {
    quiet_panics();
    let whole = fs::read(from.join(DATA)).unwrap();
    let journals = || JOURNALS.map(|name| fs::read(from.join(name)).unwrap_or_default());
    let mark = fs::read(from.join(MARK)).unwrap();
    // All of the header, and of the rest what a CI run has the time for.
    let header = (rng.below(2)..320).step_by(2);
    let rest = (0..300).map(|_| 320 + rng.below(whole.len() - 320)).collect::<Vec<_>>();
    let mut noticed = 0;
    for offset in header.chain(rest) {
        let mut damaged = whole.clone();
        damaged[offset] ^= 1 << rng.below(8);
        match open_copy(damaged, journals(), &mark) {
            Err(said) => {
                assert!(said.contains(DATA), "{said}");
                noticed += 1;
            }
            Ok(mut driver) => {
                let refused = model.fork().check_but_refused(&mut driver);
                let refused = refused.unwrap_or_else(|said| panic!("octet {offset}: {said}"));
                noticed += usize::from(refused > 0);
                close(driver);
            }
        }
    }
    noticed
}

#[test]
fn a_flipped_bit_in_the_database_after_a_kill_is_never_a_silent_loss() {
    let directory = tempfile::tempdir().unwrap();
    let (model, driver) = filled(directory.path());
    let killed = copy(directory.path());
    close(driver);
    assert!(flip(killed.path(), &model, &mut Rng(1)) > 20);
}

#[test]
fn a_flipped_bit_in_the_database_after_a_planned_stop_is_never_a_silent_loss() {
    let directory = tempfile::tempdir().unwrap();
    let (model, driver) = filled(directory.path());
    close(driver);
    assert!(flip(directory.path(), &model, &mut Rng(2)) > 20);
}

#[test]
fn a_flipped_bit_in_the_journal_after_a_kill_is_refused_by_name_or_hurts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (model, driver) = filled(directory.path());
    let killed = copy(directory.path());
    close(driver);
    let data = fs::read(killed.path().join(DATA)).unwrap();
    let mark = fs::read(killed.path().join(MARK)).unwrap();
    let journal = fs::read(killed.path().join(JOURNALS[0])).unwrap();
    let end = journal.iter().rposition(|octet| *octet != 0).unwrap() + 1;
    let (mut rng, mut refused) = (Rng(3), 0);
    // What a CI run has the time for, and every bit of the last record's head.
    let places = (0..250).map(|_| (rng.below(end), rng.below(8))).collect::<Vec<_>>();
    let last = (0..end).step_by(512).rfind(|at| journal[*at..].starts_with(b"rmpj")).unwrap();
    let head = (last..last + 24).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    for (at, bit) in places.into_iter().chain(head) {
        let mut damaged = journal.clone();
        damaged[at] ^= 1 << bit;
        match open_copy(data.clone(), [damaged, Vec::new()], &mark) {
            Err(said) => {
                assert!(said.contains("journal") || said.contains("older than"), "{said}");
                refused += 1;
            }
            Ok(mut driver) => {
                model.fork().check(&mut driver).unwrap_or_else(|said| panic!("{at}: {said}"));
                close(driver);
            }
        }
    }
    assert!(refused > 192, "{refused}");
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_high_water_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (mut model, driver) = filled(directory.path());
    close(driver);
    let mark = directory.path().join(MARK);
    let good = fs::read(&mark).unwrap();
    assert_eq!(good.len(), 16);
    for bit in 0..128 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&mark, bad).unwrap();
        assert!(refusal(directory.path()).contains("high-water is damaged"));
    }
    for end in 0..16 {
        fs::write(&mark, &good[..end]).unwrap();
        assert!(refusal(directory.path()).contains("high-water is damaged"));
    }
    fs::remove_file(&mark).unwrap();
    assert!(refusal(directory.path()).contains("high-water is missing"));
    fs::write(&mark, good).unwrap();
    let mut driver = open(directory.path()).unwrap();
    model.check(&mut driver).unwrap();
}

#[test]
fn a_database_that_is_missing_cut_short_or_older_than_the_answers_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut model, driver) = filled(directory.path());
    let older = copy(directory.path());
    let mut driver = driver;
    model.submit_some(&mut driver);
    while model.waits() {
        model.take(&mut driver).unwrap();
    }
    close(driver);
    let data = directory.path().join(DATA);
    let whole = fs::read(&data).unwrap();
    for length in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&data, &whole[..length]).unwrap();
        assert!(refusal(directory.path()).contains("locations.redb is damaged"), "{length}");
    }
    fs::write(&data, "no database at all").unwrap();
    assert!(refusal(directory.path()).contains("locations.redb is damaged"));
    fs::remove_file(&data).unwrap();
    assert!(refusal(directory.path()).contains("locations.redb is missing"));
    let alone = copy(directory.path());
    fs::remove_file(alone.path().join(MARK)).unwrap();
    assert!(refusal(alone.path()).contains("locations.redb is missing beside journal-"));
    let journals = JOURNALS.map(|name| fs::read(directory.path().join(name)).unwrap_or_default());
    for name in [DATA].into_iter().chain(JOURNALS) {
        let _ = fs::copy(older.path().join(name), directory.path().join(name));
    }
    let said = refusal(directory.path());
    assert!(said.contains("older than what was answered: the last 1 of"), "{said}");
    for (name, octets) in JOURNALS.iter().zip(journals) {
        fs::write(directory.path().join(name), octets).unwrap();
    }
    // The journal alone holds what the older table lacks.
    model.fork().check(&mut open(copy(directory.path()).path()).unwrap()).unwrap();
    fs::write(&data, whole).unwrap();
    model.check(&mut open(directory.path()).unwrap()).unwrap();
}

#[test]
fn origin_state_id_is_kept_with_the_table_and_rises_when_it_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut model, mut driver) = filled(path);
    let backup = copy(path);
    let first = driver.store.state_id();
    close(driver);
    driver = open(path).unwrap();
    assert_eq!(driver.store.state_id(), first, "the table is whole");
    assert_eq!(driver.store.known(), 120);
    let mut at_backup = model.fork();
    model.check(&mut driver).unwrap();
    close(driver);

    fs::write(path.join(MARK), "damage").unwrap();
    driver = open_as(path, Opening::Empty).unwrap();
    let second = driver.store.state_id();
    assert!(second > first);
    assert_eq!(driver.store.known(), 0);
    Model::new(120, 1).check(&mut driver).unwrap();
    close(driver);
    assert!(path.join("set-aside-1").join(DATA).exists(), "what was there is not thrown away");

    for name in [DATA, MARK].into_iter().chain(JOURNALS) {
        let _ = fs::copy(backup.path().join(name), path.join(name));
    }
    driver = open_as(path, Opening::Restored).unwrap();
    let third = driver.store.state_id();
    assert!(third > second);
    at_backup.check(&mut driver).unwrap();
    close(driver);
    assert_eq!(open(path).unwrap().store.state_id(), third);
}

#[test]
fn a_start_that_was_cut_off_while_the_store_was_made_is_made_good_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    close(open(directory.path()).unwrap());
    let creating = {
        use sha2::{Digest, Sha256};
        let number = [0xff; 8];
        let sum = Sha256::new().chain_update("high-water").chain_update(number).finalize();
        [&number[..], &sum[..8]].concat()
    };
    fs::write(directory.path().join(MARK), &creating).unwrap();
    close(open(directory.path()).unwrap());
    fs::remove_file(directory.path().join(DATA)).unwrap();
    fs::write(directory.path().join(MARK), &creating).unwrap();
    fs::write(directory.path().join("locations.redb.new"), "half").unwrap();
    let mut driver = open(directory.path()).unwrap();
    Model::new(5, 1).check(&mut driver).unwrap();
}

#[test]
fn a_row_under_another_mns_key_is_refused_and_the_others_are_served() {
    const ROWS: redb::TableDefinition<&[u8; 16], &[u8]> = redb::TableDefinition::new("rows");
    let directory = tempfile::tempdir().unwrap();
    let (model, driver) = filled(directory.path());
    close(driver);
    let database = redb::Database::open(directory.path().join(DATA)).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        use redb::ReadableTable;
        let mut rows = transaction.open_table(ROWS).unwrap();
        let key = *rows.first().unwrap().unwrap().0.value();
        let other = rows.last().unwrap().unwrap().1.value().to_vec();
        rows.insert(&key, other.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let mut driver = open(directory.path()).unwrap();
    assert_eq!(model.fork().check_but_refused(&mut driver), Ok(1));
}

#[test]
fn two_stores_in_one_directory_are_refused_naming_path_and_pid() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path()).unwrap();
    let said = open(directory.path()).err().unwrap();
    let (path, pid) = (directory.path().display().to_string(), std::process::id());
    assert!(said.contains(&path) && said.contains(&format!("(pid {pid})")), "{said}");
    assert_eq!(first.attach(at(1), attach(A1, 1, None)), accepted(NOBODY, time(1)));
}
