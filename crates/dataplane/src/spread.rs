// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Software spread: packets that a port's own hash would leave on one worker are handed to the worker of their flow,
//! over one bounded SPSC ring for each pair of workers, and run to completion there.
//!
//! All sessions between two MAARs have one outer source and destination, so a port that hashes outer headers puts them
//! on one queue; and a port with fewer queues than there are workers leaves some without work.
//!
//! ```text
//!   port -> queue -> worker 0: classify --- flow of worker 0 ---> look up, act -> port
//!                                 \-------- flow of worker 1 --> ring 0>1 -> worker 1: classify, look up, act -> port
//! ```
//! Order within a flow is kept: what arrives on one queue goes through one ring, which is in order, to one worker. The
//! books: what is handed over gets its final count where it is taken over; in all, received = final counts + parked +
//! handed over - taken over, and the last two are equal when the rings are empty.

use crate::classify::{Kind, Packet};
use crate::counters::{Counts, DropReason, Info};
use crate::flow;
use crate::pipeline::Read;
use crate::{BURST, PortId};
use arrayvec::ArrayVec;
use rtrb::{Consumer, Producer, RingBuffer};
use wire::buf::PacketBuf;

/// Which packets of a port are handed to the worker of their flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spread {
    /// None: the port's queues hold the flows that their workers run.
    Off,
    /// What tunnels bring: the port's hash spreads the rest.
    Tunnels,
    /// All that may be forwarded: the port has fewer queues than there are workers.
    All,
}

/// A frame on its way to another worker, and where it came in.
type Handed<B> = (PortId, B);

/// One worker's ends of the rings.
pub struct Mesh<B> {
    /// By worker: what is gathered for it in a burst, and the ring to it; none to itself.
    to: Vec<Option<Outlet<B>>>,
    from: Vec<Consumer<Handed<B>>>,
    /// Which ring is looked at next.
    turn: usize,
    /// By [`PortId`]; a port beyond it is not spread.
    ports: Vec<Spread>,
}

struct Outlet<B> {
    ring: Producer<Handed<B>>,
    gathered: ArrayVec<Handed<B>, BURST>,
}

/// The ends of `n` workers, by worker; each ring takes `entries` packets. `ports` is by [`PortId`].
pub fn mesh<B>(n: usize, entries: usize, ports: &[Spread]) -> Vec<Mesh<B>> {
    let one = |_| Mesh {
        to: (0..n).map(|_| None).collect(),
        from: Vec::with_capacity(n),
        turn: 0,
        ports: ports.to_vec(),
    };
    let mut meshes: Vec<Mesh<B>> = (0..n).map(one).collect();
    for from in 0..n {
        for to in (0..n).filter(|&to| to != from) {
            let (ring, out) = RingBuffer::new(entries);
            meshes[from].to[to] = Some(Outlet { ring, gathered: ArrayVec::new() });
            meshes[to].from.push(out);
        }
    }
    meshes
}

impl<B: PacketBuf> Mesh<B> {
    /// Hands over what other workers run of a burst received on `port`; the rest stays, in its order.
    pub(crate) fn hand_over(
        &mut self,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        read: &mut Read,
        counts: &mut Counts,
    ) {
        let spread = self.ports.get(port as usize).copied().unwrap_or(Spread::Off);
        if spread == Spread::Off {
            return;
        }
        for (i, buf) in std::mem::take(burst).into_iter().enumerate() {
            let packet = read.fates[i].is_none().then_some(&read.packets[i]);
            match packet.and_then(|packet| self.outlet(spread, packet, &buf)) {
                Some(outlet) => outlet.gathered.push((port, buf)),
                None => {
                    read.keep(i, burst.len());
                    burst.push(buf);
                }
            }
        }
        self.to.iter_mut().flatten().for_each(|outlet| outlet.flush(counts));
    }

    /// The way to the worker of a packet's flow, unless that is this one or the packet is not spread.
    #[inline]
    fn outlet(&mut self, spread: Spread, packet: &Packet, buf: &B) -> Option<&mut Outlet<B>> {
        match packet.kind {
            Kind::Tunnelled(_) => {}
            Kind::Uplink(_) | Kind::Core if spread == Spread::All => {}
            _ => return None,
        }
        let hash = flow::of(packet, &buf.data()[packet.start..]);
        let worker = (((hash >> 32) * self.to.len() as u64) >> 32) as usize;
        self.to[worker].as_mut()
    }

    /// What another worker handed over, all of one port, in order; `None` when there is nothing. `burst` is empty
    /// before. Each ring has its turn.
    pub(crate) fn take_over(&mut self, burst: &mut ArrayVec<B, BURST>) -> Option<PortId> {
        for _ in 0..self.from.len() {
            self.turn = if self.turn + 1 < self.from.len() { self.turn + 1 } else { 0 };
            let ring = &mut self.from[self.turn];
            let ready = ring.slots().min(BURST);
            let Ok(chunk) = ring.read_chunk(ready) else { continue };
            let (first, second) = chunk.as_slices();
            let Some(&(port, _)) = first.first() else { continue };
            let same = first.iter().chain(second).take_while(|(of, _)| *of == port).count();
            let Ok(chunk) = ring.read_chunk(same) else { continue };
            burst.extend(chunk.into_iter().map(|(_, buf)| buf));
            return Some(port);
        }
        None
    }

    /// The other workers.
    #[inline]
    pub(crate) fn others(&self) -> usize {
        self.from.len()
    }
}

impl<B> Outlet<B> {
    /// One store for the whole burst. What finds no room is dropped: waiting would stop every port of this worker.
    fn flush(&mut self, counts: &mut Counts) {
        if self.gathered.is_empty() {
            return;
        }
        let room = self.ring.slots().min(self.gathered.len());
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            let moved = chunk.fill_from_iter(self.gathered.drain(..room));
            counts.infos(Info::HandedOver, moved);
        }
        self.gathered.drain(..).for_each(|_| counts.drop(DropReason::MeshFull));
    }
}
