// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Heartbeats between MAARs (R-28c, RFC 5847): every peer with bindings is asked once a minute; one that answers with
//! another Restart Counter has lost what it was told, and is told it again.

use crate::maar::Maar;
use crate::timers::Timer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{Heartbeat, Message};
use wire::time::Now;

/// Unanswered heartbeats before a peer counts as down (RFC 5847 §3.3).
const MISSED: u32 = 3;
/// A peer that restarted is told again of one binding each time this has passed: 5,000 a second.
const PACE: Duration = Duration::from_micros(200);

/// What is known of a peer's life.
#[derive(Debug, Default)]
pub(crate) struct Beat {
    /// The last one sent.
    seq: u32,
    /// Sent since the last answer.
    missed: u32,
    /// Its Restart Counter.
    counter: Option<u32>,
}

/// By peer.
pub(crate) type Beats = BTreeMap<Ipv6Addr, Beat>;

impl Maar {
    /// At start: nobody waits for the next minute to learn that this MAAR is new.
    pub(crate) fn greet(&mut self, now: Now) {
        let interval = self.config.timers.heartbeat;
        if interval.is_zero() {
            return;
        }
        self.timers.arm(Timer::Heartbeat, now.mono + interval);
        let peers: Vec<Ipv6Addr> = self.config.peers.iter().map(|peer| peer.address).collect();
        for peer in peers {
            self.send_heartbeat(now, peer, true, false, 0);
        }
    }

    /// The next round.
    pub(crate) fn beat(&mut self, now: Now) {
        self.timers.arm(Timer::Heartbeat, now.mono + self.config.timers.heartbeat);
        let told = self.updates.keys().map(|(_, maar)| *maar);
        let bound: BTreeSet<Ipv6Addr> =
            told.chain(self.lists.internals().map(|entry| entry.maar)).collect();
        for peer in bound.into_iter().filter(|peer| self.peers.contains(*peer)).collect::<Vec<_>>()
        {
            let beat = self.beats.entry(peer).or_default();
            beat.seq = beat.seq.wrapping_add(1);
            beat.missed += 1;
            let (seq, down) = (beat.seq, beat.missed == MISSED + 1);
            if down {
                // Its bindings are kept: traffic may still reach it.
                self.count("peer_down");
            }
            self.send_heartbeat(now, peer, false, false, seq);
        }
    }

    pub(crate) fn on_heartbeat(&mut self, now: Now, from: Ipv6Addr, heartbeat: &Heartbeat) {
        let beat = self.beats.entry(from).or_default();
        if heartbeat.response && (heartbeat.seq != beat.seq || beat.missed == 0) {
            return self.count("heartbeat_unexpected");
        }
        let was_down = beat.missed > MISSED;
        beat.missed = 0;
        let before = beat.counter;
        beat.counter = heartbeat.restart_counter.or(before);
        let restarted = before.is_some() && before != beat.counter;
        if was_down {
            self.count("peer_up");
        }
        if heartbeat.restart_counter.is_none() {
            self.count("heartbeat_without_counter");
        }
        if !heartbeat.response {
            self.send_heartbeat(now, from, false, true, heartbeat.seq);
        }
        if restarted {
            self.count("peer_restarted");
        }
        // One that says it is new is told all, known before or not.
        if restarted || (heartbeat.unsolicited && before.is_none()) {
            self.tell_again(now, from);
        }
    }

    /// Everything a peer was told, paced.
    fn tell_again(&mut self, now: Now, peer: Ipv6Addr) {
        let told: Vec<_> = self.updates.keys().filter(|(_, maar)| *maar == peer).copied().collect();
        for (n, (hoa, maar)) in (0..).zip(told) {
            self.timers.arm(Timer::Update(hoa, maar), now.mono + PACE * n);
        }
    }

    fn send_heartbeat(
        &mut self,
        now: Now,
        to: Ipv6Addr,
        unsolicited: bool,
        response: bool,
        seq: u32,
    ) {
        let restart_counter = Some(self.config.boot as u32);
        let heartbeat = Heartbeat { unsolicited, response, seq, restart_counter };
        self.send(now, to, &Message::Heartbeat(heartbeat));
    }
}
