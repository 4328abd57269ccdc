// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End-to-end measurements: the shipped `maard` against DPDK's own programs on one source, in one run, in turns.
//! `cargo xtask bench` builds what this needs and calls it. Read next: `plan` (what is measured), `measure` (how).

mod case;
mod frames;
mod group;
mod growth;
mod machine;
mod measure;
mod plan;
mod programs;
mod proof;
mod report;
mod telemetry;

use case::{Case, Frame};
use clap::Parser;
use machine::Machine;
use measure::Timing;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures maard, testpmd and l3fwd side by side.
#[derive(Parser)]
pub struct Args {
    /// 64 octets, 4,096 and 1,000,000 flows, 3 rounds: a look in less than two minutes
    #[arg(long)]
    quick: bool,
    /// Only these cases, beside testpmd io and mac
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    case: Vec<Case>,
    /// Only this number of flows
    #[arg(long, value_delimiter = ',')]
    flows: Vec<u64>,
    /// Only frames of so many octets; `imix`: a mixture
    #[arg(long, value_delimiter = ',')]
    frame: Vec<Frame>,
    /// Rounds of one sample each [default: 9, quick 3]
    #[arg(long)]
    rounds: Option<u32>,
    /// Length of a sample
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    sample_ms: u64,
    /// Workers of maard
    #[arg(long, default_value_t = 1)]
    workers: u64,
    /// Bindings in maard's table, more than flows: the flows are drawn from them
    #[arg(long)]
    bindings: Option<u64>,
    /// Table updates a second while maard forwards
    #[arg(long)]
    updates: Option<u64>,
    /// While maard forwards, lets its table grow from a million bindings to so many: updates a second, longest pause,
    /// octets per binding
    #[arg(long, value_name = "BINDINGS")]
    grow_to: Option<u64>,
    /// Leaves out the proof of work by captures
    #[arg(long)]
    no_proof: bool,
    /// Writes all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Takes over the rows of an earlier run from its JSON
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    with: Vec<PathBuf>,
    /// Writes RESULTS.md and results.svg here
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// The maard to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/maard")]
    maard: PathBuf,
}

impl Args {
    fn timing(&self) -> Timing {
        Timing {
            rounds: self.rounds.unwrap_or(if self.quick { 3 } else { 9 }),
            warm_up: Duration::from_millis(300),
            sample: Duration::from_millis(self.sample_ms),
        }
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let mut machine = Machine::read()?;
    if !args.maard.exists() {
        return Err(format!("{} is not there; build it with --release", args.maard.display()));
    }
    // Not where packets are forwarded.
    machine::stay_on(&[programs::OTHER_CPU])?;
    let plan = plan::of(args);
    let folder = group::Folder::new()?;
    let mut results = report::Results::of(&args.with)?;
    if !args.no_proof {
        results.proofs.extend(proof::run(&plan.proofs, &folder, args)?);
    }
    for (n, specs) in plan.groups.iter().enumerate() {
        eprintln!("[{}/{}] {}", n + 1, plan.groups.len(), plan::title(specs));
        let measured = group::run(specs, &folder, args, &mut machine)?;
        results.add(&measured, &machine);
    }
    if let Some(to) = plan.grow_to {
        eprintln!("growth to {to} bindings");
        results.growth = Some(growth::run(to, &folder, args)?);
    }
    results.finish(args, &machine)
}
