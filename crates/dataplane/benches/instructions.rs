// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `instructions CASE BURSTS`: so many bursts and nothing else, for a counter of instructions. `cargo xtask bench
//! instructions` takes the difference between two numbers of bursts, which is the same on every machine.

mod rig;

use rig::{Case, Rig};

const FLOWS: u64 = 4096;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args.get(1).map_or("", String::as_str);
    let (source, case) = (name == "source", Case::ALL.into_iter().find(|c| c.name() == name));
    let bursts = args.get(2).and_then(|n| n.parse::<u32>().ok());
    // `cargo test` and `cargo bench` without arguments find nothing to count.
    let (Some(case), Some(bursts)) = (case.or(source.then_some(Case::Encap)), bursts) else {
        return;
    };
    let mut rig = Rig::new(case, FLOWS);
    if source {
        return (0..bursts).for_each(|_| rig.source());
    }
    (0..bursts).for_each(|_| rig.run());
    rig.check();
}
