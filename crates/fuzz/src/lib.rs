// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any octets into everything that reads octets of others: nothing panics, and what comes out is well formed.
//!
//! Each module's `run` takes one input; a panic is a finding. `cargo xtask fuzz` runs them under libFuzzer with a nightly
//! compiler; `tests/corpora.rs` replays what is kept in `corpus/` as an ordinary test. An input is a script
//! ([`Script`]): what cannot be reached by raw octets alone (a right checksum, a table with something in it) is one of
//! its steps.

pub mod dataplane;
pub mod diameter;
pub mod frames;
pub mod script;
pub mod slowpath;
pub mod wire;

pub use script::Script;

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 4] = [
    ("wire", wire::run),
    ("diameter", diameter::run),
    ("dataplane", dataplane::run),
    ("slowpath", slowpath::run),
];
