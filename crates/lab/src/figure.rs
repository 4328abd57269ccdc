// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figure 1 and Figure 2 of the draft as text, with what was measured.

use crate::analyse::Analysis;
use crate::links::Link;
use crate::names::{Maar, User};
use crate::steps::Step;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The boxes of Figure 1, as the draft draws them.
const BOXES: [&str; 3] = [
    " +----------+  +----------+ +-------+  +-------+   +-------+     +-----+",
    " |The user A|  |The user B| |A_MAAR2|  |B_MAAR2|   |A_MAAR3|     | AAA |",
    " +----------+  +----------+ +-------+  +-------+   +-------+     +-----+",
];

/// Where each lifeline is.
const LANES: [(&str, usize); 6] =
    [("A", 6), ("B", 20), ("A_MAAR2", 32), ("B_MAAR2", 43), ("A_MAAR3", 55), ("AAA", 69)];

/// Width of the drawing; times stand behind it.
const WIDTH: usize = 72;

/// Figure 1: the steps of the last move with the time of each.
pub fn figure1(steps: &[Step]) -> String {
    let mut text = BOXES.join("\n");
    text.push('\n');
    let empty: String = lanes().iter().collect();
    let _ = writeln!(text, "{}", empty.trim_end());
    for step in steps {
        let _ = writeln!(text, "{} {:9.3} ms", arrow(step), step.t_us as f64 / 1000.0);
    }
    let _ = writeln!(text, "{}", empty.trim_end());
    text.push_str("                     Figure 1: Signaling of MN handover\n");
    text
}

fn lanes() -> Vec<char> {
    let mut row = vec![' '; WIDTH];
    for (_, at) in LANES {
        row[at] = '|';
    }
    row
}

/// A row with an arrow between two lifelines; those it crosses are behind it, as in the draft.
fn arrow(step: &Step) -> String {
    let mut row = lanes();
    let lane = |name| LANES.iter().find(|(n, _)| *n == name).map(|(_, at)| *at);
    if let (Some(from), Some(to)) = (lane(step.from), lane(step.to)) {
        let (left, right) = (from.min(to) + 1, from.max(to));
        row[left..right].fill('-');
        let label = label(step);
        let start = left + (right - left).saturating_sub(label.len()) / 2;
        for (at, c) in (start..right).zip(label.chars()) {
            row[at] = c;
        }
        if from < to {
            row[right - 1] = '>';
        } else {
            row[left] = '<';
        }
    }
    row.into_iter().collect()
}

fn label(step: &Step) -> String {
    let what = match (step.n, step.via.as_deref()) {
        (1, Some("rs")) => "RS",
        (1, Some("l2")) => "L2 attach event",
        (1, _) => "first frame of A",
        (2, _) => "request",
        (3, _) => "response",
        (4, _) => "RA(A_HoA3)",
        _ => step.name,
    };
    format!("{}.{what}", step.n)
}

/// Figure 2, as the draft draws it.
const FIGURE2: &str = r"      ________                          ________
     |The user|                        |The user|
     |   B    |----------move--------->|   B    |
     |________|                        |________|
                                          #  *
      +-------+                       +-------+
      |B_MAAR1|                       |B_MAAR2|
      |       |                     / |       |
      +-------+                    /  +-------+
                                  /  #  /| * |
                                 /  #  / | * |
                                /  #  /  | * |
                               /  #  /   | * |
                              /  #  /    | * |
    +-------+        +-------+ #  /    +-------+
    |A_MAAR1|        |A_MAAR2|   /     |A_MAAR3|
    |       |        |       |  /      |       |
    +-------+        +-------+         +-------+
                        #                   *
    ________         ________             ________
   |The user|       |The user|           |The user|
   |   A    |-move->|   A    |---move--->|   A    |
   |________|       |________|           |________|
           Figure 2: The transmission of data packets
";

/// Figure 2: the packets of the session on each way over the core link.
pub fn figure2(analysis: &Analysis) -> String {
    let mut text = FIGURE2.to_owned();
    let phases = &analysis.phases;
    let none = BTreeMap::new();
    let (before, after) = match phases.as_slice() {
        [.., before, after] => (before, after),
        _ => (&none, &none),
    };
    for (sign, maar, phase) in [('#', Maar::A2, before), ('*', Maar::A3, after)] {
        let packets = |from, to, sender| {
            phase.get(&Link { from, to, tunnelled: true, sender }).copied().unwrap_or(0)
        };
        let _ = writeln!(
            text,
            "   {sign} tunnel {maar} - {b}: {up} packets from A to B, {down} from B to A",
            b = Maar::B2,
            up = packets(maar, Maar::B2, User::A),
            down = packets(Maar::B2, maar, User::B),
        );
    }
    text.push_str("\nPackets of the session on every way over the core link:\n");
    let heads = std::iter::once("  before the first move".to_owned()).chain(
        analysis.moves.iter().map(|m| format!("  {} at {}, until the next move", m.who, m.to)),
    );
    for (head, phase) in heads.zip(phases) {
        let _ = writeln!(text, "{}", head.replace("until the next move", "and after"));
        for (link, packets) in phase {
            let how = if link.tunnelled { "tunnel" } else { "native" };
            let (from, to) = (link.from, link.to);
            let _ = writeln!(text, "    {from} -> {to}  {how}  {packets:6} of {}", link.sender);
        }
    }
    text
}

/// What the probes went through, one line per move and direction.
pub fn losses(analysis: &Analysis) -> String {
    let head = format!("Probes, {} a second each way", analysis.rate);
    let mut text =
        format!("{head:34} sent  off link  lost  doubled  reordered  longest gap  first packet\n");
    for ((made, directions), first) in
        analysis.moves.iter().zip(&analysis.probes).zip(&analysis.first_packet)
    {
        for (from, counts) in User::ALL.into_iter().zip(directions) {
            let t = counts.captured;
            let ms = if from == made.who { first.up } else { first.down };
            let _ = writeln!(
                text,
                "  {} moves to {}: {from} -> {}       {:6} {:9} {:5} {:8} {:10} {:9.1} ms {:>10}",
                made.who,
                made.to,
                from.peer(),
                t.sent,
                t.off_link,
                t.lost,
                t.duplicated,
                t.reordered,
                t.longest_gap_ms,
                ms.map_or("none".to_owned(), |ms| format!("{ms:.1} ms")),
            );
        }
    }
    let _ = writeln!(
        text,
        "iperf3: {} octets received, longest pause {:.0} ms, {} time-outs; ping: {} of {} answered",
        analysis.iperf.received,
        analysis.stream.longest_silence_ms,
        analysis.tcp_timeouts,
        analysis.ping.0.received,
        analysis.ping.0.sent
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::NAMES;

    #[test]
    fn figure_1_is_drawn_as_in_the_draft_with_the_times_behind() {
        let ends = [
            ("A", "A_MAAR3"),
            ("A_MAAR3", "AAA"),
            ("AAA", "A_MAAR3"),
            ("A_MAAR3", "A"),
            ("A_MAAR3", "A_MAAR2"),
            ("A_MAAR2", "A_MAAR3"),
            ("A_MAAR3", "B_MAAR2"),
            ("B_MAAR2", "A_MAAR3"),
        ];
        let steps: Vec<Step> = (1..)
            .zip(NAMES)
            .zip(ends)
            .map(|((n, name), (from, to))| Step {
                n,
                name,
                via: (n == 1).then(|| "rs".to_owned()),
                from,
                to,
                t_us: i64::from(n - 1) * 250,
            })
            .collect();
        let drawn = "
 +----------+  +----------+ +-------+  +-------+   +-------+     +-----+
 |The user A|  |The user B| |A_MAAR2|  |B_MAAR2|   |A_MAAR3|     | AAA |
 +----------+  +----------+ +-------+  +-------+   +-------+     +-----+
      |             |           |          |           |             |
      |----------------------1.RS--------------------->|             |       0.000 ms
      |             |           |          |           |--2.request->|       0.250 ms
      |             |           |          |           |<3.response--|       0.500 ms
      |<-----------------4.RA(A_HoA3)------------------|             |       0.750 ms
      |             |           |<-------5.sDBU--------|             |       1.000 ms
      |             |           |--------6.sDBA------->|             |       1.250 ms
      |             |           |          |<-7.dDBU---|             |       1.500 ms
      |             |           |          |--8.dDBA-->|             |       1.750 ms
      |             |           |          |           |             |
                     Figure 1: Signaling of MN handover
";
        assert_eq!(figure1(&steps), drawn[1..]);
    }
}
