// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mobility options (PROTOCOL.md 3.2): numbers, alignment, walking, and what each one says.
//!
//! ```text
//!  8  MN-ID            08 1+n 01 NAI[n]                     none
//!  9  authentication   09 15  01 SPI[4] MAC[16]             8n+1, last
//! 10  MESG-ID          0a 08  NTP time[8]                   8n+2
//! 18  CN-HoA           12 12  01 prefix length address[16]  8n+4
//! 18  Cursor           12 22  02 00 HoA[16] CN[16]          8n+4
//! 22  HNP (MN HoA)     16 12  00 prefix length address[16]  8n+4
//! 27  Timestamp        1b 08  attach time[8]                8n+2
//! 28  Restart Counter  1c 04  counter[4]                    4n+2
//! 68  Serving MAAR     44 10  address[16]                   8n+6
//! ```

use super::view::Malformed;
use crate::addr::Nai;
use crate::time::{AttachTime, MesgId};
use std::net::Ipv6Addr;

pub(super) const PAD1: u8 = 0;
pub(super) const PADN: u8 = 1;
pub(super) const MN_ID: u8 = 8;
pub(super) const AUTH: u8 = 9;
pub(super) const MESG_ID: u8 = 10;
pub(super) const EXPERIMENTAL: u8 = 18;
pub(super) const HNP: u8 = 22;
pub(super) const HANDOFF_INDICATOR: u8 = 23;
pub(super) const ACCESS_TECHNOLOGY: u8 = 24;
pub(super) const TIMESTAMP: u8 = 27;
pub(super) const RESTART_COUNTER: u8 = 28;
pub(super) const SERVING_MAAR: u8 = 68;

/// RFC 4283: the identifier is an NAI.
pub(super) const SUBTYPE_NAI: u8 = 1;
/// RFC 4285: the key is shared between the two ends.
pub(super) const SUBTYPE_AUTH: u8 = 1;
/// Of option 18.
pub(super) const SUBTYPE_CN: u8 = 1;
/// Of option 18.
pub(super) const SUBTYPE_CURSOR: u8 = 2;

/// Octets of the MAC in option 9.
pub(super) const MAC_LEN: usize = 16;
/// Octets of option 9: type, length, subtype, SPI, MAC.
pub(super) const AUTH_LEN: usize = 7 + MAC_LEN;

/// An option as it stands: type, offset in the MH, and what is behind its length octet.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub kind: u8,
    pub at: usize,
    pub data: &'a [u8],
}

/// Walks the options from octet `at` of an MH; padding is passed over. After an error there is nothing more.
pub(super) struct Walk<'a> {
    mh: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(mh: &'a [u8], at: usize) -> Self {
        Walk { mh, at }
    }

    /// The option at `self.at`, whose type octet `kind` is there.
    fn take(&mut self, kind: u8) -> Result<Raw<'a>, Malformed> {
        let at = self.at;
        let data =
            self.mh.get(at + 1).and_then(|len| self.mh.get(at + 2..at + 2 + usize::from(*len)));
        match data {
            Some(data) => {
                self.at = at + 2 + data.len();
                Ok(Raw { kind, at, data })
            }
            None => {
                self.at = self.mh.len();
                Err(Malformed::OptionOverrun { kind, at })
            }
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Raw<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.mh.get(self.at)? {
                PAD1 => self.at += 1,
                kind => match self.take(kind) {
                    Ok(Raw { kind: PADN, .. }) => {}
                    other => return Some(other),
                },
            }
        }
    }
}

/// What an option says.
pub(super) enum Said {
    MnId(Nai),
    Timestamp(AttachTime),
    MesgId(MesgId),
    Auth,
    Hoa(Ipv6Addr),
    Cn(Ipv6Addr),
    Cursor(Ipv6Addr, Ipv6Addr),
    ServingMaar(Ipv6Addr),
    RestartCounter(u32),
    /// A type or subtype that is not used here: skipped (R-39).
    Other,
}

impl Raw<'_> {
    /// The fault of this option's length or content.
    pub(super) fn bad(&self) -> Malformed {
        Malformed::BadOption { kind: self.kind, at: self.at }
    }

    /// The fault of an option that stands where it must not.
    pub(super) fn misplaced(&self) -> Malformed {
        Malformed::Misplaced { kind: self.kind, at: self.at }
    }

    /// Whether only a PMIPv6 PBU carries it (R-38).
    pub(super) fn is_pmip(&self) -> bool {
        matches!(self.kind, HANDOFF_INDICATOR | ACCESS_TECHNOLOGY)
    }

    /// Reads the content.
    pub(super) fn said(&self) -> Result<Said, Malformed> {
        self.content().ok_or_else(|| self.bad())
    }

    fn content(&self) -> Option<Said> {
        let data = self.data;
        Some(match self.kind {
            MN_ID => match data.split_first()? {
                (&SUBTYPE_NAI, nai) => Said::MnId(Nai::from_octets(nai).ok()?),
                _ => Said::Other,
            },
            TIMESTAMP => Said::Timestamp(AttachTime(u64::from_be_bytes(data.try_into().ok()?))),
            MESG_ID => Said::MesgId(MesgId(u64::from_be_bytes(data.try_into().ok()?))),
            AUTH => {
                // Subtype and SPI; the MAC's length is the algorithm's business, which the SPI names.
                data.first_chunk::<5>()?;
                Said::Auth
            }
            HNP => Said::Hoa(prefixed(data)?),
            EXPERIMENTAL => match *data.first()? {
                SUBTYPE_CN => Said::Cn(prefixed(data)?),
                SUBTYPE_CURSOR => {
                    let pair: &[u8; 34] = data.try_into().ok()?;
                    Said::Cursor(address(&pair[2..18])?, address(&pair[18..])?)
                }
                _ => Said::Other,
            },
            SERVING_MAAR => Said::ServingMaar(address(data)?),
            RESTART_COUNTER => Said::RestartCounter(u32::from_be_bytes(data.try_into().ok()?)),
            _ => Said::Other,
        })
    }
}

fn address(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

/// The address of options 22 and 18/1. Prefix length 128 names an address, 64 the whole lease (R-08d), of which the
/// host part says nothing and is cleared; any other is malformed.
fn prefixed(data: &[u8]) -> Option<Ipv6Addr> {
    let data: &[u8; 18] = data.try_into().ok()?;
    let whole = address(&data[2..])?;
    match data[1] {
        128 => Some(whole),
        64 => Some(Ipv6Addr::from_bits(whole.to_bits() >> 64 << 64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(options: &[u8]) -> Vec<Result<(u8, usize), Malformed>> {
        Walk::new(options, 0).map(|o| o.map(|o| (o.kind, o.at))).collect()
    }

    fn said(kind: u8, data: &[u8]) -> Result<Said, Malformed> {
        Raw { kind, at: 12, data }.said()
    }

    fn hnp(prefix_len: u8) -> [u8; 18] {
        let mut data = [0xff; 18];
        data[1] = prefix_len;
        data
    }

    #[test]
    fn padding_is_passed_over_and_offsets_are_those_of_the_header() {
        assert_eq!(walk(&[0, 1, 2, 0, 0, 99, 1, 7, 1, 0, 98, 0, 0]), [Ok((99, 5)), Ok((98, 10))]);
        assert_eq!(walk(&[]), []);
    }

    #[test]
    fn an_option_past_the_end_is_named_and_ends_the_walk() {
        let overrun = |kind, at| Err(Malformed::OptionOverrun { kind, at });
        assert_eq!(walk(&[0, 27, 8, 1, 2]), [overrun(27, 1)]);
        assert_eq!(walk(&[0, 0, 27]), [overrun(27, 2)]);
        assert_eq!(walk(&[99, 0, 1, 255, 0]), [Ok((99, 0)), overrun(1, 2)]);
    }

    #[test]
    fn prefix_lengths_64_and_128_are_taken_and_no_other() {
        assert!(matches!(said(HNP, &hnp(128)), Ok(Said::Hoa(a)) if a.to_bits() == u128::MAX));
        assert!(matches!(said(HNP, &hnp(64)), Ok(Said::Hoa(a)) if a.to_bits() == u128::MAX << 64));
        for prefix_len in (0..=255).filter(|n| ![64, 128].contains(n)) {
            assert!(said(HNP, &hnp(prefix_len)).is_err(), "{prefix_len}");
        }
    }

    #[test]
    fn an_mn_id_of_length_0_or_255_is_malformed_and_one_of_253_octets_is_not() {
        let nai = |n: usize| [&[SUBTYPE_NAI][..], &vec![b'a'; n]].concat();
        assert!(said(MN_ID, &[]).is_err());
        assert!(said(MN_ID, &nai(0)).is_err());
        assert!(said(MN_ID, &nai(254)).is_err());
        assert!(matches!(said(MN_ID, &nai(253)), Ok(Said::MnId(n)) if n.as_str().len() == 253));
        assert!(said(MN_ID, b"\x01a\nERROR x").is_err());
    }

    #[test]
    fn unknown_types_and_subtypes_are_skipped() {
        for (kind, data) in [(200, &[][..]), (MN_ID, &[2, 1]), (EXPERIMENTAL, &[3]), (65, &[1; 40])]
        {
            assert!(matches!(said(kind, data), Ok(Said::Other)), "{kind}");
        }
    }

    #[test]
    fn every_option_of_fixed_length_refuses_another_length() {
        let lens =
            [(TIMESTAMP, 8), (MESG_ID, 8), (HNP, 18), (SERVING_MAAR, 16), (RESTART_COUNTER, 4)];
        for (kind, len) in lens {
            for n in (0..40).filter(|n| *n != len) {
                assert!(said(kind, &[64; 40][..n]).is_err(), "{kind} with {n}");
            }
            assert!(said(kind, &[64; 40][..len]).is_ok(), "{kind}");
        }
        for n in (1..40).filter(|n| *n != 34) {
            assert!(said(EXPERIMENTAL, &[SUBTYPE_CURSOR; 40][..n]).is_err(), "cursor with {n}");
        }
    }
}
