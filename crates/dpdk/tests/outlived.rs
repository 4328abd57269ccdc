// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Things dropped in the wrong order: what is still in use stays in place.

mod common;

use common::TestEal;
use dpdk::PortConfig;
use wire::buf::PacketBuf as _;

#[test]
fn an_mbuf_may_outlive_its_pool_its_port_and_the_eal() {
    let test = TestEal::start(1);
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
