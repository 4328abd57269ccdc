// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The core plan: which CPU does what, which queue belongs to whom, and what follows from the ports' MTUs. Made from
//! the configuration alone; `--check` prints it.
//!
//! One slow-path lcore and N worker lcores. Worker n owns receive and transmit queue n of every port that has as many
//! (`queues.rs`); what the slow path sends goes over a ring to worker 0.

use crate::config::{Config, Poll, Spread};
use dataplane::fib::Role;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use std::fmt;

/// DPDK's number of the slow path's lcore, its main lcore. Worker n is lcore n + 1.
pub const SLOWPATH_LCORE: u32 = 0;

/// The CPUs this process may run on, ascending.
pub fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect()
}

/// What will run where.
#[derive(Debug)]
pub struct Plan<'c> {
    config: &'c Config,
    /// MTU option of the RA.
    pub ra_mtu: u16,
}

/// An MN holds its lease for the valid lifetime and 600 s, so a pool sustains this many seconds of arrivals.
const LEASE_SECONDS: u64 = 14_400 + 600;
/// what a tunnel adds.
const TUNNEL: u16 = 40;
/// The least MTU of IPv6.
const IPV6_MIN_MTU: u16 = 1280;

impl<'c> Plan<'c> {
    /// The plan of a checked configuration.
    pub fn new(config: &'c Config) -> Self {
        Plan { config, ra_mtu: ra_mtu(config) }
    }

    /// lcore of worker `n`.
    pub fn worker_lcore(n: usize) -> u32 {
        SLOWPATH_LCORE + 1 + n as u32
    }

    /// /64s in the pool.
    pub fn leases(&self) -> u64 {
        1 << (64 - self.config.pool.value.len)
    }

    /// What is allowed and still worth a line.
    pub fn warnings(&self) -> Vec<String> {
        let cores = &self.config.cores;
        let mut lines = Vec::new();
        for (n, worker) in cores.workers.iter().enumerate() {
            if let Some(other) = cores.workers[..n].iter().position(|w| w.value == worker.value) {
                lines.push(format!("workers {other} and {n} share CPU {}", worker.value));
            }
        }
        let shared = cores.workers.iter().any(|w| w.value == cores.slowpath.value);
        if shared && self.config.poll == Poll::Busy {
            lines.push(format!(
                "a worker that polls without pause shares CPU {} with the slow path; set `poll: adaptive`",
                cores.slowpath.value
            ));
        }
        if let Some(mtu) = core_mtu(self.config).filter(|mtu| *mtu < IPV6_MIN_MTU + TUNNEL) {
            lines.push(format!(
                "core MTU {mtu} leaves tunnels less than 1280 octets: large packets to peers travel in two fragments; raise it to 1320"
            ));
        }
        let open = self.config.peers.iter().filter(|peer| peer.keys.is_empty());
        lines.extend(open.map(|peer| {
            format!(
                "peer {} has `auth: none`: whoever can send from its address controls bindings",
                peer.address.value
            )
        }));
        lines
    }
}

fn core_mtu(config: &Config) -> Option<u16> {
    config.ports.iter().filter(|p| p.role == Role::Core).map(|p| p.mtu).min()
}

/// min(access port MTU, max(1280, smallest core MTU - 40)).
fn ra_mtu(config: &Config) -> u16 {
    let tunnel = core_mtu(config).map_or(IPV6_MIN_MTU, |mtu| (mtu - TUNNEL).max(IPV6_MIN_MTU));
    let access = config.ports.iter().filter(|p| p.role == Role::Access).map(|p| p.mtu);
    access.chain([tunnel]).min().unwrap_or(IPV6_MIN_MTU)
}

/// The form of `--check`.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config;
        let poll = match config.poll {
            Poll::Busy => "busy",
            Poll::Adaptive => "adaptive",
        };
        writeln!(f, "{} at {}", config.name, config.address.value)?;
        writeln!(f, "slow path  CPU {}, lcore {SLOWPATH_LCORE}", config.cores.slowpath.value)?;
        for (n, cpu) in config.cores.workers.iter().enumerate() {
            writeln!(
                f,
                "worker {n}   CPU {}, lcore {}, {poll}, queue {n} of every port that has as many",
                cpu.value,
                Self::worker_lcore(n)
            )?;
        }
        for (n, port) in config.ports.iter().enumerate() {
            let role = match port.role {
                Role::Access if port.attach_on_frame => "access".to_owned(),
                Role::Access => "access, L2 events only".to_owned(),
                Role::Core => "core".to_owned(),
            };
            let link = port.link.as_ref().map_or(String::new(), |link| {
                format!(", link {}/{}", link.value.addr, link.value.len)
            });
            let queues = config.cores.workers.len();
            writeln!(
                f,
                "port {n}     {}: {role}, MTU {}, at most {queues} rx and {queues} tx queues{link}",
                port.device.value, port.mtu
            )?;
        }
        let spread = match config.spread {
            Spread::Auto => "by the ports where they hash inner headers, else by the workers",
            Spread::Nic => "by the ports",
            Spread::Software => "by the workers",
            Spread::Off => "not at all: a pair of MAARs stays with one worker",
        };
        if config.cores.workers.len() > 1 {
            writeln!(f, "spread     {spread}")?;
        }
        let (pool, leases) = (config.pool.value, self.leases());
        let rate = leases as f64 / LEASE_SECONDS as f64;
        writeln!(f, "RA MTU     {}", self.ra_mtu)?;
        writeln!(
            f,
            "pool       {}/{}: {leases} leases, {rate:.2} new MNs a second for good",
            pool.addr, pool.len
        )?;
        writeln!(
            f,
            "memory     {} MiB of {}, {} packet buffers",
            config.eal.memory,
            if config.eal.hugepages { "hugepages" } else { "ordinary pages" },
            config.eal.mbufs.value
        )?;
        let servers: Vec<String> = config.aaa.servers.iter().map(ToString::to_string).collect();
        writeln!(f, "AAA        {} as {}", servers.join(", "), config.aaa.host)?;
        write!(f, "control    {}", config.control.value.display())?;
        self.warnings().iter().try_for_each(|line| write!(f, "\nwarning    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(edit: impl Fn(&str) -> String) -> Config {
        let text = edit(include_str!("../../../config/maard.yaml"));
        Config::parse(Path::new("m.yaml"), &text, &[0, 1]).expect("a right configuration")
    }

    /// FC-24: access MTU, core MTU, MTU option.
    #[test]
    fn the_ra_mtu_follows_the_ports() {
        for (access, core, ra) in [
            (1500, 1500, 1460),
            (1500, 9000, 1500),
            (1500, 1400, 1360),
            (1400, 1540, 1400),
            (1500, 1300, 1280),
        ] {
            let config = config(|text| {
                text.replace("    # mtu: 1500", &format!("    mtu: {access}"))
                    .replace("    role: core", &format!("    role: core\n    mtu: {core}"))
            });
            assert_eq!(Plan::new(&config).ra_mtu, ra, "access {access}, core {core}");
        }
    }

    #[test]
    fn what_shares_a_cpu_is_warned_of() {
        let shared = config(|text| text.replace("workers: [1]", "workers: [1, 1]"));
        let warnings = Plan::new(&shared).warnings().join("\n");
        assert!(warnings.contains("workers 0 and 1 share CPU 1"), "{warnings}");
        let busy = config(|text| text.replace("workers: [1]", "workers: [0]"));
        let warnings = Plan::new(&busy).warnings().join("\n");
        assert!(warnings.contains("shares CPU 0 with the slow path"), "{warnings}");
    }
}
