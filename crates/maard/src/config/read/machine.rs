// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the machine gives: DPDK's memory, CPUs, ports.

use super::{BOOLEAN, Reader};
use crate::config::scalar;
use crate::config::tree::{At, Field, Map};
use crate::config::{Cores, Eal, Port};
use dataplane::fib::Role;

impl Reader<'_> {
    pub(super) fn eal(&self, top: &Map<'_>) -> Option<Eal> {
        const KEYS: &[&str] = &["hugepages", "memory", "mbufs", "mbuf_size"];
        let default_mbufs = || At { value: 32_768, at: top.at.clone() };
        let Some(field) = top.get("eal") else {
            return Some(Eal {
                hugepages: false,
                memory: 256,
                mbufs: default_mbufs(),
                mbuf_size: None,
            });
        };
        let map = field.map(self.p, KEYS)?;
        let count = |t: &str| scalar::number(t, 1024..=4_194_304).map(|n| n as u32);
        let mbufs = match map.get("mbufs") {
            Some(f) => f.parse(self.p, "a number of packet buffers from 1024 to 4194304", count)?,
            None => default_mbufs(),
        };
        Some(Eal {
            hugepages: self.or(&map, "hugepages", BOOLEAN, false, scalar::boolean),
            memory: self.or(&map, "memory", "a number of MiB from 64 to 1048576", 256, |t| {
                scalar::number(t, 64..=1_048_576).map(|n| n as u32)
            }),
            mbufs,
            mbuf_size: self.or(
                &map,
                "mbuf_size",
                "a number of octets from 128 to 9664",
                None,
                |t| scalar::number(t, 128..=9664).map(|n| Some(n as u16)),
            ),
        })
    }

    pub(super) fn cores(&self, top: &Map<'_>) -> Option<Cores> {
        let field =
            top.need(self.p, "cores", "say which CPU is whose, like {slowpath: 0, workers: [1]}")?;
        let map = field.map(self.p, &["slowpath", "workers"])?;
        let cpu = |t: &str| scalar::number(t, 0..=4095).map(|n| n as usize);
        let slowpath =
            self.need(&map, "slowpath", "give the CPU of the slow path", "a CPU number", cpu);
        let list = map.need(self.p, "workers", "list the CPUs of the workers, like [1]")?;
        let workers: Vec<_> =
            list.list(self.p).iter().filter_map(|f| f.parse(self.p, "a CPU number", cpu)).collect();
        if !(1..=32).contains(&workers.len()) {
            self.p.add(&list.at, format!("{} workers; there may be 1 to 32", workers.len()));
        }
        Some(Cores { slowpath: slowpath?, workers })
    }

    pub(super) fn port(&self, field: &Field<'_>) -> Option<Port> {
        let map = field.map(
            self.p,
            &["device", "role", "mtu", "attach", "max_mns", "attaches_per_second", "link"],
        )?;
        let device = self.need(
            &map,
            "device",
            "give a PCI address or a vdev string like net_tap0,iface=acc0",
            "a DPDK device string without spaces",
            |t| {
                let good = !t.is_empty() && !t.contains(char::is_whitespace) && !t.starts_with(',');
                good.then(|| t.to_owned())
            },
        );
        let role = self.need(
            &map,
            "role",
            "say `access` (mobile nodes) or `core` (the other MAARs)",
            "`access` or `core`",
            |t| match t {
                "access" => Some(Role::Access),
                "core" => Some(Role::Core),
                _ => None,
            },
        )?;
        let mtu = self.or(&map, "mtu", "an IPv6 MTU from 1280 to 9600", 1500, |t| {
            scalar::number(t, 1280..=9600).map(|n| n as u16)
        });
        let attach_on_frame = self.or(&map, "attach", "`any` or `event`", true, |t| match t {
            "any" => Some(true),
            "event" => Some(false),
            _ => None,
        });
        let number = |t: &str| scalar::number(t, 1..=100_000_000).map(|n| n as u32);
        let attaches_per_second =
            self.or(&map, "attaches_per_second", "a number above 0", 5_000, number);
        let max_mns = self.or(&map, "max_mns", "a number above 0", None, |t| number(t).map(Some));
        let link = match role.value {
            Role::Access => {
                self.not_here(
                    &map,
                    "link",
                    "belongs to core ports; an access link has no prefix of its own",
                );
                None
            }
            Role::Core => {
                self.not_here(
                    &map,
                    "attach",
                    "belongs to access ports; nothing attaches on a core port",
                );
                let link = map.need(
                    self.p,
                    "link",
                    "give the prefix on this core link, like 2001:db8:ff::/64",
                )?;
                Some(self.prefix(&link)?)
            }
        };
        let device = device?;
        let role = role.value;
        Some(Port { device, role, mtu, attach_on_frame, max_mns, attaches_per_second, link })
    }

    fn not_here(&self, map: &Map<'_>, key: &str, why: &str) {
        if let Some(field) = map.get(key) {
            self.p.add(&field.at, format!("{why}; delete it"));
        }
    }
}
