// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbour Discovery on access and core ports: RS (with the RoMIP option), RA, NS, NA, MLDv2 reports
//! (protocol.md 3.6; RFC 4861, 6275, 3810). ICMPv6 messages as octets from the type field on; the IPv6 and
//! Ethernet headers around them are in [`crate::ip6`].

use crate::addr::{Mac, Nai};
use std::net::Ipv6Addr;

/// Why an ND message is dropped; each has its own counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NdError {
    /// RFC 4861: hop limit 255.
    #[error("hop limit is not 255")]
    HopLimit,
    /// Wrong ICMPv6 checksum.
    #[error("checksum is wrong")]
    Checksum,
    /// Code other than 0, too short, option of length 0 or past the end, SLLAO with source `::`.
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
    /// MTU option.
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
    /// Target link-layer address option; may be absent (FC-23).
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
    /// Type 130: the group asked for, `::` = all.
    MldQuery(Ipv6Addr),
    /// An ICMPv6 error (types 1 to 127): type, code, the 32-bit field, the quoted packet.
    Error { kind: u8, code: u8, value: u32, quoted: &'a [u8] },
    /// Anything else, by type.
    Other(u8),
}

/// Reads the ICMPv6 message `icmp` (type field on) that came from `src` to `dst` with `hop_limit`.
pub fn parse(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hop_limit: u8,
    icmp: &[u8],
) -> Result<Icmp6<'_>, NdError> {
    let _ = (src, dst, hop_limit, icmp);
    todo!()
}

/// The octets of an RA from `src` to `dst`, SLLAO = [`crate::addr::ROUTER_MAC`]; order of protocol.md 3.6.
pub fn router_advert(ra: &RouterAdvert, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let _ = (ra, src, dst);
    todo!()
}

/// The octets of an RS with the RoMIP options of `rs` (a draft host; used by tests, lab and simulator).
pub fn router_solicit(rs: &RouterSolicit, dst: Ipv6Addr) -> Vec<u8> {
    let _ = (rs, dst);
    todo!()
}

/// The octets of an NS.
pub fn neighbor_solicit(ns: &NeighborSolicit, dst: Ipv6Addr) -> Vec<u8> {
    let _ = (ns, dst);
    todo!()
}

/// The octets of an NA.
pub fn neighbor_advert(na: &NeighborAdvert, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let _ = (na, src, dst);
    todo!()
}

/// The octets of an echo reply that returns `body` (identifier, sequence, data).
pub fn echo_reply(body: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let _ = (body, src, dst);
    todo!()
}

/// The octets of an ICMPv6 error that quotes as much of `packet` as fits into 1280 octets in all (RFC 4443 §3).
/// `None` when RFC 4443 §2.4 (e) forbids one: about an ICMPv6 error, to or from multicast or `::`, link-local scope.
pub fn icmp_error(
    kind: u8,
    code: u8,
    value: u32,
    packet: &[u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Option<Vec<u8>> {
    let _ = (kind, code, value, packet, src, dst);
    todo!()
}

/// A whole IPv6 packet: MLDv2 report (RFC 3810, hop-by-hop with Router Alert, hop limit 1, to ff02::16) that the
/// sender joins `groups` (mode is exclude). `src` is link-local or `::`.
pub fn mld_report(groups: &[Ipv6Addr], src: Ipv6Addr) -> Vec<u8> {
    let _ = (groups, src);
    todo!()
}
