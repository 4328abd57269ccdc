// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo bench -p dataplane --bench stages`: what a burst costs in one process, without ports. The source's row is part
//! of every other one; `classify` ends after the first pass; `lookup` is the second pass alone.

mod rig;

use criterion::{Criterion, Throughput};
use dataplane::synthetic::Keys;
use dataplane::table::{KEYS, Table};
use dataplane::verdict::Verdict;
use rig::{Case, Rig};
use std::net::Ipv6Addr;

const FLOWS: [u64; 2] = [4096, 1 << 20];

fn bursts(c: &mut Criterion) {
    for flows in FLOWS {
        let mut group = c.benchmark_group(format!("burst/{flows}"));
        group.throughput(Throughput::Elements(dataplane::BURST as u64));
        let mut source = Rig::new(Case::Classify, flows);
        group.bench_function("source", |b| b.iter(|| source.source()));
        for case in Case::ALL {
            let mut rig = Rig::new(case, flows);
            group.bench_function(case.name(), |b| b.iter(|| rig.run()));
            rig.check();
        }
    }
}

fn lookups(c: &mut Criterion) {
    let keys = Keys::new(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0), 32, 1);
    for flows in FLOWS {
        let mut parts = Table::new(flows as usize, 1, 1);
        for n in 0..flows {
            let verdict = Verdict::Tunnel { peer: 1, anchored: false, former: false };
            parts.writers[0].insert(keys.key(n), verdict.to_word()).expect("it has room");
        }
        let mut group = c.benchmark_group(format!("lookup/{flows}"));
        group.throughput(Throughput::Elements(KEYS as u64));
        let (mut next, mut words) = (0, [0; KEYS]);
        group.bench_function("64 keys", |b| {
            b.iter(|| {
                let burst: [u64; KEYS] =
                    std::array::from_fn(|n| keys.key((next + n as u64 * 977) % flows));
                next = next.wrapping_add(12_289);
                parts.readers[0].lookup_burst(&burst, &mut words);
                words[0]
            })
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bursts(&mut criterion);
    lookups(&mut criterion);
    criterion.final_summary();
}
