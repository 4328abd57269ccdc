// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DPDK with ownership. The only crate where `unsafe` has meaning.
//!
//! Who keeps whom, so that nothing can outlive what it points into:
//!
//! ```text
//! RxQueue, TxQueue ──► Port ──► Mempool ──► EAL (rte_eal_cleanup runs when the last of them is gone)
//! lcore closure ────────────────────────────►
//! Mbuf: a bare pointer, 8 octets. A pool whose mbufs are not all back is left in place, and the EAL with it.
//! ```
//!
//! Rules that the types keep: an [`Mbuf`](mbuf::Mbuf) frees itself unless the NIC took it; a queue belongs to one
//! lcore (`Send`, not `Sync`, not `Clone`); a port cannot be stopped while somebody holds one of its queues.
//!
//! ```
//! fn goes_to_an_lcore<T: Send>() {}
//! goes_to_an_lcore::<(dpdk::RxQueue, dpdk::TxQueue, dpdk::Port, dpdk::Mempool, dpdk::Mbuf)>();
//! ```
//! ```compile_fail
//! fn shared<T: Sync>() {}
//! shared::<dpdk::RxQueue>(); // and so for TxQueue and Port
//! ```
//! ```compile_fail
//! fn leaves_the_main_lcore<T: Send>() {}
//! leaves_the_main_lcore::<dpdk::Eal>();
//! ```
//!
//! Read first: `examples/forward.rs`, then [`eal`], [`mempool`], [`port`], [`queue`].

pub mod cycles;
pub mod eal;
pub mod lcore;
pub mod mbuf;
pub mod mempool;
pub mod pages;
pub mod port;
pub mod prefetch;
pub mod queue;
pub mod stats;

pub use eal::Eal;
pub use mbuf::Mbuf;
pub use mempool::Mempool;
pub use pages::Pages;
pub use port::{Port, PortConfig};
pub use queue::{BURST, RxQueue, TxQueue};

/// The running DPDK's version as it names itself: `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: rte_version takes nothing and gives a static, NUL-terminated string; DPDK keeps it.
    let text = unsafe { std::ffi::CStr::from_ptr(dpdk_sys::rte_version()) };
    text.to_string_lossy().into_owned()
}
