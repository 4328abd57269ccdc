// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two binding lists (draft §3.3) and what they mean for the data plane: one place per /64.
//!
//! External: MN's HoA -> MN, for every MN served here. Internal: CN's HoA -> CN's MAAR; the same list holds the
//! forwarding entries of MNs that left and an anchor's default bindings. Keyed by /64 (R-08d).

use crate::PortId;
use crate::exchange::Accepted;
use crate::io::{Output, Place};
use crate::timers::{Timer, Timers};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::Instant;

/// Where an internal entry was learnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The previous MAAR of an MN here said so (step 6).
    Sdba,
    /// The node's own MAAR said so (step 7).
    Ddbu,
    /// Where a dDBU was answered or sent on to (step 8, R-17).
    Ddba,
    /// The node was here and is there now.
    Forwarding,
}

impl Source {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Source::Sdba => "sDBA",
            Source::Ddbu => "dDBU",
            Source::Ddba => "dDBA",
            Source::Forwarding => "forwarding",
        }
    }
}

/// One entry of the internal list.
#[derive(Clone, Debug)]
pub(crate) struct Internal {
    /// The whole address last named; the key is its /64.
    pub(crate) hoa: Ipv6Addr,
    pub(crate) maar: Ipv6Addr,
    pub(crate) source: Source,
    /// The last request that set it, for R-24. Zero time for entries learnt otherwise.
    pub(crate) accepted: Accepted,
    /// When that was.
    pub(crate) learnt: Instant,
    /// Nobody here talks to it any more, so its MAAR no longer tells us.
    pub(crate) stale: bool,
    pub(crate) expires: Instant,
}

/// One entry of the external list.
#[derive(Clone, Debug)]
pub(crate) struct External {
    pub(crate) hoa: Ipv6Addr,
    /// Used for forwarding; Tentative otherwise.
    pub(crate) active: bool,
    /// The MAAR that leased the HoA.
    pub(crate) anchor: Option<Ipv6Addr>,
    /// When it was last seen in use.
    pub(crate) used: Instant,
}

/// An MN as far as forwarding goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Station {
    pub(crate) port: PortId,
    pub(crate) mac: Mac,
    pub(crate) settled: bool,
}

/// What decides the place of one /64. An absent record is `Unknown`.
#[derive(Clone, Debug, Default)]
struct Facts {
    /// Attached here, with this /64 as lease or Active external binding; whose.
    here: Option<(Nai, Station)>,
    /// The MN it belongs to is Detached here: packets wait for nobody.
    detached: bool,
    /// They still wait.
    park: bool,
    /// A lease of ours.
    leased: bool,
    /// Its MN left within HOLD: what is under way to here follows it.
    former: bool,
    internal: Option<Internal>,
    /// What the data plane was told.
    told: Option<Place>,
}

/// Both lists by /64, and what the data plane knows of them.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    facts: BTreeMap<Prefix64, Facts>,
}

impl Lists {
    /// The MN attached here that `prefix` belongs to.
    pub(crate) fn owner(&self, prefix: Prefix64) -> Option<&Nai> {
        self.facts.get(&prefix)?.here.as_ref().map(|(nai, _)| nai)
    }

    /// The internal entry, fresh or stale.
    pub(crate) fn internal(&self, prefix: Prefix64) -> Option<&Internal> {
        self.facts.get(&prefix)?.internal.as_ref()
    }

    /// All internal entries, by /64.
    pub(crate) fn internals(&self) -> impl Iterator<Item = &Internal> {
        self.facts.values().filter_map(|facts| facts.internal.as_ref())
    }

    /// `prefix` is leased by us from now on.
    pub(crate) fn set_leased(&mut self, prefix: Prefix64, out: &mut VecDeque<Output>) {
        self.change(prefix, out, |facts| facts.leased = true);
    }

    /// `mn` is attached here with `prefix`.
    pub(crate) fn set_here(
        &mut self,
        prefix: Prefix64,
        mn: &Nai,
        at: Station,
        out: &mut VecDeque<Output>,
    ) {
        self.change(prefix, out, |facts| {
            facts.here = Some((mn.clone(), at));
            facts.detached = false;
            facts.park = false;
            facts.former = false;
        });
    }

    /// The MN of `prefix` was attached here, or that is longer ago than HOLD.
    pub(crate) fn set_former(
        &mut self,
        prefix: Prefix64,
        former: bool,
        out: &mut VecDeque<Output>,
    ) {
        self.change(prefix, out, |facts| facts.former = former);
    }

    /// `mn`'s link is gone, its lists stay; its packets wait if `park`.
    pub(crate) fn set_detached(
        &mut self,
        prefix: Prefix64,
        park: bool,
        out: &mut VecDeque<Output>,
    ) {
        self.change(prefix, out, |facts| {
            facts.detached = facts.here.is_some();
            facts.park = park && facts.detached;
        });
    }

    /// Packets for `mn`, if it is still Detached, wait no more.
    pub(crate) fn end_buffer(&mut self, prefix: Prefix64, mn: &Nai, out: &mut VecDeque<Output>) {
        self.change(prefix, out, |facts| {
            facts.park &= facts.here.as_ref().is_none_or(|(owner, _)| owner != mn);
        });
    }

    /// `mn` is no longer served here with `prefix`; another's entry stays.
    pub(crate) fn clear_here(&mut self, prefix: Prefix64, mn: &Nai, out: &mut VecDeque<Output>) {
        self.change(prefix, out, |facts| {
            if facts.here.as_ref().is_some_and(|(owner, _)| owner == mn) {
                facts.here = None;
                facts.detached = false;
                facts.park = false;
            }
        });
    }

    /// Creates or replaces an internal entry and its expiry.
    pub(crate) fn set_internal(
        &mut self,
        entry: Internal,
        timers: &mut Timers,
        out: &mut VecDeque<Output>,
    ) {
        let prefix = Prefix64::of(entry.hoa);
        timers.arm(Timer::Internal(prefix), entry.expires);
        self.change(prefix, out, |facts| facts.internal = Some(entry));
    }

    /// Deletes an internal entry.
    pub(crate) fn clear_internal(
        &mut self,
        prefix: Prefix64,
        timers: &mut Timers,
        out: &mut VecDeque<Output>,
    ) {
        timers.disarm(&Timer::Internal(prefix));
        self.change(prefix, out, |facts| facts.internal = None);
    }

    /// The entry is still used, but the next sDBA or redirect overwrites it.
    pub(crate) fn mark_stale(&mut self, prefix: Prefix64) {
        if let Some(entry) = self.facts.get_mut(&prefix).and_then(|facts| facts.internal.as_mut()) {
            entry.stale = true;
        }
    }

    /// Applies `edit` and tells the data plane if the place of `prefix` is another one now.
    fn change(
        &mut self,
        prefix: Prefix64,
        out: &mut VecDeque<Output>,
        edit: impl FnOnce(&mut Facts),
    ) {
        let facts = self.facts.entry(prefix).or_default();
        edit(facts);
        let place = facts.place();
        if facts.told != Some(place) && !(facts.told.is_none() && place == Place::Unknown) {
            out.push_back(Output::Place { prefix, place });
        }
        if place == Place::Unknown && facts.here.is_none() {
            self.facts.remove(&prefix);
        } else {
            facts.told = Some(place);
        }
    }
}

impl Facts {
    /// Here before behind a peer before absent before unknown.
    fn place(&self) -> Place {
        let anchored = self.leased;
        match (&self.here, &self.internal) {
            (Some((_, at)), _) if self.detached && self.park => {
                Place::Left { port: at.port, mac: at.mac, anchored }
            }
            (Some(_), _) if self.detached => Place::Absent { park: false },
            (Some((_, at)), _) => {
                Place::Here { port: at.port, mac: at.mac, anchored, settled: at.settled }
            }
            (None, Some(entry)) => {
                Place::Behind { maar: entry.maar, anchored, former: self.former }
            }
            (None, None) if self.leased => Place::Absent { park: false },
            (None, None) => Place::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::time::AttachTime;

    const MAAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xb2);

    fn entry(hoa: Ipv6Addr) -> Internal {
        let accepted = Accepted { time: AttachTime(0), from: MAAR, seq: None };
        Internal {
            hoa,
            maar: MAAR,
            source: Source::Sdba,
            accepted,
            learnt: Instant(0),
            stale: false,
            expires: Instant(9),
        }
    }

    #[test]
    fn a_node_attached_here_hides_the_internal_entry_and_only_changes_are_told() {
        let (mut lists, mut timers, mut out) =
            (Lists::default(), Timers::default(), VecDeque::new());
        let hoa: Ipv6Addr = "2001:db8:b1:b::1".parse().unwrap();
        let prefix = Prefix64::of(hoa);
        let mn = Nai::new("b@example.org").unwrap();
        let at = Station { port: 0, mac: Mac([2; 6]), settled: false };
        lists.set_internal(entry(hoa), &mut timers, &mut out);
        lists.set_internal(entry(hoa), &mut timers, &mut out);
        lists.set_here(prefix, &mn, at, &mut out);
        lists.clear_internal(prefix, &mut timers, &mut out);
        lists.clear_here(prefix, &mn, &mut out);
        let places: Vec<Place> = out
            .into_iter()
            .map(|o| match o {
                Output::Place { place, .. } => place,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            places,
            [
                Place::Behind { maar: MAAR, anchored: false, former: false },
                Place::Here { port: 0, mac: Mac([2; 6]), anchored: false, settled: false },
                Place::Unknown,
            ]
        );
        assert!(lists.facts.is_empty(), "nothing is kept of what is unknown");
    }
}
