// SPDX-License-Identifier: Apache-2.0 OR MIT
//! nothing is overtaken when a path switches. The MN's new MAAR holds what comes straight from a MAAR that will be
//! told by a dDBU, until that MAAR's end marker has come by the path it used before, or a little after the first packet
//! that had to wait. The CN's MAAR sends the marker when its path to a HoA becomes another one.

use crate::Output;
use crate::maar::Maar;
use crate::timers::Timer;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::time::Now;

/// A hold in which nothing waits ends after this: by then the dDBU has arrived, or was lost three times.
const UNUSED: Duration = Duration::from_secs(2);

/// The HoAs' /64s, each with a MAAR whose straight packets wait, and whether one does.
pub(crate) type Holds = BTreeMap<(Prefix64, Ipv6Addr), bool>;

impl Maar {
    /// `maar` is about to be told by a dDBU that `hoa` is here, and has so far sent by another path.
    pub(crate) fn hold(&mut self, now: Now, hoa: Prefix64, maar: Ipv6Addr) {
        if self.config.timers.order.is_zero() || self.holds.contains_key(&(hoa, maar)) {
            return;
        }
        self.holds.insert((hoa, maar), false);
        self.timers.arm(Timer::Hold(hoa, maar), now.mono + UNUSED);
        self.out.push_back(Output::Hold { prefix: hoa, maar });
    }

    /// A packet waits; those behind it wait no longer than this one may.
    pub(crate) fn on_held(&mut self, now: Now, hoa: Prefix64, maar: Ipv6Addr) {
        if let Some(waits) = self.holds.get_mut(&(hoa, maar))
            && !std::mem::replace(waits, true)
        {
            self.timers.arm(Timer::Hold(hoa, maar), now.mono + self.config.timers.order);
        }
    }

    /// `maar`'s end marker came by way of another MAAR.
    pub(crate) fn on_marker(&mut self, hoa: Prefix64, maar: Ipv6Addr) {
        if self.holds.remove(&(hoa, maar)).is_some() {
            self.timers.disarm(&Timer::Hold(hoa, maar));
            self.out.push_back(Output::EndHold { prefix: hoa, maar, after_turn: true });
        }
    }

    /// No marker came, or none was needed.
    pub(crate) fn on_hold_deadline(&mut self, hoa: Prefix64, maar: Ipv6Addr) {
        if let Some(waited) = self.holds.remove(&(hoa, maar)) {
            if waited {
                self.count("end_marker_missed");
            }
            self.out.push_back(Output::EndHold { prefix: hoa, maar, after_turn: false });
        }
    }

    /// `hoa` is no longer here: what waits goes where it went.
    pub(crate) fn end_holds(&mut self, hoa: Prefix64) {
        let last = Ipv6Addr::from_bits(u128::MAX);
        let of_hoa = self.holds.range((hoa, Ipv6Addr::UNSPECIFIED)..=(hoa, last));
        let keys: Vec<_> = of_hoa.map(|(key, _)| *key).collect();
        for (hoa, maar) in keys {
            self.holds.remove(&(hoa, maar));
            self.timers.disarm(&Timer::Hold(hoa, maar));
            self.out.push_back(Output::EndHold { prefix: hoa, maar, after_turn: false });
        }
    }

    /// The path to `hoa` leads to `to` from now on; `before` it led to another MAAR, or, if `None`, was a route.
    pub(crate) fn path_switched(&mut self, hoa: Ipv6Addr, before: Option<Ipv6Addr>, to: Ipv6Addr) {
        if !self.config.timers.order.is_zero() && before != Some(to) {
            self.out.push_back(Output::EndMarker { hoa, by: before });
        }
    }
}
