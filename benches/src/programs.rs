// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that are measured, as processes. All of them are started before a measurement and stand still (SIGSTOP)
//! while another one runs, so that rounds can go round them without filling tables anew.

pub mod l3fwd;
pub mod maard;
pub mod testpmd;

use crate::case::Spec;
use crate::machine::stay_on;
use crate::telemetry::Telemetry;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The CPU that forwards, and the one for everything else.
pub const WORKER_CPU: usize = 1;
pub const OTHER_CPU: usize = 0;
/// Octets in front of a frame in its mbuf (RTE_PKTMBUF_HEADROOM).
pub const HEADROOM: usize = 128;

/// Packet buffers of a program, the same for all on the same capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffers {
    pub count: u64,
    /// Octets with headroom.
    pub size: usize,
}

impl Buffers {
    /// net_pcap keeps the whole capture in mbufs, once for each queue.
    pub fn of(spec: &Spec) -> Buffers {
        let held = spec.flows * spec.workers;
        let count = (held + held / 8 + 12_288).max(16_384);
        // The usual size where the whole pool is small; otherwise what the frame and a tunnel's header need.
        let tight = (HEADROOM + spec.longest_in() + 64).next_multiple_of(128).max(384);
        Buffers { count, size: if spec.flows <= 65_536 { 2176 } else { tight } }
    }

    /// MiB of hugepages: the buffer, its mbuf and its object header, and what the rings and queues take.
    pub fn mib(&self) -> u64 {
        (self.count * (self.size as u64 + 128 + 64 + 64)).div_ceil(1 << 20) + 64
    }
}

/// A program under way.
pub struct Running {
    pub spec: Spec,
    child: Child,
    telemetry: Telemetry,
    log: PathBuf,
    /// maard's control socket.
    pub control: Option<PathBuf>,
    /// The port that sends.
    pub out: u16,
}

impl Running {
    /// Starts `command`; its words go to a file in `dir`. Waits until it answers by telemetry.
    pub fn start(
        spec: Spec,
        mut command: Command,
        prefix: &str,
        dir: &Path,
    ) -> Result<Running, String> {
        let log = dir.join(format!("{prefix}.log"));
        let file = File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let copy = file.try_clone().map_err(|e| e.to_string())?;
        command.stdin(Stdio::piped()).stdout(file).stderr(copy);
        let shown = format!("{:?}", command.get_program());
        // What a program may use it inherits.
        stay_on(&[OTHER_CPU, WORKER_CPU])?;
        let spawned = command.spawn().map_err(|e| format!("{shown} cannot be started: {e}"));
        stay_on(&[OTHER_CPU])?;
        let mut child = spawned?;
        let telemetry = loop_until(Duration::from_secs(120), || {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("{spec}: ended with {status}: {}", tail(&log)));
            }
            Ok(Telemetry::connect(prefix))
        })
        .inspect_err(|_| end(&mut child))?
        .ok_or_else(|| {
            end(&mut child);
            format!("{spec}: no telemetry in time: {}", tail(&log))
        })?;
        Ok(Running { spec, child, telemetry, log, control: None, out: 1 })
    }

    /// Waits until frames leave by the right port, then stops it.
    pub fn until_it_sends(&mut self) -> Result<(), String> {
        let sends = loop_until(Duration::from_secs(120), || {
            self.alive()?;
            Ok((self.telemetry.port(self.out)?.tx > 0).then_some(()))
        })?;
        sends.ok_or_else(|| {
            format!("{}: nothing leaves by port {}: {}", self.spec, self.out, tail(&self.log))
        })
    }

    /// An error if it has ended.
    pub fn alive(&mut self) -> Result<(), String> {
        match self.child.try_wait().map_err(|e| e.to_string())? {
            None => Ok(()),
            Some(status) => Err(format!("{}: ended with {status}: {}", self.spec, tail(&self.log))),
        }
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Ends it as a user would, so that it closes its ports and files.
    pub fn terminate(mut self) -> Result<(), String> {
        self.resume();
        self.signal(Signal::SIGTERM);
        let ended = loop_until(Duration::from_secs(60), || {
            Ok(self.child.try_wait().map_err(|e| e.to_string())?.map(|_| ()))
        })?;
        ended.ok_or_else(|| format!("{}: does not end", self.spec))
    }

    fn signal(&self, signal: Signal) {
        // Our own child, not waited for: the id is still its.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Asks `done` until it gives something, within `bound`.
pub fn loop_until<T>(
    bound: Duration,
    mut done: impl FnMut() -> Result<Option<T>, String>,
) -> Result<Option<T>, String> {
    let start = Instant::now();
    loop {
        if let Some(value) = done()? {
            return Ok(Some(value));
        }
        if start.elapsed() > bound {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last words of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    last.join(" | ")
}

/// EAL arguments of DPDK's own programs.
fn eal(command: &mut Command, cpus: &str, prefix: &str, capture: &Path) {
    command.args(["-l", cpus, "--in-memory", "--no-pci", "--file-prefix", prefix]);
    command.arg("--vdev").arg(source(capture, 1));
    command.args(["--vdev", "net_null0,no-rx=1"]);
}

/// The source, the same for all: a capture round and round, once for each queue.
pub fn source(capture: &Path, queues: u64) -> String {
    let each = format!(",rx_pcap={}", capture.display()).repeat(queues as usize);
    format!("net_pcap0{each},infinite_rx=1")
}
