// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What fuzzing found worth keeping, replayed by a stable compiler: every input of `corpus/`, and changes of each.

use fuzz::TARGETS;
use std::path::{Path, PathBuf};

fn inputs(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let files = inputs(target);
    assert!(files.len() >= 20, "{target}: {} inputs are no corpus", files.len());
    for file in files {
        // Shown when one fails.
        println!("{}", file.display());
        let input = std::fs::read(&file).expect("a readable file");
        run(&input);
        for at in (0..input.len()).step_by(7) {
            let mut changed = input.clone();
            changed[at] = changed[at].wrapping_mul(31).wrapping_add(17);
            run(&changed);
            run(&input[..at]);
        }
    }
}

#[test]
fn wire() {
    replay("wire");
}

#[test]
fn diameter() {
    replay("diameter");
}

#[test]
fn dataplane() {
    replay("dataplane");
}

#[test]
fn slowpath() {
    replay("slowpath");
}
