// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a worker does to a burst (draft §5): classify all, look up all, act on all. No DPDK, no I/O, no clock.
//!
//! Read first: `pipeline` (the three passes), then `classify` (what a frame is), [`table`] (what is bound), `route`
//! (where it goes) and `forward` (the octets). What the slow path may tell a worker is [`update`]; what a worker tells
//! the slow path is [`punt`]. What waits meanwhile is in [`park`]; how several workers share the flows is [`spread`].

mod classify;
pub mod counters;
pub mod fib;
mod flow;
mod forward;
mod fragment;
mod hold;
pub mod hops;
pub mod lpm;
pub mod park;
mod peers;
mod pipeline;
pub mod punt;
mod reassembly;
mod route;
mod sample;
pub mod spread;
pub mod synthetic;
pub mod table;
mod unpark;
pub mod update;
pub mod verdict;
pub mod worker;

/// Frames in one burst at most.
pub const BURST: usize = 32;
/// Index of a port, in the order of the configuration (not DPDK's number).
pub type PortId = u8;
/// Index of a worker.
pub type WorkerId = u8;
