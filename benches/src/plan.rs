// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which programs are measured together: those of a group go round in turns, on captures of one size.

use crate::Args;
use crate::case::{Case, Frame, Input, Program, Spec};

/// What a run does.
pub struct Plan {
    pub groups: Vec<Vec<Spec>>,
    /// Cases whose every frame is checked.
    pub proofs: Vec<Spec>,
    /// Bindings the table is to grow to under traffic.
    pub grow_to: Option<u64>,
}

const SMALL: u64 = 4096;
const LARGE: u64 = 1_000_000;
/// A station and a binding of each flow: 16 million keys, as many as a maard may be configured for.
const LARGEST: u64 = 8_000_000;
/// Bindings that the table grows to.
const HUGE: u64 = 10_000_000;
const SHORT: Frame = Frame::Octets(64);

pub fn of(args: &Args) -> Plan {
    let one = !args.case.is_empty() || !args.flows.is_empty() || !args.frame.is_empty();
    let whole = !args.quick && !one && args.bindings.is_none() && args.updates.is_none();
    let groups = if args.grow_to.is_some() && !one {
        Vec::new()
    } else if one || args.bindings.is_some() || args.updates.is_some() || args.workers > 1 {
        chosen(args)
    } else if args.quick {
        let cases = &[Case::Em6, Case::Encap, Case::Decap, Case::Deliver];
        vec![group(SMALL, SHORT, cases), group(LARGE, SHORT, cases)]
    } else {
        full()
    };
    let mut proofs: Vec<Spec> = Vec::new();
    for spec in groups.iter().flatten().filter(|spec| spec.case.program() == Program::Maard) {
        let small = Spec { flows: SMALL, bindings: SMALL, ..*spec };
        if !proofs.contains(&small) {
            proofs.push(small);
        }
    }
    let grow_to = args.grow_to.or((whole && args.workers == 1).then_some(HUGE));
    Plan { groups, proofs, grow_to }
}

/// testpmd as io and mac, and the others; testpmd io also in tunnels when something is taken out of them.
fn group(flows: u64, frame: Frame, cases: &[Case]) -> Vec<Spec> {
    let new = |case| Spec::new(case, flows, frame);
    let mut specs = vec![new(Case::Io), new(Case::Mac)];
    if cases.contains(&Case::Decap) {
        specs.push(Spec { input: Input::Tunnelled, ..new(Case::Io) });
    }
    specs.extend(cases.iter().map(|case| new(*case)));
    specs
}

fn full() -> Vec<Vec<Spec>> {
    let ours = &[Case::Encap, Case::Decap, Case::Deliver, Case::Native];
    let all = &[Case::Lpm6, Case::Em6, Case::Encap, Case::Decap, Case::Deliver, Case::Native];
    let mut groups = vec![
        group(SMALL, SHORT, all),
        group(LARGE, SHORT, &all[1..]),
        group(65_536, SHORT, all),
        group(LARGE, SHORT, &[Case::Lpm6]),
    ];
    // The source copies the frame, which is most of the time here: the difference to io counts.
    let frames = [Frame::Octets(512), Frame::Octets(1500), Frame::Imix];
    groups.extend(frames.map(|frame| group(SMALL, frame, ours)));
    let encap = Spec::new(Case::Encap, LARGE, SHORT);
    groups.push(vec![
        Spec::new(Case::Io, LARGE, SHORT),
        Spec::new(Case::Mac, LARGE, SHORT),
        Spec { bindings: LARGEST, ..encap },
    ]);
    for flows in [SMALL, LARGE] {
        groups.push(updates(flows, &[10_000, 100_000]));
    }
    groups
}

/// Without updates and with them, in turns.
fn updates(flows: u64, rates: &[u64]) -> Vec<Spec> {
    let still = Spec::new(Case::Encap, flows, SHORT);
    let mut specs = vec![Spec::new(Case::Mac, flows, SHORT), still];
    specs.extend(rates.iter().map(|rate| Spec { updates: *rate, ..still }));
    specs
}

fn chosen(args: &Args) -> Vec<Vec<Spec>> {
    let or = |given: &[u64], default: &[u64]| {
        if given.is_empty() { default.to_vec() } else { given.to_vec() }
    };
    let frames = if args.frame.is_empty() { vec![SHORT] } else { args.frame.clone() };
    let cases = if args.case.is_empty() {
        vec![Case::Em6, Case::Encap, Case::Decap, Case::Deliver]
    } else {
        args.case.clone()
    };
    let cases: Vec<Case> =
        cases.into_iter().filter(|case| !matches!(case, Case::Io | Case::Mac)).collect();
    let mut groups = Vec::new();
    for flows in or(&args.flows, &[SMALL, LARGE]) {
        for frame in &frames {
            let mut specs = group(flows, *frame, &cases);
            let mut with_updates = Vec::new();
            for spec in specs.iter_mut().filter(|s| s.case.program() == Program::Maard) {
                spec.workers = args.workers;
                spec.bindings = args.bindings.unwrap_or(flows).max(flows);
                with_updates.extend(args.updates.map(|updates| Spec { updates, ..*spec }));
            }
            specs.extend(with_updates);
            groups.push(specs);
        }
    }
    groups
}

/// A group in a line.
pub fn title(specs: &[Spec]) -> String {
    let first = &specs[0];
    let names: Vec<String> = specs.iter().map(|spec| spec.case.name().to_owned()).collect();
    format!("{} flows, {} octets: {}", first.flows, first.frame, names.join(", "))
}
