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

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// What a capture takes.
#[derive(Clone, Debug, Default)]
pub struct Taste {
    /// tcpdump's filter; empty takes all.
    pub filter: String,
    /// End after this many frames.
    pub count: Option<u32>,
}

impl Capture {
    /// Captures `interface` of `netns` into `file`; returns when frames are being taken. A bridge's own interface,
    /// promiscuous, shows each frame that crosses the bridge once.
    pub fn start(
        netns: &Netns,
        interface: &str,
        file: &Path,
        log: &Path,
        taste: &Taste,
    ) -> Result<Capture> {
        let mut command = netns.command("tcpdump");
        // -Z root: Debian's tcpdump gives up root and could not write into the user's directory.
        command.args(["-i", interface, "-n", "-U", "--immediate-mode", "-Z", "root"]);
        // -s: in immediate mode the kernel's buffer is cut into slots of the longest frame to be kept; with tcpdump's
        // default of 256 KiB eight MiB would hold 32 frames.
        command.args(["-s", "2048", "-B", "8192", "--time-stamp-precision=nano", "-w"]).arg(file);
        if let Some(count) = taste.count {
            command.args(["-c", &count.to_string()]);
        }
        command.args(taste.filter.split_whitespace());
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
        let status = match self.process.wait(Duration::ZERO)? {
            Some(status) => status,
            None => self.process.stop(Signal::SIGINT, PATIENCE)?,
        };
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
