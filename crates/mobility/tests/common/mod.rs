// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several MAARs, users and an AAA in virtual time: what one sends reaches the other after the link's delay, unless
//! the test's `fate` says otherwise. Everything sent is kept in `log`; what the data plane would do with a packet is
//! answered from the places each MAAR gave out. Read next: `log` (how a test reads what happened), `forward`.

// Each test program uses a part of this.
#![allow(dead_code)]

pub mod aaa;
pub mod forge;
pub mod forward;
pub mod log;
pub mod router;
pub mod story;
pub mod traffic;
pub mod vectors;
pub mod world;

use aaa::Aaa;
use log::{Node, SERVER, Sent, What};
use mobility::{Config, Input};
use router::Router;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use traffic::{Flying, Probe};
use wire::mh::{Message, Seal};
use wire::nd::RouterSolicit;
use wire::time::{Instant, MesgId, Now};
use world::{AAA, MAARS, User};

/// 2026-01-01T00:00:00Z, where virtual time begins unless a test says otherwise.
pub const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

/// When virtual time begins.
pub const START: Instant = Instant(0);

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What becomes of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    Arrive,
    Lose,
    /// This much later than the link alone would.
    Late(Duration),
    Twice,
}

enum Arrival {
    Message(Sent),
    Packet(Flying),
}

/// The domain.
pub struct Net {
    pub now: Instant,
    /// The wall clock at `now` 0.
    start: Duration,
    pub routers: BTreeMap<Ipv6Addr, Router>,
    pub aaa: Aaa,
    pub log: Vec<Sent>,
    pub probes: Vec<Probe>,
    /// Where each user is.
    at: BTreeMap<User, Ipv6Addr>,
    /// How far wall clocks are behind.
    behind: BTreeMap<Ipv6Addr, Duration>,
    delays: BTreeMap<(Ipv6Addr, Ipv6Addr), Duration>,
    delay: Duration,
    fate: Box<dyn FnMut(&Sent) -> Fate>,
    flying: BTreeMap<(Instant, u64), Arrival>,
    flown: u64,
}

impl Net {
    /// Setting G0, every link 1 ms.
    pub fn g0() -> Net {
        Net::new(NEW_YEAR, |_| ())
    }

    /// G0 with another wall clock, and with changes to the MAARs' configurations.
    pub fn new(start: Duration, change: impl Fn(&mut Config)) -> Net {
        let router = |maar| {
            let mut config = world::config(maar);
            change(&mut config);
            (maar, Router::new(config))
        };
        let mut net = Net {
            now: Instant(0),
            start,
            routers: MAARS.into_iter().map(router).collect(),
            aaa: Aaa::default(),
            log: Vec::new(),
            probes: Vec::new(),
            at: BTreeMap::new(),
            behind: BTreeMap::new(),
            delays: BTreeMap::new(),
            delay: ms(1),
            fate: Box::new(|_| Fate::Arrive),
            flying: BTreeMap::new(),
            flown: 0,
        };
        // A MAAR refuses what is older than itself.
        MAARS.into_iter().for_each(|maar| net.handle(maar, Input::Timeout));
        net
    }

    /// Every link that has no delay of its own takes this long.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// The link from one MAAR (or the AAA) to another, this way.
    pub fn set_link(&mut self, from: Ipv6Addr, to: Ipv6Addr, delay: Duration) {
        self.delays.insert((from, to), delay);
    }

    /// Decides what becomes of every message sent from now on.
    pub fn set_fate(&mut self, fate: impl FnMut(&Sent) -> Fate + 'static) {
        self.fate = Box::new(fate);
    }

    pub fn router(&self, maar: Ipv6Addr) -> &Router {
        &self.routers[&maar]
    }

    /// The MAAR's process ended, and another began that knows nothing.
    pub fn restart(&mut self, maar: Ipv6Addr) {
        self.routers.get_mut(&maar).expect("one of the six").restart();
        self.handle(maar, Input::Timeout);
    }

    pub fn time(&self) -> Now {
        Now { mono: self.now, wall: self.start + (self.now - Instant(0)) }
    }

    /// The user is at the MAAR's access port; nobody is told.
    pub fn put(&mut self, user: User, maar: Ipv6Addr) {
        self.at.insert(user, maar);
    }

    /// Where the user is.
    pub fn whereabouts(&self, user: User) -> Option<Ipv6Addr> {
        self.at.get(&user).copied()
    }

    /// The user comes to the MAAR and the access point says so.
    pub fn attach(&mut self, user: User, maar: Ipv6Addr) {
        self.put(user, maar);
        self.hand_in(user, maar, What::L2Attach);
    }

    /// The user comes to the MAAR and solicits, naming `sessions` (none: a plain RS).
    pub fn solicit(&mut self, user: User, maar: Ipv6Addr, sessions: &[(Ipv6Addr, Ipv6Addr)]) {
        self.put(user, maar);
        let draft = !sessions.is_empty();
        let rs = RouterSolicit {
            source: user.link_local(),
            sllao: Some(user.mac()),
            mn_id: draft.then(|| user.nai()),
            sessions: sessions.to_vec(),
        };
        self.hand_in(user, maar, What::Rs(rs));
    }

    /// The access point says the user went.
    pub fn detach(&mut self, user: User) {
        if let Some(maar) = self.at.remove(&user) {
            self.hand_in(user, maar, What::L2Detach);
        }
    }

    /// A frame of the user that counts for R-21.
    fn frame(&mut self, user: User, maar: Ipv6Addr, source: Ipv6Addr) {
        self.hand_in(user, maar, What::Frame(Some(source)));
    }

    fn hand_in(&mut self, user: User, maar: Ipv6Addr, what: What) {
        let (from, to) = (Node::User(user), Node::Router(maar));
        let sent = Sent { at: self.now, from, to, what };
        self.log.push(sent.clone());
        self.receive(sent);
    }

    /// Octets arrive at a MAAR now, whoever made them.
    pub fn inject(&mut self, from: Ipv6Addr, to: Ipv6Addr, octets: &[u8]) {
        let (from, to) = (Node::Router(from), Node::Router(to));
        let what = What::Mh(octets.to_vec());
        self.receive(Sent { at: self.now, from, to, what });
    }

    /// A message made now by whoever holds the key of `from` arrives at a MAAR.
    pub fn forge(&mut self, from: Ipv6Addr, to: Ipv6Addr, message: &Message) {
        let key = world::key();
        let seal = Seal { mesg_id: MesgId::from_unix(self.time().wall), key: &key };
        let octets = wire::mh::encode(message, from, to, Some(seal)).expect("short enough");
        self.inject(from, to, &octets);
    }

    /// Lets this much time pass.
    pub fn run(&mut self, span: Duration) {
        self.run_to(self.now + span);
    }

    /// Lets time pass until `end` after the start.
    pub fn run_until(&mut self, end: Duration) {
        self.run_to(Instant(0) + end);
    }

    fn run_to(&mut self, end: Instant) {
        while let Some(next) = self.next_time().filter(|&next| next <= end) {
            self.now = next;
            if let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= next
            {
                match entry.remove() {
                    Arrival::Message(sent) => self.receive(sent),
                    Arrival::Packet(packet) => self.fly_on(packet),
                }
                continue;
            }
            self.time_out(next);
        }
        self.now = end;
    }

    /// The next arrival or deadline; an arrival goes first.
    fn next_time(&self) -> Option<Instant> {
        let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
        let deadlines = self.routers.values().filter_map(|router| router.maar.deadline());
        deadlines.chain(arrival).min().map(|next| next.max(self.now))
    }

    fn time_out(&mut self, now: Instant) {
        let due = |router: &&Router| router.maar.deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = self.routers.values().filter(due).map(|router| router.own).collect();
        for maar in due {
            self.handle(maar, Input::Timeout);
            let next = self.routers[&maar].maar.deadline();
            assert!(next.is_none_or(|next| next > now), "a deadline that is dealt with is over");
        }
    }

    /// A message arrives.
    fn receive(&mut self, sent: Sent) {
        let Node::Router(to) = sent.to else { return };
        if sent.to == SERVER {
            return self.serve(&sent);
        }
        let port = 0;
        match (&sent.what, sent.from) {
            (What::Rs(rs), Node::User(user)) => {
                let rs = rs.clone();
                self.handle(to, Input::RouterSolicit { port, mac: user.mac(), rs });
            }
            (What::L2Attach, Node::User(user)) => {
                self.handle(to, Input::L2Attach { port, mac: user.mac(), mn_id: None });
            }
            (What::L2Detach, Node::User(user)) => {
                self.handle(to, Input::L2Detach { mac: user.mac() });
            }
            (What::Frame(source), Node::User(user)) => {
                let source = *source;
                self.handle(to, Input::StationFrame { port, mac: user.mac(), source });
            }
            (What::Answer(id, answer), _) => {
                self.handle(to, Input::Aaa { id: *id, answer: answer.clone() });
            }
            (What::Mh(octets), Node::Router(src)) => self.handle(to, Input::Mh { src, octets }),
            _ => unreachable!("nobody sends a router {}", sent.what),
        }
    }

    fn serve(&mut self, sent: &Sent) {
        let Node::Router(from) = sent.from else { return };
        match &sent.what {
            What::Request(request) => {
                let answer = self.aaa.answer(self.time().wall, from, request);
                self.send(SERVER, Node::Router(from), What::Answer(request.id, answer));
            }
            What::Stop { mn_id, attachment } => self.aaa.stop(from, mn_id, *attachment),
            _ => unreachable!("nobody sends the AAA {}", sent.what),
        }
    }

    /// Gives one input of a station nobody cares for to one MAAR; what it sends gets lost.
    pub fn handle_quietly(&mut self, maar: Ipv6Addr, input: Input<'_>) {
        let now = self.time_of(maar);
        self.routers.get_mut(&maar).expect("one of the six").handle_quietly(now, input);
    }

    /// The MAAR's wall clock steps.
    pub fn step_back(&mut self, maar: Ipv6Addr, by: Duration) {
        self.behind.insert(maar, by);
    }

    fn time_of(&self, maar: Ipv6Addr) -> Now {
        let behind = self.behind.get(&maar).copied().unwrap_or_default();
        let Now { mono, wall } = self.time();
        Now { mono, wall: wall - behind }
    }

    /// Gives one input to one MAAR and carries out what comes of it.
    pub fn handle(&mut self, maar: Ipv6Addr, input: Input<'_>) {
        let now = self.time_of(maar);
        let router = self.routers.get_mut(&maar).expect("one of the six");
        for (to, what) in router.handle(now, input) {
            self.send(Node::Router(maar), to, what);
        }
    }

    fn send(&mut self, from: Node, to: Node, what: What) {
        let sent = Sent { at: self.now, from, to, what };
        let fate = (self.fate)(&sent);
        self.log.push(sent.clone());
        let (Node::Router(from), Node::Router(to)) = (from, to) else { return };
        let arrival = self.now + self.link(from, to);
        match fate {
            Fate::Lose => return,
            Fate::Late(more) => return self.fly(arrival + more, Arrival::Message(sent)),
            Fate::Twice => self.fly(arrival, Arrival::Message(sent.clone())),
            Fate::Arrive => (),
        }
        self.fly(arrival, Arrival::Message(sent));
    }

    fn link(&self, from: Ipv6Addr, to: Ipv6Addr) -> Duration {
        self.delays.get(&(from, to)).copied().unwrap_or(self.delay)
    }

    fn fly(&mut self, arrival: Instant, what: Arrival) {
        if let Arrival::Message(Sent { to: Node::Router(to), .. }) = &what
            && *to != AAA
            && !self.routers.contains_key(to)
        {
            return;
        }
        self.flying.insert((arrival, self.flown), what);
        self.flown += 1;
    }
}
