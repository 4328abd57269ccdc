// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns the database. A group is what was handed over while the one before was being committed, up to
//! [`GROUP`] rows or a little more: nobody waits for company, and under load one fsync serves many.

use super::cache::Cache;
use super::codec::{self, Key};
use super::files::Files;
use super::opening::{META, Meta, Opened, ROWS, begin, mark};
use crate::store::row::{Row, Stamp};
use crate::store::{Operation, Outcome, Request, Wake};
use crate::text::Foreign;
use log::error;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use wire::time::Now;

/// Operations after which no more are gathered.
const GROUP: usize = 256;
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

/// A row in use by the group, and whether it differs from what is stored.
struct Used {
    row: Row,
    changed: bool,
}

/// The thread's state.
pub struct Writer<F> {
    pub name: String,
    pub files: F,
    database: Database,
    meta: Meta,
    known: Arc<AtomicU64>,
    cache: Cache,
    /// What to add to the caller's monotonic clock.
    offset: Option<u64>,
    read_only: bool,
    damage_lines: u32,
    octets: Vec<u8>,
}

impl<F: Files> Writer<F> {
    pub fn new(name: String, files: F, opened: Opened, known: Arc<AtomicU64>) -> Writer<F> {
        Writer {
            name,
            files,
            database: opened.database,
            meta: opened.meta,
            known,
            cache: Cache::default(),
            offset: None,
            read_only: false,
            damage_lines: 0,
            octets: Vec::new(),
        }
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
        }
    }

    /// One group: decided, durable, then the outcomes.
    fn group(&mut self, group: &[Parcel]) -> Vec<(u64, Outcome)> {
        let ids = group.iter().flat_map(|(_, requests)| requests.iter().map(|r| r.id));
        let done = catch_unwind(AssertUnwindSafe(|| self.decide_and_commit(group)));
        let fault = match done {
            Ok(Ok(outcomes)) => return ids.zip(outcomes).collect(),
            Ok(Err(Fault::Store(said))) => said,
            Ok(Err(Fault::Row)) => "a row is damaged".to_owned(),
            Err(_) => "the database panicked".to_owned(),
        };
        self.stop_writing(&fault);
        // What the failed group took from the cache may not be what is stored.
        ids.map(|id| (id, Outcome::Failed)).collect()
    }

    fn stop_writing(&mut self, said: &str) {
        self.cache.clear();
        if !std::mem::replace(&mut self.read_only, true) {
            error!(
                "store {}: cannot be written: {said}; read-only from now on (5012): mend that, for example make room, and restart",
                self.name
            );
        }
    }

    fn decide_and_commit(&mut self, group: &[Parcel]) -> Result<Vec<Outcome>, Fault> {
        let mut used: BTreeMap<Key, Used> = BTreeMap::new();
        let mut table = None;
        let mut outcomes = Vec::new();
        for (now, requests) in group {
            let stamp = self.stamp(*now);
            for request in requests {
                outcomes.push(
                    match self.apply(*now, stamp, &request.operation, &mut used, &mut table) {
                        Ok(outcome) => outcome,
                        Err(Fault::Row) => Outcome::Failed,
                        Err(fault) => return Err(fault),
                    },
                );
            }
        }
        drop(table);
        if used.values().any(|used| used.changed) {
            self.commit(&used)?;
        }
        for (key, used) in used {
            self.cache.put(key, used.row);
        }
        Ok(outcomes)
    }

    /// The store's clock: it goes on from where it was at the last commit of the process before.
    fn stamp(&mut self, now: Now) -> Stamp {
        let offset = *self.offset.get_or_insert_with(|| {
            let start = self.meta.clock.max(now.wall.as_micros() as u64);
            start.saturating_sub(now.mono.0)
        });
        self.meta.clock = self.meta.clock.max(now.mono.0.saturating_add(offset));
        Stamp(self.meta.clock)
    }

    /// One operation on the rows of this group.
    fn apply(
        &mut self,
        now: Now,
        stamp: Stamp,
        operation: &Operation,
        used: &mut BTreeMap<Key, Used>,
        table: &mut Option<ReadOnlyTable<&'static [u8; 16], &'static [u8]>>,
    ) -> Result<Outcome, Fault> {
        let key = codec::key(operation.mn_id());
        let used = match used.entry(key) {
            Entry::Occupied(used) => used.into_mut(),
            Entry::Vacant(place) => {
                let row = match self.cache.take(&key) {
                    Some(row) => row,
                    None => self.read(&key, operation.mn_id(), table)?,
                };
                place.insert(Used { row, changed: false })
            }
        };
        if self.read_only {
            return Ok(unchanged(&used.row, stamp, now, operation));
        }
        Ok(match operation {
            Operation::Attach(attach) => {
                let step = used.row.attach(stamp, now.wall, attach);
                used.changed |= step.changed;
                Outcome::Attached(step.reply)
            }
            Operation::Detach(detach) => {
                let changed = used.row.detach(&detach.session_id);
                used.changed |= changed;
                Outcome::Detached(changed)
            }
        })
    }

    fn read(
        &mut self,
        key: &Key,
        mn_id: &str,
        table: &mut Option<ReadOnlyTable<&'static [u8; 16], &'static [u8]>>,
    ) -> Result<Row, Fault> {
        let table = match table {
            Some(table) => table,
            None => table.insert(self.database.begin_read()?.open_table(ROWS)?),
        };
        let Some(octets) = table.get(key)? else { return Ok(Row::vacant(mn_id)) };
        match codec::decode(key, octets.value()) {
            Ok(row) if *row.mn_id == *mn_id => Ok(row),
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

    /// Makes the changed rows durable, then says so in the high-water file.
    fn commit(&mut self, used: &BTreeMap<Key, Used>) -> Result<(), Fault> {
        let meta = Meta { group: self.meta.group + 1, ..self.meta };
        let mut new = 0;
        let transaction = begin(&self.database)?;
        {
            let mut rows = transaction.open_table(ROWS)?;
            for (key, used) in used.iter().filter(|(_, used)| used.changed) {
                codec::encode(key, &used.row, &mut self.octets);
                new += u64::from(rows.insert(key, self.octets.as_slice())?.is_none());
            }
            let mut own = transaction.open_table(META)?;
            own.insert(0, (meta.group, meta.clock, meta.state_id))?;
        }
        transaction.commit()?;
        self.meta = meta;
        self.known.fetch_add(new, Ordering::Relaxed);
        if let Err(error) = self.files.write_mark(&mark(meta.group)) {
            // This group is durable, so its answers may leave.
            self.stop_writing(&format!("high-water: {error}"));
        }
        Ok(())
    }
}

/// What can be answered without writing: a repeated request, and an STR that ends nothing.
fn unchanged(row: &Row, stamp: Stamp, now: Now, operation: &Operation) -> Outcome {
    let mut row = row.clone();
    match operation {
        Operation::Attach(attach) => match row.attach(stamp, now.wall, attach) {
            step if step.changed => Outcome::Failed,
            step => Outcome::Attached(step.reply),
        },
        Operation::Detach(detach) if row.detach(&detach.session_id) => Outcome::Failed,
        Operation::Detach(_) => Outcome::Detached(false),
    }
}
