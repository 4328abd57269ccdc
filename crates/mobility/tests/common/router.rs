// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One MAAR and what its neighbours in the house would know of it: the workers' places and stations, the counters.

use super::log::{Node, SERVER, What, station};
use super::world::{lease_name, name};
use mobility::show::{BindingRow, MnRow};
use mobility::{Config, Event, Input, Maar, Output, ParkKey, Place, StationState};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Prefix64};
use wire::time::{Instant, Now};

pub struct Router {
    pub own: Ipv6Addr,
    pub maar: Maar,
    pub places: BTreeMap<Prefix64, Place>,
    /// Every place ever given out, in order.
    pub told: Vec<(Prefix64, Place)>,
    pub stations: BTreeMap<Mac, StationState>,
    pub counts: BTreeMap<&'static str, u32>,
    pub events: Vec<(Instant, Event)>,
    /// Keys of parked packets that were given up, and lifted again.
    pub given_up: Vec<(Instant, ParkKey)>,
    pub lifted: Vec<(Instant, ParkKey)>,
    /// Holds and end markers.
    pub order: Vec<(Instant, Output)>,
    /// Those that park no more just now.
    pub not_parking: BTreeSet<ParkKey>,
    /// When each pair was last sampled.
    pub sampled: BTreeMap<(Ipv6Addr, Ipv6Addr), Instant>,
    config: Config,
    now: Now,
}

impl Router {
    pub fn new(config: Config) -> Router {
        Router {
            own: config.address,
            maar: Maar::new(config.clone()),
            config,
            places: BTreeMap::new(),
            told: Vec::new(),
            stations: BTreeMap::new(),
            counts: BTreeMap::new(),
            events: Vec::new(),
            given_up: Vec::new(),
            lifted: Vec::new(),
            order: Vec::new(),
            not_parking: BTreeSet::new(),
            sampled: BTreeMap::new(),
            now: Now { mono: Instant(0), wall: super::NEW_YEAR },
        }
    }

    /// The process ended, and another began that knows nothing.
    pub fn restart(&mut self) {
        let mut config = self.config.clone();
        config.boot += 1;
        *self = Router::new(config);
    }

    /// Takes one input; what is to be sent is not looked at.
    pub fn handle_quietly(&mut self, now: Now, input: Input<'_>) {
        self.maar.handle(now, input);
        while let Some(output) = self.maar.poll_output() {
            if let Output::Event(event) = output {
                self.note(event);
            }
        }
    }

    /// Takes one input; what is to be sent comes back in the MAAR's order.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Vec<(Node, What)> {
        self.now = now;
        self.maar.handle(now, input);
        let mut sent = Vec::new();
        while let Some(output) = self.maar.poll_output() {
            match output {
                Output::AaaRequest(request) => sent.push((SERVER, What::Request(request))),
                Output::AaaStop { mn_id, attachment } => {
                    sent.push((SERVER, What::Stop { mn_id, attachment }));
                }
                Output::Advertise { mac, ra, .. } => sent.push((station(mac), What::Ra(ra))),
                Output::Mh { dst, octets } => sent.push((Node::Router(dst), What::Mh(octets))),
                Output::Place { prefix, place } => self.tell(prefix, place),
                Output::Station { mac, state: Some(state) } => {
                    self.stations.insert(mac, state);
                }
                Output::Station { mac, state: None } => {
                    self.stations.remove(&mac);
                }
                Output::GiveUp(key) => {
                    self.given_up.push((now.mono, key));
                    self.not_parking.insert(key);
                }
                Output::Lift(key) => {
                    self.lifted.push((now.mono, key));
                    self.not_parking.remove(&key);
                }
                Output::Persist(_) => {}
                Output::Hold { .. } | Output::EndHold { .. } | Output::EndMarker { .. } => {
                    self.order.push((now.mono, output));
                }
                Output::Event(event) => self.note(event),
            }
        }
        sent
    }

    fn tell(&mut self, prefix: Prefix64, place: Place) {
        self.told.push((prefix, place));
        if place == Place::Unknown {
            self.places.remove(&prefix);
        } else {
            self.places.insert(prefix, place);
        }
    }

    fn note(&mut self, event: Event) {
        if let Event::Count(counter) = event {
            *self.counts.entry(counter).or_default() += 1;
        }
        self.events.push((self.now.mono, event));
    }

    /// How often a counter was raised.
    pub fn count(&self, counter: &str) -> u32 {
        self.counts.get(counter).copied().unwrap_or(0)
    }

    /// Both lists as they are shown: `A_HoA1 -> A_HoA3` (external, Tentative ones so marked) and `B_HoA1 -> b2`
    /// (internal).
    pub fn lists(&self, now: Now) -> Vec<String> {
        let row = |row| match row {
            BindingRow::External { hoa, coa, state, .. } => {
                let tentative = if state == "Tentative" { " tentative" } else { "" };
                format!("{} -> {}{tentative}", name(hoa), name(coa))
            }
            BindingRow::Internal { hoa, maar, .. } => format!("{} -> {}", name(hoa), name(maar)),
        };
        let mut lines: Vec<_> = self.maar.bindings(now).into_iter().map(row).collect();
        lines.sort();
        lines
    }

    /// Where packets for a HoA's /64 go: `here`, a MAAR's name, `nobody`, `unknown`.
    pub fn place(&self, hoa: Ipv6Addr) -> String {
        match self.places.get(&Prefix64::of(hoa)) {
            Some(Place::Here { .. }) => "here".into(),
            Some(Place::Behind { maar, .. }) => name(*maar),
            Some(Place::Left { .. } | Place::Absent { .. }) => "nobody".into(),
            Some(Place::Unknown) | None => "unknown".into(),
        }
    }

    /// The record of a user.
    pub fn mn(&self, user: super::world::User) -> Option<MnRow> {
        self.maar.mns().into_iter().find(|row| row.mn_id == user.nai())
    }

    /// The state of a user's record; `None` (the state) if there is none.
    pub fn state(&self, user: super::world::User) -> &'static str {
        self.mn(user).map_or("None", |row| row.state)
    }

    /// All places, for comparison: `A_HoA1: Behind ...`.
    pub fn places_text(&self) -> Vec<String> {
        let line =
            |(prefix, place): (&Prefix64, &Place)| format!("{}: {place:?}", lease_name(*prefix));
        self.places.iter().map(line).collect()
    }
}
