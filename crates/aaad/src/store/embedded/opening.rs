// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From files to an open database, or to a sentence that says what is damaged and what to do. What counts as whole:
//! the database's own checksums hold on every page, the journal goes on from there without a gap, and both together are
//! not behind the high-water file. That file is written after each group and before the answers leave, so a database that
//! fell back to an older commit, and a journal that lost its end, are found out.

use super::checkpoint::{self, Entry, Rows};
use super::files::{DATA, Files, JOURNALS, MARK};
use super::journal::{self, Broken, SLOTS};
use crate::store::codec::{self, checksum};
use crate::store::row::{Row, apply};
use crate::store::{Opening, StoreError};
use log::{info, warn};
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTableMetadata, StorageError,
};
use redb::{TableDefinition, WriteTransaction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The rows: [`crate::store::codec`].
pub const ROWS: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("rows");
/// One row of the store itself, under 0: group number, clock, Origin-State-Id.
pub const META: TableDefinition<u8, (u64, u64, u32)> = TableDefinition::new("store");

/// Stands in the high-water file while a store is made.
const CREATING: u64 = u64::MAX;
/// Pages kept by the database: the inner nodes for ten million rows and many leaves.
const PAGE_CACHE: usize = 256 * 1024 * 1024;

/// What the database says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Of the last committed group.
    pub group: u64,
    /// The store's clock then, microseconds.
    pub clock: u64,
    /// Origin-State-Id.
    pub state_id: u32,
}

/// An open store.
#[derive(Debug)]
pub struct Opened {
    /// The database, checked.
    pub database: Database,
    /// Its own row.
    pub meta: Meta,
    /// MNs ever seen.
    pub known: u64,
}

/// Whether a store is being opened, by name: what a panic now is about. A program that aborts on panic says it in a hook.
pub fn being_opened() -> Option<String> {
    OPENING.lock().ok()?.clone()
}

static OPENING: Mutex<Option<String>> = Mutex::new(None);

/// What stands in the high-water file.
enum Mark {
    Missing,
    Damaged,
    Creating,
    At(u64),
}

/// The high-water file's content for a group.
pub fn mark(group: u64) -> [u8; 16] {
    let number = group.to_be_bytes();
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&number);
    octets[8..].copy_from_slice(&checksum([b"high-water", &number]));
    octets
}

fn read_mark(files: &mut impl Files) -> Result<Mark, String> {
    let Some(octets) = files.read_mark().map_err(|error| format!("{MARK}: {error}"))? else {
        return Ok(Mark::Missing);
    };
    let number = octets.first_chunk().map(|number| u64::from_be_bytes(*number));
    Ok(match number {
        Some(number) if octets != mark(number) => Mark::Damaged,
        Some(CREATING) => Mark::Creating,
        Some(number) => Mark::At(number),
        None => Mark::Damaged,
    })
}

/// Opens the store `name`; `wall` is the time since 1970.
pub fn open(
    files: &mut impl Files,
    opening: Opening,
    wall: Duration,
    name: &str,
) -> Result<Opened, StoreError> {
    let note = |name: Option<String>| {
        if let Ok(mut opening) = OPENING.lock() {
            *opening = name;
        }
    };
    note(Some(name.to_owned()));
    let result = catch_unwind(AssertUnwindSafe(|| open_as(files, opening, wall, name)));
    note(None);
    result
        .unwrap_or_else(|_| Err(damaged(DATA)))
        .map_err(|said| StoreError(format!("store {name}: {said}")))
}

/// What to say when the database of the store `name` is damaged.
pub fn damage(name: &str) -> String {
    format!("store {name}: {}", damaged(DATA))
}

/// The sentence for damage of a file.
fn damaged(file: &str) -> String {
    format!("{file} is damaged; {MEND}")
}

const MEND: &str = "put a backup of the whole directory in its place and start once with --restored, or start once with \
                    --start-empty: then every MAAR registers its MNs again";

fn open_as(
    files: &mut impl Files,
    opening: Opening,
    wall: Duration,
    name: &str,
) -> Result<Opened, String> {
    let exists = files.exists().map_err(|error| format!("{DATA}: {error}"))?;
    match (opening, exists, read_mark(files)?) {
        (Opening::Empty, _, _) => {
            let aside =
                files.set_aside().map_err(|error| format!("cannot be set aside: {error}"))?;
            warn!("store {name}: what was there is in {aside}; starting with an empty table");
            create(files, wall)
        }
        (Opening::Restored, true, _) => restore(files, wall, name),
        (Opening::AsItIs, false, Mark::Missing | Mark::Creating) => {
            // Its records would be played into the new table at the next start.
            if let Some(name) = journal_left(files)? {
                return Err(format!("{DATA} is missing beside {name}; {MEND}"));
            }
            info!("store {name}: new, with an empty table");
            create(files, wall)
        }
        (_, false, _) => Err(format!("{DATA} is missing; {MEND}")),
        (Opening::AsItIs, true, Mark::Missing) => Err(format!("{MARK} is missing; {MEND}")),
        (Opening::AsItIs, true, Mark::Damaged) => Err(damaged(MARK)),
        (Opening::AsItIs, true, Mark::Creating) => take(files, 0, name),
        (Opening::AsItIs, true, Mark::At(group)) => take(files, group, name),
    }
}

/// A journal without its table.
fn journal_left(files: &mut impl Files) -> Result<Option<&'static str>, String> {
    for (slot, name) in JOURNALS.into_iter().enumerate() {
        let octets = files.read_journal(slot).map_err(|error| format!("{name}: {error}"))?;
        if !octets.is_empty() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn builder(name: &str) -> Builder {
    let mut builder = Builder::new();
    let (name, start, last) = (name.to_owned(), Instant::now(), Mutex::new(Duration::ZERO));
    builder.set_cache_size(PAGE_CACHE).set_check_integrity_on_open(true).set_repair_callback(
        move |session| {
            let elapsed = start.elapsed();
            if let Ok(mut last) = last.lock()
                && elapsed >= *last + Duration::from_secs(1)
            {
                *last = elapsed;
                info!("store {name}: checking, {:.0} %", session.progress() * 100.0);
            }
        },
    );
    builder
}

/// A store of no rows. A crash on the way leaves nothing that looks like a store that lost its rows.
fn create(files: &mut impl Files, wall: Duration) -> Result<Opened, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("cannot be made: {error}; look at the space and the rights there")
    };
    let state_id = next_state_id(files, wall);
    let meta = Meta { group: 0, clock: 0, state_id };
    write_mark(files, CREATING).map_err(|error| failed(&error))?;
    let database = files.create(&builder("")).map_err(|error| failed(&error))?;
    write_meta(&database, meta).map_err(|error| failed(&error))?;
    files.publish().map_err(|error| failed(&error))?;
    write_mark(files, 0).map_err(|error| failed(&error))?;
    files.note_state_id(state_id).map_err(|error| failed(&error))?;
    Ok(Opened { database, meta, known: 0 })
}

/// Larger than any before, whatever the clock says.
fn next_state_id(files: &impl Files, wall: Duration) -> u32 {
    let last = files.last_state_id().map_or(0, |last| last.saturating_add(1));
    last.max(wall.as_secs() as u32)
}

fn write_mark(files: &mut impl Files, group: u64) -> std::io::Result<()> {
    files.write_mark(&mark(group))?;
    files.sync_mark()
}

/// A transaction as all of this store are.
pub fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    // Without it a flipped bit after a kill makes the database fall back one commit without a word.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn write_meta(database: &Database, meta: Meta) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    transaction.open_table(META)?.insert(0, (meta.group, meta.clock, meta.state_id))?;
    transaction.open_table(ROWS)?;
    transaction.commit()?;
    Ok(())
}

fn read_meta(database: &Database) -> Result<Option<(Meta, u64)>, redb::Error> {
    let transaction = database.begin_read()?;
    let known = transaction.open_table(ROWS)?.len()?;
    let row = transaction.open_table(META)?.get(0)?.map(|row| row.value());
    Ok(row.map(|(group, clock, state_id)| (Meta { group, clock, state_id }, known)))
}

/// Opens what is there, whatever the high-water file says.
fn load(files: &mut impl Files, name: &str) -> Result<Opened, String> {
    let mut opened = load_table(files, name)?;
    let mut slots: [Vec<u8>; SLOTS] = Default::default();
    for (slot, octets) in slots.iter_mut().enumerate() {
        *octets = files.read_journal(slot).map_err(|error| format!("journal-{slot}: {error}"))?;
    }
    let table = read_rows(&opened.database)?;
    let (mut rows, mut clock, mut new) = (Rows::default(), opened.meta.clock, 0);
    let last = journal::play(&slots, opened.meta.group, |when, operation| {
        let key = codec::key(operation.mn_id());
        let entry = match rows.entry(key) {
            hashbrown::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hashbrown::hash_map::Entry::Vacant(place) => {
                let found = table.get(&key).map_err(|error| error.to_string())?;
                let row = found.map(|octets| codec::decode(&key, octets.value())).transpose();
                let row = row.map_err(|_| damaged(DATA))?;
                let row = row.unwrap_or_else(|| Row::vacant(operation.mn_id().clone()));
                place.insert(Box::new(Entry { row, changed: false, used_by: 0 }))
            }
        };
        new += u64::from(entry.row.version == 0);
        entry.changed |= apply(&mut entry.row, when, &operation).1;
        clock = clock.max(when.stamp.0);
        Ok(())
    });
    drop(table);
    let last =
        last.map_err(|why| why.map_or_else(|said| said, |_: Broken| damaged("the journal")))?;
    if last > opened.meta.group {
        info!("store {name}: {} groups of the journal go into the table", last - opened.meta.group);
        let meta = Meta { group: last, clock, ..opened.meta };
        checkpoint::write(&opened.database, &rows, meta).map_err(|error| {
            format!("{DATA}: cannot be written: {error}; mend that, for example make room")
        })?;
        (opened.meta, opened.known) = (meta, opened.known + new);
    }
    Ok(opened)
}

fn read_rows(
    database: &Database,
) -> Result<redb::ReadOnlyTable<&'static [u8; 16], &'static [u8]>, String> {
    let open = || Ok::<_, redb::Error>(database.begin_read()?.open_table(ROWS)?);
    open().map_err(|error| format!("{} ({error})", damaged(DATA)))
}

fn load_table(files: &mut impl Files, name: &str) -> Result<Opened, String> {
    let start = Instant::now();
    let database = files.open(&builder(name)).map_err(|error| match error {
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData
                && error.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            format!("{DATA}: {error}; mend that, the content may be sound")
        }
        error => format!("{} ({error})", damaged(DATA)),
    })?;
    let (meta, known) = read_meta(&database)
        .map_err(|error| format!("{} ({error})", damaged(DATA)))?
        .ok_or_else(|| damaged(DATA))?;
    let seconds = start.elapsed().as_secs_f32();
    info!("store {name}: whole, {known} MNs, group {}, checked in {seconds:.1} s", meta.group);
    Ok(Opened { database, meta, known })
}

fn take(files: &mut impl Files, group: u64, name: &str) -> Result<Opened, String> {
    let opened = load(files, name)?;
    if opened.meta.group < group {
        let missing = group - opened.meta.group;
        return Err(format!(
            "{DATA} is older than what was answered: the last {missing} of {group} groups are missing; {MEND}"
        ));
    }
    // Behind after a power loss: it is written without fsync.
    files.write_mark(&mark(opened.meta.group)).map_err(|error| format!("{MARK}: {error}"))?;
    files.note_state_id(opened.meta.state_id).map_err(|error| format!("lock: {error}"))?;
    Ok(opened)
}

fn restore(files: &mut impl Files, wall: Duration, name: &str) -> Result<Opened, String> {
    let mut opened = load(files, name)?;
    let failed = |error: &dyn std::fmt::Display| format!("cannot be written: {error}");
    files
        .note_state_id(files.last_state_id().unwrap_or(0).max(opened.meta.state_id))
        .map_err(|error| failed(&error))?;
    opened.meta.state_id = next_state_id(files, wall);
    opened.meta.group += 1;
    write_meta(&opened.database, opened.meta).map_err(|error| failed(&error))?;
    write_mark(files, opened.meta.group).map_err(|error| failed(&error))?;
    files.note_state_id(opened.meta.state_id).map_err(|error| failed(&error))?;
    warn!("store {name}: restored; the MAARs register again what changed since the backup");
    Ok(opened)
}
