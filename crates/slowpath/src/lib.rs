// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One whole control side, sans-IO: frames and AAA octets in; frames, AAA octets and table updates out.
//! Read first: [`router`] (decode, ask `mobility`, encode), then `install` (list change -> table update).

pub mod config;
pub mod control;
pub mod io;
pub mod router;

pub use config::Config;
pub use io::{Input, Output};
pub use router::Router;
