// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The three passes over a burst: classify all, look up all, act on all (draft §5). Passes instead of one packet after
//! the other, so that the table's cache misses of a burst overlap. Before them, parked packets are run again.
//!
//! Read next: `classify`, [`crate::table`], `route` (where to), `forward` (the octets); for what waits, `unpark`.

use crate::classify::{Fate, Kind, Packet, classify};
use crate::counters::{Count, Counts, DropReason, Info};
use crate::fib::{Fib, PortInfo};
use crate::forward::{forward, strip_tunnel};
use crate::hold::Holds;
use crate::park::Parks;
use crate::punt::Punts;
use crate::route::{Router, Words};
use crate::sample::Samples;
use crate::spread::Mesh;
use crate::table::{KEYS, Reader};
use crate::unpark;
use crate::worker::Transmit;
use crate::{BURST, PortId};
use arrayvec::ArrayVec;
use std::sync::Arc;
use wire::addr::Prefix64;
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
    pub counts: Counts,
}

/// Who gave a burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A port: the packets of other workers' flows are handed on.
    Port,
    /// Another worker: they are run here.
    Mesh,
}

type Packets = ArrayVec<Result<Packet, Fate>, BURST>;

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
        let Pipeline { fib, table, punts, samples, parks, mesh, holds, counts } = self;
        match source {
            Source::Port => counts.received(burst.len()),
            Source::Mesh => counts.infos(Info::TakenOver, burst.len()),
        }
        let Some(info) = fib.port(port) else {
            burst.drain(..).for_each(|_| counts.drop(DropReason::PortUnknown));
            return;
        };
        let mut packets = classify_all(fib, info, burst);
        if source == Source::Port
            && let Some(mesh) = mesh
        {
            mesh.hand_over(port, burst, &mut packets, counts);
            if burst.is_empty() {
                return;
            }
        }
        let words = look_up_all(table, &packets);
        let router = Router { fib, table, holds, port, info, parking: parks.enabled() };
        let sampled = samples.choose(burst.len());
        for (i, (mut buf, packet)) in burst.drain(..).zip(&packets).enumerate() {
            let sent = packet.as_ref().map_err(|fate| *fate).and_then(|packet| {
                if matches!(packet.kind, Kind::Tunnelled(_)) {
                    counts.info(Info::Decapsulated);
                }
                if i == sampled {
                    samples.look(&router, packet, words[i], punts, counts);
                }
                if waiting && let Some(wait) = unpark::behind(parks, packet) {
                    return Err(Fate::Park(wait));
                }
                forward(router.decide(packet, words[i])?, packet, &mut buf)
            });
            match (sent, packet) {
                (Ok((out, count)), _) => {
                    counts.count(count);
                    tx.transmit(out, buf);
                }
                (Err(Fate::Park(wait)), Ok(packet)) => {
                    waiting = true;
                    unpark::park(&router, (packet, words[i]), wait, buf, parks, punts, counts, tx);
                }
                (Err(fate), packet) => end(fate, port, packet.as_ref().ok(), buf, punts, counts),
            }
        }
    }
}

/// A frame that is not forwarded.
pub(crate) fn end<B: PacketBuf>(
    fate: Fate,
    port: PortId,
    packet: Option<&Packet>,
    mut buf: B,
    punts: &mut Punts<B>,
    counts: &mut Counts,
) {
    let why = match fate {
        Fate::Drop(why) => return counts.drop(why),
        Fate::Punt(why) => why,
        Fate::Absorb(marker) => {
            counts.count(Count::Absorbed);
            if !punts.marker(marker) {
                counts.info(Info::MarkersHeldBack);
            }
            return;
        }
        // Only a packet that was read parks, and is not brought here.
        Fate::Park(_) => return counts.drop(DropReason::ParkFull),
    };
    if let Some(packet) = packet {
        strip_tunnel(packet, &mut buf);
    }
    match punts.frame(port, why, buf) {
        Ok(()) => counts.punt(why),
        Err(why) => counts.drop(why),
    }
}

fn classify_all<B: PacketBuf>(fib: &Fib, info: &PortInfo, burst: &[B]) -> Packets {
    burst.iter().map(|buf| read(fib, info, buf)).collect()
}

/// What one frame is.
#[inline]
pub(crate) fn read<B: PacketBuf>(fib: &Fib, info: &PortInfo, buf: &B) -> Result<Packet, Fate> {
    if buf.is_contiguous() {
        classify(fib, info, buf.data())
    } else {
        Err(Fate::Drop(DropReason::NotContiguous))
    }
}

/// What the table says of the sources and destinations of the burst, by packet.
fn look_up_all(table: &Reader, packets: &Packets) -> [Words; BURST] {
    let mut keys = ArrayVec::<u64, KEYS>::new();
    for packet in packets.iter().flatten() {
        let (src, dst) = (Prefix64::of(packet.src).0, Prefix64::of(packet.dst).0);
        match packet.kind {
            Kind::Uplink(_) | Kind::Tunnelled(_) => keys.extend([src, dst]),
            Kind::Core => keys.push(dst),
            Kind::Local(_) => {}
        }
    }
    let mut found = [0; KEYS];
    table.lookup_burst(&keys, &mut found);
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or(0);
    let mut words = [Words { src: 0, dst: 0 }; BURST];
    for (words, packet) in words.iter_mut().zip(packets) {
        *words = match packet.as_ref().map(|p| p.kind) {
            Ok(Kind::Uplink(_) | Kind::Tunnelled(_)) => Words { src: next(), dst: next() },
            Ok(Kind::Core) => Words { src: 0, dst: next() },
            _ => Words { src: 0, dst: 0 },
        };
    }
    words
}
