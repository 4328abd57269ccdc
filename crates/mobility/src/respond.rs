// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The previous MAAR's side of steps 5 and 6: an sDBU fetches the MN's lists, which are released (draft §3.4,
//! ); and the refusals that belong to no state.

use crate::StationState;
use crate::bindings::{Internal, Source};
use crate::exchange::{Accepted, Order};
use crate::maar::{Maar, Where};
use crate::mn::{Mn, Queued, Released, State};
use crate::timers::Timer;
use crate::update::units;
use crate::{AaaAnswer, AaaRequest, Output};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::addr::{Nai, Prefix64};
use wire::mh::{
    AskGroup, Ddba, Heartbeat, MAX_LEN, Message, Refusal, Sdba, Sdbu, Serving, Status, TellGroup,
};
use wire::time::{AttachTime, Now};

/// Octets one pair takes in an sDBA at most: CN-HoA, Serving MAAR and their padding.
const PAIR_LEN: usize = 20 + 18 + 10;
/// A HoA's head with its padding.
const GROUP_LEN: usize = 18 + 6;
/// Everything else: MH header, Timestamp, MESG-ID, authentication, with padding.
const FIXED_LEN: usize = 12 + 16 + 16 + 32;
/// BE status: unknown MH type.
const UNKNOWN_TYPE: u8 = 2;

impl Maar {
    /// Draft step 5 arrives.
    pub(crate) fn on_sdbu(&mut self, now: Now, from: Ipv6Addr, sdbu: Sdbu) {
        let time = sdbu.attach_time.unwrap_or_default();
        let id = sdbu.mn_id.clone();
        let Some(mn) = self.mns.get_mut(&id) else { return self.recover_lease(now, from, &sdbu) };
        match &mn.state {
            State::WaitAaa { .. } => self.queue(&id, from, sdbu),
            State::WaitSdba(_) if time > mn.attach_time => self.queue(&id, from, sdbu),
            State::Attached | State::Detached
                if time > mn.attach_time && self.config.timers.verify_aaa =>
            {
                self.verify(&id, Queued { from, sdbu });
            }
            State::Attached | State::Detached if time > mn.attach_time => {
                let by = Accepted { time, from, seq: Some(sdbu.seq) };
                self.release(now, &id, by, from);
                self.answer_released(now, from, &sdbu);
            }
            State::WaitSdba(_) | State::Attached | State::Detached => {
                self.answer(now, from, &sdbu, Status::OLD_TIMESTAMP, sdbu.seq);
            }
            // The MN is known to be elsewhere, but nobody has fetched what is here: it is handed on, from one MAAR the
            // MN left to the next.
            State::Released(released)
                if released.by.from.is_unspecified() && time > mn.attach_time =>
            {
                if time >= released.by.time {
                    self.repoint(now, &id, Accepted { time, from, seq: Some(sdbu.seq) });
                }
                self.answer_released(now, from, &sdbu);
            }
            State::Released(released) => match released.by.order(time, from, sdbu.seq) {
                Order::Refuse(status, last) => {
                    self.answer(now, from, &sdbu, status, last.unwrap_or(sdbu.seq))
                }
                Order::Newer if time > released.by.time => {
                    self.repoint(now, &id, Accepted { time, from, seq: Some(sdbu.seq) });
                    self.answer_released(now, from, &sdbu);
                }
                Order::Newer | Order::Repeat => {
                    if let State::Released(released) = &mut mn.state {
                        released.by.seq = Some(sdbu.seq);
                    }
                    self.answer_released(now, from, &sdbu);
                }
            },
        }
    }

    /// the AAA is asked where the MN is. A repeat that comes meanwhile is what will be answered.
    fn verify(&mut self, id: &Nai, question: Queued) {
        let same = |open: &&mut Queued| {
            open.from == question.from && open.sdbu.mn_id == question.sdbu.mn_id
        };
        if let Some(open) = self.questions.values_mut().find(same) {
            *open = question;
            return;
        }
        let Some(mn) = self.mns.get(id) else { return };
        self.counter += 1;
        let (mac, attachment, attach_time) = (mn.mac, mn.attachment, Some(mn.attach_time));
        let request =
            AaaRequest { id: self.counter, mn_id: id.clone(), mac, attachment, attach_time };
        self.questions.insert(self.counter, question);
        self.out.push_back(Output::AaaRequest(request));
    }

    /// The AAA's word about the sender of an sDBU. When it says nothing the sender repeats.
    pub(crate) fn on_verified(&mut self, now: Now, question: Queued, answer: AaaAnswer) {
        let Queued { from, sdbu } = question;
        match answer {
            AaaAnswer::Refused { current: Some(maar), .. } if maar == from => {
                let time = sdbu.attach_time.unwrap_or_default();
                let newer = |mn: &Mn| {
                    matches!(mn.state, State::Attached | State::Detached) && time > mn.attach_time
                };
                if self.mns.get(&sdbu.mn_id).is_some_and(newer) {
                    let by = Accepted { time, from, seq: Some(sdbu.seq) };
                    self.release(now, &sdbu.mn_id, by, from);
                    self.answer_released(now, from, &sdbu);
                }
            }
            AaaAnswer::Unavailable => self.count("sdbu_unverified"),
            AaaAnswer::Granted { .. } | AaaAnswer::Refused { .. } => {
                self.count("sdbu_not_authorised");
                self.answer(now, from, &sdbu, Status::SENDER, sdbu.seq);
            }
        }
    }

    /// one per MN, the newest attach time wins; a repeat replaces what it repeats.
    fn queue(&mut self, id: &Nai, from: Ipv6Addr, sdbu: Sdbu) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        if mn.queued.as_ref().is_none_or(|old| old.sdbu.attach_time <= sdbu.attach_time) {
            mn.queued = Some(Queued { from, sdbu });
        }
    }

    /// The lists leave with the MN: external entries end, sessions are frozen, packets still on their way are
    /// forwarded `towards` a MAAR: that of `by`, or who told of it.
    pub(crate) fn release(&mut self, now: Now, id: &Nai, by: Accepted, towards: Ipv6Addr) {
        self.asking.remove(id);
        let snapshot = self.snapshot(now, id);
        self.unwatch(id);
        self.drop_updates(id);
        self.drop_recoveries(id);
        let Some(mn) = self.mns.get_mut(id) else { return };
        self.leases.leave(now.mono, id);
        let until = now.mono + self.config.timers.hold;
        mn.externals.retain(|_, entry| entry.active);
        mn.state = State::Released(Released { by, snapshot, until });
        let (mac, prefixes) = (mn.mac, mn.prefixes());
        self.timers.arm(Timer::State(id.clone()), until);
        self.timers.disarm(&Timer::Advert(id.clone()));
        self.timers.disarm(&Timer::Settle(id.clone()));
        for &prefix in &prefixes {
            self.lists.set_former(prefix, true, &mut self.out);
        }
        self.forward(now, id, by, towards);
        self.timers.disarm(&Timer::Buffer(id.clone()));
        self.unplace(id, &prefixes);
        self.set_station(now, mac, StationState::Quiet);
        self.end_parked(now, mac, id);
    }

    /// Forwarding entries of all its HoAs lead towards a MAAR; of the own lease only if that has fetched it.
    fn forward(&mut self, now: Now, id: &Nai, by: Accepted, towards: Ipv6Addr) {
        let Some(mn) = self.mns.get(id) else { return };
        let coa = mn.coa().filter(|_| by.from == towards).into_iter();
        let hoas: Vec<Ipv6Addr> = coa
            .chain(mn.externals.values().filter(|entry| entry.active).map(|entry| entry.hoa))
            .collect();
        hoas.into_iter().for_each(|hoa| self.forward_hoa(now, hoa, by, towards));
    }

    /// Nothing newer stands there, nor what that MAAR itself said since: that lives longer.
    fn forward_hoa(&mut self, now: Now, hoa: Ipv6Addr, by: Accepted, towards: Ipv6Addr) {
        let stands = self.lists.internal(Prefix64::of(hoa)).is_some_and(|entry| {
            let own_word = entry.source == Source::Ddbu && entry.maar == by.from;
            let (hearsay, same) = (by.from != towards, entry.accepted.time == by.time);
            entry.accepted.time > by.time || ((own_word || hearsay) && same)
        });
        if stands {
            return;
        }
        let entry = Internal {
            hoa,
            maar: towards,
            source: Source::Forwarding,
            accepted: Accepted { seq: None, ..by },
            learnt: now.mono,
            stale: false,
            expires: now.mono + self.config.timers.hold,
        };
        self.lists.set_internal(entry, &mut self.timers, &mut self.out);
    }

    /// A MAAR newer than the successor asks (table 4.1).
    fn repoint(&mut self, now: Now, id: &Nai, by: Accepted) {
        if let Some(State::Released(released)) = self.mns.get_mut(id).map(|mn| &mut mn.state) {
            released.by = by;
            released.until = now.mono + self.config.timers.hold;
            self.timers.arm(Timer::State(id.clone()), released.until);
            self.forward(now, id, by, by.from);
        }
    }

    /// The end of HOLD. Forwarding entries expire by themselves, unless somebody else's stand there by now.
    pub(crate) fn end_hold(&mut self, now: Now, id: &Nai) {
        self.forget(now, id);
    }

    /// All HoAs of the MN with their sessions and default bindings, ascending.
    fn snapshot(&self, now: Now, id: &Nai) -> Vec<TellGroup> {
        let Some(mn) = self.mns.get(id) else { return Vec::new() };
        let mut groups: BTreeMap<Ipv6Addr, BTreeSet<Serving>> = BTreeMap::new();
        let own = mn.coa().map(|coa| (coa, Some(self.config.address)));
        let external = mn
            .externals
            .values()
            .filter(|entry| entry.active)
            .map(|entry| (entry.hoa, entry.anchor));
        for (hoa, anchor) in own.into_iter().chain(external) {
            let maar = anchor.unwrap_or(Ipv6Addr::UNSPECIFIED);
            groups.entry(hoa).or_default().insert(Serving { cn: Ipv6Addr::UNSPECIFIED, maar });
        }
        for (hoa, cn) in mn
            .sessions
            .live(now.mono, self.config.timers.session_idle)
            .filter(|(hoa, _)| mn.owns(*hoa))
        {
            groups.entry(hoa).or_default().insert(Serving { cn, maar: self.serving(cn) });
        }
        groups
            .into_iter()
            .map(|(hoa, sessions)| TellGroup { hoa, sessions: sessions.into_iter().collect() })
            .collect()
    }

    /// R-10 as an sDBA says it.
    fn serving(&self, cn: Ipv6Addr) -> Ipv6Addr {
        match self.where_is(cn) {
            Where::Here => self.config.address,
            Where::At(maar) => maar,
            Where::Legacy => Ipv6Addr::UNSPECIFIED,
        }
    }

    /// Draft step 6, from the snapshot.
    fn answer_released(&mut self, now: Now, to: Ipv6Addr, sdbu: &Sdbu) {
        let Some(mn) = self.mns.get(&sdbu.mn_id) else { return };
        let State::Released(released) = &mn.state else { return };
        let chosen = self.choose(&released.snapshot, &sdbu.groups);
        let (groups, complete) = page(chosen, sdbu.cursor, sdbu.mn_id.as_str().len());
        let status = if complete { Status::ACCEPTED } else { Status::INCOMPLETE };
        let lifetime = units(released.until - now.mono);
        let sdba = Sdba {
            status,
            seq: sdbu.seq,
            lifetime: if sdbu.lifetime == 0 { 0 } else { lifetime },
            mn_id: Some(sdbu.mn_id.clone()),
            attach_time: self.newest_for(sdbu),
            groups,
        };
        self.send(now, to, &Message::Sdba(sdba));
        if sdbu.lifetime == 0 {
            // The new MAAR has everything: the draft's release, at once.
            self.release_now(now, &sdbu.mn_id);
        }
    }

    fn release_now(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get(id) else { return };
        let State::Released(released) = &mn.state else { return };
        let (by, prefixes) = (released.by, mn.prefixes());
        for prefix in prefixes {
            let ours = |entry: &Internal| {
                entry.source == Source::Forwarding && entry.accepted.time == by.time
            };
            if self.lists.internal(prefix).is_some_and(ours) {
                self.lists.clear_internal(prefix, &mut self.timers, &mut self.out);
            }
        }
        self.end_hold(now, id);
    }

    /// What of the snapshot was asked for. A pair asked for whose session was never sampled is answered
    /// too: the draft looks the CN up in the internal list.
    fn choose(&self, snapshot: &[TellGroup], asked: &[AskGroup]) -> Vec<(Ipv6Addr, Serving)> {
        let all = || {
            snapshot
                .iter()
                .flat_map(|group| group.sessions.iter().map(|serving| (group.hoa, *serving)))
        };
        if asked.is_empty() {
            return all().collect();
        }
        let mut chosen = BTreeMap::new();
        for ask in asked {
            let lease = Prefix64::of(ask.hoa);
            let owned = all().any(|(hoa, _)| Prefix64::of(hoa) == lease);
            for (hoa, serving) in all().filter(|(hoa, _)| Prefix64::of(*hoa) == lease) {
                if ask.cns.is_empty() || ask.cns.contains(&serving.cn) {
                    chosen.insert((hoa, serving.cn), serving);
                }
            }
            for &cn in
                ask.cns.iter().filter(|cn| owned && !cn.is_unspecified() && self.may_bind(**cn))
            {
                let maar = self.serving(cn);
                chosen.entry((ask.hoa, cn)).or_insert(Serving { cn, maar });
            }
        }
        chosen.into_iter().map(|((hoa, _), serving)| (hoa, serving)).collect()
    }

    /// No record of the MN: only its lease may remain, and that is enough for a default binding.
    fn recover_lease(&mut self, now: Now, from: Ipv6Addr, sdbu: &Sdbu) {
        let time = sdbu.attach_time.unwrap_or_default();
        let lease = self.leases.of(&sdbu.mn_id);
        let Some(hoa) =
            sdbu.groups.iter().map(|group| group.hoa).find(|hoa| lease == Some(Prefix64::of(*hoa)))
        else {
            return self.answer(now, from, sdbu, Status::NOT_MAAR_OF_MN, sdbu.seq);
        };
        if self.newest_at(Prefix64::of(hoa)) > time {
            return self.answer(now, from, sdbu, Status::OLD_TIMESTAMP, sdbu.seq);
        }
        self.forward_hoa(now, hoa, Accepted { time, from, seq: None }, from);
        let own = Serving { cn: Ipv6Addr::UNSPECIFIED, maar: self.config.address };
        let sdba = Sdba {
            status: Status::ACCEPTED,
            seq: sdbu.seq,
            lifetime: units(self.config.timers.hold),
            mn_id: Some(sdbu.mn_id.clone()),
            attach_time: sdbu.attach_time,
            groups: vec![TellGroup { hoa, sessions: vec![own] }],
        };
        self.send(now, from, &Message::Sdba(sdba));
    }

    /// An sDBA without lists.
    fn answer(&mut self, now: Now, to: Ipv6Addr, sdbu: &Sdbu, status: Status, seq: u16) {
        let mn_id = Some(sdbu.mn_id.clone());
        let sdba = Sdba {
            status,
            seq,
            lifetime: 0,
            mn_id,
            attach_time: self.newest_for(sdbu),
            groups: Vec::new(),
        };
        self.send(now, to, &Message::Sdba(sdba));
    }

    /// Option 27 of an answer: the asker's own time, or the newest that was heard of its MN.
    fn newest_for(&self, sdbu: &Sdbu) -> Option<AttachTime> {
        let of_hoas = sdbu.groups.iter().map(|group| Prefix64::of(group.hoa));
        let leased = of_hoas.filter(|hoa| self.leases.holder(*hoa) == Some(&sdbu.mn_id));
        let of_lease = leased.map(|hoa| self.newest_at(hoa)).max().unwrap_or_default();
        sdbu.attach_time.map(|time| time.max(self.newest_of(&sdbu.mn_id)).max(of_lease))
    }

    /// A message refused by its kind: a PMIPv6 PBU (152), MN-ID (160) or HoA (158) missing.
    pub(crate) fn refuse(&mut self, now: Now, to: Ipv6Addr, refusal: Refusal) {
        self.count("mh_refused");
        let Refusal { source, seq, status } = refusal;
        let message = if source {
            Message::Sdba(Sdba {
                status,
                seq,
                lifetime: 0,
                mn_id: None,
                attach_time: None,
                groups: Vec::new(),
            })
        } else {
            Message::Ddba(Ddba {
                status,
                seq,
                lifetime: 0,
                attach_time: None,
                hoa: None,
                cns: Vec::new(),
            })
        };
        self.send(now, to, &message);
    }

    /// 144: the answer's own MESG-ID tells our time.
    pub(crate) fn tell_clock(&mut self, now: Now, to: Ipv6Addr, message: Message) {
        self.count("mesg_id_off_clock");
        if !self.peers.get(to).is_some_and(|peer| peer.may_send_error(now.mono)) {
            return;
        }
        match message {
            Message::Sdbu(sdbu) => self.answer(now, to, &sdbu, Status::MESG_ID, sdbu.seq),
            Message::Ddbu(ddbu) => {
                self.answer_ddbu(now, to, &ddbu, Status::MESG_ID, ddbu.seq, 0, Vec::new())
            }
            Message::Heartbeat(Heartbeat { .. })
            | Message::Sdba(_)
            | Message::Ddba(_)
            | Message::BindingError(_) => {}
        }
    }

    pub(crate) fn tell_unknown_type(&mut self, now: Now, to: Ipv6Addr) {
        self.count("mh_unknown_type");
        if self.peers.get(to).is_some_and(|peer| peer.may_send_error(now.mono)) {
            self.send(now, to, &Message::BindingError(UNKNOWN_TYPE));
        }
    }
}

/// The pairs behind `cursor` that fit into one message, and whether these are the last.
fn page(
    pairs: Vec<(Ipv6Addr, Serving)>,
    cursor: Option<(Ipv6Addr, Ipv6Addr)>,
    nai_len: usize,
) -> (Vec<TellGroup>, bool) {
    let mut room = MAX_LEN - FIXED_LEN - (3 + nai_len);
    let mut groups: Vec<TellGroup> = Vec::new();
    for (hoa, serving) in pairs {
        if cursor.is_some_and(|cursor| (hoa, serving.cn) <= cursor) {
            continue;
        }
        let head = if groups.last().is_some_and(|group| group.hoa == hoa) { 0 } else { GROUP_LEN };
        let Some(left) = room.checked_sub(head + PAIR_LEN) else { return (groups, false) };
        room = left;
        if head > 0 {
            groups.push(TellGroup { hoa, sessions: Vec::new() });
        }
        if let Some(group) = groups.last_mut() {
            group.sessions.push(serving);
        }
    }
    (groups, true)
}
