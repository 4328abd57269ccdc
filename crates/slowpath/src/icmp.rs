// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 of our own: echo replies, and errors about packets that workers could not forward (RFC 4443,
//! An error goes back where its packet came from, at most ten a second of each kind.

use crate::bucket::Bucket;
use crate::effects::Effects;
use crate::frames::{self, HOP_LIMIT, Received};
use dataplane::punt::PuntReason;
use std::net::Ipv6Addr;
use wire::nd;
use wire::time::Instant;

/// Errors a second of each kind.
const RATE: u64 = 10;

/// An error a router sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    HopLimit,
    PoolUnleased,
    NoRoute,
    NoAnchor,
    SourceFailed,
    TooBig { mtu: u32 },
    TunnelUnreachable,
}

/// Type, code, the 32-bit field, the counters of those sent and of those held back.
struct Kind {
    kind: u8,
    code: u8,
    value: u32,
    sent: &'static str,
    limited: &'static str,
    bucket: usize,
}

impl Error {
    fn kind(self) -> Kind {
        let (kind, code, value, sent, limited, bucket) = match self {
            Error::HopLimit => (3, 0, 0, "icmp_sent_hop_limit", "icmp_limited_hop_limit", 0),
            Error::PoolUnleased => {
                (1, 3, 0, "icmp_sent_pool_unleased", "icmp_limited_pool_unleased", 1)
            }
            Error::NoRoute => (1, 0, 0, "icmp_sent_no_route", "icmp_limited_no_route", 2),
            Error::NoAnchor => (1, 5, 0, "icmp_sent_no_anchor", "icmp_limited_no_anchor", 3),
            Error::SourceFailed => {
                (1, 5, 0, "icmp_sent_source_failed", "icmp_limited_source_failed", 4)
            }
            Error::TooBig { mtu } => (2, 0, mtu, "icmp_sent_too_big", "icmp_limited_too_big", 5),
            Error::TunnelUnreachable => {
                (1, 3, 0, "icmp_sent_tunnel_unreachable", "icmp_limited_tunnel_unreachable", 6)
            }
        };
        Kind { kind, code, value, sent, limited, bucket }
    }

    /// The error a punt asks for; `TooBig` needs an MTU and is the caller's.
    pub(crate) const fn of(reason: PuntReason) -> Option<Error> {
        match reason {
            PuntReason::HopLimit => Some(Error::HopLimit),
            PuntReason::PoolUnleased => Some(Error::PoolUnleased),
            PuntReason::NoRoute => Some(Error::NoRoute),
            PuntReason::NoAnchor => Some(Error::NoAnchor),
            PuntReason::SourceFailed => Some(Error::SourceFailed),
            _ => None,
        }
    }
}

/// Who answers, and how much more this second.
#[derive(Debug)]
pub(crate) struct Icmp {
    own: Ipv6Addr,
    budgets: [Bucket; 7],
}

impl Icmp {
    pub(crate) fn new(own: Ipv6Addr) -> Icmp {
        Icmp { own, budgets: std::array::from_fn(|_| Bucket::new(RATE, RATE)) }
    }

    /// Tells the source of a packet why it was dropped, unless RFC 4443 §2.4 forbids it or the budget is used up.
    pub(crate) fn error(
        &mut self,
        now: Instant,
        about: &Received<'_>,
        error: Error,
        fx: &mut Effects,
    ) {
        let Some(packet) = about.ip else { return fx.count("frame_malformed") };
        if !about.eth.src.is_unicast() || about.eth.src == frames::own_mac(&about.info) {
            return fx.count("frame_bad_source_mac");
        }
        let (src, dst) = (self.own, packet.src());
        let Some(icmp) = self.told(now, packet.octets(), dst, error, fx) else { return };
        let frame = frames::icmp_frame(&about.info, about.eth.src, (src, dst), HOP_LIMIT, &icmp);
        fx.frame(about.port, frame);
    }

    /// The message that tells `dst` of `error` about its packet `octets`; `None`, counted, where there is to be none.
    pub(crate) fn told(
        &mut self,
        now: Instant,
        octets: &[u8],
        dst: Ipv6Addr,
        error: Error,
        fx: &mut Effects,
    ) -> Option<Vec<u8>> {
        let kind = error.kind();
        let icmp = nd::icmp_error(kind.kind, kind.code, kind.value, octets, self.own, dst);
        let budget = self.budgets.get_mut(kind.bucket)?;
        fx.count(match icmp {
            None => "icmp_error_forbidden",
            Some(_) if budget.take(now) => kind.sent,
            Some(_) => {
                fx.count(kind.limited);
                return None;
            }
        });
        icmp
    }

    /// RFC 4443 §4.2, for our core address and the port's link-local one; by the way the request came.
    pub(crate) fn echo(&self, request: &Received<'_>, body: &[u8], fx: &mut Effects) {
        let Some(packet) = request.ip else { return fx.count("frame_malformed") };
        let (from, to) = (packet.src(), packet.dst());
        let ours = to == self.own || to == frames::own_link_local(&request.info);
        let answerable = !from.is_multicast() && !from.is_unspecified() && !from.is_loopback();
        if !ours || !answerable || from == to || !request.eth.src.is_unicast() {
            return fx.count("echo_not_ours");
        }
        fx.count("echo_answered");
        let icmp = nd::echo_reply(body, to, from);
        let frame =
            frames::icmp_frame(&request.info, request.eth.src, (to, from), HOP_LIMIT, &icmp);
        fx.frame(request.port, frame);
    }
}
