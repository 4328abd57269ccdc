// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows of a router as text: tables for people, JSON for programs. Columns that a newer router adds are shown behind
//! those known here.

use crate::args::Table;
use comfy_table::{ContentArrangement, presets};
use serde_json::{Map, Value};

/// The columns of each table, in reading order.
fn columns(what: Table) -> &'static [&'static str] {
    match what {
        Table::Mns => {
            &["mn_id", "mac", "port", "state", "hoa", "lease", "link_local", "attach_time_us"]
        }
        Table::Bindings => &["list", "hoa", "coa", "maar", "state", "source", "expires_s", "mn_id"],
        Table::Counters => &["name", "value"],
        Table::Handovers => {
            &["mn_id", "attachment", "via", "previous", "status", "done", "started_us", "steps"]
        }
    }
}

/// The rows as a JSON array, one row a line.
pub fn json(rows: &[Value]) -> String {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

/// The rows as a table with a heading.
pub fn text(what: Table, rows: &[Value]) -> String {
    let rows: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    if rows.is_empty() {
        return format!("no {}\n", what.name());
    }
    let mut names: Vec<&str> = columns(what).to_vec();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    // A column that is empty everywhere only takes room.
    names.retain(|name| rows.iter().any(|row| !cell(row.get(*name)).is_empty()));
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(names.iter().map(|name| name.trim_end_matches("_us")));
    for row in &rows {
        table.add_row(names.iter().map(|name| named(name, row.get(*name))));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

/// A column of microseconds since 1970 is shown as the time of day; the date is in the log.
fn named(name: &str, value: Option<&Value>) -> String {
    match value.and_then(Value::as_u64) {
        Some(us) if name.ends_with("_us") => {
            let (ms, s) = (us / 1000, us / 1_000_000);
            format!("{:02}:{:02}:{:02}.{:03}Z", s / 3600 % 24, s / 60 % 60, s % 60, ms % 1000)
        }
        _ => cell(value),
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Array(steps)) => steps.iter().map(step).collect::<Vec<_>>().join("\n"),
        Some(other) => other.to_string(),
    }
}

/// A step of a handover: "5 sDBU 0.412 ms 2001:db8:ff::a2".
fn step(value: &Value) -> String {
    let Some(step) = value.as_object() else { return cell(Some(value)) };
    let field = |name| cell(step.get(name));
    let time = step.get("t_us").and_then(Value::as_f64);
    let ms = time.map_or(String::new(), |us| format!("{:.3} ms", us / 1000.0));
    let parts = [field("n"), field("name"), field("via"), ms, field("with")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Names come from the network: control characters would reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_heading_and_leaves_empty_columns_out() {
        let rows = [
            json!({ "list": "external", "hoa": "2001:db8:a1:a:0:ff:fe00:a", "coa": "2001:db8:a3:a:0:ff:fe00:a",
                    "state": "Active", "mn_id": "usera@example.org" }),
            json!({ "list": "internal", "hoa": "2001:db8:b1:b:0:ff:fe00:b", "maar": "2001:db8:ff::b2",
                    "source": "sDBA", "expires_s": null }),
        ];
        let text = text(Table::Bindings, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let heading: Vec<&str> = lines[0].split_whitespace().collect();
        assert_eq!(heading, ["list", "hoa", "coa", "maar", "state", "source", "mn_id"]);
        assert!(lines[2].contains("2001:db8:ff::b2") && !text.contains("null"), "{text}");
    }

    #[test]
    fn a_handovers_steps_stand_below_each_other() {
        let rows = [json!({ "mn_id": "usera@example.org", "attachment": 2, "status": 0, "steps": [
            { "n": 1, "name": "RS", "via": "rs", "t_us": 0 },
            { "n": 5, "name": "sDBU", "t_us": 1204, "with": "2001:db8:ff::a2" },
        ] })];
        let text = text(Table::Handovers, &rows);
        assert!(text.contains("1 RS rs 0.000 ms"), "{text}");
        assert!(text.contains("5 sDBU 1.204 ms 2001:db8:ff::a2"), "{text}");
    }

    #[test]
    fn a_moment_is_shown_as_the_time_of_day() {
        let rows =
            [json!({ "mn_id": "usera@example.org", "attach_time_us": 1_767_225_600_250_000_u64 })];
        let text = text(Table::Mns, &rows);
        assert!(text.contains("00:00:00.250Z") && !text.contains("_us"), "{text}");
    }

    #[test]
    fn what_the_network_names_cannot_drive_the_terminal() {
        let rows = [json!({ "name": "\u{1b}[2Jx", "value": 1 })];
        assert!(!text(Table::Counters, &rows).contains('\u{1b}'));
    }

    #[test]
    fn json_is_the_rows_and_reads_back() {
        let rows = vec![json!({ "name": "rx", "value": 1 }), json!({ "name": "tx", "value": 2 })];
        assert_eq!(serde_json::from_str::<Vec<Value>>(&json(&rows)).unwrap(), rows);
        assert_eq!(json(&[]), "[]\n");
    }
}
