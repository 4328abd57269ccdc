// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The probe stream: UDP datagrams with a sequence number and their time of sending, from HoA1 to HoA1 each
//! way. Sockets are opened inside the users' namespaces and connected, so that an ICMPv6 error about a probe is an error
//! of the socket (FC-32); the counts are compared with the captures.

use crate::clock::now_ns;
use crate::error::{Attempt, Result, failed};
use crate::host::Host;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeMap;
use std::net::{SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// UDP port of both ends; no other protocol's, so that other decoders do not see one in it.
pub const PORT: u16 = 40_000;
/// Octets of a probe's payload: about a voice frame.
const LEN: usize = 64;
/// What a probe begins with.
const MAGIC: [u8; 8] = *b"romiprob";
/// Octets a receiver may be behind by (a machine that pauses for two seconds).
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often a receiver looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// For the last probes to arrive.
const LAST: Duration = Duration::from_millis(500);

/// What identifies a probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Probe {
    /// 0, 1, 2 ...
    pub seq: u64,
    /// By the sender's clock, nanoseconds since 1970.
    pub sent: u64,
}

impl Probe {
    /// The payload.
    pub fn encode(self) -> [u8; LEN] {
        let mut octets = [0; LEN];
        octets[..8].copy_from_slice(&MAGIC);
        octets[8..16].copy_from_slice(&self.seq.to_be_bytes());
        octets[16..24].copy_from_slice(&self.sent.to_be_bytes());
        octets
    }

    /// `None` for another payload.
    pub fn decode(payload: &[u8]) -> Option<Probe> {
        let (magic, rest) = payload.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (sent, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC)
            .then(|| Probe { seq: u64::from_be_bytes(*seq), sent: u64::from_be_bytes(*sent) })
    }
}

/// A probe that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Which.
    pub probe: Probe,
    /// When, nanoseconds since 1970.
    pub at: u64,
}

/// One direction as somebody saw it: the sockets, or the captures at both ends.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Flow {
    /// In the order of sending.
    pub sent: Vec<Probe>,
    /// In the order of arrival.
    pub received: Vec<Arrival>,
    /// Errors the socket told its program, by their texts.
    pub errors: BTreeMap<String, u64>,
}

/// The streams while they run. Dropped, they end.
#[derive(Debug)]
pub struct Probes {
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Sent>>,
    receivers: Vec<JoinHandle<(Vec<Arrival>, Errors)>>,
}

type Errors = BTreeMap<String, u64>;
type Sent = (Vec<Probe>, Errors);

/// What the sockets counted.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counted {
    /// A to B.
    pub a_to_b: Flow,
    /// B to A.
    pub b_to_a: Flow,
    /// When the last probe had been sent.
    pub ended: u64,
}

impl Probes {
    /// Starts both directions, `rate` probes a second each.
    pub fn start(a: &Host, b: &Host, rate: u32) -> Result<Probes> {
        let (socket_a, socket_b) = (socket(a)?, socket(b)?);
        let mut probes = Probes {
            stop_sending: Arc::default(),
            stop_receiving: Arc::default(),
            senders: Vec::new(),
            receivers: Vec::new(),
        };
        let interval = Duration::from_secs(1) / rate;
        for (from, to) in [(&socket_a, &socket_b), (&socket_b, &socket_a)] {
            let (from, to) = (clone(from)?, clone(to)?);
            let (sending, receiving) =
                (Arc::clone(&probes.stop_sending), Arc::clone(&probes.stop_receiving));
            probes.receivers.push(std::thread::spawn(move || receive(&to, &receiving)));
            probes.senders.push(std::thread::spawn(move || send(&from, interval, &sending)));
        }
        Ok(probes)
    }

    /// An error when a sender has given up.
    pub fn check_running(&self) -> Result<()> {
        let ended = self.senders.iter().any(JoinHandle::is_finished)
            || self.receivers.iter().any(JoinHandle::is_finished);
        if ended { Err(failed("a probe stream ended early")) } else { Ok(()) }
    }

    /// Ends the senders, waits for what is on its way, ends the receivers.
    pub fn finish(mut self) -> Result<Counted> {
        self.stop_sending.store(true, Ordering::Relaxed);
        let sent = self.senders.drain(..).map(join).collect::<Result<Vec<_>>>()?;
        let ended = now_ns();
        std::thread::sleep(LAST);
        self.stop_receiving.store(true, Ordering::Relaxed);
        let received = self.receivers.drain(..).map(join).collect::<Result<Vec<_>>>()?;
        let [(a_sent, mut a_errors), (b_sent, mut b_errors)] = two(sent)?;
        // What arrived at B, then what arrived at A; a socket may tell the receiver of an error about what it sent.
        let [(at_b, b_more), (at_a, a_more)] = two(received)?;
        add(&mut a_errors, a_more);
        add(&mut b_errors, b_more);
        Ok(Counted {
            a_to_b: Flow { sent: a_sent, received: at_b, errors: a_errors },
            b_to_a: Flow { sent: b_sent, received: at_a, errors: b_errors },
            ended,
        })
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop_sending.store(true, Ordering::Relaxed);
        self.stop_receiving.store(true, Ordering::Relaxed);
    }
}

/// One for each direction.
fn two<T>(both: Vec<T>) -> Result<[T; 2]> {
    both.try_into().map_err(|_| failed("a probe stream is missing"))
}

fn add(to: &mut Errors, more: Errors) {
    more.into_iter().for_each(|(error, times)| *to.entry(error).or_default() += times);
}

fn join<T>(thread: JoinHandle<T>) -> Result<T> {
    thread.join().map_err(|_| failed("a probe stream panicked"))
}

fn socket(host: &Host) -> Result<UdpSocket> {
    let address = SocketAddrV6::new(host.user.hoa1(), PORT, 0, 0);
    let socket = host
        .netns
        .inside(|| UdpSocket::bind(address))
        .attempt(format!("open a UDP socket on {address}"))?;
    let peer = SocketAddrV6::new(host.user.peer().hoa1(), PORT, 0, 0);
    socket.connect(peer).attempt(format!("connect a UDP socket to {peer}"))?;
    socket.set_read_timeout(Some(LOOK)).attempt("set a socket's time-out")?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
        .attempt("enlarge a socket's buffer")?;
    Ok(socket)
}

fn clone(socket: &UdpSocket) -> Result<UdpSocket> {
    socket.try_clone().attempt("share a socket")
}

/// Sends on a grid of absolute times: a late probe does not delay the ones after it. A probe the kernel refuses was not
/// sent; its number is missing at the receiver too, and the error is noted.
fn send(socket: &UdpSocket, interval: Duration, stop: &AtomicBool) -> Sent {
    let (mut sent, mut errors) = (Vec::with_capacity(1 << 15), Errors::new());
    let start = Instant::now();
    let mut seq: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = start + interval * u32::try_from(seq).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let probe = Probe { seq, sent: now_ns() };
        match socket.send(&probe.encode()) {
            Ok(_) => sent.push(probe),
            Err(error) => *errors.entry(error.to_string()).or_default() += 1,
        }
        seq += 1;
    }
    (sent, errors)
}

/// An error here is one about a probe that was sent: whichever call comes first is told it.
fn receive(socket: &UdpSocket, stop: &AtomicBool) -> (Vec<Arrival>, Errors) {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    let (mut received, mut errors) = (Vec::with_capacity(1 << 15), Errors::new());
    let mut octets = [0; 2 * LEN];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv(&mut octets) {
            Ok(n) => {
                let at = now_ns();
                received.extend(Probe::decode(&octets[..n]).map(|probe| Arrival { probe, at }));
            }
            Err(e) if matches!(e.kind(), WouldBlock | TimedOut | Interrupted) => {}
            Err(error) => *errors.entry(error.to_string()).or_default() += 1,
        }
    }
    (received, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_comes_back_from_its_octets_and_nothing_else_is_one() {
        let probe = Probe { seq: 7, sent: 1_767_225_600_000_000_000 };
        let octets = probe.encode();
        assert_eq!(Probe::decode(&octets), Some(probe));
        assert_eq!(Probe::decode(&octets[..23]), None);
        assert_eq!(Probe::decode(b"another protocol's payload"), None);
    }

    #[test]
    fn probes_leave_one_a_millisecond() {
        let to = UdpSocket::bind("[::1]:0").unwrap();
        let std::net::SocketAddr::V6(address) = to.local_addr().unwrap() else { unreachable!() };
        let from = UdpSocket::bind("[::1]:0").unwrap();
        from.connect(address).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let sending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || send(&from, Duration::from_millis(1), &sending));
        let mut octets = [0; LEN];
        for seq in 0..100 {
            to.recv_from(&mut octets).unwrap();
            assert_eq!(Probe::decode(&octets).unwrap().seq, seq);
        }
        stop.store(true, Ordering::Relaxed);
        let (sent, errors) = thread.join().unwrap();
        assert!(errors.is_empty());
        // On a busy machine they come late, never early.
        assert!(sent[99].sent - sent[0].sent >= 98_000_000);
    }
}
