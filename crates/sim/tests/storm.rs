// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Short storms as `romip sim` plays them by the thousand, and that a seed is the whole of a run.

use sim::storm::{Totals, storm};
use sim::{Setup, play, trace};

/// What must never be. Packets in circles and out of order still are (README): they are counted, not judged here.
fn faults(totals: &Totals) -> [u64; 5] {
    let Totals { dead, indirect, hijacked, doubled, outlived, .. } = *totals;
    [dead, indirect, hijacked, doubled, outlived]
}

#[test]
fn a_seed_is_the_whole_of_a_run() {
    let setup = Setup { crashes: true, rest_s: 60, ..Setup::default() };
    let (first, second) = (trace(&setup, 7), trace(&setup, 7));
    assert_eq!(first.0, second.0);
    assert!(first.1 == second.1, "the same diagram");
    assert_eq!(first.0.digest, play(&setup, 7).digest, "looking on changes nothing");
    assert_ne!(first.0.digest, play(&setup, 8).digest);
    let heads = first.1.lines().next().unwrap_or_default();
    assert!(heads.contains("AAA") && heads.contains("b3") && heads.contains('D'), "{heads}");
}

#[test]
fn a_few_storms_leave_nothing_behind() {
    let setup = Setup::default();
    let totals = storm(&setup, 1, 8, |_, _| {});
    assert_eq!(faults(&totals), [0; 5], "{:#?}", totals.failed);
    assert!(totals.probes.sent > 100_000);
    assert!(totals.percent_lost() < 10.0, "{} %", totals.percent_lost());
}

#[test]
fn without_faults_little_is_lost_that_reached_a_maar() {
    let totals = storm(&Setup::calm(), 1, 4, |_, _| {});
    assert_eq!(faults(&totals), [0; 5], "{:#?}", totals.failed);
    assert!(totals.percent_lost() < 1.0, "{} %", totals.percent_lost());
}

/// Seeds that once showed a fault, with the options they showed it with.
#[test]
fn what_was_found_stays_mended() {
    let calm = |seed| storm(&Setup { loss: 0, ..Setup::default() }, seed, 1, |_, _| {});
    // A packet in circles: a correspondent's old entry at the MAAR the MN was about to reach.
    assert_eq!(calm(1).looped, 0);
    // An indirect session: a CN's MAAR that had named a session once was never told again.
    assert_eq!(faults(&calm(1)), [0; 5]);
    // An sDBU of a peer whose clock is behind, dropped as older than a start that was the first event.
    assert_eq!(faults(&calm(2)), [0; 5]);
}
