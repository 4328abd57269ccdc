// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the router lives: the slow path answers, and every worker goes on turning (FC-56).

use super::Counters;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A worker that made no turn for so long is stuck. With the slow path's second this stays below two.
const STUCK: Duration = Duration::from_millis(800);
const LOOK: Duration = Duration::from_millis(20);

/// `Err` says what is wrong.
pub fn check(counters: impl Fn() -> io::Result<Counters>) -> Result<(), String> {
    let ask = || counters().map_err(|error| format!("the slow path does not answer: {error}"));
    let (start, first) = (Instant::now(), ask()?);
    loop {
        sleep(LOOK);
        let Some(worker) = stuck(&first, &ask()?) else { return Ok(()) };
        if start.elapsed() > STUCK {
            return Err(format!("worker {worker} has made no turn for {} ms", STUCK.as_millis()));
        }
    }
}

/// A worker that turned as often as before.
fn stuck<'c>(before: &'c Counters, now: &Counters) -> Option<&'c str> {
    let turns = before.iter().filter_map(|(name, turns)| {
        let worker = name.strip_prefix("worker.")?.strip_suffix(".turns")?;
        Some((worker, name, turns))
    });
    turns.into_iter().find(|(_, name, turns)| now.get(*name) == Some(*turns)).map(|found| found.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(of: &[(&str, u64)]) -> Counters {
        of.iter().map(|&(worker, n)| (format!("worker.{worker}.turns"), n)).collect()
    }

    #[test]
    fn the_worker_that_stands_still_is_named() {
        let before = turns(&[("0", 5), ("1", 7)]);
        assert_eq!(stuck(&before, &turns(&[("0", 6), ("1", 8)])), None);
        assert_eq!(stuck(&before, &turns(&[("0", 6), ("1", 7)])), Some("1"));
        let why = check(|| Ok(turns(&[("0", 5)]))).unwrap_err();
        assert_eq!(why, "worker 0 has made no turn for 800 ms");
        assert!(check(|| Err(io::ErrorKind::TimedOut.into())).unwrap_err().contains("slow path"));
    }
}
