// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table grows tenfold while the worker forwards: how fast updates are applied, the longest a worker was away from
//! its ports, and what memory a binding takes in the end.

use crate::Args;
use crate::case::{Case, Frame, Spec};
use crate::group::{Folder, memory, start};
use crate::machine::Hugepages;
use crate::programs::loop_until;
use crate::programs::maard::{Options, astray, counters};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What was found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Growth {
    pub from: u64,
    pub to: u64,
    /// Applied while forwarding, all of them new keys.
    pub updates_per_second: u64,
    /// Of a worker, in its own time: the longest stretch between two bursts, in which it applied updates and moved parts
    /// of the table.
    pub longest_pause_us: f64,
    /// The same by the clock: with what the kernel gave to others on this CPU.
    pub longest_pause_with_others_us: f64,
    /// Of the table's memory, keys of stations included.
    pub octets_per_binding: f64,
    /// Frames forwarded meanwhile, none of them lost or sent another way.
    pub forwarded: u64,
}

const FROM: u64 = 1_000_000;
/// Sources and destinations of the frames, out of those bound before.
const FLOWS: u64 = 4096;

pub fn run(to: u64, folder: &Folder, args: &Args) -> Result<Growth, String> {
    let mut spec = Spec::new(Case::Encap, FLOWS, Frame::Octets(64));
    spec.bindings = FROM;
    let options = Options { grow_to: Some(to), ..Options::default() };
    let _pages = Hugepages::reserve(memory(&spec, &options))?;
    let mut program = start(spec, folder, args, &options, 0)?;
    let before = counters(&program)?;
    let grown = loop_until(Duration::from_secs(120), || {
        program.alive()?;
        let now = counters(&program)?;
        Ok((now["load_test.stage"] == 2).then_some(now))
    })?;
    let after = grown.ok_or_else(|| format!("{spec}: does not grow to {to} in time"))?;
    let wrong = astray(spec.case, &before, &after);
    if !wrong.is_empty() {
        return Err(format!("growth: went astray: {}", wrong.join(", ")));
    }
    let forwarded = |c| crate::programs::maard::workers_sum(c, "tunnelled");
    let us = |name| after[name] as f64 / 1000.0;
    Ok(Growth {
        from: FROM,
        to,
        updates_per_second: after["load_test.grow_per_second"],
        longest_pause_us: us("load_test.grow_longest_own_pause_ns"),
        longest_pause_with_others_us: us("load_test.grow_longest_pause_ns"),
        octets_per_binding: after["load_test.table_octets"] as f64 / (FROM + to) as f64,
        forwarded: forwarded(&after) - forwarded(&before),
    })
}
