// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The record that outlives a restart (R-43): a journal of lines in `state:`, appended by a thread of its own, so that
//! the slow path never waits for a disk.
//!
//! ```text
//! <16 hex digits: half of SHA-256 of what follows the space> {"boot":1767225600}
//! <...> {"keep":{"mn":"usera@example.org","lease":"2001:db8:a1:a::","here":{"mac":"02:...","port":0,...}}}
//! <...> {"drop":"usera@example.org"}
//! ```
//! The last word about an MN counts. At start, and when most of it is out of date, the journal is written anew beside
//! itself and renamed. What a crash tore off at its end is left out; any other damage is refused, never skipped.

mod line;

use slowpath::{Persist, Record};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Changes that wait for the disk.
const QUEUE: usize = 65_536;
/// Changes of one write and one sync.
const GROUP: usize = 4096;
/// The journal is written anew when it has this many lines more than twice what is kept.
const SLACK: usize = 4096;

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// Another process has it.
    #[error("{0}: another maard runs with this state")]
    Locked(PathBuf),
    /// A line that no crash explains.
    #[error(
        "{0}: line {1} is damaged; put a copy back, or move the file away to start without it: every mobile node here \
         attaches anew then, and leases may be given twice"
    )]
    Damaged(PathBuf, usize),
}

/// What the process before kept, and the writer for what comes.
pub struct Opened {
    /// Larger than that of every process before (R-43).
    pub boot: u64,
    /// By MN-ID.
    pub records: Vec<Record>,
    /// For the slow path.
    pub writer: Writer,
}

/// Opens the record in `dir`, which is made if need be. `wall` is the wall clock's second.
///
/// # Errors
/// [`RecordError`]
pub fn open(dir: &Path, wall: u64) -> Result<Opened, RecordError> {
    let failed = |error| RecordError::Io(dir.into(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let lock = lock(dir)?;
    let path = dir.join("record");
    let mut kept = Kept::read(&path)?;
    kept.boot = wall.max(kept.boot + 1);
    let journal = kept.write_anew(dir).map_err(failed)?;
    let (queue, changes) = sync_channel(QUEUE);
    let (boot, records) = (kept.boot, kept.records());
    let dir = dir.to_owned();
    let thread = std::thread::Builder::new()
        .name("record".into())
        .spawn(move || keep(&changes, kept, journal, &dir, lock))
        .map_err(|error| RecordError::Io(path, error))?;
    Ok(Opened {
        boot,
        records,
        writer: Writer { queue: Some(queue), thread: Some(thread), lost: 0 },
    })
}

fn lock(dir: &Path) -> Result<File, RecordError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|error| RecordError::Io(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecordError::Locked(dir.into())),
        Err(TryLockError::Error(error)) => Err(RecordError::Io(path, error)),
    }
}

/// The slow path's end. Dropped, it waits until everything is on the disk.
pub struct Writer {
    queue: Option<SyncSender<Persist>>,
    thread: Option<JoinHandle<()>>,
    /// Changes that were not kept because the disk was too far behind.
    pub lost: u64,
}

impl Writer {
    /// Hands a change over; it never waits.
    pub fn keep(&mut self, change: Persist) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(change) {
            if self.lost == 0 {
                log::error!("the record of this MAAR is too far behind its disk: changes are lost");
            }
            self.lost += 1;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The last word about each MN, as the lines of the journal.
#[derive(Default)]
struct Kept {
    boot: u64,
    lines: BTreeMap<String, (Record, String)>,
    /// Lines of the journal.
    written: usize,
}

impl Kept {
    fn read(path: &Path) -> Result<Kept, RecordError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(RecordError::Io(path.into(), error)),
        };
        let mut kept = Kept::default();
        let lines: Vec<&[u8]> = text.split_inclusive(|octet| *octet == b'\n').collect();
        for (n, text) in (1..).zip(&lines) {
            match line::read(text) {
                Some(line::Entry::Boot(boot)) => kept.boot = kept.boot.max(boot),
                Some(line::Entry::Change(change)) => kept.take(&change),
                // The last write of a process that was killed, or of a machine that lost its power.
                // A whole line that says nothing is no torn one.
                None if n == lines.len() && !text.ends_with(b"\n") => {
                    log::info!("{}: its end is torn off", path.display())
                }
                None => return Err(RecordError::Damaged(path.into(), n)),
            }
        }
        Ok(kept)
    }

    fn take(&mut self, change: &Persist) {
        match change {
            Persist::Keep(record) => {
                let line = line::change(change);
                self.lines.insert(record.mn_id.as_str().to_owned(), (record.clone(), line));
            }
            Persist::Drop(mn) => drop(self.lines.remove(mn.as_str())),
        }
    }

    fn records(&self) -> Vec<Record> {
        self.lines.values().map(|(record, _)| record.clone()).collect()
    }

    /// Writes the journal as short as it can be; gives it open for what follows.
    fn write_anew(&mut self, dir: &Path) -> io::Result<File> {
        let (new, path) = (dir.join("record.new"), dir.join("record"));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&new)?;
        let lines = self.lines.values().map(|(_, line)| line.as_str());
        let text: String = std::iter::once(line::boot(self.boot).as_str()).chain(lines).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()?;
        self.written = self.lines.len() + 1;
        Ok(file)
    }
}

/// The thread: groups of changes, one write and one sync each.
fn keep(changes: &Receiver<Persist>, mut kept: Kept, mut journal: File, dir: &Path, _lock: File) {
    let mut well = true;
    while let Ok(first) = changes.recv() {
        let mut text = String::new();
        for change in std::iter::once(first).chain(changes.try_iter().take(GROUP - 1)) {
            text.push_str(&line::change(&change));
            kept.take(&change);
            kept.written += 1;
        }
        let mut done = if well && kept.written < 2 * kept.lines.len() + SLACK {
            journal.write_all(text.as_bytes()).and_then(|()| journal.sync_data())
        } else {
            kept.write_anew(dir).map(|file| journal = file)
        };
        if done.is_err() {
            // Half a line may stand there now.
            done = kept.write_anew(dir).map(|file| journal = file);
        }
        match &done {
            Err(error) if well => log::error!("{}: the record is not kept: {error}", dir.display()),
            Ok(()) if !well => log::info!("{}: the record is kept again", dir.display()),
            _ => {}
        }
        well = done.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath::Served;
    use wire::addr::{Mac, Nai, Prefix64};
    use wire::time::AttachTime;

    fn record(n: u8, here: bool) -> Record {
        let served = Served {
            mac: Mac([2, 0, 0, 0, 0, n]),
            port: 3,
            attach_time: AttachTime(u64::MAX - u64::from(n)),
            attachment: 1 << 60 | u64::from(n),
            hoas: vec!["2001:db8:a1:a::7".parse().unwrap(), "2001:db8:a2:a::7".parse().unwrap()],
        };
        Record {
            mn_id: Nai::new(&format!("user{n}@example.org")).unwrap(),
            lease: Prefix64(0x2001_0db8_00a3_0000 | u64::from(n)),
            here: here.then_some(served),
        }
    }

    #[test]
    fn what_was_kept_last_comes_back_and_each_start_has_a_larger_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = open(dir.path(), 1000).unwrap();
        assert_eq!((first.boot, first.records.len()), (1000, 0));
        for n in 0..10 {
            first.writer.keep(Persist::Keep(record(n, true)));
        }
        first.writer.keep(Persist::Keep(record(1, false)));
        first.writer.keep(Persist::Drop(record(2, true).mn_id));
        drop(first);
        // The wall clock went back.
        let second = open(dir.path(), 5).unwrap();
        assert_eq!(second.boot, 1001);
        let expected = (0..10).filter(|n| *n != 2).map(|n| record(n, n != 1));
        assert_eq!(second.records, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_second_process_is_refused_while_the_first_one_lives() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), 1).unwrap();
        assert!(matches!(open(dir.path(), 2), Err(RecordError::Locked(_))));
        drop(first);
        assert!(open(dir.path(), 3).is_ok());
    }

    #[test]
    fn a_torn_end_is_left_out_and_any_other_damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = open(dir.path(), 1).unwrap();
        (0..3).for_each(|n| first.writer.keep(Persist::Keep(record(n, true))));
        drop(first);
        let path = dir.path().join("record");
        let whole = std::fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|octet| *octet == b'\n').unwrap() + 1;
        for cut in last..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(open(dir.path(), 1).unwrap().records.len(), 2, "cut at {cut}");
        }
        for at in 0..last {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            std::fs::write(&path, &damaged).unwrap();
            assert!(matches!(open(dir.path(), 1), Err(RecordError::Damaged(..))), "octet {at}");
        }
    }

    #[test]
    fn a_journal_of_old_words_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = open(dir.path(), 1).unwrap();
        for n in 0..20_000u32 {
            first.writer.keep(Persist::Keep(record((n % 4) as u8, n % 8 < 4)));
        }
        drop(first);
        let lines = std::fs::read_to_string(dir.path().join("record")).unwrap().lines().count();
        assert!(lines < 2 * SLACK + GROUP, "{lines}");
        assert_eq!(open(dir.path(), 1).unwrap().records.len(), 4);
    }
}
