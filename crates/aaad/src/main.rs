// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `aaad --config FILE [--check | --restored | --start-empty]`. Exit status: 0 after a planned stop, 2 for a bad configuration, 1 for the rest.

use aaad::config::{Config, StoreConfig, TlsConfig};
use aaad::server::{Server, Stopper};
use aaad::store::{Opening, embedded, postgres};
use clap::Parser;
use log::LevelFilter;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The Diameter AAA server of a romip domain: it knows at which MAAR each mobile node is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The YAML configuration; every key is commented in config/aaad.yaml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Validate the configuration and stop.
    #[arg(long)]
    check: bool,
    /// A backup of the store was put back: take it, and have every MAAR register its MNs again.
    #[arg(long, conflicts_with_all = ["check", "start_empty"])]
    restored: bool,
    /// Set what is in the store aside, start with an empty one, and have every MAAR register its MNs again.
    #[arg(long, conflicts_with = "check")]
    start_empty: bool,
}

impl Arguments {
    fn opening(&self) -> Opening {
        match (self.restored, self.start_empty) {
            (true, _) => Opening::Restored,
            (_, true) => Opening::Empty,
            _ => Opening::AsItIs,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(2);
        }
    };
    if arguments.check {
        return check(&arguments.config, &config);
    }
    log_from(config.log);
    explain_panics_of_opening();
    match serve(&arguments.config, config, arguments.opening()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A server of the store, where there is one, is asked, too.
fn check(file: &Path, config: &Config) -> ExitCode {
    if let StoreConfig::Postgres { url, .. } = &config.store {
        match postgres::check(url) {
            Ok(about) => println!("store: {about}"),
            Err(said) => {
                eprintln!("{said}");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(Err(said)) = config.tls.as_ref().map(TlsConfig::load) {
        eprintln!("{said}");
        return ExitCode::FAILURE;
    }
    println!("{}: no problem found", file.display());
    ExitCode::SUCCESS
}

/// RUST_LOG, where set, refines the configured level.
fn log_from(level: LevelFilter) {
    env_logger::Builder::new().filter_level(level).parse_default_env().init();
}

/// A damaged store may make the database panic while it is opened; where a panic aborts, nobody could catch it.
fn explain_panics_of_opening() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        if let Some(name) = embedded::being_opened() {
            eprintln!("{}", embedded::damage(&name));
            std::process::exit(1);
        }
    }));
}

fn serve(file: &Path, config: Config, opening: Opening) -> Result<(), Box<dyn std::error::Error>> {
    // Before the sockets: as PID 1 a signal without a handler is lost.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let mut server = Server::bind(config, opening)?;
    server.reload_from(file);
    stop_on(signals, server.stopper())?;
    Ok(server.run()?)
}

fn stop_on(mut signals: Signals, stopper: Stopper) -> std::io::Result<()> {
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                stopper.reload();
                continue;
            }
            log::info!("signal {signal}: stopping");
            stopper.stop();
        }
    })?;
    Ok(())
}
