// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One whole control side, sans-IO: frames and AAA octets in; frames, AAA octets and table updates out.
//! Read first: [`router`] (decode, ask `mobility`, encode), then `install` (list change -> table update).

mod aaa;
mod acks;
mod bucket;
pub mod config;
pub mod control;
mod counters;
mod effects;
mod fib;
mod frames;
mod handovers;
mod icmp;
mod install;
pub mod io;
mod markers;
mod mld;
mod nd;
mod neighbors;
mod orders;
mod outer;
mod paths;
mod punts;
pub mod router;
mod routes;
mod show;

pub use config::Config;
pub use io::{Input, Output};
pub use mobility::{Persist, Record, Served};
pub use router::Router;
