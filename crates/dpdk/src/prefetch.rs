// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Asks the processor to fetch what is read soon. A burst hides memory latency by asking for all its packets first.

/// Asks for the cache line where `what` starts, to be read soon. Never faults, never waits.
#[inline(always)]
pub fn read<T: ?Sized>(what: &T) {
    address(std::ptr::from_ref(what).cast());
}

/// The same for an address, which need not be anybody's.
#[inline(always)]
pub fn address(line: *const u8) {
    let line = line.cast::<i8>();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it touches no state and faults on no address; SSE is part of x86_64.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; prfm is a hint.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{line}]", line = in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}
