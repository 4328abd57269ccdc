// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The compliance tables of README.md: nothing is missing from them, and each test they name exists.

use std::collections::BTreeSet;
use std::path::Path;

/// First cell, last cell of each row.
fn rows() -> Vec<(String, String)> {
    let text = include_str!("../README.md");
    let tables = text.split_once("\n## Compliance\n").expect("the section").1;
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()
    };
    let rows = tables.lines().filter(|line| line.starts_with("| ")).map(cells);
    let rows = rows.filter(|row| row.len() == 3 && !row[0].is_empty());
    rows.map(|row| (row[0].clone(), row[2].clone())).collect()
}

/// `file under crates/::name`, between backquotes.
fn tests_of(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted
        .map(|test| test.split_once("::").unwrap_or_else(|| panic!("{test}: FILE::NAME")))
        .map(|(file, name)| (file.to_string(), name.to_string()))
        .collect()
}

#[test]
fn every_test_the_tables_name_exists() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates/");
    for (item, cell) in rows() {
        let tests = tests_of(&cell);
        assert!(!tests.is_empty() || cell.starts_with("none: "), "{item} names no test: {cell}");
        for (file, name) in tests {
            let path = crates.join(&file);
            let text = std::fs::read_to_string(&path);
            let text = text.unwrap_or_else(|e| panic!("{item}: {}: {e}", path.display()));
            assert!(text.contains(&format!("fn {name}(")), "{item}: no {name} in {file}");
        }
    }
}

#[test]
fn every_rule_requirement_and_scenario_has_its_row() {
    let here: Vec<String> = rows().into_iter().map(|(item, _)| item).collect();
    let once: BTreeSet<&String> = here.iter().collect();
    assert_eq!(once.len(), here.len(), "each once");
    // The rules as PROTOCOL.md heads them, so that a new one is missed here.
    let rules = include_str!("../PROTOCOL.md").split("\n**R-").skip(1);
    let rules = rules.filter_map(|text| text.split_once(' ')).map(|(n, _)| format!("R-{n}"));
    let rules: Vec<String> = rules.collect();
    assert!(rules.len() >= 48, "{rules:?}");
    let scenarios = (1..=47).map(|n| format!("S-{n}"));
    let requirements = (1..=8).map(|n| format!("REQ{n}"));
    let demands = (1..=13).map(|n| format!("D-{n}"));
    let cases = (25..=32).map(|n| format!("FC-{n}"));
    for item in rules.into_iter().chain(scenarios).chain(requirements).chain(demands).chain(cases) {
        assert!(here.contains(&item), "{item} has no row");
    }
}
