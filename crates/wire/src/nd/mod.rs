// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbour Discovery on access and core ports: RS (with the RoMIP option), RA, NS, NA, MLDv2 reports
//! (PROTOCOL.md 3.6; RFC 4861, 4443, 3810). ICMPv6 messages as octets from the type field on; the IPv6 and
//! Ethernet headers around them are in [`crate::ip6`].

mod build;
mod error;
mod mld;
mod options;
mod parse;

pub use build::{echo_reply, neighbor_advert, neighbor_solicit, router_advert, router_solicit};
pub use error::icmp_error;
pub use mld::mld_report;
pub use parse::{parse, parse_router_advert};

use crate::addr::{Mac, Nai};
use std::net::Ipv6Addr;

/// Every node of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Every router of the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// ICMPv6 types.
mod kind {
    pub const ECHO_REQUEST: u8 = 128;
    pub const ECHO_REPLY: u8 = 129;
    pub const MLD_QUERY: u8 = 130;
    pub const ROUTER_SOLICIT: u8 = 133;
    pub const ROUTER_ADVERT: u8 = 134;
    pub const NEIGHBOR_SOLICIT: u8 = 135;
    pub const NEIGHBOR_ADVERT: u8 = 136;
    pub const REDIRECT: u8 = 137;
    pub const MLD2_REPORT: u8 = 143;
}

/// The solicited-node group of `addr` (RFC 4291 §2.7.1).
pub const fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let o = addr.octets();
    let low = u16::from_be_bytes([o[14], o[15]]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | o[13] as u16, low)
}

/// Why an ND message is dropped; each has its own counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NdError {
    /// RFC 4861: hop limit 255; RFC 3810: hop limit 1.
    #[error("hop limit is not the one its type must have")]
    HopLimit,
    /// Wrong ICMPv6 checksum.
    #[error("checksum is wrong")]
    Checksum,
    /// Code other than 0, too short, option of length 0 or past the end, SLLAO with source `::`, or another of the
    /// checks of RFC 4861 §6.1.1, §7.1.1 and §7.1.2.
    #[error("malformed")]
    Malformed,
}

/// A Router Solicitation (draft step 1, R-01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterSolicit {
    /// IPv6 source, may be `::`.
    pub source: Ipv6Addr,
    /// Source link-layer address option.
    pub sllao: Option<Mac>,
    /// RoMIP MN-ID option.
    pub mn_id: Option<Nai>,
    /// RoMIP Session options: (MN HoA, CN HoA or `::`), at most 32.
    pub sessions: Vec<(Ipv6Addr, Ipv6Addr)>,
}

/// A prefix of a Router Advertisement: /64, A=1, L=0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefixInfo {
    /// The /64, low 64 bits zero.
    pub prefix: Ipv6Addr,
    /// Seconds.
    pub valid: u32,
    /// Seconds; 0 marks the addresses deprecated (R-08b).
    pub preferred: u32,
}

/// A Router Advertisement (draft step 4, R-08).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterAdvert {
    /// Seconds.
    pub router_lifetime: u16,
    /// MTU option; 0 stands for none.
    pub mtu: u32,
    /// The new /64 first, then each Active external HoA's.
    pub prefixes: Vec<PrefixInfo>,
    /// RDNSS (RFC 8106); lifetime as the router's.
    pub rdnss: Vec<Ipv6Addr>,
    /// RoMIP Assigned option.
    pub assigned: Option<Ipv6Addr>,
}

/// A Neighbour Solicitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborSolicit {
    /// IPv6 source; `::` is a DAD probe.
    pub source: Ipv6Addr,
    /// Whose link-layer address is asked for.
    pub target: Ipv6Addr,
    /// Source link-layer address option.
    pub sllao: Option<Mac>,
}

/// A Neighbour Advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborAdvert {
    /// R flag.
    pub router: bool,
    /// S flag.
    pub solicited: bool,
    /// O flag.
    pub override_: bool,
    /// Whose address it is.
    pub target: Ipv6Addr,
    /// Target link-layer address option; may be absent in answer to a unicast NS (RFC 4861 §7.2.4).
    pub tllao: Option<Mac>,
}

/// An ICMPv6 message the slow path acts on, checked (checksum, and hop limit 255 for ND).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Icmp6<'a> {
    /// Type 133.
    RouterSolicit(RouterSolicit),
    /// Type 135.
    NeighborSolicit(NeighborSolicit),
    /// Type 136.
    NeighborAdvert(NeighborAdvert),
    /// Type 128: everything behind the checksum (identifier, sequence, data).
    EchoRequest(&'a [u8]),
    /// Type 130, MLDv1 or v2: the group asked for, `::` = all.
    MldQuery(Ipv6Addr),
    /// An ICMPv6 error (types 1 to 127): type, code, the 32-bit field, the quoted packet.
    Error {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The field behind the checksum: the MTU of a Packet Too Big.
        value: u32,
        /// As much of the offending packet as there is.
        quoted: &'a [u8],
    },
    /// Anything else, by type.
    Other(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solicited_node_group_holds_the_last_24_bits() {
        let group = |addr: &str| solicited_node(addr.parse().unwrap()).to_string();
        assert_eq!(group("2001:db8:ff::a3"), "ff02::1:ff00:a3");
        assert_eq!(group("fe80::200:5eff:fe00:5213"), "ff02::1:ff00:5213");
    }
}
