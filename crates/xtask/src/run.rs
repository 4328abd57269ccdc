// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps with a heading, child processes whose failure names the command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Why a task stopped, in one sentence.
pub struct Failed(pub String);

/// Prints a numbered heading for each step, so that a long task shows where it is.
pub struct Steps {
    total: u32,
    done: u32,
    start: Instant,
}

impl Steps {
    pub fn new(total: u32) -> Self {
        Steps { total, done: 0, start: Instant::now() }
    }

    pub fn next(&mut self, what: &str) {
        self.done += 1;
        eprintln!(
            "\n==> [{}/{}] {what}  ({} s)",
            self.done,
            self.total,
            self.start.elapsed().as_secs()
        );
    }
}

/// The workspace's root: the tasks run there, wherever they were called.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task.
pub fn cargo(args: &[&str]) -> Result<(), Failed> {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Runs a program in the workspace's root with this terminal.
pub fn program(name: impl AsRef<OsStr>, args: &[&str]) -> Result<(), Failed> {
    let name = name.as_ref();
    let said = || {
        format!(
            "{} {}",
            Path::new(name).file_name().unwrap_or(name).to_string_lossy(),
            args.join(" ")
        )
    };
    match Command::new(name).args(args).current_dir(root()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("`{}` failed ({status})", said()))),
        Err(e) => Err(Failed(format!("`{}` did not start: {e}", said()))),
    }
}
