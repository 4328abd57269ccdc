// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a MAAR decides (draft §3, §4, §6). Sans-IO: no clock, no threads, no sockets.
//!
//! ```text
//! Maar::handle(now, Input)  ->  Maar::poll_output() until None  ->  call handle(.., Timeout) at Maar::deadline()
//! ```
//! Read first: `handover` (Figure 1, steps 1 to 8), then `respond` (the other MAARs' side), then `bindings`.

pub mod config;
pub mod io;
mod maar;
pub mod show;

pub use config::Config;
pub use io::{AaaAnswer, AaaRequest, Event, Input, Output, Place, StationState};
pub use maar::Maar;

/// Index of an access port, in the order of the configuration.
pub type PortId = u8;
