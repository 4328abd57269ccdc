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

/// Milliseconds from `from` to `to`; negative when `to` is earlier.
pub fn ms_between(from: u64, to: u64) -> f64 {
    (to as i64 - from as i64) as f64 / MS as f64
}

/// Writes milliseconds with three decimals: captures are not more exact.
pub fn serialize_ms<S: serde::Serializer>(ms: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((ms * 1000.0).round() / 1000.0)
}
