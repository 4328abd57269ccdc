// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one MAAR is told at start.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai};
use wire::mh::Key;

/// An IPv6 prefix: address (host bits zero) and length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    /// Network address.
    pub addr: Ipv6Addr,
    /// 0 to 128.
    pub len: u8,
}

impl Prefix {
    /// Whether `addr` lies in it.
    pub fn contains(&self, addr: Ipv6Addr) -> bool {
        let shift = 128 - u32::from(self.len);
        shift == 128 || (self.addr.to_bits() ^ addr.to_bits()) >> shift == 0
    }
}

/// The configuration of a [`crate::Maar`].
#[derive(Clone, Debug)]
pub struct Config {
    /// This MAAR's core address.
    pub address: Ipv6Addr,
    /// /64s are leased from here; /32 to /56.
    pub pool: Prefix,
    /// The other MAARs.
    pub peers: Vec<Peer>,
    /// Prefix -> MAAR, own pool included.
    pub anchors: Vec<(Prefix, Ipv6Addr)>,
    /// Core /64s, never bound.
    pub core_prefixes: Vec<Prefix>,
    /// Access ports where only L2 attach events attach (`attach: event`, R-03); R-21 and RS attach nothing there.
    pub event_only_ports: Vec<crate::PortId>,
    /// Realm of made-up MN-IDs (R-03 source 4).
    pub realm: String,
    /// R-03 source 3.
    pub static_ids: BTreeMap<Mac, Nai>,
    /// take the RS option's NAI.
    pub trust_rs_mnid: bool,
    /// MTU option of the RA.
    pub ra_mtu: u32,
    /// RDNSS of the RA.
    pub rdnss: Vec<Ipv6Addr>,
    /// Timers (PROTOCOL.md 4.4).
    pub timers: Timers,
    /// Seeds random starts (sequence numbers, jitter), so that a run replays.
    pub seed: u64,
    /// For conformance runs: the first sequence numbers of sDBUs and of dDBUs. `None`: random.
    pub first_sequence: Option<(u16, u16)>,
    /// R-28b: an MN has service while no AAA answers; else it waits for one.
    pub fail_open: bool,
    /// Attach times and restart counters begin above this.
    pub boot: u64,
}

/// A peer MAAR.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its core address.
    pub address: Ipv6Addr,
    /// Keys valid at once, the first is used for sending; empty is `auth none`.
    pub keys: Vec<Key>,
}

/// What one access port takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortLimits {
    /// MNs at the port at once; `None`: as many as come.
    pub max_mns: Option<usize>,
    /// New MNs a second.
    pub attaches_per_second: u32,
}

impl Default for PortLimits {
    fn default() -> Self {
        PortLimits { max_mns: None, attaches_per_second: 5_000 }
    }
}

/// Timers and constants that are knobs. `Default` is the table of PROTOCOL.md 4.4.
#[derive(Clone, Debug)]
pub struct Timers {
    /// `None`: adaptive; `Some`: fixed first repeat.
    pub initial_bindack: Option<Duration>,
    /// 92 s.
    pub hold: Duration,
    /// 600 s asked, 900 s granted at most.
    pub binding: Duration,
    /// Session idle, 300 s.
    pub session_idle: Duration,
    /// T_DETACH, 600 s.
    pub detach: Duration,
    /// Unsolicited RA, 600 s.
    pub ra_interval: Duration,
    /// 10 s until an MN is settled.
    pub settle: Duration,
    /// packets wait 1 s for an exchange; 0: not at all.
    pub park: Duration,
    /// packets wait 10 s for a Detached MN; 0: not at all.
    pub buffer: Duration,
    /// R-28c: between two heartbeats, 60 s; 0: none are sent.
    pub heartbeat: Duration,
    /// what comes by a new path waits 30 ms for what comes by the old one; 0: not at all, and no markers.
    pub order: Duration,
    /// before an sDBU is answered the AAA is asked whether the MN is where the sDBU comes from.
    pub verify_aaa: bool,
    /// what an access port takes; the default where it has no entry.
    pub port_limits: BTreeMap<crate::PortId, PortLimits>,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            initial_bindack: None,
            hold: Duration::from_secs(92),
            binding: Duration::from_secs(600),
            session_idle: Duration::from_secs(300),
            detach: Duration::from_secs(600),
            ra_interval: Duration::from_secs(600),
            settle: Duration::from_secs(10),
            park: Duration::from_secs(1),
            buffer: Duration::from_secs(10),
            heartbeat: Duration::from_secs(60),
            order: Duration::from_millis(30),
            verify_aaa: false,
            port_limits: BTreeMap::new(),
        }
    }
}
