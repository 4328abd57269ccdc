// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The draft's story as far as a test needs it told, and what tests ask of it.

use super::log::Sent;
use super::world::*;
use super::{NEW_YEAR, Net, ms, secs};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{Ddbu, Message};
use wire::time::{AttachTime, Instant};

impl Net {
    /// Scenario 2: A at A_MAAR1 and B at B_MAAR1 talk.
    pub fn at_home(mut self) -> Net {
        self.attach(A, A1);
        self.attach(B, B1);
        self.run(secs(1));
        self.talk(A_HOA1, B_HOA1);
        self.run(secs(1));
        self
    }

    /// Scenario 3: A has moved to A_MAAR2, and they talk.
    pub fn first_move(self) -> Net {
        let mut net = self.at_home();
        net.attach(A, A2);
        net.run(secs(1));
        net.talk(A_HOA1, B_HOA1);
        net.run(secs(1));
        net
    }

    /// Scenario 4: B has moved to B_MAAR2, and they talk.
    pub fn both_away(self) -> Net {
        let mut net = self.first_move();
        net.attach(B, B2);
        net.run(secs(1));
        net.talk(A_HOA1, B_HOA1);
        net.run(secs(1));
        net
    }

    /// The moment before the RS of Figure 1 with the key, times and numbers of the worked messages: the AAA will see
    /// the request at midnight; sDBU, sDBA, dDBU, dDBA follow 0.25 s later and each 0.0625 s after the one before.
    pub fn worked() -> Net {
        let before = secs(10);
        let mut net =
            Net::new(NEW_YEAR - before, |config| config.first_sequence = Some((0x1001, 0x2001)));
        net = net.both_away();
        net.set_link(A3, AAA, ms(125));
        net.set_link(AAA, A3, ms(250));
        for (one, other) in [(A3, A2), (A2, A3), (A3, B2), (B2, A3)] {
            net.set_link(one, other, Duration::from_micros(62_500));
        }
        net.run_until(before - ms(125));
        net
    }

    /// Scenario 5: A has moved to A_MAAR3 and named its session there.
    pub fn figure1(self) -> Net {
        let mut net = self.both_away();
        net.solicit(A, A3, &[(A_HOA1, B_HOA1)]);
        net.run(secs(1));
        net.talk(A_HOA1, B_HOA1);
        net.run(secs(1));
        net
    }

    /// What was sent from `since` on, in short form.
    pub fn story(&self, since: Instant) -> Vec<String> {
        self.sent(since).map(Sent::to_string).collect()
    }

    /// Of that, what these two said to each other.
    pub fn talk_of(&self, since: Instant, one: Ipv6Addr, other: Ipv6Addr) -> Vec<String> {
        let between = |s: &&Sent| s.is_between(one, other) || s.is_between(other, one);
        self.sent(since).filter(between).map(Sent::to_string).collect()
    }

    /// Of that, the dDBUs and dDBAs about one HoA.
    pub fn talk_about(
        &self,
        since: Instant,
        one: Ipv6Addr,
        other: Ipv6Addr,
        hoa: Ipv6Addr,
    ) -> Vec<&Sent> {
        let between = |s: &&Sent| s.is_between(one, other) || s.is_between(other, one);
        let about = |s: &&Sent| {
            s.ddbu().is_some_and(|m| m.hoa == hoa) || s.ddba().is_some_and(|m| m.hoa == Some(hoa))
        };
        self.sent(since).filter(between).filter(about).collect()
    }

    pub fn sent(&self, since: Instant) -> impl Iterator<Item = &Sent> {
        self.log.iter().filter(move |sent| sent.at >= since)
    }

    /// When messages of this short form were sent, from `since` on.
    pub fn times(&self, since: Instant, text: &str) -> Vec<Duration> {
        let sent = self.sent(since).filter(|sent| sent.to_string() == text);
        sent.map(|sent| sent.at - since).collect()
    }

    pub fn lists(&self, maar: Ipv6Addr) -> Vec<String> {
        self.router(maar).lists(self.time())
    }

    /// The lines of both lists that begin with this HoA.
    pub fn entries(&self, maar: Ipv6Addr, hoa: Ipv6Addr) -> Vec<String> {
        let head = format!("{} ->", name(hoa));
        self.lists(maar).into_iter().filter(|line| line.starts_with(&head)).collect()
    }

    /// The attach time of the user's record at the MAAR.
    pub fn attach_time(&self, maar: Ipv6Addr, user: User) -> AttachTime {
        let mn = self.router(maar).mn(user).expect("a record");
        mn.attach_time.expect("an attach time")
    }

    /// Both users' packets of the session arrive this way, with nobody else on it.
    pub fn assert_direct(&self, one: Ipv6Addr, other: Ipv6Addr, way: &str, back: &str) {
        assert_eq!((self.path(one, other), self.path(other, one)), (way.into(), back.into()));
    }

    /// Every probe sent from `since` on arrived exactly once.
    pub fn assert_all_arrived(&self, since: Instant) {
        for probe in self.probes.iter().filter(|probe| probe.sent >= since) {
            assert_eq!(probe.arrived.len(), 1, "{probe:?}");
        }
    }

    /// No probe arrived twice.
    pub fn assert_none_twice(&self) {
        for probe in &self.probes {
            assert!(probe.arrived.len() <= 1, "{probe:?}");
        }
    }

    /// Where A's HoA is by this MAAR's dDBU, in a message its peers would believe.
    pub fn ddbu(&self, sender: Ipv6Addr, seq: u16, time: AttachTime, hoa: Ipv6Addr) -> Message {
        Message::Ddbu(Ddbu {
            seq,
            lifetime: 150,
            attach_time: Some(time),
            hoa,
            serving: sender,
            cns: Vec::new(),
        })
    }
}
