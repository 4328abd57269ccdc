// SPDX-License-Identifier: Apache-2.0 OR MIT
//! what comes for a HoA that was just taken over, straight from a MAAR that also sends by the path used before,
//! waits until that path is empty. The slow path says which HoA and which peer; a worker keeps them in a small table of
//! its own, so that nothing of it stands in the binding table, and with none held it costs a branch per tunnelled packet.

use crate::verdict::PeerId;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// Pairs at most: thousands of handovers that end within one marker's wait.
const MOST: usize = 4096;

/// The HoAs' /64s, each with a peer whose straight packets wait.
#[derive(Debug)]
pub(crate) struct Holds(HashSet<(u64, PeerId), FixedState>);

impl Holds {
    pub(crate) fn new() -> Holds {
        // Twice the room: pairs that come and go never make it grow.
        Holds(HashSet::with_capacity_and_hasher(2 * MOST, FixedState::default()))
    }

    /// Whether packets for `prefix` straight from `peer` wait.
    #[inline]
    pub(crate) fn contains(&self, prefix: u64, peer: PeerId) -> bool {
        !self.0.is_empty() && self.0.contains(&(prefix, peer))
    }

    /// From now on they wait; `false` when there is no room: then they do not, and may overtake others.
    pub(crate) fn hold(&mut self, prefix: u64, peer: PeerId) -> bool {
        self.0.len() < MOST && {
            self.0.insert((prefix, peer));
            true
        }
    }

    /// They wait no more.
    pub(crate) fn end(&mut self, prefix: u64, peer: PeerId) {
        self.0.remove(&(prefix, peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_held_until_it_ends_and_there_is_an_end_to_the_room() {
        let mut holds = Holds::new();
        assert!(holds.hold(1, 7) && holds.hold(1, 7));
        assert!(holds.contains(1, 7) && !holds.contains(1, 8) && !holds.contains(2, 7));
        holds.end(1, 7);
        assert!(!holds.contains(1, 7));
        let taken = (0..5000).filter(|prefix| holds.hold(*prefix, 0)).count();
        assert_eq!(taken, MOST);
    }
}
