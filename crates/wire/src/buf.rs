// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a packet buffer is: DPDK's mbuf on a worker, a `Vec` in tests and in the simulator.

/// A frame with room in front of it. Implementations free themselves when dropped.
pub trait PacketBuf {
    /// The frame, from the Ethernet header on. For a multi-segment frame: its first segment.
    fn data(&self) -> &[u8];
    /// As [`PacketBuf::data`], to be changed in place.
    fn data_mut(&mut self) -> &mut [u8];
    /// Whether `data` is the whole frame.
    fn is_contiguous(&self) -> bool;
    /// Grows the frame by `n` octets in front and gives the whole frame; `None` (and no change) without the headroom.
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Cuts `n` octets off the front. `n` is at most the length.
    fn trim_front(&mut self, n: usize);
    /// Cuts the frame to `len` octets; no effect when it is shorter already.
    fn truncate(&mut self, len: usize);
}

/// A buffer in ordinary memory with 128 octets of headroom, as DPDK's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VecBuf {
    bytes: Vec<u8>,
    start: usize,
}

/// DPDK's RTE_PKTMBUF_HEADROOM.
pub const HEADROOM: usize = 128;

impl VecBuf {
    /// A buffer that holds `frame`.
    pub fn new(frame: &[u8]) -> Self {
        let mut bytes = vec![0; HEADROOM];
        bytes.extend_from_slice(frame);
        VecBuf { bytes, start: HEADROOM }
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
        true
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n)?;
        Some(self.data_mut())
    }

    fn trim_front(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.start, "cut past the end");
        self.start += n;
    }

    fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
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
}
