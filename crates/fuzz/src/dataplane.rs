// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One worker with any table, any snapshot and any frames. Each frame gets one final count; what goes out is one IPv6
//! packet that its port takes.

use crate::Script;
use crate::frames::{self, CORE_MAC, NEIGHBOR, STATION, Side, at};
use arrayvec::ArrayVec;
use dataplane::fib::{Anchor, Fib, FibBuilder, Neighbor, Peer, PortInfo, Role, Route, Routes};
use dataplane::park::{By, ParkKey};
use dataplane::punt::Punt;
use dataplane::update::Update;
use dataplane::verdict::{Station, Verdict, station_key};
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::addr::{Mac, Prefix64};
use wire::buf::VecBuf;
use wire::eth;
use wire::time::Instant;

const ACCESS: PortId = 0;
const CORE: PortId = 1;
const PEERS: [&str; 4] =
    ["2001:db8:ff::a1", "2001:db8:ff::a2", "2001:db8:ff::b2", "2001:db8:ff::b1"];
const OWN: &str = "2001:db8:ff::a3";
const OTHERS: [&str; 11] = [
    "2001:db8:a1:a:0:ff:fe00:a",
    "2001:db8:a3:a:0:ff:fe00:a",
    "2001:db8:b1:b:0:ff:fe00:b",
    "2001:db8:a3:d::d",
    "2001:db8:b2:e::e",
    "2001:db8:cafe::80",
    "2001:db8:dead::1",
    "fe80::ff:fe00:a",
    "ff02::1",
    "::",
    "fe80::200:5eff:fe00:5213",
];

/// One input.
pub fn run(input: &[u8]) {
    let mut script = Script(input);
    let mut bench = Bench::new(script.octet());
    // Long scripts find nothing that short ones do not.
    for _ in 0..64 {
        if script.is_empty() {
            break;
        }
        bench.step(&mut script);
    }
    bench.turn();
}

struct Bench {
    worker: Worker<VecBuf>,
    ends: WorkerEnds<VecBuf>,
    addresses: Vec<Ipv6Addr>,
    mtu: [u16; 2],
    now: u64,
    received: u64,
    sent: Sent,
    punted: u64,
}

struct Sent {
    mtu: [u16; 2],
    frames: u64,
}

impl Transmit<VecBuf> for Sent {
    fn transmit(&mut self, port: PortId, buf: VecBuf) {
        self.frames += 1;
        frames::check(&buf.to_vec(), usize::from(self.mtu[usize::from(port)]));
    }
}

fn snapshot(core_mtu: u16, resolved: bool, path_mtu: Option<u16>) -> Fib {
    let port = |role, mac, mtu| PortInfo { role, mac, mtu, attach_on_frame: true };
    let peer = |address: &&str| {
        let next_hop = resolved.then_some(0);
        Some(Peer { address: at(address), next_hop, path_mtu })
    };
    FibBuilder {
        own: Some(at(OWN)),
        tunnel_hop_limit: 64,
        ports: vec![
            port(Role::Access, Mac([2, 0, 0, 0, 0xa3, 0]), 1500),
            port(Role::Core, CORE_MAC, core_mtu),
        ],
        neighbors: vec![Neighbor { port: CORE, eth: eth::ipv6_header(NEIGHBOR, CORE_MAC) }],
        peers: PEERS.iter().map(peer).collect(),
        anchors: vec![
            (at("2001:db8:a1::"), 48, Anchor::Peer(0)),
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
        on_link: vec![(at(PEERS[2]), 0)],
        core_prefixes: vec![(at("2001:db8:ff::"), 64)],
    }
    .build()
}

impl Bench {
    fn new(first: u8) -> Bench {
        let mtu = [1500, 1280 + u16::from(first)];
        let parked = if first & 1 == 0 { 64 } else { 0 };
        let sizes = Sizes { bindings: 64, updates: 64, punts: 64, parked };
        let fib = Arc::new(snapshot(mtu[1], true, None));
        let (mut workers, mut ends, _) = workers(1, sizes, fib);
        let own = [OWN];
        let texts = OTHERS.iter().chain(&PEERS).chain(&own);
        Bench {
            worker: workers.remove(0),
            ends: ends.remove(0),
            addresses: texts.map(|text| at(text)).collect(),
            mtu,
            now: 0,
            received: 0,
            sent: Sent { mtu, frames: 0 },
            punted: 0,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(8) {
            0 => self.update(script),
            1 => {
                self.now += u64::from(script.octet()) * 20_000;
                self.worker.expire(Instant(self.now));
            }
            2 => self.turn(),
            _ => self.burst(script),
        }
    }

    fn burst(&mut self, script: &mut Script<'_>) {
        let port = script.one(&[ACCESS, CORE, CORE, 9]);
        let side = if port == ACCESS { Side::Access } else { Side::Core };
        let mut burst = ArrayVec::<VecBuf, BURST>::new();
        for _ in 0..1 + script.below(4) {
            let frame = frames::frame(script, side, &self.addresses);
            let cut = usize::from(script.octet());
            burst.push(if cut % 4 == 3 && cut < frame.len() {
                let (front, back) = frame.split_at(cut);
                let (middle, back) = back.split_at(back.len() / 2);
                VecBuf::chained(front, &[middle, back])
            } else {
                VecBuf::new(&frame)
            });
        }
        self.received += burst.len() as u64;
        self.worker.burst(port, &mut burst, &mut self.sent);
        assert!(burst.is_empty());
        self.settle();
    }

    fn turn(&mut self) {
        self.worker.burst(CORE, &mut ArrayVec::new(), &mut self.sent);
        self.settle();
    }

    fn update(&mut self, script: &mut Script<'_>) {
        let key = match script.below(8) {
            0 => station_key(STATION),
            _ => Prefix64::of(script.one(&self.addresses)).0,
        };
        let peer = script.below(6) as u16;
        let by = script.one(&[By::Destination, By::Station(STATION), By::Peer(peer)]);
        let park = ParkKey { prefix: key, by };
        let update = match script.below(16) {
            0 => Update::Unbind { key },
            1 => Update::GiveUp(park),
            2 => Update::Lift(park),
            3 => Update::Hold { prefix: key, peer },
            4 => Update::EndHold { prefix: key, peer },
            5 => Update::ForgetSamples,
            6 => {
                let path = script.one(&[None, Some(1280), Some(1300), Some(600), Some(9000)]);
                let (mtu, resolved) = (1280 + u16::from(script.octet()), script.flag());
                self.mtu[1] = mtu;
                self.sent.mtu[1] = mtu;
                Update::Fib(Arc::new(snapshot(mtu, resolved, path)))
            }
            _ => Update::Bind { key, verdict: verdict(script) },
        };
        // It is in force before the next frame, so that a smaller MTU is not judged too early.
        let _ = self.ends.updates.push(update);
        for _ in 0..4 {
            self.settle();
        }
    }

    /// The books balance.
    fn settle(&mut self) {
        self.worker.housekeeping();
        while let Ok(punt) = self.ends.punts.pop() {
            self.punted += u64::from(matches!(punt, Punt::Frame { .. }));
        }
        let (mut finals, mut fragmented, mut forwarded, mut punts) = (0, 0, 0, 0);
        self.ends.stats.each(|name, n| match name {
            "rx" => assert_eq!(n, self.received),
            "info.fragmented" => fragmented = n,
            _ if name.starts_with("info.") => {}
            _ => {
                finals += n;
                forwarded +=
                    if ["delivered", "tunnelled", "native"].contains(&name) { n } else { 0 };
                punts += if name.starts_with("punt.") { n } else { 0 };
            }
        });
        assert_eq!(finals, self.received);
        assert_eq!((self.sent.frames, self.punted), (forwarded + fragmented, punts));
    }
}

fn verdict(script: &mut Script<'_>) -> Verdict {
    match script.below(4) {
        0 => Verdict::Deliver {
            mac: STATION,
            port: script.one(&[ACCESS, ACCESS, CORE, 9]),
            anchored: script.flag(),
            settled: script.flag(),
        },
        1 => Verdict::Tunnel {
            peer: script.below(6) as u16,
            anchored: script.flag(),
            former: script.flag(),
        },
        2 => Verdict::Absent { park: script.flag() },
        _ => Verdict::Station(script.one(&[Station::Exchange, Station::Attached, Station::Quiet])),
    }
}
