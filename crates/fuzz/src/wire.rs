// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decoders of `wire`. What one reads as a value is the same value after it was written and read again.

use crate::Script;
use crate::frames::at;
use std::net::Ipv6Addr;
use wire::ip6::{self, FragmentHeader, Ip6View};
use wire::mh::{self, Key, MhView, Seal};
use wire::nd::{self, Icmp6};
use wire::time::MesgId;
use wire::{eth, nd::parse};

/// One input.
pub fn run(input: &[u8]) {
    let mut script = Script(input);
    let kind = script.below(4);
    let (src, dst) = (at("fe80::1"), at("2001:db8:ff::a3"));
    match kind {
        0 => packet(script.0),
        1 => icmp(&mut script, src, dst),
        _ => mobility(&mut script, kind == 3, src, dst),
    }
}

fn packet(octets: &[u8]) {
    let _ = eth::EthHeader::parse(octets);
    let _ = FragmentHeader::parse(octets);
    let quoted = Ip6View::quoted(octets);
    let Ok(view) = Ip6View::new_checked(octets) else {
        if let Ok(view) = quoted {
            let _ = view.upper();
        }
        return;
    };
    assert_eq!(view.octets().len(), ip6::HEADER_LEN + view.payload_len());
    if let Ok(upper) = view.upper() {
        assert!(upper.offset <= view.octets().len());
    }
    if let Some(error) = nd::icmp_error(1, 0, 0, octets, view.dst(), view.src()) {
        assert!(error.len() <= 1240);
        assert_eq!(ip6::checksum(view.dst(), view.src(), ip6::ICMPV6, &error), 0);
    }
}

fn icmp(script: &mut Script<'_>, src: Ipv6Addr, dst: Ipv6Addr) {
    let hops = script.one(&[255, 1, 64]);
    let mut octets = script.0.to_vec();
    if octets.len() >= 4 && !octets[0].is_multiple_of(3) {
        octets[2..4].fill(0);
        let sum = ip6::checksum(src, dst, ip6::ICMPV6, &octets);
        octets[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    match parse(src, dst, hops, &octets) {
        Ok(Icmp6::RouterSolicit(rs)) => {
            let again = nd::router_solicit(&rs, dst);
            assert_eq!(parse(src, dst, 255, &again), Ok(Icmp6::RouterSolicit(rs)));
        }
        Ok(Icmp6::NeighborSolicit(ns)) => {
            let again = nd::neighbor_solicit(&ns, dst);
            assert_eq!(parse(src, dst, 255, &again), Ok(Icmp6::NeighborSolicit(ns)));
        }
        Ok(Icmp6::NeighborAdvert(na)) => {
            let again = nd::neighbor_advert(&na, src, dst);
            assert_eq!(parse(src, dst, 255, &again), Ok(Icmp6::NeighborAdvert(na)));
        }
        _ => {}
    }
    if let Ok(ra) = nd::parse_router_advert(src, dst, hops, &octets) {
        let _ = format!("{ra:?}");
    }
}

fn mobility(script: &mut Script<'_>, fix_length: bool, src: Ipv6Addr, dst: Ipv6Addr) {
    let mut octets = script.0.to_vec();
    if fix_length && octets.len() >= 8 {
        octets.resize(octets.len().next_multiple_of(8).min(2048), 0);
        (octets[0], octets[1]) = (59, (octets.len() / 8 - 1) as u8);
    }
    let Ok(view) = MhView::new_checked(&octets) else { return };
    let key = Key { spi: 256, secret: (0..32).collect() };
    let _ = (view.mh_type(), view.checksum_ok(src, dst), view.spi(), view.mesg_id());
    assert!(!view.verify(&key, src, dst), "nobody guesses the key");
    let Ok(message) = view.parse() else { return };
    for seal in [None, Some(Seal { mesg_id: MesgId(7), key: &key })] {
        // What was read may be too long to be written: Header Len cannot say it.
        let Ok(again) = mh::encode(&message, src, dst, seal) else { continue };
        assert_eq!(again.len(), mh::encoded_len(&message, seal.is_some()));
        let view = MhView::new_checked(&again).expect("sound");
        assert!(view.checksum_ok(src, dst) && view.verify(&key, src, dst) == seal.is_some());
        assert_eq!(view.parse().as_ref(), Ok(&message));
    }
}
