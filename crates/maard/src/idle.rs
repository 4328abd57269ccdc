// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a loop does when a turn found no work: a few turns it tries again at once, then it sleeps, a little longer
//! when it has been idle for long.
//!
//! The longest sleep bounds what a hop inside one router costs: a handover crosses about a dozen of them and is to
//! stay below 5 ms.

use std::time::Duration;

/// Counts empty turns.
#[derive(Debug)]
pub struct Idle {
    empty: u32,
    spin: u32,
}

/// Sleeps of a loop that had work a moment ago.
const SHORT: Duration = Duration::from_micros(50);
/// Of one that had none for about [`LONG_AFTER`] short sleeps, 10 to 20 ms.
const LONG: Duration = Duration::from_micros(250);
const LONG_AFTER: u32 = 100;

impl Idle {
    /// Sleeps after `spin` empty turns.
    pub fn after(spin: u32) -> Idle {
        Idle { empty: 0, spin }
    }

    /// Ends a turn. `worked`: there was something to do.
    pub fn turn(&mut self, worked: bool) {
        if worked {
            self.empty = 0;
            return;
        }
        self.empty = self.empty.saturating_add(1);
        match self.empty.saturating_sub(self.spin) {
            0 => std::hint::spin_loop(),
            1..LONG_AFTER => std::thread::sleep(SHORT),
            _ => std::thread::sleep(LONG),
        }
    }

    /// Whether the next empty turn sleeps.
    pub fn is_idle(&self) -> bool {
        self.empty >= self.spin
    }
}
