// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A net_null port receives without end and sends to nowhere: bursts without a copy, several queues, an empty pool.

mod common;

use arrayvec::ArrayVec;
use common::TestEal;
use dpdk::{BURST, Mbuf, PortConfig};
use wire::buf::PacketBuf as _;

#[test]
fn two_queues_move_bursts_and_an_empty_pool_is_weather() {
    let test = TestEal::start(1);
    let pool = test.pool(1023);
    let mut port = test.port("net_null0,size=72");
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    port.configure(config, &pool).expect("net_null has many queues");
    let (mut rx, mut tx) = port.start().expect("it starts");
    assert_eq!((rx.len(), tx.len(), rx[1].number(), tx[1].port()), (2, 2, 1, "net_null0"));

    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    for (rx, tx) in rx.iter_mut().zip(&mut tx) {
        for _ in 0..100 {
            rx.receive(&mut burst);
            assert_eq!(burst.len(), BURST);
            assert!(burst.iter().all(|mbuf| mbuf.data().len() == 72));
            assert_eq!(tx.send(&mut burst), BURST);
        }
    }
    assert_eq!(pool.in_use(), 0);
    let stats = port.stats();
    assert_eq!((stats.rx_packets, stats.tx_packets), (6400, 6400));

    a_burst_is_filled_up_and_never_over(&mut rx[0]);
    assert_eq!(pool.in_use(), 0);

    let held: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    rx[0].receive(&mut burst);
    assert!(burst.is_empty(), "an empty pool gives no packets");
    drop(held);
    rx[0].receive(&mut burst);
    assert_eq!(burst.len(), BURST);

    // The queues outlive their port handle, and the packets both.
    drop(port);
    rx[1].receive(&mut burst);
    drop((rx, tx));
    assert_eq!(pool.in_use(), BURST as u32);
    burst.clear();
    assert_eq!(pool.in_use(), 0);
}

fn a_burst_is_filled_up_and_never_over(rx: &mut dpdk::RxQueue) {
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    rx.receive(&mut burst);
    burst.truncate(20);
    rx.receive(&mut burst);
    assert_eq!(burst.len(), BURST);
    rx.receive(&mut burst);
    assert_eq!(burst.len(), BURST);
}
