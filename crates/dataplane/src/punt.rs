// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a worker tells the slow path, over one SPSC ring each.

use crate::PortId;
use crate::fib::Fib;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// One message of a worker.
#[derive(Debug)]
pub enum Punt<B> {
    /// A frame the slow path must see.
    Frame {
        /// It came in here.
        port: PortId,
        /// Why.
        reason: PuntReason,
        /// The frame as it came (a tunnelled one: without the outer header, an Ethernet header in front).
        buf: B,
    },
    /// An MN's HoA talks to a managed address (R-09's sample).
    Session {
        /// HoA of an MN attached here.
        hoa: Ipv6Addr,
        /// The other address.
        cn: Ipv6Addr,
    },
    /// A snapshot no longer read by this worker.
    OldFib(Arc<Fib>),
}

/// Why a frame goes to the slow path. Each has a counter and a budget a turn, so that one kind cannot starve another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum PuntReason {
    /// ICMPv6 of Neighbour Discovery or MLD for us.
    NeighborDiscovery,
    /// Mobility Header to our core address.
    MobilityHeader,
    /// Other ICMPv6 to our own address (echo, errors about the outer packet).
    OwnIcmp,
    /// A frame from a MAC without record: starts an attachment.
    UnknownStation,
    /// A source that is not the MN's: ICMPv6 1/5, rate-limited.
    SourceFailed,
    /// Hop limit used up: ICMPv6 3/0.
    HopLimit,
    /// Own pool, not leased: ICMPv6 1/3.
    PoolUnleased,
    /// No route: ICMPv6 1/0.
    NoRoute,
    /// No anchor known: ICMPv6 1/5.
    NoAnchor,
    /// Larger than the MTU of the port it would leave by, untunnelled: ICMPv6 2/0 with that MTU.
    TooBig,
    /// Larger than the tunnel's MTU: ICMPv6 2/0 with max(1280, core port's MTU - 40).
    TunnelTooBig,
    /// The next hop, on-link host or peer is to be resolved; the frame itself is dropped by the slow path.
    Unresolved,
}
