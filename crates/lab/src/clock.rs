// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one clock of the lab: the wall clock, because that is what captures are stamped with.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds in a millisecond and in a second.
pub const MS: u64 = 1_000_000;
/// See [`MS`].
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds from `from` to `to`, to the microsecond; negative when `to` is earlier.
pub fn ms_between(from: u64, to: u64) -> f64 {
    (to as i64 - from as i64) as f64 / 1000.0 / 1000.0
}
