// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hot path takes no memory: what it needs was taken at the start.

use crate::rig::*;
use arrayvec::ArrayVec;
use dataplane::PortId;
use dataplane::update::Update;
use dataplane::verdict::Verdict;
use dataplane::worker::Transmit;
use std::sync::Arc;
use wire::buf::VecBuf;

#[derive(Default)]
struct Gone(usize);

impl Transmit<VecBuf> for Gone {
    fn transmit(&mut self, _port: PortId, _buf: VecBuf) {
        self.0 += 1;
    }
}

#[test]
fn bursts_and_housekeeping_allocate_nothing() {
    let mut rig = Rig::new();
    let frames = [
        (ACCESS, from_a(A_HOA1, B_HOA1)),
        (ACCESS, from_a(A_HOA1, E_HOA)),
        (ACCESS, from_a(A_HOA3, S)),
        (ACCESS, from_a(C_HOA3, S)),
        (CORE, by_core(S, A_HOA1)),
        (CORE, by_tunnel(B_MAAR2, B_HOA1, A_HOA1)),
        (CORE, by_tunnel(B_MAAR2, B_HOA1, E_HOA)),
        (CORE, by_core(S, UNLEASED)),
    ];
    let mut bursts: Vec<(PortId, ArrayVec<VecBuf, 32>)> = frames
        .iter()
        .map(|(port, frame)| (*port, (0..32).map(|_| VecBuf::new(frame)).collect()))
        .collect();
    for n in 1..30 {
        rig.update(Update::Bind { key: n, verdict: Verdict::Absent });
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
    assert_eq!(tx.0, 6 * 32);
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(counted.count_total, 1, "the counter counts");
}
