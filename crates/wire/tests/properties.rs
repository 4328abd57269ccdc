// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For every value and every octet string: what is written is read back as it was meant, and nothing panics.

mod common;

use common::{Vector, all, key, seal};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, ROUTER_LINK_LOCAL};
use wire::eth::EthHeader;
use wire::ip6::{self, Ip6View};
use wire::mh::{
    self, AskGroup, CnPlace, Ddba, Ddbu, Heartbeat, Message, MhView, Sdba, Sdbu, Serving, Status,
    TellGroup,
};
use wire::nd::{self, Icmp6, PrefixInfo, RouterAdvert, RouterSolicit};
use wire::time::AttachTime;

fn addr() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![any::<u128>().prop_map(Ipv6Addr::from_bits), Just(Ipv6Addr::UNSPECIFIED)]
}

fn nai() -> impl Strategy<Value = Nai> {
    let ascii = vec(prop::char::range(' ', '~'), 1..=253);
    let wide = vec(prop::char::range('\u{a1}', '\u{2fff}'), 1..=84);
    prop_oneof![ascii, wide]
        .prop_map(|text| Nai::new(&String::from_iter(text)).expect("fits, no control character"))
}

fn attach_time() -> impl Strategy<Value = Option<AttachTime>> {
    any::<Option<u64>>().prop_map(|time| time.map(AttachTime))
}

prop_compose! {
    fn sdbu()(
        seq: u16, lifetime: u16, mn_id in nai(), attach_time in attach_time(),
        groups in vec((addr(), vec(addr(), 0..6)), 0..5),
        cursor in prop::option::of((addr(), addr())),
    ) -> Message {
        let groups = groups.into_iter().map(|(hoa, cns)| AskGroup { hoa, cns }).collect();
        Message::Sdbu(Sdbu { seq, lifetime, mn_id, attach_time, groups, cursor })
    }
}

fn serving() -> impl Strategy<Value = Serving> {
    (addr(), addr()).prop_map(|(cn, maar)| Serving { cn, maar })
}

prop_compose! {
    fn sdba()(
        status: u8, seq: u16, lifetime: u16, mn_id in prop::option::of(nai()), attach_time in attach_time(),
        groups in vec((addr(), vec(serving(), 1..6)), 0..5),
    ) -> Message {
        let groups = groups.into_iter().map(|(hoa, sessions)| TellGroup { hoa, sessions }).collect();
        Message::Sdba(Sdba { status: Status(status), seq, lifetime, mn_id, attach_time, groups })
    }
}

prop_compose! {
    fn ddbu()(
        seq: u16, lifetime: u16, attach_time in attach_time(), hoa in addr(), serving in addr(),
        cns in vec(addr(), 0..20),
    ) -> Message {
        Message::Ddbu(Ddbu { seq, lifetime, attach_time, hoa, serving, cns })
    }
}

prop_compose! {
    fn ddba()(
        status: u8, seq: u16, lifetime: u16, attach_time in attach_time(), hoa in addr(),
        cns in vec((addr(), prop::option::of(addr())), 0..20),
    ) -> Message {
        let cns = cns.into_iter().map(|(cn, moved_to)| CnPlace { cn, moved_to }).collect();
        Message::Ddba(Ddba { status: Status(status), seq, lifetime, attach_time, hoa: Some(hoa), cns })
    }
}

prop_compose! {
    fn heartbeat()(
        unsolicited: bool, response: bool, seq: u32, restart_counter in any::<Option<u32>>(),
    ) -> Message {
        Message::Heartbeat(Heartbeat { unsolicited, response, seq, restart_counter })
    }
}

fn message() -> impl Strategy<Value = Message> {
    let error = any::<u8>().prop_map(Message::BindingError);
    prop_oneof![sdbu(), sdba(), ddbu(), ddba(), heartbeat(), error]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_message_is_read_back_as_it_was_written(message in message(), sealed: bool, src in addr(), dst in addr()) {
        let key = key();
        let octets = mh::encode(&message, src, dst, sealed.then(|| seal(&key))).expect("lists are short");
        prop_assert_eq!(octets.len() % 8, 0);
        prop_assert_eq!(octets.len(), mh::encoded_len(&message, sealed));
        let view = MhView::new_checked(&octets).expect("whole");
        prop_assert!(view.checksum_ok(src, dst));
        prop_assert_eq!(view.verify(&key, src, dst), sealed);
        prop_assert_eq!(view.mesg_id(), sealed.then_some(seal(&key).mesg_id));
        prop_assert_eq!(view.parse(), Ok(message));
    }

    #[test]
    fn a_changed_octet_of_a_sealed_message_is_refused(message in message(), at: prop::sample::Index, change in 1u8..) {
        let (key, src, dst) = (key(), ROUTER_LINK_LOCAL, Ipv6Addr::LOCALHOST);
        let mut octets = mh::encode(&message, src, dst, Some(seal(&key))).expect("lists are short");
        let at = at.index(octets.len());
        octets[at] ^= change;
        // The checksum field is outside the MAC; the checksum itself sees to it.
        let refused = MhView::new_checked(&octets).map_or(true, |view| {
            !view.checksum_ok(src, dst) && ((4..6).contains(&at) || !view.verify(&key, src, dst))
        });
        prop_assert!(refused);
    }

    #[test]
    fn a_solicitation_is_read_back_as_it_was_written(
        source in addr(), mac: [u8; 6], mn_id in prop::option::of(nai()), sessions in vec((addr(), addr()), 0..=32),
    ) {
        let sllao = (!source.is_unspecified()).then_some(Mac(mac));
        let rs = RouterSolicit { source, sllao, mn_id, sessions };
        let octets = nd::router_solicit(&rs, nd::ALL_ROUTERS);
        prop_assert_eq!(octets.len() % 8, 0);
        prop_assert_eq!(nd::parse(source, nd::ALL_ROUTERS, 255, &octets), Ok(Icmp6::RouterSolicit(rs)));
    }

    #[test]
    fn an_advertisement_is_read_back_as_it_was_written(
        router_lifetime: u16, mtu: u32, assigned in prop::option::of(addr()), rdnss in vec(addr(), 0..4),
        prefixes in vec((any::<u64>(), any::<u32>(), any::<u32>()), 0..17),
    ) {
        let prefixes = prefixes.into_iter().map(|(upper, valid, preferred)| {
            PrefixInfo { prefix: Ipv6Addr::from_bits(u128::from(upper) << 64), valid, preferred }
        });
        let ra = RouterAdvert { router_lifetime, mtu, prefixes: prefixes.collect(), rdnss, assigned };
        let octets = nd::router_advert(&ra, ROUTER_LINK_LOCAL, nd::ALL_NODES);
        prop_assert_eq!(nd::parse_router_advert(ROUTER_LINK_LOCAL, nd::ALL_NODES, 255, &octets), Ok(ra));
    }

    #[test]
    fn the_checksum_is_the_one_etherparse_computes(src in addr(), dst in addr(), next_header: u8, payload in vec(any::<u8>(), 0..1500)) {
        let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let sum = etherparse::checksum::Sum16BitWords::new()
            .add_slice(&src.octets())
            .add_slice(&dst.octets())
            .add_slice(&len)
            .add_slice(&[0, 0, 0, next_header])
            .add_slice(&payload);
        prop_assert_eq!(ip6::checksum(src, dst, next_header, &payload), sum.ones_complement().to_be());
    }

    #[test]
    fn arbitrary_octets_panic_nowhere(octets in vec(any::<u8>(), 0..300), hop_limit in prop_oneof![Just(255), Just(1), any::<u8>()]) {
        read_all(&octets, hop_limit);
    }

    #[test]
    fn octets_that_begin_like_a_message_panic_nowhere(
        mh_type in prop_oneof![Just(5u8), Just(6), Just(7), Just(13), any::<u8>()],
        flags: [u8; 2], units in 0u8..40, rest in vec(prop_oneof![Just(8u8), Just(18), Just(22), Just(68), any::<u8>()], 400),
    ) {
        let mut octets = vec![59, units, mh_type, 0, 0, 0, flags[0], flags[1], flags[0] | 0x82];
        octets.extend_from_slice(&rest);
        octets.truncate((usize::from(units) + 1) * 8);
        read_all(&octets, 255);
    }

    #[test]
    fn mutated_vectors_panic_nowhere(
        which: prop::sample::Index, cut: prop::sample::Index,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), grown in vec(any::<u8>(), 0..9),
    ) {
        let Vector { mut octets, .. } = all().swap_remove(which.index(all().len()));
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        read_all(&octets, 255);
        octets.extend_from_slice(&grown);
        read_all(&octets, 1);
        octets.truncate(cut.index(octets.len() + 1));
        read_all(&octets, 255);
    }
}

/// Every decoder of the crate on the same octets, past its checksum too.
fn read_all(octets: &[u8], hop_limit: u8) {
    let (src, dst) = (ROUTER_LINK_LOCAL, nd::ALL_NODES);
    let _ = EthHeader::parse(octets)
        .map(|eth| Ip6View::new_checked(&octets[eth.len..]).map(|p| p.upper()));
    if let Ok(packet) = Ip6View::new_checked(octets) {
        if let Ok(upper) = packet.upper() {
            assert!(upper.offset <= packet.octets().len());
        }
        let _ = (
            packet.src(),
            packet.dst(),
            packet.traffic_class(),
            packet.flow_label(),
            packet.payload(),
        );
    }
    let _ = nd::icmp_error(1, 0, 0, octets, src, dst);
    read_mobility(octets, src, dst);
    let mut icmp = octets.to_vec();
    if let Some(field) = icmp.get_mut(2..4) {
        field.fill(0);
        let checksum = ip6::checksum(src, dst, ip6::ICMPV6, &icmp);
        icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    for octets in [octets, &icmp] {
        let _ = nd::parse(src, dst, hop_limit, octets);
        let _ = nd::parse_router_advert(src, dst, hop_limit, octets);
    }
}

fn read_mobility(octets: &[u8], src: Ipv6Addr, dst: Ipv6Addr) {
    let mut whole = octets.to_vec();
    whole.resize(octets.len().clamp(8, 2048).next_multiple_of(8), 0);
    (whole[0], whole[1]) = (59, (whole.len() / 8 - 1) as u8);
    for octets in [octets, &whole] {
        let Ok(view) = MhView::new_checked(octets) else { continue };
        let _ = (view.mh_type(), view.checksum_ok(src, dst), view.spi(), view.mesg_id());
        assert!(!view.verify(&key(), src, dst), "made without the key");
        if let Ok(message) = view.parse() {
            // What can be read can be said again, in our order and alignment.
            let again = mh::encode(&message, src, dst, None);
            assert!(
                again.is_err()
                    || again.is_ok_and(
                        |octets| MhView::new_checked(&octets).unwrap().parse() == Ok(message)
                    )
            );
        }
    }
}
