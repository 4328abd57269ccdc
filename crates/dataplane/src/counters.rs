// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One counter per verdict, drop reason and punt reason, per worker. The books balance: every received frame gets
//! exactly one final count (design.md section 3).

/// What a worker publishes, read by the slow path and by metrics.
#[derive(Debug, Default)]
pub struct Stats(());

impl Stats {
    /// Updates taken from the ring and applied, since start. An update is in force when this reaches its number.
    pub fn applied(&self) -> u64 {
        todo!()
    }
    /// Finished turns.
    pub fn turns(&self) -> u64 {
        todo!()
    }
    /// Every counter with its stable snake_case name, in a fixed order: `rx`, the verdicts (`delivered`, `tunnelled`,
    /// ...), the drops (`drop.<reason>`), the punts (`punt.<reason>`).
    pub fn each(&self, _f: impl FnMut(&'static str, u64)) {
        todo!()
    }
}
