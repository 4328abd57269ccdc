// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hot path takes no memory: what it needs was taken at the start.

use crate::rig::*;
use arrayvec::ArrayVec;
use dataplane::PortId;
use dataplane::update::Update;
use dataplane::verdict::{Station, Verdict, station_key};
use dataplane::worker::Transmit;
use std::sync::Arc;
use wire::addr::ROUTER_MAC;
use wire::buf::VecBuf;

/// C's at another MAAR.
const C_HOA2: &str = "2001:db8:a2:c::c";

#[derive(Default)]
struct Gone(usize);

impl Transmit<VecBuf> for Gone {
    fn transmit(&mut self, _port: PortId, _buf: VecBuf) {
        self.0 += 1;
    }
}

#[test]
fn bursts_and_housekeeping_allocate_nothing() {
    let mut rig = Rig::parking();
    let frames = [
        (ACCESS, from_a(A_HOA1, B_HOA1)),
        (ACCESS, from_a(A_HOA1, E_HOA)),
        (ACCESS, from_a(A_HOA3, S)),
        (ACCESS, from_a(C_HOA3, S)),
        (CORE, by_core(S, A_HOA1)),
        (CORE, by_tunnel(B_MAAR2, B_HOA1, A_HOA1)),
        (CORE, by_tunnel(B_MAAR2, B_HOA1, E_HOA)),
        (CORE, by_core(S, UNLEASED)),
        (ACCESS, udp_frame(ROUTER_MAC, MAC_C, C_HOA2, S)),
        (CORE, by_core(S, D_HOA3)),
    ];
    let mut bursts: Vec<(PortId, ArrayVec<VecBuf, 32>)> = frames
        .iter()
        .map(|(port, frame)| (*port, (0..32).map(|_| VecBuf::new(frame)).collect()))
        .collect();
    // one station's exchange, one MN that is Detached, one destination nobody knows.
    rig.update(Update::Bind {
        key: station_key(MAC_C),
        verdict: Verdict::Station(Station::Exchange),
    });
    rig.update(Update::Bind { key: key(D_HOA3), verdict: Verdict::Absent { park: true } });
    rig.worker.housekeeping();
    for n in 1..30 {
        rig.update(Update::Bind { key: n, verdict: Verdict::Absent { park: false } });
        rig.update(Update::Unbind { key: n });
    }
    rig.update(Update::Fib(Arc::new(fib().build())));
    rig.update(Update::ForgetSamples);
    let mut tx = Gone::default();
    let used = allocation_counter::measure(|| {
        for (port, burst) in &mut bursts {
            rig.worker.burst(*port, burst, &mut tx);
            rig.worker.housekeeping();
        }
    });
    assert_eq!(used.count_total, 0);
    assert_eq!(tx.0, 5 * 32, "what came for E's HoA waits");
    assert!(rig.worker.holds());
    for (key, verdict) in [
        (C_HOA2, Verdict::Deliver { mac: MAC_C, port: 0, anchored: false, settled: true }),
        (D_HOA3, DELIVER_A),
        (E_HOA, DELIVER_A),
    ] {
        rig.update(Update::Bind { key: self::key(key), verdict });
    }
    let used = allocation_counter::measure(|| {
        for _ in 0..20 {
            rig.worker.housekeeping();
            rig.worker.burst(CORE, &mut ArrayVec::new(), &mut tx);
        }
    });
    assert_eq!((used.count_total, tx.0), (0, 8 * 32));
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(counted.count_total, 1, "the counter counts");
}
