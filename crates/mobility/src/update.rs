// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The MN's MAAR towards CNs' MAARs and anchors: dDBU and dDBA (steps 7 and 8), refreshes, redirects
//! (R-07, R-11, R-13, R-17, R-27; the sender's half of PROTOCOL.md 4.3).

use crate::bindings::Source;
use crate::exchange::Repeats;
use crate::maar::{Maar, Where};
use crate::mn::State;
use crate::timers::Timer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::{CnPlace, Ddba, Ddbu, Message, Status};
use wire::time::{Instant, MesgId, Now};

/// CNs named in one dDBU, so that it stays below 1232 octets; the rest follow in further ones.
const MAX_CNS: usize = 40;
/// Corrections of one dDBU before the anchor is asked.
const MAX_DEPTH: u8 = 4;
/// MAX_UPDATE_RATE: at most 3 a second for each HoA and MAAR, repeats not counted.
const MIN_INTERVAL: Duration = Duration::from_millis(334);

/// By HoA's /64 and the MAAR that is told.
pub(crate) type Updates = BTreeMap<(Prefix64, Ipv6Addr), Update>;

/// What one MAAR is told about one HoA.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    hoa: Ipv6Addr,
    mn: Nai,
    /// The CNs believed there.
    known: BTreeSet<Ipv6Addr>,
    /// Those it has not been told about yet.
    pending: BTreeSet<Ipv6Addr>,
    /// Those in the message under way.
    asked: Vec<Ipv6Addr>,
    /// The default binding at the HoA's anchor: refreshed as long as the MN is here.
    anchor: bool,
    /// How many redirects led here.
    depth: u8,
    /// The next sequence number.
    seq: u16,
    resynced: bool,
    /// `None`: answered; the timer is the refresh.
    sent: Option<Repeats>,
    /// Not before this is a new one sent.
    not_before: Instant,
}

impl Maar {
    /// Tells `maar` that `hoa` is here, and that `cns` are believed there.
    #[allow(clippy::too_many_arguments, reason = "the draft's dDBU has this many parts")]
    pub(crate) fn bind(
        &mut self,
        now: Now,
        id: &Nai,
        hoa: Ipv6Addr,
        maar: Ipv6Addr,
        cns: BTreeSet<Ipv6Addr>,
        anchor: bool,
        depth: u8,
    ) {
        let key = (Prefix64::of(hoa), maar);
        let random = self.rng.next() as u16;
        let first = self.config.first_sequence.map_or(random, |(_, ddbu)| ddbu);
        let is_new = !self.updates.contains_key(&key);
        let update = self.updates.entry(key).or_insert_with(|| Update {
            hoa,
            mn: id.clone(),
            known: BTreeSet::new(),
            pending: BTreeSet::new(),
            asked: Vec::new(),
            anchor: false,
            depth,
            seq: first,
            resynced: false,
            sent: None,
            not_before: now.mono,
        });
        update.anchor |= anchor;
        update.pending.extend(cns.difference(&update.known).copied().collect::<Vec<_>>());
        update.known.extend(cns);
        if is_new || (update.sent.is_none() && !update.pending.is_empty()) {
            self.start_update(now, key);
        }
    }

    /// A session the sample showed: told once, when the HoA is away from its anchor, and only if the CN's MAAR
    /// has not shown by a dDBU of its own that it knows.
    pub(crate) fn bind_session(&mut self, now: Now, id: &Nai, hoa: Ipv6Addr, cn: Ipv6Addr) {
        let attached = self.mns.get(id).is_some_and(|mn| {
            matches!(mn.state, State::Attached) && mn.lease != Some(Prefix64::of(hoa))
        });
        if let (true, Where::At(maar)) = (attached, self.where_is(cn))
            && maar != self.config.address
            && self.peers.contains(maar)
            && !self.mns.get(id).is_some_and(|mn| {
                mn.sessions.is_known_at(now.mono, self.config.timers.binding, (hoa, cn), maar)
            })
        {
            self.bind(now, id, hoa, maar, BTreeSet::from([cn]), false, 0);
        }
    }

    /// (7) A new dDBU, or its timer where the rate forbids one now.
    fn start_update(&mut self, now: Now, key: (Prefix64, Ipv6Addr)) {
        let timeout = self.first_repeat(key.1);
        let Some(update) = self.updates.get_mut(&key) else { return };
        if now.mono < update.not_before {
            self.timers.arm(Timer::Update(key.0, key.1), update.not_before);
            return;
        }
        update.not_before = now.mono + MIN_INTERVAL;
        update.asked = update.pending.iter().take(MAX_CNS).copied().collect();
        let seq = update.seq;
        update.seq = seq.wrapping_add(1);
        update.sent = Some(Repeats::new(now.mono, seq, timeout));
        let id = update.mn.clone();
        self.send_update(now, key, seq);
        self.step(&id, 7, "", Some(key.1));
    }

    fn send_update(&mut self, now: Now, key: (Prefix64, Ipv6Addr), seq: u16) {
        let Some(update) = self.updates.get(&key) else { return };
        let Some(mn) = self.mns.get(&update.mn) else { return };
        let ddbu = Ddbu {
            seq,
            lifetime: units(self.config.timers.binding),
            attach_time: Some(mn.attach_time),
            hoa: update.hoa,
            serving: self.config.address,
            cns: update.asked.clone(),
        };
        if let Some(repeats) = &update.sent {
            self.timers.arm(Timer::Update(key.0, key.1), repeats.deadline());
        }
        self.send(now, key.1, &Message::Ddbu(ddbu));
    }

    /// Repeat, give up, refresh, or send what had to wait.
    pub(crate) fn on_update_deadline(&mut self, now: Now, hoa: Prefix64, maar: Ipv6Addr) {
        let key = (hoa, maar);
        let Some(update) = self.updates.get_mut(&key) else { return };
        let seq = update.seq;
        let Some(repeats) = &mut update.sent else {
            // What the rate held back, or what did not fit into one message, is not told yet.
            let more = !update.pending.is_empty();
            return if more { self.start_update(now, key) } else { self.refresh(now, key) };
        };
        if repeats.again(now.mono, seq) {
            update.seq = seq.wrapping_add(1);
            self.send_update(now, key, seq);
        } else {
            self.count("ddbu_unanswered");
            self.update_failed(now, key);
        }
    }

    /// as long as the MN is attached and some session is not idle; an anchor always.
    fn refresh(&mut self, now: Now, key: (Prefix64, Ipv6Addr)) {
        let idle = self.config.timers.session_idle;
        let Some(update) = self.updates.get_mut(&key) else { return };
        let Some(mn) = self.mns.get(&update.mn).filter(|mn| mn.is_here()) else {
            self.updates.remove(&key);
            return;
        };
        if matches!(mn.state, State::Detached) {
            // It is not refreshed, but told at T_DETACH that it ends.
            return;
        }
        update.known.retain(|cn| mn.sessions.joins(now.mono, idle, key.0, *cn));
        update.pending = update.known.clone();
        if update.known.is_empty() && !update.anchor {
            self.updates.remove(&key);
        } else {
            self.start_update(now, key);
        }
    }

    /// (8) The answer.
    pub(crate) fn on_ddba(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        ddba: Ddba,
        mesg_id: Option<MesgId>,
    ) {
        let Some(key) = ddba.hoa.map(|hoa| (Prefix64::of(hoa), from)) else {
            return self.count("ba_unexpected");
        };
        let Some(repeats) = self.updates.get(&key).and_then(|update| update.sent.as_ref()) else {
            return self.count("ba_unexpected");
        };
        let round_trip = repeats.round_trip(now.mono, ddba.seq);
        if let (Some(round_trip), Some(peer)) = (round_trip, self.peers.get(from)) {
            peer.sample(round_trip);
        }
        match (ddba.status, round_trip) {
            (Status::ACCEPTED, Some(round_trip)) => self.bound(now, key, &ddba, round_trip),
            (Status::SEQUENCE, _) | (Status::MESG_ID, Some(_)) => {
                self.resync_update(now, key, &ddba, mesg_id)
            }
            (_, None) => self.count("ba_unexpected"),
            (Status::OLD_TIMESTAMP, _) => {
                // We are outdated: stop, and wait for the newer MAAR's sDBU.
                self.count("ddba_outdated");
                let id = self.updates.get(&key).map(|update| update.mn.clone());
                self.drop_update(key);
                if let (Some(id), Some(newest)) = (id, ddba.attach_time) {
                    self.superseded(now, &id, newest, from);
                }
            }
            _ => {
                self.count("ddba_refused");
                self.update_failed(now, key);
            }
        }
    }

    fn bound(&mut self, now: Now, key: (Prefix64, Ipv6Addr), ddba: &Ddba, round_trip: Duration) {
        let granted = Duration::from_secs(u64::from(ddba.lifetime) * 4);
        // 0.8 of what was granted, less up to a tenth of that.
        let jitter = (self.rng.next() % 1000) as u32;
        let refresh = granted * 8 / 10 - granted * 8 / 100 * jitter / 1000;
        let Some(update) = self.updates.get_mut(&key) else { return };
        update.sent = None;
        update.resynced = false;
        for cn in std::mem::take(&mut update.asked) {
            update.pending.remove(&cn);
        }
        let (id, more) = (update.mn.clone(), !update.pending.is_empty());
        self.step(&id, 8, "", Some(key.1));
        if more {
            self.start_update(now, key);
        } else {
            self.timers
                .arm(Timer::Update(key.0, key.1), now.mono + refresh.max(Duration::from_secs(1)));
        }
        for place in &ddba.cns {
            let spoke = self.spoke_since(now, place.cn, key.1, round_trip);
            let moved_to = place.moved_to.filter(|_| !spoke);
            self.on_cn_place(now, &id, key, CnPlace { moved_to, ..*place });
        }
    }

    /// Whether `maar` told us by a dDBU of its own that `cn` is there, after it was asked: its answer may be the older
    /// word of the two.
    fn spoke_since(&self, now: Now, cn: Ipv6Addr, maar: Ipv6Addr, asked: Duration) -> bool {
        self.lists.internal(Prefix64::of(cn)).is_some_and(|entry| {
            entry.source == Source::Ddbu && entry.maar == maar && now.mono - entry.learnt <= asked
        })
    }

    /// What the answer says of one CN.
    fn on_cn_place(&mut self, now: Now, id: &Nai, key: (Prefix64, Ipv6Addr), place: CnPlace) {
        let (cn, from) = (place.cn, key.1);
        if !self.may_bind(cn) || self.lists.owner(Prefix64::of(cn)).is_some() {
            return;
        }
        let moved_to = place
            .moved_to
            .map(|maar| if maar == self.config.address { Ipv6Addr::UNSPECIFIED } else { maar });
        match moved_to {
            None => {
                self.learn_place(now, cn, from, Source::Ddba);
                self.note_peer_session(now, id, key, cn);
            }
            Some(maar) if maar.is_unspecified() => self.not_there(now, id, key, cn),
            Some(maar) => self.redirect(now, id, key, cn, maar),
        }
    }

    /// A draft-minimal dDBU names no CN; what the answer lists are sessions with this HoA.
    fn note_peer_session(&mut self, now: Now, id: &Nai, key: (Prefix64, Ipv6Addr), cn: Ipv6Addr) {
        let Some(update) = self.updates.get_mut(&key) else { return };
        if update.known.insert(cn) {
            let hoa = update.hoa;
            if let Some(mn) = self.mns.get_mut(id) {
                mn.sessions.note(now.mono, hoa, cn);
            }
        }
        self.watch(id, cn);
    }

    /// "Not known here" from the very MAAR an entry names invalidates the entry.
    fn not_there(&mut self, now: Now, id: &Nai, key: (Prefix64, Ipv6Addr), cn: Ipv6Addr) {
        let prefix = Prefix64::of(cn);
        if self.lists.internal(prefix).is_some_and(|entry| entry.maar == key.1) {
            self.lists.clear_internal(prefix, &mut self.timers, &mut self.out);
        }
        if let Some(anchor) = self.anchor(cn).filter(|anchor| *anchor != key.1) {
            self.pass_on(now, id, key, cn, anchor);
        }
    }

    /// "At X".
    fn redirect(
        &mut self,
        now: Now,
        id: &Nai,
        key: (Prefix64, Ipv6Addr),
        cn: Ipv6Addr,
        to: Ipv6Addr,
    ) {
        let fresh_elsewhere = self.lists.internal(Prefix64::of(cn)).is_some_and(|entry| {
            entry.source == Source::Ddbu && !entry.stale && entry.maar != key.1 && entry.maar != to
        });
        if fresh_elsewhere {
            return;
        }
        let depth = self.updates.get(&key).map_or(0, |update| update.depth);
        if depth >= MAX_DEPTH {
            self.count("redirects_exhausted");
            return self.not_there(now, id, key, cn);
        }
        // The MAAR that an entry names has said the CN is gone: its word no longer holds the entry.
        if self.lists.internal(Prefix64::of(cn)).is_some_and(|entry| entry.maar == key.1) {
            self.lists.mark_stale(Prefix64::of(cn));
        }
        self.learn_place(now, cn, to, Source::Ddba);
        self.pass_on(now, id, key, cn, to);
    }

    /// The CN is not where `key` says; `to` is told instead.
    fn pass_on(
        &mut self,
        now: Now,
        id: &Nai,
        key: (Prefix64, Ipv6Addr),
        cn: Ipv6Addr,
        to: Ipv6Addr,
    ) {
        let Some(update) = self.updates.get_mut(&key) else { return };
        update.known.remove(&cn);
        update.pending.remove(&cn);
        let (hoa, depth) = (update.hoa, update.depth + 1);
        if to != self.config.address && self.peers.contains(to) {
            self.bind(now, id, hoa, to, BTreeSet::from([cn]), false, depth);
        }
    }

    /// Refused, or 63 s without an answer: the anchors of its CNs are asked; an anchor itself is tried again later.
    fn update_failed(&mut self, now: Now, key: (Prefix64, Ipv6Addr)) {
        let Some(update) = self.updates.get_mut(&key) else { return };
        let (id, cns) = (update.mn.clone(), update.known.clone());
        update.sent = None;
        update.asked.clear();
        for cn in cns {
            if self.anchor(cn).is_some_and(|anchor| anchor != key.1) {
                self.not_there(now, &id, key, cn);
            }
        }
        let later = now.mono + self.config.timers.binding * 8 / 10;
        self.timers.arm(Timer::Update(key.0, key.1), later);
    }

    fn resync_update(
        &mut self,
        now: Now,
        key: (Prefix64, Ipv6Addr),
        ddba: &Ddba,
        mesg_id: Option<MesgId>,
    ) {
        let Some(update) = self.updates.get_mut(&key).filter(|update| !update.resynced) else {
            return self.count("ba_unexpected");
        };
        update.resynced = true;
        if ddba.status == Status::SEQUENCE {
            update.seq = ddba.seq.wrapping_add(1);
        } else {
            self.adopt_clock(now, key.1, mesg_id);
        }
        self.on_update_deadline(now, key.0, key.1);
    }

    /// The MN's HoAs are no longer here: their CNs and anchors hear so once; what gets lost expires.
    pub(crate) fn end_updates(&mut self, now: Now, id: &Nai) {
        for key in self.updates_of(id) {
            self.end_update(now, key);
        }
    }

    /// As [`Maar::end_updates`], of one HoA.
    pub(crate) fn end_updates_of_hoa(&mut self, now: Now, id: &Nai, hoa: Prefix64) {
        for key in self.updates_of(id).into_iter().filter(|key| key.0 == hoa) {
            self.end_update(now, key);
            self.drop_update(key);
        }
    }

    fn end_update(&mut self, now: Now, key: (Prefix64, Ipv6Addr)) {
        let Some(update) = self.updates.get(&key) else { return };
        let Some(time) = self.mns.get(&update.mn).map(|mn| mn.attach_time) else { return };
        let ddbu = Ddbu {
            seq: update.seq,
            lifetime: 0,
            attach_time: Some(time),
            hoa: update.hoa,
            serving: self.config.address,
            cns: Vec::new(),
        };
        self.send(now, key.1, &Message::Ddbu(ddbu));
    }

    /// Nobody is told any more: another MAAR does it now, or nobody has to.
    pub(crate) fn drop_updates(&mut self, id: &Nai) {
        for key in self.updates_of(id) {
            self.drop_update(key);
        }
    }

    fn drop_update(&mut self, key: (Prefix64, Ipv6Addr)) {
        self.updates.remove(&key);
        self.timers.disarm(&Timer::Update(key.0, key.1));
    }

    fn updates_of(&self, id: &Nai) -> Vec<(Prefix64, Ipv6Addr)> {
        let Some(mn) = self.mns.get(id) else { return Vec::new() };
        let last = Ipv6Addr::from_bits(u128::MAX);
        mn.prefixes()
            .into_iter()
            .flat_map(|prefix| self.updates.range((prefix, Ipv6Addr::UNSPECIFIED)..=(prefix, last)))
            .filter(|(_, update)| update.mn == *id)
            .map(|(key, _)| *key)
            .collect()
    }
}

/// A lifetime on the wire: units of 4 s.
pub(crate) fn units(lifetime: Duration) -> u16 {
    u16::try_from(lifetime.as_secs() / 4).unwrap_or(u16::MAX)
}
