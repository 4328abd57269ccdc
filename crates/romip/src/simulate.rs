// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `romip sim`: many seeds and a table, or one seed and its story.

use crate::args::Sim;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use sim::storm::Totals;
use sim::{Outcome, Setup};
use std::process::ExitCode;

/// Runs what is asked for; the exit status says whether everything was as it must be.
pub fn run(order: &Sim) -> Result<ExitCode, String> {
    let setup = setup(order);
    setup.check()?;
    match order.seed {
        Some(seed) => one(order, &setup, seed),
        None => many(order, &setup),
    }
}

fn setup(order: &Sim) -> Setup {
    let usual = Setup::default();
    Setup {
        maars: order.maars.unwrap_or(usual.maars),
        mns: order.mns.unwrap_or(usual.mns),
        moves: order.moves.unwrap_or(usual.moves),
        window_ms: order.window.map_or(usual.window_ms, |seconds| seconds.saturating_mul(1000)),
        rate: order.rate.unwrap_or(usual.rate),
        loss: order.loss.unwrap_or(usual.loss),
        event_faults: order.event_faults.unwrap_or(usual.event_faults),
        link_jitter_ms: order.jitter.unwrap_or(usual.link_jitter_ms),
        order_ms: order.order_wait.unwrap_or(usual.order_ms),
        core_mtu: order.mtu.unwrap_or(usual.core_mtu),
        crashes: order.crashes,
        ..usual
    }
}

fn one(order: &Sim, setup: &Setup, seed: u64) -> Result<ExitCode, String> {
    let (outcome, diagram) = match order.trace {
        true => sim::trace(setup, seed),
        false => (sim::play(setup, seed), String::new()),
    };
    let mut text = diagram;
    text += &story(&outcome, setup);
    text += &outcome.losses.iter().map(|line| format!("{line}\n")).collect::<String>();
    write(order, &one_total(&outcome, setup), setup, seed)?;
    crate::print(&text)?;
    Ok(status(!outcome.failed(setup)))
}

fn one_total(outcome: &Outcome, setup: &Setup) -> Totals {
    let mut totals = Totals::default();
    totals.add(outcome.clone(), setup);
    totals
}

/// What one run showed.
fn story(outcome: &Outcome, setup: &Setup) -> String {
    let verdict = if outcome.failed(setup) { "FAILED" } else { "ok" };
    let mut text = format!("seed {}: {verdict}\n", outcome.seed);
    for note in &outcome.findings.notes {
        text += &format!("{note}\n");
    }
    text
}

fn many(order: &Sim, setup: &Setup) -> Result<ExitCode, String> {
    let bar = ProgressBar::new(order.seeds);
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {msg} failed, {eta} left")
            .map_err(|e| e.to_string())?;
    bar.set_style(style);
    bar.set_message("0");
    let totals = sim::storm::storm(setup, order.first_seed, order.seeds, |done, failed| {
        bar.set_position(done);
        bar.set_message(failed.to_string());
    });
    bar.finish_and_clear();
    write(order, &totals, setup, order.first_seed)?;
    let mut text = table(&totals);
    if let Some(first) = totals.failed.first() {
        let seeds: Vec<_> = totals.failed.iter().map(|outcome| outcome.seed.to_string()).collect();
        text +=
            &format!("failed seeds: {}\nthe first one:\n{}", seeds.join(" "), story(first, setup));
    }
    crate::print(&text)?;
    Ok(status(totals.failed.is_empty()))
}

fn table(totals: &Totals) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (name, value) in [
        ("seeds", totals.seeds),
        ("with a fault", totals.failed.len() as u64),
        ("dead sessions", totals.dead),
        ("indirect sessions", totals.indirect),
        ("hijacked", totals.hijacked),
        ("looped", totals.looped),
        ("doubled", totals.doubled),
        ("reordered", totals.reordered),
        ("outlived", totals.outlived),
        ("probes sent", totals.probes.sent),
        ("probes lost", totals.probes.lost),
    ] {
        table.add_row([name.to_owned(), value.to_string()]);
    }
    format!("{table}\nlost: {:.3} %\n", totals.percent_lost())
}

fn write(order: &Sim, totals: &Totals, setup: &Setup, first: u64) -> Result<(), String> {
    let Some(path) = &order.json else { return Ok(()) };
    let text = format!("{}\n", totals.json(setup, first));
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
