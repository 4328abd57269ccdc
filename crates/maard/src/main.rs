// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `maard`: one MAAR on DPDK ports.
//!
//! Read in this order: `start` (from the configuration to a running router), `worker` (the poll loop), `control` (the
//! slow-path loop). What a packet meets is in `dataplane`, what a message means in `mobility`.

mod clock;
mod config;
mod control;
mod crew;
mod idle;
mod logging;
mod memory;
mod metrics;
mod pauses;
mod plan;
mod queues;
mod record;
mod start;
mod worker;

use clap::Parser;
use config::{Config, LoadTest};
use logging::Logging;
use std::path::PathBuf;
use std::process::ExitCode;

/// An IPv6 mobility router (draft-ma-dmm-romip-00).
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The configuration file; `config/maard.yaml` shows every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Checks the configuration, prints the core plan and ends; no port is touched.
    #[arg(long)]
    check: bool,
    /// Fills the binding table with stations and bindings that do not exist, to measure capacity and speed; never in
    /// service. `config/load-test.yaml` shows every key.
    #[arg(long, value_name = "FILE")]
    load_test: Option<PathBuf>,
}

/// The configuration, or the command line, is at fault.
const REFUSED: u8 = 2;
/// The machine is.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let args = Args::parse();
    let config = match Config::load(&args.config, &plan::allowed_cpus()) {
        Ok(config) => config,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(REFUSED);
        }
    };
    let load_test = args.load_test.map(|file| LoadTest::load(&file, &config)).transpose();
    let load_test = match load_test {
        Ok(load_test) => load_test,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(REFUSED);
        }
    };
    if args.check {
        println!("{}", plan::Plan::new(&config));
        return ExitCode::SUCCESS;
    }
    end_on_panic();
    let logging = Logging::start(config.log, &config.name);
    let result = start::run(&config, load_test, &logging);
    logging.flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // In the form of the other faults of the file: FILE:LINE first.
        Err(start::StartError::Refused(refused)) => {
            eprintln!("{refused}");
            ExitCode::from(REFUSED)
        }
        Err(error) => {
            eprintln!("maard: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// A router whose slow path or worker is gone must not live on: a panic anywhere ends the process, with one line that
/// names the thread (the workers' lcores are named by `dpdk::lcore`).
fn end_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = match thread.name() {
            Some("main") => "slow path",
            Some(name) => name,
            None => "without name",
        };
        let why = info.payload_as_str().unwrap_or("panic").replace('\n', " ");
        let place = info.location().map(|at| format!(" at {at}")).unwrap_or_default();
        eprintln!("maard: thread {name} panicked{place}: {why}");
        std::process::abort();
    }));
}
