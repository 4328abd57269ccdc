// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection to a Diameter peer (RFC 6733 §5, RFC 3539 watchdog), as client or server. Sans-IO:
//!
//! ```text
//! transport up -> handle(now, Connected); octets -> handle(now, Octets); gone -> handle(now, Closed)
//! poll_output() until None; handle(now, Timeout) at deadline()
//! ```

use crate::nasreq::{AaAnswer, AaRequest, Identity, StRequest};
use std::time::Duration;

/// Monotonic time since an origin the caller chose.
pub type Time = Duration;

/// What happened to a client connection.
#[derive(Clone, Copy, Debug)]
pub enum ClientInput<'a> {
    /// TCP is up.
    Connected,
    /// Octets arrived.
    Octets(&'a [u8]),
    /// TCP is gone or could not be made.
    Closed,
    /// The deadline is reached.
    Timeout,
}

/// What a client connection wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientOutput {
    /// Open TCP (first tries at 0, 0.2, 0.5, 1, 2 s, then Tc with jitter, FC-41).
    Connect,
    /// Send octets.
    Send(Vec<u8>),
    /// Close TCP.
    Close,
    /// CER/CEA done: requests flow. Origin-Host and Origin-State-Id of the peer.
    Up { host: String, state_id: Option<u32> },
    /// No longer.
    Down,
    /// The answer to request `id`; `Err` when 3 tries of T_AAA passed or the peer answered 3xxx.
    Answer { id: u64, answer: Result<AaAnswer, Unavailable> },
    /// The answer to an STR, by request `id`.
    Stopped { id: u64, result_code: u32 },
    /// A counter by name (`diameter_late_answer`, ...).
    Count(&'static str),
}

/// R-28b: the AAA gave no usable answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// The client side: one AAA server, reconnecting, with the requests under way.
#[derive(Debug)]
pub struct Client(());

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Own identity.
    pub identity: Identity,
    /// Host-IP-Address of CER.
    pub host_ip: std::net::IpAddr,
    /// Origin-State-Id: constant per process life, larger after each restart.
    pub state_id: u32,
    /// Watchdog Tw (30 s).
    pub tw: Duration,
    /// Reconnect Tc (30 s).
    pub tc: Duration,
    /// T_AAA, one try (2 s).
    pub try_timeout: Duration,
    /// Tries (3).
    pub tries: u32,
    /// Seed of identifiers and jitter.
    pub seed: u64,
}

impl Client {
    /// A client that is not connected; its first output is `Connect`.
    pub fn new(config: ClientConfig, now: Time) -> Client {
        let _ = (config, now);
        todo!()
    }
    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: ClientInput<'_>) {
        let _ = (now, input);
        todo!()
    }
    /// Sends an AAR (queued while down, repeated with the T bit, same End-to-End id). `id` is the caller's.
    pub fn authorize(&mut self, now: Time, id: u64, request: AaRequest) {
        let _ = (now, id, request);
        todo!()
    }
    /// Sends an STR.
    pub fn stop(&mut self, now: Time, id: u64, request: StRequest) {
        let _ = (now, id, request);
        todo!()
    }
    /// Sends DPR (cause REBOOTING) and closes when the DPA is in.
    pub fn shutdown(&mut self, now: Time) {
        let _ = now;
        todo!()
    }
    /// The next effect.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        todo!()
    }
    /// When to call `handle` with `Timeout`.
    pub fn deadline(&self) -> Option<Time> {
        todo!()
    }
}
