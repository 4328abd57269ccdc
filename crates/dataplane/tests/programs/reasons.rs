// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every counter of a worker has a case in this directory that names it.

use dataplane::counters::descriptions;
use dataplane::punt::PuntReason;

/// The programs' sources, this one and the random one aside: what a random frame may count is no case.
fn sources() -> String {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");
    let files = std::fs::read_dir(here).expect("the directory of the programs");
    let named = files.map(|file| file.expect("an entry").path());
    let cases = named.filter(|path| {
        !["reasons.rs", "books.rs", "rig.rs"].iter().any(|other| path.ends_with(other))
    });
    cases.map(|path| std::fs::read_to_string(path).expect("a source file")).collect()
}

#[test]
fn every_counter_has_a_case_that_names_it() {
    let sources = sources();
    let cited = |name: &str| sources.contains(&format!("\"{name}\""));
    let variant = |name: &str| {
        let reason = PuntReason::ALL.iter().find(|reason| reason.name() == name);
        reason.is_some_and(|reason| sources.contains(&format!("PuntReason::{reason:?}")))
    };
    let bare = |name: &'static str| name.strip_prefix("drop.");
    let missing: Vec<_> = descriptions()
        .map(|(name, _)| name)
        .filter(|name| !cited(name) && !variant(name) && !bare(name).is_some_and(cited))
        .collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
    assert!(!cited("drop.of_no_worker"), "the search finds what is there only");
}
