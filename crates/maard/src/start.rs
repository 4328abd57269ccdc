// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a checked configuration to a running router and down again, in this order:
//!
//! ```text
//! signals, control socket, DPDK -> every port probed -> pool, ports configured and started -> router, rings
//! -> workers on their lcores -> slow path here, until a signal -> AAA told -> workers stop -> ports close
//! ```

use crate::clock::{self, Clock};
use crate::config::{self, Config, LoadTest, Refused};
use crate::control::{Load, Parts, Sender, SlowPath, Socket, SocketError, WorkerEnd};
use crate::crew::{self, Crew};
use crate::logging::Logging;
use crate::memory;
use crate::metrics;
use crate::plan::{Plan, SLOWPATH_LCORE};
use crate::record::{self, Opened, RecordError};
use crate::worker::{Hand, Outgoing, PollLoop};
use dataplane::fib::{PortInfo, Role};
use dataplane::spread::{Spread, mesh};
use dataplane::worker::{Sizes, Worker, workers_on};
use diameter::nasreq::Identity;
use dpdk::eal::{Args, EalError, Memory};
use dpdk::lcore::LaunchError;
use dpdk::mempool::{DATA_ROOM, PoolError};
use dpdk::pages::PagesError;
use dpdk::port::PortError;
use dpdk::{Eal, Mbuf, Mempool, Port, lcore};
use signal_hook::consts::{SIGINT, SIGTERM};
use slowpath::config::protocol;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::addr::Mac;

/// Entries of the rings between a worker and the slow path. Updates beyond it wait with the slow path.
const UPDATES: usize = 4096;
const PUNTS: usize = 1024;
const OUTGOING: usize = 1024;
/// Packets on their way from one worker to another.
const MESH: usize = 1024;
/// Mbufs an lcore keeps to itself.
const POOL_CACHE: u32 = 256;
/// Ethernet header and two 802.1Q tags.
const FRAME_OVERHEAD: u16 = 22;

/// Why the router did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit the devices.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The control socket.
    #[error("{0}")]
    Socket(#[from] SocketError),
    /// DPDK.
    #[error("{0}")]
    Eal(#[from] EalError),
    /// Packet buffers.
    #[error("{0}; see eal.mbufs and eal.memory")]
    Pool(#[from] PoolError),
    /// The binding table.
    #[error("binding table: {0}; see bindings")]
    Table(#[from] PagesError),
    /// A worker's lcore.
    #[error("{0}")]
    Launch(#[from] LaunchError),
    /// What outlives a restart.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// Signals, epoll.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs the router until SIGTERM or SIGINT.
///
/// # Errors
/// [`StartError`], before any packet was forwarded.
pub fn run(
    config: &Config,
    load_test: Option<LoadTest>,
    logging: &Logging,
) -> Result<(), StartError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let plan = Plan::new(config);
    let socket = Socket::bind(&config.control.value)?;
    let scrapers = scrapers(config)?;
    let eal = Eal::init(&eal_args(config))?;
    let mut ports = probe(&eal, config)?;
    plan.warnings().iter().for_each(|line| log::warn!("{line}"));
    let pool = Mempool::new(&eal, "mbufs", config.eal.mbufs.value, POOL_CACHE, data_room(config))?;
    let Crew { hands, spread } = crew::start(&mut ports, config, &pool)?;
    let clock = Clock::start();
    let wall = clock::wall().as_secs();
    let state = config.state.as_ref().map(|dir| record::open(dir, wall)).transpose()?;
    // Without a record the wall clock's seconds are what rises from start to start.
    let boot = state.as_ref().map_or(wall, |opened| opened.boot);
    let router_config = router_config(config, &plan, &ports, boot);
    let count = config.cores.workers.len();
    // R-41: together at most a tenth of the pool.
    let parked = config.eal.mbufs.value as usize / 10 / count;
    let sizes = Sizes { bindings: config.bindings, updates: UPDATES, punts: PUNTS, parked };
    let parts = memory::table(config.bindings, count, config.eal.hugepages)?;
    let (workers, ends, table) = workers_on::<Mbuf>(parts, sizes, router_config.first_fib());
    let (to_worker, from_slowpath) = rtrb::RingBuffer::new(OUTGOING);
    let halt = Arc::new(AtomicBool::new(false));
    let unsent: Vec<_> = hands.iter().map(|hand| hand.transmit.unsent()).collect();
    let mut loops = poll_loops(workers, hands, &spread, from_slowpath, config, &halt);
    let load = load_test.map(|wanted| {
        let pauses = loops.iter_mut().map(PollLoop::time_pauses).collect();
        let links = router_config.core_links.iter().map(|&(link, port)| (port, link));
        Load::new(wanted, table.clone(), links.collect(), pauses, dpdk::cycles::per_second(&eal))
    });
    let mut router = slowpath::Router::new(router_config, table.clone(), clock.now());
    let record = state.map(|Opened { records, writer, .. }| {
        log::info!("{} mobile nodes are known from before", records.len());
        router.restore(clock.now(), records);
        writer
    });
    let slowpath = SlowPath::new(Parts {
        router,
        record,
        table,
        clock,
        workers: ends
            .into_iter()
            .zip(unsent)
            .map(|(ends, unsent)| WorkerEnd::new(ends, unsent))
            .collect(),
        sender: Sender::new(to_worker, pool),
        ports: &ports,
        aaa: &config.aaa.servers,
        socket,
        poll: config.poll,
        stop,
        logging: logging.clone(),
        load,
    })?;
    if let Some(listener) = scrapers {
        metrics::serve(listener, config.control.value.clone())?;
    }
    let mut running = Vec::new();
    for (n, poll_loop) in loops.into_iter().enumerate() {
        running.push(lcore::launch(&eal, Plan::worker_lcore(n), move || poll_loop.run())?);
    }
    log::info!("running: {} ports, {count} workers, {}", ports.len(), dpdk::version());
    slowpath.run();
    halt.store(true, Ordering::Relaxed);
    running.into_iter().for_each(lcore::Handle::join);
    log::info!("stopped");
    Ok(())
}

/// The management address of `metrics:`.
fn scrapers(config: &Config) -> Result<Option<TcpListener>, Refused> {
    let Some(wanted) = &config.metrics else { return Ok(None) };
    let refused = |error| Refused::at(config, &wanted.at, format!("{}: {error}", wanted.value));
    TcpListener::bind(wanted.value).map(Some).map_err(refused)
}

/// DPDK's lcores are ours to number: 0 is the slow path, n + 1 worker n, on the CPUs of the configuration.
fn eal_args(config: &Config) -> Vec<String> {
    let mib = config.eal.memory;
    let memory = if config.eal.hugepages {
        Memory::Hugepages { mib: Some(mib) }
    } else {
        Memory::Ordinary { mib }
    };
    let mut args = Args::new(&config.name).memory(memory);
    // check.rs has compared the CPUs with those allowed, which are few.
    let cpu = |cpu: usize| u32::try_from(cpu).unwrap_or(u32::MAX);
    args = args.lcore(SLOWPATH_LCORE, cpu(config.cores.slowpath.value));
    for (n, worker) in config.cores.workers.iter().enumerate() {
        args = args.lcore(Plan::worker_lcore(n), cpu(worker.value));
    }
    for port in &config.ports {
        args = args.device(&port.device.value);
    }
    args.build()
}

/// Every device is there before the first one is touched.
fn probe(eal: &Eal, config: &Config) -> Result<Vec<Port>, Refused> {
    let refused = |port: &config::Port, error: PortError| {
        Refused::at(config, &port.device.at, error.to_string())
    };
    for port in &config.ports {
        Port::look_for(eal, &port.device.value).map_err(|error| refused(port, error))?;
    }
    let plugged = config
        .ports
        .iter()
        .map(|port| Port::by_device(eal, &port.device.value).map_err(|error| refused(port, error)));
    plugged.collect()
}

fn data_room(config: &Config) -> u16 {
    if let Some(octets) = config.eal.mbuf_size {
        return octets;
    }
    let largest = config.ports.iter().map(|port| port.mtu).max().unwrap_or(0);
    (largest + FRAME_OVERHEAD).next_multiple_of(64).max(DATA_ROOM)
}

/// The workers with their hands and, when flows are spread in software, their mesh.
fn poll_loops(
    mut workers: Vec<Worker<Mbuf>>,
    hands: Vec<Hand>,
    spread: &[Spread],
    from_slowpath: rtrb::Consumer<Outgoing>,
    config: &Config,
    halt: &Arc<AtomicBool>,
) -> Vec<PollLoop> {
    if spread.iter().any(|spread| *spread != Spread::Off) {
        for (worker, ends) in workers.iter_mut().zip(mesh(hands.len(), MESH, spread)) {
            worker.join(ends);
        }
    }
    let mut outgoing = Some(from_slowpath);
    let one =
        |(worker, hand)| PollLoop::new(worker, hand, outgoing.take(), config.poll, halt.clone());
    workers.into_iter().zip(hands).map(one).collect()
}

/// The configuration in the words of the control side, with what the devices and the machine add.
fn router_config(config: &Config, plan: &Plan<'_>, ports: &[Port], boot: u64) -> slowpath::Config {
    let port_info = config.ports.iter().zip(ports).map(|(wanted, port)| PortInfo {
        role: wanted.role,
        mac: Mac(port.mac()),
        mtu: wanted.mtu,
        attach_on_frame: wanted.attach_on_frame,
    });
    let links =
        config.ports.iter().zip(0..).filter_map(|(p, id)| Some((p.link.as_ref()?.value, id)));
    slowpath::Config {
        name: config.name.clone(),
        mobility: mobility_config(config, plan, boot),
        ports: port_info.collect(),
        core_links: links.collect(),
        routes: config.routes.iter().map(|route| route.value.clone()).collect(),
        tunnel_hop_limit: config.tunnel_hop_limit,
        aaa: slowpath::config::Aaa {
            identity: Identity { host: config.aaa.host.clone(), realm: config.aaa.realm.clone() },
            realm: config.aaa.destination_realm.clone(),
            servers: config.aaa.servers.clone(),
            host_ip: config
                .aaa
                .servers
                .iter()
                .find_map(|s| host_ip(*s))
                .unwrap_or(config.address.value.into()),
            state_id: boot as u32,
        },
        workers: config.cores.workers.len(),
    }
}

fn mobility_config(config: &Config, plan: &Plan<'_>, boot: u64) -> protocol::Config {
    let own = (config.pool.value, config.address.value);
    let anchors = config.anchors.iter().map(|anchor| anchor.value).filter(|anchor| *anchor != own);
    let event_only =
        config.ports.iter().zip(0..).filter(|(p, _)| p.role == Role::Access && !p.attach_on_frame);
    let peers = config
        .peers
        .iter()
        .map(|peer| protocol::Peer { address: peer.address.value, keys: peer.keys.clone() });
    let limits = config.ports.iter().zip(0..).map(|(port, id)| {
        let most = port.max_mns.map(|most| most as usize);
        let a_second = port.attaches_per_second;
        (id, protocol::PortLimits { max_mns: most, attaches_per_second: a_second })
    });
    protocol::Config {
        address: config.address.value,
        pool: config.pool.value,
        peers: peers.collect(),
        anchors: std::iter::once(own).chain(anchors).collect(),
        core_prefixes: config.ports.iter().filter_map(|p| Some(p.link.as_ref()?.value)).collect(),
        event_only_ports: event_only.map(|(_, id)| id).collect(),
        realm: config.aaa.realm.clone(),
        static_ids: config.mobile_nodes.iter().map(|mn| mn.value.clone()).collect(),
        trust_rs_mnid: config.trust_rs_mnid,
        ra_mtu: u32::from(plan.ra_mtu),
        rdnss: config.rdnss.clone(),
        timers: protocol::Timers {
            initial_bindack: config.initial_bindack,
            order: config.end_marker,
            port_limits: limits.collect(),
            ..protocol::Timers::default()
        },
        // The standard library seeds this from the system's random source.
        seed: RandomState::new().build_hasher().finish(),
        first_sequence: None,
        fail_open: config.aaa.fail_open,
        boot,
    }
}

/// The address the kernel would use towards `server`: asking for a route sends nothing.
fn host_ip(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if server.is_ipv6() { [0u16; 8].into() } else { [0u8; 4].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
