// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory for a table that grows while it is read: one stretch of addresses, reserved at once and backed piece by piece
//! from its front; by the kernel's hugepages while it has free ones, else by what it makes of ordinary memory
//! (transparent hugepages where they are on). DPDK's own heap gives no stretch that grows.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::mman::{
    MRemapFlags, MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, mremap, munmap,
};

/// What is backed at a time, and the boundary it starts at: a hugepage.
const PIECE: usize = 2 << 20;
/// The smallest page.
const PAGE: usize = 4096;

/// The stretch. All zero at the start, also what is not backed yet: touching that costs the toucher a page fault.
pub struct Pages {
    /// What was mapped.
    mapped: NonNull<u8>,
    len: usize,
    /// The first boundary of a piece in it.
    start: NonNull<u8>,
    octets: usize,
    hugepages: bool,
    backed: AtomicUsize,
}

// SAFETY: the memory belongs to this value until it is dropped and is only reached as atomics.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

/// The system gave no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no {mib} MiB of addresses: {why}; mend: less, a higher `ulimit -v`, or vm.overcommit_memory=0"
)]
pub struct PagesError {
    mib: usize,
    why: Errno,
}

impl Pages {
    /// Reserves `octets`; takes no memory yet. Without `hugepages` the kernel's pool is left alone.
    ///
    /// # Errors
    /// [`PagesError`].
    pub fn reserve(octets: usize, hugepages: bool) -> Result<Pages, PagesError> {
        let octets = octets.next_multiple_of(PIECE);
        let len = octets + PIECE;
        let error = |why| PagesError { mib: len >> 20, why };
        let size = NonZeroUsize::new(len).ok_or(error(Errno::EINVAL))?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address the kernel chooses: it replaces none.
        let mapped = unsafe { mmap_anonymous(None, size, RW, flags) }.map_err(error)?.cast::<u8>();
        let skip = mapped.as_ptr().align_offset(PIECE);
        // SAFETY: skip is below PIECE, and the mapping is longer than that.
        let start = unsafe { mapped.add(skip) };
        // SAFETY: within the mapping. A hint: a kernel without transparent hugepages refuses it and nothing changes.
        let _ = unsafe { madvise(start.cast(), octets, MmapAdvise::MADV_HUGEPAGE) };
        Ok(Pages { mapped, len, start, octets, hugepages, backed: AtomicUsize::new(0) })
    }

    /// All of it.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `octets` behind `start` are mapped as long as self is, aligned to PIECE, zero or as the atomics left
        // them; nobody reaches them but as AtomicU64.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.octets / 8) }
    }

    /// Backs the first `octets`, or more, and gives how many are backed. A piece takes some hundred microseconds. One
    /// caller at a time; nobody may use what was not backed before.
    pub fn back(&self, octets: usize) -> usize {
        let mut backed = self.backed.load(Ordering::Relaxed);
        while backed < octets.min(self.octets) {
            if !(self.hugepages && self.put_hugepage(backed)) {
                // A store to each page makes the kernel put memory there.
                let piece = &self.words()[backed / 8..][..PIECE / 8];
                piece.iter().step_by(PAGE / 8).for_each(|word| word.store(0, Ordering::Relaxed));
            }
            backed += PIECE;
            self.backed.store(backed, Ordering::Relaxed);
        }
        backed
    }

    /// Puts one of the kernel's hugepages where a piece is; nothing changes when there is none.
    fn put_hugepage(&self, at: usize) -> bool {
        let Some(size) = NonZeroUsize::new(PIECE) else { return false };
        let flags = MapFlags::MAP_PRIVATE
            | MapFlags::MAP_HUGETLB
            | MapFlags::MAP_HUGE_2MB
            | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address the kernel chooses. It reserves the page, so that touching it cannot fail.
        let Ok(page) = (unsafe { mmap_anonymous(None, size, RW, flags) }) else { return false };
        // SAFETY: `at` is a piece of ours, below `octets`.
        let piece = unsafe { self.start.add(at) };
        // Not mapped there directly: a failure would leave a hole that another thread's mapping may fall into.
        let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
        // SAFETY: `page` is ours alone; the piece it replaces was never used (see `back`), is as long, and reads as zero
        // before and after for whoever may look at it through `words`.
        let moved = unsafe { mremap(page, PIECE, PIECE, flags, Some(piece.cast())) };
        if moved.is_err() {
            // SAFETY: still at its first place, where nothing points to.
            let _ = unsafe { munmap(page, PIECE) };
        }
        moved.is_ok()
    }
}

const RW: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `reserve`, hugepages in it included; no reference into it outlives self.
        let _ = unsafe { munmap(self.mapped.cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_kib() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("this process's status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    #[test]
    fn memory_is_taken_as_it_is_backed_and_not_before() {
        let before = resident_kib();
        let pages = Pages::reserve(1 << 30, false).expect("addresses");
        assert_eq!(pages.words().len(), 1 << 27);
        assert!(resident_kib() < before + 32_000, "a reservation takes memory");
        assert_eq!(pages.back(64 << 20), 64 << 20);
        assert!(resident_kib() > before + 60_000, "what is backed is not there");
        assert_eq!(pages.back(1), 64 << 20, "it stays backed");
        assert!(pages.words()[..64 << 17].iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    /// With hugepages in the pool or without.
    #[test]
    fn what_is_written_stays_where_the_next_piece_is_backed() {
        let pages = Pages::reserve(3 * PIECE, true).expect("addresses");
        for n in 1..=3 {
            assert_eq!(pages.back(n * PIECE), n * PIECE);
            let word = &pages.words()[n * PIECE / 8 - 1];
            assert_eq!(word.load(Ordering::Relaxed), 0);
            word.store(n as u64, Ordering::Relaxed);
        }
        let last = |n: usize| pages.words()[n * PIECE / 8 - 1].load(Ordering::Relaxed);
        assert_eq!([last(1), last(2), last(3)], [1, 2, 3]);
        assert_eq!(pages.back(usize::MAX), 3 * PIECE, "there is no more");
    }
}
