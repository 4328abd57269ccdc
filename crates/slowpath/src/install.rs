// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one translator between the protocol's lists and the workers' table: a place becomes a verdict, a MAAR a peer
//! number, and the change goes to the worker that owns the key's shard.

use crate::acks::Acks;
use crate::effects::Effects;
use crate::{Config, Output, fib};
use dataplane::fib::Fib;
use dataplane::park::{self, By};
use dataplane::table::Table;
use dataplane::update::Update;
use dataplane::verdict::{PeerId, Station, Verdict, station_key};
use dataplane::{PortId, WorkerId};
use mobility::{ParkKey, Place, StationState};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::{Mac, Prefix64};

/// What the workers have been told, and what waits to be told.
#[derive(Debug)]
pub(crate) struct Install {
    table: Table,
    acks: Acks,
    peers: BTreeMap<Ipv6Addr, PeerId>,
    places: BTreeMap<Prefix64, Place>,
    stations: BTreeMap<Mac, StationState>,
    /// HoAs that are here as soon as the workers know where their correspondents are.
    arriving: BTreeMap<Prefix64, Arriving>,
    /// Stations whose exchange is over as soon as the workers know their HoAs.
    settling: BTreeMap<Mac, Settling>,
    /// Holds that end when the workers have finished a turn, and the ticket of its begin.
    turning: VecDeque<(u64, Prefix64, PeerId)>,
    /// Tickets of the last internal entry or hold and of the last HoA told.
    last_behind: u64,
    last_here: u64,
}

#[derive(Debug)]
struct Arriving {
    place: Place,
    mac: Mac,
    /// Told when this ticket is acknowledged.
    after: u64,
}

#[derive(Debug, Default)]
struct Settling {
    /// Told when this ticket is acknowledged; `None`: a HoA of it is still arriving.
    after: Option<u64>,
    /// Keys of it that were given up: their packets are judged by what the station is then.
    give_up: Vec<ParkKey>,
}

impl Install {
    pub(crate) fn new(config: &Config, table: Table) -> Install {
        let peers = config
            .mobility
            .peers
            .iter()
            .filter_map(|peer| Some((peer.address, fib::peer_id(config, peer.address)?)));
        Install::with(table, config.workers, peers.collect())
    }

    fn with(table: Table, workers: usize, peers: BTreeMap<Ipv6Addr, PeerId>) -> Install {
        Install {
            table,
            acks: Acks::new(workers),
            peers,
            places: BTreeMap::new(),
            stations: BTreeMap::new(),
            arriving: BTreeMap::new(),
            settling: BTreeMap::new(),
            turning: VecDeque::new(),
            last_behind: 0,
            last_here: 0,
        }
    }

    /// A change of the lists; one that changes nothing for the workers sends nothing. A HoA is told as here when the
    /// workers have acknowledged the internal entries told before it: the first packets that are let go then
    /// take the direct way, and none that follows overtakes them.
    pub(crate) fn place(&mut self, prefix: Prefix64, place: Place, fx: &mut Effects) {
        self.arriving.remove(&prefix);
        match place {
            Place::Here { mac, .. }
                if self.places.get(&prefix) != Some(&place)
                    && !self.acks.reached(self.last_behind) =>
            {
                let after = self.last_behind;
                self.arriving.insert(prefix, Arriving { place, mac, after });
            }
            _ => self.tell_place(prefix, place, fx),
        }
    }

    fn tell_place(&mut self, prefix: Prefix64, place: Place, fx: &mut Effects) {
        let before = match place {
            Place::Unknown => self.places.remove(&prefix),
            _ => self.places.insert(prefix, place),
        };
        if before.unwrap_or(Place::Unknown) == place {
            return;
        }
        let verdict = match place {
            Place::Here { port, mac, anchored, settled } => {
                Some(Verdict::Deliver { mac, port, anchored, settled })
            }
            Place::Behind { maar, anchored, former } => match self.peers.get(&maar) {
                Some(&peer) => Some(Verdict::Tunnel { peer, anchored, former }),
                None => {
                    fx.count("install_unknown_peer");
                    anchored.then_some(Verdict::Absent { park: false })
                }
            },
            Place::Left { port, mac, anchored } => Some(Verdict::Left { port, mac, anchored }),
            Place::Absent { park } => Some(Verdict::Absent { park }),
            Place::Unknown => None,
        };
        let ticket = self.write(prefix.0, verdict, fx);
        match place {
            Place::Behind { .. } => self.last_behind = ticket,
            Place::Here { .. } => self.last_here = ticket,
            Place::Left { .. } | Place::Absent { .. } | Place::Unknown => {}
        }
    }

    /// What the workers may think of a station. True when that is news. The end of its exchange is told when they have
    /// acknowledged its HoAs: in between, its packets would be another's.
    pub(crate) fn station(
        &mut self,
        mac: Mac,
        state: Option<StationState>,
        fx: &mut Effects,
    ) -> bool {
        let waiting = self.settling.contains_key(&mac).then_some(StationState::Attached);
        let before = waiting.or(self.stations.get(&mac).copied());
        if before == state {
            return false;
        }
        let settled = self.settling.remove(&mac);
        if state == Some(StationState::Attached) {
            self.settling.insert(mac, Settling::default());
            self.settle(fx);
        } else {
            self.tell_station(mac, state, fx);
            settled.iter().flat_map(|settling| &settling.give_up).for_each(|key| {
                self.tell_give_up(*key, fx);
            });
        }
        true
    }

    fn tell_station(&mut self, mac: Mac, state: Option<StationState>, fx: &mut Effects) {
        let before = match state {
            Some(state) => self.stations.insert(mac, state),
            None => self.stations.remove(&mac),
        };
        if before == state {
            return;
        }
        let verdict = state.map(|state| {
            Verdict::Station(match state {
                StationState::Exchange => Station::Exchange,
                StationState::Attached => Station::Attached,
                StationState::Quiet => Station::Quiet,
            })
        });
        self.write(station_key(mac), verdict, fx);
    }

    /// Nothing brings `key`: every worker decides what it holds of it.
    pub(crate) fn give_up(&mut self, key: ParkKey, fx: &mut Effects) {
        match key.station.and_then(|mac| self.settling.get_mut(&mac)) {
            Some(settling) => settling.give_up.push(key),
            None => self.tell_give_up(key, fx),
        }
    }

    fn tell_give_up(&mut self, key: ParkKey, fx: &mut Effects) {
        self.broadcast(|| Update::GiveUp(of_workers(key)), fx);
    }

    /// The key may park again.
    pub(crate) fn lift(&mut self, key: ParkKey, fx: &mut Effects) {
        if let Some(settling) = key.station.and_then(|mac| self.settling.get_mut(&mac)) {
            settling.give_up.retain(|other| *other != key);
        }
        self.broadcast(|| Update::Lift(of_workers(key)), fx);
    }

    /// What `maar` sends straight for `prefix` waits, at every worker before the HoA comes.
    pub(crate) fn hold(&mut self, prefix: Prefix64, maar: Ipv6Addr, fx: &mut Effects) {
        let Some(&peer) = self.peers.get(&maar) else { return };
        self.last_behind = self.told_all(|| Update::Hold { prefix: prefix.0, peer }, fx);
    }

    /// It waits no more; `after_turn`: as soon as every worker has looked once more at what its queues held.
    pub(crate) fn end_hold(
        &mut self,
        prefix: Prefix64,
        maar: Ipv6Addr,
        after_turn: bool,
        fx: &mut Effects,
    ) {
        let Some(&peer) = self.peers.get(&maar) else { return };
        if after_turn {
            let begun = self.told_all(|| Update::Turn, fx);
            self.turning.push_back((begun, prefix, peer));
        } else {
            self.broadcast(|| Update::EndHold { prefix: prefix.0, peer }, fx);
        }
    }

    /// Whether what was told up to `ticket` is in force.
    pub(crate) fn reached(&self, ticket: u64) -> bool {
        self.acks.reached(ticket)
    }

    /// The ticket of the last internal entry told.
    pub(crate) fn last_path(&self) -> u64 {
        self.last_behind
    }

    /// The ticket of everything told so far.
    pub(crate) fn all_told(&self) -> u64 {
        self.acks.last()
    }

    /// A worker has applied so many updates.
    pub(crate) fn applied(&mut self, worker: WorkerId, updates: u64, fx: &mut Effects) {
        if self.acks.applied(worker, updates) {
            self.settle(fx);
        }
    }

    /// Whether [`Install::applied`] is wanted.
    pub(crate) fn waits(&self) -> bool {
        self.acks.waits()
    }

    /// Tells what had to wait for what is in force now: HoAs first, then their stations.
    fn settle(&mut self, fx: &mut Effects) {
        while let Some((_, prefix, peer)) =
            self.turning.pop_front_if(|(begun, ..)| self.acks.reached(*begun))
        {
            self.broadcast(|| Update::EndHold { prefix: prefix.0, peer }, fx);
        }
        if self.arriving.is_empty() && self.settling.is_empty() {
            return;
        }
        let acks = &self.acks;
        let arrived: Vec<_> =
            self.arriving.extract_if(.., |_, arriving| acks.reached(arriving.after)).collect();
        for (prefix, Arriving { place, .. }) in arrived {
            self.tell_place(prefix, place, fx);
        }
        let arriving: Vec<Mac> = self.arriving.values().map(|arriving| arriving.mac).collect();
        for (mac, settling) in &mut self.settling {
            if settling.after.is_none() && !arriving.contains(mac) {
                settling.after = Some(self.last_here);
            }
        }
        let acks = &self.acks;
        let settled: Vec<_> = self
            .settling
            .extract_if(.., |_, settling| settling.after.is_some_and(|after| acks.reached(after)))
            .collect();
        for (mac, Settling { give_up, .. }) in settled {
            self.tell_station(mac, Some(StationState::Attached), fx);
            give_up.into_iter().for_each(|key| self.tell_give_up(key, fx));
        }
    }

    /// The newest snapshot, for every worker.
    pub(crate) fn fib(&mut self, fib: &Arc<Fib>, fx: &mut Effects) {
        self.broadcast(|| Update::Fib(Arc::clone(fib)), fx);
    }

    /// what was sampled half a minute ago may be reported again.
    pub(crate) fn forget_samples(&mut self, fx: &mut Effects) {
        self.broadcast(|| Update::ForgetSamples, fx);
    }

    fn broadcast(&mut self, update: impl Fn() -> Update, fx: &mut Effects) {
        for worker in 0..self.acks.workers() {
            self.acks.sent(worker);
            fx.push(Output::Update { worker, update: update() });
        }
    }

    /// As [`Install::broadcast`]; the ticket by which it is known when all of them have it.
    fn told_all(&mut self, update: impl Fn() -> Update, fx: &mut Effects) -> u64 {
        (0..self.acks.workers()).fold(0, |_, worker| {
            fx.push(Output::Update { worker, update: update() });
            self.acks.ticket(worker)
        })
    }

    /// Sends a change; the ticket by which it is known when it is in force.
    fn write(&mut self, key: u64, verdict: Option<Verdict>, fx: &mut Effects) -> u64 {
        let update = match verdict {
            Some(verdict) => Update::Bind { key, verdict },
            None => Update::Unbind { key },
        };
        // One shard a worker (dataplane::worker::workers), so a shard's number is its owner's.
        let worker = self.table.shard_of(key) as WorkerId;
        fx.push(Output::Update { worker, update });
        self.acks.ticket(worker)
    }

    /// An exchange of this station is running: no ICMPv6 error about its sources (R-33, FC-32).
    pub(crate) fn in_exchange(&self, mac: Mac) -> bool {
        self.stations.get(&mac) == Some(&StationState::Exchange)
    }

    /// Where packets to `dst` go by the lists.
    pub(crate) fn place_of(&self, dst: Ipv6Addr) -> Option<&Place> {
        self.places.get(&Prefix64::of(dst))
    }

    /// The workers' number of a peer.
    pub(crate) fn peer(&self, maar: Ipv6Addr) -> Option<PeerId> {
        self.peers.get(&maar).copied()
    }

    /// The access port that packets to `dst` leave by, if its node is here.
    pub(crate) fn port_of(&self, dst: Ipv6Addr) -> Option<PortId> {
        match self.place_of(dst) {
            Some(&Place::Here { port, .. }) => Some(port),
            _ => None,
        }
    }
}

fn of_workers(key: ParkKey) -> park::ParkKey {
    let by = key.station.map_or(By::Destination, By::Station);
    park::ParkKey { prefix: key.prefix.0, by }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xb2);
    const KEY: Prefix64 = Prefix64(0x2001_0db8_00a1_000a);

    fn install() -> Install {
        Install::with(Table::new(64, 4, 4).table, 4, BTreeMap::from([(PEER, 5)]))
    }

    /// The one update that came out, if any.
    fn update(fx: &mut Effects, of: &Install) -> Option<Update> {
        let output = fx.pop()?;
        let Output::Update { worker, update } = output else { panic!("{output:?}") };
        if let Update::Bind { key, .. } | Update::Unbind { key } = update {
            assert_eq!(usize::from(worker), of.table.shard_of(key));
        }
        assert!(fx.pop().is_none(), "one change, one update");
        Some(update)
    }

    #[test]
    fn each_place_has_its_verdict_and_is_told_once() {
        let mac = Mac([2, 0, 0, 0, 0, 0xa]);
        let here = Place::Here { port: 3, mac, anchored: false, settled: true };
        let deliver = Verdict::Deliver { mac, port: 3, anchored: false, settled: true };
        let behind = Place::Behind { maar: PEER, anchored: true, former: true };
        let cases = [
            (here, Some(deliver)),
            (behind, Some(Verdict::Tunnel { peer: 5, anchored: true, former: true })),
            (
                Place::Left { port: 3, mac, anchored: true },
                Some(Verdict::Left { port: 3, mac, anchored: true }),
            ),
            (Place::Absent { park: true }, Some(Verdict::Absent { park: true })),
            (Place::Unknown, None),
        ];
        let (mut install, mut fx) = (install(), Effects::new());
        for (place, verdict) in cases {
            install.place(KEY, place, &mut fx);
            match (update(&mut fx, &install), verdict) {
                (Some(Update::Bind { key, verdict }), Some(wanted)) => {
                    assert_eq!((key, verdict), (KEY.0, wanted));
                }
                (Some(Update::Unbind { key }), None) => assert_eq!(key, KEY.0),
                other => panic!("{other:?}"),
            }
            install.place(KEY, place, &mut fx);
            assert!(update(&mut fx, &install).is_none(), "{place:?} is no news");
        }
        assert!(install.places.is_empty(), "what is unknown is forgotten");
    }

    #[test]
    fn a_maar_that_is_no_peer_is_never_tunnelled_to() {
        let (mut install, mut fx) = (install(), Effects::new());
        let maar = Ipv6Addr::LOCALHOST;
        install.place(KEY, Place::Behind { maar, anchored: false, former: false }, &mut fx);
        assert!(matches!(update(&mut fx, &install), Some(Update::Unbind { .. })));
        install.place(KEY, Place::Behind { maar, anchored: true, former: false }, &mut fx);
        let absent = Some(Verdict::Absent { park: false });
        assert!(
            matches!(update(&mut fx, &install), Some(Update::Bind { verdict, .. }) if Some(verdict) == absent)
        );
    }

    #[test]
    fn a_station_is_told_once_under_a_key_no_packet_has() {
        let (mut install, mut fx) = (install(), Effects::new());
        let mac = Mac([2, 0, 0, 0, 0, 0xa]);
        assert!(install.station(mac, Some(StationState::Exchange), &mut fx));
        assert!(install.in_exchange(mac));
        let Some(Update::Bind { key, verdict }) = update(&mut fx, &install) else { panic!() };
        assert_eq!((key, verdict), (station_key(mac), Verdict::Station(Station::Exchange)));
        assert!(!install.station(mac, Some(StationState::Exchange), &mut fx));
        assert!(update(&mut fx, &install).is_none());
        assert!(install.station(mac, None, &mut fx));
        assert!(matches!(update(&mut fx, &install), Some(Update::Unbind { .. })));
    }
}
