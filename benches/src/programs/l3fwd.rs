// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DPDK's l3fwd example, built from /usr/share/dpdk/examples with its limits raised to the flow count. It rewrites the
//! MACs; for IPv6 it neither checks nor decrements the hop limit.

use super::{Buffers, Running, WORKER_CPU, eal};
use crate::case::{Case, Spec};
use crate::frames::{Flows, PORT};
use std::fs;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLES: &str = "/usr/share/dpdk/examples";

/// file, what stands there, what is put in its place, why.
const EDITS: &[(&str, &str, &str)] = &[
    // Every vdev is refused with it.
    ("main.c", ".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM", ".offloads = 0"),
    // The pool holds the whole capture.
    ("main.c", "(unsigned)8192)", "(unsigned)NBM)"),
    ("main.c", "RTE_MBUF_DEFAULT_BUF_SIZE, socketid", "DROOM, socketid"),
    ("l3fwd_lpm.c", "IPV6_L3FWD_LPM_MAX_RULES         1024", "IPV6_L3FWD_LPM_MAX_RULES (1 << 20)"),
    ("l3fwd_lpm.c", "IPV6_L3FWD_LPM_NUMBER_TBL8S (1 << 16)", "IPV6_L3FWD_LPM_NUMBER_TBL8S TBL8S"),
];

/// MiB of hugepages beside the buffers: EM's hash of 4 million entries, LPM's groups.
pub fn table_mib(spec: &Spec) -> u64 {
    match spec.case {
        Case::Em6 => 1100,
        _ => groups(spec) / 1024 + 256,
    }
}

/// tbl8 groups for random /64s under a /32: one for each octet of each, less what they share.
fn groups(spec: &Spec) -> u64 {
    if spec.flows > 65_536 { 1 << 21 } else { 1 << 18 }
}

pub fn start(spec: Spec, prefix: &str, capture: &Path, dir: &Path) -> Result<Running, String> {
    let program = build(&spec, dir)?;
    let rules = rules(&spec, dir)?;
    let mut command = Command::new(program);
    eal(&mut command, &WORKER_CPU.to_string(), prefix, capture);
    let config = format!("--config=(0,0,{WORKER_CPU})");
    command.args(["--", "-p", "0x3", "--parse-ptype", &config]);
    // Without --ipv6 EM loads no IPv6 table and every lookup misses; a miss goes out by the port it came in by.
    match spec.case {
        Case::Em6 => command.args(["-E", "--ipv6"]),
        _ => command.arg("-L"),
    };
    command.arg(format!("--rule_ipv4={}", rules.0.display()));
    command.arg(format!("--rule_ipv6={}", rules.1.display()));
    Running::start(spec, command, prefix, dir)
}

fn build(spec: &Spec, dir: &Path) -> Result<PathBuf, String> {
    let buffers = Buffers::of(spec);
    let place = dir.join(format!("l3fwd-{}-{}-{}", buffers.count, buffers.size, groups(spec)));
    let program = place.join("l3fwd/build/l3fwd");
    if program.exists() {
        return Ok(program);
    }
    for folder in ["l3fwd", "common"] {
        let to = place.join(folder);
        copy(&Path::new(EXAMPLES).join(folder), &to)
            .map_err(|e| format!("{EXAMPLES}/{folder} to {}: {e}", to.display()))?;
    }
    for (file, from, to) in EDITS {
        let path = place.join("l3fwd").join(file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if !text.contains(from) {
            return Err(format!("{}: `{from}` is not in this release of DPDK", path.display()));
        }
        fs::write(&path, text.replace(from, to)).map_err(|e| e.to_string())?;
    }
    let flags =
        format!("-DNBM={} -DDROOM={} -DTBL8S={}", buffers.count, buffers.size, groups(spec));
    let output = Command::new("make")
        .current_dir(place.join("l3fwd"))
        .env("CFLAGS", flags)
        .output()
        .map_err(|e| format!("make: {e}"))?;
    if output.status.success() {
        Ok(program)
    } else {
        Err(format!("l3fwd does not build: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// A rule for each flow, out by port 1. IPv4 has to have a file too.
fn rules(spec: &Spec, dir: &Path) -> Result<(PathBuf, PathBuf), String> {
    let failed = |e: std::io::Error| format!("rules of l3fwd: {e}");
    let name = spec.case.name();
    let v4 = dir.join(format!("{name}-v4.cfg"));
    let em = spec.case == Case::Em6;
    let one = if em { "R1.1.1.1 2.2.2.2 1 1 0x06 1\n" } else { "R1.1.1.0/24 1\n" };
    fs::write(&v4, one).map_err(failed)?;
    let v6 = dir.join(format!("{name}-{}-v6.cfg", spec.flows));
    let mut file = std::io::BufWriter::new(fs::File::create(&v6).map_err(failed)?);
    let flows = Flows::new(spec.input);
    for index in 0..spec.flows {
        let flow = flows.flow(index);
        let dst = full(flow.dst);
        if em {
            writeln!(file, "R{dst} {} {PORT} {PORT} 0x11 1", full(flow.src)).map_err(failed)?;
        } else {
            let net = full(Ipv6Addr::from_bits(flow.dst.to_bits() >> 64 << 64));
            writeln!(file, "R{net}/64 1").map_err(failed)?;
        }
    }
    file.flush().map_err(failed)?;
    Ok((v4, v6))
}

/// All eight groups: l3fwd's reader knows no `::`.
fn full(address: Ipv6Addr) -> String {
    address.segments().map(|group| format!("{group:04x}")).join(":")
}
