// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run showed.

use super::Load;
use super::connection::Connection;
use super::histogram::Histogram;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// The figures of one run.
#[derive(Clone, Debug)]
pub struct Report {
    window: u32,
    connections: u32,
    subscribers: u32,
    requests: u64,
    wall: Duration,
    /// Of the server, all threads and the kernel's share; seconds.
    cpu: Option<f64>,
    latencies: Histogram,
    /// Answers that contradict the model.
    pub wrong: u64,
    /// The first of them.
    pub said: Vec<String>,
}

pub(super) fn of(load: &Load, wall: Duration, cpu: Option<f64>, done: Vec<Connection>) -> Report {
    let mut report = Report {
        window: load.window,
        connections: load.connections,
        subscribers: load.subscribers,
        requests: 0,
        wall,
        cpu,
        latencies: Histogram::new(),
        wrong: 0,
        said: Vec::new(),
    };
    for mut connection in done {
        report.requests += connection.answered;
        report.latencies.join(&connection.latencies);
        report.wrong += connection.model.wrong;
        report.said.append(&mut connection.model.said);
    }
    report
}

impl Report {
    fn rate(&self) -> u64 {
        (self.requests as f64 / self.wall.as_secs_f64()) as u64
    }

    fn per_cpu(&self) -> Option<u64> {
        self.cpu.map(|cpu| (self.requests as f64 / cpu.max(0.01)) as u64)
    }

    fn microseconds(&self, share: f64) -> f64 {
        (self.latencies.percentile(share) as f64 / 100.0).round() / 10.0
    }

    /// One object, for programs.
    pub fn json(&self) -> Value {
        json!({
            "window": self.window,
            "connections": self.connections,
            "subscribers": self.subscribers,
            "seconds": self.wall.as_secs_f64(),
            "requests": self.requests,
            "requests_per_second": self.rate(),
            "cpu_seconds": self.cpu,
            "requests_per_cpu_second": self.per_cpu(),
            "p50_us": self.microseconds(0.5),
            "p99_us": self.microseconds(0.99),
            "p999_us": self.microseconds(0.999),
            "wrong_answers": self.wrong,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections, window {}, {} subscribers, {:.1} s",
            self.connections,
            self.window,
            self.subscribers,
            self.wall.as_secs_f64()
        )?;
        write!(f, "{} requests/s", self.rate())?;
        if let Some(rate) = self.per_cpu() {
            write!(f, ", {rate} requests per CPU-second of the server")?;
        }
        let [half, most, tail] = [0.5, 0.99, 0.999].map(|share| self.microseconds(share));
        writeln!(f, "\nlatency: p50 {half} us, p99 {most} us, p99.9 {tail} us")?;
        write!(f, "{} wrong answers", self.wrong)?;
        self.said.iter().try_for_each(|said| write!(f, "\n  {said}"))
    }
}

/// User and system time of all threads of a process, seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("--pid {pid}: {error}"))?;
    // The name stands in parentheses and may hold anything; utime and stime are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        // USER_HZ is 100 on every architecture Linux runs DPDK on.
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err(format!("--pid {pid}: its stat file cannot be read")),
    }
}
