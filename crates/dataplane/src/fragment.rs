// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fragments of outer packets: a packet of at most 1280 octets always fits its tunnel, if need be in two pieces,
//! which the exit puts together. Nothing here is on the way of a packet that fits.
//!
//! The entrance splits behind the outer header; the exit keeps pieces in [`Reassembly`] until the last one has come.

use crate::PortId;
use crate::counters::{Counts, DropReason, Info};
use crate::fib::{Fib, TUNNEL_HEADER_LEN};
use crate::reassembly::{Piece, Reassembly, Taken};
use crate::verdict::PeerId;
use crate::{BURST, WorkerId};
use arrayvec::ArrayVec;
use wire::buf::PacketBuf;
use wire::eth::{self, EthHeader};
use wire::ip6::{self, FRAGMENT_LEN, FragmentHeader, Ip6View};
use wire::time::Instant;

/// A worker's share in fragments: what it put together in a burst, what waits, and how it names its own.
pub(crate) struct Fragments<B> {
    reassembly: Reassembly<B>,
    /// Whole packets on their way into the three passes: as many as a burst has frames, at most.
    whole: ArrayVec<(PortId, B), BURST>,
    /// Identification of the next packet that is split. Its highest octet is the worker's, so that two workers never use
    /// one at once; the rest comes round after 16 million packets, long after the exit forgot the first.
    next_id: u32,
}

impl<B: PacketBuf> Fragments<B> {
    pub(crate) fn new(worker: WorkerId) -> Fragments<B> {
        Fragments {
            reassembly: Reassembly::new(),
            whole: ArrayVec::new(),
            next_id: u32::from(worker) << 24,
        }
    }

    /// Whether pieces wait.
    pub(crate) fn wait(&self) -> bool {
        !self.reassembly.is_empty()
    }

    /// Forgets packets whose pieces did not all come in time.
    pub(crate) fn expire(&mut self, now: Instant, counts: &mut Counts) {
        counts.infos(Info::ReassemblyTimeouts, self.reassembly.expire(now));
    }

    /// Whether a packet was put together and not run yet.
    #[inline]
    pub(crate) fn has_whole(&self) -> bool {
        !self.whole.is_empty()
    }

    /// The next packet that was put together, and where its last piece came in.
    pub(crate) fn next_whole(&mut self) -> Option<(PortId, B)> {
        self.whole.pop_at(0)
    }

    /// A tunnel packet that exceeds its path, as `forward` made it: the two pieces to send. `None`: there is no buffer for
    /// the second.
    #[cold]
    pub(crate) fn split(&mut self, fib: &Fib, mut buf: B) -> Option<(B, B)> {
        let dst = Ip6View::quoted(buf.data().get(eth::HEADER_LEN..)?).ok()?.dst();
        let path_mtu = fib.tunnel(fib.peer_at(dst)?).ok()?.path_mtu;
        let low = self.next_id.wrapping_add(1) & 0x00ff_ffff;
        self.next_id = self.next_id & 0xff00_0000 | low;
        let len = buf.frame_len();
        if !buf.pull_up(len) {
            return None;
        }
        halves(buf, path_mtu.max(ip6::MIN_MTU), self.next_id)
    }

    /// A piece of a tunnel packet waits for the others, or was the last one: then the packet is whole, and runs next.
    #[cold]
    pub(crate) fn take(
        &mut self,
        fib: &Fib,
        port: PortId,
        buf: B,
        counts: &mut Counts,
    ) -> Result<Waits, DropReason> {
        let piece = read(fib, &buf).ok_or(DropReason::FragmentMalformed)?;
        match self.reassembly.take(piece, buf)? {
            Taken::Waits => Ok(Waits::Yes),
            Taken::Whole(whole) => {
                counts.info(Info::Reassembled);
                match self.whole.try_push((port, whole)) {
                    Ok(()) => Ok(Waits::No),
                    // A burst brings no more last pieces than this holds.
                    Err(_) => Err(DropReason::ReassemblyFull),
                }
            }
        }
    }
}

/// Whether a piece has its final count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// It is absorbed.
    Yes,
    /// Its packet is whole, and gets its count as one frame.
    No,
}

/// What `classify` saw already, for the few frames that come here.
fn read<B: PacketBuf>(fib: &Fib, buf: &B) -> Option<Piece> {
    let frame = buf.data();
    let eth = EthHeader::parse(frame)?;
    let outer = Ip6View::quoted(frame.get(eth.len..)?).ok()?;
    let header = FragmentHeader::parse(outer.payload())?;
    let peer: PeerId = fib.peer_at(outer.src())?;
    let len = outer.payload_len().checked_sub(FRAGMENT_LEN)?;
    let start = eth.len + ip6::HEADER_LEN + FRAGMENT_LEN;
    // All but the last end on a unit of 8 (RFC 8200 §4.5), and none lies beyond what a payload length can say.
    let sound = len > 0 && (len % 8 == 0 || !header.more) && header.offset + len <= 0xffff;
    sound.then_some(Piece { peer, header, start, len, ecn: outer.traffic_class() & 3 })
}

/// Splits the tunnel packet in `buf` so that its first half fits `mtu`, and the second one does if it is at most 1280
/// octets inside: 1232 and more go first.
fn halves<B: PacketBuf>(mut buf: B, mtu: usize, id: u32) -> Option<(B, B)> {
    let room = (mtu - ip6::HEADER_LEN - FRAGMENT_LEN) & !7;
    let front = *buf.data().first_chunk::<TUNNEL_HEADER_LEN>()?;
    let rest = buf.data().get(TUNNEL_HEADER_LEN + room..)?;
    let first =
        FragmentHeader { next_header: ip6::IPV6_IN_IPV6, offset: 0, more: true, id }.octets();
    let last = FragmentHeader { next_header: ip6::IPV6_IN_IPV6, offset: room, more: false, id };

    let mut second = buf.another()?;
    let frame = second.append(TUNNEL_HEADER_LEN + FRAGMENT_LEN + rest.len())?;
    frame[TUNNEL_HEADER_LEN + FRAGMENT_LEN..].copy_from_slice(rest);
    let rest = rest.len();
    write_front(frame, &front, last.octets(), rest);

    buf.truncate(TUNNEL_HEADER_LEN + room);
    write_front(buf.prepend(FRAGMENT_LEN)?, &front, first, room);
    Some((buf, second))
}

/// Headers of a fragment with `len` octets of the packet.
fn write_front(
    frame: &mut [u8],
    front: &[u8; TUNNEL_HEADER_LEN],
    fragment: [u8; FRAGMENT_LEN],
    len: usize,
) {
    let (headers, rest) = frame.split_at_mut(TUNNEL_HEADER_LEN);
    headers.copy_from_slice(front);
    let outer = &mut headers[eth::HEADER_LEN..];
    // Below the path's MTU, so it fits.
    outer[4..6].copy_from_slice(&((FRAGMENT_LEN + len) as u16).to_be_bytes());
    outer[6] = ip6::FRAGMENT;
    rest[..FRAGMENT_LEN].copy_from_slice(&fragment);
}
