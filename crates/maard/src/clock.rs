// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one place that reads the clocks: monotonic for deadlines, wall for what goes on the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::time::{Instant, Now};

/// Counts from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that starts at zero.
    pub fn start() -> Clock {
        Clock { origin: std::time::Instant::now() }
    }

    /// Both clocks. A wall clock before 1970 counts as 1970.
    pub fn now(&self) -> Now {
        Now { mono: Instant(self.origin.elapsed().as_micros() as u64), wall: wall() }
    }
}

/// Since 1970, by the wall clock.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
