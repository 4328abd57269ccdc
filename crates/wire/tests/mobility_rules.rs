// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a receiver takes and refuses: the grammar of PROTOCOL.md 3.3, flags by R-38, malformed messages by R-39.

mod common;

use common::{key, mobility, named, seal};
use std::net::Ipv6Addr;
use wire::addr::Nai;
use wire::mh::{
    self, AskGroup, CnPlace, Ddba, Ddbu, Heartbeat, Malformed, Message, MhView, ParseError,
    Refusal, Sdba, Sdbu, Serving, Status, TellGroup, TooLong,
};
use wire::time::AttachTime;

const A3: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa3);
const B2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xb2);
const HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa);
const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb);

const BU: u8 = 5;
const BA: u8 = 6;

/// An MH of that type with what follows its checksum; Pad1 fills it up.
fn octets(mh_type: u8, fields: &[u8], options: &[&[u8]]) -> Vec<u8> {
    let mut mh = vec![59, 0, mh_type, 0, 0, 0];
    mh.extend_from_slice(fields);
    options.iter().for_each(|option| mh.extend_from_slice(option));
    mh.resize(mh.len().next_multiple_of(8), 0);
    mh[1] = (mh.len() / 8 - 1) as u8;
    mh
}

fn parse(mh: &[u8]) -> Result<Message, ParseError> {
    MhView::new_checked(mh).expect("the length is right").parse()
}

fn sdbu(options: &[&[u8]]) -> Result<Message, ParseError> {
    parse(&octets(BU, &[0, 7, 0x82, 0, 0, 23], options))
}

fn ddbu(options: &[&[u8]]) -> Result<Message, ParseError> {
    parse(&octets(BU, &[0, 7, 0x83, 0, 0, 150], options))
}

fn sdba(options: &[&[u8]]) -> Result<Message, ParseError> {
    parse(&octets(BA, &[0, 0x20, 0, 7, 0, 23], options))
}

fn ddba(options: &[&[u8]]) -> Result<Message, ParseError> {
    parse(&octets(BA, &[0, 0x30, 0, 7, 0, 150], options))
}

const MN_ID: &[u8] = &[8, 4, 1, b'a', b'@', b'b'];
const TIME: &[u8] = &[27, 8, 0, 0, 0x69, 0x55, 0xb9, 0, 0, 0];
const MESG_ID: &[u8] = &[10, 8, 0xed, 0, 0x37, 0x80, 0, 0, 0, 0];
const AUTH: &[u8] = &[9, 21, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn with_address(head: &[u8], addr: Ipv6Addr) -> Vec<u8> {
    [head, &addr.octets()].concat()
}

fn hnp() -> Vec<u8> {
    with_address(&[22, 18, 0, 128], HOA)
}

fn cn() -> Vec<u8> {
    with_address(&[18, 18, 1, 128], CN)
}

fn smaar() -> Vec<u8> {
    with_address(&[68, 16], B2)
}

fn misplaced(result: Result<Message, ParseError>) -> u8 {
    match result {
        Err(ParseError::Malformed(Malformed::Misplaced { kind, .. })) => kind,
        other => panic!("not misplaced: {other:?}"),
    }
}

fn mn_id() -> Nai {
    Nai::new("a@b").expect("an NAI")
}

fn the_sdbu() -> Message {
    let groups = vec![AskGroup { hoa: HOA, cns: vec![CN] }];
    let attach_time = Some(AttachTime(0x6955_b900_0000));
    Message::Sdbu(Sdbu { seq: 7, lifetime: 23, mn_id: mn_id(), attach_time, groups, cursor: None })
}

#[test]
fn options_outside_groups_come_in_any_order_and_unknown_ones_are_skipped() {
    let (hnp, cn) = (hnp(), cn());
    assert_eq!(sdbu(&[&hnp, &cn, TIME, MESG_ID, MN_ID]), Ok(the_sdbu()));
    assert_eq!(sdbu(&[TIME, &hnp, MESG_ID, &cn, MN_ID, AUTH]), Ok(the_sdbu()));
    assert_eq!(sdbu(&[&[200, 1, 9], MN_ID, &hnp, &[18, 2, 9, 9], &cn, TIME]), Ok(the_sdbu()));
}

#[test]
fn options_another_message_would_use_are_skipped() {
    let cursor = [&[18, 34, 2, 0][..], &[1; 32]].concat();
    let (hnp, smaar) = (hnp(), smaar());
    let expected = Message::Ddbu(Ddbu {
        seq: 7,
        lifetime: 150,
        attach_time: None,
        hoa: HOA,
        serving: B2,
        cns: vec![],
    });
    assert_eq!(ddbu(&[MN_ID, &hnp, &cursor, &smaar, &[28, 4, 0, 0, 0, 1]]), Ok(expected));
}

#[test]
fn the_serving_maar_of_a_ddbu_may_follow_its_cns() {
    let (hnp, cn, smaar) = (hnp(), cn(), smaar());
    assert_eq!(ddbu(&[&hnp, &cn, &smaar]), ddbu(&[&hnp, &smaar, &cn]));
    assert!(ddbu(&[&hnp, &smaar, &cn]).is_ok());
}

#[test]
fn a_cn_or_serving_maar_without_its_head_is_misplaced() {
    let (hnp, cn, smaar) = (hnp(), cn(), smaar());
    assert_eq!(misplaced(sdbu(&[MN_ID, &cn, &hnp])), 18);
    assert_eq!(misplaced(sdbu(&[MN_ID, &hnp, &cn, &smaar])), 68);
    assert_eq!(misplaced(sdba(&[MN_ID, &hnp, &smaar, &cn])), 68);
    assert_eq!(misplaced(sdba(&[MN_ID, &hnp, &cn, &smaar, &smaar])), 68);
    assert_eq!(misplaced(ddbu(&[&smaar, &hnp])), 68);
    assert_eq!(misplaced(ddbu(&[&hnp, &smaar, &cn, &smaar])), 68);
    assert_eq!(misplaced(ddba(&[&cn, &hnp])), 18);
    assert_eq!(misplaced(ddba(&[&hnp, &smaar])), 68);
    assert_eq!(misplaced(ddba(&[&smaar])), 68);
}

#[test]
fn an_sdba_tells_a_place_for_every_cn_and_a_cn_for_every_hoa() {
    let (hnp, cn, smaar) = (hnp(), cn(), smaar());
    assert_eq!(misplaced(sdba(&[MN_ID, &hnp, &cn, &cn, &smaar])), 18);
    assert_eq!(misplaced(sdba(&[MN_ID, &hnp, &cn, &smaar, &hnp])), 22);
    assert!(sdba(&[MN_ID, &hnp, &cn, &smaar, &cn, &smaar]).is_ok());
}

#[test]
fn a_second_single_option_is_misplaced_and_so_is_all_behind_auth() {
    let (hnp, smaar) = (hnp(), smaar());
    let cursor = [&[18, 34, 2, 0][..], &[1; 32]].concat();
    for single in [MN_ID, TIME, MESG_ID, &cursor[..]] {
        assert_eq!(misplaced(sdbu(&[MN_ID, single, single])), single[0], "{single:?}");
    }
    assert_eq!(misplaced(sdbu(&[MN_ID, AUTH, AUTH])), 9);
    assert_eq!(misplaced(sdbu(&[AUTH, MN_ID])), 8);
    assert_eq!(misplaced(sdbu(&[MN_ID, AUTH, &[200, 0]])), 200);
    assert_eq!(misplaced(ddbu(&[&hnp, &smaar, &hnp])), 22);
    assert_eq!(misplaced(ddba(&[&hnp, &hnp])), 22);
}

#[test]
fn a_missing_mn_id_hoa_or_serving_maar_is_answered_by_status() {
    let refused = |source, status| Err(ParseError::Refused(Refusal { source, seq: 7, status }));
    assert_eq!(sdbu(&[TIME]), refused(true, Status::MN_ID_MISSING));
    assert_eq!(sdbu(&[&[8, 2, 2, 1]]), refused(true, Status::MN_ID_MISSING), "subtype 2 is no NAI");
    assert_eq!(ddbu(&[TIME]), refused(false, Status::HOA_MISSING));
    assert_eq!(ddbu(&[TIME, &hnp()]), refused(false, Status::PROHIBITED));
}

#[test]
fn a_pmipv6_pbu_is_told_that_this_is_no_lma_whatever_else_it_holds() {
    let handoff = [23, 2, 0, 1];
    let technology = [24, 2, 0, 4];
    let any_prefix = with_address(&[22, 18, 0, 0], Ipv6Addr::UNSPECIFIED);
    let refused =
        |source| Err(ParseError::Refused(Refusal { source, seq: 7, status: Status::NOT_PROXY }));
    assert_eq!(sdbu(&[MN_ID, &any_prefix, &handoff, &technology, TIME]), refused(true));
    assert_eq!(sdbu(&[&technology]), refused(true));
    assert_eq!(ddbu(&[&hnp(), &handoff]), refused(false));
    let overrun = ParseError::Malformed(Malformed::OptionOverrun { kind: 27, at: 16 });
    assert_eq!(sdbu(&[&handoff, &[27, 80]]), Err(overrun));
}

#[test]
fn a_message_without_d_is_not_ours() {
    assert_eq!(parse(&octets(BU, &[0, 7, 0x80, 0, 0, 23], &[])), Err(ParseError::NotRomip));
    assert_eq!(parse(&octets(BU, &[0, 7, 0xf1, 0, 0, 23], &[])), Err(ParseError::NotRomip));
    assert_eq!(parse(&octets(BA, &[0, 0x10, 0, 7, 0, 23], &[])), Err(ParseError::NotRomip));
}

#[test]
fn d_with_a_flag_of_another_protocol_is_refused_and_reserved_bits_are_ignored() {
    let bu = |flags: u16| {
        let [high, low] = flags.to_be_bytes();
        parse(&octets(BU, &[0, 7, high, low, 0, 23], &[MN_ID]))
    };
    for foreign in [0x4000, 0x2000, 0x1000, 0x0800, 0x0400] {
        let flags = 0x8200 | foreign;
        assert_eq!(bu(flags), Err(Malformed::Flags(flags).into()), "{foreign:#x}");
    }
    assert_eq!(bu(0x82ff), bu(0x8200));
    assert_eq!(bu(0x0200), bu(0x8200), "A is not asked for");

    let ba = |flags: u8| parse(&octets(BA, &[0, flags, 0, 7, 0, 23], &[MN_ID]));
    for foreign in [0x80, 0x40] {
        assert_eq!(ba(0x20 | foreign), Err(Malformed::Flags(0x20 | u16::from(foreign)).into()));
    }
    assert_eq!(ba(0x2f), ba(0x20));
    assert!(ba(0x20).is_ok());
}

#[test]
fn header_len_must_be_the_payloads_length() {
    let right = octets(BU, &[0, 7, 0x82, 0, 0, 23], &[MN_ID]);
    let check = |mh: &[u8]| MhView::new_checked(mh).map(|view| view.mh_type());
    assert_eq!(check(&right), Ok(BU));
    let mut long = right.clone();
    long[1] = 255;
    assert_eq!(check(&long), Err(Malformed::Length { header_len: 2048, got: right.len() }));
    let padded = [&right[..], &[0; 8]].concat();
    assert_eq!(check(&padded), Err(Malformed::Length { header_len: 24, got: 32 }));
    for cut in 8..right.len() {
        assert_eq!(check(&right[..cut]), Err(Malformed::Length { header_len: 24, got: cut }));
    }
    for cut in 0..8 {
        assert_eq!(check(&right[..cut]), Err(Malformed::Short { got: cut, needed: 8 }));
    }
    let mut tcp = right;
    tcp[0] = 6;
    assert_eq!(check(&tcp), Err(Malformed::PayloadProto(6)));
}

#[test]
fn a_message_shorter_than_its_type_is_malformed_and_an_unknown_type_is_named() {
    for (mh_type, needed) in [(BU, 12), (BA, 12), (13, 12), (7, 24)] {
        let short = Malformed::Short { got: 8, needed };
        assert_eq!(parse(&octets(mh_type, &[0, 0], &[])), Err(short.into()), "{mh_type}");
    }
    for mh_type in [0, 1, 4, 8, 200, 255] {
        let unknown = Err(ParseError::UnknownType(mh_type));
        assert_eq!(parse(&octets(mh_type, &[0, 0], &[])), unknown);
    }
}

#[test]
fn an_option_of_impossible_length_or_prefix_is_malformed() {
    let mut narrow = hnp();
    narrow[3] = 129;
    for option in [
        &[8, 0][..],
        &[27, 7, 0, 0, 0, 0, 0, 0, 0],
        &[10, 0],
        &[9, 4, 1, 0, 0, 0],
        &narrow,
        &[18, 0],
    ] {
        let bad = Malformed::BadOption { kind: option[0], at: 12 };
        assert_eq!(sdbu(&[option, MN_ID]), Err(bad.into()), "{option:?}");
    }
    let overrun = Malformed::OptionOverrun { kind: 8, at: 12 };
    assert_eq!(sdbu(&[&[8, 255, 1, b'a']]), Err(overrun.into()));
}

#[test]
fn a_heartbeat_without_restart_counter_or_with_unknown_flags_is_read() {
    let quiet =
        Heartbeat { unsolicited: false, response: true, seq: 0x0102_0304, restart_counter: None };
    let bits = [0xff, 0xfd, 1, 2, 3, 4];
    assert_eq!(parse(&octets(13, &bits, &[])), Ok(Message::Heartbeat(quiet.clone())));
    let counted = Heartbeat { restart_counter: Some(9), ..quiet };
    assert_eq!(parse(&octets(13, &bits, &[&[28, 4, 0, 0, 0, 9]])), Ok(Message::Heartbeat(counted)));
}

#[test]
fn a_heartbeat_is_written_with_its_options_aligned() {
    let heartbeat =
        Heartbeat { unsolicited: true, response: false, seq: 5, restart_counter: Some(9) };
    let message = Message::Heartbeat(heartbeat);
    let plain = mh::encode(&message, A3, B2, None).expect("fits");
    assert_eq!(plain[6..], [0, 2, 0, 0, 0, 5, 1, 0, 28, 4, 0, 0, 0, 9, 1, 2, 0, 0]);
    let key = key();
    let sealed = mh::encode(&message, A3, B2, Some(seal(&key))).expect("fits");
    assert_eq!(sealed[16..28], [0, 0, 10, 8, 0xed, 0, 0x37, 0x80, 0x40, 0, 0, 0]);
    assert_eq!(sealed[28..36], [1, 0, 28, 4, 0, 0, 0, 9]);
    let view = MhView::new_checked(&sealed).expect("valid");
    assert!(view.verify(&key, A3, B2));
    assert_eq!(view.parse(), Ok(message));
}

#[test]
fn a_binding_error_names_no_home_address() {
    let message = Message::BindingError(2);
    let octets = mh::encode(&message, A3, B2, None).expect("fits");
    assert_eq!(
        (octets.len(), &octets[..4], &octets[6..]),
        (24, &[59, 2, 7, 0][..], &[&[2, 0][..], &[0; 16]].concat()[..])
    );
    assert_eq!(parse(&octets), Ok(message));
}

#[test]
fn a_list_that_header_len_cannot_say_is_refused_with_its_length() {
    let message = |sessions: usize| {
        let sessions = vec![Serving { cn: CN, maar: B2 }; sessions];
        Message::Sdba(Sdba {
            status: Status::ACCEPTED,
            seq: 1,
            lifetime: 1,
            mn_id: None,
            attach_time: None,
            groups: vec![TellGroup { hoa: HOA, sessions }],
        })
    };
    // 12, the HoA to 36, each CN 24 and Serving MAAR 24 with its padding.
    for sessions in 1..60 {
        let len = mh::encoded_len(&message(sessions), false);
        let octets = mh::encode(&message(sessions), A3, B2, None);
        match octets {
            Ok(octets) => assert_eq!(octets.len(), len),
            Err(e) => assert_eq!(e, TooLong { len }),
        }
        assert_eq!(len > 2048, mh::encode(&message(sessions), A3, B2, None).is_err(), "{sessions}");
    }
}

#[test]
fn what_has_no_head_is_not_written() {
    let nothing = TellGroup { hoa: HOA, sessions: vec![] };
    let (status, attach_time) = (Status::HOA_MISSING, None);
    let sdba =
        Sdba { status, seq: 1, lifetime: 0, mn_id: None, attach_time, groups: vec![nothing] };
    let octets = mh::encode(&Message::Sdba(sdba.clone()), A3, B2, None).expect("fits");
    assert_eq!(parse(&octets), Ok(Message::Sdba(Sdba { groups: vec![], ..sdba })));
    let cns = vec![CnPlace { cn: CN, moved_to: None }];
    let ddba = Ddba { status, seq: 1, lifetime: 0, attach_time, hoa: None, cns };
    let octets = mh::encode(&Message::Ddba(ddba.clone()), A3, B2, None).expect("fits");
    assert_eq!(parse(&octets), Ok(Message::Ddba(Ddba { cns: vec![], ..ddba })));
}

#[test]
fn auth_must_end_the_message_and_have_subtype_one() {
    let v = named("sDBU");
    let (src, dst) = v.ends();
    let mut padded = v.octets.clone();
    padded.extend_from_slice(&[1, 6, 0, 0, 0, 0, 0, 0]);
    padded[1] += 1;
    let view = MhView::new_checked(&padded).expect("the length is right");
    assert_eq!((view.spi(), view.verify(&key(), src, dst)), (None, false));
    for v in mobility().iter().filter(|v| v.is_sealed()) {
        let mut octets = v.octets.clone();
        let subtype = octets.len() - 21;
        octets[subtype] = 2;
        assert_eq!(MhView::new_checked(&octets).expect("as long").spi(), None, "{}", v.name);
    }
}
