// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine: what it is, and hugepages for the time of a measurement.

use serde::Serialize;
use std::fs;
use std::process::Command;

/// What the figures were taken on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    /// Cycles are of the time stamp counter, which is not the core's clock.
    pub tsc_hz: u64,
    pub cores: usize,
    /// One-minute load average when it started.
    pub load: f64,
    pub kernel: String,
    pub dpdk: String,
    pub hugepage_kib: u64,
    pub hugepages: u64,
    pub memory_mib: u64,
    /// How the programs were given cores.
    pub plan: String,
    pub rustc: String,
    pub commit: String,
}

impl Machine {
    /// Looks around.
    pub fn read() -> Result<Machine, String> {
        let cpuinfo = read("/proc/cpuinfo")?;
        let field = |key: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_owned())
        };
        // The kernel's delay loop counts time stamp cycles: half of what it calls BogoMIPS, to ten kilohertz.
        let mips: f64 = field("bogomips").and_then(|v| v.parse().ok()).unwrap_or(0.0);
        let constant = field("flags").is_some_and(|flags| flags.contains("constant_tsc"));
        if mips == 0.0 || !constant {
            return Err("this CPU has no constant time stamp counter to count cycles with".into());
        }
        let load = read("/proc/loadavg")?;
        let load = load.split(' ').next().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        if cores < 2 {
            return Err("two cores are needed: one forwards, one does everything else".into());
        }
        Ok(Machine {
            cpu: format!(
                "{}, family {} model {}",
                field("model name").unwrap_or_default(),
                field("cpu family").unwrap_or_default(),
                field("model\t").unwrap_or_default()
            ),
            tsc_hz: (mips * 5e5) as u64,
            cores,
            load,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            dpdk: said("pkg-config", &["--modversion", "libdpdk"]),
            hugepage_kib: meminfo("Hugepagesize:")?,
            hugepages: 0,
            memory_mib: meminfo("MemTotal:")? / 1024,
            plan: "CPU 1 forwards, CPU 0 does the rest".into(),
            rustc: said("rustc", &["--version"]),
            commit: said("git", &["rev-parse", "--short=12", "HEAD"]),
        })
    }
}

/// Keeps this process, and what it starts from now on, on these CPUs.
pub fn stay_on(cpus: &[usize]) -> Result<(), String> {
    let mut set = nix::sched::CpuSet::new();
    let chosen = cpus.iter().try_for_each(|cpu| set.set(*cpu));
    chosen
        .and_then(|()| nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set))
        .map_err(|e| format!("CPUs {cpus:?}: {e}"))
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

fn meminfo(key: &str) -> Result<u64, String> {
    let text = read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| format!("/proc/meminfo has no {key}"))
}

/// Hugepages beyond those that were free; given back when dropped.
pub struct Hugepages {
    added: u64,
}

const POOL: &str = "/proc/sys/vm/nr_hugepages";

impl Hugepages {
    /// Sees to it that `mib` are free.
    pub fn reserve(mib: u64) -> Result<Hugepages, String> {
        let free = meminfo("HugePages_Free:")?;
        let pages = (mib * 1024).div_ceil(meminfo("Hugepagesize:")?.max(1));
        let mut reserved = Hugepages { added: 0 };
        if free < pages {
            // Caches make way; the kernel then finds more room in one piece.
            let _ = fs::write("/proc/sys/vm/compact_memory", "1");
            let before = Hugepages::total();
            let wanted = before + pages - free;
            fs::write(POOL, wanted.to_string()).map_err(|e| format!("{POOL}: {e}"))?;
            reserved.added = Hugepages::total().saturating_sub(before);
            let free = meminfo("HugePages_Free:")?;
            if free < pages {
                return Err(format!(
                    "{pages} hugepages are needed and {free} can be had; stop other programs or measure fewer flows"
                ));
            }
        }
        Ok(reserved)
    }

    /// Pages in the pool now.
    pub fn total() -> u64 {
        meminfo("HugePages_Total:").unwrap_or(0)
    }
}

impl Drop for Hugepages {
    fn drop(&mut self) {
        // Less what was added, whatever others did meanwhile.
        let rest = Hugepages::total().saturating_sub(self.added);
        let _ = fs::write(POOL, rest.to_string());
    }
}
