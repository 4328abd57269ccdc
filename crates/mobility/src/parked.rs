// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets that workers hold until an exchange brings what they wait for: which exchange that could be, and when
//! to give up. The answer to a key that did come is its place.

use crate::maar::Maar;
use crate::mn::{Mn, State};
use crate::timers::Timer;
use crate::{Output, ParkKey, PortId};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::Now;

/// How long a key that was given up parks no more.
const PARKS_NO_MORE: Duration = Duration::from_secs(1);

/// What the workers hold, by key.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    /// Reported, and an exchange may bring it. Deadline: [`Timer::Park`].
    waiting: BTreeSet<ParkKey>,
    /// Given up. Deadline: [`Timer::Lift`].
    given_up: BTreeSet<ParkKey>,
}

/// What can be said of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Prospect {
    /// An exchange under way may bring it.
    Coming,
    /// It came; the workers know or are about to.
    Came,
    /// Nothing here brings it.
    Never,
}

impl Maar {
    /// A worker holds packets of `key`. More than one may say so.
    pub(crate) fn on_parked(&mut self, now: Now, key: ParkKey) {
        if self.parked.given_up.contains(&key) {
            // That worker had no room to note it.
            return self.out.push_back(Output::GiveUp(key));
        }
        let prospect = match self.prospect(key) {
            Prospect::Never if self.recover_parked(now, key) => Prospect::Coming,
            prospect => prospect,
        };
        match prospect {
            Prospect::Came => {}
            Prospect::Coming if !self.config.timers.park.is_zero() => {
                if self.parked.waiting.insert(key) {
                    self.timers.arm(Timer::Park(key), now.mono + self.config.timers.park);
                }
            }
            Prospect::Coming | Prospect::Never => self.give_up_parked(now, key),
        }
    }

    /// Nothing waits; but its anchor may know the source, or the station is at another port than it was.
    pub(crate) fn on_source_failed(&mut self, now: Now, port: PortId, mac: Mac, source: Ipv6Addr) {
        let key = ParkKey { station: Some(mac), prefix: Prefix64::of(source) };
        let Some(id) = self.stations.get(&mac).cloned() else { return };
        if self.lists.owner(key.prefix) == Some(&id) {
            self.change_port(now, &id, port);
        } else if !self.parked.given_up.contains(&key) {
            self.recover(now, &id, source);
        }
    }

    fn prospect(&self, key: ParkKey) -> Prospect {
        let owner = self.lists.owner(key.prefix);
        let Some(mac) = key.station else {
            return match owner {
                Some(_) => Prospect::Came,
                None if self.exchange_runs() => Prospect::Coming,
                None => Prospect::Never,
            };
        };
        let mn = self.stations.get(&mac).and_then(|id| self.mns.get(id));
        let recovered = |mn: &Mn| self.recoveries.contains_key(&(mn.id.clone(), key.prefix));
        match mn.map(|mn| (&mn.state, owner == Some(&mn.id))) {
            // Its HoAs are its own again when the AAA agrees.
            Some((State::WaitAaa { .. }, _)) => Prospect::Coming,
            Some((State::WaitSdba(_) | State::Attached | State::Detached, true)) => Prospect::Came,
            Some((State::WaitSdba(_), false)) => Prospect::Coming,
            Some((State::Attached, false)) if mn.is_some_and(recovered) => Prospect::Coming,
            _ => Prospect::Never,
        }
    }

    /// An MN served here uses a HoA that no exchange brings: its anchor is asked.
    fn recover_parked(&mut self, now: Now, key: ParkKey) -> bool {
        let Some(mac) = key.station else { return false };
        let Some(id) = self.stations.get(&mac).cloned() else { return false };
        // The workers say the /64; its owner is named by any address in it (R-08d).
        self.recover(now, &id, key.prefix.with_iid(mac.eui64()))
    }

    pub(crate) fn give_up_parked(&mut self, now: Now, key: ParkKey) {
        if self.parked.waiting.remove(&key) {
            self.timers.disarm(&Timer::Park(key));
        }
        self.parked.given_up.insert(key);
        self.timers.arm(Timer::Lift(key), now.mono + PARKS_NO_MORE);
        self.count("parked_given_up");
        self.out.push_back(Output::GiveUp(key));
    }

    /// The exchange took longer than packets wait.
    pub(crate) fn on_park_deadline(&mut self, now: Now, key: ParkKey) {
        if self.parked.waiting.contains(&key) {
            match self.prospect(key) {
                Prospect::Came => drop(self.parked.waiting.remove(&key)),
                Prospect::Coming | Prospect::Never => {
                    // The previous MAAR is slow, or dead; the anchor may be neither.
                    self.recover_parked(now, key);
                    self.give_up_parked(now, key);
                }
            }
        }
    }

    /// The key may park again.
    pub(crate) fn lift_parked(&mut self, key: ParkKey) {
        if self.parked.given_up.remove(&key) {
            self.timers.disarm(&Timer::Lift(key));
            self.out.push_back(Output::Lift(key));
        }
    }

    /// A new exchange may bring what an earlier one did not.
    pub(crate) fn lift_station(&mut self, mac: Mac) {
        let of_station = self.parked.given_up.range(all_of(mac)).copied().collect::<Vec<_>>();
        of_station.into_iter().for_each(|key| self.lift_parked(key));
    }

    /// The exchange of the station `mac`, known as `id`, is over: what it was to bring came, or will not.
    pub(crate) fn end_parked(&mut self, now: Now, mac: Mac, id: &Nai) {
        let came = self.mns.get(id).map(Mn::prefixes).unwrap_or_default();
        let of_station = self.parked.waiting.range(all_of(mac)).copied();
        let of_nobody = ParkKey { station: None, prefix: Prefix64(0) }..=ParkKey {
            station: None,
            prefix: Prefix64(u64::MAX),
        };
        // Other exchanges may bring the rest.
        let others = self.exchange_runs();
        let unplaced = self.parked.waiting.range(of_nobody).copied();
        let unplaced = unplaced.filter(|key| !others || came.contains(&key.prefix));
        let keys: Vec<ParkKey> = of_station.chain(unplaced).collect();
        for key in keys {
            match self.prospect(key) {
                Prospect::Coming => {}
                Prospect::Came => {
                    self.parked.waiting.remove(&key);
                    self.timers.disarm(&Timer::Park(key));
                }
                // The AAA named nobody who knows the source; its anchor may.
                Prospect::Never if self.recover_parked(now, key) => {}
                Prospect::Never => self.give_up_parked(now, key),
            }
        }
    }
}

fn all_of(mac: Mac) -> std::ops::RangeInclusive<ParkKey> {
    let station = Some(mac);
    ParkKey { station, prefix: Prefix64(0) }..=ParkKey { station, prefix: Prefix64(u64::MAX) }
}
