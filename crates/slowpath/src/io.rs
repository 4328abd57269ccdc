// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes into a router's control side and what comes out.

use crate::control::{Request, Response};
use dataplane::punt::{Marker, PuntReason};
use dataplane::update::Update;
use dataplane::verdict::PeerId;
use dataplane::{PortId, WorkerId};
use std::net::Ipv6Addr;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A worker punted a frame.
    Frame {
        /// It came in here.
        port: PortId,
        /// Why.
        reason: PuntReason,
        /// From the Ethernet header on.
        frame: &'a [u8],
    },
    /// A worker's session sample.
    Session {
        /// HoA of an MN attached here.
        hoa: Ipv6Addr,
        /// The other address.
        cn: Ipv6Addr,
    },
    /// A worker holds packets until an exchange brings what they wait for.
    Parked(dataplane::park::Report),
    /// A worker drops packets because the next hop to this peer is not resolved.
    Peer(PeerId),
    /// A worker met an end marker that is waited for.
    Marker(Marker),
    /// So many updates worker `worker` has applied ([`dataplane::counters::Stats::applied`]). Given in each turn in which
    /// [`crate::Router::waits_for_workers`].
    Applied {
        /// Whose.
        worker: WorkerId,
        /// Of all that were [`Output::Update`]s for it.
        updates: u64,
    },
    /// Other static routes are in force from now on, as in [`crate::Config::routes`].
    Routes(Vec<(crate::config::Prefix, Vec<Ipv6Addr>)>),
    /// A connection to an AAA server.
    Aaa {
        /// Its place in the configuration.
        server: usize,
        /// What happened.
        input: diameter::peer::ClientInput<'a>,
    },
    /// A port's link came up or went down; up also at start.
    Link {
        /// Which port.
        port: PortId,
        /// Up.
        up: bool,
    },
    /// An operator or an access point asks.
    Control {
        /// Comes back with the answer.
        id: u64,
        /// What.
        request: Request,
    },
    /// A planned stop: DPR, then [`Output::Stopped`], within a second.
    Stop,
    /// The deadline is reached.
    Timeout,
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Output {
    /// Send a frame.
    Frame {
        /// By this port.
        port: PortId,
        /// From the Ethernet header on; shorter than 60 octets where the content is.
        frame: Vec<u8>,
    },
    /// Open the TCP connection to an AAA server.
    AaaConnect {
        /// Its place in the configuration.
        server: usize,
    },
    /// Send octets to an AAA server.
    AaaSend {
        /// Its place in the configuration.
        server: usize,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Close the TCP connection to an AAA server.
    AaaClose {
        /// Its place in the configuration.
        server: usize,
    },
    /// For the worker's update ring.
    Update {
        /// Whose ring.
        worker: WorkerId,
        /// The change.
        update: Update,
    },
    /// The answer to [`Input::Control`].
    Control {
        /// Of the question.
        id: u64,
        /// The answer.
        response: Response,
    },
    /// A log line; printable ASCII without a line end.
    Log {
        /// Its level.
        level: log::Level,
        /// The line.
        line: String,
    },
    /// To be appended to the record that outlives a restart, before what follows is done.
    Persist(mobility::Persist),
    /// The stop is complete.
    Stopped,
}
