// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the TCP stream and the ping went on, read from the captures.

use crate::clock::ms_between;
use crate::frames::{Frame, Segment, What};
use crate::host::IPERF_PORT;
use crate::names::User;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What arrived at the receiver of iperf3's stream.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Stream {
    /// Octets of the data connection, each counted once, up to the first hole.
    pub bytes: u64,
    /// Octets are missing in front of octets that arrived.
    pub hole: bool,
    /// One of iperf3's connections was reset.
    pub reset: bool,
    /// Longest time without new data, milliseconds.
    pub longest_silence_ms: f64,
}

/// Reads the stream from A to B at the receiver's interface.
pub fn tcp(at_receiver: &[Frame]) -> Stream {
    // iperf3 opens two connections: one for control, one for data, which carries by far the most.
    let mut connections: BTreeMap<u16, Received> = BTreeMap::new();
    let mut reset = false;
    for (at, from, segment) in segments(at_receiver) {
        reset |= segment.rst;
        if from == User::A {
            connections.entry(segment.src_port).or_default().take(at, &segment);
        }
    }
    let data = connections.into_values().map(|c| c.stream()).max_by_key(|s| s.bytes);
    Stream { reset, ..data.unwrap_or_default() }
}

/// iperf3's segments with their sender.
fn segments(frames: &[Frame]) -> impl Iterator<Item = (u64, User, Segment)> {
    frames.iter().filter_map(|frame| match frame.what {
        What::Tcp(s) if [s.src_port, s.dst_port].contains(&IPERF_PORT) => {
            Some((frame.at, frame.session_from()?, s))
        }
        _ => None,
    })
}

/// The data of one connection as it came in.
#[derive(Default)]
struct Received {
    first: Option<u32>,
    /// Offsets from the first octet.
    pieces: Vec<Range<u64>>,
    end: u64,
    last_new: Option<u64>,
    silence: f64,
}

impl Received {
    fn take(&mut self, at: u64, segment: &Segment) {
        if segment.syn {
            self.first = Some(segment.seq.wrapping_add(1));
        }
        let Some(first) = self.first.filter(|_| segment.len > 0) else { return };
        let start = u64::from(segment.seq.wrapping_sub(first));
        let end = start + u64::from(segment.len);
        self.pieces.push(start..end);
        if end > self.end {
            self.end = end;
            let silence = self.last_new.map_or(0.0, |last| ms_between(last, at));
            self.silence = self.silence.max(silence);
            self.last_new = Some(at);
        }
    }

    fn stream(mut self) -> Stream {
        self.pieces.sort_by_key(|p| p.start);
        let joined = |so_far: u64, piece: &Range<u64>| {
            (piece.start <= so_far).then_some(so_far.max(piece.end)).ok_or(so_far)
        };
        let bytes =
            self.pieces.iter().try_fold(0, joined).unwrap_or_else(|before_hole| before_hole);
        Stream { bytes, hole: bytes < self.end, reset: false, longest_silence_ms: self.silence }
    }
}

/// Echo requests and replies at the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ping {
    /// Requests.
    pub sent: u64,
    /// Different requests that were answered.
    pub received: u64,
    /// Stamp of the last answer.
    pub last: u64,
}

/// Reads the ping from A to B at A's interface, as far as requests left in `window`.
pub fn ping(at_sender: &[Frame], window: &Range<u64>) -> Ping {
    let mut asked = BTreeSet::new();
    let (mut answered, mut last) = (BTreeSet::new(), 0);
    for frame in at_sender.iter().filter(|f| f.session_from().is_some()) {
        match frame.what {
            What::EchoRequest(seq) if window.contains(&frame.at) => {
                asked.insert(seq);
            }
            What::EchoReply(seq) if asked.contains(&seq) => {
                answered.insert(seq);
                last = last.max(frame.at);
            }
            _ => {}
        }
    }
    Ping { sent: asked.len() as u64, received: answered.len() as u64, last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MS;
    use crate::testing::{echo, segment};

    const ALL: Range<u64> = 0..u64::MAX;

    #[test]
    fn a_stream_with_retransmissions_is_whole() {
        let frames = [
            segment(0, User::A, 40_000, u32::MAX, 0, true),
            segment(MS, User::A, 40_000, 0, 1000, false),
            segment(2 * MS, User::A, 40_000, 2000, 1000, false),
            segment(60 * MS, User::A, 40_000, 1000, 1000, false),
            segment(61 * MS, User::A, 40_000, 2000, 1000, false),
            segment(62 * MS, User::A, 40_000, 3000, 500, false),
        ];
        let stream = tcp(&frames);
        assert_eq!((stream.bytes, stream.hole, stream.reset), (3500, false, false));
        assert!((stream.longest_silence_ms - 60.0).abs() < 1e-9, "2 ms to 62 ms: nothing new");
    }

    #[test]
    fn data_that_never_came_leaves_a_hole() {
        let frames = [
            segment(0, User::A, 40_000, 9, 0, true),
            segment(MS, User::A, 40_000, 10, 1000, false),
            segment(2 * MS, User::A, 40_000, 2010, 1000, false),
        ];
        let stream = tcp(&frames);
        assert_eq!((stream.bytes, stream.hole), (1000, true));
    }

    #[test]
    fn the_connection_with_the_data_is_taken_not_that_for_control() {
        let frames = [
            segment(0, User::A, 40_000, 9, 0, true),
            segment(MS, User::A, 40_000, 10, 37, false),
            segment(2 * MS, User::A, 40_002, 99, 0, true),
            segment(3 * MS, User::A, 40_002, 100, 1400, false),
        ];
        assert_eq!(tcp(&frames).bytes, 1400);
    }

    #[test]
    fn pings_without_answer_are_counted_and_answers_only_once() {
        let frames = [
            echo(0, User::A, true, 1),
            echo(MS, User::B, false, 1),
            echo(2 * MS, User::B, false, 1),
            echo(100 * MS, User::A, true, 2),
            echo(200 * MS, User::A, true, 3),
            echo(201 * MS, User::B, false, 3),
        ];
        assert_eq!(ping(&frames, &ALL), Ping { sent: 3, received: 2, last: 201 * MS });
        assert_eq!(ping(&frames, &(50 * MS..150 * MS)), Ping { sent: 1, received: 0, last: 0 });
    }
}
