// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is behind. Every answer carries in option 27 the newest attach time its sender has heard of
//! for the MN, which is the asker's own unless the MN has moved on. A MAAR the MN left without its sDBU learns so from
//! whomever it asks: it serves the MN no more, tells nobody else what is outdated, and still hands on what it has.

use crate::exchange::Accepted;
use crate::maar::Maar;
use crate::mn::{Queued, State};
use std::net::Ipv6Addr;
use wire::addr::{Nai, Prefix64};
use wire::time::{AttachTime, Now};

impl Maar {
    /// The newest attach time of an MN that was heard of here; zero of one without a record.
    pub(crate) fn newest_of(&self, id: &Nai) -> AttachTime {
        let Some(mn) = self.mns.get(id) else { return AttachTime::default() };
        let by = match &mn.state {
            State::Released(released) => released.by.time,
            _ => AttachTime::default(),
        };
        let told = mn.outdated.map(|(newest, _)| newest).unwrap_or_default();
        let of_hoas = mn.prefixes().into_iter().map(|prefix| self.newest_at(prefix));
        of_hoas.chain([by, told, mn.attach_time]).max().unwrap_or_default()
    }

    /// The newest attach time that was said of a HoA's /64.
    pub(crate) fn newest_at(&self, prefix: Prefix64) -> AttachTime {
        let owner = self.lists.owner(prefix).and_then(|id| self.mns.get(id));
        let entry = self.lists.internal(prefix).map(|entry| entry.accepted.time);
        owner.map(|mn| mn.attach_time).max(entry).unwrap_or_default()
    }

    /// `teller` says the MN attached elsewhere at `newest`. If that is news, the MN is released: packets go to the
    /// teller, who knows more than this MAAR; the lists stay for whoever asks for them. While the previous MAAR has not
    /// answered that has to wait: it does not know yet that it is outdated too, and nobody else may tell it.
    pub(crate) fn superseded(
        &mut self,
        now: Now,
        id: &Nai,
        newest: AttachTime,
        teller: Ipv6Addr,
    ) -> bool {
        let Some(mn) = self.mns.get_mut(id).filter(|mn| mn.is_here() && newest > mn.attach_time)
        else {
            return false;
        };
        if matches!(&mn.state, State::WaitSdba(asking) if asking.previous != teller) {
            mn.outdated = Some((newest, teller));
            return true;
        }
        self.left_behind(now, id, newest, teller)
    }

    /// As [`Maar::superseded`], and the previous MAAR has answered.
    pub(crate) fn left_behind(
        &mut self,
        now: Now,
        id: &Nai,
        newest: AttachTime,
        teller: Ipv6Addr,
    ) -> bool {
        if !self.mns.get(id).is_some_and(|mn| mn.is_here() && newest > mn.attach_time) {
            return false;
        }
        self.count("attachment_outdated");
        self.release(
            now,
            id,
            Accepted { time: newest, from: Ipv6Addr::UNSPECIFIED, seq: None },
            teller,
        );
        self.answer_queued(now, id);
        self.answer_held(now);
        self.bind_neighbours(now, id);
        true
    }

    /// Who waited for the exchange of `id` to end.
    pub(crate) fn answer_queued(&mut self, now: Now, id: &Nai) {
        if let Some(Queued { from, sdbu }) = self.mns.get_mut(id).and_then(|mn| mn.queued.take()) {
            self.on_sdbu(now, from, sdbu);
        }
    }

    /// MNs here took `gone` for one attached here, so the MAAR it is at never heard of their sessions with it.
    fn bind_neighbours(&mut self, now: Now, gone: &Nai) {
        let prefixes = self.mns.get(gone).map(|mn| mn.prefixes()).unwrap_or_default();
        let idle = self.config.timers.session_idle;
        for prefix in prefixes {
            let watchers = self.watchers.get(&prefix).into_iter().flatten();
            let pairs = watchers.filter_map(|id| self.mns.get(id)).flat_map(|mn| {
                let live = mn.sessions.live(now.mono, idle);
                live.filter(|(_, cn)| Prefix64::of(*cn) == prefix)
                    .map(|(hoa, cn)| (mn.id.clone(), hoa, cn))
            });
            for (id, hoa, cn) in pairs.collect::<Vec<_>>() {
                self.bind_session(now, &id, hoa, cn);
            }
        }
    }
}
