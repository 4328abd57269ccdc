// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes into a MAAR and what comes out. Effects are values; their order is defined, so recordings replay.

use crate::PortId;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::nd::{RouterAdvert, RouterSolicit};
use wire::time::AttachTime;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Draft step 1. `mac` is the Ethernet source (R-03: an SLLAO that differs has been refused already).
    RouterSolicit {
        /// Access port.
        port: PortId,
        /// Ethernet source.
        mac: Mac,
        /// The solicitation.
        rs: RouterSolicit,
    },
    /// The access point says a station came.
    L2Attach {
        /// Access port.
        port: PortId,
        /// Station.
        mac: Mac,
        /// 802.1X identity, if any (R-03 source 1).
        mn_id: Option<Nai>,
    },
    /// The access point says a station left.
    L2Detach {
        /// Station.
        mac: Mac,
    },
    /// Any other frame of a station without record that counts for R-21; `source` when it was IPv6.
    StationFrame {
        /// Access port.
        port: PortId,
        /// Ethernet source.
        mac: Mac,
        /// IPv6 source.
        source: Option<Ipv6Addr>,
    },
    /// The data plane's sample: an MN's HoA talks to `cn`.
    Session {
        /// HoA of an MN attached here.
        hoa: Ipv6Addr,
        /// Correspondent.
        cn: Ipv6Addr,
    },
    /// The AAA's answer to [`Output::AaaRequest`] `id`.
    Aaa {
        /// Of the request.
        id: u64,
        /// What it says.
        answer: AaaAnswer,
    },
    /// The AAA lost its table: it is told of every MN here (R-28b).
    AaaLostState,
    /// A Mobility Header to our core address: the IPv6 payload, unchecked.
    Mh {
        /// IPv6 source.
        src: Ipv6Addr,
        /// Octets of the MH.
        octets: &'a [u8],
    },
    /// A worker holds packets until an exchange brings what they wait for. Of a station without record
    /// [`Input::StationFrame`] comes first.
    Parked(ParkKey),
    /// A worker holds a packet for a HoA that came straight from `maar`.
    Held {
        /// The HoA's /64.
        hoa: Prefix64,
        /// Who sent it.
        maar: Ipv6Addr,
    },
    /// The end marker of `maar` came by way of another MAAR.
    Marker {
        /// The HoA's /64.
        hoa: Prefix64,
        /// Who sent it.
        maar: Ipv6Addr,
    },
    /// A station served here sent a packet whose source is not its own, and no worker parked it.
    SourceFailed {
        /// Access port.
        port: PortId,
        /// Ethernet source.
        mac: Mac,
        /// IPv6 source.
        source: Ipv6Addr,
    },
    /// The link of an access port came up: who is there hears from its router soon (FC-25).
    PortUp {
        /// Access port.
        port: PortId,
    },
    /// The deadline is reached.
    Timeout,
}

/// What packets wait by: the /64 of their source and the station that sends it, or the /64 of the destination
/// of what a tunnel brought.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParkKey {
    /// Who sends; `None`: it came by a tunnel.
    pub station: Option<Mac>,
    /// The /64.
    pub prefix: Prefix64,
}

/// The AAA's answer (R-04, PROTOCOL.md 3.7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AaaAnswer {
    /// 2001.
    Granted {
        /// `::` first attachment, own address the same MAAR again, else a handover.
        previous: Ipv6Addr,
        /// MIP-Timestamp; `None` from a foreign AAA.
        attach_time: Option<AttachTime>,
        /// Canonical MN-ID (R-03 source 2).
        mn_id: Option<Nai>,
    },
    /// 5xxx: no service (5003 with a newer MAAR included).
    Refused {
        /// Result-Code.
        code: u32,
        /// MIP6-Agent-Info, with 5003: the MAAR the MN is at by the AAA.
        current: Option<Ipv6Addr>,
    },
    /// 3xxx, time-out, no connection: R-28b's 3 tries are over.
    Unavailable,
}

/// Draft step 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AaaRequest {
    /// To match the answer.
    pub id: u64,
    /// User-Name.
    pub mn_id: Nai,
    /// Calling-Station-Id.
    pub mac: Mac,
    /// Numbers the attachment: one Session-Id each.
    pub attachment: u64,
    /// `None` for a new attachment; else re-registration or a question.
    pub attach_time: Option<AttachTime>,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send an AAR.
    AaaRequest(AaaRequest),
    /// Send an STR (detach).
    AaaStop {
        /// User-Name.
        mn_id: Nai,
        /// Of the attachment's AAR.
        attachment: u64,
    },
    /// Send an RA (draft step 4) from the router's link-local address.
    Advertise {
        /// Access port.
        port: PortId,
        /// Ethernet destination.
        mac: Mac,
        /// IPv6 destination: the MN's link-local, or ff02::1 while none is known.
        to: Ipv6Addr,
        /// Contents.
        ra: RouterAdvert,
    },
    /// Send a Mobility Header from the core address.
    Mh {
        /// Peer.
        dst: Ipv6Addr,
        /// The MH, checksum in place.
        octets: Vec<u8>,
    },
    /// Where packets for (and from) a /64 go from now on. The only truth the data plane sees of the two lists.
    Place {
        /// The /64.
        prefix: Prefix64,
        /// Where its node is.
        place: Place,
    },
    /// Nothing brings what these packets wait for, or not in time: no worker parks the key until [`Output::Lift`].
    GiveUp(ParkKey),
    /// The key may park again.
    Lift(ParkKey),
    /// Before a HoA comes here: what `maar` sends for it straight waits.
    Hold {
        /// The HoA's /64.
        prefix: Prefix64,
        /// Who sends.
        maar: Ipv6Addr,
    },
    /// It waits no more.
    EndHold {
        /// The HoA's /64.
        prefix: Prefix64,
        /// Who sends.
        maar: Ipv6Addr,
        /// Not before every worker has finished one more turn: other packets of the path used before may lie in their
        /// queues.
        after_turn: bool,
    },
    /// 1 ms after the workers take the new way to `hoa`: the last packet by the way used before.
    EndMarker {
        /// To whom.
        hoa: Ipv6Addr,
        /// By this MAAR's tunnel; `None`: by the route.
        by: Option<Ipv6Addr>,
    },
    /// What the workers may think of a station.
    Station {
        /// Station.
        mac: Mac,
        /// State; `None` forgets it.
        state: Option<StationState>,
    },
    /// For the record that outlives a restart.
    Persist(crate::Persist),
    /// For logs, counters and `romip show`.
    Event(Event),
}

/// Where a /64's node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Attached here (leased, or Active external binding).
    Here {
        /// Access port.
        port: PortId,
        /// Its MAC.
        mac: Mac,
        /// Our own lease.
        anchored: bool,
        /// R-34's 10 s are over.
        settled: bool,
    },
    /// Behind a peer: internal entry, forwarding entry or default binding.
    Behind {
        /// The peer.
        maar: Ipv6Addr,
        /// Our own lease.
        anchored: bool,
        /// Its node was attached here within HOLD.
        former: bool,
    },
    /// Its MN has just left: its packets wait. While the station is [`StationState::Quiet`] what it sent before
    /// is still its own.
    Left {
        /// Access port.
        port: PortId,
        /// Its MAC.
        mac: Mac,
        /// Our own lease.
        anchored: bool,
    },
    /// Nobody here: leased by us, or its MN is Detached.
    Absent {
        /// Its packets wait.
        park: bool,
    },
    /// Nothing known any more.
    Unknown,
}

/// As [`Output::Station`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StationState {
    /// WaitAAA, WaitSDBA.
    Exchange,
    /// Attached.
    Attached,
    /// Frames start nothing for now.
    Quiet,
}

/// Something worth a log line or a counter.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A drop or an alarm, by its stable snake_case name (`mh_malformed`, `aaa_unknown_peer`, ...).
    Count(&'static str),
    /// One of Figure 1's steps of the handover of `mn_id`, done now.
    Step {
        /// Whose.
        mn_id: Nai,
        /// Numbers the attachment.
        attachment: u64,
        /// 1 to 8.
        step: u8,
        /// Step 1: what showed the MN here, `rs`, `l2` or `frame`; else empty.
        via: &'static str,
        /// The other end, where there is one.
        with: Option<Ipv6Addr>,
    },
    /// The exchange ended.
    HandoverDone {
        /// Whose.
        mn_id: Nai,
        /// Numbers the attachment.
        attachment: u64,
        /// Previous MAAR.
        previous: Ipv6Addr,
        /// Status of the sDBA; `None`: never answered.
        status: Option<u8>,
    },
}
