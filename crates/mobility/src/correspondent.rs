// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CN's MAAR, and the anchor: a dDBU sets the internal entry of a HoA, its answer says what is known of each
//! CN (draft steps 7 and 8; the receiver's half of PROTOCOL.md 4.3).

use crate::bindings::{Internal, Source};
use crate::exchange::{Accepted, Order};
use crate::maar::Maar;
use crate::timers::Timer;
use crate::update::units;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::mh::{CnPlace, Ddba, Ddbu, Message, Status};
use wire::time::{Instant, Now};

/// Longest lifetime granted.
const MAX_LIFETIME: Duration = Duration::from_secs(900);
/// How long a dDBU may wait for its CN to turn up, and how many may.
const HELD_FOR: Duration = Duration::from_secs(1);
const MAX_HELD: usize = 1024;

/// A dDBU that was accepted and names a CN an exchange under way may bring.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    until: Instant,
    from: Ipv6Addr,
    ddbu: Ddbu,
    granted: u16,
}

impl Maar {
    /// Draft step 7 arrives.
    pub(crate) fn on_ddbu(&mut self, now: Now, from: Ipv6Addr, ddbu: Ddbu) {
        let prefix = Prefix64::of(ddbu.hoa);
        if let Some(status) = self.refusal(from, &ddbu) {
            return self.answer_ddbu(now, from, &ddbu, status, ddbu.seq, 0, Vec::new());
        }
        let by = Accepted { time: ddbu.attach_time.unwrap_or_default(), from, seq: Some(ddbu.seq) };
        if let Some(id) = self.lists.owner(prefix).cloned() {
            // Its own MAAR here is the one that is behind, or the sender is (table 4.1).
            if self.mns.get(&id).is_none_or(|mn| by.time <= mn.attach_time) || ddbu.lifetime == 0 {
                return self.answer_ddbu(
                    now,
                    from,
                    &ddbu,
                    Status::OLD_TIMESTAMP,
                    ddbu.seq,
                    0,
                    Vec::new(),
                );
            }
            self.release(now, &id, by, from);
            self.answer_queued(now, &id);
        }
        match self.order(prefix, by) {
            Order::Refuse(status, last) => {
                let seq = last.unwrap_or(ddbu.seq);
                self.answer_ddbu(now, from, &ddbu, status, seq, 0, Vec::new());
            }
            Order::Newer | Order::Repeat => {
                let granted = self.accept(now, &ddbu, by);
                self.answer_or_hold(now, from, ddbu, granted);
            }
        }
    }

    /// `None`: nothing against it.
    fn refusal(&self, from: Ipv6Addr, ddbu: &Ddbu) -> Option<Status> {
        let ours = self.anchor(ddbu.hoa) == Some(self.config.address);
        if ddbu.serving != from {
            Some(Status::PROHIBITED)
        } else if !self.may_bind(ddbu.hoa)
            || (ours && self.leases.holder(Prefix64::of(ddbu.hoa)).is_none())
        {
            Some(Status::HOA)
        } else {
            None
        }
    }

    /// R-24, against the entry that stands there. A dDBU wins over what others said (table 4.3).
    fn order(&self, prefix: Prefix64, by: Accepted) -> Order {
        match self.lists.internal(prefix) {
            Some(entry) if matches!(entry.source, Source::Ddbu | Source::Forwarding) => {
                entry.accepted.order(by.time, by.from, by.seq.unwrap_or_default())
            }
            _ => Order::Newer,
        }
    }

    /// Creates, refreshes or deletes the entry; what was granted, in units of 4 s.
    fn accept(&mut self, now: Now, ddbu: &Ddbu, by: Accepted) -> u16 {
        let prefix = Prefix64::of(ddbu.hoa);
        if ddbu.lifetime == 0 {
            self.lists.clear_internal(prefix, &mut self.timers, &mut self.out);
            return 0;
        }
        let granted = ddbu.lifetime.min(units(MAX_LIFETIME));
        let expires = now.mono + Duration::from_secs(u64::from(granted) * 4);
        let entry = Internal {
            hoa: ddbu.hoa,
            maar: by.from,
            source: Source::Ddbu,
            accepted: by,
            learnt: now.mono,
            stale: false,
            expires,
        };
        let before = self.lists.internal(prefix).map(|entry| entry.maar);
        let absent = before.is_none() && self.leases.holder(prefix).is_some();
        self.lists.set_internal(entry, &mut self.timers, &mut self.out);
        if !absent {
            self.path_switched(ddbu.hoa, before, by.from);
        }
        self.leases.renew(now.mono, prefix);
        granted
    }

    fn answer_or_hold(&mut self, now: Now, from: Ipv6Addr, ddbu: Ddbu, granted: u16) {
        let cns = self.cn_places(now, &ddbu);
        let unknown = cns.iter().any(|place| place.moved_to == Some(Ipv6Addr::UNSPECIFIED));
        if unknown && self.exchange_runs() && self.held.len() < MAX_HELD {
            let until = now.mono + HELD_FOR;
            self.held.push_back(Held { until, from, ddbu, granted });
            let first = self.held.front().map_or(until, |held| held.until);
            return self.timers.arm(Timer::Held, first);
        }
        self.answer_ddbu(now, from, &ddbu, Status::ACCEPTED, ddbu.seq, granted, cns);
    }

    /// An exchange ended, or the time is over: who waited for it is answered.
    pub(crate) fn answer_held(&mut self, now: Now) {
        for held in std::mem::take(&mut self.held) {
            let cns = self.cn_places(now, &held.ddbu);
            let unknown = cns.iter().any(|place| place.moved_to == Some(Ipv6Addr::UNSPECIFIED));
            if unknown && held.until > now.mono {
                self.held.push_back(held);
            } else {
                let seq = held.ddbu.seq;
                self.answer_ddbu(
                    now,
                    held.from,
                    &held.ddbu,
                    Status::ACCEPTED,
                    seq,
                    held.granted,
                    cns,
                );
            }
        }
        match self.held.front() {
            Some(held) => self.timers.arm(Timer::Held, held.until),
            None => self.timers.disarm(&Timer::Held),
        }
    }

    /// What is known of each CN asked about; of every local CN of this HoA when none is named.
    fn cn_places(&mut self, now: Now, ddbu: &Ddbu) -> Vec<CnPlace> {
        if ddbu.lifetime == 0 {
            return Vec::new();
        }
        if ddbu.cns.is_empty() {
            return self
                .local_cns(now, ddbu.hoa)
                .into_iter()
                .map(|cn| CnPlace { cn, moved_to: self.cn_place(now, ddbu, cn) })
                .collect();
        }
        ddbu.cns.iter().map(|&cn| CnPlace { cn, moved_to: self.cn_place(now, ddbu, cn) }).collect()
    }

    fn cn_place(&mut self, now: Now, ddbu: &Ddbu, cn: Ipv6Addr) -> Option<Ipv6Addr> {
        let prefix = Prefix64::of(cn);
        if let Some(id) = self.lists.owner(prefix).cloned() {
            if let Some(mn) = self.mns.get_mut(&id) {
                // Its MAAR is told in the answer that the CN is here, and needs no dDBU of ours to know it.
                mn.sessions.note_known(now.mono, cn, ddbu.hoa, ddbu.serving);
                self.watch(&id, ddbu.hoa);
            }
            return None;
        }
        match self.lists.internal(prefix) {
            Some(entry) => Some(entry.maar),
            // It will come back, or be fetched.
            None if self.leases.holder(prefix).is_some() => None,
            None => Some(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// The HoAs here that have a session with `hoa`, ascending.
    fn local_cns(&self, now: Now, hoa: Ipv6Addr) -> Vec<Ipv6Addr> {
        let idle = self.config.timers.session_idle;
        let watchers = self.watchers.get(&Prefix64::of(hoa)).into_iter().flatten();
        let pairs =
            watchers.filter_map(|id| self.mns.get(id)).filter(|mn| mn.is_here()).flat_map(|mn| {
                mn.sessions
                    .live(now.mono, idle)
                    .filter(|(own, cn)| Prefix64::of(*cn) == Prefix64::of(hoa) && mn.owns(*own))
            });
        let mut found: Vec<Ipv6Addr> = pairs.map(|(own, _)| own).collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(40);
        found
    }

    /// Draft step 8.
    #[allow(clippy::too_many_arguments, reason = "the draft's dDBA has this many parts")]
    pub(crate) fn answer_ddbu(
        &mut self,
        now: Now,
        to: Ipv6Addr,
        ddbu: &Ddbu,
        status: Status,
        seq: u16,
        lifetime: u16,
        cns: Vec<CnPlace>,
    ) {
        // Who is refused as outdated is told by what.
        let newest = self.newest_at(Prefix64::of(ddbu.hoa));
        let outdated = status == Status::OLD_TIMESTAMP;
        let attach_time =
            ddbu.attach_time.map(|time| if outdated { time.max(newest) } else { time });
        let ddba = Ddba { status, seq, lifetime, attach_time, hoa: Some(ddbu.hoa), cns };
        self.send(now, to, &Message::Ddba(ddba));
    }
}
