// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CASES.md: every case has its number and a test that is there.

use std::path::{Path, PathBuf};

/// Those that are described and not built.
const NOT_BUILT: &[&str] = &["21"];

fn rows() -> Vec<(String, String)> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CASES.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let [case, _, tests] = cells[..] else { panic!("three cells: {row}") };
        (case.to_owned(), tests.to_owned())
    })
    .collect()
}

fn file(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name.contains("crates/") {
        true => own.join("../..").join(name),
        false => own.join("tests").join(name),
    }
}

#[test]
fn all_forty_one_cases_and_the_field_cases_are_named() {
    let named: Vec<String> = rows().into_iter().map(|(case, _)| case).collect();
    let field = (37..=41).map(|n| format!("FC-{n}"));
    let expected: Vec<String> = (1..=41).map(|n| n.to_string()).chain(field).collect();
    assert_eq!(named, expected);
}

#[test]
fn every_test_that_is_named_is_there() {
    let mut missing = Vec::new();
    for (case, tests) in rows() {
        assert_eq!(tests == "not built", NOT_BUILT.contains(&&*case), "case {case}");
        for test in tests.split("; ").filter(|test| *test != "not built") {
            let (place, name) = test.split_once(' ').unwrap_or_else(|| panic!("{case}: {test}"));
            let source = std::fs::read_to_string(file(place)).unwrap_or_default();
            if ![format!("fn {name}("), format!("fn {name}<")].iter().any(|f| source.contains(f)) {
                missing.push(format!("{case}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
