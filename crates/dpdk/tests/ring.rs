// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A net_ring port gives back what it is sent: buffers, bursts, counts and the order in which things may go.

mod common;

use std::thread;

use common::{TestEal, burst, frame, octets, receive};
use dpdk::port::PortError;
use dpdk::{BURST, Mempool, Port, PortConfig, RxQueue, TxQueue};
use wire::buf::PacketBuf as _;

/// One EAL a process, so one test: each step is a function named by what it shows.
#[test]
fn a_ring_port_loops_and_every_mbuf_comes_home() {
    let test = TestEal::start(1);
    let pool = test.pool(4095);
    assert_eq!((pool.size(), pool.available(), pool.in_use()), (4095, 4095, 0));
    an_mbuf_is_a_packet_buffer(&pool);
    a_chain_is_pulled_into_its_first_segment(&pool);
    an_empty_pool_gives_none_and_recovers(&pool);

    let mut port = test.port("net_ring0");
    assert_eq!(port.name(), "net_ring0");
    assert_eq!(port.start().err(), Some(PortError::NotConfigured { port: "net_ring0".into() }));
    port.configure(PortConfig::default(), &pool).expect("a ring takes any configuration");
    let (mut rx, mut tx) = port.start().expect("it starts");
    let (rx0, tx0) = (&mut rx[0], &mut tx[0]);
    what_is_sent_comes_back_in_order(&pool, &port, rx0, tx0);
    mbufs_may_be_freed_by_a_thread_dpdk_does_not_know(&pool, rx0, tx0);
    what_does_not_fit_is_freed_and_counted(&pool, rx0, tx0);
    assert_eq!(pool.in_use(), 0);

    assert_eq!(port.stop(), Err(PortError::QueuesInUse { port: "net_ring0".into() }));
    drop((rx, tx));
    port.stop().expect("nobody holds a queue");
    a_stopped_port_starts_again(&pool, &mut port);
    a_device_may_be_plugged_again_after_its_port_is_gone(&test, &pool, port);
}

fn an_mbuf_is_a_packet_buffer(pool: &Mempool) {
    let mut mbuf = pool.alloc_copy(b"payload").expect("not empty");
    assert_eq!((mbuf.data(), mbuf.frame_len(), mbuf.segments()), (&b"payload"[..], 7, 1));
    assert!(mbuf.is_contiguous());
    mbuf.prepend(4).expect("headroom")[..4].copy_from_slice(b"head");
    assert_eq!((mbuf.data(), mbuf.frame_len()), (&b"headpayload"[..], 11));
    mbuf.trim_front(6);
    assert_eq!(mbuf.data(), b"yload");
    mbuf.truncate(9);
    assert_eq!(mbuf.data(), b"yload");
    mbuf.truncate(2);
    assert_eq!((mbuf.data(), mbuf.frame_len()), (&b"yl"[..], 2));
    mbuf.append(1).expect("tailroom")[0] = b'!';
    mbuf.data_mut()[0] = b'Y';
    assert_eq!(mbuf.data(), b"Yl!");

    // 128 octets of headroom, of which 4 were taken and 6 given back.
    assert!(mbuf.prepend(131).is_none());
    assert_eq!(mbuf.data(), b"Yl!");
    assert_eq!(mbuf.prepend(130).map(|frame| frame.len()), Some(133));
    assert!(mbuf.append(mbuf.tailroom() + 1).is_none());
    assert!(pool.alloc_copy(&[0; 2048]).is_some_and(|full| full.tailroom() == 0));
    assert!(pool.alloc_copy(&[0; 2049]).is_none());
    drop(mbuf);
    assert_eq!(pool.in_use(), 0);
}

fn a_chain_is_pulled_into_its_first_segment(pool: &Mempool) {
    let mut mbuf = pool.alloc_copy(b"abc").expect("not empty");
    for part in [&b"de"[..], b"", b"fgh"] {
        let part = pool.alloc_copy(part).expect("not empty");
        mbuf.chain(part).expect("few segments");
    }
    assert_eq!((mbuf.data(), mbuf.frame_len(), mbuf.segments()), (&b"abc"[..], 8, 4));
    assert!(mbuf.append(1).is_none(), "only a frame of one segment grows");
    assert!(mbuf.pull_up(4) && mbuf.pull_up(2));
    assert_eq!((mbuf.data(), mbuf.frame_len(), mbuf.segments()), (&b"abcd"[..], 8, 4));
    assert!(mbuf.pull_up(6));
    assert_eq!((mbuf.data(), mbuf.frame_len(), mbuf.segments()), (&b"abcdef"[..], 8, 2));
    assert_eq!(pool.in_use(), 2);
    assert!(!mbuf.pull_up(9), "it has eight");
    assert!(mbuf.pull_up(8) && mbuf.is_contiguous());
    assert_eq!((mbuf.data(), pool.in_use()), (&b"abcdefgh"[..], 1));

    let mut full = pool.alloc_copy(&[1; 2048]).expect("not empty");
    full.chain(pool.alloc_copy(&[2]).expect("not empty")).expect("few segments");
    assert!(!full.pull_up(2049) && full.pull_up(2048));
    assert_eq!((full.frame_len(), full.segments()), (2049, 2));

    let other = mbuf.another().expect("not empty");
    assert_eq!((other.frame_len(), other.segments(), other.tailroom()), (0, 1, 2048));
    drop((mbuf, full, other));
    assert_eq!(pool.in_use(), 0);
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert!(all[0].another().is_none(), "the pool is empty");
}

fn an_empty_pool_gives_none_and_recovers(pool: &Mempool) {
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(all.len(), pool.size() as usize);
    assert_eq!((pool.available(), pool.in_use()), (0, pool.size()));
    drop(all);
    assert_eq!(pool.in_use(), 0);
}

fn what_is_sent_comes_back_in_order(
    pool: &Mempool,
    port: &Port,
    rx: &mut RxQueue,
    tx: &mut TxQueue,
) {
    let frames: Vec<_> = (0..BURST).map(|n| frame(n, 60 + n * 40)).collect();
    let mut out = burst(pool, &frames);
    assert_eq!(tx.send(&mut out), BURST);
    assert!(out.is_empty());
    assert_eq!(pool.in_use(), BURST as u32);
    let back = receive(rx, BURST);
    assert_eq!(octets(&back), frames);
    let stats = port.stats();
    assert_eq!((stats.tx_packets, stats.rx_packets), (BURST as u64, BURST as u64));
    assert!(port.link_up());
    drop(back);
    assert_eq!(pool.in_use(), 0);
}

fn mbufs_may_be_freed_by_a_thread_dpdk_does_not_know(
    pool: &Mempool,
    rx: &mut RxQueue,
    tx: &mut TxQueue,
) {
    let frames: Vec<_> = (0..BURST).map(|n| frame(n, 100)).collect();
    tx.send(&mut burst(pool, &frames));
    let back = receive(rx, BURST);
    let shared = pool.clone();
    let elsewhere = thread::spawn(move || {
        let same = octets(&back);
        drop(back);
        (same, shared.alloc_copy(b"made elsewhere").expect("not empty"))
    });
    let (same, made) = elsewhere.join().expect("it does not panic");
    assert_eq!((same, made.data()), (frames, &b"made elsewhere"[..]));
    drop(made);
    assert_eq!(pool.in_use(), 0);
}

fn what_does_not_fit_is_freed_and_counted(pool: &Mempool, rx: &mut RxQueue, tx: &mut TxQueue) {
    let frames: Vec<_> = (0..BURST).map(|n| frame(n, 64)).collect();
    let (mut sent, mut offered) = (0, 0);
    // The ring behind the port holds 1,023 packets.
    while tx.unsent() == 0 {
        offered += BURST;
        sent += tx.send(&mut burst(pool, &frames));
        assert!(offered <= 2048, "the ring never fills");
    }
    assert_eq!(offered - sent, tx.unsent() as usize);
    assert_eq!(pool.in_use(), sent as u32);
    assert_eq!(receive(rx, sent).len(), sent);
}

fn a_stopped_port_starts_again(pool: &Mempool, port: &mut Port) {
    port.configure(PortConfig { mtu: 1400, ..PortConfig::default() }, pool).expect("it is stopped");
    let (mut rx, mut tx) = port.start().expect("it starts again");
    assert_eq!(port.start().err(), Some(PortError::QueuesInUse { port: "net_ring0".into() }));
    tx[0].send(&mut burst(pool, &[frame(1, 80)]));
    assert_eq!(octets(&receive(&mut rx[0], 1)), [frame(1, 80)]);
}

fn a_device_may_be_plugged_again_after_its_port_is_gone(
    test: &TestEal,
    pool: &Mempool,
    port: Port,
) {
    let twice = Port::by_device(&test.eal, "net_ring0").err();
    assert_eq!(
        twice,
        Some(PortError::Twice { device: "net_ring0".into(), other: "net_ring0".into() })
    );
    drop(port);
    let mut again = test.port("net_ring0");
    again.configure(PortConfig::default(), pool).expect("a new port");
    let (_rx, mut tx) = again.start().expect("it starts");
    tx[0].send(&mut burst(pool, &[frame(2, 80)]));
}
