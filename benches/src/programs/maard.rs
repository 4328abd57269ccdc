// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shipped `maard`, with a table filled by its own `--load-test`.

use super::{Buffers, HEADROOM, OTHER_CPU, Running, WORKER_CPU, loop_until, source};
use crate::case::{Case, Spec};
use crate::frames::{ADDRESS, BINDINGS_IN, OUTSIDE, PEERS, POOL, SEED, peer_address};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What only maard is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Bindings to grow to once the table is filled.
    pub grow_to: Option<u64>,
    /// A capture of what leaves by the second port.
    pub written: Option<PathBuf>,
}

/// Counters by name.
pub type Counters = BTreeMap<String, u64>;

/// Packets between two readings of a worker's counters that were not one moment's.
const PUBLISHED: u64 = 4096;
/// Keys that come and go among the updates.
const CHURN: u64 = 1024;

/// MiB of hugepages the table may take: two slots of 16 octets for each key, rounded up to a power of two, and as much
/// again while it grows.
pub fn table_mib(spec: &Spec, options: &Options) -> u64 {
    ((keys(spec, options) * 32).next_power_of_two() * 2) >> 20
}

fn stations(spec: &Spec) -> u64 {
    // Of local delivery both ends are stations.
    if spec.case == Case::Deliver { 2 * spec.bindings } else { spec.bindings }
}

fn bindings(spec: &Spec) -> u64 {
    match spec.case {
        Case::Deliver | Case::Native => 0,
        _ => spec.bindings,
    }
}

fn keys(spec: &Spec, options: &Options) -> u64 {
    stations(spec) + options.grow_to.unwrap_or(0).max(bindings(spec)) + CHURN
}

pub fn start(
    spec: Spec,
    prefix: &str,
    capture: &Path,
    dir: &Path,
    program: &Path,
    options: &Options,
) -> Result<Running, String> {
    let control = dir.join(format!("{prefix}.sock"));
    let _ = std::fs::remove_file(&control);
    let put = |name: String, text: String| {
        let path = dir.join(name);
        let written = std::fs::write(&path, text);
        written.map(|()| path.clone()).map_err(|e| format!("{}: {e}", path.display()))
    };
    let text = config(&spec, prefix, capture, &control, options);
    let config = put(format!("{prefix}.yaml"), text)?;
    let load = put(format!("{prefix}-load.yaml"), load_test(&spec, options))?;
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("--load-test").arg(load);
    let mut running = Running::start(spec, command, prefix, dir)?;
    running.control = Some(control);
    let filled = loop_until(Duration::from_secs(120), || {
        running.alive()?;
        let stage = counters(&running).ok().and_then(|c| c.get("load_test.stage").copied());
        // 2: everything is in force. Growth is for the caller to watch.
        let enough = if options.grow_to.is_some() { 1 } else { 2 };
        Ok(stage.filter(|stage| *stage >= enough))
    })?;
    filled.map(|_| running).ok_or_else(|| format!("{spec}: the table is not filled in time"))
}

fn config(spec: &Spec, name: &str, capture: &Path, control: &Path, options: &Options) -> String {
    let buffers = Buffers::of(spec);
    let null = |n: u64| match &options.written {
        Some(path) if n == 0 => format!("net_pcap1,tx_pcap={}", path.display()),
        _ => format!("net_null{n},no-rx=1"),
    };
    let (access, core) = (
        "role: access\n    attach: event",
        "role: core\n    mtu: 1600\n    link: 2001:db8:ff::/64",
    );
    let source = source(capture, spec.workers);
    let ports = match spec.case {
        Case::Decap => [(source, core), (null(0), access)].to_vec(),
        Case::Deliver => [(source, access), (null(0), access), (null(1), core)].to_vec(),
        _ => [(source, access), (null(0), core)].to_vec(),
    };
    let mut text = format!(
        "name: {name}
address: {ADDRESS}
pool: {}/{}
eal:
  hugepages: true
  memory: {}
  mbufs: {}
  mbuf_size: {}
cores:
  slowpath: {OTHER_CPU}
  workers: [{}]
bindings: {}
aaa:
  server: \"127.0.0.1:9\"
  host: bench.example.org
  realm: example.org
control: {}
log: warn
ports:
",
        POOL.0,
        POOL.1,
        buffers.mib() + 32,
        buffers.count,
        buffers.size - HEADROOM,
        workers(spec),
        keys(spec, options).max(1024),
        control.display(),
    );
    for (device, rest) in ports {
        let _ = writeln!(text, "  - device: {device}\n    {rest}");
    }
    text.push_str("peers:\n");
    for peer in 0..PEERS {
        let _ = writeln!(text, "  - address: {}\n    auth: none", peer_address(peer));
    }
    let via = peer_address(0);
    // The destinations are anchored, so that sessions are sampled as in service.
    let (net, len) = BINDINGS_IN;
    let _ = writeln!(text, "anchors:\n  - prefix: {net}/{len}\n    maar: {via}");
    let _ = writeln!(text, "routes:\n  - prefix: {}/{}\n    via: {via}", OUTSIDE.0, OUTSIDE.1);
    text
}

/// With two workers the second one shares the CPU of the slow path.
fn workers(spec: &Spec) -> String {
    let cpus = [WORKER_CPU, OTHER_CPU].iter().cycle().take(spec.workers as usize);
    cpus.map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn load_test(spec: &Spec, options: &Options) -> String {
    let (stations, bindings) = (stations(spec), bindings(spec));
    let grow_to = options.grow_to.unwrap_or(bindings);
    format!(
        "seed: {SEED}\nmns: {stations}\nbindings: {bindings}\nbindings_in: {}/{}\n\
         grow_to: {grow_to}\nupdates_per_second: {}\n",
        BINDINGS_IN.0, BINDINGS_IN.1, spec.updates
    )
}

/// `romip show counters`.
pub fn counters(running: &Running) -> Result<Counters, String> {
    let path = running.control.as_deref().ok_or("not maard")?;
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut socket = UnixStream::connect(path).map_err(|e| failed(&e))?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).map_err(|e| failed(&e))?;
    socket.write_all(b"{\"do\":\"show\",\"what\":\"counters\"}\n").map_err(|e| failed(&e))?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).map_err(|e| failed(&e))?;
    let answer: Value = serde_json::from_str(&line).map_err(|e| failed(&e))?;
    let rows = answer["ok"].as_array().ok_or_else(|| failed(&line))?;
    let row = |row: &Value| Some((row["name"].as_str()?.to_owned(), row["value"].as_u64()?));
    Ok(rows.iter().filter_map(row).collect())
}

/// A counter of all workers together.
pub fn workers_sum(counters: &Counters, name: &str) -> u64 {
    let of = |key: &str| {
        let rest = key.strip_prefix("worker.").and_then(|rest| rest.split_once('.'));
        rest.is_some_and(|(_, rest)| rest == name)
    };
    counters.iter().filter(|(key, _)| of(key)).map(|(_, value)| value).sum()
}

/// How a case's packets are counted when they went the right way.
pub fn verdict(case: Case) -> &'static str {
    match case {
        Case::Encap => "tunnelled",
        Case::Native => "native",
        _ => "delivered",
    }
}

/// What went another way than the case's between two readings, by name.
pub fn astray(case: Case, before: &Counters, after: &Counters) -> Vec<String> {
    let grown = |name: &str| workers_sum(after, name) - workers_sum(before, name);
    let mut wrong = Vec::new();
    for name in after.keys() {
        let Some((_, name)) = name.strip_prefix("worker.").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let lost =
            name.starts_with("drop.") || name.starts_with("punt.") || name.starts_with("tx_unsent");
        if lost && grown(name) > 0 {
            wrong.push(format!("{name} {}", grown(name)));
        }
    }
    let (received, right) = (grown("rx"), grown(verdict(case)));
    // Workers publish every few bursts, counter by counter.
    if received.abs_diff(right) > PUBLISHED {
        wrong.push(format!("of {received} received {right} {}", verdict(case)));
    }
    wrong
}
