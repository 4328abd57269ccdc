// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must be true of a run: the limits, and that every witness tells the same.

use crate::analyse::Analysis;
use crate::clock::MS;
use crate::links::Link;
use crate::names::{Maar, User};

/// The limits of a run without link delay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Probes that may be lost per move and direction.
    pub lost: u64,
    /// From the attachment to the first packet of each direction, milliseconds.
    pub attach_ms: f64,
    /// Longest time without data in the TCP stream, and without an answer to a ping at the end, milliseconds.
    pub silence_ms: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { lost: 10, attach_ms: 20.0, silence_ms: 1000.0 }
    }
}

impl Limits {
    /// For a machine that does other things at the same time.
    pub fn times(self, factor: u32) -> Limits {
        Limits {
            lost: self.lost * u64::from(factor),
            attach_ms: self.attach_ms * f64::from(factor),
            silence_ms: self.silence_ms * f64::from(factor),
        }
    }
}

/// A sentence for everything that is not as it must be; none: passed.
pub fn judge(analysis: &Analysis, limits: &Limits) -> Vec<String> {
    let mut wrong: Vec<String> =
        analysis.figure1.wrong.iter().map(|w| format!("Figure 1: {w}")).collect();
    wrong.extend(probes(analysis, limits));
    wrong.extend(first_packets(analysis, limits));
    wrong.extend(stream(analysis, limits));
    wrong.extend(ping(analysis, limits));
    wrong.extend(at_rest(analysis));
    wrong
}

fn probes(analysis: &Analysis, limits: &Limits) -> Vec<String> {
    let mut wrong = Vec::new();
    for (made, directions) in analysis.moves.iter().zip(&analysis.probes) {
        for (from, counts) in User::ALL.into_iter().zip(directions) {
            let what =
                format!("{} moves to {}, probes of {from} to {}", made.who, made.to, from.peer());
            let (captured, sockets) = (counts.captured, counts.sockets);
            if captured.lost > limits.lost {
                let (lost, sent) = (captured.lost, captured.sent);
                wrong.push(format!("{what}: {lost} of {sent} lost, at most {} may", limits.lost));
            }
            if captured.received == 0 {
                wrong.push(format!("{what}: none arrived"));
            }
            if captured.counts() != sockets.counts() {
                wrong.push(format!(
                    "{what}: sent, received, lost, duplicated, reordered are {:?} in the captures and {:?} \
                     at the sockets",
                    captured.counts(),
                    sockets.counts()
                ));
            }
        }
    }
    wrong
}

fn first_packets(analysis: &Analysis, limits: &Limits) -> Vec<String> {
    let mut wrong = Vec::new();
    for (made, first) in analysis.moves.iter().zip(&analysis.first_packet) {
        for (direction, ms) in [("up", first.up), ("down", first.down)] {
            let what = format!("{} moves to {}, first packet {direction}", made.who, made.to);
            match ms {
                None => wrong.push(format!("{what}: none passed the new MAAR")),
                Some(ms) if ms >= limits.attach_ms => wrong.push(format!(
                    "{what}: {ms:.1} ms after the attachment, less than {} is wanted",
                    limits.attach_ms
                )),
                Some(_) => {}
            }
        }
    }
    wrong
}

fn stream(analysis: &Analysis, limits: &Limits) -> Vec<String> {
    let (seen, said) = (&analysis.stream, &analysis.iperf);
    let mut wrong = Vec::new();
    if let Some(error) = &said.error {
        wrong.push(format!("iperf3: {error}"));
    }
    if seen.reset || seen.hole {
        let what = if seen.reset { "was reset" } else { "never got all of its data" };
        wrong.push(format!("iperf3: its connection {what}, by b.pcap"));
    }
    if seen.longest_silence_ms > limits.silence_ms {
        wrong.push(format!("iperf3: no data for {:.0} ms", seen.longest_silence_ms));
    }
    // The data connection begins with a cookie of 37 octets; the last octets may not have been read or sent.
    if seen.bytes < said.received || seen.bytes > said.written + COOKIE || said.received == 0 {
        wrong.push(format!(
            "iperf3: its programs received {} and wrote {} octets, b.pcap shows {}",
            said.received, said.written, seen.bytes
        ));
    }
    wrong
}

/// What iperf3 sends first on each connection.
const COOKIE: u64 = 37;

fn ping(analysis: &Analysis, limits: &Limits) -> Vec<String> {
    let (all, per_move) = &analysis.ping;
    let said = analysis.ping_said;
    let mut wrong = Vec::new();
    // The answer to the last request may come when the program has made its sum.
    if all.sent != said.0 || all.received.abs_diff(said.1) > 1 {
        let counts = (all.sent, all.received);
        wrong.push(format!("ping: sent, received are {said:?} by ping and {counts:?} in a.pcap"));
    }
    for (made, ping) in analysis.moves.iter().zip(per_move) {
        if ping.received == 0 {
            wrong.push(format!("ping: no answer after {} moved to {}", made.who, made.to));
        }
    }
    let allowed = (limits.silence_ms * MS as f64) as u64;
    if all.last + allowed < analysis.ended {
        wrong.push("ping: no answer at the end".to_owned());
    }
    wrong
}

/// Figure 2 at rest: both directions in the tunnel between the two MAARs of now, nothing anywhere else.
fn at_rest(analysis: &Analysis) -> Vec<String> {
    let now =
        |user: User| analysis.moves.iter().rfind(|m| m.who == user).map_or(user.home(), |m| m.to);
    let mut wrong = Vec::new();
    for sender in User::ALL {
        let (from, to) = (now(sender), now(sender.peer()));
        let direct = Link { from, to, tunnelled: true, sender };
        if !analysis.at_rest.contains_key(&direct) {
            wrong.push(format!("last 5 s: nothing of {sender} in the tunnel from {from} to {to}"));
        }
        let others = analysis.at_rest.iter().filter(|(l, _)| l.sender == sender && **l != direct);
        wrong.extend(others.map(|(link, packets)| {
            let how = if link.tunnelled { "tunnelled" } else { "not tunnelled" };
            format!(
                "last 5 s: {packets} packets of {sender} from {} to {}, {how}",
                link.from, link.to
            )
        }));
    }
    let left = |maar: &Maar| ![now(User::A), now(User::B)].contains(maar);
    let passed = analysis.seen.iter().filter(|(maar, packets)| left(maar) && **packets > 0);
    wrong.extend(passed.map(|(maar, n)| format!("last 5 s: {n} packets of the session at {maar}")));
    wrong
}
