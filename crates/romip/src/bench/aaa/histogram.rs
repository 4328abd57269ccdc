// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Latencies in classes a sixteenth of an octave wide: percentiles within 5 %, whatever their number.

/// Classes per octave.
const PARTS: u64 = 16;

/// Counts by latency.
#[derive(Clone, Debug)]
pub struct Histogram(Vec<u64>);

impl Histogram {
    pub fn new() -> Histogram {
        Histogram(vec![0; 64 * PARTS as usize])
    }

    pub fn add(&mut self, nanoseconds: u64) {
        self.0[class(nanoseconds)] += 1;
    }

    pub fn join(&mut self, other: &Histogram) {
        self.0.iter_mut().zip(&other.0).for_each(|(count, more)| *count += more);
    }

    /// The least class under which `share` of all lies, nanoseconds; 0 of nothing.
    pub fn percentile(&self, share: f64) -> u64 {
        let all: u64 = self.0.iter().sum();
        let mut left = (all as f64 * share).ceil() as u64;
        for (class, count) in self.0.iter().enumerate() {
            if left <= *count && all > 0 {
                return middle(class as u64);
            }
            left -= count;
        }
        0
    }
}

fn class(value: u64) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let shift = value.ilog2() - PARTS.ilog2();
    (u64::from(shift) * PARTS + (value >> shift)) as usize
}

fn middle(class: u64) -> u64 {
    if class < 2 * PARTS {
        return class;
    }
    let shift = class / PARTS - 1;
    let low = (class - shift * PARTS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_five_percent() {
        let mut histogram = Histogram::new();
        (1..=100_000u64).for_each(|n| histogram.add(n * 10));
        for (share, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (0.001, 1000.0)] {
            let found = histogram.percentile(share) as f64;
            assert!((found / exact - 1.0).abs() < 0.05, "{share}: {found}");
        }
        assert_eq!(Histogram::new().percentile(0.5), 0);
        for value in [0, 15, 16, 17, 31, 32, 1 << 40, u64::MAX] {
            assert!(class(value) < 64 * PARTS as usize);
        }
    }
}
