// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The octets of a row:
//!
//! ```text
//! format 1 | checksum 8 | MAAR 16 | previous 16 | version 8 | attach time 8
//! MN-ID: length 1, text | Session-Id: length 2, text | answered: count 1, then each
//!     at 8 | End-to-End 4 | kind 1 | address 16 | time 8 | Origin-Host: length 2, text
//! ```
//! The checksum is of the key and all that follows it: a row under another row's key is damage, too.

use super::Reply;
use super::row::{Answered, REPLAY_MAX, Row, Stamp};
use arrayvec::ArrayVec;
use sha2::{Digest, Sha256};
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::time::AttachTime;

/// Short and of one length, so that the tree stays small; the whole MN-ID stands in the row.
pub type Key = [u8; 16];

const FORMAT: u8 = 1;
/// Octets before what the checksum covers.
const HEAD: usize = 9;
const ACCEPTED: u8 = 1;
const OUTDATED: u8 = 2;

/// The first half of the MN-ID's SHA-256: nobody can choose two MN-IDs with one key.
pub fn key(mn_id: &str) -> Key {
    first(&Sha256::digest(mn_id.as_bytes()))
}

fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    *digest.first_chunk().expect("N is at most the 32 octets of a digest")
}

/// The first 8 octets of the SHA-256 of the parts.
pub fn checksum(parts: [&[u8]; 2]) -> [u8; 8] {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    first(&digest.finalize())
}

/// A row that is not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged;

/// Writes a row over what is in `out`.
pub fn encode(key: &Key, row: &Row, out: &mut Vec<u8>) {
    out.clear();
    out.push(FORMAT);
    out.extend([0; 8]);
    out.extend(row.maar.octets());
    out.extend(row.previous.octets());
    out.extend(row.version.to_be_bytes());
    out.extend(row.time.0.to_be_bytes());
    out.push(row.mn_id.len() as u8);
    out.extend(row.mn_id.as_bytes());
    text(out, &row.session_id);
    out.push(row.answered.len() as u8);
    for answered in &row.answered {
        let (kind, address, time) = match answered.reply {
            Reply::Accepted { previous, time } => (ACCEPTED, previous, time),
            Reply::Outdated { current } => (OUTDATED, current, AttachTime::default()),
        };
        out.extend(answered.at.0.to_be_bytes());
        out.extend(answered.end_to_end.to_be_bytes());
        out.push(kind);
        out.extend(address.octets());
        out.extend(time.0.to_be_bytes());
        text(out, &answered.origin_host);
    }
    let sum = checksum([key, &out[HEAD..]]);
    out[1..HEAD].copy_from_slice(&sum);
}

pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// Reads a row back.
pub fn decode(key: &Key, octets: &[u8]) -> Result<Row, Damaged> {
    let (head, body) = octets.split_at_checked(HEAD).ok_or(Damaged)?;
    if head[0] != FORMAT || head[1..] != checksum([key, body]) {
        return Err(Damaged);
    }
    let mut reader = Reader(body);
    let (maar, previous) = (reader.address()?, reader.address()?);
    let (version, time) = (reader.u64()?, AttachTime(reader.u64()?));
    let length = reader.take::<1>()?[0];
    let mn_id = reader.text(length.into())?;
    let session_id = reader.long_text()?;
    let count = usize::from(reader.take::<1>()?[0]);
    let mut answered = ArrayVec::<_, REPLAY_MAX>::new();
    for _ in 0..count {
        answered.try_push(reader.answered()?).map_err(|_| Damaged)?;
    }
    if !reader.0.is_empty() {
        return Err(Damaged);
    }
    Ok(Row { mn_id, maar, previous, version, time, session_id, answered })
}

pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_be_bytes)
    }

    pub fn address(&mut self) -> Result<Ipv6Addr, Damaged> {
        self.take::<16>().map(Ipv6Addr::from)
    }

    pub fn text(&mut self, length: usize) -> Result<Arc<str>, Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        std::str::from_utf8(taken).map(Arc::from).map_err(|_| Damaged)
    }

    pub fn long_text(&mut self) -> Result<Arc<str>, Damaged> {
        let length = self.take().map(u16::from_be_bytes)?;
        self.text(length.into())
    }

    fn answered(&mut self) -> Result<Answered, Damaged> {
        let at = Stamp(self.u64()?);
        let end_to_end = self.take().map(u32::from_be_bytes)?;
        let kind = self.take::<1>()?[0];
        let (address, time) = (self.address()?, AttachTime(self.u64()?));
        let reply = match kind {
            ACCEPTED => Reply::Accepted { previous: address, time },
            OUTDATED => Reply::Outdated { current: address },
            _ => return Err(Damaged),
        };
        Ok(Answered { at, origin_host: self.long_text()?, end_to_end, reply })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let address = |n| Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, n);
        let answered = |end_to_end, reply| Answered {
            at: Stamp(u64::from(end_to_end) << 40),
            origin_host: "amaar1.example.org".into(),
            end_to_end,
            reply,
        };
        Row {
            mn_id: "usera@example.org".into(),
            maar: address(0xa2),
            previous: address(0xa1),
            version: 7,
            time: AttachTime(0x6955_b900_4000),
            session_id: "amaar2.example.org;1;1;usera".repeat(30).into(),
            answered: ArrayVec::from_iter([
                answered(1, Reply::Accepted { previous: address(0xa1), time: AttachTime(5) }),
                answered(2, Reply::Outdated { current: address(0xa3) }),
            ]),
        }
    }

    fn octets() -> Vec<u8> {
        let mut out = Vec::new();
        encode(&key("usera@example.org"), &row(), &mut out);
        out
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        assert_eq!(decode(&key("usera@example.org"), &octets()), Ok(row()));
        let mut empty = row();
        (empty.session_id, empty.answered) = (Arc::default(), ArrayVec::new());
        let mut out = octets();
        encode(&[1; 16], &empty, &mut out);
        assert_eq!(decode(&[1; 16], &out), Ok(empty));
    }

    #[test]
    fn every_flipped_bit_every_cut_and_another_rows_key_is_damage() {
        let key = key("usera@example.org");
        let good = octets();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&key, &bad), Err(Damaged), "bit {bit}");
        }
        for end in 0..good.len() {
            assert_eq!(decode(&key, &good[..end]), Err(Damaged), "cut at {end}");
        }
        assert_eq!(decode(&[0; 16], &good), Err(Damaged));
    }
}
