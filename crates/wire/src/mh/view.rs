// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A received Mobility Header, checked step by step.

use super::auth::Trailer;
use super::options::{Said, Walk};
use super::{Key, Message, NEXT_HEADER, Status, parse};
use crate::ip6::{NO_NEXT_HEADER, checksum};
use crate::time::MesgId;
use std::net::Ipv6Addr;

/// Why octets are no Mobility Header of ours. Each is counted as `mh_malformed` with this detail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than the message type needs.
    #[error("{got} octets, at least {needed} needed")]
    Short {
        /// Octets there are.
        got: usize,
        /// Octets the header needs.
        needed: usize,
    },
    /// Header Len disagrees with the IPv6 payload, or it is no multiple of 8.
    #[error("Header Len says {header_len} octets, the packet has {got}")]
    Length {
        /// (Header Len + 1) * 8.
        header_len: usize,
        /// Octets of the IPv6 payload.
        got: usize,
    },
    /// Payload Proto is not 59.
    #[error("Payload Proto {0}, not 59")]
    PayloadProto(u8),
    /// An option runs past the end.
    #[error("option {kind} at octet {at} runs past the end")]
    OptionOverrun {
        /// Option type.
        kind: u8,
        /// Offset of the option in the MH.
        at: usize,
    },
    /// An option has a length or content its type does not allow.
    #[error("option {kind} at octet {at} is malformed")]
    BadOption {
        /// Option type.
        kind: u8,
        /// Offset of the option in the MH.
        at: usize,
    },
    /// A CN-HoA before any HoA, a Serving MAAR before any CN-HoA, or a second single option.
    #[error("option {kind} at octet {at} has no group head or is doubled")]
    Misplaced {
        /// Option type.
        kind: u8,
        /// Offset of the option in the MH.
        at: usize,
    },
    /// D=1 with one of H, L, K, M, R (R-38); of an acknowledgement the octet is the low half.
    #[error("flags {0:#06x} are no DBU or DBA")]
    Flags(u16),
}

/// A message that is well formed but refused by its kind; its answer is built from this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// True for an sDBU (answer sDBA), false for a dDBU (answer dDBA).
    pub source: bool,
    /// To echo.
    pub seq: u16,
    /// 152 (a PMIPv6 PBU), 158 (HoA missing), 160 (MN-ID missing), 129 (a dDBU without Serving MAAR, which
    /// therefore is not the sender).
    pub status: Status,
}

/// What `parse` may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Dropped, counted `mh_malformed`.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// D=0: a plain Mobile IPv6 message; dropped, counted `mh_not_romip` (R-38).
    #[error("D flag clear: not a romip message")]
    NotRomip,
    /// Answered with a status if authenticated.
    #[error("refused with status {}", .0.status.0)]
    Refused(Refusal),
    /// Answered with a Binding Error, status 2 (R-39).
    #[error("unknown MH type {0}")]
    UnknownType(u8),
}

/// A Mobility Header whose length and Payload Proto are right.
///
/// ```text
///  0 Payload Proto 59   1 Header Len   2 MH Type   3 Reserved   4 Checksum
///     BU  6 Sequence #      8 flags word          10 Lifetime     12 options
///     BA  6 Status 7 flags  8 Sequence #          10 Lifetime     12 options
///     HB  6 flags word      8 Sequence (32 bit)                   12 options
///     BE  6 Status 7 Res.   8 Home Address                        24 options
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MhView<'a> {
    octets: &'a [u8],
}

impl<'a> MhView<'a> {
    /// `octets` is the whole IPv6 payload (no padding behind it).
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Malformed> {
        let &[payload_proto, header_len, ..] =
            octets.first_chunk::<8>().ok_or(Malformed::Short { got: octets.len(), needed: 8 })?;
        let header_len = (usize::from(header_len) + 1) * 8;
        if header_len != octets.len() {
            return Err(Malformed::Length { header_len, got: octets.len() });
        }
        if payload_proto != NO_NEXT_HEADER {
            return Err(Malformed::PayloadProto(payload_proto));
        }
        Ok(MhView { octets })
    }

    /// The octets.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// MH Type.
    pub fn mh_type(&self) -> u8 {
        self.octets[2]
    }

    /// Whether the checksum over pseudo-header and MH is right.
    pub fn checksum_ok(&self, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        checksum(src, dst, NEXT_HEADER, self.octets) == 0
    }

    /// The SPI of option 9, if it is there and ends the message.
    pub fn spi(&self) -> Option<u32> {
        Trailer::of(self.octets).map(|auth| auth.spi)
    }

    /// Whether option 9 is last, names `key` and holds the right MAC. Constant time in the MAC. For any MH Type, so
    /// that a Binding Error about an unknown one can be kept to peers.
    pub fn verify(&self, key: &Key, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        Trailer::of(self.octets).is_some_and(|auth| auth.verify(key, src, dst))
    }

    /// Option 10, the first if there are several (which `parse` refuses). `None` too for an MH type whose options'
    /// place is not known.
    pub fn mesg_id(&self) -> Option<MesgId> {
        let options = Walk::new(self.octets, parse::options_at(self.mh_type())?);
        options.flatten().find_map(|option| match option.said() {
            Ok(Said::MesgId(id)) => Some(id),
            _ => None,
        })
    }

    /// The message. Its kind is told by MH Type and the E flag; the order of options is free outside groups.
    pub fn parse(&self) -> Result<Message, ParseError> {
        parse::parse(self.octets)
    }
}
