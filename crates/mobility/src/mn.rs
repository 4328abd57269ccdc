// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mobile node as this MAAR knows it (PROTOCOL.md 4.1). One record per MN-ID.

use crate::PortId;
use crate::bindings::External;
use crate::exchange::{Accepted, Repeats};
use crate::recover::Budget;
use crate::session::Sessions;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::mh::{AskGroup, Sdbu, TellGroup};
use wire::time::{AttachTime, Instant};

/// Where an MN stands with this MAAR. Its deadline is [`crate::timers::Timer::State`].
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// The AAA was asked. Deadline: ask again, when it could not answer (R-28b).
    WaitAaa {
        /// The request under way; `None` between two tries.
        request: Option<u64>,
    },
    /// The previous MAAR was asked. Deadline: repeat.
    WaitSdba(Asking),
    /// Served here.
    Attached,
    /// Its link is gone, its lists stay. Deadline: T_DETACH.
    Detached,
    /// Served elsewhere, its lists frozen. Deadline: HOLD.
    Released(Released),
}

impl State {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            State::WaitAaa { .. } => "WaitAAA",
            State::WaitSdba(_) => "WaitSDBA",
            State::Attached => "Attached",
            State::Detached => "Detached",
            State::Released(_) => "Released",
        }
    }
}

/// An sDBU under way (step 5).
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) previous: Ipv6Addr,
    /// What is asked for.
    pub(crate) groups: Vec<AskGroup>,
    /// The last pair received, when asking for more.
    pub(crate) cursor: Option<(Ipv6Addr, Ipv6Addr)>,
    pub(crate) repeats: Repeats,
    /// A 135 or 144 has been mended once.
    pub(crate) resynced: bool,
}

/// What is kept of an MN that left.
#[derive(Clone, Debug)]
pub(crate) struct Released {
    /// The sDBU (or dDBU) that took it away.
    pub(crate) by: Accepted,
    /// All its HoAs and sessions, ascending: every repeat is answered from here.
    pub(crate) snapshot: Vec<TellGroup>,
    /// The end of HOLD.
    pub(crate) until: Instant,
}

/// An sDBU that waits for the own exchange to end.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) from: Ipv6Addr,
    pub(crate) sdbu: Sdbu,
}

/// The record.
#[derive(Clone, Debug)]
pub(crate) struct Mn {
    pub(crate) id: Nai,
    pub(crate) mac: Mac,
    pub(crate) port: PortId,
    /// The last time something showed it there.
    pub(crate) port_since: Instant,
    pub(crate) link_local: Option<Ipv6Addr>,
    /// Numbers this attachment.
    pub(crate) attachment: u64,
    /// The AAA's time of this attachment; zero before the answer.
    pub(crate) attach_time: AttachTime,
    /// The next sequence number of its sDBUs, to whichever MAAR.
    pub(crate) seq: u16,
    pub(crate) lease: Option<Prefix64>,
    /// The external list of this MN, by /64 (draft §3.3).
    pub(crate) externals: BTreeMap<Prefix64, External>,
    pub(crate) sessions: Sessions,
    /// Session options of the newest RS: claims until an sDBA confirms them.
    pub(crate) claims: Vec<(Ipv6Addr, Ipv6Addr)>,
    /// Here longer than R-34's time.
    pub(crate) settled: bool,
    /// Its link went while an exchange was under way: it is Detached when that ends.
    pub(crate) gone: bool,
    /// A newer attachment was heard of, from this MAAR, while the previous one has not answered.
    pub(crate) outdated: Option<(AttachTime, Ipv6Addr)>,
    pub(crate) recoveries: Budget,
    /// The request under way about an MN that is served already (R-28b).
    pub(crate) registering: Option<u64>,
    /// Served without the AAA's word, with a time of the own clock (R-28b).
    pub(crate) provisional: bool,
    /// What was last written of it, as a hash.
    pub(crate) persisted: Option<u64>,
    pub(crate) state: State,
    pub(crate) queued: Option<Queued>,
}

impl Mn {
    /// A node never seen before.
    pub(crate) fn new(id: Nai, mac: Mac, port: PortId) -> Mn {
        Mn {
            id,
            mac,
            port,
            port_since: Instant::default(),
            link_local: None,
            attachment: 0,
            attach_time: AttachTime(0),
            seq: 0,
            lease: None,
            externals: BTreeMap::new(),
            sessions: Sessions::default(),
            claims: Vec::new(),
            settled: false,
            gone: false,
            outdated: None,
            recoveries: Budget::default(),
            registering: None,
            provisional: false,
            persisted: None,
            state: State::WaitAaa { request: None },
            queued: None,
        }
    }

    /// The number of the sDBU that is sent now.
    pub(crate) fn next_seq(&mut self) -> u16 {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        seq
    }

    /// R-10's "attached here".
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.state, State::WaitSdba(_) | State::Attached | State::Detached)
    }

    /// The CoA: the address of the MN's MAC in its lease.
    pub(crate) fn coa(&self) -> Option<Ipv6Addr> {
        self.lease.map(|prefix| prefix.with_iid(self.mac.eui64()))
    }

    /// The /64s whose packets are for this MN: its lease and its Active external bindings.
    pub(crate) fn prefixes(&self) -> Vec<Prefix64> {
        let active =
            self.externals.iter().filter(|(_, entry)| entry.active).map(|(prefix, _)| *prefix);
        self.lease.into_iter().chain(active).collect()
    }

    /// Whether `hoa` is an address of this MN that may be bound elsewhere.
    pub(crate) fn owns(&self, hoa: Ipv6Addr) -> bool {
        let prefix = Prefix64::of(hoa);
        self.lease == Some(prefix) || self.externals.get(&prefix).is_some_and(|entry| entry.active)
    }
}
