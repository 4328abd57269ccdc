// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask fuzz`: the targets of `crates/fuzz` under libFuzzer. What is found new goes to `target/fuzz-corpus`; the
//! kept inputs of `crates/fuzz/corpus` are where each run starts from.

use crate::run::{Failed, Steps, program, root, target_dir};
use std::process::{Command, Stdio};

/// As `fuzz::TARGETS`, which this program does not build.
const TARGETS: [&str; 4] = ["wire", "diameter", "dataplane", "slowpath"];

#[derive(clap::Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Only these (wire, diameter, dataplane, slowpath)
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

pub fn run(options: Options) -> Result<(), Failed> {
    let known = |target: &&String| !TARGETS.contains(&target.as_str());
    if let Some(unknown) = options.targets.iter().find(known) {
        return Err(Failed(format!("no fuzz target {unknown}; there are {}", TARGETS.join(", "))));
    }
    needs_cargo_fuzz()?;
    let all = || TARGETS.iter().map(|target| target.to_string()).collect();
    let targets: Vec<String> = if options.targets.is_empty() { all() } else { options.targets };
    let mut steps = Steps::new(targets.len() as u32);
    for target in targets {
        steps.next(&format!("{target}, {} s", options.seconds));
        one(&target, options.seconds)?;
    }
    Ok(())
}

fn one(target: &str, seconds: u32) -> Result<(), Failed> {
    let found = target_dir().join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&found)
        .map_err(|e| Failed(format!("{} cannot be made: {e}", found.display())))?;
    let kept = root().join("crates/fuzz/corpus").join(target);
    let (found, kept) = (found.to_string_lossy(), kept.to_string_lossy());
    let time = format!("-max_total_time={seconds}");
    let mut args = vec!["+nightly", "fuzz", "run", "--fuzz-dir", "crates/fuzz"];
    args.extend(["--features", "libfuzzer-sys", target, &*found, &*kept]);
    args.extend(["--", &*time, "-max_len=512", "-timeout=10", "-print_final_stats=1"]);
    program("cargo", &args).map_err(|Failed(why)| {
        Failed(format!(
            "{why}; the input is in crates/fuzz/artifacts/{target}. Mend it, then keep the input in crates/fuzz/corpus/{target}"
        ))
    })
}

fn needs_cargo_fuzz() -> Result<(), Failed> {
    let mut ask = Command::new("cargo");
    ask.args(["+nightly", "fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if ask.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(Failed(
        "fuzzing needs a nightly compiler and cargo-fuzz: `rustup toolchain install nightly` and `cargo install cargo-fuzz`"
            .into(),
    ))
}
