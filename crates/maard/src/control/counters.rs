// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows this daemon adds to the slow path's in `romip show counters`:
//!
//! ```text
//! worker.0.delivered       what worker 0 publishes (dataplane::counters), its unsent frames, its waiting updates
//! port.0.rx_packets        what port 0 counts itself
//! mempool.free             packet buffers
//! slowpath.tx_no_mbuf      frames of the slow path lost on their way to worker 0
//! log.lost                 log lines lost
//! ```

use super::workers::{Sender, WorkerEnd};
use dpdk::Port;
use serde_json::{Value, json};

/// Appends the rows.
pub fn add(
    rows: &mut Vec<Value>,
    workers: &[WorkerEnd],
    ports: &[Port],
    sender: &Sender,
    log_lost: u64,
) {
    let mut row = |name: String, value: u64| rows.push(json!({ "name": name, "value": value }));
    for (n, worker) in workers.iter().enumerate() {
        worker.stats().each(|name, value| row(format!("worker.{n}.{name}"), value));
        row(format!("worker.{n}.turns"), worker.stats().turns());
        row(format!("worker.{n}.updates_applied"), worker.stats().applied());
        row(format!("worker.{n}.updates_waiting"), worker.waiting());
        for port in 0..ports.len() {
            row(format!("worker.{n}.tx_unsent.{port}"), worker.unsent(port));
        }
    }
    for (n, port) in ports.iter().enumerate() {
        let stats = port.stats();
        for (name, value) in [
            ("rx_packets", stats.rx_packets),
            ("rx_octets", stats.rx_octets),
            ("rx_missed", stats.rx_missed),
            ("rx_errors", stats.rx_errors),
            ("rx_no_mbuf", stats.rx_no_mbuf),
            ("tx_packets", stats.tx_packets),
            ("tx_octets", stats.tx_octets),
            ("tx_errors", stats.tx_errors),
        ] {
            row(format!("port.{n}.{name}"), value);
        }
    }
    row("mempool.free".into(), u64::from(sender.pool().available()));
    row("mempool.in_use".into(), u64::from(sender.pool().in_use()));
    row("slowpath.tx_no_mbuf".into(), sender.no_mbuf);
    row("slowpath.tx_ring_full".into(), sender.ring_full);
    row("log.lost".into(), log_lost);
}
