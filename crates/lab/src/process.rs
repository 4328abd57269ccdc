// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A child process that ends with its guard: SIGTERM, a wait, SIGKILL. Its output goes into a file, so that what it
//! said last can be quoted when it fails.

use crate::error::{Attempt, Result, failed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a child has after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at a child that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; both its outputs go to `log`. A process group of its own: Ctrl-C at the terminal reaches only
    /// the lab, which then ends its children in order.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Process> {
        let file = File::create(log).attempt(format!("write {}", log.display()))?;
        let both = file.try_clone().attempt(format!("write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .process_group(0)
            .spawn()
            .attempt(format!("start {name}"))?;
        Ok(Process { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read(&self.log)
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// An error when it has ended, with its last words.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait().attempt(format!("look after {}", self.name))? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// Sends a signal; no effect on one that has ended.
    pub fn signal(&mut self, signal: Signal) {
        // Only while the child has not been waited for does the pid name it for certain.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
        }
    }

    /// Its exit status, if it ends within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().attempt(format!("wait for {}", self.name))?;
            if status.is_some() || Instant::now() >= until {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends `signal` and waits for the end it brings.
    pub fn stop(&mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        self.signal(signal);
        self.wait(limit)?.ok_or_else(|| failed(format!("{} does not end on {signal}", self.name)))
    }

    /// What to say of one that does not end.
    pub fn lingers(&self) -> String {
        format!("{} does not end on SIGTERM; see {}", self.name, self.log.display())
    }

    /// "NAME ended (STATUS): its last lines".
    pub fn ended(&self, status: ExitStatus) -> crate::LabError {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(4)..].join(" | ");
        failed(format!("{} ended ({status}); {}: {last}", self.name, self.log.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        if let Ok(Some(_)) = self.wait(GRACE) {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let process = Process::spawn("the script", command, &dir.path().join("log")).unwrap();
        (dir, process)
    }

    #[test]
    fn a_child_that_ended_is_reported_with_its_last_words() {
        let (_dir, mut process) = shell("echo the cause is plain; exit 7");
        assert!(process.wait(Duration::from_secs(10)).unwrap().is_some());
        let said = process.check_running().unwrap_err().to_string();
        assert!(said.contains("the cause is plain") && said.contains('7'), "{said}");
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let (_dir, process) = shell("exec sleep 1000");
        let pid = Pid::from_raw(process.child.id() as i32);
        drop(process);
        assert!(kill(pid, None).is_err(), "waited for, so the pid is free");
    }
}
