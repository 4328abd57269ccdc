// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parking and the way back: which packets queue behind others, what is told to the slow path, and running the
//! first packet of each key again. Read first: [`crate::park`].

use crate::classify::{Entrance, Fate, Kind, Packet};
use crate::counters::{Count, DropReason, Info};
use crate::forward::forward;
use crate::park::{By, ParkKey, Parks, Wait, Why};
use crate::pipeline::{Ends, Pipeline, end, read};
use crate::punt::{PuntReason, Punts};
use crate::route::{Router, Words, towards};
use crate::worker::Transmit;
use crate::{BURST, PortId};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64};
use wire::buf::PacketBuf;

/// Parked packets that leave before one burst at most: more than a burst brings, so that the lists get shorter, and
/// no more than a port's queue takes.
const RELEASED: usize = 2 * BURST;
/// Lists looked at before one burst.
const LOOKED_AT: usize = 16;

/// What a packet waits by when its source is in doubt.
fn source_key(packet: &Packet) -> Option<ParkKey> {
    match packet.kind {
        Kind::Uplink(mac) => Some(ParkKey {
            prefix: Prefix64::of(packet.src).0,
            by: By::Station(Mac::from_u64(mac)),
        }),
        _ => None,
    }
}

/// The list `packet` has to queue behind: earlier packets of its key wait there.
#[cold]
pub(crate) fn behind<B>(parks: &Parks<B>, packet: &Packet) -> Option<Wait> {
    if matches!(packet.kind, Kind::Local(_)) {
        return None;
    }
    let by_source = source_key(packet).and_then(|key| parks.holding(key));
    by_source
        .or_else(|| parks.holding(towards(packet.dst)))
        .or_else(|| straight(packet).and_then(|key| parks.holding(key)))
}

/// What a packet that a peer's tunnel brought waits by while others are still under way.
fn straight(packet: &Packet) -> Option<ParkKey> {
    match packet.kind {
        Kind::Tunnelled(outer) => Some(ParkKey { by: By::Peer(outer.peer), ..towards(packet.dst) }),
        _ => None,
    }
}

/// Parks a packet, or does what is to be done where it may not.
#[cold]
pub(crate) fn park<B: PacketBuf>(
    router: &Router<'_>,
    (packet, words): (&Packet, Words),
    wait: Wait,
    mut buf: B,
    parks: &mut Parks<B>,
    ends: &mut Ends<'_, B>,
    tx: &mut impl Transmit<B>,
) {
    if parks.given_up(wait.key) && parks.holding(wait.key).is_none() {
        let router = Router { parking: false, ..*router };
        return match router.decide(packet, words).and_then(|way| forward(way, packet, &mut buf)) {
            Ok((out, count)) => {
                ends.counts.count(count);
                tx.transmit(out, buf);
            }
            Err(fate) => end(fate, router.port, Some(packet), buf, ends, tx),
        };
    }
    match parks.push(wait, router.port, packet.src, buf) {
        Ok(()) => {
            ends.counts.info(Info::Parkings);
            tell(parks, ends.punts, wait.key);
        }
        // It starts the attachment all the same.
        Err(buf) if wait.why == Why::Stranger => {
            end(Fate::Punt(PuntReason::UnknownStation), router.port, Some(packet), buf, ends, tx)
        }
        Err(_) => ends.counts.drop(DropReason::ParkFull),
    }
}

/// Tells the slow path once that packets of `key` wait; when its ring is full, later.
fn tell<B>(parks: &mut Parks<B>, punts: &mut Punts<B>, key: ParkKey) {
    if let Some(report) = parks.untold(key)
        && punts.parked(report)
    {
        parks.told(key);
    }
}

impl<B: PacketBuf> Pipeline<B> {
    /// Runs the first packet of each list again; where it no longer parks the rest follows in order.
    #[cold]
    pub(crate) fn unpark(&mut self, tx: &mut impl Transmit<B>) {
        let mut left = RELEASED;
        for _ in 0..self.parks.lists().min(LOOKED_AT) {
            let Some(key) = self.parks.next_key() else { continue };
            while left > 0 && self.run_first(key, tx) {
                left -= 1;
            }
            tell(&mut self.parks, &mut self.punts, key);
        }
    }

    /// Decides the first packet of a list; whether it left the list.
    fn run_first(&mut self, key: ParkKey, tx: &mut impl Transmit<B>) -> bool {
        let Some((port, mut buf)) = self.parks.take(key) else { return false };
        let (fate, packet) = match self.again(key, port, &mut buf) {
            Ok((out, count)) => {
                self.parks.gone(key);
                self.counts.count(count);
                tx.transmit(out, buf);
                return true;
            }
            Err(ended) => ended,
        };
        if let Fate::Park(wait) = fate {
            if wait.key == key {
                self.parks.keep(wait, buf);
                return false;
            }
            self.parks.gone(key);
            let source = packet.map_or(Ipv6Addr::UNSPECIFIED, |packet| packet.src);
            match self.parks.push(wait, port, source, buf) {
                Ok(()) => tell(&mut self.parks, &mut self.punts, wait.key),
                Err(_) => self.counts.drop(DropReason::ParkFull),
            }
            return true;
        }
        self.parks.gone(key);
        let Pipeline { fib, punts, fragments, counts, .. } = self;
        let mut ends = Ends { fib, punts, fragments, counts };
        end(in_vain(fate), port, packet.as_ref(), buf, &mut ends, tx);
        true
    }

    /// As for a burst, for one packet that waited by `key`.
    fn again(
        &self,
        key: ParkKey,
        port: PortId,
        buf: &mut B,
    ) -> Result<(PortId, Count), (Fate, Option<Packet>)> {
        let Pipeline { fib, table, parks, holds, .. } = self;
        let Some(info) = fib.port(port) else {
            return Err((Fate::Drop(DropReason::PortUnknown), None));
        };
        let mut packet = Packet::NONE;
        read(fib, &Entrance::new(info), buf, &mut packet).map_err(|fate| (fate, None))?;
        let look_up = |address| table.lookup(Prefix64::of(address).0);
        let words = match packet.kind {
            Kind::Core | Kind::Local(_) => Words { src: 0, dst: look_up(packet.dst) },
            _ => Words { src: look_up(packet.src), dst: look_up(packet.dst) },
        };
        let ended = |fate| (fate, Some(packet));
        // Its source is good now; for its destination others may wait already.
        let destination = towards(packet.dst);
        let straight = straight(&packet).and_then(|key| parks.holding(key));
        let queue = match key.by {
            By::Station(_) => parks.holding(destination),
            By::Destination => straight,
            // It is older than whatever else waits.
            By::Peer(_) => None,
        };
        let mut router = Router { fib, table, holds, port, info, parking: !parks.given_up(key) };
        let mut way = router.decide(&packet, words);
        if let Err(Fate::Park(wait)) = way
            && wait.key != key
            && parks.given_up(wait.key)
        {
            router.parking = false;
            way = router.decide(&packet, words);
        }
        if let (Ok(_), Some(wait)) = (&way, queue) {
            return Err(ended(Fate::Park(wait)));
        }
        way.and_then(|way| forward(way, &packet, buf)).map_err(ended)
    }
}

/// What a packet that waited is dropped for has one name.
fn in_vain(fate: Fate) -> Fate {
    match fate {
        Fate::Drop(
            DropReason::SourcePending
            | DropReason::StationQuiet
            | DropReason::StationUnknown
            | DropReason::MnAbsent
            | DropReason::AnchorLoop
            | DropReason::TunnelBack,
        ) => Fate::Drop(DropReason::ParkGivenUp),
        fate => fate,
    }
}
