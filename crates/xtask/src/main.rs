// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The README's commands: `cargo xtask demo`, `cargo xtask test`. They install what is missing, build, run.
//! It depends on next to nothing, because it is built before anything is installed.

mod apt;
mod bench;
mod bench_aaa;
mod bench_instructions;
mod fuzz;
mod run;

use clap::{Parser, Subcommand};
use run::{Failed, Steps, cargo, program};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and shows romip on one machine")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Plays the draft's Figure 1 and Figure 2 with real routers and Linux hosts (root; about a minute once built)
    Demo {
        /// Where report.json and the captures go
        #[arg(long, value_name = "DIR", default_value = "demo-out")]
        out: PathBuf,
    },
    /// Formatting, lints and every test, the lab included (root)
    Test,
    /// Measures the shipped maard against testpmd and l3fwd in one run, or an AAA server (root, two cores, hugepages are
    /// taken and given back). `--quick` takes less than two minutes once built; `benches/README.md` says how to run one
    /// case alone
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        bench: Option<Bench>,
        /// Passed on; `cargo xtask bench -- --help` shows all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Any octets into everything that reads octets of others (nightly compiler and cargo-fuzz)
    Fuzz(fuzz::Options),
    /// Two workers under everything at once, ports down and up, until every packet buffer has to be free again (root)
    Soak {
        /// How long the storm lasts
        #[arg(long, value_name = "N", default_value_t = 600)]
        seconds: u32,
    },
    /// What needs no root: formatting, lints, and the tests of the crates that run without DPDK
    Check,
}

#[derive(Subcommand)]
enum Bench {
    /// aaad against freeDiameter with a map in memory (root; about four minutes once built)
    Aaa(bench_aaa::Options),
    /// Instructions a packet, against crates/dataplane/benches/instructions.txt (a minute once built)
    Instructions(bench_instructions::Options),
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Demo { out } => demo(out),
        Task::Test => test(),
        Task::Bench { bench: Some(Bench::Aaa(options)), .. } => bench_aaa::run(options),
        Task::Bench { bench: Some(Bench::Instructions(options)), .. } => {
            bench_instructions::run(options)
        }
        Task::Bench { bench: None, args } => bench::run(&args),
        Task::Check => check(),
        Task::Soak { seconds } => soak(seconds),
        Task::Fuzz(options) => fuzz::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn demo(out: PathBuf) -> Result<(), Failed> {
    // `cargo xtask` may be called from a subdirectory; the user's relative path is relative to that.
    let out =
        std::path::absolute(&out).map_err(|e| Failed(format!("--out {}: {e}", out.display())))?;
    // Before the build: nobody should wait for it to hear this.
    needs_root("the lab makes network namespaces")?;
    let mut steps = Steps::new(3);
    steps.next("what apt has to bring");
    apt::install(&[apt::BUILD, apt::LAB])?;
    steps.next("build maard, aaad and romip (release)");
    cargo(&["build", "--release", "-p", "maard", "-p", "aaad", "-p", "romip"])?;
    steps.next("Figure 1 and Figure 2");
    program(
        run::target_dir().join("release/romip"),
        &["lab", "figure1", "--out", &out.to_string_lossy()],
    )
}

fn test() -> Result<(), Failed> {
    needs_root("tests use DPDK ports and network namespaces; `cargo xtask check` does without")?;
    let mut steps = Steps::new(7);
    steps.next("what apt has to bring");
    apt::install(&[apt::BUILD, apt::LAB, apt::POSTGRES, apt::FREEDIAMETER])?;
    steps.next("formatting");
    cargo(&["fmt", "--all", "--check"])?;
    steps.next("lints");
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    steps.next("build the programs the tests start");
    cargo(&["build", "--workspace", "--bins", "--profile", "test"])?;
    steps.next("every test but the lab");
    cargo(&["test", "--workspace", "--exclude", "lab"])?;
    loom(&mut steps)?;
    // Alone on the machine: it judges handovers by the millisecond.
    steps.next("the lab");
    cargo(&["test", "-p", "lab"])
}

fn check() -> Result<(), Failed> {
    let mut steps = Steps::new(4);
    steps.next("formatting");
    cargo(&["fmt", "--all", "--check"])?;
    steps.next("lints");
    cargo(&["clippy", "--all-targets", "--", "-D", "warnings"])?;
    steps.next("tests that need neither DPDK nor root");
    cargo(&[
        "test",
        "-p",
        "wire",
        "-p",
        "mobility",
        "-p",
        "diameter",
        "-p",
        "dataplane",
        "-p",
        "slowpath",
        "-p",
        "aaad",
        "-p",
        "fuzz",
    ])?;
    loom(&mut steps)
}

/// The test of the same name, with more than the few rounds it takes otherwise.
fn soak(seconds: u32) -> Result<(), Failed> {
    needs_root("the soak makes network namespaces")?;
    let seconds = format!("env.SOAK_SECONDS='{seconds}'");
    cargo(&["build", "-p", "aaad"])?;
    cargo(&["test", "--config", &seconds, "-p", "maard", "--test", "soak", "--", "--nocapture"])
}

/// Built apart: loom's atomics take the place of the processor's.
fn loom(steps: &mut Steps) -> Result<(), Failed> {
    steps.next("every order of the binding table's accesses (loom)");
    let to = run::target_dir().join("loom");
    let flags = "target.'cfg(all())'.rustflags=['--cfg','loom']";
    cargo(&[
        "test",
        "-p",
        "dataplane",
        "--test",
        "table_loom",
        "--target-dir",
        &to.to_string_lossy(),
        "--config",
        flags,
    ])
}

fn needs_root(why: &str) -> Result<(), Failed> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root =
        status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"));
    if root {
        Ok(())
    } else {
        Err(Failed(format!("{why}: run this as root, for example `sudo -E cargo xtask ...`")))
    }
}
