// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Longest prefix match over prefixes that never change: built once, read by all workers and the slow path.
//!
//! Prefixes nest, so their ends cut the addresses into ranges of one value each. The ranges' last addresses are the keys
//! of a static B+ tree whose nodes are cache lines:
//!
//! ```text
//!   inner node: 8 x u64              last addresses of its nine children but the ninth
//!   leaf:       5 x u64, 6 x u32     last addresses of its six ranges but the sixth, and their values
//! ```
//! A tree is of upper halves; a /64 that longer prefixes divide names a tree of its lower halves. Of 200,000 routes
//! (4.4 MiB, five levels and the leaves) all but the leaves stay in the second cache, so a lookup waits for memory once.
//!
//! Cycles of a lookup, one run: 200,000 routes /29 to /64 as the internet's, destinations at random in all of them.
//!
//! ```text
//!   this        250 one by one    460 if each waits for the one before
//!   poptrie     520              1380         rte_fib6   270 in bursts of 32 (and two seconds to fill, with rte_lpm6)
//!   treebitmap 1740                           rte_lpm6   280 in bursts of 32
//!   prefix-trie 1570
//! ```

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::Hash;
use std::net::Ipv6Addr;

/// Children of an inner node.
const CHILDREN: usize = 9;
/// Ranges of a leaf.
const RANGES: usize = 6;
/// No prefix matches.
const NONE: u32 = 0;
/// The number of a tree of lower halves, else of a value.
const DEEPER: u32 = 1 << 31;

/// Prefixes and where they lead.
#[derive(Clone, Debug)]
pub struct Lpm<V> {
    upper: Ranges,
    lower: Vec<Ranges>,
    /// Value n is called n + 1 in the trees.
    values: Vec<V>,
}

/// A prefix of a half address.
#[derive(Clone, Copy, Debug)]
struct Entry {
    bits: u64,
    len: u8,
    value: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Inner([u64; CHILDREN - 1]);

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Leaf {
    last: [u64; RANGES - 1],
    value: [u32; RANGES],
}

/// Half addresses by range.
#[derive(Clone, Debug)]
struct Ranges {
    /// From the root down.
    levels: Vec<Vec<Inner>>,
    leaves: Vec<Leaf>,
}

impl<V: Copy + Eq + Hash> Lpm<V> {
    /// Bits behind a prefix' length do not count, a length above 128 counts as 128; of two equal prefixes the later one
    /// counts.
    pub fn new(prefixes: impl IntoIterator<Item = (Ipv6Addr, u8, V)>) -> Lpm<V> {
        let mut values = Vec::new();
        let mut numbers = HashMap::<V, u32, FixedState>::default();
        let mut number = |value: V| {
            *numbers.entry(value).or_insert_with(|| {
                values.push(value);
                values.len() as u32
            })
        };
        let masked = |(address, len, value): (Ipv6Addr, u8, V)| {
            let len = len.min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            (address.to_bits() & mask, len, number(value))
        };
        let mut entries: Vec<_> = prefixes.into_iter().map(masked).collect();
        // Stable: the later one of two equal prefixes stays behind.
        entries.sort_by_key(|&(bits, len, _)| (bits, len));
        let (upper, lower) = trees(&entries);
        Lpm { upper, lower, values }
    }

    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn get(&self, address: Ipv6Addr) -> Option<V> {
        let (upper, lower) = halves(address);
        let mut value = self.upper.get(upper);
        if value & DEEPER != 0 {
            value = self.lower.get((value & !DEEPER) as usize)?.get(lower);
        }
        self.values.get((value as usize).wrapping_sub(1)).copied()
    }

    /// Octets of the trees.
    pub fn octets(&self) -> usize {
        let of = |ranges: &Ranges| {
            let nodes: usize = ranges.levels.iter().map(Vec::len).sum();
            (nodes + ranges.leaves.len()) * size_of::<Leaf>()
        };
        of(&self.upper) + self.lower.iter().map(of).sum::<usize>()
    }
}

impl<V: Copy + Eq + Hash> Default for Lpm<V> {
    fn default() -> Lpm<V> {
        Lpm::new([])
    }
}

fn halves(address: Ipv6Addr) -> (u64, u64) {
    let bits = address.to_bits();
    ((bits >> 64) as u64, bits as u64)
}

/// The trees of sorted prefixes: of the upper halves, and of the lower halves of those that are divided.
fn trees(entries: &[(u128, u8, u32)]) -> (Ranges, Vec<Ranges>) {
    let half = |&(bits, len, value): &(u128, u8, u32)| match len {
        0..=64 => Entry { bits: (bits >> 64) as u64, len, value },
        _ => Entry { bits: bits as u64, len: len - 64, value },
    };
    let mut upper: Vec<_> = entries.iter().filter(|entry| entry.1 <= 64).map(half).collect();
    let deep: Vec<_> = entries.iter().filter(|entry| entry.1 > 64).copied().collect();
    let mut lower = Vec::new();
    if deep.is_empty() {
        return (Ranges::new(&upper, NONE), lower);
    }
    let around = Ranges::new(&upper, NONE);
    for inside in deep.chunk_by(|a, b| a.0 >> 64 == b.0 >> 64) {
        let bits = (inside[0].0 >> 64) as u64;
        upper.push(Entry { bits, len: 64, value: DEEPER | lower.len() as u32 });
        let inside: Vec<_> = inside.iter().map(half).collect();
        lower.push(Ranges::new(&inside, around.get(bits)));
    }
    upper.sort_by_key(|entry| (entry.bits, entry.len));
    (Ranges::new(&upper, NONE), lower)
}

impl Ranges {
    /// Of prefixes in the order of their first address and length; `outside` is the value where none matches.
    fn new(entries: &[Entry], outside: u32) -> Ranges {
        let ranges = cut(entries, outside);
        let leaves: Vec<Leaf> = ranges.chunks(RANGES).map(Leaf::new).collect();
        let mut lasts = every(RANGES, ranges.iter().map(|range| range.0));
        let mut levels = Vec::new();
        while lasts.len() > 1 {
            levels.push(lasts.chunks(CHILDREN).map(Inner::new).collect());
            lasts = every(CHILDREN, lasts.into_iter());
        }
        levels.reverse();
        Ranges { levels, leaves }
    }

    #[inline]
    fn get(&self, half: u64) -> u32 {
        let child = |at: usize, level: &Vec<Inner>| at * CHILDREN + level[at].child(half);
        self.leaves[self.levels.iter().fold(0, child)].get(half)
    }
}

/// The last of each `n`, and the last of what is left.
fn every(n: usize, lasts: impl ExactSizeIterator<Item = u64>) -> Vec<u64> {
    let end = lasts.len() - 1;
    let closes = |(at, last)| (at % n == n - 1 || at == end).then_some(last);
    lasts.enumerate().filter_map(closes).collect()
}

impl Inner {
    /// The last address stands where there is no child: none is behind it.
    fn new(lasts: &[u64]) -> Inner {
        let mut node = [u64::MAX; CHILDREN - 1];
        let between = &lasts[..lasts.len() - 1];
        node[..between.len()].copy_from_slice(between);
        Inner(node)
    }

    /// Without a branch: nobody could foretell it.
    #[inline]
    fn child(&self, half: u64) -> usize {
        self.0.iter().map(|last| usize::from(*last < half)).sum()
    }
}

impl Leaf {
    fn new(ranges: &[(u64, u32)]) -> Leaf {
        let mut leaf = Leaf { last: [u64::MAX; RANGES - 1], value: [NONE; RANGES] };
        for (n, &(last, value)) in ranges.iter().enumerate() {
            leaf.value[n] = value;
            if n < leaf.last.len() {
                leaf.last[n] = last;
            }
        }
        leaf
    }

    #[inline]
    fn get(&self, half: u64) -> u32 {
        let before: usize = self.last.iter().map(|last| usize::from(*last < half)).sum();
        self.value[before]
    }
}

/// The ranges of sorted prefixes: last address and value of each, without gap up to the last address there is.
fn cut(entries: &[Entry], outside: u32) -> Vec<(u64, u32)> {
    let mut ranges = vec![(0, outside)];
    // The prefixes around the current address, from the outside in: their last addresses and values.
    let mut around: Vec<(u64, u32)> = Vec::new();
    let start = |ranges: &mut Vec<(u64, u32)>, first, value| match ranges.last_mut() {
        Some(last) if last.0 == first => last.1 = value,
        _ => ranges.push((first, value)),
    };
    let close =
        |ranges: &mut Vec<(u64, u32)>, around: &mut Vec<(u64, u32)>, before: Option<u64>| {
            while let Some(&(last, _)) = around.last()
                && before.is_none_or(|before| last < before)
            {
                around.pop();
                let value = around.last().map_or(outside, |prefix| prefix.1);
                if let Some(next) = last.checked_add(1) {
                    start(ranges, next, value);
                }
            }
        };
    for &Entry { bits, len, value } in entries {
        close(&mut ranges, &mut around, Some(bits));
        start(&mut ranges, bits, value);
        around.push((bits | u64::MAX.checked_shr(len.into()).unwrap_or(0), value));
    }
    close(&mut ranges, &mut around, None);
    ranges.dedup_by(|next, range| next.1 == range.1);
    let next = ranges.iter().skip(1).map(|range| range.0 - 1).chain([u64::MAX]);
    let lasts: Vec<_> = next.collect();
    lasts.into_iter().zip(ranges).map(|(last, (_, value))| (last, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(prefixes: &[(Ipv6Addr, u8, u16)], address: Ipv6Addr) -> Option<u16> {
        let holds = |&&(prefix, len, _): &&(Ipv6Addr, u8, u16)| {
            let differ = prefix.to_bits() ^ address.to_bits();
            differ.leading_zeros() >= u32::from(len)
        };
        // Of equal ones the last is taken by max_by_key.
        prefixes.iter().filter(holds).max_by_key(|prefix| prefix.1).map(|prefix| prefix.2)
    }

    /// Few different bits, so that prefixes nest and meet, at both ends of the addresses and around the middle.
    fn address() -> impl Strategy<Value = Ipv6Addr> {
        let half = prop_oneof![
            0..4u64,
            (0..4u64).prop_map(|n| u64::MAX - n),
            (0..4u64).prop_map(|n| n << 61)
        ];
        (half.clone(), half).prop_map(|(upper, lower)| {
            Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower))
        })
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_looking_at_every_prefix_finds(
            prefixes in prop::collection::vec(
                (address(), prop_oneof![0..=128u8, 60..=68u8, Just(64), Just(128), Just(0)], 0..4u16),
                0..200,
            ),
            asked in prop::collection::vec(address(), 50),
        ) {
            let lpm = Lpm::new(prefixes.clone());
            let ends = prefixes.iter().flat_map(|prefix| {
                let bits = prefix.0.to_bits();
                [bits, bits.wrapping_sub(1), bits.wrapping_add(1)].map(Ipv6Addr::from_bits)
            });
            for address in asked.into_iter().chain(ends) {
                prop_assert_eq!(lpm.get(address), scan(&prefixes, address), "{}", address);
            }
        }
    }

    #[test]
    fn two_hundred_thousand_routes_fit_into_five_mebioctets_and_are_found() {
        // A Weyl sequence over the 2000::/3 that is handed out.
        let route = |n: u64| {
            let bits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3 | 1 << 61;
            let len = 29 + (n * 7 % 36) as u8;
            let bits = bits & u64::MAX << (64 - len);
            (Ipv6Addr::from_bits(u128::from(bits) << 64), len, n as u32 / 1000)
        };
        let lpm = Lpm::new((0..200_000).map(route));
        assert!(lpm.octets() < 5 << 20, "{}", lpm.octets());
        let longest = (0..200_000).map(route).filter(|route| route.1 == 64);
        for (address, _, value) in longest {
            assert_eq!(lpm.get(address), Some(value), "{address}");
        }
    }

    #[test]
    fn nothing_is_found_where_there_is_nothing() {
        let lpm = Lpm::<u8>::default();
        for address in [0, 1, 1 << 64, u128::MAX] {
            assert_eq!(lpm.get(Ipv6Addr::from_bits(address)), None);
        }
    }
}
