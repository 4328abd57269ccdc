// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The judgement. Loops, copies, reordering and packets in wrong hands are seen the moment they happen; dead and
//! indirect sessions and what has outlived its lifetime when everything is at rest.

use crate::flow::{Flow, Party, Probe};
use crate::host::Host;
use crate::names;
use crate::world::World;
use crate::world::way;
use serde::Serialize;
use serde_json::Value;
use slowpath::control::Table;
use std::net::Ipv6Addr;
use wire::addr::Prefix64;

#[cfg(test)]
mod tests;

/// Sentences kept of one kind in one run.
const NOTES: usize = 8;

/// Probes of the time in which the MNs move.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Probes {
    /// Sent, and taken by a MAAR that works.
    pub sent: u64,
    /// Of these, never arrived.
    pub lost: u64,
    /// Sent to a MAAR that was dead.
    pub to_dead_maar: u64,
    /// Not sent: the sender was on no link.
    pub unsent: u64,
}

/// What was seen that must not be.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Findings {
    /// Sessions that do not deliver both ways at rest.
    pub dead: u64,
    /// Sessions that deliver at rest, by a way that is not the shortest.
    pub indirect: u64,
    /// Packets and bindings in wrong hands.
    pub hijacked: u64,
    /// Packets that crossed a core link twice.
    pub looped: u64,
    /// Packets delivered twice.
    pub doubled: u64,
    /// Packets delivered behind a later one.
    pub reordered: u64,
    /// Entries that were there when every lifetime was over.
    pub outlived: u64,
    /// The first of these in words.
    pub notes: Vec<String>,
}

impl Findings {
    fn note(&mut self, now: u64, kind: &str, text: String) {
        let same = self.notes.iter().filter(|note| note.contains(&format!("  {kind}: ")));
        if same.count() < NOTES {
            self.notes.push(format!("{:>10.3} ms  {kind}: {text}", now as f64 / 1e3));
        }
    }

    pub(crate) fn hijacked(&mut self, now: u64, text: String) {
        self.hijacked += 1;
        self.note(now, "hijacked", text);
    }

    pub(crate) fn looped(&mut self, now: u64, text: String) {
        self.looped += 1;
        self.note(now, "looped", text);
    }

    pub(crate) fn doubled(&mut self, now: u64, text: String) {
        self.doubled += 1;
        self.note(now, "doubled", text);
    }

    pub(crate) fn reordered(&mut self, now: u64, text: String) {
        self.reordered += 1;
        self.note(now, "reordered", text);
    }
}

/// What became of one direction at rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Direct,
    Indirect,
    Dead,
}

impl World {
    /// Judges the probes sent from number `since` on, flow by flow.
    pub(crate) fn judge_sessions(&mut self, since: &[usize]) {
        let mut states = Vec::new();
        for (number, flow) in self.flows.iter().enumerate() {
            let since = since.get(number).copied().unwrap_or(0);
            let (state, text) =
                judge_flow(flow, &flow.probes[since..], &self.hosts, self.nodes.len());
            states.push((state, format!("flow {number}, {} -> {}: {text}", flow.src, flow.dst)));
        }
        for session in states.chunks(2) {
            let Some((state, text)) = session.iter().max() else { continue };
            match state {
                State::Direct => {}
                State::Indirect => {
                    self.findings.indirect += 1;
                    self.findings.note(self.now, "indirect", text.clone());
                }
                State::Dead => {
                    self.findings.dead += 1;
                    self.findings.note(self.now, "dead", text.clone());
                }
            }
        }
    }

    /// No lease and no Active external entry belongs to an MN that is not its owner.
    pub(crate) fn judge_owners(&mut self) {
        for node in 0..self.nodes.len() {
            let mns = self.show(node, Table::Mns).into_iter().map(|row| (row, "lease"));
            let bindings = self.show(node, Table::Bindings).into_iter().map(|row| (row, "hoa"));
            for (row, field) in mns.chain(bindings) {
                let owner = |prefix| self.owners.get(&prefix).copied();
                let wrong =
                    stranger(&row, field, owner).or_else(|| forbidden(&row, self.nodes.len()));
                let Some(text) = wrong else {
                    continue;
                };
                self.findings.hijacked(self.now, format!("{}: {text}", names::name(node)));
            }
        }
    }

    /// When every MN has been gone for longer than anything about it may live.
    pub(crate) fn judge_leftovers(&mut self) {
        for node in 0..self.nodes.len() {
            for (table, what) in [(Table::Mns, "MN"), (Table::Bindings, "binding")] {
                for row in self.show(node, table) {
                    self.findings.outlived += 1;
                    let text = format!("{}: {what} {row}", names::name(node));
                    self.findings.note(self.now, "outlived", text);
                }
            }
            let parked = self.nodes[node].live.as_ref().map_or(0, |live| live.counter("parked"));
            if parked > 0 {
                self.findings.outlived += parked;
                self.findings.note(
                    self.now,
                    "outlived",
                    format!("{}: {parked} parked", names::name(node)),
                );
            }
        }
    }

    /// What was lost, by stretches of probes that went the same way.
    pub(crate) fn describe_losses(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (number, flow) in self.flows.iter().enumerate() {
            let lost = |probe: &Probe| probe.reached && probe.times == 0;
            let same =
                |a: &Probe, b: &Probe| lost(a) == lost(b) && (!lost(a) || a.way() == b.way());
            for stretch in flow.probes.chunk_by(same) {
                if let (Some(first), Some(last)) = (stretch.first(), stretch.last())
                    && lost(first)
                {
                    let (from, to) = (first.sent as f64 / 1e3, last.sent as f64 / 1e3);
                    let way = way(first.way(), self.nodes.len());
                    let (count, src, dst) = (stretch.len(), flow.src, flow.dst);
                    told.push((first.sent, format!(
                        "{from:>10.3} to {to:.3} ms  lost: {count} of flow {number}, {src} -> {dst}: {way}"
                    )));
                }
            }
        }
        told.sort();
        told.into_iter().map(|(_, text)| text).collect()
    }

    /// The probes sent until now.
    pub(crate) fn count_probes(&self) -> Probes {
        let mut counted = Probes::default();
        for flow in &self.flows {
            counted.unsent += flow.unsent;
            for probe in &flow.probes {
                match (probe.reached, probe.times) {
                    (false, _) => counted.to_dead_maar += 1,
                    (true, 0) => {
                        counted.sent += 1;
                        counted.lost += 1;
                    }
                    (true, _) => counted.sent += 1,
                }
            }
        }
        counted
    }
}

/// Whether a row says that a /64 is an MN's that is not its owner.
fn stranger(row: &Value, field: &str, owner: impl Fn(Prefix64) -> Option<usize>) -> Option<String> {
    let text = row[field].as_str()?.trim_end_matches("/64");
    let mn_id = row["mn_id"].as_str()?;
    let prefix = Prefix64::of(text.parse::<Ipv6Addr>().ok()?);
    let owner = owner(prefix)?;
    let tentative = row["state"].as_str() == Some("Tentative");
    let right = mn_id == names::mn_id(names::host_mac(owner));
    (!right && !tentative)
        .then(|| format!("{field} {prefix} of {} is {mn_id}'s", names::host_name(owner)))
}

/// Whether a row of the internal list says what no list may say: that an address of the core is a user's, or that one is
/// behind a node that is no MAAR.
fn forbidden(row: &Value, maars: usize) -> Option<String> {
    let hoa: Ipv6Addr = row["hoa"].as_str()?.parse().ok()?;
    let maar: Ipv6Addr = row["maar"].as_str()?.parse().ok()?;
    let wrong = names::CORE_NET.contains(hoa) || names::node_of(maar, maars).is_none();
    wrong.then(|| format!("{hoa} is said to be behind {maar}"))
}

fn judge_flow(flow: &Flow, probes: &[Probe], hosts: &[Host], maars: usize) -> (State, String) {
    if probes.is_empty() {
        return (State::Dead, "nothing could be sent".to_owned());
    }
    let lost = probes.iter().filter(|probe| probe.times == 0).count();
    if let Some(probe) = probes.iter().find(|probe| probe.times == 0) {
        let text = format!("{lost} of {} lost, as by {}", probes.len(), way(probe.way(), maars));
        return (State::Dead, text);
    }
    let shortest = shortest(flow, hosts, maars);
    match probes.iter().find(|probe| Some(probe.way()) != shortest.as_deref()) {
        None => (State::Direct, String::new()),
        Some(probe) => (State::Indirect, format!("by {}", way(probe.way(), maars))),
    }
}

/// The links a packet has to cross: none within a MAAR, one between two; by the anchor to and from S.
fn shortest(flow: &Flow, hosts: &[Host], maars: usize) -> Option<Vec<(u8, u8)>> {
    let at = |party: Party| match party {
        Party::Host(host) => hosts[host].at,
        Party::Legacy => Some(maars),
    };
    let (from, to) = (at(flow.from)?, at(flow.to)?);
    let mut stops = vec![from];
    if flow.from == Party::Legacy {
        stops.push(names::anchor(flow.dst, maars)?);
    }
    if flow.to == Party::Legacy {
        stops.push(names::anchor(flow.src, maars)?);
    }
    stops.push(to);
    stops.dedup();
    Some(stops.windows(2).map(|pair| (pair[0] as u8, pair[1] as u8)).collect())
}
