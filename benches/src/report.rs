// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Samples into figures: a table for people, JSON for programs.

mod markdown;
mod picture;

use crate::Args;
use crate::case::{Case, Frame, Input, Program, Spec};
use crate::growth::Growth;
use crate::machine::Machine;
use crate::measure::Measured;
use crate::proof::Proof;
use serde::{Deserialize, Serialize};

/// Median and range.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Range {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Range {
    /// Of at least one value.
    pub fn of(values: impl Iterator<Item = f64>) -> Range {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (n, round) = (values.len(), |v: f64| (v * 1000.0).round() / 1000.0);
        let median = (values[(n - 1) / 2] + values[n / 2]) / 2.0;
        Range { median: round(median), min: round(values[0]), max: round(values[n - 1]) }
    }
}

/// One program on one capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub program: Program,
    pub case: Case,
    pub flows: u64,
    pub bindings: u64,
    pub frame: Frame,
    /// Whether the source's frames come in tunnels, 40 octets longer.
    pub tunnelled: bool,
    pub workers: u64,
    pub updates_per_second: u64,
    pub updates_per_second_applied: u64,
    /// All in: source, forwarding, sending; TSC cycles of the forwarding core.
    pub cycles_per_packet: Range,
    /// Less testpmd io on the same kind of frames in the same round: what looking, deciding and rewriting costs.
    pub cycles_beyond_io: Option<Range>,
    /// Divided by testpmd mac of the same round.
    pub ratio_to_mac: Option<Range>,
    /// Divided by l3fwd EM6 of the same round.
    pub ratio_to_em6: Option<Range>,
    pub mpps: f64,
    pub rounds: usize,
}

/// Everything a run found.
#[derive(Default, Deserialize)]
pub struct Results {
    pub rows: Vec<Row>,
    pub proofs: Vec<Proof>,
    pub growth: Option<Growth>,
}

#[derive(Serialize)]
struct Document<'a> {
    rows: &'a [Row],
    proofs: &'a [Proof],
    growth: Option<Growth>,
    machine: &'a Machine,
}

impl Results {
    /// Those of earlier runs, whose JSON these files are.
    pub fn of(files: &[std::path::PathBuf]) -> Result<Results, String> {
        let mut all = Results::default();
        for path in files {
            let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
            let earlier: Results = serde_json::from_str(&text).map_err(|e| failed(&e))?;
            all.rows.extend(earlier.rows);
            all.proofs.extend(earlier.proofs);
            all.growth = earlier.growth.or(all.growth);
        }
        Ok(all)
    }

    /// The figures of a group.
    pub fn add(&mut self, measured: &[Measured], machine: &Machine) {
        let hz = machine.tsc_hz as f64;
        let cycles = |m: &Measured| -> Vec<f64> {
            m.samples.iter().map(|s| hz * m.spec.workers as f64 / s.pps).collect()
        };
        let find =
            |wanted: &dyn Fn(&Spec) -> bool| measured.iter().find(|m| wanted(&m.spec)).map(cycles);
        let mac = find(&|s| s.case == Case::Mac);
        let em6 = find(&|s| s.case == Case::Em6);
        for m in measured {
            let own = cycles(m);
            let tunnelled = m.spec.input == Input::Tunnelled;
            let io = find(&|s| s.case == Case::Io && (s.input == Input::Tunnelled) == tunnelled);
            let by_round = |other: &Option<Vec<f64>>, with: fn(f64, f64) -> f64| {
                let other = other.as_ref()?;
                Some(Range::of(own.iter().zip(other).map(|(a, b)| with(*a, *b))))
            };
            self.rows.push(Row {
                program: m.spec.case.program(),
                case: m.spec.case,
                flows: m.spec.flows,
                bindings: m.spec.bindings,
                frame: m.spec.frame,
                tunnelled,
                workers: m.spec.workers,
                updates_per_second: m.spec.updates,
                updates_per_second_applied: Range::of(m.samples.iter().map(|s| s.updates as f64))
                    .median as u64,
                cycles_per_packet: Range::of(own.iter().copied()),
                cycles_beyond_io: by_round(&io, |a, b| a - b),
                ratio_to_mac: by_round(&mac, |a, b| a / b),
                ratio_to_em6: by_round(&em6, |a, b| a / b),
                mpps: Range::of(m.samples.iter().map(|s| s.pps / 1e6)).median,
                rounds: own.len(),
            });
        }
    }

    /// Prints, and writes what was asked for.
    pub fn finish(&self, args: &Args, machine: &Machine) -> Result<(), String> {
        println!("{}", markdown::table(&self.rows));
        if let Some(growth) = &self.growth {
            println!("{}", markdown::growth(growth));
        }
        let written = |path: &std::path::Path, text: &str| {
            std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        if let Some(path) = &args.json {
            let document =
                Document { rows: &self.rows, proofs: &self.proofs, growth: self.growth, machine };
            let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
            written(path, &(text + "\n"))?;
        }
        if let Some(dir) = &args.results {
            written(&dir.join("RESULTS.md"), &markdown::document(self, machine))?;
            written(&dir.join("results.svg"), &picture::draw(&self.rows))?;
        }
        Ok(())
    }
}
