// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `report.json`: what happened, in numbers, each read from the captures.

use crate::error::{Attempt, Result};
use crate::steps::Step;
use crate::tally::Tally;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::Path;

/// The file.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Whether every limit was kept.
    pub passed: bool,
    /// Figure 1: the last move.
    pub steps: Vec<Step>,
    /// Every move.
    pub moves: Vec<MoveReport>,
    /// The TCP stream.
    pub iperf3: IperfReport,
    /// Errors the probes' connected sockets were told (FC-32).
    pub socket_errors: u64,
    /// The ping.
    pub ping: PingReport,
    /// Packets of the session at each MAAR's core port in the last five seconds.
    pub session_packets_seen: BTreeMap<&'static str, u64>,
}

/// One move.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MoveReport {
    /// Who moved.
    pub who: &'static str,
    /// The MAAR it left.
    pub from: &'static str,
    /// The MAAR it came to.
    pub to: &'static str,
    /// The probes sent from this move to the next.
    pub probe: Directions,
    /// From the attachment to the first probe of each direction that passed the new MAAR.
    pub attach_to_first_packet_ms: FirstPacket,
}

/// Both directions.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Directions {
    /// A to B.
    pub a_to_b: Tally,
    /// B to A.
    pub b_to_a: Tally,
}

/// Milliseconds; `null` when none passed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct FirstPacket {
    /// From the moved user, as it leaves the MAAR's core port.
    #[serde(serialize_with = "milliseconds")]
    pub up: Option<f64>,
    /// To the moved user, as it arrives there.
    #[serde(serialize_with = "milliseconds")]
    pub down: Option<f64>,
}

/// iperf3.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct IperfReport {
    /// Octets the receiving program got.
    pub bytes: u64,
    /// The stream did not live to its end.
    pub broken: bool,
    /// Retransmission time-outs.
    pub timeouts: u64,
    /// Longest time without new data at the receiver.
    #[serde(serialize_with = "crate::clock::serialize_ms")]
    pub longest_silence_ms: f64,
}

/// ping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PingReport {
    /// Requests.
    pub sent: u64,
    /// Answered requests.
    pub received: u64,
}

fn milliseconds<S: Serializer>(ms: &Option<f64>, to: S) -> std::result::Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => crate::clock::serialize_ms(ms, to),
        None => to.serialize_none(),
    }
}

impl Report {
    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).attempt("write the report as JSON")?;
        std::fs::write(file, json + "\n").attempt(format!("write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_file_has_the_documented_form() {
        let tally = Tally {
            sent: 3000,
            received: 2993,
            off_link: 3,
            lost: 4,
            longest_gap_ms: 5.250_4,
            ..Tally::default()
        };
        let step = |n, name, via: Option<&str>, from, to, t_us| Step {
            n,
            name,
            via: via.map(str::to_owned),
            from,
            to,
            t_us,
        };
        let report = Report {
            passed: true,
            steps: vec![
                step(1, "RS", Some("rs"), "A", "A_MAAR3", 0),
                step(2, "AAR", None, "A_MAAR3", "AAA", 212),
            ],
            moves: vec![MoveReport {
                who: "A",
                from: "A_MAAR2",
                to: "A_MAAR3",
                probe: Directions { a_to_b: tally, b_to_a: tally },
                attach_to_first_packet_ms: FirstPacket { up: Some(4.141_59), down: None },
            }],
            iperf3: IperfReport {
                bytes: 7_500_000,
                broken: false,
                timeouts: 0,
                longest_silence_ms: 12.5,
            },
            socket_errors: 0,
            ping: PingReport { sent: 150, received: 149 },
            session_packets_seen: BTreeMap::from([("A_MAAR1", 0), ("A_MAAR3", 20_000)]),
        };
        let probe = json!({ "sent": 3000, "received": 2993, "off_link": 3, "lost": 4, "duplicated": 0, "reordered": 0,
                            "longest_gap_ms": 5.25 });
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({
                "passed": true,
                "steps": [
                    { "n": 1, "name": "RS", "via": "rs", "from": "A", "to": "A_MAAR3", "t_us": 0 },
                    { "n": 2, "name": "AAR", "from": "A_MAAR3", "to": "AAA", "t_us": 212 },
                ],
                "moves": [{
                    "who": "A", "from": "A_MAAR2", "to": "A_MAAR3",
                    "probe": { "a_to_b": probe, "b_to_a": probe },
                    "attach_to_first_packet_ms": { "up": 4.142, "down": null },
                }],
                "iperf3": { "bytes": 7_500_000, "broken": false, "timeouts": 0, "longest_silence_ms": 12.5 },
                "socket_errors": 0,
                "ping": { "sent": 150, "received": 149 },
                "session_packets_seen": { "A_MAAR1": 0, "A_MAAR3": 20_000 },
            })
        );
    }
}
