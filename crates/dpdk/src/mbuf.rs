// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One packet in DPDK's memory. The owner of an [`Mbuf`] owns the whole segment chain; nobody else sees it.
//!
//! ```text
//!  buf_addr                data_off                         data_len
//!     │◄───── headroom ──────►│◄────────── data() ─────────────►│◄─ tailroom ─►│       next ──► further segments
//! ```
//!
//! The fields are read in place at the offsets the shim gives: a packet costs no call into C until it is freed.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use dpdk_sys as sys;
use wire::buf::PacketBuf;

/// A packet buffer that frees itself, from any thread: on a thread that is no lcore the pool's per-lcore cache is
/// passed by, which costs more and is as safe.
///
/// Eight octets and the layout of `rte_mbuf *`: a burst is an array that DPDK fills directly.
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

// SAFETY: an Mbuf is the only handle of its segments, and mempools with the default handler (multi-producer,
// multi-consumer ring) take a buffer back from any thread. Mempool::new keeps to that handler.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes over a chain from DPDK.
    ///
    /// # Safety
    /// `raw` is a chain that DPDK handed over (allocated or received), with one reference, and no one else uses it.
    pub(crate) unsafe fn from_raw(raw: NonNull<sys::rte_mbuf>) -> Mbuf {
        Mbuf(raw)
    }

    /// Octets of the whole frame, all segments.
    #[inline]
    pub fn frame_len(&self) -> usize {
        self.get::<u32>(sys::SHIM_MBUF_PKT_LEN) as usize
    }

    /// Segments of the frame.
    #[inline]
    pub fn segments(&self) -> usize {
        usize::from(self.get::<u16>(sys::SHIM_MBUF_NB_SEGS))
    }

    /// Grows a frame of one segment by `n` octets at its end and gives these; they hold what was there. `None` (and no
    /// change) without the room.
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let len = self.data_len();
        if !self.is_contiguous() || n > self.tailroom() {
            return None;
        }
        self.set_contiguous_len(len + n);
        Some(&mut self.data_mut()[len..])
    }

    /// Puts the segments of another frame behind those of this one; gives it back where they would be more than DPDK
    /// counts.
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        let Some(segments) =
            self.get::<u16>(sys::SHIM_MBUF_NB_SEGS).checked_add(tail.segments() as u16)
        else {
            return Err(tail);
        };
        let len = self.frame_len() + tail.frame_len();
        let mut last = ManuallyDrop::new(Mbuf(self.0));
        while let Some(next) = last.second() {
            last = next;
        }
        last.set(sys::SHIM_MBUF_NEXT, ManuallyDrop::new(tail).0.as_ptr());
        self.set(sys::SHIM_MBUF_NB_SEGS, segments);
        self.set(sys::SHIM_MBUF_PKT_LEN, len as u32);
        Ok(())
    }

    /// Octets free behind the data of the first segment.
    pub fn tailroom(&self) -> usize {
        let buffer = usize::from(self.get::<u16>(sys::SHIM_MBUF_BUF_LEN));
        buffer - self.data_off() - self.data_len()
    }

    #[inline(always)]
    fn data_len(&self) -> usize {
        usize::from(self.get::<u16>(sys::SHIM_MBUF_DATA_LEN))
    }

    #[inline(always)]
    fn data_off(&self) -> usize {
        usize::from(self.get::<u16>(sys::SHIM_MBUF_DATA_OFF))
    }

    #[inline(always)]
    fn start(&self) -> *mut u8 {
        let buffer: *mut u8 = self.get(sys::SHIM_MBUF_BUF_ADDR);
        // SAFETY: data_off stays within the buffer: DPDK set it so, and prepend and trim_front keep it there.
        unsafe { buffer.add(self.data_off()) }
    }

    /// `len` fits between data_off and the buffer's end (the callers check), so it fits 16 bits.
    fn set_contiguous_len(&mut self, len: usize) {
        self.set(sys::SHIM_MBUF_DATA_LEN, len as u16);
        self.set(sys::SHIM_MBUF_PKT_LEN, len as u32);
    }

    /// Reads a field of the first segment.
    #[inline(always)]
    fn get<T: Copy>(&self, offset: sys::shim_mbuf_field) -> T {
        // SAFETY: the constants SHIM_MBUF_* are offsets of fields of the type the callers name, aligned as C aligned
        // them; the mbuf is alive, as self owns it.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset as usize).cast::<T>().read() }
    }

    /// Writes a field of the first segment.
    #[inline(always)]
    fn set<T: Copy>(&mut self, offset: sys::shim_mbuf_field, value: T) {
        // SAFETY: as in `get`; `&mut self` is the only access to the mbuf.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset as usize).cast::<T>().write(value) }
    }

    /// The first segment's pool: where `PacketBuf::another` takes its buffer from.
    fn pool(&self) -> *mut sys::rte_mempool {
        self.get(sys::SHIM_MBUF_POOL)
    }

    /// The second segment, borrowed: never dropped, so nothing is freed through it.
    fn second(&self) -> Option<ManuallyDrop<Mbuf>> {
        NonNull::new(self.get::<*mut sys::rte_mbuf>(sys::SHIM_MBUF_NEXT))
            .map(|next| ManuallyDrop::new(Mbuf(next)))
    }

    /// Moves up to `n` octets of the second segment, which there is, to the end of the first, which has room for them;
    /// a segment that is empty then is freed. How many it moved.
    fn pull(&mut self, second: &mut Mbuf, n: usize) -> usize {
        let (len, n) = (self.data_len(), n.min(second.data_len()));
        // Not more than the tailroom, as the caller knows.
        self.set(sys::SHIM_MBUF_DATA_LEN, (len + n) as u16);
        self.data_mut()[len..].copy_from_slice(&second.data()[..n]);
        let (off, left) = (second.data_off() + n, second.data_len() - n);
        second.set(sys::SHIM_MBUF_DATA_OFF, off as u16);
        second.set(sys::SHIM_MBUF_DATA_LEN, left as u16);
        if left == 0 {
            let third = second.get::<*mut sys::rte_mbuf>(sys::SHIM_MBUF_NEXT);
            self.set(sys::SHIM_MBUF_NEXT, third);
            self.set(sys::SHIM_MBUF_NB_SEGS, (self.segments() - 1) as u16);
            second.set(sys::SHIM_MBUF_NEXT, std::ptr::null_mut::<sys::rte_mbuf>());
            // Unlinked above, so a chain of one of its own.
            drop(Mbuf(second.0));
        }
        n
    }

    /// Cuts a chain to `len` octets, which the caller knows to be fewer than it has, and frees what is behind.
    fn truncate_chain(&mut self, len: usize) {
        let mut left = len;
        let mut kept = 1u16;
        // A borrowed view of a segment: never dropped, so nothing is freed through it.
        let mut segment = ManuallyDrop::new(Mbuf(self.0));
        while segment.data_len() < left {
            left -= segment.data_len();
            kept += 1;
            match segment.second() {
                Some(next) => segment = next,
                None => break,
            }
        }
        let tail = NonNull::new(segment.get::<*mut sys::rte_mbuf>(sys::SHIM_MBUF_NEXT));
        segment.set(sys::SHIM_MBUF_DATA_LEN, left as u16);
        segment.set(sys::SHIM_MBUF_NEXT, std::ptr::null_mut::<sys::rte_mbuf>());
        self.set(sys::SHIM_MBUF_PKT_LEN, len as u32);
        self.set(sys::SHIM_MBUF_NB_SEGS, kept);
        // The cut-off segments are a chain of their own now.
        drop(tail.map(Mbuf));
    }
}

impl PacketBuf for Mbuf {
    #[inline]
    fn data(&self) -> &[u8] {
        // SAFETY: data_len octets behind data_off are initialised memory of this buffer (DPDK's invariant, kept by
        // every method here), and self, borrowed, keeps it.
        unsafe { std::slice::from_raw_parts(self.start(), self.data_len()) }
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`; self is borrowed mutably and is the only owner.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.data_len()) }
    }

    #[inline]
    fn is_contiguous(&self) -> bool {
        self.segments() == 1
    }

    #[inline]
    fn frame_len(&self) -> usize {
        Mbuf::frame_len(self)
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        Mbuf::append(self, n)
    }

    fn pull_up(&mut self, n: usize) -> bool {
        let missing = n.saturating_sub(self.data_len());
        if n > self.frame_len() || missing > self.tailroom() {
            return missing == 0;
        }
        let mut left = missing;
        while left > 0 {
            let Some(mut second) = self.second() else { return false };
            left -= self.pull(&mut second, left);
        }
        true
    }

    fn another(&self) -> Option<Mbuf> {
        // SAFETY: the pool this mbuf came from exists: one whose mbufs are not all back is never freed (mempool.rs).
        let raw = unsafe { sys::shim_pktmbuf_alloc(self.pool()) };
        // SAFETY: fresh from the pool: one reference, ours.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }

    #[inline(always)]
    fn reframe(&mut self, start: usize, len: usize, front: usize) -> Option<&mut [u8]> {
        if !self.is_contiguous() {
            return wire::buf::reframe(self, start, len, front);
        }
        assert!(start + len <= self.data_len(), "cut past the end");
        // In one step what `truncate`, `prepend` and `trim_front` do. It ends where it ended or before, so it fits 16 bits.
        let off = (self.data_off() + start).checked_sub(front)?;
        self.set(sys::SHIM_MBUF_DATA_OFF, off as u16);
        self.set_contiguous_len(front + len);
        Some(self.data_mut())
    }

    #[inline(always)]
    fn prefetch<T>(what: &T) {
        crate::prefetch::read(what);
    }

    #[inline(always)]
    fn prefetch_front(&self) {
        // Both lines that the headers of a tunnelled packet are in; never followed, wherever the second one is.
        let start = self.start().cast_const();
        crate::prefetch::address(start);
        crate::prefetch::address(start.wrapping_add(64));
    }

    #[inline]
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        let off = self.data_off().checked_sub(n)?;
        let len = self.data_len() + n;
        let frame = self.frame_len() + n;
        // off + len did not change, and was within the 16 bits of buf_len.
        self.set(sys::SHIM_MBUF_DATA_OFF, off as u16);
        self.set(sys::SHIM_MBUF_DATA_LEN, len as u16);
        self.set(sys::SHIM_MBUF_PKT_LEN, frame as u32);
        Some(self.data_mut())
    }

    #[inline]
    fn trim_front(&mut self, n: usize) {
        let len = self.data_len();
        assert!(n <= len, "cut past the end of the first segment");
        let off = self.data_off() + n;
        let frame = self.frame_len() - n;
        self.set(sys::SHIM_MBUF_DATA_OFF, off as u16);
        self.set(sys::SHIM_MBUF_DATA_LEN, (len - n) as u16);
        self.set(sys::SHIM_MBUF_PKT_LEN, frame as u32);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        if len >= self.frame_len() {
            return;
        }
        if self.is_contiguous() {
            self.set_contiguous_len(len);
        } else {
            self.truncate_chain(len);
        }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: self owns the chain and is gone after this; its pool still exists, as a pool whose mbufs are not all
        // back is never freed (mempool.rs).
        unsafe { sys::shim_pktmbuf_free(self.0.as_ptr()) };
    }
}

impl std::fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mbuf({} octets in {} segments)", self.frame_len(), self.segments())
    }
}
