// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets no honest encoder makes: headers and options by hand, the checksum repaired, the seal of a key put on
//! (PROTOCOL.md 3.1 and 3.2).

use super::world::key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::Ipv6Addr;
use wire::ip6::checksum;
use wire::mh::NEXT_HEADER;
use wire::time::MesgId;

/// A Mobility Header of any type whose message data, from octet 6 on, is `data`; padded to whole units of 8 octets.
pub fn header(mh_type: u8, data: &[u8]) -> Vec<u8> {
    let mut octets = vec![59, 0, mh_type, 0, 0, 0];
    octets.extend_from_slice(data);
    pad(&mut octets, 0);
    octets
}

/// A Binding Update with these options, one after the other.
pub fn update(seq: u16, flags: u16, lifetime: u16, options: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for field in [seq, flags, lifetime] {
        data.extend_from_slice(&field.to_be_bytes());
    }
    options.iter().for_each(|option| data.extend_from_slice(option));
    header(5, &data)
}

/// One option.
pub fn option(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).expect("an option's length is an octet");
    [&[kind, len], body].concat()
}

/// PadN (or Pad1) up to `short` octets before a multiple of 8.
fn pad(octets: &mut Vec<u8>, short: usize) {
    let gap = (8 + 8 - short - octets.len() % 8) % 8;
    match gap {
        0 => (),
        1 => octets.push(0),
        gap => octets.extend(option(1, &vec![0; gap - 2])),
    }
}

/// Header Len and checksum as they have to be.
pub fn finish(octets: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    octets[1] = u8::try_from(octets.len() / 8 - 1).expect("at most 2048 octets");
    repair(octets, src, dst);
}

/// The right checksum over whatever the octets say.
pub fn repair(octets: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    octets[4..6].fill(0);
    let sum = checksum(src, dst, NEXT_HEADER, octets);
    octets[4..6].copy_from_slice(&sum.to_be_bytes());
}

/// Options 10 and 9 behind the others, then the checksum: what a holder of the key would send.
pub fn seal(octets: &mut Vec<u8>, src: Ipv6Addr, dst: Ipv6Addr, id: MesgId) {
    octets.extend(option(10, &id.0.to_be_bytes()));
    // The option's 23 octets end the message.
    pad(octets, 23 % 8);
    let key = key();
    octets.extend([9, 21, 1]);
    octets.extend(key.spi.to_be_bytes());
    octets[1] = u8::try_from((octets.len() + 16) / 8 - 1).expect("at most 2048 octets");
    octets[4..6].fill(0);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).expect("any length will do");
    for part in [&src.octets()[..], &dst.octets(), octets] {
        mac.update(part);
    }
    let mac = mac.finalize().into_bytes();
    octets.extend_from_slice(&mac[..16]);
    repair(octets, src, dst);
}
