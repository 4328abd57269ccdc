// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A station shows up or leaves: from RS, L2 event or frame to an MN record that asks
//! the AAA. What follows is in `handover`.

use crate::maar::{Maar, QUIET};
use crate::mn::{Mn, State};
use crate::timers::Timer;
use crate::{Output, PortId, StationState};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::nd::RouterSolicit;
use wire::time::Now;

/// Frames that an MN sent before it left may still lie in a queue for so long: they show nothing.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// Milliseconds over which the RAs of a port that came up are spread.
const PORT_UP_SPREAD: u64 = 2_000;

impl Maar {
    /// Draft step 1.
    pub(crate) fn on_router_solicit(
        &mut self,
        now: Now,
        port: PortId,
        mac: Mac,
        rs: RouterSolicit,
    ) {
        if self.config.event_only_ports.contains(&port) && !self.is_served(mac) {
            return self.count("attach_event_only");
        }
        let Some(id) = self.identify(mac, None, rs.mn_id.as_ref()) else {
            return self.count("rs_mn_id_mismatch");
        };
        let source = rs.source;
        self.appear(now, id.clone(), port, mac, "rs");
        let Some(mn) = self.mns.get_mut(&id) else { return };
        if !rs.sessions.is_empty() {
            mn.claims = rs.sessions;
        }
        if source.is_unicast_link_local() {
            mn.link_local = Some(source);
        } else if source.is_unspecified() {
            // In DAD: what is sent to the address it probes does not arrive.
            mn.link_local = None;
        }
        if matches!(mn.state, State::Attached | State::WaitSdba(_)) {
            self.advertise(now, &id);
        }
        if self.mns.get(&id).is_some_and(|mn| matches!(mn.state, State::Attached)) {
            self.recover_claims(now, &id);
        }
    }

    /// The access point says so.
    pub(crate) fn on_l2_attach(&mut self, now: Now, port: PortId, mac: Mac, mn_id: Option<Nai>) {
        let Some(id) = self.identify(mac, mn_id, None) else { return };
        self.appear(now, id.clone(), port, mac, "l2");
        if self.mns.get(&id).is_some_and(|mn| matches!(mn.state, State::Attached)) {
            self.advertise(now, &id);
        }
    }

    /// the MN is plainly here.
    pub(crate) fn on_station_frame(
        &mut self,
        now: Now,
        port: PortId,
        mac: Mac,
        source: Option<Ipv6Addr>,
    ) {
        if let Some(id) = self.stations.get(&mac).cloned()
            && let Some(source) = source.filter(Ipv6Addr::is_unicast_link_local)
            && let Some(mn) = self.mns.get_mut(&id)
        {
            mn.link_local = Some(source);
        }
        // Frames still under way from a station that was just released or refused show nothing.
        if self.is_served(mac) || self.timers.is_armed(&Timer::Quiet(mac)) {
            return;
        }
        if self.config.event_only_ports.contains(&port) {
            return self.count("attach_event_only");
        }
        let Some(id) = self.identify(mac, None, None) else { return };
        self.appear(now, id.clone(), port, mac, "frame");
        if let Some(source) = source.filter(Ipv6Addr::is_unicast_link_local)
            && let Some(mn) = self.mns.get_mut(&id)
        {
            mn.link_local = Some(source);
        }
    }

    /// The access point says it is gone; a late event about an MN that moved on changes nothing (FC-28).
    pub(crate) fn on_l2_detach(&mut self, now: Now, mac: Mac) {
        let Some(id) = self.stations.get(&mac).cloned() else {
            return self.count("detach_unknown");
        };
        match self.mns.get(&id).map(|mn| &mn.state) {
            Some(State::WaitSdba(_) | State::WaitAaa { .. }) => {
                self.count("detach_during_exchange")
            }
            Some(State::Detached | State::Released(_)) | None => self.count("detach_not_here"),
            Some(State::Attached) => {}
        }
        self.link_gone(now, &id);
    }

    /// The MN's link is gone: it is Detached at once, or when the exchange under way ends.
    fn link_gone(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        match mn.state {
            State::Attached => self.detach(now, id),
            State::WaitAaa { request: None } => self.give_up(now, id),
            State::WaitAaa { .. } | State::WaitSdba(_) => mn.gone = true,
            State::Detached | State::Released(_) => {}
        }
    }

    /// -> Detached: the lists stay, so that the next MAAR can fetch them (R-28).
    pub(crate) fn detach(&mut self, now: Now, id: &Nai) {
        let Some(mn) = self.mns.get_mut(id) else { return };
        mn.state = State::Detached;
        mn.claims.clear();
        let (mac, prefixes) = (mn.mac, mn.prefixes());
        self.timers.arm(Timer::State(id.clone()), now.mono + self.config.timers.detach);
        self.timers.disarm(&Timer::Advert(id.clone()));
        self.drop_recoveries(id);
        self.leases.leave(now.mono, id);
        let buffer = self.config.timers.buffer;
        for prefix in prefixes {
            self.lists.set_detached(prefix, !buffer.is_zero(), &mut self.out);
        }
        if !buffer.is_zero() {
            self.timers.arm(Timer::Buffer(id.clone()), now.mono + buffer);
        }
        // Any later frame of it starts a new attachment (table 4.1).
        self.quieten(now, mac, UNDER_WAY);
    }

    /// It did not come back soon, and nobody fetched it: what waits for it ends.
    pub(crate) fn end_buffer(&mut self, id: &Nai) {
        let prefixes = self.mns.get(id).map(Mn::prefixes).unwrap_or_default();
        for prefix in prefixes {
            self.lists.end_buffer(prefix, id, &mut self.out);
        }
    }

    /// T_DETACH: correspondents and AAA are told, the lists end; the lease keeps its quarantine.
    pub(crate) fn end_detached(&mut self, now: Now, id: &Nai) {
        self.end_updates(now, id);
        let Some(mn) = self.mns.get(id) else { return };
        self.out.push_back(Output::AaaStop { mn_id: id.clone(), attachment: mn.attachment });
        self.forget(now, id);
    }

    /// Deletes the record and all that hangs on it, except the lease.
    pub(crate) fn forget(&mut self, now: Now, id: &Nai) {
        self.withdraw(id);
        self.leases.leave(now.mono, id);
        let Some(mn) = self.mns.remove(id) else { return };
        if let State::WaitAaa { request: Some(request) } = mn.state {
            self.requests.remove(&request);
        }
        if self.stations.get(&mn.mac) == Some(id) {
            self.stations.remove(&mn.mac);
        }
        if mn.persisted.is_some() {
            self.persist(id);
        }
    }

    /// Nothing of the record is in use any more: no place, no timer, no exchange.
    pub(crate) fn withdraw(&mut self, id: &Nai) {
        self.unwatch(id);
        self.drop_updates(id);
        self.drop_recoveries(id);
        self.asking.remove(id);
        if let Some(mn) = self.mns.get(id) {
            let prefixes = mn.prefixes();
            self.unplace(id, &prefixes);
            for prefix in prefixes {
                self.lists.set_former(prefix, false, &mut self.out);
            }
        }
        for timer in [
            Timer::State(id.clone()),
            Timer::Register(id.clone()),
            Timer::Advert(id.clone()),
            Timer::Settle(id.clone()),
            Timer::Buffer(id.clone()),
        ] {
            self.timers.disarm(&timer);
        }
    }

    /// `None`: the RS names another identity than the one found, and its word is not taken.
    fn identify(&self, mac: Mac, event: Option<Nai>, claimed: Option<&Nai>) -> Option<Nai> {
        if self.config.trust_rs_mnid
            && let Some(claimed) = claimed
        {
            return Some(claimed.clone());
        }
        let found = event
            .or_else(|| self.stations.get(&mac).cloned())
            .or_else(|| self.config.static_ids.get(&mac).cloned())
            .or_else(|| {
                let hex: String = mac.0.iter().map(|octet| format!("{octet:02x}")).collect();
                Nai::new(&format!("{hex}@{}", self.config.realm)).ok()
            })?;
        claimed.is_none_or(|claimed| *claimed == found).then_some(found)
    }

    fn is_served(&self, mac: Mac) -> bool {
        self.stations.get(&mac).and_then(|id| self.mns.get(id)).is_some_and(|mn| {
            matches!(mn.state, State::WaitAaa { .. } | State::WaitSdba(_) | State::Attached)
        })
    }

    /// The MN is on `port` with `mac`. Starts an attachment unless one runs or holds (table 4.1).
    fn appear(&mut self, now: Now, id: Nai, port: PortId, mac: Mac, via: &'static str) {
        if !self.mns.contains_key(&id) && !self.admits(now, port) {
            return;
        }
        let mn = self.mns.entry(id.clone()).or_insert_with(|| Mn::new(id.clone(), mac, port));
        let old_mac = mn.mac;
        let moved = (mn.mac, mn.port) != (mac, port);
        (mn.mac, mn.port, mn.port_since) = (mac, port, now.mono);
        mn.gone = false;
        let before = self.stations.insert(mac, id.clone());
        if let Some(other) = before.filter(|before| *before != id) {
            // The station goes by another name now; nobody else would end what it left.
            self.link_gone(now, &other);
        }
        if old_mac != mac {
            if self.stations.get(&old_mac) == Some(&id) {
                self.stations.remove(&old_mac);
            }
            self.out.push_back(Output::Station { mac: old_mac, state: None });
        }
        match self.mns[&id].state {
            State::WaitAaa { request: Some(_) } => return,
            State::WaitAaa { request: None } if self.mns[&id].attachment != 0 => {
                return self.ask_aaa(now, &id);
            }
            State::WaitSdba(_) | State::Attached => {
                if moved {
                    let exchange = self.asking.contains(&id) || self.is_recovering(&id);
                    let state =
                        if exchange { StationState::Exchange } else { StationState::Attached };
                    self.set_station(now, mac, state);
                    self.place_mn(&id);
                }
                return;
            }
            State::WaitAaa { .. } | State::Detached | State::Released(_) => {}
        }
        self.begin_attachment(now, &id, via);
    }

    /// Whether the port takes one more MN. Those here are counted only where a most is configured.
    fn admits(&mut self, now: Now, port: PortId) -> bool {
        let limits = self.config.timers.port_limits.get(&port).copied().unwrap_or_default();
        if !self.budgets.entry(port).or_default().take(now.mono, limits.attaches_per_second) {
            self.count("attach_budget_exceeded");
            return false;
        }
        let here = |mn: &&Mn| mn.port == port && !matches!(mn.state, State::Released(_));
        let full = |most| self.mns.values().filter(here).take(most).count() == most;
        let full = limits.max_mns.is_some_and(full);
        if full {
            self.count("port_full");
        }
        !full
    }

    /// Hosts may have lost what they knew of their router; all of a port at once would be a burst (FC-25).
    pub(crate) fn on_port_up(&mut self, now: Now, port: PortId) {
        let here =
            |mn: &&Mn| mn.port == port && matches!(mn.state, State::Attached | State::WaitSdba(_));
        let ids: Vec<Nai> = self.mns.values().filter(here).map(|mn| mn.id.clone()).collect();
        for id in ids {
            let spread = Duration::from_millis(self.rng.next() % PORT_UP_SPREAD);
            self.timers.arm(Timer::Advert(id), now.mono + spread);
        }
    }

    /// A silent move from one access port to another of this router, at most once a second.
    pub(crate) fn change_port(&mut self, now: Now, id: &Nai, port: PortId) {
        let timer = Timer::Settle(id.clone());
        if self.config.event_only_ports.contains(&port) {
            return self.count("attach_event_only");
        }
        let Some(mn) = self.mns.get_mut(id) else { return };
        if mn.port == port || now.mono - mn.port_since < QUIET {
            return;
        }
        (mn.port, mn.port_since, mn.settled) = (port, now.mono, false);
        self.timers.arm(timer, now.mono + self.config.timers.settle);
        self.place_mn(id);
    }

    /// A packet of the data plane's sample.
    pub(crate) fn on_session(&mut self, now: Now, hoa: Ipv6Addr, cn: Ipv6Addr) {
        let prefix = Prefix64::of(hoa);
        let Some(id) = self.lists.owner(prefix).cloned() else { return };
        let managed = self.may_bind(cn) && Prefix64::of(cn) != prefix;
        let Some(mn) = self.mns.get_mut(&id) else { return };
        if let Some(entry) = mn.externals.get_mut(&prefix) {
            entry.used = now.mono;
        }
        self.leases.mark_used(prefix);
        if !managed {
            return;
        }
        mn.sessions.note(now.mono, hoa, cn);
        self.watch(&id, cn);
        self.bind_session(now, &id, hoa, cn);
    }
}
