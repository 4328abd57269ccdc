// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random inputs, valid, mutated and made of nothing, in random states: no panic, no deadline that stays, no message to
//! anybody but a peer, the same outputs each time; and when every lifetime is over nothing is left but leases.

mod acts;
#[path = "../common/mod.rs"]
mod common;

use acts::{Act, Damage, act};
use common::forge;
use common::world::*;
use common::{NEW_YEAR, secs};
use mobility::{AaaAnswer, Input, Maar, Output, Place};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::mh::{Message, MhView, Seal};
use wire::nd::RouterSolicit;
use wire::time::{Instant, MesgId, Now};

/// The MAAR under test; the others are only names.
const OWN: Ipv6Addr = A2;

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
                self.handle(Input::Aaa {
                    id,
                    answer: AaaAnswer::Refused { code: 5030, current: None },
                });
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

/// Plays the acts and lets every lifetime pass.
fn end_of(acts: &[Act]) -> Bench {
    let mut bench = Bench::new();
    acts.iter().for_each(|act| bench.play(act));
    bench.let_all_end();
    bench
}

/// Nothing but leases.
fn assert_empty(bench: &Bench) {
    assert_eq!(bench.maar.mns(), []);
    assert_eq!(bench.maar.bindings(bench.time()), []);
    assert_eq!(bench.maar.deadline(), None);
    let mut places = bench.places.values();
    assert!(
        places.all(|place| matches!(
            place,
            Place::Left { .. } | Place::Absent { .. } | Place::Unknown
        )),
        "{:?}",
        bench.places
    );
}

/// The AAA's answer to the request `which` of those under way: handed over by A_MAAR1, and so named.
fn named(which: usize, user: Option<User>) -> Act {
    let mn_id = user.map(User::nai);
    Act::Aaa { which, answer: AaaAnswer::Granted { previous: A1, attach_time: None, mn_id } }
}

fn attach(user: User, mn_id: Option<User>) -> Act {
    Act::Attach { user, port: 0, mn_id }
}

#[test]
fn a_station_the_aaa_names_while_it_goes_by_another_name_leaves_nothing() {
    assert_empty(&end_of(&[
        attach(C, None),
        attach(C, Some(A)),
        named(0, Some(B)),
        named(0, None),
    ]));
}

#[test]
fn two_stations_the_aaa_gives_one_name_leave_nothing() {
    let come = [C, E, B, A].map(|user| attach(user, None));
    let answers = [named(0, None), named(0, Some(A)), named(0, None), named(0, Some(B))];
    assert_empty(&end_of(&[come, answers].concat()));
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
        assert_empty(&end_of(&acts));
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
