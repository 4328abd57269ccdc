// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Made-up stations and bindings for capacity tests: `maard --load-test` binds them, the bench puts them into frames.
//! Both compute them from a seed and an index, so that no file of a million lines goes between them.
//!
//! Keys are pseudo-random and all different: a keyed permutation of the index. A table meets them as it meets leases of
//! many years, not as it meets 1, 2, 3.

use crate::PortId;
use crate::verdict::{PeerId, Verdict};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64};

/// A one-to-one map of the numbers below 2^`bits` onto themselves, another one for each `seed`. `bits` is 1 to 64.
pub const fn permute(seed: u64, bits: u32, index: u64) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let mut x = index & mask;
    let mut key = seed;
    let mut round = 0;
    while round < 4 {
        // Each step can be undone below 2^bits: an addition, an odd factor, a shifted exclusive or.
        key = mix(key.wrapping_add(0x9e37_79b9_7f4a_7c15));
        x = x.wrapping_add(key) & mask;
        x = x.wrapping_mul(0xd134_2543_de82_ef95) & mask;
        x ^= x >> bits.div_ceil(2);
        round += 1;
    }
    x
}

/// The finisher of SplitMix64.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// /64s of one prefix in pseudo-random order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The prefix's upper half.
    prefix: u64,
    /// Bits that count up.
    bits: u32,
    seed: u64,
}

impl Keys {
    /// The /64s of `prefix`/`len`; `len` is at most 63.
    pub const fn new(prefix: Ipv6Addr, len: u8, seed: u64) -> Keys {
        Keys { prefix: Prefix64::of(prefix).0, bits: 64 - len as u32, seed }
    }

    /// How many there are; `u64::MAX` stands for 2^64.
    pub const fn count(&self) -> u64 {
        if self.bits == 64 { u64::MAX } else { 1 << self.bits }
    }

    /// The /64 number `index`.
    pub const fn key(&self, index: u64) -> u64 {
        self.prefix | permute(self.seed, self.bits, index)
    }
}

/// What a load test binds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Population {
    /// Leases of the stations.
    pub leases: Keys,
    /// Destinations behind peers.
    pub elsewhere: Keys,
    /// The access ports of the stations, in turn; at least one.
    pub ports: Vec<PortId>,
    /// Peers, the first so many.
    pub peers: PeerId,
    /// Chooses the MACs.
    pub seed: u64,
}

impl Population {
    /// `pool` and `bindings_in` as address and length.
    pub fn new(
        seed: u64,
        pool: (Ipv6Addr, u8),
        bindings_in: (Ipv6Addr, u8),
        ports: Vec<PortId>,
        peers: PeerId,
    ) -> Population {
        Population {
            leases: Keys::new(pool.0, pool.1, seed),
            elsewhere: Keys::new(bindings_in.0, bindings_in.1, seed ^ 0x62),
            ports,
            peers,
            seed,
        }
    }

    /// MAC of station `index`: locally administered.
    pub const fn mac(&self, index: u64) -> Mac {
        Mac::from_u64(0x02 << 40 | permute(self.seed ^ 0x6d, 40, index))
    }

    /// Station `index`: its /64 and what is bound to it.
    ///
    /// # Panics
    /// Without an access port.
    pub fn station(&self, index: u64) -> (u64, Verdict) {
        let mac = self.mac(index);
        let port = self.ports[(index % self.ports.len() as u64) as usize];
        let verdict = Verdict::Deliver { mac, port, anchored: true, settled: true };
        (self.leases.key(index), verdict)
    }

    /// Binding `index`: its /64 and what is bound to it. `moves`: how often it went on to the next peer.
    pub const fn binding(&self, index: u64, moves: u64) -> (u64, Verdict) {
        let peer = (index.wrapping_add(moves) % self.peers as u64) as PeerId;
        (self.elsewhere.key(index), Verdict::Tunnel { peer, anchored: false, former: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_permutation_meets_every_number_once_whatever_its_width() {
        for bits in 1..=16 {
            for seed in [0, 1, 42] {
                let all: BTreeSet<u64> = (0..1 << bits).map(|i| permute(seed, bits, i)).collect();
                assert_eq!(all.len(), 1 << bits, "{bits} bits, seed {seed}");
                assert!(all.iter().all(|x| x >> bits == 0));
            }
        }
        let wide: BTreeSet<u64> = (0..1 << 16).map(|i| permute(7, 64, i)).collect();
        assert_eq!(wide.len(), 1 << 16);
    }

    #[test]
    fn keys_are_scattered_and_depend_on_the_seed() {
        let keys = |seed| Keys::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, seed);
        assert_eq!(keys(1).key(5) >> 32, 0x2001_0db8);
        assert_ne!(keys(1).key(5), keys(2).key(5));
        // Each bit that counts is set in about half of the keys.
        for bit in 0..32 {
            let set = (0..4096).filter(|i| keys(1).key(*i) >> bit & 1 == 1).count();
            assert!((1848..2248).contains(&set), "bit {bit}: {set} of 4096");
        }
    }

    #[test]
    fn bindings_go_round_the_peers() {
        let pool = (Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0, 0, 0, 0, 0), 48);
        let people = Population::new(1, pool, pool, vec![0], 3);
        let peer = |index, moves| match people.binding(index, moves).1 {
            Verdict::Tunnel { peer, .. } => peer,
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 2, 3].map(|i| peer(i, 0)), [0, 1, 2, 0]);
        assert_eq!([peer(0, 1), peer(2, 1)], [1, 0]);
    }
}
