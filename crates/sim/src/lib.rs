// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole network in one process and in virtual time: MAARs made of the shipped `slowpath` and `dataplane`, an AAA made
//! of the shipped server's rules, hosts that behave like stock Linux ones. One seed decides everything that is random,
//! so a run can be played again; oracles judge it.
//!
//! Reading order: [`setup`] (what may be chosen), [`world`] (the loop: what happens next), `node` (a MAAR), `links`
//! (what the network does to a frame), `host`, `flow` (sessions and their probes), `plan` (what a seed lets happen),
//! [`play`] (one run from start to judgement), `oracle` (the judgement), [`storm`] (many runs).

mod clock;
mod core_host;
mod flow;
mod frames;
mod host;
mod links;
pub mod names;
mod node;
mod oracle;
mod plan;
pub mod play;
mod queue;
mod server;
pub mod setup;
pub mod storm;
mod trace;
pub mod world;

pub use oracle::{Findings, Probes};
pub use play::{Outcome, play, trace};
pub use setup::Setup;

/// A millisecond in the unit of all times here, microseconds.
pub const MS: u64 = 1_000;
/// A second.
pub const SECOND: u64 = 1_000_000;
