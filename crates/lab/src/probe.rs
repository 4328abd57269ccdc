// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The probe stream: UDP datagrams with a sequence number and their time of sending, 1,000 a second each way, from HoA1
//! to HoA1. Sockets are opened inside the users' namespaces; the counts are compared with the captures.

use crate::clock::now_ns;
use crate::error::{Attempt, Result, failed};
use crate::host::Host;
use crate::names::User;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// UDP port of both ends; no other protocol's, so that other decoders do not see one in it.
pub const PORT: u16 = 40_000;
/// From one probe to the next.
const INTERVAL: Duration = Duration::from_millis(1);
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
}

/// The streams while they run. Dropped, they end.
#[derive(Debug)]
pub struct Probes {
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    senders: Vec<JoinHandle<std::io::Result<Vec<Probe>>>>,
    receivers: Vec<JoinHandle<std::io::Result<Vec<Arrival>>>>,
}

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
    /// Starts both directions.
    pub fn start(a: &Host, b: &Host) -> Result<Probes> {
        let (socket_a, socket_b) = (socket(a)?, socket(b)?);
        let mut probes = Probes {
            stop_sending: Arc::default(),
            stop_receiving: Arc::default(),
            senders: Vec::new(),
            receivers: Vec::new(),
        };
        for (from, to, to_user) in
            [(&socket_a, &socket_b, User::B), (&socket_b, &socket_a, User::A)]
        {
            let (from, to) = (clone(from)?, clone(to)?);
            let target = SocketAddrV6::new(to_user.hoa1(), PORT, 0, 0);
            let (sending, receiving) =
                (Arc::clone(&probes.stop_sending), Arc::clone(&probes.stop_receiving));
            probes.receivers.push(std::thread::spawn(move || receive(&to, &receiving)));
            probes.senders.push(std::thread::spawn(move || send(&from, target, &sending)));
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
        let mut flows =
            sent.into_iter().zip(received).map(|(sent, received)| Flow { sent, received });
        let (a_to_b, b_to_a) = (flows.next(), flows.next());
        Ok(Counted {
            a_to_b: a_to_b.unwrap_or_default(),
            b_to_a: b_to_a.unwrap_or_default(),
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

fn join<T>(thread: JoinHandle<std::io::Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result.attempt("run a probe stream"),
        Err(_) => Err(failed("a probe stream panicked")),
    }
}

fn socket(host: &Host) -> Result<UdpSocket> {
    let address = SocketAddrV6::new(host.user.hoa1(), PORT, 0, 0);
    let socket = host
        .netns
        .inside(|| UdpSocket::bind(address))
        .attempt(format!("open a UDP socket on {address}"))?;
    socket.set_read_timeout(Some(LOOK)).attempt("set a socket's time-out")?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
        .attempt("enlarge a socket's buffer")?;
    Ok(socket)
}

fn clone(socket: &UdpSocket) -> Result<UdpSocket> {
    socket.try_clone().attempt("share a socket")
}

/// Sends on a grid of absolute times: a late probe does not delay the ones after it. A probe the kernel refuses was not
/// sent; its number is missing at the receiver too, and nowhere counted.
fn send(socket: &UdpSocket, to: SocketAddrV6, stop: &AtomicBool) -> std::io::Result<Vec<Probe>> {
    let mut sent = Vec::with_capacity(1 << 15);
    let start = Instant::now();
    let mut seq: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = start + INTERVAL * u32::try_from(seq).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let probe = Probe { seq, sent: now_ns() };
        if socket.send_to(&probe.encode(), to).is_ok() {
            sent.push(probe);
        }
        seq += 1;
    }
    Ok(sent)
}

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> std::io::Result<Vec<Arrival>> {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    let mut received = Vec::with_capacity(1 << 15);
    let mut octets = [0; 2 * LEN];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut octets) {
            Ok((n, _)) => {
                let at = now_ns();
                received.extend(Probe::decode(&octets[..n]).map(|probe| Arrival { probe, at }));
            }
            Err(e) if matches!(e.kind(), WouldBlock | TimedOut | Interrupted) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(received)
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
        let stop = Arc::new(AtomicBool::new(false));
        let sending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || send(&from, address, &sending));
        let mut octets = [0; LEN];
        for seq in 0..100 {
            to.recv_from(&mut octets).unwrap();
            assert_eq!(Probe::decode(&octets).unwrap().seq, seq);
        }
        stop.store(true, Ordering::Relaxed);
        let sent = thread.join().unwrap().unwrap();
        // On a busy machine they come late, never early.
        assert!(sent[99].sent - sent[0].sent >= 98_000_000);
    }
}
