// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One shard: a thread, a connection, a cache of rows. Everything that waits becomes one group, decided on the rows as they
//! are known here, then written by one statement; what another aaad wrote first is read and decided again.
//!
//! When the connection breaks, nobody knows whether the last statement took effect. The group is decided again on what is
//! there then: an operation that took effect is a repeat, and gets the answer it had. A repeat found in a row that another
//! process wrote, or this one without hearing of its commit, is written once more: so its answer, too, waits for the
//! synchronous standby.

use super::schema;
use crate::store::codec::{self, Key};
use crate::store::row::{Row, Stamp, When, apply};
use crate::store::{Operation, Outcome, Request, Wake};
use crate::text::Foreign;
use hashbrown::HashMap;
use log::{error, info};
use postgres::{Client, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};
use wire::time::{AttachTime, Now};

/// Operations after which no more are gathered.
const GROUP: usize = 1024;
/// Rows in the cache of a shard, about 50 MB.
const CACHE: usize = 128 * 1024;
/// So long a group waits for a server; then it is refused with 5012. A standby that lost its primary sleeps for
/// `wal_retrieve_retry_interval`, 5 s unless set, before it looks at the order to promote.
const PATIENCE: Duration = Duration::from_secs(12);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

const READ: &str = "SELECT key, seq, row FROM location WHERE key = ANY($1)";
/// In the order of the keys, so that two aaads never wait for each other in a circle.
const WRITE: &str = "INSERT INTO location AS l (key, seq, row) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) \
                     ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, row = excluded.row WHERE l.seq = excluded.seq - 1 \
                     RETURNING key, seq";

/// What is handed over in one piece.
pub type Parcel = (Now, Vec<(Key, Request)>);

/// A row as it is in the table, as far as known.
#[derive(Clone, Debug)]
struct Known {
    /// 0 for a row that is not there.
    seq: i64,
    /// None where what is there is damaged.
    row: Option<Row>,
    /// Whether it was this shard that wrote it, and heard of its commit.
    own: bool,
}

struct Connected {
    client: Client,
    read: Statement,
    write: Statement,
}

/// One row while its group is decided.
struct Draft {
    row: Row,
    seq: i64,
    changed: bool,
    own: bool,
    outcomes: Vec<(u64, Outcome)>,
}

/// The thread's state.
pub struct Shard {
    url: String,
    number: usize,
    known: Arc<AtomicU64>,
    connected: Option<Connected>,
    cache: HashMap<Key, Known, foldhash::fast::RandomState>,
    broken: bool,
}

type Waiting<'a> = Vec<(When, &'a Key, &'a Request)>;

impl Shard {
    pub fn new(url: String, number: usize, known: Arc<AtomicU64>) -> Shard {
        let cache = HashMap::default();
        Shard { url, number, known, connected: None, cache, broken: false }
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
        let mut waiting: Waiting<'_> = Vec::new();
        for (now, part) in group {
            let stamp = Stamp(now.wall.as_micros() as u64);
            let when = When { stamp, wall: AttachTime::from_unix(now.wall) };
            waiting.extend(part.iter().map(|(key, request)| (when, key, request)));
        }
        // What ends a session must not be judged by a row that may be old.
        for (_, key, request) in &waiting {
            if matches!(request.operation, Operation::Detach(_)) {
                self.cache.remove(*key);
            }
        }
        let (mut outcomes, until) = (Vec::with_capacity(waiting.len()), Instant::now() + PATIENCE);
        while !waiting.is_empty() {
            match self.attempt(&mut waiting, &mut outcomes) {
                Ok(()) => self.mended(),
                Err(said) => {
                    self.failed(&said);
                    if Instant::now() >= until {
                        outcomes.extend(waiting.drain(..).map(|(_, _, r)| (r.id, Outcome::Failed)));
                    } else {
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        }
        outcomes
    }

    fn failed(&mut self, said: &str) {
        self.connected = None;
        self.cache.clear();
        if !std::mem::replace(&mut self.broken, true) {
            error!("store postgres: shard {}: {said}; trying again", self.number);
        }
    }

    fn mended(&mut self) {
        if std::mem::replace(&mut self.broken, false) {
            info!("store postgres: shard {}: the server is back", self.number);
        }
    }

    /// Reads, decides and writes once; what another was faster with stays in `waiting`.
    fn attempt(
        &mut self,
        waiting: &mut Waiting<'_>,
        outcomes: &mut Vec<(u64, Outcome)>,
    ) -> Result<(), String> {
        self.read(waiting)?;
        let (drafts, refused) = self.decide(waiting);
        let written = self.write(&drafts)?;
        outcomes.extend(refused);
        let mut late = BTreeSet::new();
        for (key, draft) in drafts {
            if draft.changed && !written.contains(&key) {
                late.insert(key);
                self.cache.remove(&key);
                continue;
            }
            outcomes.extend(draft.outcomes);
            let seq = draft.seq + i64::from(draft.changed);
            let own = draft.own || draft.changed;
            self.cache.insert(key, Known { seq, row: Some(draft.row), own });
        }
        waiting.retain(|(_, key, _)| late.contains(*key));
        if self.cache.len() > CACHE {
            self.cache.clear();
        }
        Ok(())
    }

    fn connected(&mut self) -> Result<&mut Connected, String> {
        if self.connected.is_none() {
            let mut client = schema::connect(&self.url)?;
            let read = client.prepare(READ).map_err(|error| schema::full(&error))?;
            let write = client.prepare(WRITE).map_err(|error| schema::full(&error))?;
            self.connected = Some(Connected { client, read, write });
        }
        self.connected.as_mut().ok_or_else(String::new)
    }

    /// Brings the rows that are not known here into the cache.
    fn read(&mut self, waiting: &Waiting<'_>) -> Result<(), String> {
        let missing: BTreeSet<&Key> = waiting
            .iter()
            .map(|(_, key, _)| *key)
            .filter(|k| !self.cache.contains_key(*k))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys: Vec<&[u8]> = missing.iter().map(|key| key.as_slice()).collect();
        let connected = self.connected()?;
        let rows = connected.client.query(&connected.read, &[&keys]);
        for row in rows.map_err(|error| schema::full(&error))? {
            let Ok(key) = Key::try_from(row.get::<_, &[u8]>(0)) else { continue };
            let found = codec::decode(&key, row.get::<_, &[u8]>(2)).ok();
            self.cache.insert(key, Known { seq: row.get(1), row: found, own: false });
        }
        for (_, key, request) in waiting {
            self.cache.entry(**key).or_insert_with(|| {
                let row = Some(Row::vacant(request.operation.mn_id().clone()));
                Known { seq: 0, row, own: true }
            });
        }
        Ok(())
    }

    /// The rows as they will be, and what is refused because its row is damaged.
    fn decide(&self, waiting: &Waiting<'_>) -> (BTreeMap<Key, Draft>, Vec<(u64, Outcome)>) {
        let (mut drafts, mut refused) = (BTreeMap::new(), Vec::new());
        for (when, key, Request { id, operation }) in waiting {
            let Some(known) = self.cache.get(*key) else { continue };
            let row = known.row.as_ref().filter(|row| row.mn_id == *operation.mn_id());
            let Some(row) = row else {
                error!(
                    "store postgres: the row of {} is damaged: refused with 5012; restore a backup or start empty",
                    Foreign(operation.mn_id())
                );
                refused.push((*id, Outcome::Failed));
                continue;
            };
            let draft: &mut Draft = drafts.entry(**key).or_insert_with(|| Draft {
                row: row.clone(),
                seq: known.seq,
                changed: false,
                own: known.own,
                outcomes: Vec::new(),
            });
            let (outcome, changed) = apply(&mut draft.row, *when, operation);
            let repeat = matches!(operation, Operation::Attach(_)) && !changed;
            draft.changed |= changed || repeat && !known.own;
            draft.outcomes.push((*id, outcome));
        }
        (drafts, refused)
    }

    /// Writes the rows that changed; the keys of those that are now in the table.
    fn write(&mut self, drafts: &BTreeMap<Key, Draft>) -> Result<BTreeSet<Key>, String> {
        let changed: Vec<_> = drafts.iter().filter(|(_, draft)| draft.changed).collect();
        if changed.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (mut keys, mut seqs, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (key, draft) in changed {
            let mut octets = Vec::new();
            codec::encode(key, &draft.row, &mut octets);
            keys.push(key.as_slice());
            seqs.push(draft.seq + 1);
            rows.push(octets);
        }
        let connected = self.connected()?;
        let written = connected.client.query(&connected.write, &[&keys, &seqs, &rows]);
        let mut done = BTreeSet::new();
        for row in written.map_err(|error| schema::full(&error))? {
            if row.get::<_, i64>(1) == 1 {
                self.known.fetch_add(1, Ordering::Relaxed);
            }
            done.extend(Key::try_from(row.get::<_, &[u8]>(0)));
        }
        Ok(done)
    }
}
