// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a worker would do with one packet, from nothing but the places its router was told: R-12 for a packet from an
//! access port, R-34 for one from a tunnel, R-35 for one from the core, each in short form (no parking, no markers).

use super::world::{anchor, pool};
use mobility::Place;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64};

/// A packet between users; the tunnel around it is [`Via::Tunnel`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    /// R-34's bit: it has been sent to an anchor and is not sent to one again.
    pub to_anchor: bool,
}

/// How a packet came to a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    Access(Mac),
    Core,
    Tunnel(Ipv6Addr),
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Deliver(Mac),
    Tunnel(Ipv6Addr),
    /// Routed to the MAAR in whose pool the destination lies.
    Native(Ipv6Addr),
    /// Routed to where no MAAR is.
    Internet,
    Drop(&'static str),
}

/// What one router's workers know.
pub struct Tables<'a> {
    pub own: Ipv6Addr,
    pub places: &'a BTreeMap<Prefix64, Place>,
}

impl Tables<'_> {
    fn place(&self, addr: Ipv6Addr) -> Option<Place> {
        self.places.get(&Prefix64::of(addr)).copied()
    }

    /// Own lease: attached here, behind a peer or nobody.
    fn anchored(&self, addr: Ipv6Addr) -> bool {
        match self.place(addr) {
            Some(
                Place::Here { anchored, .. }
                | Place::Behind { anchored, .. }
                | Place::Left { anchored, .. },
            ) => anchored,
            Some(Place::Absent { .. }) => true,
            Some(Place::Unknown) | None => false,
        }
    }

    /// One packet.
    pub fn forward(&self, via: Via, packet: &mut Packet) -> Verdict {
        if let Some(refused) = self.refuse_source(via, packet.src) {
            return Verdict::Drop(refused);
        }
        match (self.place(packet.dst), via) {
            (Some(Place::Here { mac, .. }), _) => Verdict::Deliver(mac),
            (Some(Place::Behind { maar, .. }), via) if via != Via::Tunnel(maar) => {
                Verdict::Tunnel(maar)
            }
            (Some(Place::Left { .. } | Place::Absent { .. }), _) => Verdict::Drop("nobody there"),
            _ if pool(self.own).contains(packet.dst) => Verdict::Drop("no way on from its anchor"),
            _ => self.forward_unknown(via, packet),
        }
    }

    /// whose source it may be.
    fn refuse_source(&self, via: Via, src: Ipv6Addr) -> Option<&'static str> {
        match (via, self.place(src)) {
            (Via::Access(from), Some(Place::Here { mac, .. })) if mac == from => None,
            (Via::Access(_), _) => Some("source not the station's"),
            (Via::Tunnel(_), Some(Place::Here { settled: true, .. })) => Some("source is here"),
            _ => None,
        }
    }

    fn forward_unknown(&self, via: Via, packet: &mut Packet) -> Verdict {
        let native = anchor(packet.dst).map_or(Verdict::Internet, Verdict::Native);
        let routed = match via {
            Via::Core => true,
            Via::Access(_) => self.anchored(packet.src),
            Via::Tunnel(_) => self.anchored(packet.src) && anchor(packet.dst).is_none(),
        };
        if routed {
            return native;
        }
        let uplink = matches!(via, Via::Access(_));
        let anchor = anchor(packet.dst).or_else(|| anchor(packet.src).filter(|_| uplink));
        match anchor {
            Some(maar) if !packet.to_anchor => {
                packet.to_anchor = true;
                Verdict::Tunnel(maar)
            }
            Some(_) => Verdict::Drop("anchor twice"),
            None => Verdict::Drop("no anchor"),
        }
    }
}
