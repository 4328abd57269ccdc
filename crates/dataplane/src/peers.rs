// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The peers by their core addresses: asked for every packet out of a tunnel, so few slots of it are filled and one
//! compare nearly always tells.

use crate::verdict::PeerId;

/// Upper and lower half of an address.
pub(crate) type Words = (u64, u64);

/// Open addressing, a quarter full at most.
#[derive(Debug)]
pub(crate) struct Peers {
    slots: Vec<Option<(Words, PeerId)>>,
    mask: usize,
}

impl Peers {
    /// Of two peers at one address the later one counts.
    pub(crate) fn new(peers: impl Iterator<Item = (Words, PeerId)>) -> Peers {
        let peers: Vec<_> = peers.collect();
        let len = (4 * peers.len()).next_power_of_two();
        let mut all = Peers { slots: vec![None; len], mask: len - 1 };
        for (address, id) in peers {
            let mut at = all.home(address);
            while all.slots[at].is_some_and(|(other, _)| other != address) {
                at = (at + 1) & all.mask;
            }
            all.slots[at] = Some((address, id));
        }
        all
    }

    #[inline]
    fn home(&self, (upper, lower): Words) -> usize {
        let hash = (upper ^ lower.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & self.mask
    }

    /// The peer at an address.
    #[inline]
    pub(crate) fn get(&self, address: Words) -> Option<PeerId> {
        let mut at = self.home(address);
        loop {
            match *self.slots.get(at)? {
                Some((other, id)) if other == address => return Some(id),
                // It ends: three slots of four are empty.
                Some(_) => at = (at + 1) & self.mask,
                None => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_thousand_peers_are_found_and_nobody_else() {
        let address = |n: u64| (0x2001_0db8_00ff_0000, n);
        let peers = Peers::new((0..1000).map(|n| (address(n), n as PeerId)));
        for n in 0..1000 {
            assert_eq!(peers.get(address(n)), Some(n as PeerId));
        }
        assert_eq!(peers.get(address(1000)), None);
        assert_eq!(peers.get((0, 0)), None);
        assert_eq!(Peers::new(std::iter::empty()).get(address(0)), None);
    }
}
