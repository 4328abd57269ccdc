// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counters -> OpenMetrics text. Labels are numbers of workers and ports and this program's own names, never text
//! from the wire (FC-55).
//!
//! ```text
//! worker.0.delivered       romip_worker_frames_total{worker="0",verdict="delivered"}
//! worker.0.drop.X          romip_worker_drops_total{worker="0",reason="X"}
//! worker.0.punt.X          romip_worker_punts_total{worker="0",reason="X"}
//! worker.0.info.X          romip_worker_events_total{worker="0",event="X"}
//! worker.0.turns           romip_worker_turns_total{worker="0"}
//! worker.0.parked          romip_worker_parked{worker="0"}
//! port.1.rx_packets        romip_port_rx_packets_total{port="1"}
//! mempool.free             romip_mempool_buffers{state="free"}
//! handover_within_2ms      romip_handover_duration_seconds_bucket{le="0.002"}
//! anything else            romip_slowpath_events_total{event="..."}
//! ```

use super::Counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text::encode};
use prometheus_client::metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt::{Error, Write};

/// Content-Type of the text.
pub const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of a scrape.
pub fn of(counters: &Counters) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(sort(counters))));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = encode(&mut text, &registry);
    let end = text.trim_end().strip_suffix("# EOF").map_or(text.len(), str::len);
    text.insert_str(end, &handovers(counters));
    text
}

type Labels = Vec<(&'static str, String)>;

/// A metric: its name, its sentence, whether it only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Family(&'static str, &'static str, Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Counter,
    Gauge,
}
use Kind::{Counter, Gauge};

const FRAMES: Family =
    Family("romip_worker_frames", "Frames received, and their final verdicts", Counter);
const DROPS: Family = Family("romip_worker_drops", "Frames dropped, by reason", Counter);
const PUNTS: Family =
    Family("romip_worker_punts", "Frames handed to the slow path, by reason", Counter);
const EVENTS: Family =
    Family("romip_worker_events", "What is worth knowing beside the verdicts", Counter);
const TURNS: Family = Family("romip_worker_turns", "Turns of the poll loop", Counter);
const APPLIED: Family = Family("romip_worker_updates_applied", "Updates applied", Counter);
const WAITING: Family =
    Family("romip_worker_updates_waiting", "Updates that wait for the worker", Gauge);
const UNSENT: Family = Family("romip_worker_tx_unsent", "Frames a port did not take", Counter);
const PARKED: Family = Family("romip_worker_parked", "Frames parked now (R-41)", Gauge);
const POOL: Family = Family("romip_mempool_buffers", "Packet buffers", Gauge);
const LOG: Family = Family("romip_log_lines_lost", "Log lines lost", Counter);
const SLOWPATH: Family = Family("romip_slowpath_events", "Events of the control side", Counter);
const BUILD: Family = Family("romip_build_info", "Version of this program", Gauge);

const PORTS: &[(&str, Family)] = &[
    ("rx_packets", Family("romip_port_rx_packets", "Frames received", Counter)),
    ("rx_octets", Family("romip_port_rx_octets", "Octets received", Counter)),
    ("rx_missed", Family("romip_port_rx_missed", "Frames the device had no room for", Counter)),
    ("rx_errors", Family("romip_port_rx_errors", "Frames received in error", Counter)),
    ("rx_no_mbuf", Family("romip_port_rx_no_mbuf", "Frames lost without a buffer", Counter)),
    ("tx_packets", Family("romip_port_tx_packets", "Frames sent", Counter)),
    ("tx_octets", Family("romip_port_tx_octets", "Octets sent", Counter)),
    ("tx_errors", Family("romip_port_tx_errors", "Frames not sent", Counter)),
];

/// Upper bounds of the histogram, seconds, by the slow path's counters.
const BOUNDS: &[(&str, &str)] = &[
    ("handover_within_1ms", "0.001"),
    ("handover_within_2ms", "0.002"),
    ("handover_within_5ms", "0.005"),
    ("handover_within_10ms", "0.01"),
    ("handover_within_20ms", "0.02"),
    ("handover_within_50ms", "0.05"),
    ("handover_within_100ms", "0.1"),
    ("handover_within_200ms", "0.2"),
    ("handover_within_500ms", "0.5"),
    ("handover_within_1s", "1.0"),
    ("handover_longer", "+Inf"),
];
const SUM: &str = "handover_us";

/// By family, so that each is described once.
type Sorted = BTreeMap<Family, Vec<(Labels, u64)>>;

fn sort(counters: &Counters) -> Sorted {
    let mut sorted = Sorted::new();
    sorted.insert(BUILD, vec![(vec![("version", env!("CARGO_PKG_VERSION").into())], 1)]);
    for (name, &value) in counters {
        if name != SUM && BOUNDS.iter().all(|(bound, _)| name != bound) {
            let (family, labels) = place(name);
            sorted.entry(family).or_default().push((labels, value));
        }
    }
    sorted
}

fn place(name: &str) -> (Family, Labels) {
    let parts: Vec<&str> = name.split('.').collect();
    let label = |key, value: &str| (key, value.to_owned());
    match parts[..] {
        ["worker", n, what] => {
            let mut labels = vec![label("worker", n)];
            let family = match what {
                "turns" => TURNS,
                "updates_applied" => APPLIED,
                "updates_waiting" => WAITING,
                "parked" => PARKED,
                _ => {
                    labels.push(label("verdict", what));
                    FRAMES
                }
            };
            (family, labels)
        }
        ["worker", n, "drop", what] => (DROPS, vec![label("worker", n), label("reason", what)]),
        ["worker", n, "punt", what] => (PUNTS, vec![label("worker", n), label("reason", what)]),
        ["worker", n, "info", what] => (EVENTS, vec![label("worker", n), label("event", what)]),
        ["worker", n, "tx_unsent", port] => (UNSENT, vec![label("worker", n), label("port", port)]),
        ["port", n, what]
            if let Some((_, family)) = PORTS.iter().find(|(name, _)| *name == what) =>
        {
            (*family, vec![label("port", n)])
        }
        ["mempool", state] => (POOL, vec![label("state", state)]),
        ["log", "lost"] => (LOG, Vec::new()),
        _ => (SLOWPATH, vec![label("event", name)]),
    }
}

#[derive(Debug)]
struct Scrape(Sorted);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for (Family(name, help, kind), values) in &self.0 {
            let of = match kind {
                Counter => MetricType::Counter,
                Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, of)?;
            for (labels, value) in values {
                one(&mut metric, labels, *kind, *value)?;
            }
        }
        Ok(())
    }
}

fn one(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels,
    kind: Kind,
    value: u64,
) -> Result<(), Error> {
    let encoder = metric.encode_family(labels)?;
    match kind {
        Counter => ConstCounter::new(value).encode(encoder),
        Gauge => ConstGauge::new(value).encode(encoder),
    }
}

/// The slow path counts each handover once, by the shortest bound it kept; a histogram's buckets hold all below.
fn handovers(counters: &Counters) -> String {
    const NAME: &str = "romip_handover_duration_seconds";
    let of = |name: &str| counters.get(name).copied().unwrap_or(0);
    let mut text = format!(
        "# HELP {NAME} From the first sign of a mobile node to the last dDBA.\n# TYPE {NAME} histogram\n"
    );
    let mut count = 0;
    for (name, bound) in BOUNDS {
        count += of(name);
        let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {count}");
    }
    let micros = of(SUM);
    let _ = writeln!(text, "{NAME}_sum {}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let _ = writeln!(text, "{NAME}_count {count}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: &[(&str, u64)]) -> String {
        of(&rows.iter().map(|&(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn every_row_of_show_counters_has_its_place() {
        let text = text(&[
            ("worker.0.delivered", 7),
            ("worker.1.drop.not_ipv6", 3),
            ("worker.0.punt.station_new", 2),
            ("worker.0.info.table_full", 1),
            ("worker.0.turns", 100),
            ("worker.0.parked", 4),
            ("worker.0.tx_unsent.1", 5),
            ("port.1.rx_packets", 70),
            ("mempool.free", 1000),
            ("log.lost", 0),
            ("rs_received", 9),
        ]);
        for line in [
            r#"romip_worker_frames_total{worker="0",verdict="delivered"} 7"#,
            r#"romip_worker_drops_total{worker="1",reason="not_ipv6"} 3"#,
            r#"romip_worker_punts_total{worker="0",reason="station_new"} 2"#,
            r#"romip_worker_events_total{worker="0",event="table_full"} 1"#,
            r#"romip_worker_turns_total{worker="0"} 100"#,
            r#"romip_worker_parked{worker="0"} 4"#,
            r#"romip_worker_tx_unsent_total{worker="0",port="1"} 5"#,
            r#"romip_port_rx_packets_total{port="1"} 70"#,
            r#"romip_mempool_buffers{state="free"} 1000"#,
            "romip_log_lines_lost_total 0",
            r#"romip_slowpath_events_total{event="rs_received"} 9"#,
            "# TYPE romip_worker_frames counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_buckets_of_the_histogram_add_up() {
        let text = text(&[
            ("handover_within_1ms", 2),
            ("handover_within_5ms", 3),
            ("handover_longer", 1),
            ("handover_us", 1_012_500),
        ]);
        for line in [
            r#"romip_handover_duration_seconds_bucket{le="0.001"} 2"#,
            r#"romip_handover_duration_seconds_bucket{le="0.005"} 5"#,
            r#"romip_handover_duration_seconds_bucket{le="1.0"} 5"#,
            r#"romip_handover_duration_seconds_bucket{le="+Inf"} 6"#,
            "romip_handover_duration_seconds_sum 1.012500",
            "romip_handover_duration_seconds_count 6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
