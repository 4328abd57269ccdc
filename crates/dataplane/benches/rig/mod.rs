// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One worker with a filled table, and bursts of 64-octet frames for it that are put back as they came after each run.

use arrayvec::ArrayVec;
use dataplane::fib::{Anchor, FibBuilder, Neighbor, Peer, PortInfo, Role, Route, Routes};
use dataplane::synthetic::{Keys, Population};
use dataplane::update::Update;
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::{Mac, Prefix64, ROUTER_MAC};
use wire::buf::{HEADROOM, PacketBuf};
use wire::{eth, ip6};

pub const ACCESS: PortId = 0;
pub const CORE: PortId = 1;
const ACCESS_MAC: Mac = Mac([2, 0, 0, 0, 0xa1, 0]);
const CORE_MAC: Mac = Mac([2, 0, 0, 0, 0xa1, 1]);
const SEED: u64 = 1;
const POOL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xa1, 0, 0, 0, 0, 0, 0), 32);
const BINDINGS: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xdb8, 0, 0, 0, 0, 0, 0), 32);
const OUTSIDE: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xcafe, 0, 0, 0, 0, 0, 0), 32);
const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa1);
const PEERS: u16 = 4;
/// Octets of a frame before it is put into a tunnel.
const FRAME: usize = 64;
const UDP: u8 = 17;

/// What is done to the frames of a burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// To another station's MAC: the first pass drops it.
    Classify,
    /// Into a tunnel.
    Encap,
    /// Out of one, to a station.
    Decap,
    /// From station to station.
    Deliver,
    /// By a route.
    Native,
}

impl Case {
    pub const ALL: [Case; 5] =
        [Case::Classify, Case::Encap, Case::Decap, Case::Deliver, Case::Native];

    pub fn name(self) -> &'static str {
        match self {
            Case::Classify => "classify",
            Case::Encap => "encap",
            Case::Decap => "decap",
            Case::Deliver => "deliver",
            Case::Native => "native",
        }
    }

    /// The counter that all frames end in.
    fn verdict(self) -> &'static str {
        match self {
            Case::Classify => "drop.not_for_us",
            Case::Encap => "tunnelled",
            Case::Decap | Case::Deliver => "delivered",
            Case::Native => "native",
        }
    }
}

/// As an mbuf is: headroom, frame, and where it is, in memory of its own that nobody clears.
pub struct Frame {
    octets: Box<[u8; 512]>,
    start: u16,
    len: u16,
}

impl PacketBuf for Frame {
    #[inline]
    fn data(&self) -> &[u8] {
        &self.octets[self.start.into()..][..self.len.into()]
    }
    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.start.into()..][..self.len.into()]
    }
    #[inline]
    fn is_contiguous(&self) -> bool {
        true
    }
    #[inline]
    fn frame_len(&self) -> usize {
        self.len.into()
    }
    #[inline]
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n as u16)?;
        self.len += n as u16;
        Some(self.data_mut())
    }
    fn append(&mut self, _n: usize) -> Option<&mut [u8]> {
        None
    }
    #[inline]
    fn trim_front(&mut self, n: usize) {
        self.start += n as u16;
        self.len -= n as u16;
    }
    #[inline]
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len as u16);
    }
    fn pull_up(&mut self, n: usize) -> bool {
        n <= self.len.into()
    }
    fn another(&self) -> Option<Self> {
        None
    }
}

/// Frames on their way back to the source.
struct Out(ArrayVec<Frame, BURST>);

impl Transmit<Frame> for Out {
    #[inline]
    fn transmit(&mut self, _port: PortId, buf: Frame) {
        self.0.push(buf);
    }
}

/// The worker and its traffic.
pub struct Rig {
    worker: Worker<Frame>,
    ends: WorkerEnds<Frame>,
    case: Case,
    port: PortId,
    /// What the source gives, round and round.
    frames: Vec<Vec<u8>>,
    next: usize,
    out: Out,
    spare: ArrayVec<Frame, BURST>,
}

impl Rig {
    /// `flows` sources and destinations in the table, and a frame of each.
    pub fn new(case: Case, flows: u64) -> Rig {
        let sizes =
            Sizes { bindings: 3 * flows as usize + 1024, updates: 4096, punts: 1024, parked: 0 };
        let (mut all, mut ends, _) = workers(1, sizes, Arc::new(fib().build()));
        let (mut worker, mut ends) = (all.remove(0), ends.remove(0));
        let people = Population::new(SEED, POOL, BINDINGS, vec![ACCESS], PEERS);
        let stations = (0..2 * flows).map(|n| people.station(n));
        let bound = stations.chain((0..flows).map(|n| people.binding(n, 0)));
        for (key, verdict) in bound {
            let mut update = Update::Bind { key, verdict };
            while let Err(rtrb::PushError::Full(back)) = ends.updates.push(update) {
                worker.housekeeping();
                update = back;
            }
        }
        while !ends.updates.buffer().capacity().eq(&ends.updates.slots()) {
            worker.housekeeping();
        }
        // In another order than they were bound in; flows are a power of two.
        let bits = flows.trailing_zeros();
        let order = (0..flows).map(|n| dataplane::synthetic::permute(SEED ^ 0x6f, bits, n));
        let frames = order.map(|n| frame(case, &people, n)).collect();
        let port = if case == Case::Decap { CORE } else { ACCESS };
        let spare = (0..BURST).map(|_| Frame { octets: Box::new([0; 512]), start: 0, len: 0 });
        let (spare, out) = (spare.collect(), Out(ArrayVec::new()));
        Rig { worker, ends, case, port, frames, next: 0, out, spare }
    }

    /// What the source alone does, without the router.
    pub fn source(&mut self) {
        let burst = self.burst();
        std::hint::black_box(&burst);
        self.spare = burst;
    }

    /// One burst through the worker.
    pub fn run(&mut self) {
        let mut burst = self.burst();
        self.worker.burst(self.port, &mut burst, &mut self.out);
        self.spare = std::mem::take(&mut self.out.0);
        // Dropped ones are replaced.
        while !self.spare.is_full() {
            self.spare.push(Frame { octets: Box::new([0; 512]), start: 0, len: 0 });
        }
    }

    fn burst(&mut self) -> ArrayVec<Frame, BURST> {
        let mut burst = std::mem::take(&mut self.spare);
        for buf in &mut burst {
            let frame = &self.frames[self.next];
            self.next = if self.next + 1 < self.frames.len() { self.next + 1 } else { 0 };
            buf.octets[HEADROOM..][..frame.len()].copy_from_slice(frame);
            (buf.start, buf.len) = (HEADROOM as u16, frame.len() as u16);
        }
        burst
    }

    /// Whether every frame so far went the case's way.
    pub fn check(&mut self) {
        self.worker.housekeeping();
        let (mut received, mut right) = (0, 0);
        self.ends.stats.each(|name, value| match name {
            "rx" => received = value,
            name if name == self.case.verdict() => right = value,
            _ => {}
        });
        assert!(received > 0 && received == right, "{:?}: {right} of {received}", self.case);
    }
}

fn peer(n: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(OWN.to_bits() + 1 + u128::from(n))
}

fn fib() -> FibBuilder {
    let port = |role, mac| PortInfo { role, mac, mtu: 1600, attach_on_frame: false };
    let neighbor =
        |n| Neighbor { port: CORE, eth: eth::ipv6_header(Mac([6, 0, 0, 0, 0, n as u8]), CORE_MAC) };
    let peers = (0..PEERS)
        .map(|n| Some(Peer { address: peer(n), next_hop: Some(u32::from(n)), path_mtu: None }));
    FibBuilder {
        own: Some(OWN),
        tunnel_hop_limit: 64,
        ports: vec![port(Role::Access, ACCESS_MAC), port(Role::Core, CORE_MAC)],
        neighbors: (0..PEERS).map(neighbor).collect(),
        peers: peers.collect(),
        anchors: vec![(POOL.0, POOL.1, Anchor::Own), (BINDINGS.0, BINDINGS.1, Anchor::Peer(0))],
        groups: vec![vec![0]],
        routes: Arc::new(Routes::new([
            (OUTSIDE.0, OUTSIDE.1, Route::Via(0)),
            (POOL.0, POOL.1, Route::Pool),
        ])),
        on_link: Vec::new(),
        core_prefixes: Vec::new(),
    }
}

/// Frame `n` of a case.
fn frame(case: Case, people: &Population, n: u64) -> Vec<u8> {
    let at = |key: u64| Prefix64(key).with_iid(1);
    let lease = |station| at(people.leases.key(station));
    let elsewhere = at(people.elsewhere.key(n));
    let outside = Keys::new(OUTSIDE.0, OUTSIDE.1, SEED);
    let (src, dst) = match case {
        Case::Decap => (elsewhere, lease(n)),
        Case::Deliver => (lease(2 * n), lease(2 * n + 1)),
        Case::Native => (lease(n), at(outside.key(n))),
        Case::Classify | Case::Encap => (lease(n), elsewhere),
    };
    let mut datagram = vec![0; FRAME - eth::HEADER_LEN - ip6::HEADER_LEN];
    datagram[..6].copy_from_slice(&[0, 9, 0, 9, 0, 10]);
    let packet = ip6::packet(src, dst, UDP, 64, &datagram);
    let station = people.mac(if case == Case::Deliver { 2 * n } else { n });
    match case {
        Case::Decap => {
            let from = peer((n % u64::from(PEERS)) as u16);
            let front = eth::ipv6_header(CORE_MAC, Mac([6, 0, 0, 0, 0, 0]));
            ip6::frame(front, from, OWN, ip6::IPV6_IN_IPV6, 64, &packet)
        }
        Case::Classify => {
            [&eth::ipv6_header(Mac([2, 9, 9, 9, 9, 9]), station)[..], &packet].concat()
        }
        _ => [&eth::ipv6_header(ROUTER_MAC, station)[..], &packet].concat(),
    }
}
