// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is played apart from the draft's script: how much traffic, how long a user is on no link, how late messages are.

use crate::judge::Limits;
use std::time::Duration;

/// The knobs of `romip lab figure1`.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Probes a second and direction.
    pub rate: u32,
    /// From the L2 detach event at the old MAAR to the attachment at the new one.
    pub gap: Duration,
    /// Each sDBA is so late on the core link.
    pub sdba_delay: Duration,
    /// What must be kept.
    pub limits: Limits,
}

impl Default for Scene {
    fn default() -> Self {
        Scene {
            rate: 1000,
            gap: Duration::ZERO,
            sdba_delay: Duration::ZERO,
            limits: Limits::default(),
        }
    }
}
