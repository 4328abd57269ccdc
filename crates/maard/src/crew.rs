// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ports are started with the queues of `queues.rs`, and each worker is dealt its hand: receive queues, ways out,
//! rings to workers that send for it. What a port cannot do is said in the log (FC-51).

use crate::config::{self, Config, Refused};
use crate::queues::PortQueues;
use crate::worker::{Hand, Outgoing, Queues, WayOut};
use arrayvec::ArrayVec;
use dataplane::PortId;
use dataplane::fib::Role;
use dataplane::spread::Spread;
use dpdk::port::Rss;
use dpdk::{Mempool, Port, PortConfig, RxQueue, TxQueue};
use rtrb::RingBuffer;

/// Frames on their way from a worker to the one that sends for it.
const RELAYED: usize = 1024;

/// What the workers work with.
pub struct Crew {
    /// By worker.
    pub hands: Vec<Hand>,
    /// By `PortId`.
    pub spread: Vec<Spread>,
}

/// Configures and starts every port and deals its queues out.
///
/// # Errors
/// What a device refuses, at the line that names it.
pub fn start(ports: &mut [Port], config: &Config, pool: &Mempool) -> Result<Crew, Refused> {
    let workers = config.cores.workers.len();
    let mut dealt = Dealt::new(workers);
    let mut spread = Vec::new();
    for (id, (port, wanted)) in ports.iter_mut().zip(&config.ports).enumerate() {
        let can = port.capabilities();
        let queues = PortQueues::fit(&can, id, workers);
        let refused = |why: String| Refused::at(config, &wanted.device.at, why);
        let (rss, by_workers) = queues
            .spread(config.spread, wanted.role, &can)
            .map_err(|why| refused(why.to_owned()))?;
        let (rx, tx) = start_port(port, wanted, &queues, rss, pool)
            .map_err(|error| refused(format!("{error} (for {workers} workers)")))?;
        tell(id, port.name(), &queues, by_workers);
        dealt.port(id as PortId, &queues, rx, tx);
        spread.push(by_workers);
    }
    Ok(Crew { hands: dealt.hands(), spread })
}

fn start_port(
    port: &mut Port,
    wanted: &config::Port,
    queues: &PortQueues,
    rss: Rss,
    pool: &Mempool,
) -> Result<(Vec<RxQueue>, Vec<TxQueue>), dpdk::port::PortError> {
    // cores.workers has 32 items at most.
    let settings = PortConfig {
        rx_queues: queues.rx as u16,
        tx_queues: queues.tx as u16,
        mtu: wanted.mtu,
        // MNs address 00-00-5E-00-52-13, which is not the port's MAC.
        promiscuous: wanted.role == Role::Access,
        rss,
        ..PortConfig::default()
    };
    port.configure(settings, pool)?;
    port.start()
}

fn tell(id: usize, name: &str, queues: &PortQueues, spread: Spread) {
    let how = match spread {
        Spread::Off => "",
        Spread::Tunnels => ", tunnelled flows spread by the workers",
        Spread::All => ", all flows spread by the workers",
    };
    log::info!("port {id} ({name}): {} rx and {} tx queues{how}", queues.rx, queues.tx);
    for worker in queues.without() {
        log::warn!(
            "worker {worker}: no queue on port {id} ({name}), which has {} for receiving{}",
            queues.rx,
            if spread == Spread::Off { "; set `spread: auto` to give it work" } else { "" }
        );
    }
}

/// Hands as they fill, by worker.
struct Dealt {
    receive: Vec<Vec<(PortId, RxQueue)>>,
    ways: Vec<Vec<WayOut>>,
    relayed: Vec<Vec<rtrb::Consumer<Outgoing>>>,
}

impl Dealt {
    fn new(workers: usize) -> Dealt {
        let each = 0..workers;
        Dealt {
            receive: each.clone().map(|_| Vec::new()).collect(),
            ways: each.clone().map(|_| Vec::new()).collect(),
            relayed: each.map(|_| Vec::new()).collect(),
        }
    }

    fn port(&mut self, id: PortId, queues: &PortQueues, rx: Vec<RxQueue>, tx: Vec<TxQueue>) {
        for (queue, rx) in rx.into_iter().enumerate() {
            self.receive[queues.owner(queue)].push((id, rx));
        }
        let mut own: Vec<Option<TxQueue>> = self.ways.iter().map(|_| None).collect();
        for (queue, tx) in tx.into_iter().enumerate() {
            own[queues.owner(queue)] = Some(tx);
        }
        for (worker, own) in own.into_iter().enumerate() {
            let way = match own {
                Some(queue) => WayOut::Queue(queue, ArrayVec::new()),
                None => {
                    let (ring, out) = RingBuffer::new(RELAYED);
                    self.relayed[queues.sender(worker)].push(out);
                    WayOut::Through(ring, 0)
                }
            };
            self.ways[worker].push(way);
        }
    }

    fn hands(self) -> Vec<Hand> {
        let parts = self.receive.into_iter().zip(self.ways).zip(self.relayed);
        let hand =
            |((receive, ways), relayed)| Hand { receive, transmit: Queues::new(ways), relayed };
        parts.map(hand).collect()
    }
}
