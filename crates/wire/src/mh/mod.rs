// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mobility Header messages: sDBU, sDBA, dDBU, dDBA (draft §6, protocol.md 3.1-3.4), Heartbeat (RFC 5847),
//! Binding Error (RFC 6275 §6.1.9).
//!
//! A receiver goes through [`MhView`] in the order of R-36: `new_checked` (length, proto), `checksum_ok`,
//! (peer list), `verify` (option 9), `mesg_id`, `parse`. Nothing of the options is trusted before `verify`.

mod message;
mod options;
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

/// The octets of the Mobility Header of `message` from `src` to `dst`: options in the order of protocol.md 3.3,
/// then MAC, then checksum. `None` for `seal` is a peer configured `auth none`.
pub fn encode(message: &Message, src: Ipv6Addr, dst: Ipv6Addr, seal: Option<Seal<'_>>) -> Vec<u8> {
    message::encode(message, src, dst, seal)
}
