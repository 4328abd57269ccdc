// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AVPs (RFC 6733 §4): bounded reading. No recursion, at most 4 groups deep, no more than 64 in a message, nothing
//! allocated by a length the peer claims. Writing is in [`crate::message::Writer`].
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |                           AVP Code                            |
//! |V M P r r r r r|                  AVP Length                   |
//! |                        Vendor-ID (if V)                       |
//! |    Data ... zero padding to 4, which the length leaves out    |
//! ```

use crate::dictionary::{self, Definition, Kind, result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// V: a Vendor-ID follows.
pub const FLAG_VENDOR: u8 = 0x80;
/// M: refuse the message if you do not know this AVP.
pub const FLAG_MANDATORY: u8 = 0x40;
/// AVPs in one message, those in groups counted.
pub const MAX_AVPS: usize = 64;
/// Groups within groups.
pub const MAX_DEPTH: usize = 4;
/// An offending AVP is quoted whole up to this many octets, beyond it by its header.
const MAX_QUOTE: usize = 256;

/// Why a message is refused: the Result-Code and what goes into Failed-AVP (RFC 6733 §7.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// 5001, 5004, 5005, 5009 or 5014.
    pub code: u32,
    /// The offending AVP, or an example of the missing one, padded.
    pub avp: Vec<u8>,
}

impl Fault {
    /// A known AVP is not there: 5005 with an example of it.
    pub fn missing(code: u32) -> Fault {
        let mandatory = dictionary::lookup(code).is_none_or(|d| d.mandatory);
        let flags = if mandatory { FLAG_MANDATORY } else { 0 };
        Fault { code: result::MISSING_AVP, avp: example(code, flags, 0) }
    }

    /// `code` with the AVP as it came.
    pub fn at(code: u32, avp: &Avp<'_>) -> Fault {
        let mut quote = if avp.raw.len() <= MAX_QUOTE {
            avp.raw.to_vec()
        } else {
            example(avp.code, avp.flags, avp.vendor)
        };
        quote.resize(quote.len().next_multiple_of(4), 0);
        Fault { code, avp: quote }
    }

    /// 5004: the value is not one we can use.
    pub fn value(avp: &Avp<'_>) -> Fault {
        Fault::at(result::INVALID_AVP_VALUE, avp)
    }

    /// 5014: header and a zero-filled payload of the least length (RFC 6733 §7.1.5); a header cut short is
    /// completed with zeros.
    fn length(rest: &[u8]) -> Fault {
        let mut header = [0u8; 12];
        let known = rest.len().min(12);
        header[..known].copy_from_slice(&rest[..known]);
        let vendor = if header[4] & FLAG_VENDOR != 0 { be32(&header[8..]) } else { 0 };
        Fault { code: result::INVALID_AVP_LENGTH, avp: example(be32(&header), header[4], vendor) }
    }
}

/// An AVP with zeros for data, as short as its kind allows.
fn example(code: u32, flags: u8, vendor: u32) -> Vec<u8> {
    let header = if flags & FLAG_VENDOR != 0 { 12 } else { 8 };
    let data =
        if vendor == 0 { dictionary::lookup(code).map_or(0, |d| d.kind.min_length()) } else { 0 };
    let length = (header + data) as u32;
    let mut avp = Vec::with_capacity(32);
    avp.extend_from_slice(&code.to_be_bytes());
    avp.extend_from_slice(&(u32::from(flags) << 24 | length).to_be_bytes());
    if header == 12 {
        avp.extend_from_slice(&vendor.to_be_bytes());
    }
    avp.resize((header + data).next_multiple_of(4), 0);
    avp
}

fn be32(octets: &[u8]) -> u32 {
    u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]])
}

/// One AVP as it lies in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Avp<'a> {
    /// AVP code.
    pub code: u32,
    /// V, M, P and reserved bits.
    pub flags: u8,
    /// 0 without the V bit; a Vendor-ID of 0 means the same.
    pub vendor: u32,
    /// Data without padding.
    pub data: &'a [u8],
    /// Header and data.
    raw: &'a [u8],
}

impl<'a> Avp<'a> {
    /// Header and data, without padding.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What the dictionary says about it.
    pub fn definition(&self) -> Option<&'static Definition> {
        if self.vendor == 0 { dictionary::lookup(self.code) } else { None }
    }

    /// Unsigned32, Enumerated.
    pub fn u32(&self) -> Result<u32, Fault> {
        self.data.try_into().map(u32::from_be_bytes).map_err(|_| Fault::length(self.raw))
    }

    /// Unsigned64, MIP-Timestamp.
    pub fn u64(&self) -> Result<u64, Fault> {
        self.data.try_into().map(u64::from_be_bytes).map_err(|_| Fault::length(self.raw))
    }

    /// UTF8String; 5004 if it is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.data).map_err(|_| Fault::value(self))
    }

    /// DiameterIdentity in lower case, because names compare so.
    pub fn identity(&self) -> Result<String, Fault> {
        self.identity_text().map(str::to_ascii_lowercase)
    }

    /// DiameterIdentity as it stands: 1 to 255 printable ASCII octets.
    pub fn identity_text(&self) -> Result<&'a str, Fault> {
        let fits =
            (1..=255).contains(&self.data.len()) && self.data.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(self.data) {
            Ok(name) if fits => Ok(name),
            _ => Err(Fault::value(self)),
        }
    }

    /// Address of family 1 or 2; 5004 for another family, 5014 for a wrong length.
    pub fn address(&self) -> Result<IpAddr, Fault> {
        if !Kind::Address.length_fits(self.data) {
            return Err(Fault::length(self.raw));
        }
        match self.data {
            [0, 1, a @ ..] => match <[u8; 4]>::try_from(a) {
                Ok(a) => Ok(IpAddr::V4(Ipv4Addr::from(a))),
                Err(_) => Err(Fault::length(self.raw)),
            },
            [0, 2, a @ ..] => match <[u8; 16]>::try_from(a) {
                Ok(a) => Ok(IpAddr::V6(Ipv6Addr::from(a))),
                Err(_) => Err(Fault::length(self.raw)),
            },
            _ => Err(Fault::value(self)),
        }
    }

    /// The AVPs of a Grouped one.
    pub fn group(&self) -> Avps<'a> {
        Avps::new(self.data)
    }
}

/// Walks the AVPs of a message or a group; ends after the first fault.
#[derive(Clone, Debug)]
pub struct Avps<'a> {
    rest: &'a [u8],
}

impl<'a> Avps<'a> {
    /// Over the octets behind a message header, or the data of a group.
    pub fn new(octets: &'a [u8]) -> Avps<'a> {
        Avps { rest: octets }
    }

    fn take(&mut self) -> Result<Avp<'a>, Fault> {
        let rest = std::mem::take(&mut self.rest);
        if rest.len() < 8 {
            return Err(Fault::length(rest));
        }
        let flags = rest[4];
        let length = (be32(&rest[4..]) & 0x00ff_ffff) as usize;
        let header = if flags & FLAG_VENDOR != 0 { 12 } else { 8 };
        if length < header || length > rest.len() {
            return Err(Fault::length(rest));
        }
        let vendor = if header == 12 { be32(&rest[8..]) } else { 0 };
        // The last AVP of a group may lack its padding; other padding is skipped whatever it holds.
        self.rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        Ok(Avp {
            code: be32(rest),
            flags,
            vendor,
            data: &rest[header..length],
            raw: &rest[..length],
        })
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() { None } else { Some(self.take()) }
    }
}

/// Looks at every AVP of a message, known groups included: lengths (5014), count and depth (5004).
/// What passes can be walked without meeting a fault.
pub fn check(octets: &[u8]) -> Result<(), Fault> {
    const EMPTY: Avps<'static> = Avps { rest: &[] };
    let mut stack = [EMPTY; MAX_DEPTH + 1];
    stack[0] = Avps::new(octets);
    let (mut depth, mut seen) = (0, 0);
    loop {
        let Some(avp) = stack[depth].next() else {
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            continue;
        };
        let avp = avp?;
        seen += 1;
        if seen > MAX_AVPS {
            return Err(Fault::value(&avp));
        }
        let Some(definition) = avp.definition() else { continue };
        if !definition.kind.length_fits(avp.data) {
            return Err(Fault::length(avp.raw));
        }
        if definition.kind == Kind::Grouped {
            if depth == MAX_DEPTH {
                return Err(Fault::value(&avp));
            }
            depth += 1;
            stack[depth] = avp.group();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::code;

    fn avp(code: u32, length: u32, data: &[u8]) -> Vec<u8> {
        let mut octets = code.to_be_bytes().to_vec();
        octets.extend_from_slice(&(0x4000_0000 | length).to_be_bytes());
        octets.extend_from_slice(data);
        octets
    }

    #[test]
    fn a_length_below_the_header_or_past_the_end_is_5014_with_the_header_quoted() {
        for length in [0, 7, 17] {
            let fault = check(&avp(code::ORIGIN_STATE_ID, length, &[1; 8])).unwrap_err();
            assert_eq!(fault.code, 5014, "length {length}");
            assert_eq!(fault.avp, [0, 0, 1, 0x16, 0x40, 0, 0, 12, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn a_vendor_avp_needs_twelve_octets() {
        let mut octets = avp(code::USER_NAME, 11, &[0; 8]);
        octets[4] |= FLAG_VENDOR;
        let fault = check(&octets).unwrap_err();
        assert_eq!((fault.code, fault.avp.len()), (5014, 12));
    }

    #[test]
    fn a_header_cut_short_is_completed_with_zeros() {
        let fault = check(&[0, 0, 0]).unwrap_err();
        assert_eq!(fault, Fault { code: 5014, avp: vec![0, 0, 0, 0, 0, 0, 0, 8] });
    }

    #[test]
    fn vendor_zero_is_the_base_dictionary() {
        let mut octets = avp(code::USER_NAME, 13, &[0, 0, 0, 0, b'a', 0, 0, 0]);
        octets[4] |= FLAG_VENDOR;
        let one = Avps::new(&octets).next().unwrap().unwrap();
        assert_eq!(one.definition().unwrap().name, "User-Name");
        assert_eq!(one.data, b"a");
    }

    #[test]
    fn padding_may_hold_anything() {
        let mut octets = avp(code::USER_NAME, 9, b"aXYZ");
        octets.extend(avp(code::USER_NAME, 8, b""));
        let found: Vec<_> = Avps::new(&octets).map(|a| a.unwrap().data).collect();
        assert_eq!(found, [&b"a"[..], b""]);
    }

    #[test]
    fn a_group_that_overruns_its_end_is_5014() {
        let fault =
            check(&avp(code::MIP6_AGENT_INFO, 16, &avp(code::MIP_HOME_AGENT_ADDRESS, 26, &[])))
                .unwrap_err();
        assert_eq!(fault.code, 5014);
        assert_eq!(fault.avp[..4], [0, 0, 1, 0x4e]);
    }

    #[test]
    fn four_groups_deep_passes_and_five_is_refused() {
        let mut octets = Vec::new();
        for depth in 0..6 {
            let verdict = check(&octets).map_err(|f| f.code);
            assert_eq!(verdict, if depth > MAX_DEPTH { Err(5004) } else { Ok(()) }, "{depth}");
            octets = avp(code::PROXY_INFO, 8 + octets.len() as u32, &octets);
        }
    }

    #[test]
    fn more_than_64_avps_are_refused() {
        let one = avp(code::ORIGIN_STATE_ID, 12, &[0; 4]);
        assert_eq!(check(&one.repeat(64)), Ok(()));
        assert_eq!(check(&one.repeat(65)).unwrap_err().code, 5004);
    }

    #[test]
    fn a_large_offender_is_quoted_by_its_header_alone() {
        let octets = avp(code::USER_NAME, 8 + 4000, &[0xff; 4000]);
        let one = Avps::new(&octets).next().unwrap().unwrap();
        assert_eq!(one.text().unwrap_err().avp, [0, 0, 0, 1, 0x40, 0, 0, 8]);
    }
}
