// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Probes between users. [`Net::path`] asks where a packet would go this instant; [`Net::probe`] sends one that takes
//! the links' time, is sampled like the workers do and shows its sender to a MAAR that forgot it.
//!
//! A path is written as the MAARs it crosses, `=>` a tunnel, `->` native: `a3=>b2`; what is lost says why.

use super::forward::{Packet, Tables, Verdict, Via};
use super::world::{MAARS, User, anchor, name};
use super::{Arrival, Net, secs};
use mobility::{Input, ParkKey, Place};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::time::Instant;

/// A pair is reported at most this often by one worker.
const SAMPLE_AGAIN: Duration = secs(30);
/// More MAARs than any way needs.
const LONGEST: usize = 8;

/// One packet and what became of it.
#[derive(Clone, Debug)]
pub struct Probe {
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    pub sent: Instant,
    /// Once for each copy that reached the user it was for.
    pub arrived: Vec<Instant>,
    /// As of a path; without a reason while it is under way.
    pub path: String,
}

/// A probe between two MAARs.
pub struct Flying {
    probe: usize,
    at: Ipv6Addr,
    via: Via,
    packet: Packet,
}

/// The user in whose lease an address lies.
fn owner(addr: Ipv6Addr) -> Option<User> {
    let user = User(addr.segments()[3]);
    let leased = |maar: &Ipv6Addr| Prefix64::of(user.hoa(*maar)) == Prefix64::of(addr);
    MAARS.iter().any(leased).then_some(user)
}

impl Net {
    /// The way of a packet from the user with address `src`, were it sent now.
    pub fn path(&self, src: Ipv6Addr, dst: Ipv6Addr) -> String {
        let user = owner(src).expect("a user's address");
        match self.whereabouts(user) {
            Some(maar) => self.path_from(maar, Via::Access(user.mac()), src, dst),
            None => "its sender is nowhere".into(),
        }
    }

    /// The way of a packet that comes to `at` by `via`.
    pub fn path_from(&self, at: Ipv6Addr, via: Via, src: Ipv6Addr, dst: Ipv6Addr) -> String {
        let (mut at, mut via) = (at, via);
        let mut packet = Packet { src, dst, to_anchor: false };
        let mut path = name(at);
        for _ in 0..LONGEST {
            match self.tables(at).forward(via, &mut packet) {
                Verdict::Tunnel(to) => {
                    path += &format!("=>{}", name(to));
                    (at, via) = (to, Via::Tunnel(at));
                }
                Verdict::Native(to) => {
                    path += &format!("->{}", name(to));
                    (at, via) = (to, Via::Core);
                }
                verdict => return path + &self.end(at, verdict, packet),
            }
        }
        path + " loops"
    }

    /// How a path ends; nothing when its packet is delivered to the one it was for.
    fn end(&self, at: Ipv6Addr, verdict: Verdict, packet: Packet) -> String {
        match verdict {
            Verdict::Drop(why) => format!(" lost: {why}"),
            Verdict::Internet => "->".into(),
            Verdict::Deliver(mac) => match owner(packet.dst) {
                Some(user) if user.mac() != mac => format!(" lost: given to {mac}"),
                Some(user) if self.whereabouts(user) == Some(at) => String::new(),
                _ => " lost: has left".into(),
            },
            Verdict::Tunnel(_) | Verdict::Native(_) => unreachable!("goes on"),
        }
    }

    fn tables(&self, at: Ipv6Addr) -> Tables<'_> {
        Tables { own: at, places: &self.routers[&at].places }
    }

    /// Sends one packet.
    pub fn probe(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        let user = owner(src).expect("a user's address");
        let Some(at) = self.whereabouts(user) else { return };
        if !self.routers[&at].stations.contains_key(&user.mac()) {
            self.frame(user, at, src);
        }
        let probe = self.probes.len();
        let path = name(at);
        self.probes.push(Probe { src, dst, sent: self.now, arrived: Vec::new(), path });
        let packet = Packet { src, dst, to_anchor: false };
        self.fly_on(Flying { probe, at, via: Via::Access(user.mac()), packet });
    }

    /// A packet each way, one after the other.
    pub fn talk(&mut self, one: Ipv6Addr, other: Ipv6Addr) {
        self.probe(one, other);
        self.probe(other, one);
    }

    /// A packet each way every `interval`, for as long as `span`.
    pub fn keep_talking(
        &mut self,
        one: Ipv6Addr,
        other: Ipv6Addr,
        interval: Duration,
        span: Duration,
    ) {
        let end = self.now + span;
        while self.now + interval <= end {
            self.talk(one, other);
            self.run(interval);
        }
        self.run(end - self.now);
    }

    pub(super) fn fly_on(&mut self, mut flying: Flying) {
        let (at, packet) = (flying.at, flying.packet);
        let verdict = self.tables(at).forward(flying.via, &mut flying.packet);
        let (to, arrow, via) = match verdict {
            Verdict::Tunnel(to) => (to, "=>", Via::Tunnel(at)),
            Verdict::Native(to) => (to, "->", Via::Core),
            last => {
                let end = self.end(at, last, packet);
                if let (Via::Access(mac), Verdict::Drop(_)) = (flying.via, last) {
                    self.park(at, ParkKey { station: Some(mac), prefix: Prefix64::of(packet.src) });
                }
                let probe = &mut self.probes[flying.probe];
                if end.is_empty() {
                    probe.arrived.push(self.now);
                }
                probe.path += &end;
                return self.sample(at, packet);
            }
        };
        self.probes[flying.probe].path += &format!("{arrow}{}", name(to));
        let arrival = self.now + self.link(at, to);
        self.fly(arrival, Arrival::Packet(Flying { at: to, via, ..flying }));
        self.sample(at, packet);
    }

    /// A source that is not the station's: a worker would hold the packet and say so. Here it is lost.
    fn park(&mut self, at: Ipv6Addr, key: ParkKey) {
        let router = &self.routers[&at];
        let place = router.places.get(&key.prefix);
        let others = matches!(place, Some(Place::Here { .. }));
        if !others && !router.not_parking.contains(&key) {
            self.handle(at, Input::Parked(key));
        }
    }

    /// the pair of a HoA attached here and a managed address, unless it was reported lately.
    fn sample(&mut self, at: Ipv6Addr, packet: Packet) {
        for (hoa, cn) in [(packet.src, packet.dst), (packet.dst, packet.src)] {
            let now = self.now;
            let router = self.routers.get_mut(&at).expect("one of the six");
            let place = router.places.get(&Prefix64::of(hoa));
            let lately =
                router.sampled.get(&(hoa, cn)).is_some_and(|&then| now - then < SAMPLE_AGAIN);
            if matches!(place, Some(Place::Here { .. })) && anchor(cn).is_some() && !lately {
                router.sampled.insert((hoa, cn), now);
                self.handle(at, Input::Session { hoa, cn });
            }
        }
    }
}
