// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ICMPv6 messages as octets, checksum in place; read [`super::options`] for what they carry.

use super::options::{
    put_assigned, put_mn_id, put_mtu, put_prefix, put_rdnss, put_session, put_sllao, put_tllao,
};
use super::{NeighborAdvert, NeighborSolicit, RouterAdvert, RouterSolicit, kind};
use crate::addr::ROUTER_MAC;
use crate::ip6;
use std::net::Ipv6Addr;

/// Current Hop Limit of an RA.
const CUR_HOP_LIMIT: u8 = 64;

/// NA flags, in the first octet behind the checksum.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The octets of an RA from `src` to `dst`, SLLAO = [`crate::addr::ROUTER_MAC`]; order of PROTOCOL.md 3.6, RDNSS
/// before Assigned.
pub fn router_advert(ra: &RouterAdvert, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let [high, low] = ra.router_lifetime.to_be_bytes();
    // M=O=0; reachable and retransmission time unspecified.
    let mut out = head(kind::ROUTER_ADVERT, [CUR_HOP_LIMIT, 0, high, low]);
    out.extend_from_slice(&[0; 8]);
    put_sllao(&mut out, ROUTER_MAC);
    if ra.mtu != 0 {
        put_mtu(&mut out, ra.mtu);
    }
    ra.prefixes.iter().for_each(|prefix| put_prefix(&mut out, prefix));
    put_rdnss(&mut out, ra.router_lifetime.into(), &ra.rdnss);
    if let Some(address) = ra.assigned {
        put_assigned(&mut out, address);
    }
    finish(out, src, dst)
}

/// The octets of an RS with the RoMIP options of `rs` (a draft host; used by tests, lab and simulator).
pub fn router_solicit(rs: &RouterSolicit, dst: Ipv6Addr) -> Vec<u8> {
    let mut out = head(kind::ROUTER_SOLICIT, [0; 4]);
    if let Some(mac) = rs.sllao {
        put_sllao(&mut out, mac);
    }
    if let Some(nai) = &rs.mn_id {
        put_mn_id(&mut out, nai);
    }
    rs.sessions.iter().for_each(|(hoa, cn)| put_session(&mut out, *hoa, *cn));
    finish(out, rs.source, dst)
}

/// The octets of an NS.
pub fn neighbor_solicit(ns: &NeighborSolicit, dst: Ipv6Addr) -> Vec<u8> {
    let mut out = head(kind::NEIGHBOR_SOLICIT, [0; 4]);
    out.extend_from_slice(&ns.target.octets());
    if let Some(mac) = ns.sllao {
        put_sllao(&mut out, mac);
    }
    finish(out, ns.source, dst)
}

/// The octets of an NA.
pub fn neighbor_advert(na: &NeighborAdvert, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let bits = [(na.router, ROUTER), (na.solicited, SOLICITED), (na.override_, OVERRIDE)];
    let bits = bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
    let mut out = head(kind::NEIGHBOR_ADVERT, [bits, 0, 0, 0]);
    out.extend_from_slice(&na.target.octets());
    if let Some(mac) = na.tllao {
        put_tllao(&mut out, mac);
    }
    finish(out, src, dst)
}

/// The flags of an NA's first octet behind the checksum: (R, S, O).
pub(super) fn advert_flags(bits: u8) -> (bool, bool, bool) {
    (bits & ROUTER != 0, bits & SOLICITED != 0, bits & OVERRIDE != 0)
}

/// The octets of an echo reply that returns `body` (identifier, sequence, data).
pub fn echo_reply(body: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut out = vec![kind::ECHO_REPLY, 0, 0, 0];
    out.extend_from_slice(body);
    finish(out, src, dst)
}

/// Type, code 0, checksum field 0, and the four octets behind it.
fn head(kind: u8, word: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(&word);
    out
}

/// Puts the checksum into a message of at least four octets.
pub(super) fn finish(mut icmp: Vec<u8>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let checksum = ip6::checksum(src, dst, ip6::ICMPV6, &icmp);
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    icmp
}
