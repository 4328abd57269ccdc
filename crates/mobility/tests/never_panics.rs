// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random inputs, valid, mutated and made of nothing, in random states: no panic, no deadline that stays, no message to
//! anybody but a peer, the same outputs each time; and when every lifetime is over nothing is left but leases.

mod common;

use common::forge;
use common::world::*;
use common::{NEW_YEAR, secs};
use mobility::{AaaAnswer, Input, Maar, Output, Place};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::mh::{
    AskGroup, CnPlace, Ddba, Ddbu, Message, MhView, Sdba, Sdbu, Seal, Serving, Status, TellGroup,
};
use wire::nd::RouterSolicit;
use wire::time::{AttachTime, Instant, MesgId, Now};

/// The MAAR under test; the others are only names.
const OWN: Ipv6Addr = A2;

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
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
enum Damage {
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
        1 => Just(AaaAnswer::Refused { code: 5003 }),
        1 => Just(AaaAnswer::Unavailable),
    ]
}

fn act() -> impl Strategy<Value = Act> {
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

/// The MAAR, and what is known of it from outside.
struct Bench {
    maar: Maar,
    now: Instant,
    requests: Vec<u64>,
    /// The last request sent to each peer: number and attach time.
    asked: BTreeMap<Ipv6Addr, Message>,
    places: BTreeMap<Prefix64, Place>,
    outputs: Vec<Output>,
}

impl Bench {
    fn new() -> Bench {
        let mut config = config(OWN);
        config.event_only_ports = vec![2];
        Bench {
            maar: Maar::new(config),
            now: Instant(0),
            requests: Vec::new(),
            asked: BTreeMap::new(),
            places: BTreeMap::new(),
            outputs: Vec::new(),
        }
    }

    fn time(&self) -> Now {
        Now { mono: self.now, wall: NEW_YEAR + (self.now - Instant(0)) }
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = self.time();
        self.maar.handle(now, input);
        for _ in 0..10_000 {
            let Some(output) = self.maar.poll_output() else {
                let next = self.maar.deadline();
                assert!(next.is_none_or(|next| next > self.now), "a deadline that stays");
                return;
            };
            self.look_at(&output);
            self.outputs.push(output);
        }
        panic!("outputs without end");
    }

    fn look_at(&mut self, output: &Output) {
        match output {
            Output::AaaRequest(request) => self.requests.push(request.id),
            Output::Mh { dst, octets } => {
                assert!(MAARS.contains(dst) && *dst != OWN, "to {dst}");
                let view = MhView::new_checked(octets).expect("well formed");
                assert!(view.verify(&key(), OWN, *dst) && octets.len() <= wire::mh::MAX_LEN);
                let message = view.parse().expect("readable");
                if matches!(message, Message::Sdbu(_) | Message::Ddbu(_)) {
                    self.asked.insert(*dst, message);
                }
            }
            Output::Place { prefix, place } => {
                assert!(
                    self.places.insert(*prefix, *place) != Some(*place),
                    "told twice: {place:?}"
                );
                let Place::Behind { maar, .. } = place else { return };
                assert!(MAARS.contains(maar) && *maar != OWN, "behind {maar}");
            }
            _ => (),
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.maar.deadline().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.handle(Input::Timeout);
        }
        self.now = end;
    }

    fn play(&mut self, act: &Act) {
        match act {
            Act::Attach { user, port, mn_id } => {
                let mn_id = mn_id.map(User::nai);
                self.handle(Input::L2Attach { port: *port, mac: user.mac(), mn_id });
            }
            Act::Detach(user) => self.handle(Input::L2Detach { mac: user.mac() }),
            Act::Solicit { user, name, sessions } => {
                let rs = RouterSolicit {
                    source: user.link_local(),
                    sllao: Some(user.mac()),
                    mn_id: name.map(User::nai),
                    sessions: sessions.clone(),
                };
                self.handle(Input::RouterSolicit { port: 1, mac: user.mac(), rs });
            }
            Act::Frame { user, source } => {
                self.handle(Input::StationFrame { port: 1, mac: user.mac(), source: *source });
            }
            Act::Session(hoa, cn) => self.handle(Input::Session { hoa: *hoa, cn: *cn }),
            Act::Aaa { which, answer } => {
                if !self.requests.is_empty() {
                    let id = self.requests.remove(which % self.requests.len());
                    self.handle(Input::Aaa { id, answer: answer.clone() });
                }
            }
            Act::Mh { from, message, damage } => {
                let octets = self.octets(*from, message.clone(), damage);
                self.handle(Input::Mh { src: *from, octets: &octets });
            }
            Act::Octets { from, octets } => self.handle(Input::Mh { src: *from, octets }),
            Act::Pass(span) => self.pass(*span),
        }
    }

    fn octets(&self, from: Ipv6Addr, mut message: Message, damage: &Damage) -> Vec<u8> {
        if let (Damage::Fitting, Some(asked)) = (damage, self.asked.get(&from)) {
            fit(&mut message, asked);
        }
        let key = key();
        let mesg_id = MesgId::from_unix(self.time().wall);
        let seal = (!matches!(damage, Damage::Unsealed)).then_some(Seal { mesg_id, key: &key });
        let mut octets = wire::mh::encode(&message, from, OWN, seal).expect("short enough");
        if let Damage::Octet { at, mask, repair } = damage {
            let at = at % octets.len();
            octets[at] ^= mask;
            if *repair {
                forge::repair(&mut octets, from, OWN);
            }
        }
        octets
    }

    /// No user, no peer, no AAA any more; then every lifetime passes.
    fn let_all_end(&mut self) {
        // An exchange that is never answered fails after 63 s, HOLD takes 92 s; the AAA has nobody any more.
        for _ in 0..200 {
            for id in std::mem::take(&mut self.requests) {
                self.handle(Input::Aaa { id, answer: AaaAnswer::Refused { code: 5030 } });
            }
            self.pass(secs(1));
        }
        for user in USERS {
            self.handle(Input::L2Detach { mac: user.mac() });
        }
        // T_DETACH, then the longest binding a peer may have been granted.
        self.pass(secs(600 + 1_100));
    }
}

/// Makes an answer one to what was asked; a request is left alone.
fn fit(message: &mut Message, asked: &Message) {
    match (message, asked) {
        (Message::Sdba(m), Message::Sdbu(asked)) => {
            (m.seq, m.attach_time, m.mn_id) =
                (asked.seq, asked.attach_time, Some(asked.mn_id.clone()));
        }
        (Message::Ddba(m), Message::Ddbu(asked)) => {
            (m.seq, m.attach_time, m.hoa) = (asked.seq, asked.attach_time, Some(asked.hoa));
        }
        (Message::Sdbu(m), _) if m.groups.is_empty() => m.cursor = None,
        (Message::Ddbu(m), _) => m.serving = A3,
        _ => (),
    }
}

proptest! {
    // A failing input is printed whole and becomes a test of its own.
    #![proptest_config(ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_nothing_panics_and_nothing_outlives_its_lifetime(acts in vec(act(), 1..80)) {
        let mut bench = Bench::new();
        acts.iter().for_each(|act| bench.play(act));
        bench.let_all_end();
        let names: Vec<Nai> = bench.maar.mns().into_iter().map(|mn| mn.mn_id).collect();
        prop_assert!(names.is_empty(), "records of {:?}: {:?}", names, bench.maar.mns());
        let lists = bench.maar.bindings(bench.time());
        prop_assert!(lists.is_empty(), "{:?}", lists);
        prop_assert_eq!(bench.maar.deadline(), None);
        let left = bench.places.iter().find(|(_, place)| !matches!(place, Place::Absent | Place::Unknown));
        prop_assert!(left.is_none(), "{:?}", left);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(acts in vec(act(), 1..60)) {
        let run = || {
            let mut bench = Bench::new();
            acts.iter().for_each(|act| bench.play(act));
            bench.outputs
        };
        prop_assert_eq!(run(), run());
    }
}
