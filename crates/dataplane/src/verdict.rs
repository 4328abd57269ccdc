// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the binding table says about a key: one 64-bit word, so that an update is one atomic store.

use crate::PortId;
use wire::addr::Mac;

/// Index into [`crate::fib::FibBuilder::peers`]. Stable for the life of the peer's configuration entry.
pub type PeerId = u16;

/// What to do with a packet to (or from) a /64, or what is known of a station.
///
/// In 64 bits: tag in the low bits, a MAC in the upper 48. 0 is "nothing known" and no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The /64 belongs to an MN attached here: leased by us or an Active external binding (R-08c, R-33).
    Deliver {
        /// The MN's MAC.
        mac: Mac,
        /// Its access port, below 32.
        port: PortId,
        /// The /64 is a lease of ours: this MAAR is its anchor.
        anchored: bool,
        /// The MN has been here longer than R-34's 10 s: an inner source from a tunnel is refused.
        settled: bool,
    },
    /// The /64 is behind another MAAR: an internal entry or a forwarding entry.
    Tunnel {
        /// Which.
        peer: PeerId,
        /// The /64 is a lease of ours (R-34's anchor role).
        anchored: bool,
        /// Its MN was attached here a moment ago: what tunnels still bring for it follows.
        former: bool,
    },
    /// The MN it belongs to has just left: its packets wait, and what it sent before goes its way as long as the
    /// station is [`Station::Quiet`].
    Left {
        /// The MN's MAC.
        mac: Mac,
        /// Its access port, below 32.
        port: PortId,
        /// The /64 is a lease of ours.
        anchored: bool,
    },
    /// Its MN is not here: leased by us, or Detached.
    Absent {
        /// Its packets wait, as it may come back or be fetched.
        park: bool,
    },
    /// A key of [`station_key`]: what is known of a MAC on the access ports.
    Station(Station),
}

/// What a worker must know of a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Station {
    /// WaitAAA or WaitSDBA: a source that misses waits for the end of it, or is dropped without an error.
    Exchange,
    /// Attached: a source that misses is spoofed.
    Attached,
    /// Released, Detached or refused a moment ago: frames start nothing for now.
    Quiet,
}

/// The tag, in bits 0..3.
const TAG: u64 = 0b111;
const DELIVER: u64 = 1;
const TUNNEL: u64 = 2;
const ABSENT: u64 = 3;
const STATION: u64 = 4;
const LEFT: u64 = 5;
/// Bit 3, of Deliver, Left and Tunnel.
const ANCHORED: u64 = 1 << 3;
/// Bit 4, of Deliver.
const SETTLED: u64 = 1 << 4;
/// Bit 4, of Tunnel.
const FORMER: u64 = 1 << 4;
/// Bit 5, of Absent.
const PARK: u64 = 1 << 5;
/// Bits 8..13, of Deliver and Left: the port; of Station: 0 to 2.
const SMALL_SHIFT: u32 = 8;
const SMALL: u64 = 0b1_1111 << SMALL_SHIFT;
/// Bits 16..64, of Deliver and Left: the MAC; bits 16..32, of Tunnel: the peer.
const LARGE_SHIFT: u32 = 16;
const PEER: u64 = 0xffff << LARGE_SHIFT;

const fn flag(on: bool, bit: u64) -> u64 {
    if on { bit } else { 0 }
}

impl Verdict {
    /// The word of the table. Never 0.
    ///
    /// # Panics
    /// If a port is 32 or more: the word has no room for it.
    #[inline]
    pub const fn to_word(self) -> u64 {
        match self {
            Verdict::Deliver { mac, port, anchored, settled } => {
                assert!(port < 32, "an access port's number is below 32");
                DELIVER
                    | flag(anchored, ANCHORED)
                    | flag(settled, SETTLED)
                    | (port as u64) << SMALL_SHIFT
                    | mac.to_u64() << LARGE_SHIFT
            }
            Verdict::Tunnel { peer, anchored, former } => {
                TUNNEL
                    | flag(anchored, ANCHORED)
                    | flag(former, FORMER)
                    | (peer as u64) << LARGE_SHIFT
            }
            Verdict::Left { mac, port, anchored } => {
                assert!(port < 32, "an access port's number is below 32");
                LEFT | flag(anchored, ANCHORED)
                    | (port as u64) << SMALL_SHIFT
                    | mac.to_u64() << LARGE_SHIFT
            }
            Verdict::Absent { park } => ABSENT | flag(park, PARK),
            Verdict::Station(station) => STATION | (station as u64) << SMALL_SHIFT,
        }
    }

    /// Whether `word` says that the /64 belongs to the MN `mac` (as a number) on `port`; if so, whether this MAAR is its anchor. As
    /// [`Verdict::from_word`] would tell, in one compare.
    #[inline]
    pub(crate) const fn anchored_if_at(word: u64, mac: u64, port: PortId) -> Option<bool> {
        let expected = DELIVER | (port as u64) << SMALL_SHIFT | mac << LARGE_SHIFT;
        if word & !(ANCHORED | SETTLED) == expected { Some(word & ANCHORED != 0) } else { None }
    }

    /// The inverse; `None` for 0 and for words no verdict has.
    #[inline]
    pub const fn from_word(word: u64) -> Option<Verdict> {
        let small = (word & SMALL) >> SMALL_SHIFT;
        let anchored = word & ANCHORED != 0;
        match word & TAG {
            DELIVER if word & 0xe0e0 == 0 => Some(Verdict::Deliver {
                mac: Mac::from_u64(word >> LARGE_SHIFT),
                port: small as PortId,
                anchored,
                settled: word & SETTLED != 0,
            }),
            LEFT if word & 0xe0f0 == 0 => Some(Verdict::Left {
                mac: Mac::from_u64(word >> LARGE_SHIFT),
                port: small as PortId,
                anchored,
            }),
            TUNNEL if word & !(TAG | ANCHORED | FORMER | PEER) == 0 => Some(Verdict::Tunnel {
                peer: (word >> LARGE_SHIFT) as PeerId,
                anchored,
                former: word & FORMER != 0,
            }),
            ABSENT if word & !PARK == ABSENT => Some(Verdict::Absent { park: word & PARK != 0 }),
            STATION if word & !(TAG | SMALL) == 0 => match small {
                0 => Some(Verdict::Station(Station::Exchange)),
                1 => Some(Verdict::Station(Station::Attached)),
                2 => Some(Verdict::Station(Station::Quiet)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The key under which a station's MAC stands in the binding table: ffff and the MAC, in the multicast range and so
/// never the upper half of an address that is looked up.
pub const fn station_key(mac: Mac) -> u64 {
    0xffff << 48 | mac.to_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            (any::<[u8; 6]>(), 0..32u8, any::<bool>(), any::<bool>()).prop_map(
                |(mac, port, anchored, settled)| Verdict::Deliver {
                    mac: Mac(mac),
                    port,
                    anchored,
                    settled
                }
            ),
            (any::<u16>(), any::<bool>(), any::<bool>()).prop_map(|(peer, anchored, former)| {
                Verdict::Tunnel { peer, anchored, former }
            }),
            (any::<[u8; 6]>(), 0..32u8, any::<bool>()).prop_map(|(mac, port, anchored)| {
                Verdict::Left { mac: Mac(mac), port, anchored }
            }),
            any::<bool>().prop_map(|park| Verdict::Absent { park }),
            prop_oneof![Just(Station::Exchange), Just(Station::Attached), Just(Station::Quiet)]
                .prop_map(Verdict::Station),
        ]
    }

    proptest! {
        #[test]
        fn a_verdict_comes_back_from_its_word_and_its_word_is_not_zero(v in any_verdict()) {
            prop_assert_ne!(v.to_word(), 0);
            prop_assert_eq!(Verdict::from_word(v.to_word()), Some(v));
        }

        #[test]
        fn the_station_of_a_word_is_the_one_it_was_made_of(
            v in any_verdict(), mac in any::<[u8; 6]>(), port in 0..32u8,
        ) {
            if let Verdict::Deliver { mac, port, anchored, .. } = v {
                prop_assert_eq!(Verdict::anchored_if_at(v.to_word(), mac.to_u64(), port), Some(anchored));
                prop_assert_eq!(Verdict::anchored_if_at(v.to_word(), mac.to_u64(), port ^ 1), None);
            }
            let mac = Mac(mac);
            if !matches!(v, Verdict::Deliver { mac: of, port: at, .. } if of == mac && at == port) {
                prop_assert_eq!(Verdict::anchored_if_at(v.to_word(), mac.to_u64(), port), None);
            }
        }

        #[test]
        fn a_word_that_is_read_as_a_verdict_is_that_verdicts_word(tag in 0..8u64, rest: u64) {
            let word = rest & !TAG | tag;
            if let Some(v) = Verdict::from_word(word) {
                prop_assert_eq!(v.to_word(), word);
            }
        }
    }

    #[test]
    fn nothing_known_is_no_verdict() {
        assert_eq!(Verdict::from_word(0), None);
    }
}
