// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A hostile host, an attacker on the core link without a key, and a peer with one that claims what it must not (R-02,
//!

use crate::flow::Party;
use crate::frames;
use crate::names;
use crate::node;
use crate::queue::{Event, HostId, NodeId};
use crate::world::World;
use serde_json::Value;
use slowpath::control::Table;
use std::net::Ipv6Addr;
use wire::addr::Mac;
use wire::buf::VecBuf;
use wire::mh::{self, Ddbu, Key, Message, Seal};
use wire::time::{AttachTime, MesgId};
use wire::{eth, ip6};

impl World {
    /// A draft RS that lists what is not the host's.
    pub(super) fn claim(&mut self, host: HostId, claims: Vec<(Ipv6Addr, Ipv6Addr)>) {
        self.note_event(format!("{} claims {} pairs", names::host_name(host), claims.len()));
        self.solicit(host, claims);
    }

    /// One thing a host of ill will does.
    pub(super) fn mischief(&mut self, host: HostId, kind: u32) {
        let Some(node) = self.hosts[host].at else { return };
        let mac = self.hosts[host].mac;
        let others: Vec<_> = self
            .flows
            .iter()
            .filter(|flow| flow.from != Party::Host(host))
            .map(|f| (f.src, f.dst))
            .collect();
        let Some(&(src, dst)) = others.get(self.rng.usize(0..others.len().max(1))) else { return };
        match kind % 8 {
            // Another's sessions in a draft RS.
            0 => self.claim(host, others.into_iter().take(32).collect()),
            // Another's source under the own MAC, and under one that nobody has.
            1 => self.access_frame(node, &frames::spoofed(mac, src, dst)),
            2 => {
                let invented = Mac([2, 0xee, 0, 0, self.rng.u8(..), self.rng.u8(..)]);
                self.access_frame(node, &frames::spoofed(invented, src, dst));
            }
            // Signalling from the access link.
            3 => {
                if let Some((_, frame)) = self.some_captured() {
                    self.access_frame(node, &frame);
                }
            }
            // A message heard on the core link, once more and later.
            4 => {
                if let Some((to, frame)) = self.some_captured() {
                    let late = self.rng.u64(0..30_000_000);
                    self.queue
                        .push(self.now + late, Event::Frame { node: to, buf: VecBuf::new(&frame) });
                }
            }
            // The same with an octet changed.
            5 => {
                if let Some((to, mut frame)) = self.some_captured() {
                    let at = self.rng.usize(54..frame.len().max(55)).min(frame.len() - 1);
                    frame[at] ^= 1 << self.rng.u32(0..8);
                    self.queue
                        .push(self.now + 1, Event::Frame { node: to, buf: VecBuf::new(&frame) });
                }
            }
            6 => self.forge(src),
            _ => self.overreach(src),
        }
    }

    /// Someone without a key says in a MAAR's name that another's HoA is there.
    fn forge(&mut self, hoa: Ipv6Addr) {
        let maars = self.nodes.len();
        let (from, to) = (self.rng.usize(0..maars), self.rng.usize(0..maars));
        let wrong = Key { spi: 256, secret: [7; 32].into() };
        let key = self.rng.bool().then_some(wrong);
        let ddbu = self.ddbu(hoa, names::address(from), Some(u64::MAX));
        self.inject(from_to(names::address(from), to), &ddbu, key.as_ref());
    }

    /// A peer with a right key names what no peer may: a HoA of the core, one that nobody holds, another MAAR as the
    /// place, an attachment that is over.
    fn overreach(&mut self, hoa: Ipv6Addr) {
        let to = self.rng.usize(0..self.nodes.len());
        let nobody = Ipv6Addr::from_bits(names::pool(to).addr.to_bits() | 0xfff0 << 64 | 1);
        let ddbu = match self.rng.u32(0..4) {
            0 => self.ddbu(names::address(to), names::EVIL, Some(u64::MAX)),
            1 => self.ddbu(nobody, names::EVIL, Some(u64::MAX)),
            2 => self.ddbu(hoa, names::address(to), Some(u64::MAX)),
            _ => {
                // Where the owner is attached for certain: elsewhere a peer with a key is believed.
                let served = (0..self.nodes.len()).find(|&node| self.serves(node, hoa));
                let Some(to) = served else { return };
                let ddbu = self.ddbu(hoa, names::EVIL, Some(1));
                return self.inject(from_to(names::EVIL, to), &ddbu, Some(&node::key()));
            }
        };
        self.inject(from_to(names::EVIL, to), &ddbu, Some(&node::key()));
    }

    /// Whether a MAAR has an MN attached whose HoA this is.
    fn serves(&mut self, node: NodeId, hoa: Ipv6Addr) -> bool {
        let mut leases = self.show(node, Table::Mns).into_iter();
        let leased = |row: &Value| row["state"] == "Attached" && row["hoa"] == *hoa.to_string();
        let active = |row: &Value| row["state"] == "Active" && row["hoa"] == *hoa.to_string();
        leases.any(|row| leased(&row)) || self.show(node, Table::Bindings).iter().any(active)
    }

    fn ddbu(&mut self, hoa: Ipv6Addr, serving: Ipv6Addr, time: Option<u64>) -> Message {
        let attach_time = time.map(AttachTime);
        Message::Ddbu(Ddbu {
            seq: self.rng.u16(..),
            lifetime: 150,
            attach_time,
            hoa,
            serving,
            cns: Vec::new(),
        })
    }

    fn inject(
        &mut self,
        (src, dst, to): (Ipv6Addr, Ipv6Addr, NodeId),
        message: &Message,
        key: Option<&Key>,
    ) {
        let wall = self.nodes[to].clock.at(self.now).wall;
        let seal = key.map(|key| Seal { key, mesg_id: MesgId::from_unix(wall) });
        let Ok(octets) = mh::encode(message, src, dst, seal) else { return };
        let header = eth::ipv6_header(names::core_mac(to), Mac([2, 0xbd, 0, 0, 0, 1]));
        let frame = ip6::frame(header, src, dst, mh::NEXT_HEADER, 64, &octets);
        self.note_event(format!("someone sends {} as {src}: {message:?}", names::name(to)));
        self.queue.push(self.now + 1, Event::Frame { node: to, buf: VecBuf::new(&frame) });
    }

    fn some_captured(&mut self) -> Option<(usize, Vec<u8>)> {
        let at = self.rng.usize(0..self.captured.len().max(1));
        self.captured.get(at).cloned()
    }
}

fn from_to(src: Ipv6Addr, to: NodeId) -> (Ipv6Addr, Ipv6Addr, NodeId) {
    (src, names::address(to), to)
}
