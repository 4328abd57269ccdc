// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mobility Header messages: sDBU, sDBA, dDBU, dDBA (draft §6, PROTOCOL.md 3.1-3.4), Heartbeat (RFC 5847),
//! Binding Error (RFC 6275 §6.1.9).
//!
//! A receiver goes through [`MhView`] in the order of R-36: `new_checked` (length, proto), `checksum_ok`,
//! (peer list), `verify` (option 9), `mesg_id`, `parse`. Nothing of the options is trusted before `verify`.

mod auth;
mod encode;
mod message;
mod options;
mod parse;
mod view;

pub use message::{
    AskGroup, CnPlace, Ddba, Ddbu, Heartbeat, Message, Sdba, Sdbu, Serving, Status, TellGroup,
};
pub use view::{Malformed, MhView, ParseError, Refusal};

use crate::time::MesgId;
use std::net::Ipv6Addr;

/// The IPv6 next header value of the Mobility Header.
pub const NEXT_HEADER: u8 = 135;
/// Longest MH the project sends, octets.
pub const MAX_LEN: usize = 1232;

/// A key shared with one peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Names the key and the algorithm; at least 256 (RFC 4285).
    pub spi: u32,
    /// HMAC-SHA-256 key, any length from 16 octets.
    pub secret: Box<[u8]>,
}

impl std::fmt::Debug for Key {
    /// The secret never reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key {{ spi: {:#x} }}", self.spi)
    }
}

/// How a message is protected on its way.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// Option 10.
    pub mesg_id: MesgId,
    /// Option 9.
    pub key: &'a Key,
}

/// A message that Header Len cannot say: its lists have to be split.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a Mobility Header of {len} octets; at most 2048 exist, and {MAX_LEN} are sent")]
pub struct TooLong {
    /// Octets it would have.
    pub len: usize,
}

/// The octets of the Mobility Header of `message` from `src` to `dst`: options in the order of PROTOCOL.md 3.3,
/// then MAC, then checksum. `None` for `seal` is a peer configured `auth none`.
///
/// Whether it also keeps to [`MAX_LEN`] is the caller's concern: ask [`encoded_len`] before listing more.
pub fn encode(
    message: &Message,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    seal: Option<Seal<'_>>,
) -> Result<Vec<u8>, TooLong> {
    encode::encode(message, src, dst, seal)
}

/// Octets [`encode`] would give for `message`, with or without a seal; always a multiple of 8.
pub fn encoded_len(message: &Message, sealed: bool) -> usize {
    encode::encoded_len(message, sealed)
}

/// MH Type of sDBU and dDBU.
const BINDING_UPDATE: u8 = 5;
/// MH Type of sDBA and dDBA.
const BINDING_ACK: u8 = 6;
/// MH Type (RFC 6275 §6.1.9).
const BINDING_ERROR: u8 = 7;
/// MH Type (RFC 5847).
const HEARTBEAT: u8 = 13;

/// Flag bits at the places of the draft's Figures 3 to 6.
mod flags {
    /// BU: acknowledge.
    pub const BU_A: u16 = 0x8000;
    /// BU: D, "distributed".
    pub const BU_D: u16 = 0x0200;
    /// BU: E, towards the CN's MAAR.
    pub const BU_E: u16 = 0x0100;
    /// BU: H, L, K, M, R, none of which goes with D.
    pub const BU_FOREIGN: u16 = 0x7c00;
    /// BA: D.
    pub const BA_D: u8 = 0x20;
    /// BA: E.
    pub const BA_E: u8 = 0x10;
    /// BA: K, R, which do not go with D.
    pub const BA_FOREIGN: u8 = 0xc0;
    /// Heartbeat: unsolicited.
    pub const HB_U: u16 = 0x0002;
    /// Heartbeat: a response.
    pub const HB_R: u16 = 0x0001;
}
