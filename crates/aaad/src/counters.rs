// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened how often, by name; and a limit on log lines that peers cause.

use diameter::peer::Time;
use std::collections::BTreeMap;
use std::fmt;

/// Counters since the start; each displays behind a semicolon.
#[derive(Debug, Default)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// One more.
    pub fn add(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, "; {name} {value}")?;
        }
        Ok(())
    }
}

/// At most 10 lines a second.
#[derive(Debug, Default)]
pub struct Throttle {
    second: u64,
    lines: u32,
    /// Lines left out since the last one written.
    pub left_out: u64,
}

impl Throttle {
    const PER_SECOND: u32 = 10;

    /// Whether a line may be written now.
    pub fn allows(&mut self, now: Time) -> bool {
        let second = now.as_secs();
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        self.lines += 1;
        let allowed = self.lines <= Throttle::PER_SECOND;
        self.left_out += u64::from(!allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ten_lines_a_second_and_the_rest_counted() {
        let mut throttle = Throttle::default();
        let allowed = (0..25).filter(|_| throttle.allows(Duration::from_millis(100))).count();
        assert_eq!((allowed, throttle.left_out), (10, 15));
        assert!(throttle.allows(Duration::from_millis(1000)));
    }
}
