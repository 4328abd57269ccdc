// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What outlives a restart: of each MN its lease, and while it is served here its attach time, its attachment and
//! the HoAs served for it. Written whenever one of these changes, before an RA or an answer that depends on it leaves.

use crate::bindings::{External, Station};
use crate::maar::Maar;
use crate::mn::{Mn, State};
use crate::timers::Timer;
use crate::{Output, PortId};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::{AttachTime, Now};

/// What is kept of one MN.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// MN-ID.
    pub mn_id: Nai,
    /// Its /64, promised to it.
    pub lease: Prefix64,
    /// While it is served here.
    pub here: Option<Served>,
}

/// The rest of a [`Record`] while the MN is served here.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Served {
    /// Its MAC.
    pub mac: Mac,
    /// Its access port.
    pub port: PortId,
    /// The AAA's time of this attachment.
    pub attach_time: AttachTime,
    /// Numbers the attachment: one Session-Id each.
    pub attachment: u64,
    /// HoAs of earlier MAARs that are Active here, one of each /64.
    pub hoas: Vec<Ipv6Addr>,
}

/// A change of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Persist {
    /// What is kept of this MN from now on.
    Keep(Record),
    /// Nothing is kept of it any more.
    Drop(Nai),
}

impl Maar {
    /// Something of the MN may have changed that outlives a restart.
    pub(crate) fn persist(&mut self, id: &Nai) {
        for old in std::mem::take(&mut self.leases.evicted) {
            self.out.push_back(Output::Persist(Persist::Drop(old)));
        }
        let record = self.record(id);
        let mut hasher = DefaultHasher::new();
        record.hash(&mut hasher);
        let new = hasher.finish();
        if let Some(mn) = self.mns.get_mut(id) {
            if mn.persisted == Some(new) {
                return;
            }
            mn.persisted = Some(new);
        }
        self.out.push_back(Output::Persist(match record {
            Some(record) => Persist::Keep(record),
            None => Persist::Drop(id.clone()),
        }));
    }

    fn record(&self, id: &Nai) -> Option<Record> {
        let lease = self.leases.of(id)?;
        let served = |mn: &Mn| Served {
            mac: mn.mac,
            port: mn.port,
            attach_time: mn.attach_time,
            attachment: mn.attachment,
            hoas: mn.externals.values().filter(|e| e.active).map(|e| e.hoa).collect(),
        };
        let here = self.mns.get(id).filter(|mn| mn.is_here()).map(served);
        Some(Record { mn_id: id.clone(), lease, here })
    }

    /// Before the first input: what the process before kept. Who was served here is Detached, its HoAs Active, its
    /// sessions unknown; whatever it sends attaches it again, and whoever asks for its lists gets them.
    pub fn restore(&mut self, now: Now, records: impl IntoIterator<Item = Record>) {
        for Record { mn_id, lease, here } in records {
            if !self.leases.restore(now.mono, &mn_id, lease) {
                self.count("record_outside_pool");
                continue;
            }
            self.lists.set_leased(lease, &mut self.out);
            if let Some(served) = here {
                self.restore_mn(now, mn_id, lease, served);
            }
        }
    }

    fn restore_mn(&mut self, now: Now, id: Nai, lease: Prefix64, served: Served) {
        let Served { mac, port, attach_time, attachment, hoas } = served;
        let mut mn = Mn::new(id.clone(), mac, port);
        (mn.attach_time, mn.attachment, mn.lease) = (attach_time, attachment, Some(lease));
        mn.state = State::Attached;
        for hoa in hoas.into_iter().filter(|hoa| self.may_bind(*hoa)) {
            let anchor = self.anchor(hoa);
            mn.externals
                .insert(Prefix64::of(hoa), External { hoa, active: true, anchor, used: now.mono });
        }
        let prefixes = mn.prefixes();
        self.own_time = self.own_time.max(attach_time);
        self.stations.insert(mac, id.clone());
        self.mns.insert(id.clone(), mn);
        // R-28's times begin anew: its packets wait a while for its first frame.
        for prefix in prefixes {
            let at = Station { port, mac, settled: true };
            self.lists.set_here(prefix, &id, at, &mut self.out);
        }
        self.detach(now, &id);
        // Its frames have been under way since before the restart: each is a sign of life.
        self.timers.disarm(&Timer::Quiet(mac));
        self.out.push_back(Output::Station { mac, state: None });
        self.count("record_restored");
    }
}
