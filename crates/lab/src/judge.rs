// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must be true of a run: the limits, and that every witness tells the same.

use crate::analyse::Analysis;
use crate::clock::MS;
use crate::links::Link;
use crate::names::{Maar, User};
use crate::scene::Scene;
use std::collections::BTreeMap;
use std::time::Duration;

/// The limits of a run without link delay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Probes sent on a link that may be lost per move and direction.
    pub lost: u64,
    /// Probes that may arrive behind a later one, per move and direction.
    pub reordered: u64,
    /// Retransmission time-outs of TCP, when no user is on no link for as long as one takes.
    pub timeouts: u64,
    /// From the attachment to the first packet of each direction, milliseconds.
    pub attach_ms: f64,
    /// Longest time without data in the TCP stream, and without an answer to a ping at the end, milliseconds.
    pub silence_ms: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { lost: 0, reordered: 0, timeouts: 0, attach_ms: 20.0, silence_ms: 1000.0 }
    }
}

impl Limits {
    /// For a machine that does other things at the same time: its kernel loses and repeats too.
    pub fn loaded() -> Limits {
        Limits { lost: 100, reordered: 100, timeouts: 10, attach_ms: 200.0, silence_ms: 10_000.0 }
    }
}

/// Linux's least retransmission time-out.
const RTO_MIN: Duration = Duration::from_millis(200);

/// A sentence for everything that is not as it must be; none: passed.
pub fn judge(analysis: &Analysis, scene: &Scene) -> Vec<String> {
    let limits = &scene.limits;
    let mut wrong: Vec<String> =
        analysis.figure1.wrong.iter().map(|w| format!("Figure 1: {w}")).collect();
    wrong.extend(probes(analysis, limits));
    wrong.extend(socket_errors(analysis));
    let late_ms = scene.sdba_delay.as_secs_f64() * 1000.0;
    wrong.extend(first_packets(analysis, limits.attach_ms + late_ms));
    wrong.extend(stream(analysis, limits));
    if scene.gap + scene.sdba_delay < RTO_MIN && analysis.tcp_timeouts > limits.timeouts {
        wrong.push(format!("iperf3: {} retransmission time-outs", analysis.tcp_timeouts));
    }
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
            let sent = captured.sent;
            for (n, word, most) in [
                (captured.lost, "lost", limits.lost),
                (captured.reordered, "reordered", limits.reordered),
            ] {
                if n > most {
                    wrong.push(format!("{what}: {n} of {sent} {word}, at most {most} may"));
                }
            }
            if captured.off_link > 0 && from != made.who {
                wrong.push(format!("{what}: {} were sent on no link", captured.off_link));
            }
            if captured.received == 0 {
                wrong.push(format!("{what}: none arrived"));
            }
            if captured.counts() != sockets.counts() {
                wrong.push(format!(
                    "{what}: sent, received, off link, lost, duplicated, reordered are {:?} in the captures \
                     and {:?} at the sockets",
                    captured.counts(),
                    sockets.counts()
                ));
            }
        }
    }
    wrong
}

/// An error about a packet that was only held up makes a connected socket fail for good (FC-32).
fn socket_errors(analysis: &Analysis) -> Vec<String> {
    let of = |(user, errors): (User, &BTreeMap<String, u64>)| {
        let sentence = |(error, n)| format!("the probes' socket of {user}: {n} times {error}");
        errors.iter().map(sentence).collect::<Vec<_>>()
    };
    User::ALL.into_iter().zip(&analysis.socket_errors).flat_map(of).collect()
}

fn first_packets(analysis: &Analysis, most_ms: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    for (made, first) in analysis.moves.iter().zip(&analysis.first_packet) {
        for (direction, ms) in [("up", first.up), ("down", first.down)] {
            let what = format!("{} moves to {}, first packet {direction}", made.who, made.to);
            match ms {
                None => wrong.push(format!("{what}: none passed the new MAAR")),
                Some(ms) if ms >= most_ms => wrong.push(format!(
                    "{what}: {ms:.1} ms after the attachment, less than {most_ms} is wanted"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::Counts;
    use crate::report::FirstPacket;
    use crate::steps::Found;
    use crate::story::{Iperf, Move, Moved};
    use crate::stream::{Ping, Stream};
    use crate::tally::Tally;

    /// One move of A, as good as can be.
    fn good() -> Analysis {
        let tally = Tally { sent: 3000, received: 3000, longest_gap_ms: 1.0, ..Tally::default() };
        let counts = Counts { captured: tally, sockets: tally };
        let ping = Ping { sent: 100, received: 100, last: 9_990 * MS };
        let moves = vec![Move {
            who: User::A,
            from: Maar::A1,
            to: Maar::A2,
            moved: Moved { began: 0, done: 1 },
            l2_event: Some(2),
            first_frame: Some(3),
        }];
        let way = |from, to, sender| Link { from, to, tunnelled: true, sender };
        Analysis {
            moves,
            figure1: Found::default(),
            probes: vec![[counts, counts]],
            first_packet: vec![FirstPacket { up: Some(3.0), down: Some(4.0) }],
            phases: Vec::new(),
            at_rest: BTreeMap::from([
                (way(Maar::A2, Maar::B1, User::A), 5000),
                (way(Maar::B1, Maar::A2, User::B), 5000),
            ]),
            seen: Maar::ALL
                .into_iter()
                .map(|m| (m, if [Maar::A2, Maar::B1].contains(&m) { 10_000 } else { 0 }))
                .collect(),
            stream: Stream { bytes: 1_000_037, longest_silence_ms: 30.0, ..Stream::default() },
            iperf: Iperf { received: 1_000_000, written: 1_000_000, error: None },
            ping: (ping, vec![ping]),
            ping_said: (100, 100),
            ended: 10_000 * MS,
            rate: 1000,
            socket_errors: Default::default(),
            tcp_timeouts: 0,
        }
    }

    /// The only complaint about a run with one thing wrong.
    fn complaint(spoil: impl Fn(&mut Analysis)) -> String {
        let mut analysis = good();
        spoil(&mut analysis);
        let wrong = judge(&analysis, &Scene::default());
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        wrong.into_iter().next().unwrap()
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(judge(&good(), &Scene::default()), Vec::<String>::new());
    }

    #[test]
    fn no_probe_may_be_lost_or_overtaken_and_on_a_busy_machine_some_may() {
        let lose = |a: &mut Analysis, n: u64| {
            let counts = &mut a.probes[0][1];
            (counts.captured.received, counts.captured.lost) = (3000 - n, n);
            counts.sockets = counts.captured;
        };
        assert!(complaint(|a| lose(a, 1)).contains("probes of B to A: 1 of 3000 lost"));
        let overtake = |a: &mut Analysis| {
            let counts = &mut a.probes[0][0];
            counts.captured.reordered = 2;
            counts.sockets = counts.captured;
        };
        assert!(complaint(overtake).contains("probes of A to B: 2 of 3000 reordered"));
        let mut analysis = good();
        lose(&mut analysis, 100);
        let scene = Scene { limits: Limits::loaded(), ..Scene::default() };
        assert_eq!(judge(&analysis, &scene), Vec::<String>::new());
    }

    #[test]
    fn only_the_one_who_moves_may_send_on_no_link() {
        let apart = |a: &mut Analysis, from: usize| {
            let counts = &mut a.probes[0][from];
            (counts.captured.received, counts.captured.off_link) = (2900, 100);
            counts.sockets = counts.captured;
        };
        let mut analysis = good();
        apart(&mut analysis, 0);
        assert_eq!(judge(&analysis, &Scene::default()), Vec::<String>::new());
        assert!(complaint(|a| apart(a, 1)).contains("sent on no link"));
    }

    #[test]
    fn an_error_of_a_socket_and_a_time_out_of_tcp_are_named() {
        let error = |a: &mut Analysis| {
            a.socket_errors[0].insert("Permission denied (os error 13)".to_owned(), 1);
        };
        assert!(complaint(error).contains("socket of A: 1 times Permission denied"));
        assert!(complaint(|a| a.tcp_timeouts = 1).contains("1 retransmission time-outs"));
        let mut analysis = good();
        analysis.tcp_timeouts = 1;
        let scene = Scene { gap: Duration::from_secs(1), ..Scene::default() };
        assert_eq!(judge(&analysis, &scene), Vec::<String>::new(), "longer than TCP waits");
    }

    #[test]
    fn sockets_and_captures_that_differ_are_refused() {
        let said = complaint(|a| a.probes[0][0].sockets.duplicated = 1);
        assert!(said.contains("at the sockets"), "{said}");
    }

    #[test]
    fn a_first_packet_must_come_and_come_in_time() {
        assert!(complaint(|a| a.first_packet[0].up = None).contains("none passed"));
        assert!(complaint(|a| a.first_packet[0].down = Some(20.0)).contains("20.0 ms after"));
    }

    #[test]
    fn a_broken_stream_is_told_by_either_witness() {
        let error = |a: &mut Analysis| a.iperf.error = Some("connection reset".to_owned());
        assert!(complaint(error).contains("connection reset"));
        assert!(complaint(|a| a.stream.hole = true).contains("never got all"));
        assert!(complaint(|a| a.stream.reset = true).contains("was reset"));
        assert!(complaint(|a| a.stream.longest_silence_ms = 1500.0).contains("1500 ms"));
        assert!(complaint(|a| a.stream.bytes = 999_999).contains("b.pcap shows 999999"));
    }

    #[test]
    fn a_ping_must_be_answered_after_each_move_and_at_the_end() {
        assert!(complaint(|a| a.ping_said = (101, 100)).contains("a.pcap"));
        assert!(complaint(|a| a.ping.1[0].received = 0).contains("after A moved"));
        assert!(complaint(|a| a.ping.0.last = 8_000 * MS).contains("at the end"));
    }

    #[test]
    fn at_rest_the_session_takes_the_tunnel_and_nothing_else() {
        let way = |from, to, tunnelled| Link { from, to, tunnelled, sender: User::A };
        let native = way(Maar::A2, Maar::B1, false);
        let said = complaint(|a| {
            a.at_rest.insert(native, 3);
        });
        assert!(said.contains("A_MAAR2 to B_MAAR1, not tunnelled"), "{said}");
        let said = complaint(|a| {
            a.at_rest.remove(&way(Maar::A2, Maar::B1, true));
        });
        assert!(said.contains("nothing of A"), "{said}");
        let said = complaint(|a| {
            a.seen.insert(Maar::A1, 2);
        });
        assert!(said.contains("2 packets of the session at A_MAAR1"), "{said}");
    }
}
