// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask bench instructions`: how many instructions a packet takes, counted by callgrind, and compared with what
//! crates/dataplane/benches/instructions.txt says. The same on every machine, so that a change that makes the packet path
//! longer is seen where a clock would see nothing.

use crate::apt;
use crate::run::{Failed, Steps, root};
use std::fmt::Write as _;
use std::process::Command;

const CASES: [&str; 4] = ["encap", "decap", "deliver", "native"];
const EXPECTED: &str = "crates/dataplane/benches/instructions.txt";
/// Bursts of the two runs whose difference counts; the first also fills tables and caches.
const BURSTS: [u64; 2] = [200, 1200];
const BURST: u64 = 32;
/// Hundredths a case may be above what the file says.
const MARGIN: u64 = 3;

#[derive(clap::Args)]
pub struct Options {
    /// Writes what was counted into the file
    #[arg(long)]
    write: bool,
}

pub fn run(options: Options) -> Result<(), Failed> {
    let mut steps = Steps::new(2);
    steps.next("what apt has to bring");
    apt::install(&[apt::COUNT])?;
    steps.next("count");
    let source = per_packet("source")?;
    let mut counted = Vec::new();
    for case in CASES {
        counted.push((case, per_packet(case)?.saturating_sub(source)));
    }
    let path = root().join(EXPECTED);
    if options.write {
        let mut text =
            String::from("# Instructions a packet, by `cargo xtask bench instructions --write`.\n");
        for (case, count) in &counted {
            let _ = writeln!(text, "{case} {count}");
        }
        return std::fs::write(&path, text).map_err(|e| Failed(format!("{EXPECTED}: {e}")));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| Failed(format!("{EXPECTED}: {e}")))?;
    let mut over = Vec::new();
    for (case, count) in counted {
        let expected = expected(&text, case)?;
        println!("{case:10} {count:5} instructions a packet, {expected} expected");
        if count * 100 > expected * (100 + MARGIN) {
            over.push(format!("{case} takes {count} instructions a packet instead of {expected}"));
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    Err(Failed(format!("{}; if it is worth it, --write", over.join(", "))))
}

fn expected(text: &str, case: &str) -> Result<u64, Failed> {
    let line = text.lines().find_map(|line| line.strip_prefix(case));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.ok_or_else(|| Failed(format!("{EXPECTED} has no line `{case} NUMBER`; --write")))
}

/// The source included.
fn per_packet(case: &str) -> Result<u64, Failed> {
    let [few, many] = BURSTS;
    let more = instructions(case, many)?.saturating_sub(instructions(case, few)?);
    Ok(more / ((many - few) * BURST))
}

fn instructions(case: &str, bursts: u64) -> Result<u64, Failed> {
    let bench = ["bench", "--quiet", "--package", "dataplane", "--bench", "instructions", "--"];
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(bench)
        .args([case, &bursts.to_string()])
        .current_dir(root())
        .env(RUNNER, "valgrind --tool=callgrind --callgrind-out-file=/dev/null")
        .output()
        .map_err(|e| Failed(format!("cargo did not start: {e}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number.filter(|_| output.status.success()).ok_or_else(|| {
        Failed(format!("`cargo {} {case} {bursts}` under valgrind: {said}", bench.join(" ")))
    })
}

/// Starts the program under valgrind in cargo's place.
const RUNNER: &str = if cfg!(target_arch = "aarch64") {
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER"
} else {
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
};
