// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask bench`: installs and builds what is measured, then hands over to the package `benches`.

use crate::run::{self, Failed, Steps, cargo, program};
use crate::{apt, needs_root};

/// `args` are those of `romip-bench`.
pub fn run(args: &[String]) -> Result<(), Failed> {
    let help = args.iter().any(|arg| arg == "--help" || arg == "-h");
    if !help {
        needs_root("the bench takes hugepages and runs DPDK on two cores")?;
    }
    let mut steps = Steps::new(3);
    steps.next("what apt has to bring");
    apt::install(&[apt::BUILD, apt::BENCH])?;
    steps.next("build maard and the bench (release)");
    cargo(&["build", "--release", "-p", "maard", "-p", "benches"])?;
    steps.next("measure");
    let release = run::target_dir().join("release");
    let maard = release.join("maard");
    let maard = maard.to_string_lossy();
    let mut all = vec!["--maard", &maard];
    // A run of everything replaces the results that are shipped.
    let results = run::root().join("benches");
    let results = results.to_string_lossy();
    let whole = !args.iter().any(|arg| arg.starts_with("--") && !arg.starts_with("--json"));
    if whole {
        all.extend(["--results", &results]);
    }
    all.extend(args.iter().map(String::as_str));
    program(release.join("romip-bench"), &all)
}
