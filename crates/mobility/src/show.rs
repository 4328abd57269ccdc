// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows for `romip show`, built when asked.

use crate::PortId;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::{AttachTime, Now};

/// One MN record.
#[derive(Clone, PartialEq, Debug)]
pub struct MnRow {
    /// MN-ID.
    pub mn_id: Nai,
    /// MAC.
    pub mac: Mac,
    /// Access port.
    pub port: PortId,
    /// `WaitAAA`, `WaitSDBA`, `Attached`, `Detached`, `Released` (PROTOCOL.md 4.1).
    pub state: &'static str,
    /// The leased /64.
    pub lease: Option<Prefix64>,
    /// CoA: the assigned address in the lease.
    pub coa: Option<Ipv6Addr>,
    /// Link-local seen in a frame.
    pub link_local: Option<Ipv6Addr>,
    /// Attach time.
    pub attach_time: Option<AttachTime>,
}

/// One entry of the two lists (draft §3.3).
#[derive(Clone, PartialEq, Debug)]
pub enum BindingRow {
    /// MN's HoA -> CoA.
    External {
        /// HoA.
        hoa: Ipv6Addr,
        /// CoA.
        coa: Ipv6Addr,
        /// Whose.
        mn_id: Nai,
        /// `Tentative` or `Active`.
        state: &'static str,
    },
    /// CN's HoA -> MAAR.
    Internal {
        /// HoA of the node behind the MAAR.
        hoa: Ipv6Addr,
        /// Its MAAR.
        maar: Ipv6Addr,
        /// `sDBA`, `dDBU`, `dDBA`, `forwarding`.
        source: &'static str,
        ///
        stale: bool,
        /// Until expiry.
        expires_in: Option<Duration>,
    },
}

impl crate::Maar {
    /// All MN records, by MN-ID.
    pub fn mns(&self) -> Vec<MnRow> {
        self.mns
            .values()
            .map(|mn| MnRow {
                mn_id: mn.id.clone(),
                mac: mn.mac,
                port: mn.port,
                state: mn.state.name(),
                lease: mn.lease,
                coa: mn.coa(),
                link_local: mn.link_local,
                attach_time: Some(mn.attach_time).filter(|time| time.0 != 0),
            })
            .collect()
    }

    /// Both lists: the external one by MN-ID and HoA, then the internal one by HoA.
    pub fn bindings(&self, now: Now) -> Vec<BindingRow> {
        let served = self.mns.values().filter(|mn| mn.is_here());
        let external = served.flat_map(|mn| mn.externals.values().map(move |entry| (mn, entry)));
        let mut rows: Vec<BindingRow> = external
            .filter_map(|(mn, entry)| {
                let state = if entry.active { "Active" } else { "Tentative" };
                Some(BindingRow::External {
                    hoa: entry.hoa,
                    coa: mn.coa()?,
                    mn_id: mn.id.clone(),
                    state,
                })
            })
            .collect();
        rows.extend(self.lists.internals().map(|entry| BindingRow::Internal {
            hoa: entry.hoa,
            maar: entry.maar,
            source: entry.source.name(),
            stale: entry.stale,
            expires_in: Some(entry.expires - now.mono),
        }));
        rows
    }
}
