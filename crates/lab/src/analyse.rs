// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the captures and what the programs said to the report. Numbers only; whether they are good enough is
//! [`crate::judge`]'s.

use crate::clock::ms_between;
use crate::error::Result;
use crate::frames::{self, Frame};
use crate::links::{self, Link};
use crate::names::{Maar, User};
use crate::probe::Flow;
use crate::report::{Directions, FirstPacket, IperfReport, MoveReport, PingReport, Report};
use crate::scene::Scene;
use crate::steps::{self, Found, Witness};
use crate::story::{Iperf, Move, Played, last_seconds, windows};
use crate::stream::{self, Ping, Stream};
use crate::tally::{Tally, captured, on_link, tally};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

/// What was found out.
#[derive(Debug)]
pub struct Analysis {
    /// The moves, their first frames filled in.
    pub moves: Vec<Move>,
    /// Figure 1.
    pub figure1: Found,
    /// Per move and direction (A to B, B to A): by the captures, and by the sockets.
    pub probes: Vec<[Counts; 2]>,
    /// Per move.
    pub first_packet: Vec<FirstPacket>,
    /// Figure 2: the ways used before the first move, and from each move to the next.
    pub phases: Vec<BTreeMap<Link, u64>>,
    /// The ways used in the last five seconds.
    pub at_rest: BTreeMap<Link, u64>,
    /// Packets of the session per router in the last five seconds.
    pub seen: BTreeMap<Maar, u64>,
    /// TCP as captured.
    pub stream: Stream,
    /// TCP as iperf3 says.
    pub iperf: Iperf,
    /// Ping as captured: in all, and per move.
    pub ping: (Ping, Vec<Ping>),
    /// Ping as the program says: sent, received.
    pub ping_said: (u64, u64),
    /// When the last probe was sent.
    pub ended: u64,
    /// Probes a second and direction.
    pub rate: u32,
    /// What the sockets of the probes were told, A's and B's.
    pub socket_errors: [BTreeMap<String, u64>; 2],
    /// Retransmission time-outs of A's TCP.
    pub tcp_timeouts: u64,
}

/// One direction in one window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counts {
    /// From the captures; reported.
    pub captured: Tally,
    /// From the sockets; must agree.
    pub sockets: Tally,
}

/// Reads the captures of a story.
pub fn analyse(mut played: Played, scene: &Scene) -> Result<Analysis> {
    let read = |(maar, file): (&Maar, &PathBuf)| Ok((*maar, frames::read(file)?));
    let access = played.access.iter().map(read).collect::<Result<BTreeMap<_, _>>>()?;
    for made in &mut played.moves {
        let own = |f: &&Frame| f.from == made.who.mac() && f.at >= made.moved.began;
        made.first_frame = access[&made.to].iter().find(own).map(|f| f.at);
    }
    let users = [frames::read(&played.users[0])?, frames::read(&played.users[1])?];
    let core = frames::read(&played.core)?;
    Ok(of_frames(played, scene, &users, &core, &access))
}

/// As [`analyse`], from frames.
pub fn of_frames(
    played: Played,
    scene: &Scene,
    users: &[Vec<Frame>; 2],
    core: &[Frame],
    access: &BTreeMap<Maar, Vec<Frame>>,
) -> Analysis {
    let Played { began, moves, counted, via, iperf, ping, tcp_timeouts, .. } = played;
    let ended = counted.ended;
    let windows = windows(&moves, ended);
    let first = windows.first().map_or(ended, |w| w.start);
    let phases = std::iter::once(began..first).chain(windows.iter().cloned());
    let [a, b] = users;
    let (a_to_b, b_to_a) = (captured(a, b, User::A), captured(b, a, User::B));
    let directions = [(User::A, &a_to_b, &counted.a_to_b), (User::B, &b_to_a, &counted.b_to_a)]
        .map(|(user, captured, sockets)| {
            counts(captured, sockets, &on_link(access, user), &windows)
        });
    let of = |user: User| if user == User::A { a.as_slice() } else { b.as_slice() };
    Analysis {
        figure1: figure1(&moves, ended, &via, of, core, !scene.sdba_delay.is_zero()),
        probes: directions[0].iter().zip(&directions[1]).map(|(a, b)| [*a, *b]).collect(),
        first_packet: moves.iter().map(|m| first_packet(m, of(m.who), core)).collect(),
        phases: phases.map(|w| links::used(core, &w)).collect(),
        at_rest: links::used(core, &last_seconds(ended)),
        seen: links::seen(core, &last_seconds(ended)),
        stream: stream::tcp(b),
        iperf,
        ping: (
            stream::ping(a, &(began..u64::MAX)),
            windows.iter().map(|w| stream::ping(a, w)).collect(),
        ),
        ping_said: ping,
        moves,
        ended,
        rate: scene.rate,
        socket_errors: [counted.a_to_b.errors, counted.b_to_a.errors],
        tcp_timeouts,
    }
}

fn counts(
    captured: &Flow,
    sockets: &Flow,
    on_link: &BTreeSet<u64>,
    windows: &[Range<u64>],
) -> Vec<Counts> {
    let both = tally(captured, on_link, windows).into_iter().zip(tally(sockets, on_link, windows));
    both.map(|(captured, sockets)| Counts { captured, sockets }).collect()
}

/// The steps of the last move.
fn figure1<'a>(
    moves: &[Move],
    ended: u64,
    via: &str,
    of: impl Fn(User) -> &'a [Frame],
    core: &[Frame],
    repeats: bool,
) -> Found {
    let Some(last) = moves.last() else { return Found::default() };
    let peer = last.who.peer();
    let cn = moves.iter().rfind(|m| m.who == peer).map_or(peer.home(), |m| m.to);
    steps::read(&Witness { user: of(last.who), core, ended, repeats }, last, cn, via)
}

/// From the attachment to the first probe that passed the new MAAR in each direction.
fn first_packet(made: &Move, user: &[Frame], core: &[Frame]) -> FirstPacket {
    let attached = made.attached();
    let since = |at: u64| ms_between(attached, at);
    let mac = made.to.core_mac();
    let up = |f: &&Frame| f.at >= attached && f.from == mac && f.probe_from(made.who).is_some();
    let down = |f: &&Frame| f.at >= attached && f.probe_from(made.who.peer()).is_some();
    FirstPacket {
        up: core.iter().find(up).map(|f| since(f.at)),
        down: user.iter().find(down).map(|f| since(f.at)),
    }
}

impl Analysis {
    /// The report; `passed` is the judge's.
    pub fn report(&self, passed: bool) -> Report {
        let seen = self.seen.iter().map(|(maar, packets)| (maar.name(), *packets));
        Report {
            passed,
            steps: self.figure1.steps.clone(),
            moves: self.moves.iter().enumerate().map(|(n, m)| self.move_report(n, m)).collect(),
            iperf3: IperfReport {
                bytes: self.iperf.received,
                broken: self.stream_broken(),
                timeouts: self.tcp_timeouts,
                longest_silence_ms: self.stream.longest_silence_ms,
            },
            socket_errors: self.socket_errors.iter().flat_map(BTreeMap::values).sum(),
            ping: PingReport { sent: self.ping.0.sent, received: self.ping.0.received },
            session_packets_seen: seen.collect(),
        }
    }

    fn move_report(&self, n: usize, made: &Move) -> MoveReport {
        let [a_to_b, b_to_a] = self.probes[n];
        MoveReport {
            who: made.who.name(),
            from: made.from.name(),
            to: made.to.name(),
            probe: Directions { a_to_b: a_to_b.captured, b_to_a: b_to_a.captured },
            attach_to_first_packet_ms: self.first_packet[n],
        }
    }

    /// iperf3 failed, or the capture shows a connection that was reset or never got all of its data.
    pub fn stream_broken(&self) -> bool {
        self.iperf.error.is_some() || self.stream.reset || self.stream.hole
    }
}
