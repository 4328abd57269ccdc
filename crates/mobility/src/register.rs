// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a MAAR tells the AAA of MNs it serves already (R-28b, R-04.4): all of them after the AAA lost its table, and one
//! that was served without the AAA's word.

use crate::maar::Maar;
use crate::mn::State;
use crate::timers::Timer;
use crate::{AaaAnswer, AaaRequest, Output, StationState};
use std::time::Duration;
use wire::addr::Nai;
use wire::time::{AttachTime, Now};

/// An AAA that lost its table is told of everybody within this time, but no faster than one MN each [`GAP`].
const SPREAD: Duration = Duration::from_secs(60);
const GAP: Duration = Duration::from_millis(10);
/// Result-Code: a newer attachment is elsewhere.
const NOT_HERE: u32 = 5003;
/// After an answer that is none.
const AGAIN: Duration = Duration::from_secs(5);

impl Maar {
    /// Its table is lost: it learns of every MN here, and when that came.
    pub(crate) fn on_aaa_lost_state(&mut self, now: Now) {
        self.count("aaa_reregistration");
        let here = self.mns.values().filter(|mn| mn.is_here()).map(|mn| mn.id.clone());
        let here: Vec<Nai> = here.collect();
        let most = u32::try_from(here.len()).unwrap_or(u32::MAX).max(1);
        let gap = (SPREAD / most).min(GAP);
        for (n, id) in (0..).zip(here) {
            self.timers.arm(Timer::Register(id), now.mono + gap * n);
        }
    }

    /// Asks the AAA about an MN that is served here meanwhile.
    pub(crate) fn register(&mut self, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id).filter(|mn| mn.is_here()) else { return };
        self.counter += 1;
        let request = self.counter;
        mn.registering = Some(request);
        // What no AAA has dated is a new attachment to it.
        let attach_time = Some(mn.attach_time).filter(|_| !mn.provisional);
        let (mac, attachment) = (mn.mac, mn.attachment);
        self.requests.insert(request, id.clone());
        let mn_id = id.clone();
        let request = AaaRequest { id: request, mn_id, mac, attachment, attach_time };
        self.out.push_back(Output::AaaRequest(request));
    }

    /// The answer to [`Maar::register`]'s request.
    pub(crate) fn registered(&mut self, now: Now, id: &Nai, answer: AaaAnswer) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.registering = None;
        match answer {
            AaaAnswer::Granted { previous, attach_time, .. } if mn.provisional => {
                self.confirm(now, id, previous, attach_time);
            }
            AaaAnswer::Granted { attach_time, .. } => {
                // It may know an older time of this very stay; nobody may keep a newer one.
                mn.attach_time = attach_time.unwrap_or(mn.attach_time);
            }
            AaaAnswer::Refused { code, .. } if code == NOT_HERE || mn.provisional => {
                self.count("aaa_registration_refused");
                self.end_outdated(now, id);
            }
            // Whom the AAA let in is not harmed by what ails it.
            AaaAnswer::Refused { .. } | AaaAnswer::Unavailable => {
                self.timers.arm(Timer::Register(id.clone()), now.mono + AGAIN);
            }
        }
    }

    /// It is elsewhere, or nobody's: nothing is told to anybody, as whoever has it now tells them.
    fn end_outdated(&mut self, now: Now, id: &Nai) {
        let Some(mac) = self.mns.get(id).map(|mn| mn.mac) else { return };
        self.forget(now, id);
        self.set_station(now, mac, StationState::Quiet);
        self.end_parked(now, mac, id);
    }

    /// Fail-open (R-28b): the MN has service as at a first attachment; the AAA is asked on.
    pub(crate) fn serve_unasked(&mut self, now: Now, id: &Nai) {
        self.count("aaa_provisional");
        if let Some(mn) = self.mns.get_mut(id) {
            mn.provisional = true;
        }
        let time = self.own_attach_time(now);
        self.granted(now, id, std::net::Ipv6Addr::UNSPECIFIED, Some(time));
        self.timers.arm(Timer::Register(id.clone()), now.mono + AGAIN);
    }

    /// The AAA's late word about an MN that is served already: its time counts, and its lists are fetched now.
    fn confirm(
        &mut self,
        now: Now,
        id: &Nai,
        previous: std::net::Ipv6Addr,
        time: Option<AttachTime>,
    ) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.provisional = false;
        let detached = matches!(mn.state, State::Detached);
        let mac = mn.mac;
        if detached {
            mn.attach_time = time.unwrap_or(mn.attach_time);
            return;
        }
        self.drop_updates(id);
        self.set_station(now, mac, StationState::Exchange);
        self.granted(now, id, previous, time);
    }
}
