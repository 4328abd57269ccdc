// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Things dropped in the wrong order: what is still in use stays in place.

mod common;

use common::TestEal;
use dpdk::mempool::PoolError;
use dpdk::{Mempool, PortConfig, lcore};
use wire::buf::PacketBuf as _;

#[test]
fn an_mbuf_may_outlive_its_pool_its_port_and_the_eal() {
    let test = TestEal::start(2);
    a_pool_let_go_on_a_worker_is_kept(&test);
    let pool = test.pool(255);
    let mut port = test.port("net_ring0");
    port.configure(PortConfig::default(), &pool).expect("a ring takes any configuration");
    let (rx, tx) = port.start().expect("it starts");
    let mut mbuf = pool.alloc_copy(b"still here").expect("not empty");
    drop(test);
    drop(pool);
    drop(port);
    drop(tx);
    drop(rx);
    mbuf.data_mut()[0] = b'S';
    assert_eq!(mbuf.data(), b"Still here");
    drop(mbuf);
}

fn a_pool_let_go_on_a_worker_is_kept(test: &TestEal) {
    let new = || Mempool::new(&test.eal, "moved", 63, 0, 64);
    drop(new().expect("the first of this name"));
    let pool = new().expect("the first was dropped on the main lcore, so its name is free again");
    let left = pool.alloc_copy(b"kept").expect("not empty");
    lcore::launch(&test.eal, 1, move || drop(pool)).expect("lcore 1 is free").join();
    assert_eq!(new().err(), Some(PoolError::Exists { name: "moved".into() }));
    assert_eq!(left.data(), b"kept");
}
