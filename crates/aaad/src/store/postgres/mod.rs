// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The store of several machines: rows in a PostgreSQL server, which any number of aaads share. An aaad keeps nothing but a
//! cache. MNs are spread over K shards by the hash of their MN-ID; each shard is a thread with a connection of its own, and
//! while one of its statements is under way the next group gathers.
//!
//! Two aaads may serve one MN at the same time (a relay, a failover), so a row is written only over the state it was decided
//! on: its sequence number is the one read, plus one. Where it is not, the row is read and decided again.
//!
//! Reading order: [`shard`] (a group), [`schema`] (tables, what is checked at the start).

mod schema;
mod shard;

pub use schema::{About, check, full};

use super::codec::{self, Key};
use super::{LocationStore, Opening, Outcome, Request, StoreError, Wake};
use shard::{Parcel, Shard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::time::Now;

/// Shards where the configuration says nothing.
pub const SHARDS: usize = 4;

/// The server's end of the shards.
#[derive(Debug)]
pub struct Postgres {
    state_id: u32,
    known: Arc<AtomicU64>,
    shards: Vec<Sender<Parcel>>,
    outbox: Receiver<Vec<(u64, Outcome)>>,
    threads: Vec<JoinHandle<()>>,
}

/// Connects, brings the tables up to date and starts the shards. `url` is a libpq connection string; `wall` is the time
/// since 1970.
pub fn open(
    url: &str,
    shards: usize,
    opening: Opening,
    wall: Duration,
    wake: &Wake,
) -> Result<Postgres, StoreError> {
    let begun = schema::open(url, opening, wall).map_err(StoreError)?;
    let known = Arc::new(AtomicU64::new(begun.known));
    let (outcomes, outbox) = channel();
    let (mut senders, mut threads) = (Vec::new(), Vec::new());
    for number in 0..shards.max(1) {
        let (inbox, parcels) = channel();
        let shard = Shard::new(url.to_owned(), number, known.clone());
        let (outcomes, wake) = (outcomes.clone(), wake.clone());
        let thread = std::thread::Builder::new()
            .name(format!("shard {number}"))
            .spawn(move || shard.run(&parcels, &outcomes, &wake))
            .map_err(|error| StoreError(format!("store postgres: no thread for it: {error}")))?;
        senders.push(inbox);
        threads.push(thread);
    }
    Ok(Postgres { state_id: begun.state_id, known, shards: senders, outbox, threads })
}

/// The shard of a key.
fn shard_of(key: &Key, shards: usize) -> usize {
    usize::from(key[0]) % shards
}

impl LocationStore for Postgres {
    fn state_id(&self) -> u32 {
        self.state_id
    }

    fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }

    fn submit(&mut self, now: Now, group: Vec<Request>) {
        let mut parts: Vec<Vec<(Key, Request)>> = vec![Vec::new(); self.shards.len()];
        for request in group {
            let key = codec::key(request.operation.mn_id());
            parts[shard_of(&key, self.shards.len())].push((key, request));
        }
        for (shard, part) in self.shards.iter().zip(parts) {
            if !part.is_empty() {
                // The thread ends only after this sender is gone; were it gone all the same, no answer would leave.
                let _ = shard.send((now, part));
            }
        }
    }

    fn finished(&mut self, into: &mut Vec<(u64, Outcome)>) {
        into.extend(self.outbox.try_iter().flatten());
    }

    fn close(self: Box<Self>) {
        drop(self.shards);
        for thread in self.threads {
            // A panic of the thread was logged by the hook.
            let _ = thread.join();
        }
    }
}
