// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `romip bench aaa`: N connections of one MAAR each, W requests in flight on each, M subscribers, a mix of attachments,
//! repeats and detaches. Every answer is checked against a model of its own: a wrong previous MAAR fails the run.
//!
//! Reading order: this file, `connection.rs` (the loop of one connection), `model.rs` (what is asked, what must come
//! back), `template.rs` (requests at the price of a copy), `report.rs`.

mod connection;
mod histogram;
mod model;
mod report;
mod template;

pub use model::Mix;
pub use report::Report;

use connection::Connection;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// What to send where.
#[derive(Clone, Debug)]
pub struct Load {
    /// The AAA server.
    pub server: SocketAddr,
    /// Diameter realm of the server, the MAARs and the subscribers.
    pub realm: String,
    /// Connections, each of a MAAR `maarN.REALM`.
    pub connections: u32,
    /// Requests in flight on each connection.
    pub window: u32,
    /// Subscribers in all.
    pub subscribers: u32,
    /// Shares of repeats and detaches.
    pub mix: Mix,
    /// Attach each subscriber once before anything is measured.
    pub fill: bool,
    /// Load before the measurement.
    pub warm: Duration,
    /// The measurement.
    pub time: Duration,
    /// The server's process, for its CPU time.
    pub pid: Option<u32>,
}

/// Where the run is; every connection looks at it once per turn.
const WARM: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// Runs the load; an error is a sentence.
pub fn run(load: &Load) -> Result<Report, String> {
    let each = load.subscribers / load.connections;
    if each < 4 * load.window {
        let least = u64::from(load.window) * 4 * u64::from(load.connections);
        return Err(format!("this window needs at least {least} subscribers (--subscribers)"));
    }
    let phase = AtomicU8::new(WARM);
    let mut connections = Vec::new();
    for number in 0..load.connections {
        connections.push(Connection::open(load, number, each)?);
    }
    std::thread::scope(|scope| {
        let phase = &phase;
        let (filled, wait) = std::sync::mpsc::channel();
        let threads: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                let (fill, filled) = (load.fill, filled.clone());
                scope.spawn(move || {
                    let result = connection.fill(fill);
                    // The other end waits for it, or has given up already.
                    let _ = filled.send(result.is_ok());
                    result.and_then(|()| connection.run(phase)).map(|()| connection)
                })
            })
            .collect();
        drop(filled);
        let sound = wait.iter().take(threads.len()).all(|sound| sound);
        let measured = if sound { measure(load, phase) } else { Ok((Duration::ZERO, None)) };
        phase.store(OVER, Ordering::Relaxed);
        let mut done = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(result) => done.push(result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let (wall, cpu) = measured?;
        Ok(report::of(load, wall, cpu, done))
    })
}

/// Wall time and, where a process was given, its CPU time between two instants under load.
fn measure(load: &Load, phase: &AtomicU8) -> Result<(Duration, Option<f64>), String> {
    std::thread::sleep(load.warm);
    let cpu = || load.pid.map(report::cpu_seconds).transpose();
    let (begun, before) = (Instant::now(), cpu()?);
    phase.store(MEASURED, Ordering::Relaxed);
    std::thread::sleep(load.time);
    phase.store(OVER, Ordering::Relaxed);
    let (wall, after) = (begun.elapsed(), cpu()?);
    Ok((wall, before.zip(after).map(|(before, after)| after - before)))
}
