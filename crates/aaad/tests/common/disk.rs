// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A disk that loses what was not synced, fills up, or fails: the files of an embedded store in memory.
#![allow(dead_code)] // Each test file uses its part.

use aaad::store::embedded::Files;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use std::io::{self, Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// Numbers that look random, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Debug, Default)]
struct File {
    /// As a reader sees it.
    current: Vec<u8>,
    /// What a power loss leaves for sure.
    synced: Vec<u8>,
    /// What it may leave or not.
    unsynced: Vec<Change>,
}

impl File {
    fn of(octets: Vec<u8>) -> File {
        File { synced: octets.clone(), current: octets, unsynced: Vec::new() }
    }

    fn after_power_loss(&self, rng: &mut Rng) -> File {
        let mut left = self.synced.clone();
        for change in &self.unsynced {
            match change {
                Change::Length(length) if rng.below(2) == 0 => left.resize(*length as usize, 0),
                Change::Length(_) => {}
                Change::Write(offset, data) => {
                    let most = rng.below(3);
                    for (at, sector) in data.chunks(SECTOR).enumerate() {
                        if rng.below(2) < most {
                            write(&mut left, *offset as usize + at * SECTOR, sector);
                        }
                    }
                }
            }
        }
        File::of(left)
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    data: File,
    journals: [File; 2],
    in_place: bool,
    /// The high-water file: synced value first, then what was written since.
    marks: Vec<Option<[u8; 16]>>,
    /// Octets that still can be written.
    room: Option<usize>,
    sync_does_nothing: bool,
    sync_of_data_does_nothing: bool,
    /// How often a journal file was begun anew.
    changes_of_journal: usize,
    sync_fails: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub fn new() -> Disk {
        Disk::from(State { marks: vec![None], ..State::default() })
    }

    /// With these files on it.
    pub fn with(data: Vec<u8>, journals: [Vec<u8>; 2], mark: &[u8]) -> Disk {
        let marks = vec![Some(mark.try_into().unwrap())];
        let (data, journals) = (File::of(data), journals.map(File::of));
        Disk::from(State { data, journals, in_place: true, marks, ..State::default() })
    }

    /// One whose fsync lies.
    pub fn without_sync() -> Disk {
        let disk = Disk::new();
        disk.state().sync_does_nothing = true;
        disk
    }

    /// One whose fsync lies about the table alone.
    pub fn without_sync_of_data() -> Disk {
        let disk = Disk::new();
        disk.state().sync_of_data_does_nothing = true;
        disk
    }

    pub fn changes_of_journal(&self) -> usize {
        self.state().changes_of_journal
    }

    fn from(state: State) -> Disk {
        Disk(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on only so many octets can be written.
    pub fn fill_up(&self, room: usize) {
        self.state().room = Some(room);
    }

    pub fn make_room(&self) {
        self.state().room = None;
    }

    pub fn fail_sync(&self, fails: bool) {
        self.state().sync_fails = fails;
    }

    /// What is found after the power failed now: of each write since the last sync any sectors or none, and any of the
    /// high-water file's contents since then.
    pub fn after_power_loss(&self, rng: &mut Rng) -> Disk {
        let state = self.state();
        let mark = state.marks[rng.below(state.marks.len())];
        Disk::from(State {
            data: state.data.after_power_loss(rng),
            journals: state.journals.each_ref().map(|journal| journal.after_power_loss(rng)),
            in_place: state.in_place,
            marks: vec![mark],
            ..State::default()
        })
    }
}

impl State {
    fn write(
        &mut self,
        file: fn(&mut State) -> &mut File,
        offset: u64,
        data: &[u8],
    ) -> io::Result<()> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(data.len()).ok_or(Error::from(ErrorKind::StorageFull))?;
        }
        let file = file(self);
        write(&mut file.current, offset as usize, data);
        file.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn sync(&mut self, file: fn(&mut State) -> &mut File) -> io::Result<()> {
        if self.sync_fails {
            return Err(Error::other("the disk is gone"));
        }
        if !self.sync_does_nothing {
            let file = file(self);
            for change in file.unsynced.drain(..) {
                match change {
                    Change::Length(length) => file.synced.resize(length as usize, 0),
                    Change::Write(offset, data) => write(&mut file.synced, offset as usize, &data),
                }
            }
        }
        Ok(())
    }
}

fn data(state: &mut State) -> &mut File {
    &mut state.data
}

fn journal(slot: usize) -> fn(&mut State) -> &mut File {
    match slot {
        0 => |state| &mut state.journals[0],
        _ => |state| &mut state.journals[1],
    }
}

fn write(octets: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if octets.len() < end {
        octets.resize(end, 0);
    }
    octets[offset..end].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().data.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, offset) = (self.state(), offset as usize);
        let found = state.data.current.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.data.current.resize(length as usize, 0);
        state.data.unsynced.push(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.sync_of_data_does_nothing && state.in_place {
            return Ok(());
        }
        state.sync(data)
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.state().write(data, offset, octets)
    }
}

impl Files for Disk {
    fn exists(&mut self) -> io::Result<bool> {
        Ok(self.state().in_place)
    }

    fn create(&mut self, builder: &Builder) -> Result<Database, DatabaseError> {
        let marks = self.state().marks.clone();
        let mut state = self.state();
        *state = State {
            marks,
            sync_does_nothing: state.sync_does_nothing,
            sync_of_data_does_nothing: state.sync_of_data_does_nothing,
            ..State::default()
        };
        drop(state);
        builder.create_with_backend(self.clone())
    }

    fn publish(&mut self) -> io::Result<()> {
        self.state().in_place = true;
        Ok(())
    }

    fn open(&mut self, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(self.clone())
    }

    fn read_mark(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().marks.last().copied().flatten().map(Vec::from))
    }

    fn write_mark(&mut self, octets: &[u8; 16]) -> io::Result<()> {
        self.state().marks.push(Some(*octets));
        Ok(())
    }

    fn sync_mark(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let last = state.marks.len() - 1;
        state.marks.drain(..last);
        Ok(())
    }

    fn read_journal(&mut self, slot: usize) -> io::Result<Vec<u8>> {
        Ok(self.state().journals[slot].current.clone())
    }

    fn write_journal(&mut self, slot: usize, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.changes_of_journal += usize::from(offset == 0);
        state.write(journal(slot), offset, octets)
    }

    fn sync_journal(&mut self, slot: usize) -> io::Result<()> {
        self.state().sync(journal(slot))
    }

    fn set_aside(&mut self) -> io::Result<String> {
        let mut state = self.state();
        (state.in_place, state.marks) = (false, vec![None]);
        Ok("nowhere".to_owned())
    }

    fn last_state_id(&self) -> Option<u32> {
        None
    }

    fn note_state_id(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }
}
