// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Recovery: an MN served here uses a HoA that no exchange brought, because the previous MAAR lost it, did not
//! answer or was never named. Its anchor is asked, which knows at least whose lease it is. The anchor's side is in
//! `respond`.

use crate::exchange::Repeats;
use crate::maar::Maar;
use crate::mn::{Mn, State};
use crate::timers::Timer;
use crate::{ParkKey, StationState};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::{AskGroup, Message, Sdba, Sdbu, Status};
use wire::time::{Instant, MesgId, Now};

/// Recoveries an MN may start a second; of one HoA one, because a key given up is not asked for in that time.
const A_SECOND: u32 = 3;
/// HOLD as the sDBU asks for it, in units of 4 s.
const HOLD_UNITS: u16 = 23;

/// An sDBU to the anchor of one HoA, under way.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    hoa: Ipv6Addr,
    anchor: Ipv6Addr,
    repeats: Repeats,
    /// A 135 or 144 has been mended once.
    resynced: bool,
}

/// What has been used of so many a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    since: Instant,
    used: u32,
}

impl Budget {
    pub(crate) fn take(&mut self, now: Instant, a_second: u32) -> bool {
        if now - self.since >= Duration::from_secs(1) {
            *self = Budget { since: now, used: 0 };
        }
        let free = self.used < a_second;
        self.used += u32::from(free);
        free
    }
}

impl Maar {
    /// Asks the anchor of `hoa`, if that is a peer, the HoA could be the MN's, and it has not asked too often. Whether
    /// a recovery of it is under way now.
    pub(crate) fn recover(&mut self, now: Now, id: &Nai, hoa: Ipv6Addr) -> bool {
        let prefix = Prefix64::of(hoa);
        let key = (id.clone(), prefix);
        if self.recoveries.contains_key(&key) {
            return true;
        }
        let Some(anchor) = self.anchor(hoa).filter(|anchor| self.peers.contains(*anchor)) else {
            return false;
        };
        let Some(mn) = self.mns.get(id).filter(|mn| !mn.gone) else { return false };
        let served = match &mn.state {
            // The previous MAAR itself is being asked already.
            State::WaitSdba(asking) => asking.previous != anchor,
            State::Attached => true,
            _ => false,
        };
        if !served || mn.owns(hoa) || !self.may_serve(id, hoa) {
            return false;
        }
        let timeout = self.first_repeat(anchor);
        let Some(mn) = self.mns.get_mut(id) else { return false };
        if !mn.recoveries.take(now.mono, A_SECOND) {
            self.count("recovery_limited");
            return false;
        }
        let (mac, seq) = (mn.mac, mn.next_seq());
        let repeats = Repeats::new(now.mono, seq, timeout);
        self.recoveries.insert(key, Recovery { hoa, anchor, repeats, resynced: false });
        self.count("recovery_started");
        // Its packets wait, and are not answered by an error, as in any exchange.
        self.set_station(now, mac, StationState::Exchange);
        self.send_recovery(now, id, prefix, seq);
        true
    }

    /// The HoAs an RS named and no sDBA confirmed are recovered at once.
    pub(crate) fn recover_claims(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        for (hoa, _) in std::mem::take(&mut mn.claims) {
            let owned = self.mns.get(id).is_none_or(|mn| mn.owns(hoa));
            if !owned {
                self.recover(now, id, hoa);
            }
        }
    }

    fn send_recovery(&mut self, now: Now, id: &Nai, prefix: Prefix64, seq: u16) {
        let Some(recovery) = self.recoveries.get(&(id.clone(), prefix)) else { return };
        let Some(mn) = self.mns.get(id) else { return };
        let sdbu = Sdbu {
            seq,
            lifetime: HOLD_UNITS,
            mn_id: id.clone(),
            attach_time: Some(mn.attach_time),
            groups: vec![AskGroup { hoa: recovery.hoa, cns: Vec::new() }],
            cursor: None,
        };
        let (anchor, deadline) = (recovery.anchor, recovery.repeats.deadline());
        self.timers.arm(Timer::Recover(id.clone(), prefix), deadline);
        self.send(now, anchor, &Message::Sdbu(sdbu));
    }

    /// Repeat, or give up 63 s after the start.
    pub(crate) fn repeat_recovery(&mut self, now: Now, id: &Nai, prefix: Prefix64) {
        let Some(seq) = self.mns.get_mut(id).map(|mn| mn.next_seq()) else { return };
        let Some(recovery) = self.recoveries.get_mut(&(id.clone(), prefix)) else { return };
        if recovery.repeats.again(now.mono, seq) {
            self.send_recovery(now, id, prefix, seq);
        } else {
            self.count("recovery_unanswered");
            self.end_recovery(now, id, prefix);
        }
    }

    /// An sDBA that answers no exchange with a previous MAAR: an anchor's, or a stray one.
    pub(crate) fn on_recovery_answer(
        &mut self,
        now: Now,
        id: &Nai,
        from: Ipv6Addr,
        sdba: Sdba,
        mesg_id: Option<MesgId>,
    ) {
        let asked = |recovery: &Recovery| {
            let trip = recovery.repeats.round_trip(now.mono, sdba.seq);
            // A 135 carries the last accepted number instead of ours.
            (recovery.anchor == from && (trip.is_some() || sdba.status == Status::SEQUENCE))
                .then_some(trip)
        };
        let of_mn = (id.clone(), Prefix64(0))..=(id.clone(), Prefix64(u64::MAX));
        let found = self.recoveries.range(of_mn).find_map(|(key, r)| Some((key.1, asked(r)?)));
        let Some((prefix, trip)) = found else { return self.count("ba_unexpected") };
        if let (Some(trip), Some(peer)) = (trip, self.peers.get(from)) {
            peer.sample(trip);
        }
        match sdba.status {
            Status::ACCEPTED | Status::INCOMPLETE => self.recovered(now, id, prefix, from, &sdba),
            Status::SEQUENCE | Status::MESG_ID => {
                self.resync_recovery(now, id, prefix, from, &sdba, mesg_id);
            }
            _ => {
                self.count("recovery_refused");
                self.superseded(now, id, sdba.attach_time.unwrap_or_default(), from);
                self.end_recovery(now, id, prefix);
            }
        }
    }

    fn resync_recovery(
        &mut self,
        now: Now,
        id: &Nai,
        prefix: Prefix64,
        from: Ipv6Addr,
        sdba: &Sdba,
        mesg_id: Option<MesgId>,
    ) {
        let key = (id.clone(), prefix);
        let (Some(recovery), Some(mn)) = (self.recoveries.get_mut(&key), self.mns.get_mut(id))
        else {
            return;
        };
        if std::mem::replace(&mut recovery.resynced, true) {
            return self.count("ba_unexpected");
        }
        if sdba.status == Status::SEQUENCE {
            mn.seq = sdba.seq.wrapping_add(1);
        }
        let seq = mn.next_seq();
        let again = recovery.repeats.again(now.mono, seq);
        if sdba.status == Status::MESG_ID {
            self.adopt_clock(now, from, mesg_id);
        }
        if again {
            self.send_recovery(now, id, prefix, seq);
        }
    }

    /// The anchor agrees: the HoA is Active, with what sessions the anchor still knew.
    fn recovered(&mut self, now: Now, id: &Nai, prefix: Prefix64, from: Ipv6Addr, sdba: &Sdba) {
        let groups = sdba.groups.iter().filter(|group| Prefix64::of(group.hoa) == prefix);
        let mut came = false;
        for group in groups {
            self.learn_places(now, group);
            self.take_over(now, id, group);
            came = true;
        }
        let newest = sdba.attach_time.unwrap_or_default();
        if self.superseded(now, id, newest, from) {
            // What came is kept for the MAAR the MN is at.
        } else if came {
            self.count("recovery_done");
            self.place_mn(id);
            self.end_internals(id);
            self.bind_all(now, id);
            self.advertise(now, id);
        } else {
            self.count("recovery_refused");
        }
        self.end_recovery(now, id, prefix);
    }

    /// What waits for the HoA is let go, or given up.
    fn end_recovery(&mut self, now: Now, id: &Nai, prefix: Prefix64) {
        self.drop_recovery(id, prefix);
        let Some(mn) = self.mns.get(id) else { return };
        let mac = mn.mac;
        let owned = self.lists.owner(prefix) == Some(id);
        if matches!(mn.state, State::Attached) && !self.is_recovering(id) {
            self.set_station(now, mac, StationState::Attached);
        }
        if !owned {
            self.give_up_parked(now, ParkKey { station: Some(mac), prefix });
        }
        self.end_parked(now, mac, id);
        self.answer_held(now);
    }

    pub(crate) fn is_recovering(&self, id: &Nai) -> bool {
        let of_mn = (id.clone(), Prefix64(0))..=(id.clone(), Prefix64(u64::MAX));
        self.recoveries.range(of_mn).next().is_some()
    }

    fn drop_recovery(&mut self, id: &Nai, prefix: Prefix64) {
        let key = (id.clone(), prefix);
        if self.recoveries.remove(&key).is_some() {
            self.timers.disarm(&Timer::Recover(key.0, prefix));
        }
    }

    /// The previous MAAR gave what its anchor was asked for.
    pub(crate) fn end_needless_recoveries(&mut self, id: &Nai) {
        for prefix in self.mns.get(id).map(Mn::prefixes).unwrap_or_default() {
            self.drop_recovery(id, prefix);
        }
    }

    /// The MN is not served here any more, or attaches anew.
    pub(crate) fn drop_recoveries(&mut self, id: &Nai) {
        let of_mn = (id.clone(), Prefix64(0))..=(id.clone(), Prefix64(u64::MAX));
        let prefixes: Vec<Prefix64> = self.recoveries.range(of_mn).map(|(key, _)| key.1).collect();
        prefixes.into_iter().for_each(|prefix| self.drop_recovery(id, prefix));
    }

    /// Some exchange under way may bring a HoA.
    pub(crate) fn exchange_runs(&self) -> bool {
        !self.asking.is_empty() || !self.requests.is_empty() || !self.recoveries.is_empty()
    }
}
