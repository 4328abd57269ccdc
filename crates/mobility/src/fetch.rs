// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The new MAAR and the previous one: sDBU and sDBA (Figure 1, steps 5 and 6; ). The steps
//! around them are in `handover`, the previous MAAR's side in `respond`.

use crate::bindings::{External, Internal, Source};
use crate::exchange::{Accepted, Repeats};
use crate::maar::Maar;
use crate::mn::{Asking, State};
use crate::timers::Timer;
use crate::{Event, Output};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::{AskGroup, Message, Sdba, Sdbu, Serving, Status, TellGroup};
use wire::time::{AttachTime, Instant, MesgId, Now};

/// HOLD as the sDBU asks for it, in units of 4 s.
const HOLD_UNITS: u16 = 23;
/// Pairs of an RS that fit into one sDBU; with more, all sessions are asked for.
const MAX_ASKED: usize = 20;

impl Maar {
    /// (5) The previous MAAR is asked for the lists.
    pub(crate) fn start_sdbu(&mut self, now: Now, id: &Nai, previous: Ipv6Addr) {
        let timeout = self.first_repeat(previous);
        let Some(mn) = self.mns.get_mut(id) else { return };
        let groups = ask_groups(&mn.claims);
        let seq = mn.next_seq();
        let repeats = Repeats::new(now.mono, seq, timeout);
        let asking = Asking { previous, groups, cursor: None, repeats, resynced: false };
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
        let Some(mn) = self.mns.get_mut(id) else { return };
        let seq = mn.next_seq();
        let State::WaitSdba(asking) = &mut mn.state else { return };
        let previous = asking.previous;
        if asking.repeats.again(now.mono, seq) {
            self.send_sdbu(now, id, seq);
        } else {
            self.count("sdbu_unanswered");
            let heard = self.mns.get(id).and_then(|mn| mn.outdated);
            if !heard.is_some_and(|(newest, teller)| self.left_behind(now, id, newest, teller)) {
                self.finish(now, id, previous, None);
            }
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
        let asking = match self.mns.get_mut(&id).map(|mn| &mut mn.state) {
            Some(State::WaitSdba(asking)) if asking.previous == from => asking,
            _ => return self.on_recovery_answer(now, &id, from, sdba, mesg_id),
        };
        let Some(round_trip) = asking.repeats.round_trip(now.mono, sdba.seq) else {
            // A 135 carries the last accepted number instead of ours (RFC 6275 §6.1.8).
            return self.resync_sdbu(now, &id, from, &sdba, None);
        };
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
                self.end_exchange(now, &id, from, &sdba);
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
        let Some(mn) = self.mns.get_mut(id) else { return };
        let State::WaitSdba(asking) = &mut mn.state else { return };
        if asking.resynced || !matches!(sdba.status, Status::SEQUENCE | Status::MESG_ID) {
            return self.count("ba_unexpected");
        }
        asking.resynced = true;
        if sdba.status == Status::SEQUENCE {
            mn.seq = sdba.seq.wrapping_add(1);
        }
        let seq = mn.seq;
        mn.seq = seq.wrapping_add(1);
        let again = asking.repeats.again(now.mono, seq);
        if sdba.status == Status::MESG_ID {
            self.adopt_clock(now, from, mesg_id);
        }
        if again {
            self.send_sdbu(now, id, seq);
        }
    }

    /// The peer said 144, with its time.
    pub(crate) fn adopt_clock(&mut self, now: Now, from: Ipv6Addr, theirs: Option<MesgId>) {
        if let (Some(theirs), Some(peer)) = (theirs, self.peers.get(from)) {
            peer.adopt_clock(now, theirs);
            self.count("peer_clock_off");
        }
    }

    fn fetched(&mut self, now: Now, id: &Nai, from: Ipv6Addr, sdba: Sdba) {
        self.step(id, 6, "", Some(from));
        sdba.groups.iter().for_each(|group| self.learn_places(now, group));
        for group in &sdba.groups {
            self.take_over(now, id, group);
        }
        match last_pair(&sdba.groups).filter(|_| sdba.status == Status::INCOMPLETE) {
            Some(cursor) => self.ask_for_more(now, id, cursor),
            None => self.end_exchange(now, id, from, &sdba),
        }
    }

    /// The answer is complete. It may say that the MN has left meanwhile: then its lists are only kept for who asks.
    fn end_exchange(&mut self, now: Now, id: &Nai, from: Ipv6Addr, sdba: &Sdba) {
        let told = sdba.attach_time.unwrap_or_default();
        let heard = self.mns.get(id).and_then(|mn| mn.outdated);
        let (newest, teller) = heard.filter(|heard| heard.0 > told).unwrap_or((told, from));
        if !self.left_behind(now, id, newest, teller) {
            return self.finish(now, id, from, Some(sdba.status));
        }
        let Some(attachment) = self.mns.get(id).map(|mn| mn.attachment) else { return };
        self.out.push_back(Output::Event(Event::HandoverDone {
            mn_id: id.clone(),
            attachment,
            previous: from,
            status: Some(Status::OLD_TIMESTAMP.0),
        }));
    }

    /// the next page.
    fn ask_for_more(&mut self, now: Now, id: &Nai, cursor: (Ipv6Addr, Ipv6Addr)) {
        let Some(State::WaitSdba(asking)) = self.mns.get(id).map(|mn| &mn.state) else { return };
        let previous = asking.previous;
        let timeout = self.first_repeat(previous);
        let Some(mn) = self.mns.get_mut(id) else { return };
        let seq = mn.next_seq();
        let State::WaitSdba(asking) = &mut mn.state else { return };
        if asking.cursor.is_some_and(|old| old >= cursor) {
            // A page that does not lead on would be asked for without end.
            self.count("sdba_cursor_stuck");
            return self.finish(now, id, previous, Some(Status::INCOMPLETE));
        }
        asking.cursor = Some(cursor);
        asking.repeats = Repeats::new(now.mono, seq, timeout);
        self.send_sdbu(now, id, seq);
    }

    /// Where the CNs of a HoA are by its previous MAAR or anchor.
    pub(crate) fn learn_places(&mut self, now: Now, group: &TellGroup) {
        for serving in &group.sessions {
            self.learn_place(now, serving.cn, serving.maar, Source::Sdba);
        }
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
        let before = self.lists.internal(prefix).map(|entry| entry.maar);
        self.lists.set_internal(entry, &mut self.timers, &mut self.out);
        if before.is_some() {
            self.path_switched(cn, before, maar);
        }
    }

    /// A HoA the previous MAAR or the anchor confirms: Active, with its sessions.
    pub(crate) fn take_over(&mut self, now: Now, id: &Nai, group: &TellGroup) {
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
        let cns: Vec<Ipv6Addr> =
            group.sessions.iter().map(|s| s.cn).filter(|cn| !cn.is_unspecified()).collect();
        // When it was used is not told; one with a session was, a moment ago.
        let idle = if cns.is_empty() { self.config.timers.session_idle } else { Duration::ZERO };
        let used = Instant(now.mono.0.saturating_sub(idle.as_micros() as u64));
        let Some(mn) = self.mns.get_mut(id) else { return };
        if mn.lease != Some(prefix) {
            mn.externals.insert(prefix, External { hoa, active: true, anchor, used });
        }
        for cn in cns {
            if self.may_bind(cn)
                && let Some(mn) = self.mns.get_mut(id)
            {
                mn.sessions.note(now.mono, hoa, cn);
                self.watch(id, cn);
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
