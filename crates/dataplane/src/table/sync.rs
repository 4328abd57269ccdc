// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The atomics of the table: the processor's, or loom's, which try every order (tests/table_loom.rs).

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
