// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The worked messages of PROTOCOL.md 3.4, as `wire` keeps them.

/// The octets of the entry of that name.
pub fn octets(name: &str) -> Vec<u8> {
    let text = include_str!("../../../wire/tests/data/vectors.txt");
    let head = format!("== {name} ");
    let entry = text.split_once(&head).expect("the file has it").1;
    let dump = entry.lines().skip(1).take_while(|line| !line.starts_with("=="));
    let octets = dump.flat_map(|line| line.split_whitespace().skip(1));
    octets.map(|octet| u8::from_str_radix(octet, 16).expect("hex")).collect()
}
