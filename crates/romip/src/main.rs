// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The operator's command: asks a running `maard` over its control socket, gives it an access point's events, and plays
//! the draft's figures in the lab. Errors are one sentence and exit status 1; wrong usage is 2.

mod args;
mod bench;
mod simulate;
mod table;

use args::{Args, Bench, BenchAaa, Event, Lab, Mac, Order, Router};
use clap::Parser;
use lab::control::{self, Control, ControlError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run(Args::parse().order) {
        Ok(code) => code,
        Err(sentence) => {
            // Not eprintln!, which panics when nobody reads.
            let _ = writeln!(std::io::stderr(), "romip: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(order: Order) -> Result<ExitCode, String> {
    match order {
        Order::Show { what, json, router } => {
            let rows = connect(&router)?.show(what.name()).map_err(|e| e.to_string())?;
            let text = if json { table::json(&rows) } else { table::text(what, &rows) };
            print(&text)
        }
        Order::Attach { event: Event { mac, router }, port, mn_id } => {
            let attach = connect(&router)?.attach(mac.as_str(), port, mn_id.as_deref());
            attach.map_err(|e| about(&mac, e)).map(|_| ExitCode::SUCCESS)
        }
        Order::Detach { event: Event { mac, router } } => {
            let detach = connect(&router)?.detach(mac.as_str());
            detach.map_err(|e| about(&mac, e)).map(|_| ExitCode::SUCCESS)
        }
        Order::Bench { bench: Bench::Aaa(aaa) } => bench_aaa(aaa),
        Order::Sim(order) => simulate::run(&order),
        Order::Lab { lab: Lab::Figure1 { out, rate, gap_ms, delay_sdba_ms } } => {
            let scene = lab::Scene {
                rate,
                gap: Duration::from_millis(gap_ms),
                sdba_delay: Duration::from_millis(delay_sdba_ms),
                ..lab::Scene::default()
            };
            match lab::figure1(&out, &scene, &mut std::io::stdout()) {
                Ok(true) => Ok(ExitCode::SUCCESS),
                Ok(false) => Ok(ExitCode::FAILURE),
                Err(e) => Err(e.to_string()),
            }
        }
    }
}

/// A run with a wrong answer is a failure.
fn bench_aaa(args: BenchAaa) -> Result<ExitCode, String> {
    let report = bench::aaa::run(&bench::aaa::Load {
        server: args.server,
        realm: args.realm,
        connections: args.connections,
        window: args.window,
        subscribers: args.subscribers,
        mix: bench::aaa::Mix { repeat: args.repeat, detach: args.detach },
        fill: !args.no_fill,
        warm: std::time::Duration::from_secs(1),
        time: std::time::Duration::from_secs(args.seconds),
        pid: args.pid,
    })?;
    if args.json {
        report.said.iter().for_each(|said| eprintln!("{said}"));
        print(&format!("{}\n", report.json()))?;
    } else {
        print(&format!("{report}\n"))?;
    }
    Ok(if report.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A script that gives many events needs to know which one was refused.
fn about(mac: &Mac, error: ControlError) -> String {
    match error {
        ControlError::Refused(sentence) => format!("{}: {sentence}", mac.as_str()),
        other => other.to_string(),
    }
}

fn connect(router: &Router) -> Result<Control, String> {
    let socket = match &router.socket {
        Some(socket) => socket.clone(),
        None => control::find(Path::new(control::DIRECTORY))?,
    };
    Control::connect(&socket).map_err(|e| e.to_string())
}

/// A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<ExitCode, String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(e) => Err(format!("cannot print: {e}")),
    }
}
