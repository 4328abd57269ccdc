// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A run as a sequence diagram in text: one column for the AAA, each MAAR, each host; one line for each message.

use crate::frames;
use crate::links::Fate;
use crate::names;
use crate::queue::{HostId, NodeId};
use diameter::message::{Message as Diameter, command};
use std::fmt::Write;
use wire::mh::{Message, MhView, Serving};

/// Columns of a lane.
const WIDTH: usize = 6;

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    Aaa,
    Maar(NodeId),
    Host(HostId),
}

enum Line {
    Arrow { from: Lane, to: Lane, text: String, lost: bool },
    Event(String),
    Log(Lane, String),
}

/// What happened, in order.
pub struct Trace {
    maars: usize,
    hosts: usize,
    lines: Vec<(u64, Line)>,
}

impl Trace {
    /// Nothing yet.
    pub fn new(maars: usize, hosts: usize) -> Trace {
        Trace { maars, hosts, lines: Vec::new() }
    }

    /// Something happened.
    pub fn event(&mut self, now: u64, text: String) {
        self.lines.push((now, Line::Event(text)));
    }

    /// A MAAR wrote a log line.
    pub fn log(&mut self, now: u64, lane: Lane, text: String) {
        self.lines.push((now, Line::Log(lane, text)));
    }

    /// A MAAR's counters that rose, but for those that only say that all is well.
    pub fn counted(
        &mut self,
        now: u64,
        lane: Lane,
        before: &[(&'static str, u64)],
        after: impl Iterator<Item = (&'static str, u64)>,
    ) {
        for (name, value) in after {
            let was =
                before.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value);
            if value > was && !name.ends_with("_sent") && !name.starts_with("neighbor") {
                self.lines.push((now, Line::Log(lane, format!("counts {name}"))));
            }
        }
    }

    /// A message.
    pub fn arrow(&mut self, now: u64, from: Lane, to: Lane, text: String) {
        self.lines.push((now, Line::Arrow { from, to, text, lost: false }));
    }

    /// A Mobility Header in `frame`, and what becomes of it.
    pub fn mobility(&mut self, now: u64, from: NodeId, to: NodeId, frame: &[u8], fate: Fate) {
        let message = frame.get(54..).and_then(|octets| MhView::new_checked(octets).ok());
        let mut text = match message.map(|view| view.parse()) {
            Some(Ok(Message::Heartbeat(_))) => return,
            Some(Ok(message)) => say(&message),
            _ => format!("a Mobility Header of {:?}", frames::source(frame)),
        };
        if let Some(again) = fate.again {
            let _ = write!(text, " (and again after {} ms)", (again - now) / 1000);
        }
        let lost = fate.arrives.is_none();
        match fate.arrives {
            Some(at) => drop(write!(text, "  [{} ms]", (at - now) / 1000)),
            None => text += "  LOST",
        }
        self.lines
            .push((now, Line::Arrow { from: Lane::Maar(from), to: Lane::Maar(to), text, lost }));
    }

    /// Diameter messages.
    pub fn diameter(&mut self, now: u64, from: Lane, to: Lane, octets: &[u8]) {
        let Ok(message) = Diameter::parse(octets) else { return };
        let request = message.header.flags & 0x80 != 0;
        let text = match (message.header.command, request) {
            (command::AA, true) => "AAR",
            (command::AA, false) => "AAA",
            (command::SESSION_TERMINATION, true) => "STR",
            (command::SESSION_TERMINATION, false) => "STA",
            (command::CAPABILITIES_EXCHANGE, true) => "CER",
            (command::CAPABILITIES_EXCHANGE, false) => "CEA",
            (command::DISCONNECT_PEER, true) => "DPR",
            (command::DISCONNECT_PEER, false) => "DPA",
            _ => return,
        };
        let user =
            message.find(1).and_then(|avp| avp.text().ok()).map(str::to_owned).unwrap_or_default();
        self.arrow(now, from, to, format!("{text} {}", short(&user)));
    }

    fn column(&self, lane: Lane) -> usize {
        match lane {
            Lane::Aaa => 0,
            Lane::Maar(node) if node < self.maars => 1 + node,
            Lane::Maar(_) => 1 + self.maars + self.hosts,
            Lane::Host(host) => 1 + self.maars + host,
        }
    }

    /// The diagram.
    pub fn draw(&self) -> String {
        let mut heads = vec!["AAA".to_owned()];
        heads.extend((0..self.maars).map(names::name));
        heads.extend((0..self.hosts).map(names::host_name));
        let mut out = format!("{:>12}  ", "ms");
        for head in &heads {
            let _ = write!(out, "{head:<WIDTH$}");
        }
        out.push('\n');
        for (at, line) in &self.lines {
            let _ = write!(out, "{:>12.3}  ", *at as f64 / 1e3);
            match line {
                Line::Event(text) => {
                    let _ =
                        writeln!(out, "{:-<width$} {text}", "", width = heads.len() * WIDTH - 4);
                }
                Line::Log(lane, text) => {
                    let at = self.column(*lane);
                    let lanes = self.lanes(heads.len(), at, at, ' ');
                    let _ = writeln!(out, "{lanes}# {}: {text}", heads[at]);
                }
                Line::Arrow { from, to, text, lost } => {
                    let (from, to) = (self.column(*from), self.column(*to));
                    let end = if *lost {
                        'x'
                    } else if from < to {
                        '>'
                    } else {
                        '<'
                    };
                    let _ = writeln!(out, "{} {text}", self.lanes(heads.len(), from, to, end));
                }
            }
        }
        out
    }

    /// The lanes with an arrow from one to another.
    fn lanes(&self, count: usize, from: usize, to: usize, end: char) -> String {
        let mut row = vec![' '; count * WIDTH];
        for lane in 0..count {
            row[lane * WIDTH] = '|';
        }
        let (low, high) = (from.min(to) * WIDTH, from.max(to) * WIDTH);
        if let Some(stretch) = row.get_mut(low..high).filter(|stretch| !stretch.is_empty()) {
            stretch[1..].fill('-');
            let head = if from < to { high - 1 } else { low + 1 };
            row[head] = end;
        }
        row.into_iter().collect()
    }
}

/// The first part of an MN-ID: its last digits.
fn short(user: &str) -> &str {
    let name = user.split('@').next().unwrap_or(user);
    name.get(name.len().saturating_sub(2)..).unwrap_or(name)
}

fn say(message: &Message) -> String {
    let places = |sessions: &[Serving]| {
        sessions
            .iter()
            .map(|serving| format!(" {}@{}", serving.cn, tail(serving.maar)))
            .collect::<String>()
    };
    match message {
        Message::Sdbu(m) => {
            let asked: String = m.groups.iter().map(|group| format!(" {}", group.hoa)).collect();
            format!("sDBU {} life {}{asked}", short(m.mn_id.as_str()), m.lifetime)
        }
        Message::Sdba(m) => {
            let groups: String =
                m.groups.iter().map(|g| format!("; {}:{}", g.hoa, places(&g.sessions))).collect();
            format!("sDBA {}{groups}", m.status.0)
        }
        Message::Ddbu(m) => format!("dDBU {m:?}"),
        Message::Ddba(m) => format!("dDBA {m:?}"),
        other => format!("{other:?}"),
    }
}

fn tail(addr: std::net::Ipv6Addr) -> String {
    match addr.is_unspecified() {
        true => "?".to_owned(),
        false => format!("{:x}", addr.segments()[7]),
    }
}
