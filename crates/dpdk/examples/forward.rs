// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The smallest forwarder: what comes in at one port goes out at the other, both ways, on one lcore.
//!
//! ```text
//! cargo run --release -p dpdk --example forward -- net_null0 net_null1 10000000
//! cargo run --release -p dpdk --example forward -- net_tap0,iface=left net_tap1,iface=right
//! ```
//!
//! Read `run` from top to bottom: start DPDK, make buffers, open two ports, then move bursts for ever (or until so many
//! packets have passed). It is the poll loop of every DPDK program; a router puts its work between the two calls.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use arrayvec::ArrayVec;
use dpdk::eal::{Args, Memory};
use dpdk::{BURST, Eal, Mbuf, Mempool, Port, PortConfig, RxQueue, TxQueue};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forward: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [left, right, limit @ ..] = given.as_slice() else {
        return Err(
            "usage: forward LEFT RIGHT [PACKETS]   (device strings as DPDK writes them)".into()
        );
    };
    let limit = limit.first().map_or(Ok(u64::MAX), |packets| packets.parse())?;

    // 1. DPDK: memory and one lcore, which is this thread.
    let args = Args::new("forward")
        .memory(Memory::Ordinary { mib: 64 })
        .lcore(0, 0)
        .device(left)
        .device(right);
    let eal = Eal::init(&args.build())?;

    // 2. Buffers. Ports fill them, we pass them on, ports give them back: none is made or copied later.
    let pool = Mempool::new(&eal, "packets", 8191, 256, dpdk::mempool::DATA_ROOM)?;

    // 3. Two ports with one queue in each direction.
    let (left, mut left_rx, mut left_tx) = open(&eal, left, &pool)?;
    let (right, mut right_rx, mut right_tx) = open(&eal, right, &pool)?;

    // 4. The loop. It never sleeps: a packet waits for the other direction's burst at most.
    let started = Instant::now();
    let mut packets = 0;
    while packets < limit {
        packets += forward(&mut left_rx, &mut right_tx);
        packets += forward(&mut right_rx, &mut left_tx);
    }

    // 5. The account. The ports stop and close themselves, then the pool goes, then DPDK.
    let nanoseconds = started.elapsed().as_nanos() as f64 / packets as f64;
    println!(
        "{packets} packets, {nanoseconds:.1} ns each, {:.1} million a second",
        1000.0 / nanoseconds
    );
    println!("{}: {:?}\n{}: {:?}", left.name(), left.stats(), right.name(), right.stats());
    Ok(())
}

fn open(
    eal: &Eal,
    device: &str,
    pool: &Mempool,
) -> Result<(Port, RxQueue, TxQueue), Box<dyn Error>> {
    let mut port = Port::by_device(eal, device)?;
    port.configure(PortConfig { promiscuous: true, ..PortConfig::default() }, pool)?;
    let (rx, tx) = port.start()?;
    let mut queues = rx.into_iter().zip(tx);
    let (rx, tx) = queues.next().ok_or("a port without queues")?;
    Ok((port, rx, tx))
}

/// One burst from here to there. What the other side cannot take is dropped: waiting would fill our own ring.
fn forward(from: &mut RxQueue, to: &mut TxQueue) -> u64 {
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    from.receive(&mut burst);
    to.send(&mut burst) as u64
}
