// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One whole router: a worker and its control side, with any frames, AAA octets, events and lapses of time. What it says
//! is well formed, its log lines are printable, it tells its worker only what the worker takes, and its deadlines end.

use crate::Script;
use crate::frames::{self, CORE_MAC, NEIGHBOR, STATION, Side, at};
use arrayvec::ArrayVec;
use dataplane::fib::{PortInfo, Role};
use dataplane::park::{By, ParkKey, Report, Why};
use dataplane::punt::{Marker, Punt, PuntReason};
use dataplane::update::Update;
use dataplane::worker::{Sizes, Transmit, Worker, WorkerEnds, workers};
use dataplane::{BURST, PortId};
use diameter::message::Message;
use diameter::nasreq::{AaAnswer, AaRequest, Identity, Origin};
use diameter::peer::ClientInput;
use mobility::config::{Peer, Prefix};
use slowpath::control::{Request, Table};
use slowpath::{Config, Input, Output, Router};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64, ROUTER_LINK_LOCAL};
use wire::buf::{PacketBuf, VecBuf};
use wire::time::{AttachTime, Instant, Now};
use wire::{eth, ip6, mh};

const ACCESS: PortId = 0;
const CORE: PortId = 1;
const OWN: &str = "2001:db8:ff::a3";
const PEERS: [&str; 3] = ["2001:db8:ff::a1", "2001:db8:ff::a2", "2001:db8:ff::b2"];
/// 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// One input.
pub fn run(input: &[u8]) {
    let mut script = Script(input);
    let mut bench = Bench::new();
    for _ in 0..48 {
        if script.is_empty() {
            break;
        }
        bench.step(&mut script);
    }
    bench.pass(700_000_000);
}

struct Bench {
    now: u64,
    router: Router,
    worker: Worker<VecBuf>,
    ends: WorkerEnds<VecBuf>,
    addresses: Vec<Ipv6Addr>,
    /// What the AAA was asked last.
    asked: Option<Vec<u8>>,
}

struct Discard;

impl Transmit<VecBuf> for Discard {
    fn transmit(&mut self, _: PortId, buf: VecBuf) {
        frames::check(&buf.to_vec(), 1500);
    }
}

fn config() -> Config {
    let pool = |name: &str| Prefix { addr: at(&format!("2001:db8:{name}::")), len: 48 };
    let core = Prefix { addr: at("2001:db8:ff::"), len: 64 };
    // Without keys: a script cannot guess a MAC, and what stands behind it is to be reached.
    let peers = PEERS.iter().map(|peer| Peer { address: at(peer), keys: Vec::new() }).collect();
    let identity = |host: &str| Identity { host: host.into(), realm: "example.org".into() };
    Config {
        name: "a3".into(),
        mobility: mobility::Config {
            address: at(OWN),
            pool: pool("a3"),
            peers,
            anchors: vec![
                (pool("a1"), at(PEERS[0])),
                (pool("a2"), at(PEERS[1])),
                (pool("a3"), at(OWN)),
                (pool("b2"), at(PEERS[2])),
            ],
            core_prefixes: vec![core],
            event_only_ports: Vec::new(),
            realm: "example.org".into(),
            static_ids: Default::default(),
            trust_rs_mnid: true,
            fail_open: false,
            ra_mtu: 1460,
            rdnss: Vec::new(),
            timers: Default::default(),
            seed: 7,
            first_sequence: None,
            boot: 1,
        },
        ports: vec![
            PortInfo {
                role: Role::Access,
                mac: Mac([2, 0, 0, 0, 0xa3, 0]),
                mtu: 1500,
                attach_on_frame: true,
            },
            PortInfo { role: Role::Core, mac: CORE_MAC, mtu: 1500, attach_on_frame: false },
        ],
        core_links: vec![(core, CORE)],
        routes: PEERS
            .iter()
            .zip(["a1", "a2", "b2"])
            .map(|(peer, name)| (pool(name), vec![at(peer)]))
            .collect(),
        tunnel_hop_limit: 64,
        aaa: slowpath::config::Aaa {
            identity: identity("maar-a3.example.org"),
            realm: "example.org".into(),
            servers: vec!["[2001:db8:ff::aaaa]:3868".parse().expect("an address")],
            host_ip: at(OWN).into(),
            state_id: 1,
        },
        workers: 1,
    }
}

impl Bench {
    fn new() -> Bench {
        let config = config();
        let sizes = Sizes { bindings: 1024, updates: 1024, punts: 256, parked: 64 };
        let (mut workers, mut ends, table) = workers(1, sizes, config.first_fib());
        let others = ["2001:db8:a1:a::a", "2001:db8:a3::1", "2001:db8:b2:b::b", "2001:db8:cafe::1"];
        let local = ["fe80::ff:fe00:a", "fe80::1", "ff02::1", "ff02::2", "ff02::1:ff00:a3", "::"];
        let texts = PEERS.iter().chain(&others).chain(&local).chain(std::iter::once(&OWN));
        let mut addresses: Vec<_> = texts.map(|text| at(text)).collect();
        addresses.push(ROUTER_LINK_LOCAL);
        let mut bench = Bench {
            now: 1_000_000,
            router: Router::new(config, table, moment(1_000_000)),
            worker: workers.remove(0),
            ends: ends.remove(0),
            addresses,
            asked: None,
        };
        for port in [ACCESS, CORE] {
            bench.tell(Input::Link { port, up: true });
        }
        bench.tell(Input::Aaa { server: 0, input: ClientInput::Connected });
        bench.answer_aaa(&mut Script(&[]));
        bench
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(12) {
            0 => self.pass(u64::from(script.octet()) << script.below(24)),
            1 => self.link(script),
            2 => self.answer_aaa(script),
            3 => {
                let len = usize::from(script.octet());
                let input = ClientInput::Octets(script.take(len));
                self.tell(Input::Aaa { server: 0, input });
            }
            4 => {
                let up = script.flag();
                let input = if up { ClientInput::Connected } else { ClientInput::Closed };
                self.tell(Input::Aaa { server: 0, input });
            }
            5 => self.ask(script),
            6 => self.say(script),
            7 | 8 => self.signal(script),
            9 => {
                let (port, side) = side(script);
                let reason = PuntReason::ALL[script.below(PuntReason::ALL.len())];
                let frame = frames::frame(script, side, &self.addresses);
                self.tell(Input::Frame { port, reason, frame: &frame });
            }
            _ => {
                let (port, side) = side(script);
                let frame = frames::frame(script, side, &self.addresses);
                self.receive(port, &frame);
            }
        }
    }

    /// Time passes, up to what is due within `micros`.
    fn pass(&mut self, micros: u64) {
        let until = self.now + micros;
        for _ in 0..10_000 {
            match self.router.deadline().filter(|at| at.0 <= until) {
                Some(at) => {
                    self.now = self.now.max(at.0);
                    self.tell(Input::Timeout);
                }
                None => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("a deadline that is never done with");
    }

    fn link(&mut self, script: &mut Script<'_>) {
        let (port, up) = (script.one(&[ACCESS, CORE, 9]), script.flag());
        self.tell(Input::Link { port, up });
    }

    /// A frame arrives, and the worker has a turn.
    fn receive(&mut self, port: PortId, frame: &[u8]) {
        let mut burst = ArrayVec::<VecBuf, BURST>::new();
        burst.push(VecBuf::new(frame));
        self.worker.burst(port, &mut burst, &mut Discard);
        self.settle();
    }

    /// Signalling as a peer would send it, with something changed.
    fn signal(&mut self, script: &mut Script<'_>) {
        let (peer, own) = (at(script.one(&PEERS)), at(OWN));
        let Ok(mut octets) = mh::encode(&self.message(script), peer, own, None) else { return };
        script.mutate(&mut octets);
        if octets.len() >= 6 {
            octets[4..6].fill(0);
            let sum = ip6::checksum(peer, own, mh::NEXT_HEADER, &octets);
            octets[4..6].copy_from_slice(&sum.to_be_bytes());
        }
        let header = eth::ipv6_header(CORE_MAC, NEIGHBOR);
        self.receive(CORE, &ip6::frame(header, peer, own, mh::NEXT_HEADER, 64, &octets));
    }

    fn message(&self, script: &mut Script<'_>) -> mh::Message {
        let address = |script: &mut Script<'_>| script.one(&self.addresses);
        let some = |script: &mut Script<'_>| -> Vec<Ipv6Addr> {
            (0..script.below(3)).map(|_| address(script)).collect()
        };
        let mn_id = Nai::new("02000000000a@example.org").expect("an NAI");
        let attach_time = script.flag().then(|| AttachTime(u64::from(script.octet()) << 40));
        let (seq, lifetime) = (u16::from(script.octet()), u16::from(script.octet()));
        match script.below(5) {
            0 => mh::Message::Sdbu(mh::Sdbu {
                seq,
                lifetime,
                mn_id,
                attach_time,
                groups: some(script)
                    .into_iter()
                    .map(|hoa| mh::AskGroup { hoa, cns: some(script) })
                    .collect(),
                cursor: script.flag().then(|| (address(script), address(script))),
            }),
            1 => mh::Message::Sdba(mh::Sdba {
                status: mh::Status(script.octet()),
                seq,
                lifetime,
                mn_id: Some(mn_id),
                attach_time,
                groups: some(script)
                    .into_iter()
                    .map(|hoa| mh::TellGroup {
                        hoa,
                        sessions: vec![mh::Serving { cn: address(script), maar: address(script) }],
                    })
                    .collect(),
            }),
            2 => mh::Message::Ddbu(mh::Ddbu {
                seq,
                lifetime,
                attach_time,
                hoa: address(script),
                serving: address(script),
                cns: some(script),
            }),
            3 => mh::Message::Ddba(mh::Ddba {
                status: mh::Status(script.octet()),
                seq,
                lifetime,
                attach_time,
                hoa: Some(address(script)),
                cns: some(script)
                    .into_iter()
                    .map(|cn| mh::CnPlace { cn, moved_to: script.flag().then(|| address(script)) })
                    .collect(),
            }),
            _ => mh::Message::Heartbeat(mh::Heartbeat {
                unsolicited: script.flag(),
                response: script.flag(),
                seq: seq.into(),
                restart_counter: script.flag().then_some(lifetime.into()),
            }),
        }
    }

    /// The AAA answers what it was asked, truly or not.
    fn answer_aaa(&mut self, script: &mut Script<'_>) {
        let Some(asked) = self.asked.take() else { return };
        let Ok(message) = Message::parse(&asked) else { return };
        let origin = Origin {
            identity: Identity { host: "aaa.example.org".into(), realm: "example.org".into() },
            state_id: 1,
        };
        let mut octets = match AaRequest::decode(&message) {
            Ok(request) => AaAnswer {
                result_code: script.one(&[2001, 2001, 2001, 5003, 3004]),
                session_id: Some(request.session_id.clone()),
                previous: Some(script.one(&self.addresses)),
                attach_time: Some(u64::from(script.octet()) << 40),
                mn_id: Some(request.user_name.clone()),
                session_timeout: None,
            }
            .encode(&origin, &message.header, &request.user_name),
            Err(_) => {
                let host = "::1".parse().expect("an address");
                diameter::base::cea(&origin, host, &message.header, 2001, None)
            }
        };
        script.mutate(&mut octets);
        self.tell(Input::Aaa { server: 0, input: ClientInput::Octets(&octets) });
    }

    fn ask(&mut self, script: &mut Script<'_>) {
        let mac = script.one(&["02:00:00:00:00:0a", "02:00:00:00:00:0b", "x"]).to_owned();
        let request = match script.below(3) {
            0 => Request::Attach {
                mac,
                port: script.one(&[None, Some(0), Some(1), Some(9)]),
                mn_id: script.one(&[None, Some("usera@example.org"), Some("")]).map(str::to_owned),
            },
            1 => Request::Detach { mac },
            _ => Request::Show {
                what: script.one(&[Table::Mns, Table::Bindings, Table::Counters, Table::Handovers]),
            },
        };
        self.tell(Input::Control { id: 1, request });
    }

    /// What a worker may say without a frame.
    fn say(&mut self, script: &mut Script<'_>) {
        let address = |script: &mut Script<'_>| script.one(&self.addresses);
        let prefix = Prefix64::of(address(script)).0;
        let peer = script.below(5) as u16;
        let input = match script.below(3) {
            0 => Input::Session { hoa: address(script), cn: address(script) },
            1 => Input::Marker(Marker { prefix, peer }),
            _ => Input::Parked(Report {
                key: ParkKey {
                    prefix,
                    by: script.one(&[By::Destination, By::Station(STATION), By::Peer(peer)]),
                },
                why: script.one(&[
                    Why::Stranger,
                    Why::Pending,
                    Why::Absent,
                    Why::Unplaced,
                    Why::Held,
                ]),
                port: ACCESS,
                source: address(script),
            }),
        };
        self.tell(input);
    }

    fn tell(&mut self, input: Input<'_>) {
        self.router.handle(moment(self.now), input);
        self.drain();
        self.settle();
    }

    /// The worker applies what it was told, and the router hears what the worker says.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.worker.expire(Instant(self.now));
            self.worker.housekeeping();
            if self.worker.holds() {
                self.worker.burst(CORE, &mut ArrayVec::new(), &mut Discard);
            }
            while let Ok(punt) = self.ends.punts.pop() {
                self.punt(punt);
            }
            if !self.router.waits_for_workers() {
                return;
            }
            let updates = self.ends.stats.applied();
            self.router.handle(moment(self.now), Input::Applied { worker: 0, updates });
            self.drain();
        }
        panic!("the router waits for its worker for ever");
    }

    fn punt(&mut self, punt: Punt<VecBuf>) {
        let now = moment(self.now);
        match punt {
            Punt::Frame { port, reason, buf } => {
                self.router.handle(now, Input::Frame { port, reason, frame: buf.data() });
            }
            Punt::Session { hoa, cn } => self.router.handle(now, Input::Session { hoa, cn }),
            Punt::Parked(report) => self.router.handle(now, Input::Parked(report)),
            Punt::Marker(marker) => self.router.handle(now, Input::Marker(marker)),
            Punt::Peer(peer) => self.router.handle(now, Input::Peer(peer)),
            Punt::OldFib(_) => {}
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.router.poll_output() {
            match output {
                Output::Frame { port, frame } => {
                    assert!(port == ACCESS || port == CORE);
                    frames::check_own(&frame);
                }
                Output::AaaSend { octets, .. } => {
                    Message::parse(&octets).expect("a sound message");
                    self.asked = Some(octets);
                }
                Output::Update { worker, update } => self.update(worker, update),
                Output::Log { line, .. } => {
                    assert!(line.bytes().all(|octet| (0x20..0x7f).contains(&octet)), "{line:?}");
                }
                Output::Control { .. }
                | Output::Persist(_)
                | Output::AaaConnect { .. }
                | Output::AaaClose { .. }
                | Output::Stopped => {}
            }
        }
    }

    fn update(&mut self, worker: u8, update: Update) {
        assert_eq!(worker, 0);
        assert!(self.ends.updates.push(update).is_ok(), "1,024 updates at once");
    }
}

fn side(script: &mut Script<'_>) -> (PortId, Side) {
    if script.flag() { (ACCESS, Side::Access) } else { (CORE, Side::Core) }
}

fn moment(micros: u64) -> Now {
    Now { mono: Instant(micros), wall: EPOCH + Duration::from_micros(micros) }
}
