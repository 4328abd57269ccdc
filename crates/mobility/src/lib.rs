// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a MAAR decides (draft §3, §4, §6). Sans-IO: no clock, no threads, no sockets.
//!
//! ```text
//! Maar::handle(now, Input)  ->  Maar::poll_output() until None  ->  call handle(.., Timeout) at Maar::deadline()
//! ```
//! Read first: `handover` (Figure 1, steps 1 to 4), `fetch` (5 and 6), `update` (7 and 8), then the other MAARs' side: `respond`
//! (previous MAAR) and `correspondent` (CN's MAAR, anchor), `recover` (R-25), then `bindings` (the two lists). README.md beside this
//! crate says which rule is where; PROTOCOL.md holds the rules (R-01 to R-44).

mod advert;
mod attach;
mod bindings;
pub mod config;
mod correspondent;
mod exchange;
mod fetch;
mod handover;
mod heartbeat;
pub mod io;
mod lease;
mod maar;
mod mn;
mod newest;
mod order;
mod parked;
mod peer;
mod record;
mod recover;
mod register;
mod respond;
mod retire;
mod rng;
mod session;
pub mod show;
mod timers;
mod update;

pub use config::Config;
pub use io::{AaaAnswer, AaaRequest, Event, Input, Output, ParkKey, Place, StationState};
pub use maar::Maar;
pub use record::{Persist, Record, Served};

/// Index of an access port, in the order of the configuration.
pub type PortId = u8;
