// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Third pass, second half: the octets. A prebuilt header is copied in front of the packet, then length, traffic class,
//! flow label and hop limit are patched in place; copying first costs a third of patching the template.
//!
//! Every check stands before the first change, so that a frame that goes to the slow path goes as it came.

use crate::PortId;
use crate::classify::{Fate, Kind, Packet};
use crate::counters::{Count, DropReason};
use crate::fib::{PortInfo, TUNNEL_HEADER_LEN, Tunnel};
use crate::flow;
use crate::hops::NextHop;
use crate::punt::PuntReason;
use crate::route::Way;
use wire::addr::{Mac, ROUTER_MAC};
use wire::buf::PacketBuf;
use wire::{eth, ip6};

use Fate::{Drop, Punt};

/// Makes of `buf` the frame to send; says by which port, and under which verdict it counts.
#[inline(always)]
pub(crate) fn forward<B: PacketBuf>(
    way: Way<'_>,
    packet: &Packet,
    buf: &mut B,
) -> Result<(PortId, Count), Fate> {
    if buf.data()[packet.start + 7] <= 1 {
        return Err(Punt(PuntReason::HopLimit));
    }
    match way {
        Way::Deliver { mac, port, info } => {
            deliver(packet, mac, info, buf)?;
            Ok((port, Count::Delivered))
        }
        Way::Tunnel { tunnel, sent_to_anchor } => {
            encapsulate(packet, tunnel, sent_to_anchor, buf)?;
            Ok((tunnel.port, Count::Tunnelled))
        }
        Way::Native(hops) => {
            let hop = hops.choose(|| flow::of(packet, &buf.data()[packet.start..]));
            native(packet, hop, buf)?;
            Ok((hop.neighbor.port, Count::Native))
        }
    }
}

#[inline(always)]
fn deliver<B: PacketBuf>(
    packet: &Packet,
    mac: u64,
    info: &PortInfo,
    buf: &mut B,
) -> Result<(), Fate> {
    fits(packet.len, info.mtu as usize)?;
    rewrite(packet, &eth::ipv6_header(Mac::from_u64(mac), ROUTER_MAC), buf)?;
    Ok(())
}

fn native<B: PacketBuf>(packet: &Packet, hop: &NextHop, buf: &mut B) -> Result<(), Fate> {
    fits(packet.len, hop.mtu)?;
    rewrite(packet, &hop.neighbor.eth, buf)?;
    Ok(())
}

fn fits(len: usize, mtu: usize) -> Result<(), Fate> {
    if len <= mtu { Ok(()) } else { Err(Punt(PuntReason::TooBig)) }
}

#[inline(always)]
fn encapsulate<B: PacketBuf>(
    packet: &Packet,
    tunnel: &Tunnel,
    sent_to_anchor: bool,
    buf: &mut B,
) -> Result<(), Fate> {
    if packet.len + ip6::HEADER_LEN > tunnel.path_mtu {
        return Err(too_long(packet, tunnel, sent_to_anchor, buf));
    }
    wrap(packet, tunnel, sent_to_anchor, buf)
}

/// what does not fit its tunnel is answered with Packet Too Big, but for the 1280 octets that every path must take:
/// these leave in two fragments.
#[cold]
fn too_long<B: PacketBuf>(
    packet: &Packet,
    tunnel: &Tunnel,
    sent_to_anchor: bool,
    buf: &mut B,
) -> Fate {
    if packet.len > ip6::MIN_MTU {
        return Punt(PuntReason::TunnelTooBig);
    }
    wrap(packet, tunnel, sent_to_anchor, buf).err().unwrap_or(Fate::Split(tunnel.port))
}

/// The outer header in front, whatever the path takes.
#[inline(always)]
fn wrap<B: PacketBuf>(
    packet: &Packet,
    tunnel: &Tunnel,
    sent_to_anchor: bool,
    buf: &mut B,
) -> Result<(), Fate> {
    let frame = rewrite(packet, &tunnel.header, buf)?;
    let (header, inner) = frame.split_at_mut(TUNNEL_HEADER_LEN);
    let traffic_class = inner[0] << 4 | inner[1] >> 4;
    let label = flow::label(packet, inner, sent_to_anchor);
    let first = 6 << 28 | u32::from(traffic_class) << 20 | label;
    let outer = &mut header[eth::HEADER_LEN..];
    outer[..4].copy_from_slice(&first.to_be_bytes());
    // Fits: the path's MTU is below 65,576.
    outer[4..6].copy_from_slice(&(packet.len as u16).to_be_bytes());
    Ok(())
}

/// Puts `header` in front of the packet in place of what was there, cuts off what lies behind it, and does to the
/// packet itself what forwarding does. The whole frame.
#[inline(always)]
fn rewrite<'b, B: PacketBuf, const N: usize>(
    packet: &Packet,
    header: &[u8; N],
    buf: &'b mut B,
) -> Result<&'b mut [u8], Fate> {
    let frame = buf.reframe(packet.start, packet.len, N).ok_or(Drop(DropReason::NoHeadroom))?;
    let (front, inner) = frame.split_at_mut(N);
    front.copy_from_slice(header);
    inner[7] -= 1;
    if let Kind::Tunnelled(outer) = packet.kind {
        inner[1] = inner[1] & 0xcf | outer.ecn << 4;
    }
    Ok(frame)
}

/// Takes a tunnel's headers off a frame that goes to the slow path: an Ethernet header and the inner packet are left.
pub(crate) fn strip_tunnel<B: PacketBuf>(packet: &Packet, buf: &mut B) {
    if !matches!(packet.kind, Kind::Tunnelled(_)) {
        return;
    }
    let mut header = [0; eth::HEADER_LEN];
    header.copy_from_slice(&buf.data()[..eth::HEADER_LEN]);
    header[12..].copy_from_slice(&eth::IPV6.to_be_bytes());
    buf.truncate(packet.start + packet.len);
    buf.trim_front(packet.start - eth::HEADER_LEN);
    buf.data_mut()[..eth::HEADER_LEN].copy_from_slice(&header);
}
