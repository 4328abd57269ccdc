// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The legacy host S and the router it is behind: no MAAR, one node of the core link.

use crate::frames;
use crate::names::{self, LEGACY_MAC, LEGACY_NET, LEGACY_ROUTER};
use crate::queue::NodeId;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::nd::{self, Icmp6};
use wire::{eth, ip6};

/// What becomes of a frame that came to S's router.
#[derive(Debug)]
pub enum Taken {
    /// A packet for S.
    ForLegacy,
    /// It answers on the core link.
    Answer(Vec<u8>),
    /// Not for it.
    Nothing,
}

/// Takes a frame off the core link.
pub fn take(frame: &[u8]) -> Taken {
    let packet = frame.get(eth::HEADER_LEN..).unwrap_or_default();
    let Ok(view) = ip6::Ip6View::new_checked(packet) else { return Taken::Nothing };
    if LEGACY_NET.contains(view.dst()) {
        return Taken::ForLegacy;
    }
    if view.next_header() != ip6::ICMPV6 {
        return Taken::Nothing;
    }
    match nd::parse(view.src(), view.dst(), view.hop_limit(), view.payload()) {
        Ok(Icmp6::NeighborSolicit(ns)) if ns.target == LEGACY_ROUTER => {
            let to = frame
                .get(6..12)
                .and_then(|mac| mac.first_chunk())
                .map_or(LEGACY_MAC, |mac| Mac(*mac));
            Taken::Answer(frames::neighbor_advert(LEGACY_MAC, to, LEGACY_ROUTER, ns.source, true))
        }
        _ => Taken::Nothing,
    }
}

/// By its routes, the MAAR a packet of S goes to.
pub fn next_hop(dst: Ipv6Addr, maars: usize) -> Option<NodeId> {
    names::anchor(dst, maars)
}
