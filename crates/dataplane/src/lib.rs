// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a worker does to a burst (draft §5): classify all, look up all, act on all. No DPDK, no I/O, no clock.
//!
//! Read first: [`pipeline`], then [`table`] and [`forward`]. What the slow path may tell a worker is [`update`];
//! what a worker tells the slow path is [`punt`].

pub mod counters;
pub mod fib;
pub mod punt;
pub mod table;
pub mod update;
pub mod verdict;
pub mod worker;

/// Frames in one burst at most.
pub const BURST: usize = 32;
/// Index of a port, in the order of the configuration (not DPDK's number).
pub type PortId = u8;
/// Index of a worker.
pub type WorkerId = u8;
