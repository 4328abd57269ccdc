// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows in memory, and how those that changed get into the table: all of a generation in one transaction, sorted, on a
//! thread of its own. While it runs, the rows it writes are still found in memory.

use super::opening::{META, Meta, ROWS, begin};
use crate::store::codec::{self, Key};
use crate::store::row::Row;
use hashbrown::HashMap;
use redb::Database;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A row in memory.
#[derive(Clone, Debug)]
pub struct Entry {
    pub row: Row,
    /// Whether it differs from the table.
    pub changed: bool,
    /// The group that used it last.
    pub used_by: u64,
}

/// Rows by key; boxed, so that the map grows without moving them.
pub type Rows = HashMap<Key, Box<Entry>, foldhash::fast::RandomState>;

/// Writes what changed and the store's own row, durably.
pub fn write(database: &Database, rows: &Rows, meta: Meta) -> Result<(), redb::Error> {
    let mut changed: Vec<_> = rows.iter().filter(|(_, entry)| entry.changed).collect();
    changed.sort_unstable_by_key(|(key, _)| **key);
    let transaction = begin(database)?;
    {
        let mut table = transaction.open_table(ROWS)?;
        let mut octets = Vec::new();
        for (key, entry) in changed {
            codec::encode(key, &entry.row, &mut octets);
            table.insert(key, octets.as_slice())?;
        }
        transaction.open_table(META)?.insert(0, (meta.group, meta.clock, meta.state_id))?;
    }
    transaction.commit()?;
    Ok(())
}

/// The thread that writes generations into the table.
#[derive(Debug)]
pub struct Checkpoints {
    jobs: Sender<(Arc<Rows>, Meta)>,
    done: Receiver<Result<(), String>>,
    thread: JoinHandle<()>,
    /// A generation is with the thread.
    busy: bool,
}

impl Checkpoints {
    pub fn start(database: Arc<Database>) -> std::io::Result<Checkpoints> {
        let ((jobs, inbox), (outbox, done)) = (channel::<(Arc<Rows>, Meta)>(), channel());
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            // Held until the next, so that freeing a generation is this thread's work and not the writer's.
            let mut last = None;
            for (rows, meta) in inbox {
                let result = write(&database, &rows, meta).map_err(|error| error.to_string());
                last.replace(rows);
                if outbox.send(result).is_err() {
                    return;
                }
            }
        })?;
        Ok(Checkpoints { jobs, done, thread, busy: false })
    }

    /// Hands a generation over; there must be none with the thread.
    pub fn begin(&mut self, rows: Arc<Rows>, meta: Meta) {
        self.busy = self.jobs.send((rows, meta)).is_ok();
    }

    /// Whether the thread has nothing to do; an error if its last generation could not be written.
    pub fn is_free(&mut self, wait: bool) -> Result<bool, String> {
        if self.busy {
            let result = if wait {
                self.done.recv().unwrap_or_else(|_| Err("the checkpoint thread ended".into()))
            } else {
                match self.done.try_recv() {
                    Ok(result) => result,
                    Err(std::sync::mpsc::TryRecvError::Empty) => return Ok(false),
                    Err(_) => Err("the checkpoint thread ended".into()),
                }
            };
            self.busy = false;
            result?;
        }
        Ok(true)
    }

    /// Lets what is under way end.
    pub fn close(self) {
        drop(self.jobs);
        // A panic of the thread was logged by the hook.
        let _ = self.thread.join();
    }
}
