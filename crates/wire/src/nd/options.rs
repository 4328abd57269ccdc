// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbour Discovery options (RFC 4861 §4.6) and the RoMIP option (PROTOCOL.md 3.6): walking and writing.
//!
//! ```text
//! RoMIP: 0 type 253   1 length (8-octet units)   2 subtype   3 aux   4 "RoMP"   8 body, zero padded
//!   subtype 1 MN-ID     aux = NAI length          body = NAI
//!   subtype 2 Session   aux = 0     length 5      body = MN HoA[16], CN HoA[16]
//!   subtype 3 Assigned  aux = 0     length 3      body = address[16]
//! ```

use super::{NdError, PrefixInfo};
use crate::addr::{Mac, Nai};
use std::net::Ipv6Addr;

const SLLAO: u8 = 1;
const TLLAO: u8 = 2;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const RDNSS: u8 = 25;
/// RFC 4727 experiment 1, told from other experiments by [`MAGIC`].
const ROMIP: u8 = 253;

const MAGIC: [u8; 4] = *b"RoMP";
const SUBTYPE_MN_ID: u8 = 1;
const SUBTYPE_SESSION: u8 = 2;
const SUBTYPE_ASSIGNED: u8 = 3;

/// PIO flags (RFC 4861 §4.6.2): A set, L clear (R-08).
const PIO_AUTONOMOUS: u8 = 0x40;
const PIO_ON_LINK: u8 = 0x80;

/// What an option says.
pub(super) enum Said<'a> {
    Sllao(Mac),
    Tllao(Mac),
    Prefix(PrefixInfo),
    Mtu(u32),
    /// Addresses, 16 octets each.
    Rdnss(&'a [u8]),
    MnId(Nai),
    Session(Ipv6Addr, Ipv6Addr),
    Assigned(Ipv6Addr),
    /// An option that is not used here: skipped.
    Other,
}

/// Walks the options of a message from `rest` on. An option of length 0 or past the end makes the whole message
/// malformed, whatever its type (RFC 4861 §6.1.1 and its like).
pub(super) struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Walk { rest }
    }

    fn take(&mut self) -> Result<Said<'a>, NdError> {
        let units = *self.rest.get(1).ok_or(NdError::Malformed)?;
        let len = usize::from(units) * 8;
        if len == 0 {
            return Err(NdError::Malformed);
        }
        let (option, rest) = self.rest.split_at_checked(len).ok_or(NdError::Malformed)?;
        self.rest = rest;
        said(option).ok_or(NdError::Malformed)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Said<'a>, NdError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let option = self.take();
        if option.is_err() {
            self.rest = &[];
        }
        Some(option)
    }
}

/// `None` where length or content is not what the type asks for. `option` is a whole option, at least 8 octets.
fn said(option: &[u8]) -> Option<Said<'_>> {
    Some(match option[0] {
        SLLAO => Said::Sllao(mac(option)?),
        TLLAO => Said::Tllao(mac(option)?),
        PREFIX => prefix(option.try_into().ok()?),
        MTU => {
            let option: &[u8; 8] = option.try_into().ok()?;
            Said::Mtu(u32_at(option, 4))
        }
        // Lifetime, then at least one address (RFC 8106 §5.1).
        RDNSS if option.len() >= 24 && option.len() % 16 == 8 => Said::Rdnss(&option[8..]),
        ROMIP if option[4..8] == MAGIC => romip(option[2], option[3], &option[8..])?,
        _ => Said::Other,
    })
}

/// Link-layer address of Ethernet: the option is 8 octets (RFC 2464 §6).
fn mac(option: &[u8]) -> Option<Mac> {
    let &[_, _, address @ ..]: &[u8; 8] = option.try_into().ok()?;
    Some(Mac(address))
}

/// Only what R-08 knows is a [`PrefixInfo`]: /64, A=1, L=0.
fn prefix(option: &[u8; 32]) -> Said<'static> {
    if option[2] != 64 || option[3] & (PIO_AUTONOMOUS | PIO_ON_LINK) != PIO_AUTONOMOUS {
        return Said::Other;
    }
    let upper = u128::from(u32_at(option, 16)) << 96 | u128::from(u32_at(option, 20)) << 64;
    let prefix = Ipv6Addr::from_bits(upper);
    Said::Prefix(PrefixInfo { prefix, valid: u32_at(option, 4), preferred: u32_at(option, 8) })
}

fn romip(subtype: u8, aux: u8, body: &[u8]) -> Option<Said<'_>> {
    Some(match subtype {
        SUBTYPE_MN_ID => Said::MnId(Nai::from_octets(body.get(..usize::from(aux))?).ok()?),
        SUBTYPE_SESSION => {
            let body: &[u8; 32] = body.try_into().ok()?;
            let (hoa, cn) = body.split_at(16);
            Said::Session(address(hoa)?, address(cn)?)
        }
        SUBTYPE_ASSIGNED => Said::Assigned(address(body)?),
        _ => Said::Other,
    })
}

pub(super) fn address(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

/// `at` is a constant, and `N` at least four more, at every call.
fn u32_at<const N: usize>(octets: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

pub(super) fn put_sllao(out: &mut Vec<u8>, mac: Mac) {
    put_link_layer(out, SLLAO, mac);
}

pub(super) fn put_tllao(out: &mut Vec<u8>, mac: Mac) {
    put_link_layer(out, TLLAO, mac);
}

fn put_link_layer(out: &mut Vec<u8>, kind: u8, mac: Mac) {
    out.extend_from_slice(&[kind, 1]);
    out.extend_from_slice(&mac.0);
}

pub(super) fn put_mtu(out: &mut Vec<u8>, mtu: u32) {
    out.extend_from_slice(&[MTU, 1, 0, 0]);
    out.extend_from_slice(&mtu.to_be_bytes());
}

pub(super) fn put_prefix(out: &mut Vec<u8>, info: &PrefixInfo) {
    out.extend_from_slice(&[PREFIX, 4, 64, PIO_AUTONOMOUS]);
    out.extend_from_slice(&info.valid.to_be_bytes());
    out.extend_from_slice(&info.preferred.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&info.prefix.octets()[..8]);
    out.extend_from_slice(&[0; 8]);
}

/// As many options as the one-octet length makes necessary; none for no server.
pub(super) fn put_rdnss(out: &mut Vec<u8>, lifetime: u32, servers: &[Ipv6Addr]) {
    const PER_OPTION: usize = 127;
    for servers in servers.chunks(PER_OPTION) {
        out.extend_from_slice(&[RDNSS, 1 + 2 * servers.len() as u8, 0, 0]);
        out.extend_from_slice(&lifetime.to_be_bytes());
        servers.iter().for_each(|server| out.extend_from_slice(&server.octets()));
    }
}

/// An NAI is at most 253 octets, so its length fits into aux.
pub(super) fn put_mn_id(out: &mut Vec<u8>, nai: &Nai) {
    let nai = nai.as_str().as_bytes();
    put_romip(out, SUBTYPE_MN_ID, nai.len() as u8, &[nai]);
}

pub(super) fn put_session(out: &mut Vec<u8>, hoa: Ipv6Addr, cn: Ipv6Addr) {
    put_romip(out, SUBTYPE_SESSION, 0, &[&hoa.octets(), &cn.octets()]);
}

pub(super) fn put_assigned(out: &mut Vec<u8>, address: Ipv6Addr) {
    put_romip(out, SUBTYPE_ASSIGNED, 0, &[&address.octets()]);
}

fn put_romip(out: &mut Vec<u8>, subtype: u8, aux: u8, body: &[&[u8]]) {
    let len: usize = body.iter().map(|part| part.len()).sum();
    let padded = len.next_multiple_of(8);
    out.extend_from_slice(&[ROMIP, 1 + (padded / 8) as u8, subtype, aux]);
    out.extend_from_slice(&MAGIC);
    body.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(out.len() + padded - len, 0);
}
