// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets to ICMPv6 messages, each with the checks its RFC lists before anything is believed.

use super::build::advert_flags;
use super::options::{Said, Walk, address};
use super::{
    Icmp6, NdError, NeighborAdvert, NeighborSolicit, RouterAdvert, RouterSolicit, kind,
    solicited_node,
};
use crate::addr::Mac;
use crate::ip6;
use std::net::Ipv6Addr;

/// Most Session options of an RS that are read (PROTOCOL.md 3.6).
const MAX_SESSIONS: usize = 32;

/// Hop limit of every ND message: proof that no router forwarded it.
const ND_HOP_LIMIT: u8 = 255;
/// Hop limit of every MLD message (RFC 3810 §5).
const MLD_HOP_LIMIT: u8 = 1;

/// A message's surroundings.
#[derive(Clone, Copy)]
struct Around {
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hop_limit: u8,
}

impl Around {
    fn hop_limit_is(self, needed: u8) -> Result<(), NdError> {
        if self.hop_limit == needed { Ok(()) } else { Err(NdError::HopLimit) }
    }
}

/// Reads the ICMPv6 message `icmp` (type field on) that came from `src` to `dst` with `hop_limit`. Of an MLD query
/// the Router Alert option is in a header before it, so its presence is for the caller to see.
pub fn parse(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hop_limit: u8,
    icmp: &[u8],
) -> Result<Icmp6<'_>, NdError> {
    let around = Around { src, dst, hop_limit };
    let fixed = checked(around, icmp)?;
    match fixed[0] {
        kind::ROUTER_SOLICIT => router_solicit(around, fixed, icmp).map(Icmp6::RouterSolicit),
        kind::NEIGHBOR_SOLICIT => neighbor_solicit(around, fixed, icmp).map(Icmp6::NeighborSolicit),
        kind::NEIGHBOR_ADVERT => neighbor_advert(around, fixed, icmp).map(Icmp6::NeighborAdvert),
        kind::ECHO_REQUEST => Ok(Icmp6::EchoRequest(&icmp[4..])),
        kind::MLD_QUERY => mld_query(around, icmp).map(Icmp6::MldQuery),
        kind @ 1..=127 => {
            let [_, code, _, _, value @ ..] = *fixed;
            let value = u32::from_be_bytes(value);
            Ok(Icmp6::Error { kind, code, value, quoted: &icmp[fixed.len()..] })
        }
        other => Ok(Icmp6::Other(other)),
    }
}

/// Reads an RA as a host does (RFC 4861 §6.1.2): for the simulator's and the tests' mobile nodes. Prefixes of another
/// kind than R-08's are passed over.
pub fn parse_router_advert(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hop_limit: u8,
    icmp: &[u8],
) -> Result<RouterAdvert, NdError> {
    let around = Around { src, dst, hop_limit };
    let fixed = checked(around, icmp)?;
    if fixed[0] != kind::ROUTER_ADVERT || !src.is_unicast_link_local() {
        return Err(NdError::Malformed);
    }
    nd(around, fixed)?;
    let router_lifetime = u16::from_be_bytes([fixed[6], fixed[7]]);
    let mut ra = RouterAdvert {
        router_lifetime,
        mtu: 0,
        prefixes: Vec::new(),
        rdnss: Vec::new(),
        assigned: None,
    };
    for option in Walk::new(icmp.get(16..).ok_or(NdError::Malformed)?) {
        match option? {
            Said::Mtu(mtu) => ra.mtu = mtu,
            Said::Prefix(info) => ra.prefixes.push(info),
            Said::Rdnss(servers) => ra.rdnss.extend(servers.chunks(16).filter_map(address)),
            Said::Assigned(address) => ra.assigned = Some(address),
            _ => {}
        }
    }
    Ok(ra)
}

/// The first 8 octets of a message whose checksum is right. None of the types here is shorter.
fn checked(around: Around, icmp: &[u8]) -> Result<&[u8; 8], NdError> {
    let fixed = icmp.first_chunk::<8>().ok_or(NdError::Malformed)?;
    match ip6::checksum(around.src, around.dst, ip6::ICMPV6, icmp) {
        0 => Ok(fixed),
        _ => Err(NdError::Checksum),
    }
}

/// What all ND messages have in common: hop limit 255, code 0.
fn nd(around: Around, fixed: &[u8; 8]) -> Result<(), NdError> {
    around.hop_limit_is(ND_HOP_LIMIT)?;
    if fixed[1] == 0 { Ok(()) } else { Err(NdError::Malformed) }
}

/// RFC 4861 §6.1.1.
fn router_solicit(around: Around, fixed: &[u8; 8], icmp: &[u8]) -> Result<RouterSolicit, NdError> {
    nd(around, fixed)?;
    let mut rs =
        RouterSolicit { source: around.src, sllao: None, mn_id: None, sessions: Vec::new() };
    for option in Walk::new(&icmp[fixed.len()..]) {
        match option? {
            Said::Sllao(mac) => once(&mut rs.sllao, mac)?,
            Said::MnId(nai) => once(&mut rs.mn_id, nai)?,
            Said::Session(hoa, cn) if rs.sessions.len() < MAX_SESSIONS => {
                rs.sessions.push((hoa, cn))
            }
            _ => {}
        }
    }
    no_sllao_from_nobody(around, rs.sllao)?;
    Ok(rs)
}

/// RFC 4861 §7.1.1.
fn neighbor_solicit(
    around: Around,
    fixed: &[u8; 8],
    icmp: &[u8],
) -> Result<NeighborSolicit, NdError> {
    nd(around, fixed)?;
    let (target, options) = target(icmp)?;
    let mut ns = NeighborSolicit { source: around.src, target, sllao: None };
    for option in Walk::new(options) {
        if let Said::Sllao(mac) = option? {
            once(&mut ns.sllao, mac)?;
        }
    }
    no_sllao_from_nobody(around, ns.sllao)?;
    // A DAD probe goes to a solicited-node group, which its target's low 24 bits make.
    if around.src.is_unspecified() && around.dst != solicited_node(target) {
        return Err(NdError::Malformed);
    }
    Ok(ns)
}

/// RFC 4861 §7.1.2.
fn neighbor_advert(
    around: Around,
    fixed: &[u8; 8],
    icmp: &[u8],
) -> Result<NeighborAdvert, NdError> {
    nd(around, fixed)?;
    let (router, solicited, override_) = advert_flags(fixed[4]);
    let (target, options) = target(icmp)?;
    if around.dst.is_multicast() && solicited {
        return Err(NdError::Malformed);
    }
    let mut na = NeighborAdvert { router, solicited, override_, target, tllao: None };
    for option in Walk::new(options) {
        if let Said::Tllao(mac) = option? {
            once(&mut na.tllao, mac)?;
        }
    }
    Ok(na)
}

/// The target of an NS or NA, which is no group, and the options behind it.
fn target(icmp: &[u8]) -> Result<(Ipv6Addr, &[u8]), NdError> {
    let (fixed, options) = icmp.split_at_checked(24).ok_or(NdError::Malformed)?;
    match address(&fixed[8..]) {
        Some(target) if !target.is_multicast() => Ok((target, options)),
        _ => Err(NdError::Malformed),
    }
}

/// RFC 3810 §5.1.14 and §6.2: link-local source, hop limit 1. An MLDv1 query is as long as the fixed part of a v2 one.
fn mld_query(around: Around, icmp: &[u8]) -> Result<Ipv6Addr, NdError> {
    around.hop_limit_is(MLD_HOP_LIMIT)?;
    let group = icmp.get(8..24).and_then(address).ok_or(NdError::Malformed)?;
    let asks_for_a_group = group.is_multicast() || group.is_unspecified();
    if around.src.is_unicast_link_local() && asks_for_a_group {
        Ok(group)
    } else {
        Err(NdError::Malformed)
    }
}

/// A node without an address has no neighbour entry to fill.
fn no_sllao_from_nobody(around: Around, sllao: Option<Mac>) -> Result<(), NdError> {
    if around.src.is_unspecified() && sllao.is_some() { Err(NdError::Malformed) } else { Ok(()) }
}

/// Two different answers to one question are none.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), NdError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(NdError::Malformed),
    }
}
