// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Router Advertisements to one MN (R-08, R-08b): its new /64 first, then its old ones as deprecated.

use crate::Output;
use crate::lease::VALID;
use crate::maar::Maar;
use crate::mn::State;
use crate::timers::Timer;
use std::net::Ipv6Addr;
use wire::addr::Nai;
use wire::nd::{PrefixInfo, RouterAdvert};
use wire::time::Now;

/// Seconds.
const ROUTER_LIFETIME: u16 = 1800;
/// Seconds.
const PREFERRED: u32 = 7200;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

impl Maar {
    /// Sends the RA and arms the next unsolicited one.
    pub(crate) fn advertise(&mut self, now: Now, id: &Nai) {
        let last = self.retire(now, id);
        let Some(mn) = self.mns.get(id) else { return };
        let (Some(lease), State::Attached | State::WaitSdba(_)) = (mn.lease, &mn.state) else {
            return;
        };
        let own = PrefixInfo { prefix: lease.with_iid(0), valid: VALID, preferred: PREFERRED };
        let old = mn.externals.iter().filter(|(_, entry)| entry.active).map(|(prefix, _)| {
            PrefixInfo { prefix: prefix.with_iid(0), valid: VALID, preferred: 0 }
        });
        let ra = RouterAdvert {
            router_lifetime: ROUTER_LIFETIME,
            mtu: self.config.ra_mtu,
            prefixes: std::iter::once(own).chain(old).chain(last).collect(),
            rdnss: self.config.rdnss.clone(),
            assigned: mn.coa(),
        };
        let to = mn.link_local.unwrap_or(ALL_NODES);
        self.out.push_back(Output::Advertise { port: mn.port, mac: mn.mac, to, ra });
        self.leases.renew(now.mono, lease);
        self.timers.arm(Timer::Advert(id.clone()), now.mono + self.config.timers.ra_interval);
    }
}
