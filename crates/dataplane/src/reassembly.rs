// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tunnel packets that come in pieces (R-29; RFC 8200 §4.5): each waits a second at most, 64 of a peer and 256 of all
//! peers at once, in 8 pieces at most, and what they make fits one buffer. Overlapping pieces end their packet (RFC 5722).
//!
//! A worker reads no clock: the first [`Reassembly::expire`] after a packet's first piece starts its second.

use crate::counters::DropReason;
use crate::verdict::PeerId;
use arrayvec::ArrayVec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::time::Duration;
use wire::buf::PacketBuf;
use wire::ip6::{FRAGMENT_LEN, FragmentHeader, HEADER_LEN};
use wire::time::Instant;

/// Packets under way of one peer at most.
const OF_A_PEER: usize = 64;
/// Packets under way at one worker at most.
const OF_ALL: usize = 256;
/// Pieces of a packet at most: a link of 1280 octets in the path of one of 9000.
const PIECES: usize = 8;
/// How long the first piece waits for the last.
const WAIT: Duration = Duration::from_secs(1);

/// What a frame with a piece says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub peer: PeerId,
    pub header: FragmentHeader,
    /// Where its octets begin in the frame, behind the Fragment header.
    pub start: usize,
    /// How many they are.
    pub len: usize,
    /// The outer packet's ECN field.
    pub ecn: u8,
}

impl Piece {
    fn end(&self) -> usize {
        self.header.offset + self.len
    }

    /// Same octets of the packet, as far as the headers say.
    fn same_place(&self, other: &Piece) -> bool {
        (self.header.offset, self.len) == (other.header.offset, other.len)
    }

    fn overlaps(&self, other: &Piece) -> bool {
        self.header.offset < other.end() && other.header.offset < self.end()
    }
}

/// What became of a piece.
pub(crate) enum Taken<B> {
    /// It waits for the others.
    Waits,
    /// It was the last one: the frame as it would have come in one.
    Whole(B),
}

struct Context<B> {
    /// In the order of their offsets.
    pieces: ArrayVec<(Piece, B), PIECES>,
    /// When it is forgotten; not known before the first look at the time.
    until: Option<Instant>,
    /// Pieces overlapped: later ones are dropped until it is forgotten (RFC 5722).
    broken: bool,
}

/// The packets under way.
pub(crate) struct Reassembly<B>(HashMap<(PeerId, u32), Context<B>, FixedState>);

impl<B: PacketBuf> Reassembly<B> {
    pub(crate) fn new() -> Reassembly<B> {
        // Twice the room: packets that come and go never make it grow.
        Reassembly(HashMap::with_capacity_and_hasher(2 * OF_ALL, FixedState::default()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets packets that waited long enough; how many of them were still hoped for.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let mut lost = 0;
        self.0.retain(|_, context| {
            let until = *context.until.get_or_insert(now + WAIT);
            lost += usize::from(until <= now && !context.broken);
            until > now
        });
        lost
    }

    /// Takes a piece, whose frame is `buf`.
    pub(crate) fn take(&mut self, piece: Piece, mut buf: B) -> Result<Taken<B>, DropReason> {
        if !buf.pull_up(piece.start + piece.len) {
            return Err(DropReason::ReassemblyTooBig);
        }
        buf.truncate(piece.start + piece.len);
        let key = (piece.peer, piece.header.id);
        if !self.0.contains_key(&key) && self.is_full(piece.peer) {
            return Err(DropReason::ReassemblyFull);
        }
        let context = self.0.entry(key).or_insert_with(Context::new);
        context.add(piece, buf)?;
        if !context.is_whole() {
            return Ok(Taken::Waits);
        }
        let pieces = self.0.remove(&key).map(|context| context.pieces).unwrap_or_default();
        join(pieces).map(Taken::Whole)
    }

    fn is_full(&self, peer: PeerId) -> bool {
        self.0.len() >= OF_ALL || self.0.keys().filter(|(of, _)| *of == peer).count() >= OF_A_PEER
    }
}

impl<B: PacketBuf> Context<B> {
    fn new() -> Context<B> {
        Context { pieces: ArrayVec::new(), until: None, broken: false }
    }

    fn add(&mut self, piece: Piece, buf: B) -> Result<(), DropReason> {
        if self.broken {
            return Err(DropReason::FragmentOverlap);
        }
        let mut others = self.pieces.iter().map(|(other, _)| other);
        // Links may repeat a frame (RFC 8200 §4.5 allows to tell it from an overlap).
        if others.clone().any(|other| piece.same_place(other)) {
            return Err(DropReason::FragmentDuplicate);
        }
        let beyond_the_last = |a: &Piece, b: &Piece| !a.header.more && b.end() > a.end();
        let clash = |other: &Piece| {
            piece.overlaps(other)
                || beyond_the_last(&piece, other)
                || beyond_the_last(other, &piece)
        };
        if others.any(clash) {
            self.give_up();
            return Err(DropReason::FragmentOverlap);
        }
        if self.pieces.is_full() {
            self.give_up();
            return Err(DropReason::ReassemblyTooBig);
        }
        let behind = |(other, _): &(Piece, B)| other.header.offset > piece.header.offset;
        let at = self.pieces.iter().position(behind).unwrap_or(self.pieces.len());
        self.pieces.insert(at, (piece, buf));
        Ok(())
    }

    /// Its buffers are free again; what else comes of it is dropped.
    fn give_up(&mut self) {
        self.pieces.clear();
        self.broken = true;
    }

    /// From the first octet to the last without a hole. No two pieces overlap.
    fn is_whole(&self) -> bool {
        let ends = self.pieces.last().is_some_and(|(last, _)| !last.header.more);
        let mut next = 0;
        ends && self.pieces.iter().all(|(piece, _)| {
            let follows = piece.header.offset == next;
            next = piece.end();
            follows
        })
    }
}

/// One frame of all `pieces`, which follow each other: the first one's headers without the Fragment header.
fn join<B: PacketBuf>(pieces: ArrayVec<(Piece, B), PIECES>) -> Result<B, DropReason> {
    let ecn = ecn_of_all(pieces.iter().map(|(piece, _)| piece.ecn));
    let ecn = ecn.ok_or(DropReason::EcnCeNotEct)?;
    let len: usize = pieces.iter().map(|(piece, _)| piece.len).sum();
    let mut pieces = pieces.into_iter();
    // There is a first: without one they would not be whole.
    let (first, mut frame) = pieces.next().ok_or(DropReason::FragmentMalformed)?;
    for (piece, buf) in pieces {
        let octets = buf.data().get(piece.start..).unwrap_or_default();
        let room = frame.append(octets.len()).ok_or(DropReason::ReassemblyTooBig)?;
        room.copy_from_slice(octets);
    }
    let headers = first.start - FRAGMENT_LEN;
    frame.data_mut().copy_within(..headers, FRAGMENT_LEN);
    frame.trim_front(FRAGMENT_LEN);
    let outer = &mut frame.data_mut()[headers - HEADER_LEN..headers];
    outer[1] = outer[1] & 0xcf | ecn << 4;
    // Not more than a buffer holds.
    outer[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    outer[6] = first.header.next_header;
    Ok(frame)
}

/// The ECN field of a packet by those of its fragments (RFC 3168 §5.3): a mark is not lost, and `None` where it meets a
/// fragment that is not ECN-capable. 0 Not-ECT, 3 CE.
fn ecn_of_all(mut fields: impl Iterator<Item = u8> + Clone) -> Option<u8> {
    let has = |field| fields.clone().any(|ecn| ecn == field);
    match (has(3), has(0)) {
        (true, true) => None,
        (true, false) => Some(3),
        (false, true) => Some(0),
        (false, false) => fields.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_one_fragment_is_the_packets_and_must_not_meet_one_that_takes_none() {
        for (fields, packet) in [
            (&[0, 0][..], Some(0)),
            (&[2, 2], Some(2)),
            (&[1, 2], Some(1)),
            (&[2, 3, 2], Some(3)),
            (&[3, 3], Some(3)),
            (&[0, 2], Some(0)),
            (&[0, 3], None),
        ] {
            assert_eq!(ecn_of_all(fields.iter().copied()), packet, "{fields:?}");
        }
    }
}
