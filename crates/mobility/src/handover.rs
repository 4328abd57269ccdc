// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The new MAAR's side of Figure 1 (draft §4), in the figure's order and numbers: steps 1 to 4 and the end of the
//! exchange. Steps 5 and 6 are in `fetch`, 7 and 8 go on in `update`.

use crate::bindings::External;
use crate::maar::{Maar, Where};
use crate::mn::{Mn, Queued, State};
use crate::timers::Timer;
use crate::{AaaAnswer, AaaRequest, Event, Output, StationState};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::Status;
use wire::time::{AttachTime, Now};

/// The AAA is asked again at least this often (R-28b).
const AAA_RETRY: Duration = Duration::from_secs(5);

/// By HoA and MAAR: the CNs believed there, and whether it anchors the HoA.
type Targets = BTreeMap<(Ipv6Addr, Ipv6Addr), (BTreeSet<Ipv6Addr>, bool)>;

impl Maar {
    /// (1) The MN showed up; its record exists and is in no exchange.
    pub(crate) fn begin_attachment(&mut self, now: Now, id: &Nai, via: &'static str) {
        self.counter += 1;
        let attachment = self.counter;
        let random = self.rng.next() as u16;
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.attachment = attachment;
        (mn.registering, mn.provisional) = (None, false);
        mn.seq = self.config.first_sequence.map_or(random, |(sdbu, _)| sdbu);
        mn.settled = false;
        mn.sessions.forget_known();
        mn.state = State::WaitAaa { request: None };
        let mac = mn.mac;
        for timer in
            [Timer::State as fn(Nai) -> Timer, Timer::Register, Timer::Advert, Timer::Settle]
                .map(|timer| timer(id.clone()))
        {
            self.timers.disarm(&timer);
        }
        self.drop_recoveries(id);
        self.lift_station(mac);
        // What the old attachment told others is told anew with the new attach time.
        self.drop_updates(id);
        self.set_station(now, mac, StationState::Exchange);
        self.step(id, 1, via, None);
        self.ask_aaa(now, id);
    }

    /// (2) Where was it before? The Diameter client repeats and fails over; here one request is one question.
    pub(crate) fn ask_aaa(&mut self, _now: Now, id: &Nai) {
        self.counter += 1;
        let request = self.counter;
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.state = State::WaitAaa { request: Some(request) };
        let (mac, attachment) = (mn.mac, mn.attachment);
        self.timers.disarm(&Timer::State(id.clone()));
        self.requests.insert(request, id.clone());
        let question =
            AaaRequest { id: request, mn_id: id.clone(), mac, attachment, attach_time: None };
        self.out.push_back(Output::AaaRequest(question));
        self.step(id, 2, "", None);
    }

    /// (3) The AAA's answer.
    pub(crate) fn on_aaa(&mut self, now: Now, request: u64, answer: AaaAnswer) {
        if let Some(question) = self.questions.remove(&request) {
            return self.on_verified(now, question, answer);
        }
        let waits =
            |mn: &Mn| matches!(mn.state, State::WaitAaa { request: Some(r) } if r == request);
        let asked = self.requests.remove(&request);
        let registers =
            |id: &Nai| self.mns.get(id).is_some_and(|mn| mn.registering == Some(request));
        if let Some(id) = asked.as_ref().filter(|id| registers(id)) {
            return self.registered(now, id, answer);
        }
        let Some(id) = asked.filter(|id| self.mns.get(id).is_some_and(waits)) else {
            return self.count("aaa_answer_late");
        };
        match answer {
            AaaAnswer::Granted { previous, attach_time, mn_id } => {
                let id = self.canonical(&id, mn_id);
                self.granted(now, &id, previous, attach_time);
            }
            AaaAnswer::Refused { .. } => {
                self.count("aaa_refused");
                self.give_up(now, &id);
            }
            AaaAnswer::Unavailable => {
                self.count("aaa_unavailable");
                if let Some(mn) = self.mns.get_mut(&id) {
                    if mn.gone {
                        return self.give_up(now, &id);
                    }
                    mn.state = State::WaitAaa { request: None };
                    if self.config.fail_open {
                        return self.serve_unasked(now, &id);
                    }
                    self.timers.arm(Timer::State(id), now.mono + AAA_RETRY);
                }
            }
        }
    }

    /// No service for this MN: who asked for its lists is told so.
    pub(crate) fn give_up(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        let (mac, queued) = (mn.mac, mn.queued.take());
        self.forget(now, id);
        self.set_station(now, mac, StationState::Quiet);
        self.end_parked(now, mac, id);
        if let Some(Queued { from, sdbu }) = queued {
            self.on_sdbu(now, from, sdbu);
        }
    }

    /// The AAA's name of the MN is the one all MAARs use (R-03 source 2).
    fn canonical(&mut self, id: &Nai, named: Option<Nai>) -> Nai {
        let Some(named) = named.filter(|named| named != id) else { return id.clone() };
        // Neither the name that ends nor an earlier stay under the one that goes on may leave anything behind.
        self.withdraw(id);
        self.withdraw(&named);
        let Some(mut mn) = self.mns.remove(id) else { return named };
        self.leases.rename(id, &named);
        if mn.persisted.take().is_some() {
            self.persist(id);
        }
        mn.id = named.clone();
        if let Some(old) = self.mns.remove(&named) {
            if old.mac != mn.mac && self.stations.get(&old.mac) == Some(&named) {
                self.stations.remove(&old.mac);
            }
            mn.externals = old.externals;
            mn.sessions.absorb(old.sessions);
        }
        // The station may go by a third name by now.
        if self.stations.get(&mn.mac) == Some(id) {
            self.stations.insert(mn.mac, named.clone());
        }
        self.mns.insert(named.clone(), mn);
        named
    }

    /// The draft's fork: first attachment, same MAAR again, or handover.
    pub(crate) fn granted(
        &mut self,
        now: Now,
        id: &Nai,
        previous: Ipv6Addr,
        time: Option<AttachTime>,
    ) {
        self.step(id, 3, "", Some(previous));
        let time = time.unwrap_or_else(|| self.own_attach_time(now));
        let Some(mac) = self.mns.get(id).map(|mn| mn.mac) else { return };
        let lists = &self.lists;
        let bound = |prefix| lists.internal(prefix).is_some();
        let Some(lease) = self.leases.lease(now.mono, id, mac, bound) else {
            self.count("lease_pool_exhausted");
            return self.give_up(now, id);
        };
        let handover = !previous.is_unspecified() && previous != self.config.address;
        let known = self.peers.contains(previous);
        if handover && !known {
            self.count("aaa_unknown_peer");
        }
        if let Some(mn) = self.mns.get_mut(id) {
            mn.attach_time = time;
            mn.outdated = None;
            mn.lease = Some(lease);
            mn.state = State::Attached;
        }
        self.take_back(id, lease);
        self.timers.arm(Timer::Settle(id.clone()), now.mono + self.config.timers.settle);
        self.delegate(now, id);
        if handover && known {
            self.start_sdbu(now, id, previous);
            self.refuse_older(now, id);
        } else {
            self.finish(now, id, Ipv6Addr::UNSPECIFIED, Some(Status::ACCEPTED));
        }
    }

    /// An sDBU that waited for the AAA's answer and is older than it need not wait for the sDBA too: its sender is
    /// outdated.
    fn refuse_older(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        let time = mn.attach_time;
        let older = |queued: &mut Queued| queued.sdbu.attach_time.unwrap_or_default() <= time;
        if let Some(Queued { from, sdbu }) = mn.queued.take_if(older) {
            self.on_sdbu(now, from, sdbu);
        }
    }

    /// Its HoAs are here again: no forwarding entry leads away from here any more.
    fn take_back(&mut self, id: &Nai, lease: Prefix64) {
        self.lists.set_leased(lease, &mut self.out);
        let Some(mn) = self.mns.get(id) else { return };
        let (prefixes, cns) =
            (mn.prefixes(), mn.sessions.all().map(|(_, cn)| cn).collect::<Vec<_>>());
        for prefix in prefixes {
            self.lists.clear_internal(prefix, &mut self.timers, &mut self.out);
        }
        for cn in cns {
            self.watch(id, cn);
        }
        self.place_mn(id);
    }

    /// (4) The address is delegated, the claimed HoAs are noted as Tentative.
    fn delegate(&mut self, now: Now, id: &Nai) {
        let claims = self.mns.get(id).map(|mn| mn.claims.clone()).unwrap_or_default();
        for (hoa, _) in claims {
            self.note_claim(now, id, hoa);
        }
        self.advertise(now, id);
        self.step(id, 4, "", None);
    }

    fn note_claim(&mut self, now: Now, id: &Nai, hoa: Ipv6Addr) {
        if !self.may_serve(id, hoa) {
            return self.count("rs_claim_refused");
        }
        let anchor = self.anchor(hoa);
        if let Some(mn) = self.mns.get_mut(id)
            && mn.lease != Some(Prefix64::of(hoa))
        {
            mn.externals.entry(Prefix64::of(hoa)).or_insert(External {
                hoa,
                active: false,
                anchor,
                used: now.mono,
            });
        }
    }

    /// Whether `hoa` may stand in `id`'s external list: anchored, and nobody else's here.
    pub(crate) fn may_serve(&self, id: &Nai, hoa: Ipv6Addr) -> bool {
        let prefix = Prefix64::of(hoa);
        self.may_bind(hoa)
            && self.lists.owner(prefix).is_none_or(|owner| owner == id)
            && self.leases.holder(prefix).is_none_or(|holder| holder == id)
    }

    /// The exchange with the previous MAAR is over, well or not. `status` `None`: never answered.
    pub(crate) fn finish(
        &mut self,
        now: Now,
        id: &Nai,
        previous: Ipv6Addr,
        status: Option<Status>,
    ) {
        self.asking.remove(id);
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.externals.retain(|_, entry| entry.active);
        mn.state = State::Attached;
        let (mac, attachment, has_old) = (mn.mac, mn.attachment, !mn.externals.is_empty());
        self.timers.disarm(&Timer::State(id.clone()));
        if !previous.is_unspecified() {
            self.hold_correspondents(now, id, previous);
        }
        self.place_mn(id);
        self.end_internals(id);
        self.bind_all(now, id);
        if has_old {
            self.advertise(now, id);
        }
        let status = status.map(|status| status.0);
        self.out.push_back(Output::Event(Event::HandoverDone {
            mn_id: id.clone(),
            attachment,
            previous,
            status,
        }));
        let outdated = status == Some(Status::OLD_TIMESTAMP.0);
        if outdated || self.mns.get(id).is_some_and(|mn| mn.gone) {
            // A newer attachment exists elsewhere, or will; its sDBU will fetch the lists.
            self.detach(now, id);
        } else {
            self.end_needless_recoveries(id);
            self.recover_claims(now, id);
            let recovering = self.is_recovering(id);
            let state = if recovering { StationState::Exchange } else { StationState::Attached };
            self.set_station(now, mac, state);
        }
        self.end_parked(now, mac, id);
        self.answer_held(now);
        self.answer_queued(now, id);
    }

    /// The MN is no correspondent elsewhere any more, unless a newer MAAR of it has spoken meanwhile. It is
    /// placed here already, so the workers notice nothing.
    pub(crate) fn end_internals(&mut self, id: &Nai) {
        let Some(mn) = self.mns.get(id) else { return };
        let time = mn.attach_time;
        for prefix in mn.prefixes() {
            if self.lists.internal(prefix).is_some_and(|entry| entry.accepted.time <= time) {
                self.lists.clear_internal(prefix, &mut self.timers, &mut self.out);
            }
        }
    }

    /// (7) Every CN's MAAR and every anchor is told where the MN is now.
    pub(crate) fn bind_all(&mut self, now: Now, id: &Nai) {
        // The CNs' MAARs first, as in Figure 1: an anchor only serves those who have no session yet.
        let (sessions, defaults): (Vec<_>, Vec<_>) =
            self.targets(now, id).into_iter().partition(|(_, (cns, _))| !cns.is_empty());
        for ((hoa, maar), (cns, anchor)) in sessions.into_iter().chain(defaults) {
            self.bind(now, id, hoa, maar, cns, anchor, 0);
        }
    }

    /// Until now they sent by the MAAR the MN left, or to it. What that MAAR itself sends comes by one path.
    fn hold_correspondents(&mut self, now: Now, id: &Nai, previous: Ipv6Addr) {
        for (hoa, maar) in self.targets(now, id).into_keys() {
            if maar != previous {
                self.hold(now, Prefix64::of(hoa), maar);
            }
        }
    }

    /// Who is to be told of each HoA: of which CNs, and whether as its anchor.
    fn targets(&self, now: Now, id: &Nai) -> Targets {
        let mut targets = Targets::new();
        let Some(mn) = self.mns.get(id) else { return targets };
        for (hoa, cn) in mn
            .sessions
            .live(now.mono, self.config.timers.session_idle)
            .filter(|(hoa, _)| mn.owns(*hoa))
        {
            if let Where::At(maar) = self.where_is(cn) {
                targets.entry((hoa, maar)).or_default().0.insert(cn);
            }
        }
        for entry in mn.externals.values().filter(|entry| entry.active) {
            if let Some(anchor) = entry.anchor {
                targets.entry((entry.hoa, anchor)).or_default().1 = true;
            }
        }
        targets.retain(|(_, maar), _| *maar != self.config.address && self.peers.contains(*maar));
        targets
    }
}
