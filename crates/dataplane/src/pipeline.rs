// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The three passes over a burst: classify all, look up all, act on all (draft §5). Passes instead of one packet after
//! the other, so that the table's cache misses of a burst overlap. Before them, parked packets are run again.
//!
//! Read next: `classify`, [`crate::table`], `route` (where to), `forward` (the octets); for what waits, `unpark`.

use crate::classify::{Entrance, Fate, Kind, Packet, classify};
use crate::counters::{Count, Counts, DropReason, Info};
use crate::fib::{Fib, PortInfo};
use crate::forward::{forward, strip_tunnel};
use crate::fragment::{Fragments, Waits};
use crate::hold::Holds;
use crate::park::Parks;
use crate::punt::Punts;
use crate::route::{Router, Words};
use crate::sample::Samples;
use crate::spread::Mesh;
use crate::table::{Asked, Lookups, Reader};
use crate::unpark;
use crate::worker::Transmit;
use crate::{BURST, PortId};
use arrayvec::ArrayVec;
use std::ops::Range;
use std::sync::Arc;
use wire::buf::PacketBuf;

/// What forwarding needs, and what it leaves behind.
pub(crate) struct Pipeline<B> {
    pub fib: Arc<Fib>,
    pub table: Reader,
    pub punts: Punts<B>,
    pub samples: Samples,
    pub parks: Parks<B>,
    /// With other workers, when flows are spread in software.
    pub mesh: Option<Mesh<B>>,
    pub holds: Holds,
    pub fragments: Fragments<B>,
    pub counts: Counts,
    pub read: Read,
}

/// What the first two passes found out about the frames of a burst, by their place in it. Kept from burst to burst only
/// to be written in place.
pub(crate) struct Read {
    pub packets: [Packet; BURST],
    /// Of those that end here already, and whose packet is nothing then.
    pub fates: [Option<Fate>; BURST],
    /// Source and destination of each, as asked of the table.
    asked: [[Asked; 2]; BURST],
    words: [[u64; 2]; BURST],
}

/// Packets whose lines of the table are on their way at a time: while one half of a burst is acted on, those of the other
/// are fetched. Memory gives a line in some 27 cycles when it is asked for enough of them at a time and stands still while
/// the processor is busy with what it has got; all lines at once would be more than a core may wait for.
const HALF: usize = BURST / 2;
/// Frames whose front is fetched again while others are acted on: a burst's mbufs share few sets of the first cache.
const AHEAD: usize = 4;

impl Read {
    pub(crate) const fn new() -> Read {
        Read {
            packets: [Packet::NONE; BURST],
            fates: [None; BURST],
            asked: [[Asked::NOTHING; 2]; BURST],
            words: [[0; 2]; BURST],
        }
    }

    /// First pass: what each frame is. What it needs of the table is on its way from memory while the next one is read.
    #[inline(always)]
    fn classify<B: PacketBuf>(
        &mut self,
        fib: &Fib,
        info: &PortInfo,
        table: Lookups<'_>,
        burst: &mut [B],
    ) {
        let port = Entrance::new(info);
        let places = self.packets.iter_mut().zip(&mut self.fates).zip(&mut self.asked);
        for (i, (buf, ((packet, fate), asked))) in burst.iter_mut().zip(places).enumerate() {
            match read(fib, &port, buf, packet) {
                Ok([src, dst]) => {
                    *fate = None;
                    *asked = [table.ask(src), table.ask(dst)];
                    if i < HALF {
                        let [src, dst] = *asked;
                        table.fetch(src, B::prefetch);
                        table.fetch(dst, B::prefetch);
                    }
                }
                Err(ended) => {
                    *fate = Some(ended);
                    *asked = [Asked::NOTHING; 2];
                }
            }
        }
    }

    /// Asks for what the second pass wants to know of packet `i`.
    #[inline(always)]
    fn fetch<B: PacketBuf>(&self, table: Lookups<'_>, i: usize) {
        let [src, dst] = self.asked[i];
        table.fetch(src, B::prefetch);
        table.fetch(dst, B::prefetch);
    }

    /// Second pass: what the table says of some packets.
    #[inline(always)]
    fn look_up<B: PacketBuf>(&mut self, table: Lookups<'_>, packets: Range<usize>) {
        let asked = self.asked[packets.clone()].as_flattened();
        let words = self.words[packets].as_flattened_mut();
        let mut late = ArrayVec::<u8, { 2 * HALF }>::new();
        for (i, (word, asked)) in words.iter_mut().zip(asked).enumerate() {
            match table.answer(*asked) {
                Some(answer) => *word = answer,
                None => {
                    table.fetch_next(*asked, B::prefetch);
                    late.push(i as u8);
                }
            }
        }
        for i in late {
            words[usize::from(i)] = table.answer_late(asked[usize::from(i)]);
        }
    }

    /// The packet at `from` stays, at a place before.
    pub(crate) fn keep(&mut self, from: usize, at: usize) {
        self.packets[at] = self.packets[from];
        self.fates[at] = self.fates[from];
        self.asked[at] = self.asked[from];
    }
}

/// Who gave a burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A port: the packets of other workers' flows are handed on.
    Port,
    /// Another worker: they are run here.
    Mesh,
    /// This worker, which put a packet together: its frames have been counted.
    Pieces,
}

impl<B: PacketBuf> Pipeline<B> {
    /// Every frame of `burst` gets its one final verdict, or is parked until it gets it.
    pub(crate) fn run(
        &mut self,
        source: Source,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        tx: &mut impl Transmit<B>,
    ) {
        let mut waiting = !self.parks.is_empty();
        if waiting {
            self.unpark(tx);
        }
        if burst.is_empty() {
            return;
        }
        let Pipeline { fib, table, punts, samples, parks, mesh, holds, fragments, counts, read } =
            self;
        match source {
            Source::Port => counts.received(burst.len()),
            Source::Mesh => counts.infos(Info::TakenOver, burst.len()),
            Source::Pieces => {}
        }
        let Some(info) = fib.port(port) else {
            burst.drain(..).for_each(|_| counts.drop(DropReason::PortUnknown));
            return;
        };
        let lookups = table.lookups();
        read.classify(fib, info, lookups, burst);
        if source != Source::Mesh
            && let Some(mesh) = mesh
        {
            mesh.hand_over(port, burst, read, counts);
            if burst.is_empty() {
                return;
            }
        }
        let router = Router { fib, table, holds, port, info, parking: parks.enabled() };
        let (n, sampled) = (burst.len(), samples.choose(burst.len()));
        let mut bufs = std::mem::take(burst).into_iter();
        for i in 0..n {
            if let Some(soon) = bufs.as_slice().get(AHEAD) {
                soon.prefetch_front();
            }
            let Some(mut buf) = bufs.next() else { break };
            if i % HALF == 0 {
                read.look_up::<B>(lookups, i..n.min(i + HALF));
            }
            if i + HALF < n {
                read.fetch::<B>(lookups, i + HALF);
            }
            let (packet, [src, dst]) = (&read.packets[i], read.words[i]);
            let words = Words { src, dst };
            if let Some(fate) = read.fates[i] {
                end(fate, port, None, buf, &mut Ends { fib, punts, fragments, counts }, tx);
                continue;
            }
            if matches!(packet.kind, Kind::Tunnelled(_)) {
                counts.info(Info::Decapsulated);
            }
            if i == sampled {
                samples.look(&router, packet, words, punts, counts);
            }
            let behind = if waiting { unpark::behind(parks, packet) } else { None };
            let sent = match behind {
                None => router.decide(packet, words).and_then(|way| forward(way, packet, &mut buf)),
                Some(wait) => Err(Fate::Park(wait)),
            };
            match sent {
                Ok((out, count)) => {
                    counts.count(count);
                    tx.transmit(out, buf);
                }
                Err(Fate::Park(wait)) => {
                    waiting = true;
                    let mut ends = Ends { fib, punts, fragments, counts };
                    unpark::park(&router, (packet, words), wait, buf, parks, &mut ends, tx);
                }
                Err(fate) => {
                    let mut ends = Ends { fib, punts, fragments, counts };
                    end(fate, port, Some(packet), buf, &mut ends, tx);
                }
            }
        }
        if self.fragments.has_whole() {
            self.run_whole(tx);
        }
    }

    /// Packets that were put together in a burst, each as if it had come whole. None of them is a piece.
    #[cold]
    fn run_whole(&mut self, tx: &mut impl Transmit<B>) {
        while let Some((port, buf)) = self.fragments.next_whole() {
            let mut burst = ArrayVec::new();
            burst.push(buf);
            self.run(Source::Pieces, port, &mut burst, tx);
        }
    }
}

/// Where frames go that are not forwarded.
pub(crate) struct Ends<'a, B> {
    pub fib: &'a Fib,
    pub punts: &'a mut Punts<B>,
    pub fragments: &'a mut Fragments<B>,
    pub counts: &'a mut Counts,
}

/// Octets of a frame that the slow path reads at most: the least MTU of IPv6, with room for Ethernet headers.
const QUOTED: usize = 1280 + 32;

/// A frame that is not forwarded.
#[cold]
pub(crate) fn end<B: PacketBuf>(
    fate: Fate,
    port: PortId,
    packet: Option<&Packet>,
    mut buf: B,
    ends: &mut Ends<'_, B>,
    tx: &mut impl Transmit<B>,
) {
    let Ends { fib, punts, fragments, counts } = ends;
    let why = match fate {
        Fate::Drop(why) => return counts.drop(why),
        Fate::Punt(why) => why,
        Fate::Unreached(peer) => {
            punts.peer(peer);
            return counts.drop(DropReason::PeerUnresolved);
        }
        Fate::Absorb(marker) => {
            counts.count(Count::Absorbed);
            if !punts.marker(marker) {
                counts.info(Info::MarkersHeldBack);
            }
            return;
        }
        Fate::Fragment => {
            return match fragments.take(fib, port, buf, counts) {
                Ok(Waits::Yes) => counts.count(Count::Absorbed),
                Ok(Waits::No) => {}
                Err(why) => counts.drop(why),
            };
        }
        Fate::Split(out) => {
            let Some((first, second)) = fragments.split(fib, buf) else {
                return counts.drop(DropReason::FragmentNoBuffer);
            };
            counts.count(Count::Tunnelled);
            counts.info(Info::Fragmented);
            tx.transmit(out, first);
            return tx.transmit(out, second);
        }
        // Only a packet that was read parks, and is not brought here.
        Fate::Park(_) => return counts.drop(DropReason::ParkFull),
    };
    if let Some(packet) = packet {
        strip_tunnel(packet, &mut buf);
    }
    // Of a frame in segments the slow path sees the first: what it quotes of a packet is there then.
    let len = buf.frame_len();
    if !buf.is_contiguous() && !buf.pull_up(len.min(QUOTED)) {
        return counts.drop(DropReason::HeadersScattered);
    }
    match punts.frame(port, why, buf) {
        Ok(()) => counts.punt(why),
        Err(why) => counts.drop(why),
    }
}

/// What one frame is; gives the keys of its packet.
#[inline(always)]
pub(crate) fn read<B: PacketBuf>(
    fib: &Fib,
    port: &Entrance<'_>,
    buf: &mut B,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    if buf.is_contiguous() {
        classify(fib, port, buf.data(), 0, packet)
    } else {
        read_chain(fib, port, buf, packet)
    }
}

/// Octets that hold all headers anybody sends: those of a tunnel with its options, and those of the packet inside.
const HEADERS: usize = 256;

/// A frame in several segments: its headers are brought together in the first, the rest stays where it is.
#[cold]
fn read_chain<B: PacketBuf>(
    fib: &Fib,
    port: &Entrance<'_>,
    buf: &mut B,
    packet: &mut Packet,
) -> Result<[u64; 2], Fate> {
    let len = buf.frame_len();
    if !buf.pull_up(len.min(HEADERS)) {
        return Err(Fate::Drop(DropReason::HeadersScattered));
    }
    classify(fib, port, buf.data(), len - buf.data().len(), packet)
}
