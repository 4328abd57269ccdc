// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The store of one machine: a table (redb) and a journal in front of it, in a directory of its own. A group of requests
//! is decided on rows in memory, its record in the journal made durable, then answered; from time to time the rows that
//! changed go into the table. Both on threads of their own, so that the server's loop never waits for a disk.
//!
//! Reading order: [`writer`] (a group), [`journal`], [`checkpoint`], [`opening`] (what is checked at the start), [`files`],
//! [`super::codec`].

mod checkpoint;
mod files;
mod journal;
mod opening;
mod writer;

pub use files::{DATA, Directory, Files, JOURNALS, LOCK, MARK};
pub use opening::{being_opened, damage};

use super::{LocationStore, Opening, Outcome, Request, StoreError, Wake};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::time::Now;
use writer::{Parcel, Writer};

/// When rows go from memory and journal into the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Rows of a generation, of which two are in memory.
    pub generation: usize,
    /// Octets of a journal file, of which there are two.
    pub journal: u64,
}

impl Default for Limits {
    /// About 200 MB of memory, 128 MiB of disk.
    fn default() -> Limits {
        Limits { generation: 128 * 1024, journal: 64 * 1024 * 1024 }
    }
}

/// The server's end of the writer thread.
#[derive(Debug)]
pub struct Embedded {
    state_id: u32,
    known: Arc<AtomicU64>,
    inbox: Sender<Parcel>,
    outbox: Receiver<Vec<(u64, Outcome)>>,
    thread: JoinHandle<()>,
}

/// Opens the store in a directory; `wall` is the time since 1970.
pub fn open_directory(
    path: &Path,
    limits: Limits,
    opening: Opening,
    wall: Duration,
    wake: Wake,
) -> Result<Embedded, StoreError> {
    let directory = Directory::lock(path).map_err(StoreError)?;
    open(directory, limits, opening, wall, &path.display().to_string(), wake)
}

/// Opens the store `name` in these files.
pub fn open(
    mut files: impl Files,
    limits: Limits,
    opening: Opening,
    wall: Duration,
    name: &str,
    wake: Wake,
) -> Result<Embedded, StoreError> {
    let opened = opening::open(&mut files, opening, wall, name)?;
    let state_id = opened.meta.state_id;
    let known = Arc::new(AtomicU64::new(opened.known));
    let no_thread = |error| StoreError(format!("store {name}: no thread for it: {error}"));
    let writer = Writer::new(name.to_owned(), files, limits, opened, known.clone());
    let writer = writer.map_err(no_thread)?;
    let ((inbox, parcels), (outcomes, outbox)) = (channel(), channel());
    let thread = std::thread::Builder::new()
        .name("store".into())
        .spawn(move || writer.run(&parcels, &outcomes, &wake))
        .map_err(no_thread)?;
    Ok(Embedded { state_id, known, inbox, outbox, thread })
}

impl LocationStore for Embedded {
    fn state_id(&self) -> u32 {
        self.state_id
    }

    fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }

    fn submit(&mut self, now: Now, group: Vec<Request>) {
        // The thread ends only after this sender is gone; were it gone all the same, no answer would leave.
        let _ = self.inbox.send((now, group));
    }

    fn finished(&mut self, into: &mut Vec<(u64, Outcome)>) {
        into.extend(self.outbox.try_iter().flatten());
    }

    fn close(self: Box<Self>) {
        drop(self.inbox);
        // A panic of the thread was logged by the hook.
        let _ = self.thread.join();
    }
}
