// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one translator between the protocol's lists and the workers' table: a place becomes a verdict, a MAAR a peer
//! number, and the change goes to the worker that owns the key's shard.

use crate::effects::Effects;
use crate::{Config, Output, fib};
use dataplane::fib::Fib;
use dataplane::table::Table;
use dataplane::update::Update;
use dataplane::verdict::{PeerId, Station, Verdict, station_key};
use dataplane::{PortId, WorkerId};
use mobility::{Place, StationState};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::{Mac, Prefix64};

/// What the workers have been told.
#[derive(Debug)]
pub(crate) struct Install {
    table: Table,
    workers: WorkerId,
    peers: BTreeMap<Ipv6Addr, PeerId>,
    places: BTreeMap<Prefix64, Place>,
    stations: BTreeMap<Mac, StationState>,
}

impl Install {
    pub(crate) fn new(config: &Config, table: Table) -> Install {
        let peers = config
            .mobility
            .peers
            .iter()
            .filter_map(|peer| Some((peer.address, fib::peer_id(config, peer.address)?)));
        Install {
            table,
            workers: WorkerId::try_from(config.workers).unwrap_or(WorkerId::MAX),
            peers: peers.collect(),
            places: BTreeMap::new(),
            stations: BTreeMap::new(),
        }
    }

    /// A change of the lists; one that changes nothing for the workers sends nothing.
    pub(crate) fn place(&mut self, prefix: Prefix64, place: Place, fx: &mut Effects) {
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
            Place::Behind { maar, anchored } => match self.peers.get(&maar) {
                Some(&peer) => Some(Verdict::Tunnel { peer, anchored }),
                None => {
                    fx.count("install_unknown_peer");
                    anchored.then_some(Verdict::Absent)
                }
            },
            Place::Absent => Some(Verdict::Absent),
            Place::Unknown => None,
        };
        self.write(prefix.0, verdict, fx);
    }

    /// What the workers may think of a station. True when that is news.
    pub(crate) fn station(
        &mut self,
        mac: Mac,
        state: Option<StationState>,
        fx: &mut Effects,
    ) -> bool {
        let before = match state {
            Some(state) => self.stations.insert(mac, state),
            None => self.stations.remove(&mac),
        };
        if before == state {
            return false;
        }
        let verdict = state.map(|state| {
            Verdict::Station(match state {
                StationState::Exchange => Station::Exchange,
                StationState::Attached => Station::Attached,
                StationState::Quiet => Station::Quiet,
            })
        });
        self.write(station_key(mac), verdict, fx);
        true
    }

    /// The newest snapshot, for every worker.
    pub(crate) fn fib(&self, fib: &Arc<Fib>, fx: &mut Effects) {
        self.broadcast(|| Update::Fib(Arc::clone(fib)), fx);
    }

    /// what was sampled half a minute ago may be reported again.
    pub(crate) fn forget_samples(&self, fx: &mut Effects) {
        self.broadcast(|| Update::ForgetSamples, fx);
    }

    fn broadcast(&self, update: impl Fn() -> Update, fx: &mut Effects) {
        for worker in 0..self.workers {
            fx.push(Output::Update { worker, update: update() });
        }
    }

    fn write(&self, key: u64, verdict: Option<Verdict>, fx: &mut Effects) {
        let update = match verdict {
            Some(verdict) => Update::Bind { key, verdict },
            None => Update::Unbind { key },
        };
        // One shard a worker (dataplane::worker::workers), so a shard's number is its owner's.
        let worker = self.table.shard_of(key) as WorkerId;
        fx.push(Output::Update { worker, update });
    }

    /// An exchange of this station is running: no ICMPv6 error about its sources (R-33, FC-32).
    pub(crate) fn in_exchange(&self, mac: Mac) -> bool {
        self.stations.get(&mac) == Some(&StationState::Exchange)
    }

    /// The access port that packets to `dst` leave by, if its node is here.
    pub(crate) fn port_of(&self, dst: Ipv6Addr) -> Option<PortId> {
        match self.places.get(&Prefix64::of(dst)) {
            Some(&Place::Here { port, .. }) => Some(port),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xb2);
    const KEY: Prefix64 = Prefix64(0x2001_0db8_00a1_000a);

    fn install() -> Install {
        Install {
            table: Table::new(64, 4, 4).table,
            workers: 4,
            peers: BTreeMap::from([(PEER, 5)]),
            places: BTreeMap::new(),
            stations: BTreeMap::new(),
        }
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
        let behind = Place::Behind { maar: PEER, anchored: true };
        let cases = [
            (here, Some(deliver)),
            (behind, Some(Verdict::Tunnel { peer: 5, anchored: true })),
            (Place::Absent, Some(Verdict::Absent)),
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
        install.place(KEY, Place::Behind { maar, anchored: false }, &mut fx);
        assert!(matches!(update(&mut fx, &install), Some(Update::Unbind { .. })));
        install.place(KEY, Place::Behind { maar, anchored: true }, &mut fx);
        let absent = Some(Verdict::Absent);
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
