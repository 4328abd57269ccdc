// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the slow path tells a worker, over one SPSC ring each, applied between bursts.

use crate::fib::Fib;
use crate::park::ParkKey;
use crate::verdict::{PeerId, Verdict};
use std::sync::Arc;

/// One change.
#[derive(Clone, Debug)]
pub enum Update {
    /// To the worker that owns the key's shard.
    Bind {
        /// A /64 or a station key.
        key: u64,
        /// Replaces what was there.
        verdict: Verdict,
    },
    /// To the worker that owns the key's shard.
    Unbind {
        /// A /64 or a station key.
        key: u64,
    },
    /// To every worker. The old snapshot goes back over the punt ring, so that no worker frees memory.
    Fib(Arc<Fib>),
    /// To every worker: nothing will bring this key. What waits for it is decided without parking, and nothing more
    /// parks until [`Update::Lift`].
    GiveUp(ParkKey),
    /// To every worker: the key may park again.
    Lift(ParkKey),
    /// To every worker: what comes for a HoA that is about to be taken over straight from this peer waits.
    Hold {
        /// The HoA's /64.
        prefix: u64,
        /// Who sends.
        peer: PeerId,
    },
    /// To every worker: the path used before is empty, or nobody waits for it any longer.
    EndHold {
        /// The HoA's /64.
        prefix: u64,
        /// Who sends.
        peer: PeerId,
    },
    /// To every worker: changes nothing. When the next update is applied, a whole turn lies in between.
    Turn,
    /// To every worker, every 30 s: forget which sessions were reported, so that those still in use are
    /// reported again.
    ForgetSamples,
}
