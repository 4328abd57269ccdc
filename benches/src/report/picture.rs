// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The picture of RESULTS.md: what each program costs beyond the source, as bars with their ranges.

use super::Row;
use std::fmt::Write as _;

const BAR: usize = 16;
const LEFT: usize = 330;
const WIDTH: usize = 900;

/// Bars of all rows that have a source to compare with.
pub fn draw(rows: &[Row]) -> String {
    let bars: Vec<(&Row, super::Range)> = rows
        .iter()
        .filter(|row| row.case.name() != "io")
        .filter_map(|row| Some((row, row.cycles_beyond_io?)))
        .collect();
    let most = bars.iter().map(|(_, r)| r.max).fold(1.0, f64::max);
    let height = bars.len() * (BAR + 6) + 60;
    let x = |cycles: f64| LEFT as f64 + cycles.max(0.0) / most * (WIDTH - LEFT - 70) as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">TSC cycles a packet beyond testpmd io on the same source (bar: median, \
         line: range)</text>\n"
    );
    for (n, (row, range)) in bars.iter().enumerate() {
        let y = 40 + n * (BAR + 6);
        let colour = match row.program {
            crate::case::Program::Maard => "#2a6f97",
            crate::case::Program::Testpmd => "#adb5bd",
            crate::case::Program::L3fwd => "#e09f3e",
        };
        let program = format!("{:?}", row.program).to_lowercase();
        let mut label =
            format!("{program} {}, {} flows, {}", row.case.name(), row.flows, row.frame);
        if row.bindings != row.flows {
            let _ = write!(label, " of {}", row.bindings);
        }
        if row.updates_per_second > 0 {
            let _ = write!(label, ", {}/s", row.updates_per_second);
        }
        let (end, middle) = (x(range.median), y + BAR / 2);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <line x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\" stroke=\"black\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{:.1}</text>",
            LEFT - 8,
            y + BAR - 4,
            end - LEFT as f64,
            x(range.min),
            x(range.max),
            x(range.max) + 6.0,
            y + BAR - 4,
            range.median
        );
    }
    out.push_str("</svg>\n");
    out
}
