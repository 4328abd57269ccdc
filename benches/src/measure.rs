// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rounds over a group of programs: A B C A B C, one sample each, all rates from port counters over wall time.

use crate::case::{Program, Spec};
use crate::programs::{Running, maard};
use crate::telemetry::Counts;
use serde::Serialize;
use std::time::{Duration, Instant};

/// One measured second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Packets a second out of the sending port.
    pub pps: f64,
    /// Table updates a second that were applied meanwhile.
    pub updates: u64,
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub rounds: u32,
    pub warm_up: Duration,
    pub sample: Duration,
}

/// Samples of one program, by round.
pub struct Measured {
    pub spec: Spec,
    pub samples: Vec<Sample>,
}

/// Goes round the programs, which all stand still.
pub fn rounds(programs: &mut [Running], timing: Timing) -> Result<Vec<Measured>, String> {
    let mut all: Vec<Measured> =
        programs.iter().map(|p| Measured { spec: p.spec, samples: Vec::new() }).collect();
    for round in 1..=timing.rounds {
        eprint!("  round {round}:");
        for (program, measured) in programs.iter_mut().zip(&mut all) {
            program.resume();
            let sample = sample(program, timing);
            program.pause();
            let sample = sample?;
            eprint!(" {} {:.1}", measured.spec.case.name(), sample.pps / 1e6);
            measured.samples.push(sample);
        }
        eprintln!(" Mpps");
    }
    Ok(all)
}

fn sample(program: &mut Running, timing: Timing) -> Result<Sample, String> {
    std::thread::sleep(timing.warm_up);
    program.alive()?;
    let ours = program.spec.case.program() == Program::Maard;
    let counters = |p: &Running| if ours { maard::counters(p).map(Some) } else { Ok(None) };
    let before = counters(program)?;
    let (in_before, first, began) = both(program)?;
    let end = Instant::now() + timing.sample;
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    let (in_after, last, ended) = both(program)?;
    let after = counters(program)?;
    let seconds = (last.at - first.at).as_secs_f64();
    let (sent, received) = (last.tx - first.tx, in_after.rx - in_before.rx);
    let between = (began + ended).as_secs_f64() * sent as f64 / seconds;
    proof(program, sent, received, between as u64, last.lost - first.lost)?;
    let mut updates = 0;
    if let (Some(before), Some(after)) = (before, after) {
        let wrong = maard::astray(program.spec.case, &before, &after);
        if !wrong.is_empty() {
            return Err(format!("{}: went astray: {}", program.spec, wrong.join(", ")));
        }
        let applied = after["load_test.applied"] - before["load_test.applied"];
        updates = (applied as f64 / seconds) as u64;
    }
    Ok(Sample { pps: sent as f64 / seconds, updates })
}

/// The source's port, the one that sends, and how long it took to read both: one after the other, and the thread that
/// answers may have to wait for its CPU.
fn both(program: &Running) -> Result<(Counts, Counts, Duration), String> {
    let mut left = 50;
    loop {
        let start = Instant::now();
        let (source, out) = (program.telemetry().port(0)?, program.telemetry().port(program.out)?);
        let took = start.elapsed();
        left -= 1;
        if took < Duration::from_millis(1) || left == 0 {
            return Ok((source, out, took));
        }
    }
}

/// All that came in went out by the right port, but for what came `between` the readings of the two, at most at twice the
/// mean rate.
fn proof(
    program: &Running,
    sent: u64,
    received: u64,
    between: u64,
    lost: u64,
) -> Result<(), String> {
    let apart = received.abs_diff(sent);
    if lost == 0 && sent > 0 && apart <= 2 * between + 1024 {
        return Ok(());
    }
    Err(format!(
        "{}: of {received} received {sent} left by port {}, {lost} lost",
        program.spec, program.out
    ))
}
