// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a capture into what the analysis asks about: who sent it on the link, in which tunnel, and what it is.

use crate::diameter::{self, Command};
use crate::error::{Attempt, Result};
use crate::names::User;
use crate::probe::{self, Probe};
use pcap_file::pcap::PcapReader;
use std::fs::File;
use std::io::BufReader;
use std::net::Ipv6Addr;
use std::path::Path;
use wire::addr::Mac;
use wire::eth::{self, EthHeader};
use wire::ip6::{self, Ip6View};
use wire::mh::{self, Message, MhView};

/// A captured IPv6 frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// Capture stamp, nanoseconds since 1970.
    pub at: u64,
    /// Ethernet source.
    pub from: Mac,
    /// Ethernet destination.
    pub to: Mac,
    /// Outer addresses when it is IPv6 in IPv6; the rest then speaks of the inner packet.
    pub tunnel: Option<(Ipv6Addr, Ipv6Addr)>,
    /// IPv6 source.
    pub src: Ipv6Addr,
    /// IPv6 destination.
    pub dst: Ipv6Addr,
    /// Contents.
    pub what: What,
}

/// What a packet is.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// ICMPv6 133.
    RouterSolicit,
    /// ICMPv6 134.
    RouterAdvert,
    /// ICMPv6 128 with its sequence number.
    EchoRequest(u16),
    /// ICMPv6 129 with its sequence number.
    EchoReply(u16),
    /// A Mobility Header that parses; whether it is authentic is the routers' affair.
    Signal(Box<Message>),
    /// Diameter messages in a TCP segment.
    Diameter(Vec<Command>),
    /// One of ours.
    Probe(Probe),
    /// Any other TCP segment.
    Tcp(Segment),
    /// Anything else.
    Other,
}

/// A TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// SYN flag.
    pub syn: bool,
    /// RST flag.
    pub rst: bool,
    /// Octets of data.
    pub len: u32,
}

impl Frame {
    /// Reads a frame; `None` for what is not IPv6.
    pub fn parse(at: u64, octets: &[u8]) -> Option<Frame> {
        let ethernet = EthHeader::parse(octets)?;
        if ethernet.ethertype != eth::IPV6 {
            return None;
        }
        let outer = Ip6View::new_checked(octets.get(ethernet.len..)?).ok()?;
        let (tunnel, packet) = match outer.next_header() {
            ip6::IPV6_IN_IPV6 => {
                let inner = Ip6View::new_checked(&outer.octets()[ip6::HEADER_LEN..]).ok()?;
                (Some((outer.src(), outer.dst())), inner)
            }
            _ => (None, outer),
        };
        let (src, dst) = (packet.src(), packet.dst());
        let what = What::parse(&packet);
        Some(Frame { at, from: ethernet.src, to: ethernet.dst, tunnel, src, dst, what })
    }

    /// Whose packet of the session it is (A_HoA1 to B_HoA1 or back), by its source.
    pub fn session_from(&self) -> Option<User> {
        let is = |u: &User| self.src == u.hoa1() && self.dst == u.peer().hoa1();
        User::ALL.into_iter().find(is)
    }

    /// The probe, if it is one from `user`.
    pub fn probe_from(&self, user: User) -> Option<Probe> {
        match self.what {
            What::Probe(probe) if self.session_from() == Some(user) => Some(probe),
            _ => None,
        }
    }
}

impl What {
    fn parse(packet: &Ip6View<'_>) -> What {
        What::known(packet).unwrap_or(What::Other)
    }

    fn known(packet: &Ip6View<'_>) -> Option<What> {
        let upper = packet.upper().ok()?;
        let octets = packet.octets().get(upper.offset..)?;
        match upper.protocol {
            mh::NEXT_HEADER => {
                let message = MhView::new_checked(octets).ok()?.parse().ok()?;
                Some(What::Signal(Box::new(message)))
            }
            ip6::ICMPV6 => icmp(octets),
            TCP => tcp(octets),
            UDP => udp(octets),
            _ => None,
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn be16(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

fn be32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(be16(octets, at)?) << 16 | u32::from(be16(octets, at + 2)?))
}

/// RFC 4443 §4.1, RFC 4861 §4.1.
fn icmp(octets: &[u8]) -> Option<What> {
    match octets.first()? {
        133 => Some(What::RouterSolicit),
        134 => Some(What::RouterAdvert),
        128 => Some(What::EchoRequest(be16(octets, 6)?)),
        129 => Some(What::EchoReply(be16(octets, 6)?)),
        _ => None,
    }
}

fn udp(octets: &[u8]) -> Option<What> {
    let ours = be16(octets, 0)? == probe::PORT && be16(octets, 2)? == probe::PORT;
    let payload = octets.get(8..)?;
    Probe::decode(payload).filter(|_| ours).map(What::Probe)
}

/// RFC 9293 §3.1.
fn tcp(octets: &[u8]) -> Option<What> {
    let (src_port, dst_port) = (be16(octets, 0)?, be16(octets, 2)?);
    let header = usize::from(octets.get(12)? >> 4) * 4;
    let flags = *octets.get(13)?;
    let data = octets.get(header..)?;
    if [src_port, dst_port].contains(&crate::names::AAA_PORT) && !data.is_empty() {
        return Some(What::Diameter(diameter::commands(data)));
    }
    Some(What::Tcp(Segment {
        src_port,
        dst_port,
        seq: be32(octets, 4)?,
        syn: flags & 0x02 != 0,
        rst: flags & 0x04 != 0,
        len: u32::try_from(data.len()).ok()?,
    }))
}

/// The IPv6 frames of a capture file, by their stamps.
pub fn read(file: &Path) -> Result<Vec<Frame>> {
    let what = || format!("read the capture {}", file.display());
    let mut reader =
        PcapReader::new(BufReader::new(File::open(file).attempt(what())?)).attempt(what())?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.attempt(what())?;
        let at = u64::try_from(packet.timestamp.as_nanos()).unwrap_or(u64::MAX);
        frames.extend(Frame::parse(at, &packet.data));
    }
    frames.sort_by_key(|f| f.at);
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Maar;
    use pcap_file::pcap::{PcapPacket, PcapWriter};
    use std::time::Duration;
    use wire::addr::ROUTER_MAC;

    fn ethernet(packet: &[u8]) -> Vec<u8> {
        [&eth::ipv6_header(ROUTER_MAC, User::A.mac()), packet].concat()
    }

    fn packet(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
        let header = eth::ipv6_header(ROUTER_MAC, User::A.mac());
        ip6::frame(header, src, dst, next_header, 64, payload)[eth::HEADER_LEN..].to_vec()
    }

    fn probe_packet(seq: u64) -> Vec<u8> {
        let payload = Probe { seq, sent: 5 }.encode();
        let ports = probe::PORT.to_be_bytes();
        let udp = [&ports[..], &ports, &72u16.to_be_bytes(), &[0; 2], &payload].concat();
        packet(User::A.hoa1(), User::B.hoa1(), UDP, &udp)
    }

    /// A capture file of these frames, a second apart.
    fn capture(frames: &[Vec<u8>]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = PcapWriter::new(file.as_file_mut()).unwrap();
        for (second, frame) in (1..).zip(frames) {
            let length = u32::try_from(frame.len()).unwrap();
            let packet = PcapPacket::new(Duration::from_secs(second), length, frame);
            writer.write_packet(&packet).unwrap();
        }
        file
    }

    #[test]
    fn a_capture_is_read_into_what_its_frames_are() {
        let (a3, b2) = (Maar::A3.address(), Maar::B2.address());
        let binding_error = mh::encode(&Message::BindingError(2), a3, b2, None).unwrap();
        let file = capture(&[
            ethernet(&probe_packet(7)),
            ethernet(&packet(a3, b2, ip6::IPV6_IN_IPV6, &probe_packet(8))),
            ethernet(&packet(a3, b2, mh::NEXT_HEADER, &binding_error)),
            b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x0a\x08\x06arp".to_vec(),
        ]);
        let frames = read(file.path()).unwrap();
        assert_eq!(frames.len(), 3, "ARP is left out");
        let seq = |f: &Frame| f.probe_from(User::A).map(|p| p.seq);
        assert_eq!((seq(&frames[0]), frames[0].tunnel), (Some(7), None));
        assert_eq!((seq(&frames[1]), frames[1].tunnel), (Some(8), Some((a3, b2))));
        assert_eq!(frames[2].what, What::Signal(Box::new(Message::BindingError(2))));
        assert_eq!((frames[0].at, frames[0].from), (1_000_000_000, User::A.mac()));
    }

    #[test]
    fn frames_cut_anywhere_do_no_harm() {
        let inner = probe_packet(8);
        let whole =
            ethernet(&packet(Maar::A3.address(), Maar::B2.address(), ip6::IPV6_IN_IPV6, &inner));
        for end in 0..whole.len() {
            assert_eq!(Frame::parse(0, &whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_file_that_is_no_capture_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a capture, certainly").unwrap();
        let said = read(file.path()).unwrap_err().to_string();
        assert!(said.contains(&file.path().display().to_string()), "{said}");
    }
}
