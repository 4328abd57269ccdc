// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processor's time stamp counter: what measurements are counted in.

use crate::Eal;
use dpdk_sys as sys;

/// Cycles of the time stamp counter now. It runs at its own rate, whatever the core's.
#[inline]
pub fn now() -> u64 {
    // SAFETY: reads a register; takes nothing.
    unsafe { sys::shim_rdtsc() }
}

/// Cycles of the time stamp counter in a second, as the EAL found when it started.
pub fn per_second(_eal: &Eal) -> u64 {
    // SAFETY: the EAL runs, so the rate has been found; takes nothing.
    unsafe { sys::rte_get_tsc_hz() }
}
