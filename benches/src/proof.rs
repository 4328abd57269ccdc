// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Proof of work: what maard sends is written to a capture, and every frame of it is compared octet for octet with what
//! it has to be; another parser (etherparse) reads it too.

use crate::Args;
use crate::case::{Case, Input, Spec};
use crate::frames::{ADDRESS, Flow, Flows, PCAP_MAC, neighbor_mac, order, peer_address};
use crate::group::{Folder, memory, start};
use crate::machine::Hugepages;
use crate::programs::loop_until;
use crate::programs::maard::Options;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;
use wire::addr::{Mac, ROUTER_MAC};
use wire::{eth, ip6};

/// What was checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    pub what: String,
    /// Frames compared, of all flows.
    pub frames: u64,
    pub flows: u64,
}

pub fn run(specs: &[Spec], folder: &Folder, args: &Args) -> Result<Vec<Proof>, String> {
    specs.iter().map(|spec| one(spec, folder, args)).collect()
}

fn one(spec: &Spec, folder: &Folder, args: &Args) -> Result<Proof, String> {
    let written = folder.path().join("written.pcap");
    let options = Options { written: Some(written.clone()), ..Options::default() };
    let _pages = Hugepages::reserve(memory(spec, &options))?;
    let mut program = start(*spec, folder, args, &options, 0)?;
    program.until_it_sends()?;
    // Twice through the capture, so that each flow is there.
    let base = program.telemetry().port(program.out)?.tx;
    let enough = loop_until(Duration::from_secs(60), || {
        program.alive()?;
        let sent = program.telemetry().port(program.out)?.tx - base;
        Ok((sent >= 2 * spec.flows).then_some(()))
    })?;
    enough.ok_or_else(|| format!("{spec}: sends too little to a capture"))?;
    program.terminate()?;
    let frames = check(spec, &written).map_err(|why| format!("{spec}: {why}"))?;
    let _ = std::fs::remove_file(&written);
    eprintln!("  proof: {spec}: {frames} frames of {} flows are what they must be", spec.flows);
    Ok(Proof { what: spec.to_string(), frames, flows: spec.flows })
}

/// Compares every frame; how many there were.
fn check(spec: &Spec, written: &Path) -> Result<u64, String> {
    let flows = Flows::new(spec.input);
    let mut wanted: HashMap<(Ipv6Addr, Ipv6Addr), Wanted> = HashMap::new();
    for (n, index) in order(spec.bindings, spec.flows).enumerate() {
        let flow = flows.flow(index);
        let frame = flows.frame(&flow, spec.frame.octets(n as u64));
        wanted.insert(
            (flow.src, flow.dst),
            Wanted { flow, inner: inner(spec.input, &frame), label: None },
        );
    }
    let file = File::open(written).map_err(|e| e.to_string())?;
    let mut reader = PcapReader::new(BufReader::new(file)).map_err(|e| e.to_string())?;
    let mut frames = 0;
    let mut seen = std::collections::HashSet::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(|e| e.to_string())?;
        if of_the_router(&packet.data) {
            continue;
        }
        frames += 1;
        let (src, dst) = ends(&packet.data)
            .ok_or_else(|| format!("frame {frames} is no UDP packet: {:02x?}", packet.data))?;
        let to = wanted
            .get_mut(&(src, dst))
            .ok_or_else(|| format!("frame {frames}: nobody sent {src} to {dst}"))?;
        to.compare(spec, &packet.data)
            .map_err(|why| format!("frame {frames}, {src} to {dst}: {why}"))?;
        seen.insert((src, dst));
    }
    if seen.len() as u64 == spec.flows {
        Ok(frames)
    } else {
        let missing: Vec<_> = wanted.keys().filter(|k| !seen.contains(*k)).take(3).collect();
        Err(format!(
            "only {} of {} flows came out in {frames} frames; missing {missing:?} of {}",
            seen.len(),
            spec.flows,
            wanted.len()
        ))
    }
}

/// Neighbour Discovery and MLD of the slow path: ICMPv6, the latter behind a Hop-by-Hop header.
fn of_the_router(frame: &[u8]) -> bool {
    matches!(frame.get(20), Some(&(ip6::ICMPV6 | ip6::HOP_BY_HOP)))
}

/// The packet as a host sent it.
fn inner(input: Input, frame: &[u8]) -> Vec<u8> {
    let start = eth::HEADER_LEN + if input == Input::Tunnelled { ip6::HEADER_LEN } else { 0 };
    frame[start..].to_vec()
}

/// Source and destination of the innermost packet, by etherparse.
fn ends(frame: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let outer = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv6(header)) = &outer.net else { return None };
    let start = eth::HEADER_LEN + ip6::HEADER_LEN;
    let packet = if header.header().next_header().0 == ip6::IPV6_IN_IPV6 {
        SlicedPacket::from_ip(&frame[start..]).ok()?
    } else {
        outer
    };
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Udp(_))) = (&packet.net, &packet.transport)
    else {
        return None;
    };
    Some((ip.header().source_addr(), ip.header().destination_addr()))
}

struct Wanted {
    flow: Flow,
    inner: Vec<u8>,
    /// The flow label of its first packet: one flow, one label.
    label: Option<u32>,
}

impl Wanted {
    fn compare(&mut self, spec: &Spec, frame: &[u8]) -> Result<(), String> {
        let mut inner = self.inner.clone();
        inner[7] -= 1;
        let out =
            Mac([PCAP_MAC.0[0], PCAP_MAC.0[1], PCAP_MAC.0[2], PCAP_MAC.0[3], PCAP_MAC.0[4], 1]);
        let expected = match spec.case {
            Case::Encap => return self.tunnelled(spec, frame, &inner, out),
            Case::Decap => [&eth::ipv6_header(self.flow.station, ROUTER_MAC)[..], &inner].concat(),
            Case::Deliver => {
                [&eth::ipv6_header(self.flow.receiver, ROUTER_MAC)[..], &inner].concat()
            }
            _ => [&eth::ipv6_header(neighbor_mac(peer_address(0)), out)[..], &inner].concat(),
        };
        same(frame, &expected)
    }

    fn tunnelled(
        &mut self,
        spec: &Spec,
        frame: &[u8],
        inner: &[u8],
        out: Mac,
    ) -> Result<(), String> {
        // Under updates a destination moves to the next peer and back.
        let next = (self.flow.peer + 1) % crate::frames::PEERS;
        let moved = spec.updates > 0 && frame[38..54] == peer_address(next).octets();
        let peer = peer_address(if moved { next } else { self.flow.peer });
        let front = eth::ipv6_header(neighbor_mac(peer), out);
        let mut expected = ip6::frame(front, ADDRESS, peer, ip6::IPV6_IN_IPV6, 64, inner);
        let label = u32::from_be_bytes([0, frame[15] & 15, frame[16], frame[17]]);
        if label == 0 || *self.label.get_or_insert(label) != label {
            return Err(format!("flow label {label:05x}, before {:05x?}", self.label));
        }
        expected[15] |= (label >> 16) as u8;
        expected[16..18].copy_from_slice(&(label as u16).to_be_bytes());
        same(frame, &expected)
    }
}

fn same(frame: &[u8], expected: &[u8]) -> Result<(), String> {
    if frame == expected {
        return Ok(());
    }
    Err(format!("is {frame:02x?} and should be {expected:02x?}"))
}
