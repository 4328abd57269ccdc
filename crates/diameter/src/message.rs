// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Diameter message (RFC 6733 §3): the header, a view of the whole, and the writer.
//!
//! ```text
//! |    Version    |                 Message Length                |
//! |R P E T r r r r|                  Command Code                 |
//! |                         Application-ID                        |
//! |                      Hop-by-Hop Identifier                    |
//! |                      End-to-End Identifier                    |
//! |  AVPs ...
//! ```

use crate::avp::{Avp, Avps, FLAG_MANDATORY};
use crate::dictionary;
use std::net::IpAddr;
use thiserror::Error;

/// Octets of the header.
pub const HEADER_LEN: usize = 20;
/// The longest message we send or take.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// R: a request.
pub const FLAG_REQUEST: u8 = 0x80;
/// P: may be proxied.
pub const FLAG_PROXIABLE: u8 = 0x40;
/// E: a protocol error.
pub const FLAG_ERROR: u8 = 0x20;
/// T: potentially sent before.
pub const FLAG_RETRANSMITTED: u8 = 0x10;

/// Command codes.
pub mod command {
    #![allow(missing_docs)]
    pub const CAPABILITIES_EXCHANGE: u32 = 257;
    pub const RE_AUTH: u32 = 258;
    pub const AA: u32 = 265;
    pub const ABORT_SESSION: u32 = 274;
    pub const SESSION_TERMINATION: u32 = 275;
    pub const DEVICE_WATCHDOG: u32 = 280;
    pub const DISCONNECT_PEER: u32 = 282;
}

/// Application ids.
pub mod application {
    #![allow(missing_docs)]
    pub const BASE: u32 = 0;
    pub const NASREQ: u32 = 1;
    pub const RELAY: u32 = 0xffff_ffff;
}

/// The header without version and length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// R, P, E, T.
    pub flags: u8,
    /// Command code, 24 bits.
    pub command: u32,
    /// Application id.
    pub application: u32,
    /// Matches an answer to its request on one connection.
    pub hop_by_hop: u32,
    /// Finds duplicates, with Origin-Host, for 4 minutes.
    pub end_to_end: u32,
}

impl Header {
    /// Whether the R bit is set.
    pub fn is_request(&self) -> bool {
        self.flags & FLAG_REQUEST != 0
    }

    /// The header of the answer: same command and identifiers, P copied.
    pub fn answer(&self) -> Header {
        Header { flags: self.flags & FLAG_PROXIABLE, ..*self }
    }

    /// The header of an answer with the E bit.
    pub fn error(&self) -> Header {
        Header { flags: self.flags & FLAG_PROXIABLE | FLAG_ERROR, ..*self }
    }
}

/// Why octets are no message. Nothing can be answered: the stream's framing is lost, the connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FramingError {
    /// Not Diameter.
    #[error("version {0} instead of 1")]
    Version(u8),
    /// Below 20, above 64 KiB, not a multiple of 4, or not the octets there are.
    #[error("message length {0}")]
    Length(usize),
}

/// Version and length of the message that starts here, as soon as 4 octets are there.
pub fn claimed_length(octets: &[u8; 4]) -> Result<usize, FramingError> {
    let [version, a, b, c] = *octets;
    if version != 1 {
        return Err(FramingError::Version(version));
    }
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    if !(HEADER_LEN..=MAX_MESSAGE).contains(&length) || !length.is_multiple_of(4) {
        return Err(FramingError::Length(length));
    }
    Ok(length)
}

/// A message whose framing is sound. Its AVPs are not looked at yet: [`crate::avp::check`].
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// What follows it.
    pub avps: &'a [u8],
}

impl<'a> Message<'a> {
    /// A view of exactly one message.
    pub fn parse(octets: &'a [u8]) -> Result<Message<'a>, FramingError> {
        let Some((header, avps)) = octets.split_first_chunk::<HEADER_LEN>() else {
            return Err(FramingError::Length(octets.len()));
        };
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = claimed_length(&[header[0], header[1], header[2], header[3]])?;
        if length != octets.len() {
            return Err(FramingError::Length(length));
        }
        let header = Header {
            flags: header[4],
            command: word(4) & 0x00ff_ffff,
            application: word(8),
            hop_by_hop: word(12),
            end_to_end: word(16),
        };
        Ok(Message { header, avps })
    }

    /// The top-level AVPs up to the first fault.
    pub fn avps(&self) -> Avps<'a> {
        Avps::new(self.avps)
    }

    /// The first top-level AVP of this code and vendor 0.
    pub fn find(&self, code: u32) -> Option<Avp<'a>> {
        self.avps().map_while(Result::ok).find(|avp| avp.code == code && avp.vendor == 0)
    }
}

/// Builds a message; flags of AVPs come from the dictionary, padding is zero.
#[derive(Debug)]
pub struct Writer {
    octets: Vec<u8>,
    /// Where the message begins.
    start: usize,
}

impl Writer {
    /// Starts a message.
    pub fn new(header: Header) -> Writer {
        Writer::behind(Vec::with_capacity(320), header)
    }

    /// Starts a message behind what is in `octets`.
    pub fn behind(mut octets: Vec<u8>, header: Header) -> Writer {
        let start = octets.len();
        octets.extend_from_slice(&[1, 0, 0, 0]);
        octets.extend_from_slice(
            &(u32::from(header.flags) << 24 | header.command & 0x00ff_ffff).to_be_bytes(),
        );
        octets.extend_from_slice(&header.application.to_be_bytes());
        octets.extend_from_slice(&header.hop_by_hop.to_be_bytes());
        octets.extend_from_slice(&header.end_to_end.to_be_bytes());
        Writer { octets, start }
    }

    /// OctetString.
    pub fn octets(self, code: u32, data: &[u8]) -> Writer {
        self.group(code, |mut inner| {
            inner.octets.extend_from_slice(data);
            inner
        })
    }

    /// UTF8String, DiameterIdentity.
    pub fn text(self, code: u32, data: &str) -> Writer {
        self.octets(code, data.as_bytes())
    }

    /// Unsigned32, Enumerated.
    pub fn u32(self, code: u32, data: u32) -> Writer {
        self.octets(code, &data.to_be_bytes())
    }

    /// Unsigned64, MIP-Timestamp.
    pub fn u64(self, code: u32, data: u64) -> Writer {
        self.octets(code, &data.to_be_bytes())
    }

    /// Address.
    pub fn address(self, code: u32, data: IpAddr) -> Writer {
        let mut value = [0u8; 18];
        match data {
            IpAddr::V4(a) => {
                value[1] = 1;
                value[2..6].copy_from_slice(&a.octets());
                self.octets(code, &value[..6])
            }
            IpAddr::V6(a) => {
                value[1] = 2;
                value[2..].copy_from_slice(&a.octets());
                self.octets(code, &value)
            }
        }
    }

    /// A Grouped AVP around what `fill` writes.
    pub fn group(mut self, code: u32, fill: impl FnOnce(Writer) -> Writer) -> Writer {
        let mandatory = dictionary::lookup(code).is_none_or(|d| d.mandatory);
        let start = self.octets.len();
        self.octets.extend_from_slice(&code.to_be_bytes());
        self.octets.extend_from_slice(&[if mandatory { FLAG_MANDATORY } else { 0 }, 0, 0, 0]);
        self = fill(self);
        let length = (self.octets.len() - start) as u32;
        self.octets[start + 5..start + 8].copy_from_slice(&length.to_be_bytes()[1..]);
        self.pad();
        self
    }

    /// An AVP that was encoded elsewhere, header and data.
    pub fn raw(mut self, avp: &[u8]) -> Writer {
        self.octets.extend_from_slice(avp);
        self.pad();
        self
    }

    fn pad(&mut self) {
        let length = (self.octets.len() - self.start).next_multiple_of(4);
        self.octets.resize(self.start + length, 0);
    }

    /// Applies `write` if there is a value.
    pub fn maybe<T>(self, value: Option<T>, write: impl FnOnce(Writer, T) -> Writer) -> Writer {
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }

    /// The whole message, behind what was there.
    pub fn finish(mut self) -> Vec<u8> {
        let length = self.octets.len() - self.start;
        debug_assert!(
            length <= MAX_MESSAGE,
            "what is echoed from a request is bounded by its reader"
        );
        let at = self.start + 1;
        self.octets[at..at + 3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        self.octets
    }
}

/// One AVP by itself, padded: what goes into a Failed-AVP.
pub fn encode_avp(write: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
    write(Writer { octets: Vec::new(), start: 0 }).octets
}

/// Overwrites flags and Hop-by-Hop of an encoded message: a repeat goes out with the T bit and a new identifier.
pub fn readdress(message: &mut [u8], retransmitted: bool, hop_by_hop: u32) {
    if retransmitted {
        message[4] |= FLAG_RETRANSMITTED;
    }
    message[12..16].copy_from_slice(&hop_by_hop.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        flags: FLAG_REQUEST,
        command: 265,
        application: 1,
        hop_by_hop: 0x11,
        end_to_end: 0x22,
    };

    #[test]
    fn lengths_leave_padding_out_and_padding_is_zero() {
        let message = Writer::new(HEADER).text(264, "a").finish();
        assert_eq!(message[HEADER_LEN..], [0, 0, 1, 8, 0x40, 0, 0, 9, b'a', 0, 0, 0]);
        assert_eq!(message[..4], [1, 0, 0, 32]);
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let octets = Writer::new(HEADER).finish();
        assert_eq!(Message::parse(&octets).unwrap().header, HEADER);
    }

    #[test]
    fn lengths_that_cannot_be_are_framing_errors() {
        for (octets, error) in [
            ([1, 0, 0, 16], FramingError::Length(16)),
            ([1, 0, 0, 22], FramingError::Length(22)),
            ([1, 1, 0, 4], FramingError::Length(65540)),
            ([2, 0, 0, 20], FramingError::Version(2)),
        ] {
            assert_eq!(claimed_length(&octets), Err(error));
        }
        assert_eq!(claimed_length(&[1, 1, 0, 0]), Ok(65536));
    }
}
