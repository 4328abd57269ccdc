// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What may happen to a MAAR, at random: few users, MAARs, numbers and times, so that they meet.

use crate::common::NEW_YEAR;
use crate::common::world::*;
use mobility::AaaAnswer;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{AskGroup, CnPlace, Ddba, Ddbu, Message, Sdba, Sdbu, Serving, Status, TellGroup};
use wire::time::AttachTime;

/// What happens next.
#[derive(Clone, Debug)]
pub enum Act {
    Attach {
        user: User,
        port: u8,
        mn_id: Option<User>,
    },
    Detach(User),
    Solicit {
        user: User,
        name: Option<User>,
        sessions: Vec<(Ipv6Addr, Ipv6Addr)>,
    },
    Frame {
        user: User,
        source: Option<Ipv6Addr>,
    },
    Session(Ipv6Addr, Ipv6Addr),
    /// To one of the requests under way, by its place among them.
    Aaa {
        which: usize,
        answer: AaaAnswer,
    },
    Mh {
        from: Ipv6Addr,
        message: Message,
        damage: Damage,
    },
    Octets {
        from: Ipv6Addr,
        octets: Vec<u8>,
    },
    Pass(Duration),
}

#[derive(Clone, Debug)]
pub enum Damage {
    None,
    /// Number and attach time are made those of the last request to that peer, so that answers fit.
    Fitting,
    Unsealed,
    Octet {
        at: usize,
        mask: u8,
        repair: bool,
    },
}

fn user() -> impl Strategy<Value = User> {
    (0..USERS.len()).prop_map(|n| USERS[n])
}

fn maar() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![8 => (0..MAARS.len()).prop_map(|n| MAARS[n]), 1 => Just(STRANGER), 1 => Just(Ipv6Addr::UNSPECIFIED)]
}

fn address() -> impl Strategy<Value = Ipv6Addr> {
    let leased = (user(), 0..MAARS.len()).prop_map(|(user, n)| user.hoa(MAARS[n]));
    let odd = prop_oneof![Just(A1), Just(Ipv6Addr::UNSPECIFIED), Just(A.link_local())];
    prop_oneof![12 => leased, 1 => odd, 1 => any::<u128>().prop_map(Ipv6Addr::from_bits)]
}

/// Few different ones, so that equal, older and newer all happen.
fn time() -> impl Strategy<Value = AttachTime> {
    let now = AttachTime::from_unix(NEW_YEAR).0;
    prop_oneof![9 => (0..6u64).prop_map(move |n| AttachTime(now + n)), 1 => any::<u64>().prop_map(AttachTime)]
}

fn number() -> impl Strategy<Value = u16> {
    prop_oneof![3 => 0..4u16, 1 => any::<u16>()]
}

fn status() -> impl Strategy<Value = Status> {
    let known = prop_oneof![Just(4), Just(129), Just(135), Just(144), Just(153), Just(157)];
    prop_oneof![6 => Just(0), 6 => known, 1 => any::<u8>()].prop_map(Status)
}

fn message() -> impl Strategy<Value = Message> {
    let cns = || vec(address(), 0..4);
    let ask = (address(), cns()).prop_map(|(hoa, cns)| AskGroup { hoa, cns });
    let serving = || (address(), maar()).prop_map(|(cn, maar)| Serving { cn, maar });
    let tell =
        (address(), vec(serving(), 1..4)).prop_map(|(hoa, sessions)| TellGroup { hoa, sessions });
    let cn_place = (address(), proptest::option::of(maar()))
        .prop_map(|(cn, moved_to)| CnPlace { cn, moved_to });
    let time = || proptest::option::weighted(0.9, time());
    let life = || prop_oneof![1 => Just(0), 3 => 1..200u16, 1 => any::<u16>()];
    let pair = proptest::option::weighted(0.1, (address(), address()));
    prop_oneof![
        (number(), life(), user(), time(), vec(ask, 0..3), pair).prop_map(
            |(seq, lifetime, user, attach_time, groups, cursor)| Message::Sdbu(Sdbu {
                seq,
                lifetime,
                mn_id: user.nai(),
                attach_time,
                groups,
                cursor,
            })
        ),
        (status(), number(), life(), user(), time(), vec(tell, 0..3)).prop_map(
            |(status, seq, lifetime, user, attach_time, groups)| Message::Sdba(Sdba {
                status,
                seq,
                lifetime,
                mn_id: Some(user.nai()),
                attach_time,
                groups,
            })
        ),
        (number(), life(), time(), address(), maar(), cns()).prop_map(
            |(seq, lifetime, attach_time, hoa, serving, cns)| Message::Ddbu(Ddbu {
                seq,
                lifetime,
                attach_time,
                hoa,
                serving,
                cns,
            })
        ),
        (status(), number(), life(), time(), address(), vec(cn_place, 0..4)).prop_map(
            |(status, seq, lifetime, attach_time, hoa, cns)| Message::Ddba(Ddba {
                status,
                seq,
                lifetime,
                attach_time,
                hoa: Some(hoa),
                cns,
            })
        ),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => Just(Damage::None),
        6 => Just(Damage::Fitting),
        1 => Just(Damage::Unsealed),
        2 => (any::<usize>(), 1..=255u8, any::<bool>())
            .prop_map(|(at, mask, repair)| Damage::Octet { at, mask, repair }),
    ]
}

fn answer() -> impl Strategy<Value = AaaAnswer> {
    let granted =
        (maar(), proptest::option::weighted(0.8, time()), proptest::option::weighted(0.1, user()))
            .prop_map(|(previous, attach_time, user)| AaaAnswer::Granted {
                previous,
                attach_time,
                mn_id: user.map(User::nai),
            });
    prop_oneof![
        8 => granted,
        1 => Just(AaaAnswer::Refused { code: 5003, current: None }),
        1 => Just(AaaAnswer::Unavailable),
    ]
}

/// Anything.
pub fn act() -> impl Strategy<Value = Act> {
    let pass = prop_oneof![
        4 => 0..2_000u64, 2 => 2_000..100_000u64, 1 => 100_000..700_000u64,
    ];
    let peer = || (0..MAARS.len()).prop_map(|n| MAARS[n]);
    prop_oneof![
        4 => (user(), 0..3u8, proptest::option::weighted(0.1, user()))
            .prop_map(|(user, port, mn_id)| Act::Attach { user, port, mn_id }),
        2 => user().prop_map(Act::Detach),
        2 => (user(), proptest::option::of(user()), vec((address(), address()), 0..30))
            .prop_map(|(user, name, sessions)| Act::Solicit { user, name, sessions }),
        2 => (user(), proptest::option::of(address()))
            .prop_map(|(user, source)| Act::Frame { user, source }),
        4 => (address(), address()).prop_map(|(hoa, cn)| Act::Session(hoa, cn)),
        6 => (any::<usize>(), answer()).prop_map(|(which, answer)| Act::Aaa { which, answer }),
        10 => (peer(), message(), damage())
            .prop_map(|(from, message, damage)| Act::Mh { from, message, damage }),
        1 => (maar(), vec(any::<u8>(), 0..64)).prop_map(|(from, octets)| Act::Octets { from, octets }),
        5 => pass.prop_map(|ms| Act::Pass(Duration::from_millis(ms))),
    ]
}
