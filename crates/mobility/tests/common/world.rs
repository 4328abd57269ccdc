// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who and where: the address table of PROTOCOL.md and setting G0 of its section 5 (six MAARs that share one key,
//! anchor map = pools, first repeat fixed at 1 s, static MN-IDs).

use mobility::Config;
use mobility::config::{Peer, Prefix, Timers};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::mh::Key;

/// Core addresses.
pub const A1: Ipv6Addr = core(0xa1);
pub const A2: Ipv6Addr = core(0xa2);
pub const A3: Ipv6Addr = core(0xa3);
pub const B1: Ipv6Addr = core(0xb1);
pub const B2: Ipv6Addr = core(0xb2);
pub const B3: Ipv6Addr = core(0xb3);
pub const AAA: Ipv6Addr = core(0xaaaa);
/// Nobody's: neither MAAR nor peer.
pub const STRANGER: Ipv6Addr = core(0xdead);
/// Every MAAR.
pub const MAARS: [Ipv6Addr; 6] = [A1, A2, A3, B1, B2, B3];

/// Leased addresses: user `x` at MAAR `m` is 2001:db8:m:x:0:ff:fe00:x.
pub const A_HOA1: Ipv6Addr = A.hoa(A1);
pub const A_HOA2: Ipv6Addr = A.hoa(A2);
pub const A_HOA3: Ipv6Addr = A.hoa(A3);
pub const B_HOA1: Ipv6Addr = B.hoa(B1);
pub const B_HOA2: Ipv6Addr = B.hoa(B2);
pub const B_HOA3: Ipv6Addr = B.hoa(B3);
pub const C_HOA3: Ipv6Addr = C.hoa(B3);

const fn core(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, last)
}

/// A user: a station with one MAC and one NAI. The letter's place in the alphabet, from 0xa, is its number; users with
/// larger numbers have no letter and are named by their MAC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct User(pub u16);

pub const A: User = User(0xa);
pub const B: User = User(0xb);
pub const C: User = User(0xc);
pub const E: User = User(0xe);
/// Every user.
pub const USERS: [User; 4] = [A, B, C, E];

impl User {
    pub const fn mac(self) -> Mac {
        Mac([2, 0, 0, 0, (self.0 >> 8) as u8, self.0 as u8])
    }

    pub fn nai(self) -> Nai {
        let name = if USERS.contains(&self) {
            format!("user{}", self.letter().to_ascii_lowercase())
        } else {
            format!("{:012x}", self.mac().to_u64())
        };
        Nai::new(&format!("{name}@example.org")).expect("printable and short")
    }

    pub fn letter(self) -> char {
        if USERS.contains(&self) { char::from(b'A' + (self.0 as u8 - 0xa)) } else { '?' }
    }

    pub const fn link_local(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, self.0)
    }

    /// Its leased address at a MAAR.
    pub const fn hoa(self, maar: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, maar.segments()[7], self.0, 0, 0xff, 0xfe00, self.0)
    }

    pub fn of_mac(mac: Mac) -> Option<User> {
        let [2, 0, 0, _, high, low] = mac.0 else { return None };
        Some(User(u16::from_be_bytes([high, low])))
    }
}

/// The pool of a MAAR: 2001:db8:m::/48.
pub fn pool(maar: Ipv6Addr) -> Prefix {
    let addr = Ipv6Addr::new(0x2001, 0xdb8, maar.segments()[7], 0, 0, 0, 0, 0);
    Prefix { addr, len: 48 }
}

/// The MAAR whose pool `addr` lies in (R-10's anchor map).
pub fn anchor(addr: Ipv6Addr) -> Option<Ipv6Addr> {
    MAARS.into_iter().find(|&maar| pool(maar).contains(addr))
}

/// Key 00 01 .. 1f, SPI 0x100.
pub fn key() -> Key {
    Key { spi: 0x100, secret: (0..0x20).collect() }
}

/// G0, as told to one of the MAARs.
pub fn config(address: Ipv6Addr) -> Config {
    let peers = MAARS.into_iter().filter(|&peer| peer != address);
    Config {
        address,
        pool: pool(address),
        peers: peers.map(|address| Peer { address, keys: vec![key()] }).collect(),
        anchors: MAARS.into_iter().map(|maar| (pool(maar), maar)).collect(),
        core_prefixes: vec![Prefix { addr: core(0), len: 64 }],
        event_only_ports: Vec::new(),
        realm: "example.org".into(),
        static_ids: USERS.into_iter().map(|user| (user.mac(), user.nai())).collect(),
        trust_rs_mnid: false,
        ra_mtu: 1460,
        rdnss: Vec::new(),
        // Heartbeats have tests of their own; here they would stand between a scenario's messages.
        timers: Timers {
            initial_bindack: Some(Duration::from_secs(1)),
            heartbeat: Duration::ZERO,
            ..Timers::default()
        },
        seed: u64::from(address.segments()[7]),
        first_sequence: None,
        fail_open: false,
        boot: 0,
    }
}

/// The name the table gives an address: `a1`, `A_HoA1`, `::`; else the address.
pub fn name(addr: Ipv6Addr) -> String {
    if addr == AAA {
        return "AAA".into();
    }
    if MAARS.contains(&addr) {
        return format!("{:x}", addr.segments()[7]);
    }
    for user in USERS {
        if let Some(maar) = MAARS.into_iter().find(|&maar| user.hoa(maar) == addr) {
            return hoa_name(user, maar);
        }
    }
    addr.to_string()
}

/// The name of a lease: that of the address in it.
pub fn lease_name(prefix: Prefix64) -> String {
    USERS
        .into_iter()
        .flat_map(|user| MAARS.map(|maar| (user, maar)))
        .find(|&(user, maar)| Prefix64::of(user.hoa(maar)) == prefix)
        .map_or_else(|| prefix.to_string(), |(user, maar)| hoa_name(user, maar))
}

/// The table's names are those of the home MAARs (`A_HoA1` is A's at A_MAAR1); elsewhere the MAAR is spelt out.
fn hoa_name(user: User, maar: Ipv6Addr) -> String {
    let home = maar.segments()[7] >> 4;
    let number = maar.segments()[7] & 0xf;
    if (home == 0xa) == (user == A) {
        format!("{}_HoA{number}", user.letter())
    } else {
        format!("{}_HoA@{}", user.letter(), name(maar))
    }
}
