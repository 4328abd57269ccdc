// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One worker of A_MAAR3, as Figure 2 of the draft shows it: user A is here with A_HoA1 and A_HoA3, user B is behind
//! B_MAAR2. Also a user C of this MAAR, and one D whose lease it is but who is away.

use arrayvec::ArrayVec;
use dataplane::fib::{Anchor, FibBuilder, Neighbor, Peer, PortInfo, Role, Route, Routes};
use dataplane::park::Report;
use dataplane::punt::{Marker, Punt, PuntReason};
use dataplane::update::Update;
use dataplane::verdict::{PeerId, Station, Verdict, station_key};
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::{Mac, Prefix64, ROUTER_MAC};
use wire::buf::VecBuf;
use wire::{eth, ip6};

pub const ACCESS: PortId = 0;
pub const CORE: PortId = 1;
/// An access port where only L2 events attach.
pub const ACCESS_BY_EVENT: PortId = 2;

pub const ACCESS_MAC: Mac = Mac([2, 0, 0, 0, 0xa3, 0]);
pub const CORE_MAC: Mac = Mac([2, 0, 0, 0, 0xa3, 1]);
pub const MAC_A: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
pub const MAC_C: Mac = Mac([2, 0, 0, 0, 0, 0x0c]);
pub const MAC_B_MAAR2: Mac = Mac([2, 0, 0, 0, 0, 0xb2]);
pub const MAC_ROUTER: Mac = Mac([2, 0, 0, 0, 0, 1]);

pub const A_MAAR1: &str = "2001:db8:ff::a1";
pub const A_MAAR2: &str = "2001:db8:ff::a2";
pub const A_MAAR3: &str = "2001:db8:ff::a3";
pub const B_MAAR1: &str = "2001:db8:ff::b1";
pub const B_MAAR2: &str = "2001:db8:ff::b2";
pub const A_HOA1: &str = "2001:db8:a1:a:0:ff:fe00:a";
pub const A_HOA3: &str = "2001:db8:a3:a:0:ff:fe00:a";
pub const B_HOA1: &str = "2001:db8:b1:b:0:ff:fe00:b";
pub const C_HOA3: &str = "2001:db8:a3:c:0:ff:fe00:c";
pub const D_HOA3: &str = "2001:db8:a3:d:0:ff:fe00:d";
pub const UNLEASED: &str = "2001:db8:a3:ffff::1";
/// Managed (anchor B_MAAR2), not in any list here.
pub const E_HOA: &str = "2001:db8:b2:e::e";
/// A legacy server.
pub const S: &str = "2001:db8:cafe::80";

pub fn at(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

pub fn key(text: &str) -> u64 {
    Prefix64::of(at(text)).0
}

pub fn fib() -> FibBuilder {
    let port = |role, mac, attach_on_frame| PortInfo { role, mac, mtu: 1500, attach_on_frame };
    let neighbor = |mac| Neighbor { port: CORE, eth: eth::ipv6_header(mac, CORE_MAC) };
    let peer = |address, next_hop| Some(Peer { address: at(address), next_hop, path_mtu: None });
    FibBuilder {
        own: Some(at(A_MAAR3)),
        tunnel_hop_limit: 64,
        ports: vec![
            port(Role::Access, ACCESS_MAC, true),
            port(Role::Core, CORE_MAC, false),
            port(Role::Access, Mac([2, 0, 0, 0, 0xa3, 2]), false),
        ],
        neighbors: vec![neighbor(MAC_ROUTER), neighbor(MAC_B_MAAR2)],
        peers: vec![
            peer(A_MAAR1, Some(0)),
            peer(A_MAAR2, Some(0)),
            peer(B_MAAR2, Some(1)),
            peer(B_MAAR1, None),
        ],
        anchors: vec![
            (at("2001:db8:a1::"), 48, Anchor::Peer(0)),
            (at("2001:db8:a2::"), 48, Anchor::Peer(1)),
            (at("2001:db8:a3::"), 48, Anchor::Own),
            (at("2001:db8:b1::"), 48, Anchor::Peer(3)),
            (at("2001:db8:b2::"), 48, Anchor::Peer(2)),
        ],
        groups: vec![vec![0], vec![]],
        routes: Arc::new(Routes::new([
            (at("2001:db8::"), 32, Route::Via(0)),
            (at("2001:db8:ff::"), 64, Route::OnLink(CORE)),
            (at("2001:db8:a3::"), 48, Route::Pool),
            (at("2001:db8:dead::"), 48, Route::Via(1)),
        ])),
        on_link: vec![(at(B_MAAR2), 1)],
        core_prefixes: vec![(at("2001:db8:ff::"), 64)],
    }
}

pub const DELIVER_A: Verdict =
    Verdict::Deliver { mac: MAC_A, port: ACCESS, anchored: false, settled: true };

pub fn bindings() -> Vec<(u64, Verdict)> {
    let leased = |mac| Verdict::Deliver { mac, port: ACCESS, anchored: true, settled: true };
    vec![
        (key(A_HOA1), DELIVER_A),
        (key(A_HOA3), leased(MAC_A)),
        (station_key(MAC_A), Verdict::Station(Station::Attached)),
        (key(C_HOA3), leased(MAC_C)),
        (station_key(MAC_C), Verdict::Station(Station::Attached)),
        (key(D_HOA3), Verdict::Absent { park: false }),
        (key(B_HOA1), Verdict::Tunnel { peer: 2, anchored: false, former: false }),
    ]
}

/// The octets of a line of hexadecimal digits.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A UDP datagram with ports 40000 and 5001; its checksum is nobody's business here.
pub fn udp(data: &[u8]) -> Vec<u8> {
    let mut octets = hex("9c401389");
    octets.extend_from_slice(&(8 + data.len() as u16).to_be_bytes());
    octets.extend_from_slice(&[0, 0]);
    octets.extend_from_slice(data);
    octets
}

/// A frame with IPv6, next header 17, hop limit 64.
pub fn udp_frame(dst_mac: Mac, src_mac: Mac, src: &str, dst: &str) -> Vec<u8> {
    frame(dst_mac, src_mac, src, dst, 17, &udp(b"hello"))
}

pub fn frame(
    dst_mac: Mac,
    src_mac: Mac,
    src: &str,
    dst: &str,
    next: u8,
    payload: &[u8],
) -> Vec<u8> {
    ip6::frame(eth::ipv6_header(dst_mac, src_mac), at(src), at(dst), next, 64, payload)
}

/// What user A sends.
pub fn from_a(src: &str, dst: &str) -> Vec<u8> {
    udp_frame(ROUTER_MAC, MAC_A, src, dst)
}

/// What comes by the core, not tunnelled.
pub fn by_core(src: &str, dst: &str) -> Vec<u8> {
    udp_frame(CORE_MAC, MAC_ROUTER, src, dst)
}

/// A tunnel packet from `peer` around a UDP packet.
pub fn by_tunnel(peer: &str, src: &str, dst: &str) -> Vec<u8> {
    around(peer, &by_core(src, dst)[14..])
}

pub fn around(peer: &str, inner: &[u8]) -> Vec<u8> {
    frame(CORE_MAC, MAC_B_MAAR2, peer, A_MAAR3, 41, inner)
}

#[derive(Default)]
pub struct Sent(pub Vec<(PortId, Vec<u8>)>);

impl Transmit<VecBuf> for Sent {
    fn transmit(&mut self, port: PortId, buf: VecBuf) {
        self.0.push((port, buf.to_vec()));
    }
}

/// What a run of frames led to.
#[derive(Debug, Default)]
pub struct Out {
    pub sent: Vec<(PortId, Vec<u8>)>,
    pub punted: Vec<(PuntReason, Vec<u8>)>,
    pub sessions: Vec<(Ipv6Addr, Ipv6Addr)>,
    pub parked: Vec<Report>,
    pub markers: Vec<Marker>,
    /// Peers asked for.
    pub peers: Vec<PeerId>,
    /// Packets that wait now.
    pub waiting: u64,
    /// Final counts that moved, `rx` aside.
    pub counts: BTreeMap<&'static str, u64>,
    /// All that moved.
    pub all: BTreeMap<&'static str, u64>,
}

impl Out {
    /// The one frame that was sent, and its port; it counted as `verdict` and nothing else happened.
    #[track_caller]
    pub fn sent_as(&self, verdict: &str) -> (PortId, &[u8]) {
        assert_eq!(self.counts, BTreeMap::from([(verdict, 1)]));
        assert_eq!(self.sent.len(), 1);
        (self.sent[0].0, &self.sent[0].1)
    }

    /// Nothing was sent or punted; the one frame was dropped for `reason`.
    #[track_caller]
    pub fn dropped_as(&self, reason: &str) {
        assert_eq!(self.counts, BTreeMap::from([(&*format!("drop.{reason}"), 1)]));
        assert!(self.sent.is_empty() && self.punted.is_empty());
    }

    /// The one frame went to the slow path for `reason`, as `frame`.
    #[track_caller]
    pub fn punted_as(&self, reason: PuntReason, frame: &[u8]) {
        assert_eq!(self.counts, BTreeMap::from([(reason.name(), 1)]));
        assert_eq!(self.punted, [(reason, frame.to_vec())]);
        assert!(self.sent.is_empty());
    }
}

pub struct Rig {
    pub worker: Worker<VecBuf>,
    pub ends: WorkerEnds<VecBuf>,
    before: BTreeMap<&'static str, u64>,
}

impl Rig {
    /// Figure 2.
    pub fn new() -> Rig {
        Rig::with(fib(), &bindings())
    }

    /// Figure 2, nothing parks.
    pub fn with(fib: FibBuilder, bindings: &[(u64, Verdict)]) -> Rig {
        Rig::sized(fib, bindings, 0)
    }

    /// Figure 2 with room for parked packets.
    pub fn parking() -> Rig {
        Rig::sized(fib(), &bindings(), 4096)
    }

    /// As [`Rig::parking`], with a core port of so many octets.
    pub fn narrow(mtu: u16) -> Rig {
        let mut fib = fib();
        fib.ports[CORE as usize].mtu = mtu;
        Rig::sized(fib, &bindings(), 4096)
    }

    fn sized(fib: FibBuilder, bindings: &[(u64, Verdict)], parked: usize) -> Rig {
        let sizes = Sizes { bindings: 64, updates: 256, punts: 256, parked };
        let (mut workers, mut ends, _) = workers(1, sizes, Arc::new(fib.build()));
        let (worker, ends) = (workers.remove(0), ends.remove(0));
        let mut rig = Rig { worker, ends, before: BTreeMap::new() };
        for (key, verdict) in bindings {
            rig.update(Update::Bind { key: *key, verdict: *verdict });
        }
        rig.worker.housekeeping();
        rig
    }

    /// Figure 2 with one entry bound otherwise.
    pub fn and(key: u64, verdict: Verdict) -> Rig {
        let mut rig = Rig::new();
        rig.update(Update::Bind { key, verdict });
        rig.worker.housekeeping();
        rig
    }

    pub fn update(&mut self, update: Update) {
        assert!(self.ends.updates.push(update).is_ok(), "the update ring is full");
    }

    pub fn one(&mut self, port: PortId, frame: &[u8]) -> Out {
        self.run(port, &[frame.to_vec()])
    }

    pub fn run(&mut self, port: PortId, frames: &[Vec<u8>]) -> Out {
        self.run_bufs(port, frames.iter().map(|frame| VecBuf::new(frame)).collect())
    }

    /// Frames in buffers of the case's own making.
    pub fn run_bufs(&mut self, port: PortId, mut frames: Vec<VecBuf>) -> Out {
        let mut sent = Sent::default();
        while !frames.is_empty() {
            let mut burst: ArrayVec<VecBuf, BURST> =
                frames.drain(..frames.len().min(BURST)).collect();
            self.worker.burst(port, &mut burst, &mut sent);
            assert!(burst.is_empty());
        }
        self.worker.housekeeping();
        self.collect(sent)
    }

    /// A look at the time, in milliseconds since some start.
    pub fn expire(&mut self, ms: u64) -> Out {
        self.worker.expire(wire::time::Instant(ms * 1000));
        self.turn()
    }

    /// A turn in which nothing comes.
    pub fn turn(&mut self) -> Out {
        let mut sent = Sent::default();
        self.worker.burst(CORE, &mut ArrayVec::new(), &mut sent);
        self.worker.housekeeping();
        self.collect(sent)
    }

    /// An update, and the turns after it until nothing more leaves.
    pub fn then(&mut self, update: Update) -> Out {
        self.update(update);
        self.worker.housekeeping();
        let mut sent = Sent::default();
        for _ in 0..200 {
            self.worker.burst(CORE, &mut ArrayVec::new(), &mut sent);
            self.worker.housekeeping();
        }
        self.collect(sent)
    }

    fn collect(&mut self, sent: Sent) -> Out {
        let mut out = Out { sent: sent.0, ..Out::default() };
        while let Ok(punt) = self.ends.punts.pop() {
            match punt {
                Punt::Frame { reason, buf, .. } => out.punted.push((reason, buf.to_vec())),
                Punt::Session { hoa, cn } => out.sessions.push((hoa, cn)),
                Punt::Parked(report) => out.parked.push(report),
                Punt::Marker(marker) => out.markers.push(marker),
                Punt::Peer(peer) => out.peers.push(peer),
                Punt::OldFib(_) => {}
            }
        }
        let mut now = BTreeMap::new();
        self.ends.stats.each(|name, value| {
            now.insert(name, value);
        });
        out.waiting = now.remove("parked").expect("a counter");
        let moved = |name| now[name] - self.before.get(name).copied().unwrap_or(0);
        out.all = now.keys().map(|name| (*name, moved(name))).filter(|(_, n)| *n > 0).collect();
        out.counts = out.all.clone();
        out.counts.retain(|name, _| *name != "rx" && !name.starts_with("info."));
        self.before = now;
        out
    }
}
