// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One EAL for one test binary: without hugepages, on CPUs this process may use, its files removed at the end.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk::eal::{Args, Memory};
use dpdk::{BURST, Eal, Mbuf, Mempool, Port, RxQueue};
use wire::buf::PacketBuf as _;

/// MiB that a test's EAL reserves.
pub const MIB: u32 = 64;

pub struct TestEal {
    pub eal: Eal,
    _files: Files,
}

/// Removed after the EAL is gone: fields are dropped in order.
struct Files(PathBuf);

impl TestEal {
    /// Starts with so many lcores (0, 1, ...), all on the first CPU this process may use.
    pub fn start(lcores: u32) -> TestEal {
        let cpu = first_cpu();
        let args = Args::new(&format!("romip-test-{}", std::process::id()))
            .memory(Memory::Ordinary { mib: MIB });
        let args = (0..lcores).fold(args, |args, lcore| args.lcore(lcore, cpu)).build();
        let eal = Eal::init(&args).expect("DPDK starts without hugepages");
        let files = Files(eal.runtime_dir());
        TestEal { eal, _files: files }
    }

    pub fn pool(&self, mbufs: u32) -> Mempool {
        Mempool::new(&self.eal, "test", mbufs, 32, 2048).expect("the pool fits")
    }

    pub fn port(&self, device: &str) -> Port {
        Port::by_device(&self.eal, device).expect("the device is there")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        assert!(
            self.0.ends_with(format!("romip-test-{}", std::process::id())),
            "{:?} is not this test's",
            self.0
        );
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn first_cpu() -> u32 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux");
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("Linux lists them");
    let digits: String = list.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a CPU")
}

/// A frame of `len` octets that no other number gives.
pub fn frame(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number * 31 + at * 7) as u8).collect()
}

/// Receives until `count` packets came; the devices here need no time, so the bound only ends a broken test.
pub fn receive(rx: &mut RxQueue, count: usize) -> Vec<Mbuf> {
    let mut all = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    while all.len() < count && Instant::now() < end {
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        rx.receive(&mut burst);
        all.extend(burst);
    }
    all
}

pub fn burst(pool: &Mempool, frames: &[Vec<u8>]) -> ArrayVec<Mbuf, BURST> {
    frames.iter().map(|frame| pool.alloc_copy(frame).expect("the pool is not empty")).collect()
}

pub fn octets(mbufs: &[Mbuf]) -> Vec<Vec<u8>> {
    mbufs.iter().map(|mbuf| mbuf.data().to_vec()).collect()
}
