// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The captures: each flow has a source /64 and a destination /64 of its own, and the frames stand in another order than
//! the keys were bound in. Everything is computed from the seed, as maard does with the same seed.

use crate::case::{Frame, Input};
use dataplane::synthetic::{Population, permute};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use std::fs::File;
use std::io::BufWriter;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;
use wire::addr::{Mac, Prefix64, ROUTER_MAC};
use wire::{eth, ip6};

/// The router of the bench and its peers.
pub const SEED: u64 = 1;
pub const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa1);
pub const PEERS: u16 = 4;
pub const POOL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xa1, 0, 0, 0, 0, 0, 0), 32);
pub const BINDINGS_IN: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xdb8, 0, 0, 0, 0, 0, 0), 32);
/// Where a route leads.
pub const OUTSIDE: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0xcafe, 0, 0, 0, 0, 0, 0), 32);
/// MAC of the first net_pcap and net_null ports.
pub const PCAP_MAC: Mac = Mac([0x02, 0x70, 0x63, 0x61, 0x70, 0x00]);
const UDP: u8 = 17;
/// Both ports of every flow (discard).
pub const PORT: u16 = 9;
const IID: u64 = 1;

/// Core address of a peer.
pub fn peer_address(peer: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(ADDRESS.to_bits() + 1 + u128::from(peer))
}

/// MAC of a made-up neighbour, as maard's load test makes it.
pub fn neighbor_mac(address: Ipv6Addr) -> Mac {
    Mac::from_u64(0x06 << 40 | address.to_bits() as u64 & 0xff_ffff_ffff)
}

/// One flow: who sends to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    /// The station that sends, or, out of a tunnel, receives.
    pub station: Mac,
    /// For local delivery: the station that receives.
    pub receiver: Mac,
    /// The peer the other end is behind.
    pub peer: u16,
}

/// The flows of a capture.
pub struct Flows {
    population: Population,
    input: Input,
    outside: dataplane::synthetic::Keys,
}

impl Flows {
    pub fn new(input: Input) -> Flows {
        let ports = if input == Input::Local { vec![0, 1] } else { vec![0] };
        let population = Population::new(SEED, POOL, BINDINGS_IN, ports, PEERS);
        let outside = dataplane::synthetic::Keys::new(OUTSIDE.0, OUTSIDE.1, SEED);
        Flows { population, input, outside }
    }

    /// Flow `index`.
    pub fn flow(&self, index: u64) -> Flow {
        let people = &self.population;
        let at = |key: u64| Prefix64(key).with_iid(IID);
        let lease = |station: u64| at(people.leases.key(station));
        let peer = (index % u64::from(PEERS)) as u16;
        let other = at(people.elsewhere.key(index));
        let here = Flow {
            src: lease(index),
            dst: other,
            station: people.mac(index),
            receiver: Mac::default(),
            peer,
        };
        match self.input {
            Input::Uplink => here,
            Input::Tunnelled => Flow { src: here.dst, dst: here.src, ..here },
            Input::Outside => Flow { dst: at(self.outside.key(index)), ..here },
            // Stations are dealt to the two access ports in turn.
            Input::Local => Flow {
                src: lease(2 * index),
                dst: lease(2 * index + 1),
                station: people.mac(2 * index),
                receiver: people.mac(2 * index + 1),
                peer,
            },
        }
    }

    /// The frame of `flow`, `octets` long without a tunnel.
    pub fn frame(&self, flow: &Flow, octets: usize) -> Vec<u8> {
        let inner = udp(flow, octets - eth::HEADER_LEN);
        match self.input {
            Input::Tunnelled => {
                let peer = peer_address(flow.peer);
                let front = eth::ipv6_header(PCAP_MAC, neighbor_mac(peer));
                ip6::frame(front, peer, ADDRESS, ip6::IPV6_IN_IPV6, 64, &inner)
            }
            _ => [&eth::ipv6_header(ROUTER_MAC, flow.station)[..], &inner].concat(),
        }
    }
}

/// An IPv6 packet with UDP of `octets` in all.
fn udp(flow: &Flow, octets: usize) -> Vec<u8> {
    let mut payload = vec![0; octets - ip6::HEADER_LEN];
    let len = payload.len() as u16;
    payload[0..2].copy_from_slice(&PORT.to_be_bytes());
    payload[2..4].copy_from_slice(&PORT.to_be_bytes());
    payload[4..6].copy_from_slice(&len.to_be_bytes());
    let sum = ip6::checksum(flow.src, flow.dst, UDP, &payload);
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    ip6::packet(flow.src, flow.dst, UDP, 64, &payload)
}

/// `count` different numbers below `of`, in random order.
pub fn order(of: u64, count: u64) -> impl Iterator<Item = u64> {
    let bits = (64 - (of - 1).leading_zeros()).max(1);
    let all = (0..1u64 << bits).map(move |i| permute(SEED ^ 0x6f, bits, i));
    all.filter(move |index| *index < of).take(count as usize)
}

/// Writes the capture of `flows` flows drawn from `of`.
pub fn write(path: &Path, input: Input, frame: Frame, flows: u64, of: u64) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::create(path).map_err(|e| failed(&e))?;
    let header = PcapHeader::default();
    let mut writer = PcapWriter::with_header(BufWriter::with_capacity(1 << 20, file), header)
        .map_err(|e| failed(&e))?;
    let all = Flows::new(input);
    for (n, index) in order(of, flows).enumerate() {
        let octets = all.frame(&all.flow(index), frame.octets(n as u64));
        let packet = PcapPacket::new(Duration::ZERO, octets.len() as u32, &octets);
        writer.write_packet(&packet).map_err(|e| failed(&e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn frames_are_drawn_once_each_from_all_bindings_and_not_in_their_order() {
        let drawn: Vec<u64> = order(10_000, 1000).collect();
        let different: BTreeSet<u64> = drawn.iter().copied().collect();
        assert_eq!((drawn.len(), different.len()), (1000, 1000));
        assert!(drawn.iter().any(|i| *i > 9000) && !drawn.is_sorted());
        let all: BTreeSet<u64> = order(4096, 4096).collect();
        assert_eq!(all, (0..4096).collect());
    }

    #[test]
    fn a_frame_has_its_length_and_is_what_another_parser_takes_for_udp() {
        for (input, extra) in [(Input::Uplink, 0), (Input::Tunnelled, 40), (Input::Local, 0)] {
            let flows = Flows::new(input);
            let frame = flows.frame(&flows.flow(7), 64);
            assert_eq!(frame.len(), 64 + extra, "{input:?}");
            let start = eth::HEADER_LEN + extra;
            let packet = etherparse::SlicedPacket::from_ip(&frame[start..]).expect("a packet");
            let Some(etherparse::TransportSlice::Udp(udp)) = packet.transport else { panic!() };
            assert_eq!((udp.source_port(), udp.destination_port()), (PORT, PORT));
        }
    }
}
