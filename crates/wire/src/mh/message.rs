// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The messages as values (PROTOCOL.md 3.1 to 3.3).

use crate::addr::Nai;
use crate::time::AttachTime;
use std::net::Ipv6Addr;

/// A status code of a binding acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status(pub u8);

impl Status {
    /// Accepted.
    pub const ACCEPTED: Status = Status(0);
    /// Accepted, more to come.
    pub const INCOMPLETE: Status = Status(4);
    /// Reason unspecified.
    pub const UNSPECIFIED: Status = Status(128);
    /// Administratively prohibited.
    pub const PROHIBITED: Status = Status(129);
    /// Insufficient resources.
    pub const NO_RESOURCES: Status = Status(130);
    /// Sequence number out of window.
    pub const SEQUENCE: Status = Status(135);
    /// MESG-ID mismatch (RFC 4285).
    pub const MESG_ID: Status = Status(144);
    /// Proxy registration not enabled.
    pub const NOT_PROXY: Status = Status(152);
    /// Not the MAAR of this MN.
    pub const NOT_MAAR_OF_MN: Status = Status(153);
    /// Sender not authorised.
    pub const SENDER: Status = Status(154);
    /// Not authorised for this HoA.
    pub const HOA: Status = Status(155);
    /// Timestamp lower than the accepted one.
    pub const OLD_TIMESTAMP: Status = Status(157);
    /// HoA missing.
    pub const HOA_MISSING: Status = Status(158);
    /// MN-ID missing.
    pub const MN_ID_MISSING: Status = Status(160);
}

/// sDBU (Figure 3): new MAAR -> previous MAAR. No group asks for all sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sdbu {
    /// Sequence #.
    pub seq: u16,
    /// Units of 4 s; 0 releases.
    pub lifetime: u16,
    /// Option 8.
    pub mn_id: Nai,
    /// Option 27; absent from a draft-minimal sender (counts as 0).
    pub attach_time: Option<AttachTime>,
    /// What is asked for.
    pub groups: Vec<AskGroup>,
    /// The last pair received, when asking for more.
    pub cursor: Option<(Ipv6Addr, Ipv6Addr)>,
}

/// A HoA and the CNs asked for; no CN is all of the HoA, `::` its default binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskGroup {
    /// The MN's HoA.
    pub hoa: Ipv6Addr,
    /// The CNs' HoAs.
    pub cns: Vec<Ipv6Addr>,
}

/// sDBA (Figure 4): previous MAAR -> new MAAR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sdba {
    /// Status.
    pub status: Status,
    /// Copied from the sDBU.
    pub seq: u16,
    /// What is left of HOLD, units of 4 s; 0 on error.
    pub lifetime: u16,
    /// Echoed; absent only where the sDBU had none (status 160).
    pub mn_id: Option<Nai>,
    /// Echoed.
    pub attach_time: Option<AttachTime>,
    /// The sessions, ascending.
    pub groups: Vec<TellGroup>,
}

/// A HoA of the MN and where each CN of it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TellGroup {
    /// The MN's HoA.
    pub hoa: Ipv6Addr,
    /// At least one.
    pub sessions: Vec<Serving>,
}

/// A CN's HoA (`::` = default binding of the HoA) and the MAAR that serves it (`::` = unknown).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Serving {
    /// CN-HoA.
    pub cn: Ipv6Addr,
    /// Serving MAAR.
    pub maar: Ipv6Addr,
}

/// dDBU (Figure 5): MN's MAAR -> CN's MAAR or anchor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ddbu {
    /// Sequence #.
    pub seq: u16,
    /// Units of 4 s; 0 deletes.
    pub lifetime: u16,
    /// Option 27.
    pub attach_time: Option<AttachTime>,
    /// The MN's HoA.
    pub hoa: Ipv6Addr,
    /// The sender (status 129 otherwise).
    pub serving: Ipv6Addr,
    /// CNs believed at the receiver.
    pub cns: Vec<Ipv6Addr>,
}

/// dDBA (Figure 6): CN's MAAR -> MN's MAAR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ddba {
    /// Status.
    pub status: Status,
    /// Copied from the dDBU.
    pub seq: u16,
    /// Granted, units of 4 s; 0 on error.
    pub lifetime: u16,
    /// Echoed.
    pub attach_time: Option<AttachTime>,
    /// Echoed; absent only where the dDBU had none (status 158).
    pub hoa: Option<Ipv6Addr>,
    /// Per CN what the receiver knows.
    pub cns: Vec<CnPlace>,
}

/// One CN of a dDBA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CnPlace {
    /// CN-HoA.
    pub cn: Ipv6Addr,
    /// `None`: here, done. `Some(::)`: not known here. `Some(X)`: no longer here, at X.
    pub moved_to: Option<Ipv6Addr>,
}

/// Heartbeat (RFC 5847, R-28c).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// U flag: unsolicited.
    pub unsolicited: bool,
    /// R flag: a response.
    pub response: bool,
    /// Sequence number.
    pub seq: u32,
    /// Option 28.
    pub restart_counter: Option<u32>,
}

/// Any message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// sDBU.
    Sdbu(Sdbu),
    /// sDBA.
    Sdba(Sdba),
    /// dDBU.
    Ddbu(Ddbu),
    /// dDBA.
    Ddba(Ddba),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// Binding Error: status, and the home address field (`::`).
    BindingError(u8),
}
