// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The writer thread: everything that waits becomes one group. Its operations are decided on rows in memory, its record is
//! made durable in the journal, the high-water file says so, then the outcomes leave. A group of nothing but repeats writes
//! nothing. When the journal's file or the memory for rows is full, the rows that changed go into the table and the journal
//! goes on in its other file. After a failed write the store is read-only: repeats are still answered, everything else
//! with 5012.

use super::Limits;
use super::checkpoint::{Checkpoints, Entry, Rows};
use super::files::Files;
use super::journal::{self, SLOTS};
use super::opening::{Meta, Opened, ROWS, mark};
use crate::store::codec::{self, Key};
use crate::store::row::{Row, Stamp, When, apply};
use crate::store::{Operation, Outcome, Request, Wake};
use crate::text::Foreign;
use hashbrown::hash_map::Entry as Place;
use log::error;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use wire::time::{AttachTime, Now};

/// Operations after which no more are gathered.
const GROUP: usize = 1024;
/// So much more of a generation and of a journal file when the generation before is not in the table yet; then the writer waits for it.
const PATIENCE: usize = 2;
/// Log lines about damaged rows in all.
const DAMAGE_LINES: u32 = 100;

/// What is handed over in one piece.
pub type Parcel = (Now, Vec<Request>);

/// Why a group, or a row, cannot be served.
enum Fault {
    /// The database's word, or the system's.
    Store(String),
    /// One row is not what was written.
    Row,
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Store(error.into().to_string())
    }
}

type Table = ReadOnlyTable<&'static [u8; 16], &'static [u8]>;

/// The thread's state.
pub struct Writer<F> {
    pub name: String,
    pub files: F,
    limits: Limits,
    database: Arc<Database>,
    checkpoints: Checkpoints,
    meta: Meta,
    known: Arc<AtomicU64>,
    /// Rows used since the last checkpoint began.
    young: Rows,
    /// Those of the generation before, on their way into the table or there.
    old: Arc<Rows>,
    /// Rows as they were before this group; none for those that were not in `young`.
    undo: Vec<(Key, Option<Row>, bool)>,
    /// The group being decided.
    turn: u64,
    /// MNs seen first in this group.
    new: u64,
    slot: usize,
    offset: u64,
    record: Vec<u8>,
    /// What to add to the caller's monotonic clock.
    offset_of_clock: Option<u64>,
    read_only: bool,
    damage_lines: u32,
}

impl<F: Files> Writer<F> {
    pub fn new(
        name: String,
        files: F,
        limits: Limits,
        opened: Opened,
        known: Arc<AtomicU64>,
    ) -> std::io::Result<Writer<F>> {
        let database = Arc::new(opened.database);
        Ok(Writer {
            name,
            files,
            limits,
            checkpoints: Checkpoints::start(database.clone())?,
            database,
            meta: opened.meta,
            known,
            young: Rows::default(),
            old: Arc::default(),
            undo: Vec::new(),
            turn: 0,
            new: 0,
            slot: 0,
            offset: 0,
            record: Vec::new(),
            offset_of_clock: None,
            read_only: false,
            damage_lines: 0,
        })
    }

    /// Until the other end of `inbox` is gone.
    pub fn run(
        mut self,
        inbox: &Receiver<Parcel>,
        outbox: &Sender<Vec<(u64, Outcome)>>,
        wake: &Wake,
    ) {
        while let Ok(parcel) = inbox.recv() {
            let mut count = parcel.1.len();
            let mut group = vec![parcel];
            while count < GROUP {
                let Ok(parcel) = inbox.try_recv() else { break };
                count += parcel.1.len();
                group.push(parcel);
            }
            // Nobody there: the server is over, what is stored stays stored.
            let _ = outbox.send(self.group(&group));
            wake();
            self.checkpoint_if_due();
        }
        self.close();
    }

    /// One group: decided, durable, then the outcomes.
    fn group(&mut self, group: &[Parcel]) -> Vec<(u64, Outcome)> {
        let done = catch_unwind(AssertUnwindSafe(|| self.decide_and_write(group)));
        let fault = match done {
            Ok(Ok(outcomes)) => return outcomes,
            Ok(Err(Fault::Store(said))) => said,
            Ok(Err(Fault::Row)) => "a row is damaged".to_owned(),
            Err(_) => "the database panicked".to_owned(),
        };
        self.undo();
        self.stop_writing(&fault);
        let ids = group.iter().flat_map(|(_, requests)| requests.iter().map(|r| r.id));
        ids.map(|id| (id, Outcome::Failed)).collect()
    }

    /// The rows as they were before this group, which is not on disk.
    fn undo(&mut self) {
        for (key, row, changed) in self.undo.drain(..).rev() {
            match row {
                Some(row) => {
                    self.young.insert(key, Box::new(Entry { row, changed, used_by: 0 }));
                }
                None => drop(self.young.remove(&key)),
            }
        }
    }

    fn stop_writing(&mut self, said: &str) {
        if !std::mem::replace(&mut self.read_only, true) {
            error!(
                "store {}: cannot be written: {said}; read-only from now on (5012): mend that, for example make room, and restart",
                self.name
            );
        }
    }

    fn decide_and_write(&mut self, group: &[Parcel]) -> Result<Vec<(u64, Outcome)>, Fault> {
        let mut table = None;
        let mut outcomes = Vec::with_capacity(group.iter().map(|(_, r)| r.len()).sum());
        (self.turn, self.new) = (self.turn + 1, 0);
        self.undo.clear();
        journal::begin(&mut self.record);
        for (now, requests) in group {
            let when = When { stamp: self.stamp(*now), wall: AttachTime::from_unix(now.wall) };
            for Request { id, operation } in requests {
                let outcome = match self.apply(when, operation, &mut table) {
                    Ok(outcome) => outcome,
                    Err(Fault::Row) => Outcome::Failed,
                    Err(fault) => return Err(fault),
                };
                outcomes.push((*id, outcome));
            }
        }
        drop(table);
        self.write()?;
        Ok(outcomes)
    }

    /// The store's clock: it goes on from where it was at the last commit of the process before.
    fn stamp(&mut self, now: Now) -> Stamp {
        let offset = *self.offset_of_clock.get_or_insert_with(|| {
            let start = self.meta.clock.max(now.wall.as_micros() as u64);
            start.saturating_sub(now.mono.0)
        });
        self.meta.clock = self.meta.clock.max(now.mono.0.saturating_add(offset));
        Stamp(self.meta.clock)
    }

    /// One operation on its row.
    fn apply(
        &mut self,
        when: When,
        operation: &Operation,
        table: &mut Option<Table>,
    ) -> Result<Outcome, Fault> {
        let key = codec::key(operation.mn_id());
        if !self.young.contains_key(&key) {
            let row = match self.old.get(&key) {
                Some(entry) => entry.row.clone(),
                None => self.read(&key, operation, table)?,
            };
            self.undo.push((key, None, false));
            let entry = Entry { row, changed: false, used_by: self.turn };
            self.young.insert(key, Box::new(entry));
        }
        let Place::Occupied(mut place) = self.young.entry(key) else {
            return Err(Fault::Store("a row went missing in memory".into()));
        };
        let entry = place.get_mut();
        if self.read_only {
            return Ok(unchanged(&entry.row, when, operation));
        }
        if entry.used_by != self.turn {
            entry.used_by = self.turn;
            self.undo.push((key, Some(entry.row.clone()), entry.changed));
        }
        let first = entry.row.version == 0;
        let (outcome, changed) = apply(&mut entry.row, when, operation);
        if changed {
            entry.changed = true;
            self.new += u64::from(first);
            journal::add(&mut self.record, when, operation);
        }
        Ok(outcome)
    }

    fn read(
        &mut self,
        key: &Key,
        operation: &Operation,
        table: &mut Option<Table>,
    ) -> Result<Row, Fault> {
        let table = match table {
            Some(table) => table,
            None => table.insert(self.database.begin_read()?.open_table(ROWS)?),
        };
        let mn_id = operation.mn_id();
        let Some(octets) = table.get(key)? else { return Ok(Row::vacant(mn_id.clone())) };
        match codec::decode(key, octets.value()) {
            Ok(row) if row.mn_id == *mn_id => Ok(row),
            _ => {
                self.damage_lines += 1;
                if self.damage_lines <= DAMAGE_LINES {
                    error!(
                        "store {}: the row of {} is damaged: refused with 5012; restore a backup or start empty",
                        self.name,
                        Foreign(mn_id)
                    );
                }
                Err(Fault::Row)
            }
        }
    }

    /// Makes the group's record durable, then says so in the high-water file.
    fn write(&mut self) -> Result<(), Fault> {
        let group = self.meta.group + 1;
        if !journal::end(&mut self.record, group) {
            return Ok(());
        }
        let failed = |error: std::io::Error| Fault::Store(format!("journal: {error}"));
        self.files.write_journal(self.slot, self.offset, &self.record).map_err(failed)?;
        self.files.sync_journal(self.slot).map_err(failed)?;
        self.offset += self.record.len() as u64;
        self.meta.group = group;
        self.known.fetch_add(self.new, Ordering::Relaxed);
        if let Err(error) = self.files.write_mark(&mark(group)) {
            // This group is durable, so its answers may leave.
            self.stop_writing(&format!("high-water: {error}"));
        }
        Ok(())
    }

    /// Begins a checkpoint where journal or memory are full and the one before is over.
    fn checkpoint_if_due(&mut self) {
        let full = |patience: usize| {
            self.young.len() >= patience * self.limits.generation
                || self.offset >= patience as u64 * self.limits.journal
        };
        if !full(1) {
            return;
        }
        if self.read_only {
            // Questions go on; what they read is in the table, or in the generation before.
            self.young.retain(|_, entry| entry.changed);
            return;
        }
        let wait = full(PATIENCE);
        match self.checkpoints.is_free(wait) {
            Ok(true) => self.begin_checkpoint(),
            Ok(false) => {}
            Err(said) => self.stop_writing(&said),
        }
    }

    fn begin_checkpoint(&mut self) {
        self.old = Arc::new(std::mem::take(&mut self.young));
        self.checkpoints.begin(self.old.clone(), self.meta);
        (self.slot, self.offset) = ((self.slot + 1) % SLOTS, 0);
    }

    /// Puts everything into the table. Where that fails, the next start finds it in the journal.
    fn close(mut self) {
        let written = self.young.values().any(|entry| entry.changed);
        if !self.read_only {
            let free = self.checkpoints.is_free(true);
            if free.is_ok() && written {
                self.begin_checkpoint();
            }
            if let Err(said) = free.and_then(|_| self.checkpoints.is_free(true)) {
                self.stop_writing(&said);
            }
        }
        self.checkpoints.close();
    }
}

/// What can be answered without writing: a repeated request, and an STR that ends nothing.
fn unchanged(row: &Row, when: When, operation: &Operation) -> Outcome {
    match apply(&mut row.clone(), when, operation) {
        (_, true) => Outcome::Failed,
        (outcome, false) => outcome,
    }
}
