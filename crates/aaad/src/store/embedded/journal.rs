// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal: what the table adds up from since its last checkpoint. Two files, written in turns: while the rows of one
//! go into the table, the other grows; then the first is overwritten. One record per group, on sector bounds, so that a
//! power loss while one is written cannot hurt the one before:
//!
//! ```text
//! "rmpj" 4 | octets of operations 4 | group 8 | checksum 8 | operations
//! operation: kind 1 | MN-ID: length 1, text | Session-Id: length 2, text
//!     of an attachment: stamp 8 | clock 8 | MAAR 16 | End-to-End 4 | asked time 8 (kind 2) | Origin-Host: length 2, text
//! ```
//! A record holds what was asked, and when; playing it again on the rows of the last checkpoint gives what was answered
//! ([`crate::store::row`] is deterministic). It is found by its number: one more than that of the record before it.

use crate::store::codec::{Damaged, Reader, checksum, text};
use crate::store::row::{Stamp, When};
use crate::store::{Attach, Detach, Operation};
use std::sync::Arc;
use wire::time::AttachTime;

/// The files of the journal.
pub const SLOTS: usize = 2;
/// What a disk writes at once or not at all.
const SECTOR: usize = 512;
const MAGIC: [u8; 4] = *b"rmpj";
const HEAD: usize = 24;
const ATTACH: u8 = 1;
const REGISTER: u8 = 2;
const DETACH: u8 = 3;

/// Begins a record in `out`.
pub fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.extend([0; HEAD]);
}

/// Adds an operation.
pub fn add(out: &mut Vec<u8>, when: When, operation: &Operation) {
    let (kind, session_id) = match operation {
        Operation::Attach(Attach { time: None, session_id, .. }) => (ATTACH, session_id),
        Operation::Attach(Attach { session_id, .. }) => (REGISTER, session_id),
        Operation::Detach(Detach { session_id, .. }) => (DETACH, session_id),
    };
    let mn_id = operation.mn_id();
    out.extend([kind, mn_id.len() as u8]);
    out.extend_from_slice(mn_id.as_bytes());
    text(out, session_id);
    if let Operation::Attach(attach) = operation {
        out.extend_from_slice(&when.stamp.0.to_be_bytes());
        out.extend_from_slice(&when.wall.0.to_be_bytes());
        out.extend_from_slice(&attach.maar.octets());
        out.extend_from_slice(&attach.end_to_end.to_be_bytes());
        if let Some(time) = attach.time {
            out.extend_from_slice(&time.0.to_be_bytes());
        }
        text(out, &attach.origin_host);
    }
}

/// Ends the record of this group: now it can be written. False if it holds no operation.
pub fn end(out: &mut Vec<u8>, group: u64) -> bool {
    let length = out.len() - HEAD;
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&(length as u32).to_be_bytes());
    out[8..16].copy_from_slice(&group.to_be_bytes());
    let sum = checksum([&out[4..16], &out[HEAD..]]);
    out[16..HEAD].copy_from_slice(&sum);
    out.resize(out.len().next_multiple_of(SECTOR), 0);
    length > 0
}

/// A record: its group, its operations, and where the next one begins.
struct Record<'a> {
    group: u64,
    operations: &'a [u8],
    end: usize,
}

fn record(octets: &[u8], at: usize) -> Option<Record<'_>> {
    let head = octets.get(at..)?.first_chunk::<HEAD>()?;
    if head[..4] != MAGIC {
        return None;
    }
    let number = |from: usize| head[from..from + 8].try_into().ok().map(u64::from_be_bytes);
    let length = u32::from_be_bytes(head[4..8].try_into().ok()?) as usize;
    let from = at + HEAD;
    let operations = octets.get(from..from.checked_add(length)?)?;
    let sound = head[16..] == checksum([&head[4..16], operations]);
    let end = (from + length).next_multiple_of(SECTOR);
    Some(Record { group: number(8)?, operations, end }).filter(|_| sound)
}

/// Why a journal cannot be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// A sound record stands behind one that is not.
    Gap,
    /// A sound record holds something else than operations.
    Content,
}

/// Plays the groups behind `group`, in order, and gives the number of the last one.
pub fn play(
    slots: &[Vec<u8>; SLOTS],
    mut group: u64,
    mut play: impl FnMut(When, Operation) -> Result<(), String>,
) -> Result<u64, Result<Broken, String>> {
    let mut starts: Vec<_> = slots.iter().filter_map(|s| Some((record(s, 0)?.group, s))).collect();
    starts.sort_unstable_by_key(|(first, _)| *first);
    for (first, octets) in starts {
        let (mut at, mut expected) = (0, first);
        while let Some(found) = record(octets, at).filter(|found| found.group == expected) {
            if expected == group + 1 {
                let mut reader = Reader(found.operations);
                while !reader.0.is_empty() {
                    let (when, operation) =
                        operation(&mut reader).map_err(|_| Ok(Broken::Content))?;
                    play(when, operation).map_err(Err)?;
                }
                group = expected;
            }
            (at, expected) = (found.end, expected + 1);
        }
    }
    let newer = |octets: &Vec<u8>| {
        let places = (0..octets.len()).step_by(SECTOR);
        places.filter_map(|at| record(octets, at)).any(|found| found.group > group)
    };
    if slots.iter().any(newer) { Err(Ok(Broken::Gap)) } else { Ok(group) }
}

fn operation(reader: &mut Reader<'_>) -> Result<(When, Operation), Damaged> {
    let [kind, length] = reader.take()?;
    let mn_id: Arc<str> = reader.text(length.into())?;
    let session_id = reader.long_text()?;
    if kind == DETACH {
        let when = When { stamp: Stamp(0), wall: AttachTime(0) };
        return Ok((when, Operation::Detach(Detach { mn_id, session_id })));
    }
    let when = When { stamp: Stamp(reader.u64()?), wall: AttachTime(reader.u64()?) };
    let maar = reader.address()?;
    let end_to_end = reader.take().map(u32::from_be_bytes)?;
    let time = match kind {
        ATTACH => None,
        REGISTER => Some(AttachTime(reader.u64()?)),
        _ => return Err(Damaged),
    };
    let origin_host = reader.long_text()?;
    let attach = Attach { mn_id, origin_host, end_to_end, session_id, maar, time };
    Ok((when, Operation::Attach(attach)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach(n: u32, time: Option<AttachTime>) -> (When, Operation) {
        let when = When { stamp: Stamp(n.into()), wall: AttachTime(u64::from(n) << 16) };
        let attach = Attach {
            mn_id: format!("user{n}@example.org").into(),
            origin_host: "amaar1.example.org".into(),
            end_to_end: n,
            session_id: "s".repeat(n as usize * 40).into(),
            maar: std::net::Ipv6Addr::from(u128::from(n)),
            time,
        };
        (when, Operation::Attach(attach))
    }

    fn group(n: u32) -> Vec<(When, Operation)> {
        let when = When { stamp: Stamp(0), wall: AttachTime(0) };
        let detach = Detach { mn_id: "u@example.org".into(), session_id: "s".into() };
        vec![attach(n, None), attach(n, Some(AttachTime(7))), (when, Operation::Detach(detach))]
    }

    fn written(groups: std::ops::Range<u32>) -> Vec<u8> {
        let (mut file, mut out) = (Vec::new(), Vec::new());
        for n in groups {
            begin(&mut out);
            group(n).iter().for_each(|(when, operation)| add(&mut out, *when, operation));
            assert!(end(&mut out, n.into()));
            file.extend_from_slice(&out);
        }
        file
    }

    fn played(slots: &[Vec<u8>; SLOTS], from: u64) -> Result<(u64, usize), Broken> {
        let mut seen = Vec::new();
        let last = play(slots, from, |when, operation| {
            seen.push((when, operation));
            Ok(())
        });
        let last = last.map_err(|broken| broken.unwrap())?;
        let expected: Vec<_> = (from as u32 + 1..=last as u32).flat_map(group).collect();
        assert_eq!(seen, expected);
        Ok((last, seen.len()))
    }

    #[test]
    fn groups_come_back_in_order_from_both_files_and_those_of_the_checkpoint_are_left_out() {
        let slots = [written(20..30), written(10..20)];
        assert_eq!(played(&slots, 9), Ok((29, 60)));
        assert_eq!(played(&slots, 14), Ok((29, 45)));
        assert_eq!(played(&slots, 29), Ok((29, 0)));
        assert_eq!(played(&[Vec::new(), Vec::new()], 3), Ok((3, 0)));
    }

    #[test]
    fn a_file_written_again_ends_where_its_older_records_begin() {
        let mut file = written(10..20);
        let newer = written(30..33);
        file[..newer.len()].copy_from_slice(&newer);
        assert_eq!(played(&[file, written(20..30)], 19), Ok((32, 39)));
    }

    #[test]
    fn a_flipped_bit_ends_the_journal_there_or_is_a_gap() {
        let whole = written(1..4);
        for bit in 0..whole.len() * 8 {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            match played(&[file, Vec::new()], 0) {
                // The last record, for the high-water file to judge, or padding.
                Ok((last, _)) => assert!(last >= 2, "bit {bit}"),
                Err(broken) => assert_eq!(broken, Broken::Gap),
            }
        }
    }

    #[test]
    fn the_older_file_lost_is_a_gap() {
        assert_eq!(played(&[written(20..30), Vec::new()], 9), Err(Broken::Gap));
    }
}
