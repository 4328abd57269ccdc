// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of stations and of leases: MAC, /64 key, NAI. Addresses are `std::net::Ipv6Addr`.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

/// The MAC of every MAAR's access ports (RFC 6543 reserved value, R-08).
pub const ROUTER_MAC: Mac = Mac([0x00, 0x00, 0x5e, 0x00, 0x52, 0x13]);

/// The link-local address of every MAAR on its access ports: fe80::200:5eff:fe00:5213.
pub const ROUTER_LINK_LOCAL: Ipv6Addr =
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0200, 0x5eff, 0xfe00, 0x5213);

impl Mac {
    /// Neither group bit nor all zero: a single station's address.
    pub const fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// The modified EUI-64 interface identifier (RFC 4291 appendix A).
    pub const fn eui64(self) -> u64 {
        let m = self.0;
        u64::from_be_bytes([m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]])
    }

    /// The Ethernet group of an IPv6 multicast address (RFC 2464 §7).
    pub const fn of_group(group: Ipv6Addr) -> Mac {
        let o = group.octets();
        Mac([0x33, 0x33, o[12], o[13], o[14], o[15]])
    }

    /// The address in the low 48 bits, first octet highest.
    pub const fn to_u64(self) -> u64 {
        let m = self.0;
        u64::from_be_bytes([0, 0, m[0], m[1], m[2], m[3], m[4], m[5]])
    }

    /// The inverse of [`Mac::to_u64`]; bits 48..64 are ignored.
    pub const fn from_u64(v: u64) -> Mac {
        let b = v.to_be_bytes();
        Mac([b[2], b[3], b[4], b[5], b[6], b[7]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(f, "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4], m[5])
    }
}

/// A /64: the upper 64 bits of an address. Every forwarding decision is keyed by it (R-08d).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix64(pub u64);

impl Prefix64 {
    /// The /64 that holds `addr`.
    pub const fn of(addr: Ipv6Addr) -> Self {
        Prefix64((u128::from_be_bytes(addr.octets()) >> 64) as u64)
    }

    /// The address with interface identifier `iid` in this /64.
    pub const fn with_iid(self, iid: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits((self.0 as u128) << 64 | iid as u128)
    }
}

impl fmt::Display for Prefix64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.with_iid(0))
    }
}

/// A mobile node's identity: a Network Access Identifier of 1 to 253 octets, printable UTF-8 without
/// control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Nai(Arc<str>);

/// The text is not a usable NAI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an NAI is 1 to 253 octets of UTF-8 without control characters")]
pub struct BadNai;

impl Nai {
    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Nai, BadNai> {
        if text.is_empty() || text.len() > 253 || text.chars().any(char::is_control) {
            return Err(BadNai);
        }
        Ok(Nai(text.into()))
    }

    /// As [`Nai::new`], from octets of the wire.
    pub fn from_octets(octets: &[u8]) -> Result<Nai, BadNai> {
        Nai::new(std::str::from_utf8(octets).map_err(|_| BadNai)?)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routers_link_local_address_is_made_of_its_mac() {
        assert_eq!(Prefix64::of(ROUTER_LINK_LOCAL).with_iid(ROUTER_MAC.eui64()), ROUTER_LINK_LOCAL);
        assert_eq!(ROUTER_LINK_LOCAL.to_string(), "fe80::200:5eff:fe00:5213");
        assert_eq!(ROUTER_MAC.to_string(), "00:00:5e:00:52:13");
    }

    #[test]
    fn user_as_hoa_is_its_prefix_and_its_mac() {
        let hoa: Ipv6Addr = "2001:db8:a1:a:0:ff:fe00:a".parse().expect("an address");
        let lease = Prefix64::of(hoa);
        assert_eq!(lease.with_iid(Mac([2, 0, 0, 0, 0, 0xa]).eui64()), hoa);
        assert_eq!(lease.to_string(), "2001:db8:a1:a::/64");
    }

    #[test]
    fn a_mac_survives_its_number() {
        let mac = Mac([0xfe, 1, 2, 3, 4, 5]);
        assert_eq!(Mac::from_u64(mac.to_u64() | 0xabcd << 48), mac);
        assert!(mac.is_unicast());
        assert!(!Mac([0; 6]).is_unicast());
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0xa);
        assert_eq!(Mac::of_group(group), Mac([0x33, 0x33, 0xff, 0, 0, 0xa]));
        assert!(!Mac::of_group(group).is_unicast());
    }

    #[test]
    fn an_nai_is_1_to_253_octets_without_control_characters() {
        assert!(Nai::new("usera@example.org").is_ok());
        assert!(Nai::new(&"a".repeat(253)).is_ok());
        let (long, wide) = ("a".repeat(254), "\u{e4}".repeat(127));
        for bad in ["", "a\nERROR x", "a\u{7f}", "a\u{85}", &long, &wide] {
            assert_eq!(Nai::new(bad), Err(BadNai), "{bad:?}");
        }
        assert_eq!(Nai::from_octets(&[b'a', 0xff]), Err(BadNai));
    }
}
