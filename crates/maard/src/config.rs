// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration file: YAML, every key commented in `config/maard.yaml`.
//!
//! Three steps, each in its file: `yaml` (text -> tree), `read` (tree -> values, unknown keys refused), `check`
//! (values against each other and against this machine). Problems are collected, never thrown one by one: a file's
//! faults are told all at once. What the router makes of the values is `plan.rs` and `start.rs`.

mod check;
mod load_test;
mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

pub use load_test::{CHURN, LoadTest};
pub use tree::{At, Place, Problem};

use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataplane::fib::Role;
use slowpath::config::Prefix;
use wire::addr::{Mac, Nai};
use wire::mh::Key;

/// One MAAR, as its file says. Everything has been checked but what only the devices know.
#[derive(Debug)]
pub struct Config {
    /// The file, for messages that come later.
    pub file: PathBuf,
    /// Instance name: log lines, DPDK's file prefix, the default control socket.
    pub name: String,
    /// Core address.
    pub address: At<Ipv6Addr>,
    /// /64s for MNs.
    pub pool: At<Prefix>,
    /// DPDK's environment.
    pub eal: Eal,
    /// CPUs.
    pub cores: Cores,
    /// How a worker waits.
    pub poll: Poll,
    /// How flows get to their workers.
    pub spread: Spread,
    /// Keys in the binding table.
    pub bindings: usize,
    /// By `PortId`.
    pub ports: Vec<Port>,
    /// The other MAARs.
    pub peers: Vec<Peer>,
    /// Prefix -> MAAR, own pool left out.
    pub anchors: Vec<At<(Prefix, Ipv6Addr)>>,
    /// Static routes and their next hops.
    pub routes: Vec<At<(Prefix, Vec<Ipv6Addr>)>>,
    /// The AAA.
    pub aaa: Aaa,
    /// R-03 source 3.
    pub mobile_nodes: Vec<At<(Mac, Nai)>>,
    /// the RS option's MN-ID is taken as it is.
    pub trust_rs_mnid: bool,
    /// RDNSS of the RA.
    pub rdnss: Vec<Ipv6Addr>,
    /// Fixed first repeat.
    pub initial_bindack: Option<Duration>,
    /// How long what comes by a new path waits for the end marker of the old one; 0: not at all.
    pub end_marker: Duration,
    /// Outer hop limit.
    pub tunnel_hop_limit: u8,
    /// Where the record that outlives a restart is kept.
    pub state: Option<PathBuf>,
    /// Control socket.
    pub control: At<PathBuf>,
    /// Where Prometheus metrics and health are served, if anywhere.
    pub metrics: Option<At<SocketAddr>>,
    /// What is logged.
    pub log: log::LevelFilter,
}

/// DPDK's environment.
#[derive(Debug)]
pub struct Eal {
    /// Hugepages, else ordinary pages (`--no-huge`).
    pub hugepages: bool,
    /// MiB for DPDK.
    pub memory: u32,
    /// Packet buffers.
    pub mbufs: At<u32>,
    /// Octets of a frame in one of them; `None`: as the MTUs want it, 2048 at least.
    pub mbuf_size: Option<u16>,
}

/// Which CPU does what.
#[derive(Debug)]
pub struct Cores {
    /// CPU of the slow path.
    pub slowpath: At<usize>,
    /// CPU of each worker.
    pub workers: Vec<At<usize>>,
}

/// How a thread waits for packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// Without pause: the cores are ours.
    Busy,
    /// Sleeps briefly when idle: the cores are shared.
    Adaptive,
}

/// Who brings the flows of one pair of MAARs, which are one outer flow, to several workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spread {
    /// The device where it hashes inner headers, else the workers.
    Auto,
    /// The device; refused where it cannot.
    Nic,
    /// The workers.
    Software,
    /// Nobody: a pair of MAARs stays with one worker.
    Off,
}

/// A port.
#[derive(Debug)]
pub struct Port {
    /// DPDK's device string.
    pub device: At<String>,
    /// Role.
    pub role: Role,
    /// IPv6 MTU of the link, octets.
    pub mtu: u16,
    /// R-21 is on.
    pub attach_on_frame: bool,
    /// MNs at once; `None`: as many as come.
    pub max_mns: Option<u32>,
    /// New MNs a second.
    pub attaches_per_second: u32,
    /// Core ports: the prefix on the link.
    pub link: Option<At<Prefix>>,
}

/// A peer MAAR.
#[derive(Debug)]
pub struct Peer {
    /// Core address.
    pub address: At<Ipv6Addr>,
    /// Keys, the first one signs; empty is `auth: none`.
    pub keys: Vec<Key>,
}

/// The AAA server and who we are to it.
#[derive(Debug)]
pub struct Aaa {
    /// Servers in order of preference.
    pub servers: Vec<SocketAddr>,
    /// Own Diameter identity.
    pub host: String,
    /// Own realm.
    pub realm: String,
    /// Destination-Realm.
    pub destination_realm: String,
    /// R-28b: serve an MN although no AAA answers.
    pub fail_open: bool,
}

/// Why there is no configuration: one line a problem, ready to be printed.
#[derive(Debug)]
pub struct Refused {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Refused {
    /// A single problem found later, when the devices were asked.
    pub fn at(config: &Config, at: &Place, what: impl Into<String>) -> Refused {
        let problems = vec![Problem::new(at.line, at.key.clone(), what)];
        Refused { file: config.file.clone(), problems }
    }

    fn file(file: &Path, what: impl Into<String>) -> Refused {
        Refused { file: file.into(), problems: vec![Problem::new(0, "", what)] }
    }
}

impl fmt::Display for Refused {
    /// `FILE:LINE: KEY: WHAT; MEND`, a line each. Control characters of the file are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.problems.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", self.file.display())?;
            if p.line > 0 {
                write!(f, ":{}", p.line)?;
            }
            let colon = if p.key.is_empty() { "" } else { ": " };
            write!(f, "{colon}{}: {}", printable(&p.key), printable(&p.what))?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

impl Config {
    /// Reads and checks `file`. `cpus` are those this process may run on.
    ///
    /// # Errors
    /// Every problem of the file at once.
    pub fn load(file: &Path, cpus: &[usize]) -> Result<Config, Refused> {
        Config::parse(file, &text_of(file)?, cpus)
    }

    /// As [`Config::load`], from the file's text.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(file: &Path, text: &str, cpus: &[usize]) -> Result<Config, Refused> {
        if is_blank(text) {
            return Err(Refused::file(
                file,
                "no configuration in this file; see config/maard.yaml",
            ));
        }
        let refused = |problems| Refused { file: file.into(), problems };
        let root = yaml::parse(text).map_err(|problem| refused(vec![problem]))?;
        let problems = tree::Problems::default();
        let draft = read::config(file, &root, &problems);
        let config = draft.and_then(|draft| {
            check::all(&draft, cpus, &problems);
            draft.complete()
        });
        match (config, problems.into_sorted()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(refused(problems)),
        }
    }
}

/// The file's text.
fn text_of(file: &Path) -> Result<String, Refused> {
    let octets = std::fs::read(file).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => Refused::file(file, "is a directory; name a file"),
        _ => Refused::file(file, format!("cannot be read: {error}")),
    })?;
    String::from_utf8(octets)
        .map_err(|_| Refused::file(file, "is not UTF-8 text; save it as UTF-8"))
}

/// Nothing but comments.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start_matches('\u{feff}').trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}
