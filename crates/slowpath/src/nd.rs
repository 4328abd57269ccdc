// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbour Discovery: RS of mobile nodes (draft step 1, R-01, R-03), NS for our own addresses, what neighbours on
//! core links say, and every other frame that shows a station.

use crate::Router;
use crate::frames::{self, ND_HOP_LIMIT, Received};
use dataplane::fib::Role;
use mobility::Input;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::nd::{self, Icmp6, NeighborAdvert, NeighborSolicit, RouterSolicit};
use wire::time::Now;

/// ff02::1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ICMPv6 types that need no answer here: RA of others, MLD reports of others.
const ROUTER_ADVERT: u8 = 134;
const MLD_REPORTS: [u8; 3] = [131, 132, 143];

impl Router {
    /// ND or MLD on any port.
    pub(crate) fn neighbor_discovery(&mut self, now: Now, received: &Received<'_>) {
        let Some(message) = self.icmp_message(received) else { return };
        if let Icmp6::Other(kind) = message {
            return self.heard_other(kind);
        }
        if self.refuse(received) {
            return;
        }
        match (received.info.role, message) {
            (_, Icmp6::MldQuery(group)) => self.mld.query(now.mono, received, group, &mut self.fx),
            (Role::Access, Icmp6::RouterSolicit(rs)) => self.router_solicit(now, received, rs),
            (Role::Core, Icmp6::RouterSolicit(_)) => self.fx.count("rs_core_port"),
            (Role::Access, Icmp6::NeighborSolicit(ns)) => {
                self.answer(received, &ns);
                self.shows_station(now, received);
            }
            (Role::Access, Icmp6::NeighborAdvert(_)) => self.shows_station(now, received),
            (Role::Core, Icmp6::NeighborSolicit(ns)) => {
                if self.answer(received, &ns) {
                    self.neighbors.heard(now.mono, received, &ns, &mut self.fx);
                }
            }
            (Role::Core, Icmp6::NeighborAdvert(na)) => self.core_advert(now, received, &na),
            _ => self.fx.count("icmp_other"),
        }
    }

    fn heard_other(&mut self, kind: u8) {
        self.fx.count(match kind {
            ROUTER_ADVERT => "ra_ignored",
            kind if MLD_REPORTS.contains(&kind) => "mld_report_heard",
            _ => "icmp_other",
        });
    }

    /// Counts a frame that is not for us. Our own MAC as a source is a loop or a second router with this MAC on the
    /// segment, which people must know: once a port.
    fn refuse(&mut self, received: &Received<'_>) -> bool {
        let Some(name) = received.refused() else { return false };
        self.fx.count(name);
        if name == "frame_own_mac" && self.told.insert((received.port, name)) {
            self.fx.warn(format!(
                "port {}: a frame came in with our own MAC {}: look for a loop, for a second MAAR on this segment, \
                 or for a kernel interface with the port's MAC and give that another one",
                received.port, received.eth.src
            ));
        }
        true
    }

    /// Draft step 1. The Ethernet source is the MAC.
    fn router_solicit(&mut self, now: Now, received: &Received<'_>, rs: RouterSolicit) {
        let (port, mac) = (received.port, received.eth.src);
        if rs.sllao.is_some_and(|sllao| sllao != mac) {
            return self.fx.count("rs_sllao_mismatch");
        }
        self.fx.count("rs_received");
        self.maar.handle(now, Input::RouterSolicit { port, mac, rs });
    }

    /// An NS for an address of ours is answered (RFC 4861 §7.2.4); a DAD probe to all nodes (FC-22). True when it
    /// was ours. An MN's NS for others needs no answer: its prefix is not on-link.
    fn answer(&mut self, received: &Received<'_>, ns: &NeighborSolicit) -> bool {
        let info = &received.info;
        let core = info.role == Role::Core && ns.target == self.config.mobility.address;
        if !core && ns.target != frames::own_link_local(info) {
            self.fx.count("ns_not_ours");
            return false;
        }
        let probe = ns.source.is_unspecified();
        if probe && info.role == Role::Core {
            self.conflict(received, ns.target);
        }
        let (to, mac) = match probe {
            true => (ALL_NODES, Mac::of_group(ALL_NODES)),
            false => (ns.source, received.eth.src),
        };
        let na = NeighborAdvert {
            router: true,
            solicited: !probe,
            override_: true,
            target: ns.target,
            tllao: Some(frames::own_mac(info)),
        };
        let icmp = nd::neighbor_advert(&na, ns.target, to);
        self.fx.count("ns_answered");
        let frame = frames::icmp_frame(info, mac, (ns.target, to), ND_HOP_LIMIT, &icmp);
        self.fx.frame(received.port, frame);
        true
    }

    fn core_advert(&mut self, now: Now, received: &Received<'_>, na: &NeighborAdvert) {
        let own = [self.config.mobility.address, frames::own_link_local(&received.info)];
        if own.contains(&na.target) {
            return self.conflict(received, na.target);
        }
        self.neighbors.advert(now.mono, received, na, &mut self.fx);
    }

    /// Somebody else on a core link claims an address of ours.
    fn conflict(&mut self, received: &Received<'_>, address: Ipv6Addr) {
        self.fx.count("address_conflict");
        let (port, mac) = (received.port, received.eth.src);
        if self.told.insert((port, "address_conflict")) {
            self.fx.warn(format!("port {port}: {mac} claims {address}, which is ours"));
        }
    }

    /// A frame of a station the workers do not know.
    pub(crate) fn station_frame(&mut self, now: Now, received: &Received<'_>) {
        if received.info.role == Role::Core {
            return self.fx.count("station_core_port");
        }
        if !self.refuse(received) {
            self.shows_station(now, received);
        }
    }

    /// The protocol decides what a frame of a station means (nothing, when it is attached here), and learns its
    /// link-local address.
    fn shows_station(&mut self, now: Now, received: &Received<'_>) {
        let source = received.ip.map(|packet| packet.src()).filter(|src| !src.is_unspecified());
        self.fx.count("station_frame");
        let (port, mac) = (received.port, received.eth.src);
        self.maar.handle(now, Input::StationFrame { port, mac, source });
    }
}
