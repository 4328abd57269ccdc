// SPDX-License-Identifier: Apache-2.0 OR MIT
//! tcpdump as the witness: what the report says is read from its files, not from what our programs say of themselves.

use crate::error::{Result, failed};
use crate::netns::Netns;
use crate::process::Process;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For tcpdump to start, and to write its last frames.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kernel keeps frames back from tcpdump for up to a second; those it has not given at the end are lost.
pub const LAST: Duration = Duration::from_millis(1500);

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Captures what `filter` (tcpdump's; empty takes all) lets through on `interface` of `netns` into `file`; returns
    /// when frames are being taken. A bridge's own interface,
    /// promiscuous, shows each frame that crosses the bridge once.
    pub fn start(
        netns: &Netns,
        interface: &str,
        file: &Path,
        log: &Path,
        filter: &str,
    ) -> Result<Capture> {
        let mut command = netns.command("tcpdump");
        // -Z root: Debian's tcpdump gives up root and could not write into the user's directory.
        command.args(["-i", interface, "-n", "-Z", "root"]);
        // The file is complete when it ends: what is late there costs no system call per frame.
        command.args(["-s", "2048", "-B", "16384", "--time-stamp-precision=nano", "-w"]).arg(file);
        command.args(filter.split_whitespace());
        let process = Process::spawn(&format!("tcpdump on {interface}"), command, log)?;
        let mut capture = Capture { process, file: file.to_owned() };
        capture.wait_listening()?;
        Ok(capture)
    }

    fn wait_listening(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.process.said().contains("listening on") {
            self.process.check_running()?;
            if Instant::now() > until {
                return Err(failed("tcpdump does not begin to listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it and gives its file; an error if the kernel dropped a frame, as nothing could be proved with it.
    pub fn finish(mut self) -> Result<PathBuf> {
        let status = self.process.stop(Signal::SIGINT, PATIENCE)?;
        if !status.success() {
            return Err(self.process.ended(status));
        }
        match dropped(&self.process.said()) {
            Some(0) => Ok(self.file.clone()),
            Some(n) => Err(failed(format!(
                "tcpdump lost {n} frames of {}: the machine is too busy for the lab",
                self.file.display()
            ))),
            None => Err(failed(format!("tcpdump says nothing of drops: {}", self.process.said()))),
        }
    }
}

/// The number in "N packets dropped by kernel".
fn dropped(said: &str) -> Option<u64> {
    let line = said.lines().find(|l| l.contains("dropped by kernel"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_tcpdumps_last_words() {
        let said = "tcpdump: listening on core, link-type EN10MB (Ethernet)\n12 packets captured\n\
                    12 packets received by filter\n3 packets dropped by kernel\n";
        assert_eq!(dropped(said), Some(3));
        assert_eq!(dropped("tcpdump: listening"), None);
    }
}
