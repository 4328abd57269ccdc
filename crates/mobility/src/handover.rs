// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The new MAAR's side of Figure 1 (draft §4), in the figure's order and numbers. Steps 7 and 8 go on in `update`.

use crate::bindings::{External, Internal, Source};
use crate::exchange::{Accepted, Repeats};
use crate::maar::{Maar, Where};
use crate::mn::{Asking, Mn, Queued, State};
use crate::timers::Timer;
use crate::{AaaAnswer, AaaRequest, Event, Output, StationState};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::{AskGroup, Message, Sdba, Sdbu, Serving, Status, TellGroup};
use wire::time::{AttachTime, MesgId, Now};

/// HOLD as the sDBU asks for it, in units of 4 s.
const HOLD_UNITS: u16 = 23;
/// The AAA is asked again at least this often (R-28b).
const AAA_RETRY: Duration = Duration::from_secs(5);
/// Pairs of an RS that fit into one sDBU; with more, all sessions are asked for.
const MAX_ASKED: usize = 20;

impl Maar {
    /// (1) The MN showed up; its record exists and is in no exchange.
    pub(crate) fn begin_attachment(&mut self, now: Now, id: &Nai, via: &'static str) {
        self.counter += 1;
        let attachment = self.counter;
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.attachment = attachment;
        mn.settled = false;
        mn.sessions.forget_known();
        mn.state = State::WaitAaa { request: None };
        let mac = mn.mac;
        for timer in
            [Timer::State(id.clone()), Timer::Advert(id.clone()), Timer::Settle(id.clone())]
        {
            self.timers.disarm(&timer);
        }
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
        let waits =
            |mn: &Mn| matches!(mn.state, State::WaitAaa { request: Some(r) } if r == request);
        let asked = self.requests.remove(&request);
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
                    self.timers.arm(Timer::State(id), now.mono + AAA_RETRY);
                }
            }
        }
    }

    /// No service for this MN: who asked for its lists is told so.
    pub(crate) fn give_up(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        let (mac, queued) = (mn.mac, mn.queued.take());
        self.forget(id);
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
    fn granted(&mut self, now: Now, id: &Nai, previous: Ipv6Addr, time: Option<AttachTime>) {
        self.step(id, 3, "", Some(previous));
        let time = time.unwrap_or_else(|| self.own_attach_time(now));
        let Some(mac) = self.mns.get(id).map(|mn| mn.mac) else { return };
        let Some(lease) = self.leases.lease(now.mono, id, mac) else {
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
            self.note_claim(id, hoa);
        }
        self.advertise(now, id);
        self.step(id, 4, "", None);
    }

    fn note_claim(&mut self, id: &Nai, hoa: Ipv6Addr) {
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
            });
        }
    }

    /// Whether `hoa` may stand in `id`'s external list: anchored, and nobody else's here.
    fn may_serve(&self, id: &Nai, hoa: Ipv6Addr) -> bool {
        let prefix = Prefix64::of(hoa);
        self.may_bind(hoa)
            && self.lists.owner(prefix).is_none_or(|owner| owner == id)
            && self.leases.holder(prefix).is_none_or(|holder| holder == id)
    }

    /// (5) The previous MAAR is asked for the lists.
    fn start_sdbu(&mut self, now: Now, id: &Nai, previous: Ipv6Addr) {
        let random = self.rng.next() as u16;
        let seq = self.config.first_sequence.map_or(random, |(sdbu, _)| sdbu);
        let timeout = self.first_repeat(previous);
        let Some(mn) = self.mns.get_mut(id) else { return };
        let groups = ask_groups(&mn.claims);
        let repeats = Repeats::new(now.mono, seq, timeout);
        let asking = Asking {
            previous,
            groups,
            cursor: None,
            seq: seq.wrapping_add(1),
            repeats,
            resynced: false,
        };
        mn.state = State::WaitSdba(asking);
        self.asking.insert(id.clone());
        self.send_sdbu(now, id, seq);
        self.step(id, 5, "", Some(previous));
    }

    /// First repeat towards `peer`.
    pub(crate) fn first_repeat(&mut self, peer: Ipv6Addr) -> Duration {
        let fixed = self.config.timers.initial_bindack;
        self.peers.get(peer).map_or(Duration::from_secs(1), |peer| peer.timeout(fixed))
    }

    fn send_sdbu(&mut self, now: Now, id: &Nai, seq: u16) {
        let Some(mn) = self.mns.get(id) else { return };
        let State::WaitSdba(asking) = &mn.state else { return };
        let sdbu = Sdbu {
            seq,
            lifetime: HOLD_UNITS,
            mn_id: id.clone(),
            attach_time: Some(mn.attach_time),
            groups: asking.groups.clone(),
            cursor: asking.cursor,
        };
        let (previous, deadline) = (asking.previous, asking.repeats.deadline());
        self.timers.arm(Timer::State(id.clone()), deadline);
        self.send(now, previous, &Message::Sdbu(sdbu));
    }

    /// T_RETX, or the end of the exchange 63 s after its start.
    pub(crate) fn repeat_sdbu(&mut self, now: Now, id: &Nai) {
        let Some(State::WaitSdba(asking)) = self.mns.get_mut(id).map(|mn| &mut mn.state) else {
            return;
        };
        let (seq, previous) = (asking.seq, asking.previous);
        if asking.repeats.again(now.mono, seq) {
            asking.seq = seq.wrapping_add(1);
            self.send_sdbu(now, id, seq);
        } else {
            self.count("sdbu_unanswered");
            self.finish(now, id, previous, None);
        }
    }

    /// (6) What the previous MAAR says.
    pub(crate) fn on_sdba(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        sdba: Sdba,
        mesg_id: Option<MesgId>,
    ) {
        let Some(id) = sdba.mn_id.clone() else { return self.count("ba_unexpected") };
        let Some(State::WaitSdba(asking)) = self.mns.get_mut(&id).map(|mn| &mut mn.state) else {
            return self.count("ba_unexpected");
        };
        let Some(round_trip) = asking.repeats.round_trip(now.mono, sdba.seq) else {
            // A 135 carries the last accepted number instead of ours (RFC 6275 §6.1.8).
            return self.resync_sdbu(now, &id, from, &sdba, None);
        };
        if asking.previous != from {
            return self.count("ba_unexpected");
        }
        if let Some(peer) = self.peers.get(from) {
            peer.sample(round_trip);
        }
        match sdba.status {
            Status::ACCEPTED | Status::INCOMPLETE => self.fetched(now, &id, from, sdba),
            Status::SEQUENCE | Status::MESG_ID => self.resync_sdbu(now, &id, from, &sdba, mesg_id),
            status => {
                self.count(if status == Status::OLD_TIMESTAMP {
                    "sdba_outdated"
                } else {
                    "sdba_refused"
                });
                self.finish(now, &id, from, Some(status));
            }
        }
    }

    /// 135: go on behind the number the peer accepted last. 144: use the peer's clock. Once each exchange.
    fn resync_sdbu(
        &mut self,
        now: Now,
        id: &Nai,
        from: Ipv6Addr,
        sdba: &Sdba,
        mesg_id: Option<MesgId>,
    ) {
        let Some(State::WaitSdba(asking)) = self.mns.get_mut(id).map(|mn| &mut mn.state) else {
            return;
        };
        if asking.previous != from
            || asking.resynced
            || !matches!(sdba.status, Status::SEQUENCE | Status::MESG_ID)
        {
            return self.count("ba_unexpected");
        }
        asking.resynced = true;
        if sdba.status == Status::SEQUENCE {
            asking.seq = sdba.seq.wrapping_add(1);
        }
        let seq = asking.seq;
        asking.seq = seq.wrapping_add(1);
        let again = asking.repeats.again(now.mono, seq);
        if sdba.status == Status::MESG_ID
            && let (Some(theirs), Some(peer)) = (mesg_id, self.peers.get(from))
        {
            peer.adopt_clock(now, theirs);
            self.count("peer_clock_off");
        }
        if again {
            self.send_sdbu(now, id, seq);
        }
    }

    fn fetched(&mut self, now: Now, id: &Nai, from: Ipv6Addr, sdba: Sdba) {
        self.step(id, 6, "", Some(from));
        for serving in sdba.groups.iter().flat_map(|group| &group.sessions) {
            self.learn_place(now, serving.cn, serving.maar, Source::Sdba);
        }
        for group in &sdba.groups {
            self.take_over(now, id, group);
        }
        match last_pair(&sdba.groups).filter(|_| sdba.status == Status::INCOMPLETE) {
            Some(cursor) => self.ask_for_more(now, id, cursor),
            None => self.finish(now, id, from, Some(sdba.status)),
        }
    }

    /// the next page.
    fn ask_for_more(&mut self, now: Now, id: &Nai, cursor: (Ipv6Addr, Ipv6Addr)) {
        let Some(State::WaitSdba(asking)) = self.mns.get(id).map(|mn| &mn.state) else { return };
        let (seq, previous) = (asking.seq, asking.previous);
        let timeout = self.first_repeat(previous);
        let Some(State::WaitSdba(asking)) = self.mns.get_mut(id).map(|mn| &mut mn.state) else {
            return;
        };
        if asking.cursor.is_some_and(|old| old >= cursor) {
            // A page that does not lead on would be asked for without end.
            self.count("sdba_cursor_stuck");
            return self.finish(now, id, previous, Some(Status::INCOMPLETE));
        }
        asking.cursor = Some(cursor);
        asking.seq = seq.wrapping_add(1);
        asking.repeats = Repeats::new(now.mono, seq, timeout);
        self.send_sdbu(now, id, seq);
    }

    /// Where a CN is, by somebody else's word: its own MAAR's fresh word stands above it.
    pub(crate) fn learn_place(&mut self, now: Now, cn: Ipv6Addr, maar: Ipv6Addr, source: Source) {
        let prefix = Prefix64::of(cn);
        if cn.is_unspecified() || maar.is_unspecified() || maar == self.config.address {
            return;
        }
        if !self.may_bind(cn) || !self.peers.contains(maar) {
            return self.count("ba_item_refused");
        }
        if self.lists.owner(prefix).is_some() {
            return;
        }
        if self
            .lists
            .internal(prefix)
            .is_some_and(|e| e.source == Source::Ddbu && !e.stale && e.maar != maar)
        {
            return;
        }
        let (accepted, expires) = match self.lists.internal(prefix) {
            // The entry stays its MAAR's own; it only lives on.
            Some(e) if e.source == Source::Ddbu && e.maar == maar => return,
            _ => (
                Accepted { time: AttachTime(0), from: maar, seq: None },
                now.mono + self.config.timers.binding,
            ),
        };
        let learnt = now.mono;
        let entry = Internal { hoa: cn, maar, source, accepted, learnt, stale: false, expires };
        self.lists.set_internal(entry, &mut self.timers, &mut self.out);
    }

    /// A HoA the previous MAAR confirms: Active, with its sessions.
    fn take_over(&mut self, now: Now, id: &Nai, group: &TellGroup) {
        let (hoa, prefix) = (group.hoa, Prefix64::of(group.hoa));
        if !self.may_serve(id, hoa) {
            return self.count("ba_item_refused");
        }
        let told = group
            .sessions
            .iter()
            .find(|serving| serving.cn.is_unspecified())
            .map(|serving| serving.maar);
        let anchor = told.filter(|maar| self.peers.contains(*maar)).or_else(|| self.anchor(hoa));
        let Some(mn) = self.mns.get_mut(id) else { return };
        if mn.lease != Some(prefix) {
            mn.externals.insert(prefix, External { hoa, active: true, anchor });
        }
        let cns: Vec<Ipv6Addr> =
            group.sessions.iter().map(|s| s.cn).filter(|cn| !cn.is_unspecified()).collect();
        for cn in cns {
            if self.may_bind(cn)
                && let Some(mn) = self.mns.get_mut(id)
            {
                mn.sessions.note(now.mono, hoa, cn);
                self.watch(id, cn);
            }
        }
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
        mn.claims.clear();
        mn.state = State::Attached;
        let (mac, attachment, has_old) = (mn.mac, mn.attachment, !mn.externals.is_empty());
        self.timers.disarm(&Timer::State(id.clone()));
        self.place_mn(id);
        self.end_internals(id);
        self.set_station(now, mac, StationState::Attached);
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
        }
        self.end_parked(now, mac, id);
        self.answer_held(now);
        if let Some(Queued { from, sdbu }) = self.mns.get_mut(id).and_then(|mn| mn.queued.take()) {
            self.on_sdbu(now, from, sdbu);
        }
    }

    /// The MN is no correspondent elsewhere any more, unless a newer MAAR of it has spoken meanwhile. It is
    /// placed here already, so the workers notice nothing.
    fn end_internals(&mut self, id: &Nai) {
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
        let Some(mn) = self.mns.get(id) else { return };
        let mut targets: BTreeMap<(Ipv6Addr, Ipv6Addr), (BTreeSet<Ipv6Addr>, bool)> =
            BTreeMap::new();
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
        // The CNs' MAARs first, as in Figure 1: an anchor only serves those who have no session yet.
        let (sessions, defaults): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|(_, (cns, _))| !cns.is_empty());
        for ((hoa, maar), (cns, anchor)) in sessions.into_iter().chain(defaults) {
            if maar != self.config.address && self.peers.contains(maar) {
                self.bind(now, id, hoa, maar, cns, anchor, 0);
            }
        }
    }
}

/// The RS's claims as the sDBU asks for them; `::` in an RS means every CN of the HoA (PROTOCOL.md 3.6).
fn ask_groups(claims: &[(Ipv6Addr, Ipv6Addr)]) -> Vec<AskGroup> {
    if claims.len() > MAX_ASKED {
        return Vec::new();
    }
    let mut groups: Vec<AskGroup> = Vec::new();
    for &(hoa, cn) in claims {
        let at = groups.iter().position(|group| group.hoa == hoa).unwrap_or_else(|| {
            groups.push(AskGroup { hoa, cns: Vec::new() });
            groups.len() - 1
        });
        if !groups[at].cns.contains(&cn) {
            groups[at].cns.push(cn);
        }
    }
    for group in groups.iter_mut().filter(|group| group.cns.iter().any(Ipv6Addr::is_unspecified)) {
        group.cns.clear();
    }
    groups
}

fn last_pair(groups: &[TellGroup]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let group = groups.last()?;
    group.sessions.last().map(|Serving { cn, .. }| (group.hoa, *cn))
}
