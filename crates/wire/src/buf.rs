// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a packet buffer is: DPDK's mbuf on a worker, a `Vec` in tests and in the simulator.

/// A frame with room in front of it, in one segment or several. Implementations free themselves when dropped.
pub trait PacketBuf: Sized {
    /// The frame, from the Ethernet header on. For a multi-segment frame: its first segment.
    fn data(&self) -> &[u8];
    /// As [`PacketBuf::data`], to be changed in place.
    fn data_mut(&mut self) -> &mut [u8];
    /// Whether `data` is the whole frame.
    fn is_contiguous(&self) -> bool;
    /// Octets of the whole frame, all segments.
    fn frame_len(&self) -> usize;
    /// Grows the frame by `n` octets in front and gives the first segment; `None` (and no change) without the headroom.
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Grows a frame of one segment by `n` octets at its end and gives these; they hold anything. `None` (and no change)
    /// without the room.
    fn append(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Cuts `n` octets off the front. `n` is at most the length of the first segment.
    fn trim_front(&mut self, n: usize);
    /// Cuts the frame to `len` octets; no effect when it is shorter already.
    fn truncate(&mut self, len: usize);
    /// Moves octets of further segments into the first, until it holds the first `n` of the frame. `false` where there are
    /// fewer, or no room; the frame is the same in any case.
    fn pull_up(&mut self, n: usize) -> bool;
    /// An empty buffer from where this one came, with headroom; `None` when there is none.
    fn another(&self) -> Option<Self>;
    /// Leaves of the frame the `len` octets behind the first `start`, with room for `front` octets before them, and gives
    /// the first segment; `None` without the headroom. `start` and `front` octets fit the first segment.
    #[inline]
    fn reframe(&mut self, start: usize, len: usize, front: usize) -> Option<&mut [u8]> {
        reframe(self, start, len, front)
    }
    /// Asks the machine to fetch what is read soon; does nothing where it cannot be asked.
    #[inline(always)]
    fn prefetch<T>(_what: &T) {}
    /// The same for the front of the frame.
    #[inline(always)]
    fn prefetch_front(&self) {}
}

/// [`PacketBuf::reframe`] by the other methods.
#[inline]
pub fn reframe<B: PacketBuf>(
    buf: &mut B,
    start: usize,
    len: usize,
    front: usize,
) -> Option<&mut [u8]> {
    buf.truncate(start + len);
    if start < front {
        buf.prepend(front - start)?;
    } else {
        buf.trim_front(start - front);
    }
    Some(buf.data_mut())
}

/// A buffer in ordinary memory with 128 octets of headroom and room for [`DATA_ROOM`], as DPDK's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VecBuf {
    bytes: Vec<u8>,
    start: usize,
    /// Further segments.
    more: Vec<Vec<u8>>,
}

/// DPDK's RTE_PKTMBUF_HEADROOM.
pub const HEADROOM: usize = 128;
/// Octets a segment holds behind the headroom, unless it was made longer.
pub const DATA_ROOM: usize = 2048;

impl VecBuf {
    /// A buffer that holds `frame`.
    pub fn new(frame: &[u8]) -> Self {
        VecBuf::chained(frame, &[])
    }

    /// A frame in several segments.
    pub fn chained(first: &[u8], more: &[&[u8]]) -> Self {
        let mut bytes = vec![0; HEADROOM];
        bytes.extend_from_slice(first);
        VecBuf { bytes, start: HEADROOM, more: more.iter().map(|part| part.to_vec()).collect() }
    }

    /// The whole frame, all segments.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.data(), &self.more.concat()].concat()
    }

    fn room(&self) -> usize {
        (HEADROOM + DATA_ROOM).saturating_sub(self.bytes.len())
    }
}

impl PacketBuf for VecBuf {
    fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn is_contiguous(&self) -> bool {
        self.more.is_empty()
    }

    fn frame_len(&self) -> usize {
        self.data().len() + self.more.iter().map(Vec::len).sum::<usize>()
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n)?;
        Some(self.data_mut())
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if !self.is_contiguous() || n > self.room() {
            return None;
        }
        let len = self.bytes.len();
        self.bytes.resize(len + n, 0);
        Some(&mut self.bytes[len..])
    }

    fn trim_front(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.start, "cut past the end");
        self.start += n;
    }

    fn truncate(&mut self, len: usize) {
        let first = self.data().len();
        self.bytes.truncate(self.start + len);
        let mut left = len.saturating_sub(first);
        for part in &mut self.more {
            part.truncate(left);
            left -= part.len();
        }
        self.more.retain(|part| !part.is_empty());
    }

    fn pull_up(&mut self, n: usize) -> bool {
        let missing = n.saturating_sub(self.data().len());
        if n > self.frame_len() || missing > self.room() {
            return missing == 0;
        }
        let mut rest = self.more.concat();
        self.bytes.extend(rest.drain(..missing));
        self.more = if rest.is_empty() { Vec::new() } else { vec![rest] };
        true
    }

    fn another(&self) -> Option<Self> {
        Some(VecBuf::new(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_grows_into_its_headroom_and_no_further() {
        let mut buf = VecBuf::new(b"inner");
        buf.prepend(2).expect("there is room")[..2].copy_from_slice(b"o-");
        assert_eq!(buf.data(), b"o-inner");
        assert_eq!(buf.prepend(HEADROOM - 1), None);
        assert_eq!(buf.data(), b"o-inner", "no change");
        assert!(buf.prepend(HEADROOM - 2).is_some());
    }

    #[test]
    fn a_frame_is_cut_at_both_ends() {
        let mut buf = VecBuf::new(b"o-inner-pad");
        buf.trim_front(2);
        buf.truncate(5);
        buf.truncate(50);
        assert_eq!(buf.data(), b"inner");
        buf.trim_front(5);
        assert!(buf.data().is_empty());
    }

    #[test]
    fn a_frame_gets_another_front_or_stays_as_it_was() {
        let mut buf = VecBuf::new(b"eth-inner-pad");
        assert_eq!(buf.reframe(4, 5, 8).map(|frame| frame[8..].to_vec()), Some(b"inner".to_vec()));
        assert_eq!(buf.frame_len(), 13);
        assert_eq!(buf.reframe(8, 5, 2).map(|frame| frame[2..].to_vec()), Some(b"inner".to_vec()));
        assert_eq!(buf.reframe(2, 5, HEADROOM + 10), None);
    }

    #[test]
    fn a_frame_grows_at_its_end_as_far_as_its_room() {
        let mut buf = VecBuf::new(b"first");
        buf.append(4).expect("there is room").copy_from_slice(b"last");
        assert_eq!((buf.data(), buf.frame_len()), (&b"firstlast"[..], 9));
        assert_eq!(buf.append(DATA_ROOM - 8), None);
        assert_eq!(VecBuf::chained(b"a", &[b"b"]).append(1), None);
        assert_eq!(buf.another().expect("always").frame_len(), 0);
    }

    #[test]
    fn a_chain_is_cut_anywhere_and_pulled_into_its_first_segment() {
        let chain = || VecBuf::chained(b"abc", &[b"de", b"fgh"]);
        assert_eq!((chain().frame_len(), chain().to_vec()), (8, b"abcdefgh".to_vec()));
        for len in 0..10 {
            let mut cut = chain();
            cut.truncate(len);
            assert_eq!(cut.to_vec(), b"abcdefgh"[..len.min(8)], "{len}");
            assert_eq!(cut.is_contiguous(), len <= 3);
        }
        for n in 0..10 {
            let mut pulled = chain();
            assert_eq!(pulled.pull_up(n), n <= 8, "{n}");
            assert_eq!(pulled.to_vec(), b"abcdefgh");
            assert!(n > 8 || pulled.data().len() >= n);
        }
        let mut long = VecBuf::chained(&[1; 2000], &[&[2; 100]]);
        assert!(!long.pull_up(2100) && long.pull_up(2048) && long.pull_up(2000));
        assert_eq!((long.data().len(), long.frame_len()), (2048, 2100));
    }
}
