// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The worked messages of `data/vectors.txt` and the key they are made with.

// Each test program uses a part of this.
#![allow(dead_code)]

use std::net::Ipv6Addr;
use wire::mh::{Key, Seal};
use wire::time::MesgId;

/// One entry of the file.
pub struct Vector {
    /// First word of its headline.
    pub name: &'static str,
    /// Given for the Mobility Header messages.
    pub ends: Option<(Ipv6Addr, Ipv6Addr)>,
    /// The octets.
    pub octets: Vec<u8>,
}

impl Vector {
    /// Source and destination of a Mobility Header message.
    pub fn ends(&self) -> (Ipv6Addr, Ipv6Addr) {
        self.ends.expect("a Mobility Header message names its ends")
    }

    /// Whether it carries MESG-ID and AUTH.
    pub fn is_sealed(&self) -> bool {
        !self.name.ends_with("-noauth") && self.name != "dDBU-min"
    }
}

/// All entries, in the file's order.
pub fn all() -> Vec<Vector> {
    let text = include_str!("../data/vectors.txt");
    text.split("== ").filter(|entry| !entry.is_empty()).map(entry).collect()
}

/// The Mobility Header messages.
pub fn mobility() -> Vec<Vector> {
    let mobility: Vec<_> = all().into_iter().filter(|v| v.ends.is_some()).collect();
    assert_eq!(mobility.len(), 15, "every message of the file is tried");
    mobility
}

/// The entry of that name.
pub fn named(name: &str) -> Vector {
    all().into_iter().find(|v| v.name == name).expect("the file has it")
}

fn entry(text: &'static str) -> Vector {
    let (headline, dump) = text.split_once('\n').expect("a headline");
    let words: Vec<_> = headline.split_whitespace().collect();
    let ends = (words.get(2) == Some(&"->"))
        .then(|| (words[1].parse().unwrap(), words[3].parse().unwrap()));
    let octets = dump.lines().flat_map(|line| line.split_whitespace().skip(1));
    let octets = octets.map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Vector { name: words[0], ends, octets }
}

/// Key 00 01 .. 1f, SPI 0x100.
pub fn key() -> Key {
    Key { spi: 0x100, secret: (0..0x20).collect() }
}

/// MESG-ID of the worked messages: 2026-01-01T00:00:00Z plus a fraction of a second, here in 1/256 s.
pub fn mesg_id(fraction: u64) -> MesgId {
    MesgId(0xed00_3780_0000_0000 | fraction << 24)
}

/// A seal by `key`, at the time of the first worked message.
pub fn seal(key: &Key) -> Seal<'_> {
    Seal { mesg_id: mesg_id(0x40), key }
}
