// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names and addresses: PROTOCOL.md's table, and as many more as wanted.

use crate::queue::{HostId, NodeId};
use mobility::config::Prefix;
use std::net::Ipv6Addr;
use wire::addr::Mac;

/// The legacy host S.
pub const LEGACY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 0x80);
/// Its router's address on the core link.
pub const LEGACY_ROUTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
/// And that one's MAC.
pub const LEGACY_MAC: Mac = Mac([2, 0xc0, 0, 0, 0xff, 1]);
/// What lies behind it.
pub const LEGACY_NET: Prefix =
    Prefix { addr: Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 0), len: 48 };
/// A peer with a key that is of ill will.
pub const EVIL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xbad);
/// The core link.
pub const CORE_NET: Prefix =
    Prefix { addr: Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0), len: 64 };

/// The number in a MAAR's addresses: a1, a2, a3, b1, ... f3, then from 0x1000 on.
fn number(node: NodeId) -> u16 {
    match node as u16 {
        n if n < 18 => (0xa0 + n / 3 * 0x10) | (1 + n % 3),
        n => 0x1000 + n,
    }
}

/// `a1`, `b2`.
pub fn name(node: NodeId) -> String {
    format!("{:x}", number(node))
}

/// The core address.
pub fn address(node: NodeId) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, number(node))
}

/// The MAAR with a core address.
pub fn node_of(address: Ipv6Addr, maars: usize) -> Option<NodeId> {
    (0..maars).find(|&node| self::address(node) == address)
}

/// The /48 it leases from.
pub fn pool(node: NodeId) -> Prefix {
    Prefix { addr: Ipv6Addr::new(0x2001, 0xdb8, number(node), 0, 0, 0, 0, 0), len: 48 }
}

/// The MAAR whose pool an address lies in.
pub fn anchor(addr: Ipv6Addr, maars: usize) -> Option<NodeId> {
    (0..maars).find(|&node| pool(node).contains(addr))
}

/// MAC of the core port.
pub fn core_mac(node: NodeId) -> Mac {
    let [high, low] = (node as u16).to_be_bytes();
    Mac([2, 0xc0, 0, 0, high, low])
}

/// The MAAR with a core port's MAC.
pub fn node_of_mac(mac: &[u8], maars: usize) -> Option<NodeId> {
    let node = match mac {
        [2, 0xc0, 0, 0, 0xff, 1] => maars,
        [2, 0xc0, 0, 0, high, low] => usize::from(*high) << 8 | usize::from(*low),
        _ => return None,
    };
    (node <= maars).then_some(node)
}

/// MAC of the access port.
pub fn access_mac(node: NodeId) -> Mac {
    let [high, low] = (node as u16).to_be_bytes();
    Mac([2, 0xac, 0, 0, high, low])
}

/// MAC of a host: user A's ends in 0a.
pub fn host_mac(host: HostId) -> Mac {
    Mac([2, 0, 0, 0, 0, 0x0a + host as u8])
}

/// What `romip show` prints of a MAC.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut octets = text.split(':').map(|part| u8::from_str_radix(part, 16));
    let mut mac = Mac([0; 6]);
    for octet in &mut mac.0 {
        *octet = octets.next()?.ok()?;
    }
    octets.next().is_none().then_some(mac)
}

/// `A`, `B`, ... then numbers.
pub fn host_name(host: HostId) -> String {
    match host {
        0..26 => char::from(b'A' + host as u8).to_string(),
        _ => format!("H{host}"),
    }
}

/// The MN-ID a MAAR makes of a MAC (R-03 source 4).
pub fn mn_id(mac: Mac) -> String {
    mac.0.iter().map(|octet| format!("{octet:02x}")).collect::<String>() + "@example.org"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_maars_have_the_addresses_of_the_protocols_table() {
        assert_eq!((0..6).map(name).collect::<Vec<_>>(), ["a1", "a2", "a3", "b1", "b2", "b3"]);
        assert_eq!(address(4).to_string(), "2001:db8:ff::b2");
        assert_eq!(pool(2).addr.to_string(), "2001:db8:a3::");
        assert_eq!(mn_id(host_mac(0)), "02000000000a@example.org");
        assert_eq!(parse_mac(&host_mac(0).to_string()), Some(host_mac(0)));
        assert_eq!(parse_mac("02:00:00:00:00"), None);
    }

    #[test]
    fn every_maar_is_found_by_its_address_its_mac_and_its_pool() {
        for node in 0..64 {
            assert_eq!(node_of(address(node), 64), Some(node));
            assert_eq!(node_of_mac(&core_mac(node).0, 64), Some(node));
            assert_eq!(anchor(pool(node).addr, 64), Some(node));
        }
        assert_eq!(node_of_mac(&LEGACY_MAC.0, 6), Some(6));
        assert_eq!(anchor(LEGACY, 64), None);
    }
}
