// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes into a router's control side and what comes out.

use crate::control::{Request, Response};
use dataplane::punt::PuntReason;
use dataplane::update::Update;
use dataplane::{PortId, WorkerId};
use std::net::Ipv6Addr;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A worker punted a frame.
    Frame { port: PortId, reason: PuntReason, frame: &'a [u8] },
    /// A worker's session sample.
    Session { hoa: Ipv6Addr, cn: Ipv6Addr },
    /// The AAA connection.
    Aaa(diameter::peer::ClientInput<'a>),
    /// A port's link came up or went down; up also at start.
    Link { port: PortId, up: bool },
    /// An operator or an access point asks; `id` comes back with the answer.
    Control { id: u64, request: Request },
    /// A planned stop: DPR, then [`Output::Stopped`].
    Stop,
    /// The deadline is reached.
    Timeout,
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Output {
    /// Send a frame.
    Frame { port: PortId, frame: Vec<u8> },
    /// Open the AAA's TCP connection.
    AaaConnect,
    /// Send octets to the AAA.
    AaaSend(Vec<u8>),
    /// Close the AAA's TCP connection.
    AaaClose,
    /// For the worker's update ring.
    Update { worker: WorkerId, update: Update },
    /// The answer to [`Input::Control`] `id`.
    Control { id: u64, response: Response },
    /// A log line.
    Log { level: log::Level, line: String },
    /// The stop is complete.
    Stopped,
}
