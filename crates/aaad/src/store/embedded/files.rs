// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory of a store: the database, the journal, the high-water file, and the lock that keeps a second process out.

use super::journal::SLOTS;
use redb::{Builder, Database, DatabaseError};
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The database's file name.
pub const DATA: &str = "locations.redb";
/// The high-water file's name.
pub const MARK: &str = "high-water";
/// The journal's files.
pub const JOURNALS: [&str; SLOTS] = ["journal-0", "journal-1"];
/// The lock's name; its text names its holder.
pub const LOCK: &str = "lock";

/// What a journal grows by. Overwriting what is there needs no change of the file system's own records, so its fsync
/// costs one write of the disk.
const GROWTH: u64 = 1024 * 1024;

/// The files of a store. The product's are a [`Directory`]; tests put faulty ones here.
pub trait Files: Debug + Send + 'static {
    /// Whether there is a database.
    fn exists(&mut self) -> io::Result<bool>;
    /// A new database, not yet in its place.
    fn create(&mut self, builder: &Builder) -> Result<Database, DatabaseError>;
    /// Puts the new database in its place, durably.
    fn publish(&mut self) -> io::Result<()>;
    /// The database that is there.
    fn open(&mut self, builder: &Builder) -> Result<Database, DatabaseError>;
    /// The content of the high-water file, if there is one.
    fn read_mark(&mut self) -> io::Result<Option<Vec<u8>>>;
    /// Writes the high-water file, without fsync.
    fn write_mark(&mut self, octets: &[u8; 16]) -> io::Result<()>;
    /// Makes the high-water file durable.
    fn sync_mark(&mut self) -> io::Result<()>;
    /// The content of a journal file; nothing if there is none.
    fn read_journal(&mut self, slot: usize) -> io::Result<Vec<u8>>;
    /// Writes into it, without fsync.
    fn write_journal(&mut self, slot: usize, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Makes what was written there durable.
    fn sync_journal(&mut self, slot: usize) -> io::Result<()>;
    /// Moves the files out of the way and says where.
    fn set_aside(&mut self) -> io::Result<String>;
    /// The last Origin-State-Id of this store, where known.
    fn last_state_id(&self) -> Option<u32>;
    /// Notes it.
    fn note_state_id(&mut self, state_id: u32) -> io::Result<()>;
}

/// A locked directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: File,
    last_state_id: Option<u32>,
    mark: Option<File>,
    /// Each with its length.
    journals: [Option<(File, u64)>; SLOTS],
}

impl Directory {
    /// Creates the directory where missing and takes its lock; an error is a sentence with the mend.
    pub fn lock(path: &Path) -> Result<Directory, String> {
        let shown = path.display();
        let mend = "make it a directory this user may write to, or change `store`";
        let failed = |error: io::Error| format!("store {shown}: {error}; {mend}");
        fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut lock = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(failed)?;
        let mut text = String::new();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Only for the message: a holder that just started may not have written yet.
                let _ = lock.read_to_string(&mut text);
                let holder = field(&text, "pid").unwrap_or("unknown");
                return Err(format!(
                    "store {shown}: another aaad (pid {holder}) has it; stop that, or give each its own `store`"
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Damage of this file costs no more than the certainty that the next Origin-State-Id is larger.
        let _ = lock.read_to_string(&mut text);
        let last_state_id = field(&text, "origin-state-id").and_then(|id| id.parse().ok());
        let mut directory = Directory {
            path: path.to_owned(),
            lock,
            last_state_id,
            mark: None,
            journals: [None, None],
        };
        directory.sign().map_err(failed)?;
        Ok(directory)
    }

    fn sign(&mut self) -> io::Result<()> {
        let mut text = format!("pid {}\n", std::process::id());
        if let Some(id) = self.last_state_id {
            text += &format!("origin-state-id {id}\n");
        }
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.set_len(0)?;
        self.lock.write_all(text.as_bytes())
    }

    fn new_data(&self) -> PathBuf {
        self.path.join("locations.redb.new")
    }

    fn journal(&mut self, slot: usize) -> io::Result<&mut (File, u64)> {
        if self.journals[slot].is_none() {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            let file = options.open(self.path.join(JOURNALS[slot]))?;
            let length = file.metadata()?.len();
            self.sync()?;
            self.journals[slot] = Some((file, length));
        }
        self.journals[slot].as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// The value behind a name at the start of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

impl Files for Directory {
    fn exists(&mut self) -> io::Result<bool> {
        self.path.join(DATA).try_exists()
    }

    fn create(&mut self, builder: &Builder) -> Result<Database, DatabaseError> {
        match fs::remove_file(self.new_data()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => builder.create(self.new_data()),
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        fs::rename(self.new_data(), self.path.join(DATA))?;
        self.sync()
    }

    fn open(&mut self, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.open(self.path.join(DATA))
    }

    fn read_mark(&mut self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(MARK)) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_mark(&mut self, octets: &[u8; 16]) -> io::Result<()> {
        if self.mark.is_none() {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(false);
            self.mark = Some(options.open(self.path.join(MARK))?);
        }
        self.mark.as_ref().map_or(Ok(()), |mark| mark.write_all_at(octets, 0))
    }

    fn sync_mark(&mut self) -> io::Result<()> {
        if let Some(mark) = &self.mark {
            mark.set_len(16)?;
            mark.sync_all()?;
        }
        self.sync()
    }

    fn read_journal(&mut self, slot: usize) -> io::Result<Vec<u8>> {
        match fs::read(self.path.join(JOURNALS[slot])) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            result => result,
        }
    }

    fn write_journal(&mut self, slot: usize, offset: u64, octets: &[u8]) -> io::Result<()> {
        let (file, length) = self.journal(slot)?;
        let end = offset + octets.len() as u64;
        if end > *length {
            let zeros = vec![0; GROWTH as usize];
            while end > *length {
                file.write_all_at(&zeros, *length)?;
                *length += GROWTH;
            }
        }
        file.write_all_at(octets, offset)
    }

    fn sync_journal(&mut self, slot: usize) -> io::Result<()> {
        self.journal(slot)?.0.sync_data()
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.mark = None;
        self.journals = [None, None];
        let number = (1..).find(|n| !self.path.join(format!("set-aside-{n}")).exists());
        let aside = self.path.join(format!("set-aside-{}", number.unwrap_or_default()));
        fs::create_dir(&aside)?;
        for name in [DATA, MARK].into_iter().chain(JOURNALS) {
            match fs::rename(self.path.join(name), aside.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync()?;
        Ok(aside.display().to_string())
    }

    fn last_state_id(&self) -> Option<u32> {
        self.last_state_id
    }

    fn note_state_id(&mut self, state_id: u32) -> io::Result<()> {
        self.last_state_id = Some(state_id);
        self.sign()
    }
}
