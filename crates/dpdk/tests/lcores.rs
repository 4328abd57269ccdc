// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Closures run on lcores, several of which may share a CPU; a panic in one ends the process with its lcore's name.

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use common::{TestEal, burst, frame, octets, receive};
use dpdk::lcore::{self, LaunchError};
use dpdk::{PortConfig, prefetch};

/// Set in the child process that is to panic.
const PANIC: &str = "ROMIP_TEST_PANIC";

#[test]
fn queues_work_on_the_lcore_they_are_sent_to() {
    if std::env::var_os(PANIC).is_some() {
        return;
    }
    let test = TestEal::start(3);
    assert_eq!((lcore::workers(&test.eal), lcore::current()), (vec![1, 2], Some(0)));
    assert_eq!(lcore::launch(&test.eal, 0, || ()).err(), Some(LaunchError::Main { lcore: 0 }));
    let unknown = LaunchError::Unknown { lcore: 7, workers: vec![1, 2] };
    assert_eq!(lcore::launch(&test.eal, 7, || ()).err(), Some(unknown));

    let pool = test.pool(1023);
    let mut port = test.port("net_ring0");
    port.configure(PortConfig::default(), &pool).expect("a ring takes any configuration");
    let (rx, tx) = port.start().expect("it starts");
    let (mut rx, mut tx) =
        (rx.into_iter().next().expect("one"), tx.into_iter().next().expect("one"));
    let frames: Vec<_> = (0..20).map(|n| frame(n, 200)).collect();

    let (to_main, from_lcores) = channel();
    let (pool1, frames1, to_main1) = (pool.clone(), frames.clone(), to_main.clone());
    let sender = lcore::launch(&test.eal, 1, move || {
        tx.send(&mut burst(&pool1, &frames1));
        to_main1.send((lcore::current(), Vec::new())).expect("main waits");
    });
    let receiver = lcore::launch(&test.eal, 2, move || {
        let mbufs = receive(&mut rx, 20);
        mbufs.iter().for_each(prefetch::read);
        to_main.send((lcore::current(), octets(&mbufs))).expect("main waits");
    });
    sender.expect("lcore 1 is free").join();
    receiver.expect("lcore 2 is free").join();
    let mut answers: Vec<_> = from_lcores.iter().collect();
    answers.sort();
    assert_eq!(answers, [(Some(1), Vec::new()), (Some(2), frames)]);

    port.stop().expect("the closures are gone, and their queues with them");
    drop(port);
    assert_eq!(pool.in_use(), 0);
    a_busy_lcore_is_not_launched_again(&test);
}

fn a_busy_lcore_is_not_launched_again(test: &TestEal) {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let handle = lcore::launch(&test.eal, 1, move || {
        while !seen.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    });
    assert_eq!(lcore::launch(&test.eal, 1, || ()).err(), Some(LaunchError::Busy { lcore: 1 }));
    stop.store(true, Ordering::Release);
    handle.expect("it was free").join();
    lcore::launch(&test.eal, 1, || ()).expect("it is free again").join();
}

/// Runs only as the child of the test below.
#[test]
fn child_that_panics_on_lcore_1() {
    if std::env::var_os(PANIC).is_none() {
        return;
    }
    let test = TestEal::start(2);
    lcore::launch(&test.eal, 1, || panic!("out of\ncheese")).expect("it is free").join();
}

#[test]
fn a_panic_on_an_lcore_ends_the_process_with_one_line() {
    if std::env::var_os(PANIC).is_some() {
        return;
    }
    let this = std::env::current_exe().expect("this test");
    let child = Command::new(this)
        .args(["--exact", "child_that_panics_on_lcore_1", "--nocapture"])
        .env(PANIC, "1")
        .spawn_and_wait();
    assert_eq!(child.status.signal(), Some(6), "SIGABRT: {child:?}");
    let lines = String::from_utf8_lossy(&child.stderr).into_owned();
    let of_panic: Vec<_> = lines.lines().filter(|line| line.contains("panicked")).collect();
    assert_eq!(of_panic.len(), 1, "{lines}");
    assert!(of_panic[0].starts_with("lcore 1 panicked at crates/dpdk/tests/lcores.rs:"), "{lines}");
    assert!(of_panic[0].ends_with(": out of cheese"), "{lines}");
}

trait SpawnAndWait {
    fn spawn_and_wait(&mut self) -> std::process::Output;
}

impl SpawnAndWait for Command {
    /// The child dies before it can remove its EAL's files: they carry its pid.
    fn spawn_and_wait(&mut self) -> std::process::Output {
        use std::process::Stdio;
        let child = self.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let folder = format!("/var/run/dpdk/romip-test-{}", child.id());
        let output = child.wait_with_output().expect("it ends");
        let _ = std::fs::remove_dir_all(folder);
        output
    }
}
