// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table, and RESULTS.md around it.

use super::{Results, Row};
use crate::machine::Machine;
use std::fmt::Write as _;

/// One row a program, in the order they were measured.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| program | case | flows | octets | cycles/packet (min-max) | beyond io | / mac | / em6 | Mpps | rounds |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let opt = |range: Option<super::Range>, digits| {
            range.map_or(String::new(), |r| format!("{:.digits$}", r.median))
        };
        let c = row.cycles_per_packet;
        let program = format!("{:?}", row.program).to_lowercase();
        let _ = writeln!(
            out,
            "| {program} | {} | {} | {} | {:.1} ({:.1}-{:.1}) | {} | {} | {} | {:.1} | {} |",
            case(row),
            flows(row),
            row.frame,
            c.median,
            c.min,
            c.max,
            opt(row.cycles_beyond_io, 1),
            opt(row.ratio_to_mac, 2),
            opt(row.ratio_to_em6, 2),
            row.mpps,
            row.rounds
        );
    }
    out
}

fn case(row: &Row) -> String {
    let mut text = row.case.name().to_owned();
    if row.tunnelled && row.case.name() == "io" {
        text.push_str(", in tunnels");
    }
    if row.updates_per_second > 0 {
        let _ = write!(text, ", {} updates/s", row.updates_per_second_applied);
    }
    if row.workers > 1 {
        let _ = write!(text, ", {} workers", row.workers);
    }
    text
}

fn flows(row: &Row) -> String {
    if row.bindings == row.flows {
        row.flows.to_string()
    } else {
        format!("{} of {}", row.flows, row.bindings)
    }
}

/// In words.
pub fn growth(growth: &crate::growth::Growth) -> String {
    format!(
        "While the table grew from {} to {} bindings under traffic ({} frames forwarded, none lost or misdirected): {} updates \
         applied a second, longest pause of the worker {:.1} us of its own time ({:.0} us with what the kernel ran on its CPU), {:.1} octets of table per binding in the end.",
        growth.from,
        growth.to,
        growth.forwarded,
        growth.updates_per_second,
        growth.longest_pause_us,
        growth.longest_pause_with_others_us,
        growth.octets_per_binding
    )
}

/// RESULTS.md.
pub fn document(results: &Results, machine: &Machine) -> String {
    let mut out = String::from(
        "# Results\n\nWritten by `cargo xtask bench`; how it is measured: README.md here.\n\n",
    );
    let _ = writeln!(
        out,
        "{}, {} cores, TSC {:.2} MHz, {} MiB; Linux {}; DPDK {}; {}; commit {}. {}. Load when it began: {}.\n\n\
         A cycle is one of the time stamp counter, not of the core's clock.\n\n![cycles beyond the source](results.svg)\n",
        machine.cpu,
        machine.cores,
        machine.tsc_hz as f64 / 1e6,
        machine.memory_mib,
        machine.kernel,
        machine.dpdk,
        machine.rustc,
        machine.commit,
        machine.plan,
        machine.load
    );
    out.push_str(&table(&results.rows));
    if let Some(growth) = &results.growth {
        let _ = writeln!(out, "\n{}", self::growth(growth));
    }
    out.push_str("\nFrames compared octet for octet with what they have to be:\n\n");
    for proof in &results.proofs {
        let _ = writeln!(out, "- {}: {} frames", proof.what, proof.frames);
    }
    out
}
