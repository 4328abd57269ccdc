// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets that wait for an exchange to end (R-41), for their mobile node to come back (R-28) or for older ones (R-42):
//! each worker keeps its own, in one list per key, in slots that were taken at the start. No copy, no allocation, no
//! clock.
//!
//! A list goes through these states; [`crate::pipeline`] runs the first packet of a list again before each burst:
//!
//! ```text
//!   push of a first packet -> held, told once to the slow path -> its packet no longer parks: the rest follow in order
//!                                                              -> given up: all of it is decided without parking
//!   given up and empty: the key parks no more, until it is lifted
//! ```

use crate::PortId;
use crate::verdict::PeerId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::net::Ipv6Addr;
use wire::addr::Mac;

/// Packets of one key at most (R-41).
const PER_KEY: u32 = 2048;
/// Keys of tunnelled packets to unknown destinations that hold packets, at most (R-41 b).
const UNPLACED_KEYS: usize = 64;
/// Source prefixes of one station at most: as many HoAs as an MN may have (R-44).
const STATION_KEYS: usize = 16;
/// Keys in all, those given up included; of stations at most half of them.
const KEYS: usize = 512;
/// No slot.
const NONE: u32 = u32::MAX;

/// What packets wait for each other by: the /64 of an address, and who sent them where that matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ParkKey {
    /// The upper half of an address.
    pub prefix: u64,
    /// Of which address, and from whom.
    pub by: By,
}

/// The rest of a [`ParkKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum By {
    /// The destination's, whoever sent it.
    Destination,
    /// The source's, as this station claims it: nobody's claim holds up the owner's packets.
    Station(Mac),
    /// The destination's, straight from this peer (R-42).
    Peer(PeerId),
}

/// Why a packet is parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// R-41 (a): its source is not yet the station's, whose exchange is running or to be begun (R-25).
    Pending,
    /// The same of a station without record, on a port where frames attach (R-21): this packet is the frame.
    Stranger,
    /// R-41 (b): a peer's tunnel brought it, and nobody here knows its destination.
    Unplaced,
    /// R-28: its MN is Detached. The slow path need not be told: its verdict said so.
    Absent,
    /// R-42: older packets of its sender are still under way by another path.
    Held,
}

/// What the slow path is told once for each key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Which packets wait.
    pub key: ParkKey,
    /// Why.
    pub why: Why,
    /// Where the first of them came in.
    pub port: PortId,
    /// The source of the first.
    pub source: Ipv6Addr,
}

/// A packet's reason to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wait {
    pub key: ParkKey,
    pub why: Why,
}

struct Slot<B> {
    buf: Option<B>,
    port: PortId,
    next: u32,
}

struct List {
    report: Report,
    told: bool,
    given_up: bool,
    first: u32,
    last: u32,
    len: u32,
}

/// The parked packets of a worker.
pub(crate) struct Parks<B> {
    slots: Box<[Slot<B>]>,
    /// The first free slot.
    free: u32,
    held: usize,
    lists: Vec<List>,
    /// Where a key's list is.
    index: HashMap<ParkKey, usize, FixedState>,
    /// Which list is looked at next.
    turn: usize,
}

impl<B> Parks<B> {
    /// Room for `slots` packets; with none nothing parks.
    pub(crate) fn new(slots: usize) -> Parks<B> {
        let slots = u32::try_from(slots).unwrap_or(NONE).min(NONE - 1);
        let slot = |n| Slot { buf: None, port: 0, next: if n + 1 < slots { n + 1 } else { NONE } };
        Parks {
            slots: (0..slots).map(slot).collect(),
            free: if slots > 0 { 0 } else { NONE },
            held: 0,
            lists: Vec::with_capacity(KEYS),
            // Twice the room: keys that come and go never make it grow.
            index: HashMap::with_capacity_and_hasher(2 * KEYS, FixedState::default()),
            turn: 0,
        }
    }

    /// Whether packets may park at all.
    #[inline]
    pub(crate) fn enabled(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Whether no packet waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Packets that wait.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether packets of `key` wait; why, if so.
    pub(crate) fn holding(&self, key: ParkKey) -> Option<Wait> {
        let list = self.list(key)?;
        (list.len > 0).then_some(Wait { key, why: list.report.why })
    }

    /// Whether `key` parks no more for now.
    pub(crate) fn given_up(&self, key: ParkKey) -> bool {
        self.list(key).is_some_and(|list| list.given_up)
    }

    fn list(&self, key: ParkKey) -> Option<&List> {
        self.index.get(&key).map(|&at| &self.lists[at])
    }

    fn list_mut(&mut self, key: ParkKey) -> Option<&mut List> {
        self.index.get(&key).map(|&at| &mut self.lists[at])
    }

    /// `buf` joins the list of its key, at the end. Gives it back when there is no room.
    pub(crate) fn push(
        &mut self,
        wait: Wait,
        port: PortId,
        source: Ipv6Addr,
        buf: B,
    ) -> Result<(), B> {
        let slot = self.free;
        if slot == NONE || !self.has_room(wait) {
            return Err(buf);
        }
        let report = Report { key: wait.key, why: wait.why, port, source };
        let at = match self.index.get(&wait.key) {
            Some(&at) => at,
            None => self.add(report),
        };
        let entry = &mut self.slots[slot as usize];
        self.free = std::mem::replace(&mut entry.next, NONE);
        (entry.buf, entry.port) = (Some(buf), port);
        let list = &mut self.lists[at];
        let last = std::mem::replace(&mut list.last, slot);
        list.len += 1;
        self.held += 1;
        if last == NONE {
            list.first = slot;
        } else {
            self.slots[last as usize].next = slot;
        }
        Ok(())
    }

    /// R-41's limits.
    fn has_room(&self, wait: Wait) -> bool {
        if let Some(list) = self.list(wait.key) {
            return list.len < PER_KEY;
        }
        let of = |is: &dyn Fn(&List) -> bool| self.lists.iter().filter(|list| is(list)).count();
        let keys = if matches!(wait.key.by, By::Station(_)) { KEYS / 2 } else { KEYS };
        self.lists.len() < keys
            && match (wait.key.by, wait.why) {
                (by @ By::Station(_), _) => of(&|list| list.report.key.by == by) < STATION_KEYS,
                (By::Destination, Why::Unplaced) => {
                    of(&|list| list.len > 0 && list.report.why == Why::Unplaced) < UNPLACED_KEYS
                }
                _ => true,
            }
    }

    fn add(&mut self, report: Report) -> usize {
        let at = self.lists.len();
        let told = report.why == Why::Absent;
        self.lists.push(List { report, told, given_up: false, first: NONE, last: NONE, len: 0 });
        self.index.insert(report.key, at);
        at
    }

    /// The list itself ends.
    fn remove(&mut self, key: ParkKey) {
        let Some(at) = self.index.remove(&key) else { return };
        self.lists.swap_remove(at);
        if let Some(moved) = self.lists.get(at) {
            self.index.insert(moved.report.key, at);
        }
    }

    /// Lists to look at in one round over all.
    pub(crate) fn lists(&self) -> usize {
        self.lists.len()
    }

    /// The next list in turn; `None` when it holds nothing.
    pub(crate) fn next_key(&mut self) -> Option<ParkKey> {
        self.turn = if self.turn + 1 < self.lists.len() { self.turn + 1 } else { 0 };
        let list = self.lists.get(self.turn)?;
        (list.len > 0).then_some(list.report.key)
    }

    /// Takes the first packet of a list out, to be decided again; [`Parks::keep`] or [`Parks::gone`] follows.
    pub(crate) fn take(&mut self, key: ParkKey) -> Option<(PortId, B)> {
        let first = self.list(key)?.first;
        let slot = self.slots.get_mut(first as usize)?;
        Some((slot.port, slot.buf.take()?))
    }

    /// The packet that was taken waits on, in its place.
    pub(crate) fn keep(&mut self, wait: Wait, buf: B) {
        let Some(list) = self.list_mut(wait.key) else { return };
        if list.report.why != wait.why {
            // It waits for something else now, which the slow path may not know.
            list.report.why = wait.why;
            list.told = wait.why == Why::Absent;
        }
        let first = list.first;
        if let Some(slot) = self.slots.get_mut(first as usize) {
            slot.buf = Some(buf);
        }
    }

    /// The packet that was taken waits no more.
    pub(crate) fn gone(&mut self, key: ParkKey) {
        let free = self.free;
        let Some(list) = self.list_mut(key).filter(|list| list.len > 0) else { return };
        let slot = list.first;
        list.len -= 1;
        let (ended, given_up) = (list.len == 0, list.given_up);
        let next = std::mem::replace(&mut self.slots[slot as usize].next, free);
        self.free = slot;
        self.held -= 1;
        if let Some(list) = self.list_mut(key) {
            list.first = next;
            if ended {
                list.last = NONE;
            }
        }
        if ended && !given_up {
            self.remove(key);
        }
    }

    /// What the slow path is to be told of `key`, if it has not been.
    pub(crate) fn untold(&self, key: ParkKey) -> Option<Report> {
        self.list(key).filter(|list| !list.told && !list.given_up).map(|list| list.report)
    }

    /// The slow path was told.
    pub(crate) fn told(&mut self, key: ParkKey) {
        if let Some(list) = self.list_mut(key) {
            list.told = true;
        }
    }

    /// `key` parks no more, until [`Parks::lift`]. Without room for it the key may be reported once more.
    pub(crate) fn give_up(&mut self, key: ParkKey) {
        let at = match self.index.get(&key) {
            Some(&at) => at,
            None if !self.enabled() || self.lists.len() == KEYS => return,
            None => {
                let why = match key.by {
                    By::Station(_) => Why::Pending,
                    By::Destination => Why::Unplaced,
                    By::Peer(_) => Why::Held,
                };
                let source = Ipv6Addr::UNSPECIFIED;
                self.add(Report { key, why, port: 0, source })
            }
        };
        self.lists[at].given_up = true;
    }

    /// `key` may park again.
    pub(crate) fn lift(&mut self, key: ParkKey) {
        let Some(list) = self.list_mut(key) else { return };
        (list.given_up, list.told) = (false, list.report.why == Why::Absent);
        if list.len == 0 {
            self.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};

    const HERE: Ipv6Addr = Ipv6Addr::LOCALHOST;

    fn key(prefix: u64) -> ParkKey {
        ParkKey { prefix, by: By::Destination }
    }

    fn unplaced(prefix: u64) -> Wait {
        Wait { key: key(prefix), why: Why::Unplaced }
    }

    #[test]
    fn a_key_holds_2048_packets_and_the_worker_as_many_as_it_has_slots() {
        let mut parks = Parks::new(3000);
        let taken = |parks: &mut Parks<u32>, prefix, n| {
            (0..n).filter(|i| parks.push(unplaced(prefix), 0, HERE, *i).is_ok()).count()
        };
        assert_eq!(taken(&mut parks, 1, 2500), 2048);
        assert_eq!(taken(&mut parks, 2, 2500), 952);
        assert_eq!((parks.held(), taken(&mut parks, 3, 1)), (3000, 0));
        let (_, first) = parks.take(key(1)).expect("it holds some");
        parks.gone(key(1));
        assert_eq!((first, taken(&mut parks, 3, 2)), (0, 1));
    }

    #[test]
    fn unknown_destinations_have_64_keys_and_a_station_16() {
        let mut parks = Parks::new(3000);
        assert_eq!((1..100).filter(|n| parks.push(unplaced(*n), 0, HERE, ()).is_ok()).count(), 64);
        let pending = |n: u64, mac| {
            let key = ParkKey { prefix: n, by: By::Station(Mac([2, 0, 0, 0, 0, mac])) };
            Wait { key, why: Why::Pending }
        };
        for mac in 1..3 {
            let parked = (1..100).filter(|n| parks.push(pending(*n, mac), 0, HERE, ()).is_ok());
            assert_eq!(parked.count(), 16);
        }
        parks.give_up(key(1));
        parks.take(key(1));
        parks.gone(key(1));
        assert!(parks.push(unplaced(200), 0, HERE, ()).is_ok(), "what was given up holds none");
    }

    #[test]
    fn a_key_is_told_once_and_again_after_it_was_lifted() {
        let mut parks = Parks::new(10);
        assert!(parks.push(unplaced(1), 7, HERE, ()).is_ok());
        let report = Report { key: key(1), why: Why::Unplaced, port: 7, source: HERE };
        assert_eq!(parks.untold(key(1)), Some(report));
        parks.told(key(1));
        assert!(parks.push(unplaced(1), 7, HERE, ()).is_ok());
        assert_eq!(parks.untold(key(1)), None);
        parks.give_up(key(1));
        assert!(parks.given_up(key(1)));
        parks.lift(key(1));
        assert!(!parks.given_up(key(1)));
        assert_eq!(parks.untold(key(1)), Some(report));
        let absent = Wait { key: key(2), why: Why::Absent };
        assert!(parks.push(absent, 7, HERE, ()).is_ok());
        assert_eq!(parks.untold(key(2)), None, "the slow path said so itself");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lists_hold_what_queues_hold_in_their_order(
            ops in prop::collection::vec((0..6u8, 1..6u64), 1..300)
        ) {
            let mut parks = Parks::new(20);
            let mut model: BTreeMap<u64, VecDeque<usize>> = BTreeMap::new();
            for (n, (op, prefix)) in ops.into_iter().enumerate() {
                let queue = model.entry(prefix).or_default();
                match op {
                    0..3 => {
                        if parks.push(unplaced(prefix), 0, HERE, n).is_ok() {
                            queue.push_back(n);
                        }
                    }
                    3 => {
                        let taken = parks.take(key(prefix)).map(|(_, buf)| buf);
                        prop_assert_eq!(taken, queue.pop_front());
                        parks.gone(key(prefix));
                    }
                    4 => {
                        let taken = parks.take(key(prefix)).map(|(_, buf)| buf);
                        prop_assert_eq!(taken, queue.front().copied());
                        if let Some(buf) = taken {
                            parks.keep(unplaced(prefix), buf);
                        }
                    }
                    _ if parks.given_up(key(prefix)) => parks.lift(key(prefix)),
                    _ => parks.give_up(key(prefix)),
                }
                prop_assert_eq!(parks.held(), model.values().map(VecDeque::len).sum::<usize>());
                for (prefix, queue) in &model {
                    prop_assert_eq!(parks.holding(key(*prefix)).is_some(), !queue.is_empty());
                }
            }
        }
    }
}
