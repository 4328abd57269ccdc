// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run: people attach, talk and move; then all rests; then it is judged.

use crate::names;
use crate::oracle::{Findings, Probes};
use crate::plan;
use crate::queue::{Act, Told};
use crate::setup::Setup;
use crate::trace::Trace;
use crate::world::World;
use crate::{MS, SECOND};
use slowpath::control::Table;

/// After the last event probes go on at full rate for so long, and their end is waited for as long again.
const SETTLE: u64 = 3 * SECOND;
/// Between two probes of a flow at rest, so that its session is not idle.
const REST_PACE: u64 = 10 * SECOND;
/// Longer than anything about an MN that left may live: T_DETACH, and the longest binding, and some more.
const LIFETIMES: u64 = (60 + 600 + 900 + 200) * SECOND;

/// What one run came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What must not be.
    pub findings: Findings,
    /// Of the time of moves.
    pub probes: Probes,
    /// The lost ones in words: first, last, and the way of each stretch.
    pub losses: Vec<String>,
    /// Every frame's and every output's weight in one number: equal for equal runs.
    pub digest: u64,
}

impl Outcome {
    /// Whether the run shows a fault. Reordering is one only where links are first in, first out.
    pub fn failed(&self, setup: &Setup) -> bool {
        let Findings { dead, indirect, hijacked, looped, doubled, reordered, outlived, .. } =
            &self.findings;
        let strict = if setup.crashes { 0 } else { doubled + outlived };
        let order = if setup.crashes || setup.link_jitter_ms > 0 { 0 } else { *reordered };
        dead + indirect + hijacked + looped + strict + order > 0
    }
}

/// Plays the run of `seed`.
pub fn play(setup: &Setup, seed: u64) -> Outcome {
    let mut world = World::new(setup, seed);
    run(&mut world, seed)
}

/// Plays it and draws what was said as a sequence diagram.
pub fn trace(setup: &Setup, seed: u64) -> (Outcome, String) {
    let mut world = World::new(setup, seed);
    world.trace = Some(Trace::new(setup.maars, setup.mns + usize::from(setup.hostile)));
    let outcome = run(&mut world, seed);
    let text = world.trace.take().map(|trace| trace.draw()).unwrap_or_default();
    (outcome, text)
}

fn run(world: &mut World, seed: u64) -> Outcome {
    let setup = world.setup.clone();
    let end = plan::plan(world, seed);
    world.run(plan::TALK);
    world.pace(SECOND / setup.rate);
    while world.now < end + SETTLE {
        world.run((world.now + SECOND).min(end + SETTLE));
        world.judge_owners();
    }
    settle(world);
    let probes = world.count_probes();
    let losses = world.describe_losses();
    rest(world, seed);
    if setup.aftermath {
        aftermath(world);
    }
    Outcome { seed, findings: world.findings.clone(), probes, losses, digest: world.digest() }
}

/// Nobody sends any more, and what is under way arrives.
pub(crate) fn settle(world: &mut World) {
    world.pace(0);
    world.run(world.now + SETTLE);
}

/// In every other run nobody says anything for the whole rest, so that all sessions are idle; they are talked awake
/// again then.
pub(crate) fn rest(world: &mut World, seed: u64) {
    let rest = world.setup.rest_s * SECOND;
    if seed % 2 == 1 {
        world.run(world.now + rest);
    }
    world.pace(REST_PACE);
    world.run(world.now + rest);
    settle(world);
    let since: Vec<usize> = world.flows.iter().map(|flow| flow.probes.len()).collect();
    world.pace(100 * MS);
    world.run(world.now + 300 * MS);
    settle(world);
    world.judge_sessions(&since);
    world.judge_owners();
}

/// Everybody leaves, and the access points say so of every station a MAAR has a record of: also of those whose move
/// they missed, and of MACs somebody invented.
fn aftermath(world: &mut World) {
    for host in 0..world.hosts.len() {
        world.leave(host, Told::Never);
    }
    for node in 0..world.nodes.len() {
        for row in world.show(node, Table::Mns) {
            if let Some(mac) = row["mac"].as_str().and_then(names::parse_mac) {
                world.plan(world.now, Act::L2 { node, mac, attached: false });
            }
        }
    }
    world.run(world.now + LIFETIMES);
    world.judge_leftovers();
}
