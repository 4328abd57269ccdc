// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a seed lets happen, and when.

use crate::queue::{Act, Greeting, HostId, NodeId, Told};
use crate::setup::Setup;
use crate::world::World;
use crate::{MS, SECOND};

/// The hosts come to their first MAARs.
const ATTACH: u64 = SECOND;
/// They begin to talk.
pub const TALK: u64 = 3 * SECOND;
/// They begin to move.
pub const MOVE: u64 = 5 * SECOND;
/// A late L2 event is at most so late.
const LATE: u64 = 300 * MS;

/// Orders everything; when the last thing happens.
pub fn plan(world: &mut World, seed: u64) -> u64 {
    let setup = world.setup.clone();
    let mut dice = Dice { rng: fastrand::Rng::with_seed(seed ^ 0x706c_616e), setup: &setup };
    attach(world, &mut dice);
    sessions(world, &mut dice);
    let end = MOVE + setup.window_ms * MS;
    for _ in 0..setup.moves {
        let at = dice.rng.u64(MOVE..=end);
        let act = dice.step();
        world.plan(at, act);
    }
    if setup.hostile {
        for _ in 0..24 {
            let kind = dice.rng.u32(..);
            world.plan(dice.rng.u64(MOVE..=end), Act::Mischief { host: setup.mns, kind });
        }
    }
    if setup.crashes { end.max(crashes(world, &mut dice, end)) } else { end }
}

struct Dice<'s> {
    rng: fastrand::Rng,
    setup: &'s Setup,
}

impl Dice<'_> {
    fn node(&mut self) -> NodeId {
        self.rng.usize(0..self.setup.maars)
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn told(&mut self) -> Told {
        let faults = self.setup.event_faults;
        match self.rng.u32(0..100) {
            n if n < faults => Told::Never,
            n if n < 2 * faults => Told::After(self.rng.u64(0..=LATE)),
            n if n < 3 * faults => Told::Twice(self.rng.u64(0..=LATE)),
            _ => Told::After(0),
        }
    }

    /// A random MN goes to a random MAAR.
    fn step(&mut self) -> Act {
        let host = self.rng.usize(0..self.setup.mns);
        let greeting = match self.rng.u32(0..10) {
            0 => Greeting::Rs,
            1 => Greeting::DraftRs,
            _ => Greeting::Nothing,
        };
        let gap = self.rng.u64(10 * MS..=self.setup.gap_ms * MS);
        let (leave, come) = (self.told(), self.told());
        Act::Move { host, to: self.node(), gap, greeting, leave, come }
    }
}

fn attach(world: &mut World, dice: &mut Dice<'_>) {
    for host in 0..world.hosts.len() {
        let home = if host < dice.setup.mns { host % dice.setup.maars } else { dice.node() };
        let at = ATTACH + dice.rng.u64(0..SECOND / 2);
        let told = Told::After(0);
        let act =
            Act::Move { host, to: home, gap: 0, greeting: Greeting::Rs, leave: told, come: told };
        world.plan(at, act);
    }
}

/// Each MN with the next one, the first with S, and two more while they move, from the addresses of that time.
fn sessions(world: &mut World, dice: &mut Dice<'_>) {
    let mns = dice.setup.mns;
    let ring = if mns == 2 { 1 } else { mns };
    for a in 0..ring {
        world.plan(TALK, Act::Session { a, b: Some((a + 1) % mns) });
    }
    world.plan(TALK, Act::Session { a: 0, b: None });
    for _ in 0..2 {
        let at = MOVE + dice.rng.u64(0..=dice.setup.window_ms * MS);
        let a: HostId = dice.rng.usize(0..mns);
        let b = (a + 1 + dice.rng.usize(0..mns - 1)) % mns;
        world.plan(at, Act::Session { a, b: Some(b).filter(|_| dice.rng.bool()) });
    }
}

/// MAARs that die and come again, an AAA that stops, links that are cut, clocks that step.
fn crashes(world: &mut World, dice: &mut Dice<'_>, end: u64) -> u64 {
    let mut last = end;
    let mut lasting = |dice: &mut Dice<'_>, longest: u64| {
        let from = dice.rng.u64(MOVE..=end);
        let to = from + dice.rng.u64(200 * MS..=longest);
        last = last.max(to);
        (from, to)
    };
    for _ in 0..dice.rng.u32(1..=2) {
        let (from, to) = lasting(dice, 4 * SECOND);
        let node = dice.node();
        world.plan(from, Act::Crash { node });
        world.plan(to, Act::Start { node, record: dice.rng.bool() });
    }
    if dice.percent(50) {
        let (from, to) = lasting(dice, 5 * SECOND);
        world.plan(from, Act::AaaStop);
        world.plan(to, Act::AaaStart { table: dice.rng.bool() });
    }
    if dice.percent(50) {
        let (from, to) = lasting(dice, 3 * SECOND);
        let a = dice.node();
        let b = (a + 1 + dice.rng.usize(0..dice.setup.maars - 1)) % dice.setup.maars;
        world.plan(from, Act::Cut { a, b, cut: true });
        world.plan(to, Act::Cut { a, b, cut: false });
    }
    if dice.percent(50) {
        let by = dice.rng.i64(-20 * SECOND as i64..=20 * SECOND as i64);
        world.plan(dice.rng.u64(MOVE..=end), Act::Step { node: dice.node(), by });
    }
    last
}
