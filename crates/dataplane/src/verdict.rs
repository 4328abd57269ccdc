// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the binding table says about a key: one 64-bit word, so that an update is one atomic store.

use crate::PortId;
use wire::addr::Mac;

/// Index into [`crate::fib::Fib::peers`]. Stable for the life of the peer's configuration entry.
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
    },
    /// Leased by us, but its MN is not here.
    Absent,
    /// A key of [`station_key`]: what is known of a MAC on the access ports.
    Station(Station),
}

/// What a worker must know of a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Station {
    /// WaitAAA or WaitSDBA: a source that misses is dropped without an error, counted `source_pending`.
    Exchange,
    /// Attached: a source that misses is spoofed.
    Attached,
    /// Released, Detached or refused a moment ago: frames start nothing for now.
    Quiet,
}

impl Verdict {
    /// The word of the table. Never 0.
    pub const fn to_word(self) -> u64 {
        let _ = self;
        todo!()
    }

    /// The inverse; `None` for 0 and for words no verdict has.
    pub const fn from_word(word: u64) -> Option<Verdict> {
        let _ = word;
        todo!()
    }
}

/// The key under which a station's MAC stands in the binding table: ffff:<MAC>, in the multicast range and so
/// never the upper half of an address that is looked up.
pub const fn station_key(mac: Mac) -> u64 {
    0xffff << 48 | mac.to_u64()
}
