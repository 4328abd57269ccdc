// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the user sees while it runs: one line per step, with the time.

use std::time::Instant;

/// Prints to standard error; results go to standard output.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
}

impl Progress {
    /// The clock starts now.
    pub fn start() -> Progress {
        Progress { start: Instant::now() }
    }

    /// One line.
    pub fn say(&self, what: &str) {
        use std::io::Write;
        // A closed terminal is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{:6.1} s  {what}", self.start.elapsed().as_secs_f64());
    }
}
