// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The requests under way at a client: up to 3 tries of T_AAA (R-28b), each repeat with the T bit and the same End-to-End
//! identifier, answers matched by Hop-by-Hop. A try's clock runs while the connection is down, too.

use super::Time;
use super::rng::Rng;
use crate::message::readdress;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Requests under way and queued, together.
pub const MAX_PENDING: usize = 10_000;

/// What kind of answer is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// AAR.
    Authorize,
    /// STR.
    Stop,
}

#[derive(Debug)]
struct Request {
    id: u64,
    kind: Kind,
    message: Vec<u8>,
    /// Tries begun.
    tries: u32,
    /// When the present try ends.
    until: Time,
    sent: bool,
    /// Under which an answer may come on this connection.
    hop_by_hop: Vec<u32>,
}

/// A request on its way from one server to another of the same realm (RFC 6733 §5.5.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handed {
    id: u64,
    kind: Kind,
    message: Vec<u8>,
    tries: u32,
    sent: bool,
}

/// What a try's end means.
#[derive(Debug)]
pub enum Expired {
    /// Send it again, if the connection is up.
    Again(u64),
    /// The last try is over.
    Over { id: u64, kind: Kind },
}

/// All requests without an answer, in the order they were made.
#[derive(Debug)]
pub struct Requests {
    try_timeout: Duration,
    max_tries: u32,
    next_key: u64,
    next_end_to_end: u32,
    next_hop_by_hop: u32,
    pending: BTreeMap<u64, Request>,
    timers: BTreeSet<(Time, u64)>,
    hops: BTreeMap<u32, u64>,
}

impl Handed {
    /// The caller's number and what it was.
    pub(super) fn whose(&self) -> (u64, Kind) {
        (self.id, self.kind)
    }
}

impl Requests {
    /// End-to-End identifiers start at 12 bits of `state_id`, which a restart raises, and 19 of the seed: they stay apart
    /// from those of the process before while that made less than half a million requests a second (RFC 6733 §3).
    pub fn new(state_id: u32, try_timeout: Duration, max_tries: u32, rng: &mut Rng) -> Requests {
        Requests {
            try_timeout,
            max_tries: max_tries.max(1),
            next_key: 0,
            next_end_to_end: state_id << 20 | (rng.next() as u32 & 0x7_ffff),
            next_hop_by_hop: rng.next() as u32,
            pending: BTreeMap::new(),
            timers: BTreeSet::new(),
            hops: BTreeMap::new(),
        }
    }

    /// Identifiers for the next message.
    pub fn next_ids(&mut self) -> (u32, u32) {
        let end_to_end = self.next_end_to_end;
        self.next_end_to_end = end_to_end.wrapping_add(1);
        (self.next_hop(), end_to_end)
    }

    fn next_hop(&mut self) -> u32 {
        let hop = self.next_hop_by_hop;
        self.next_hop_by_hop = hop.wrapping_add(1);
        hop
    }

    pub fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a new request; its first try begins. Returns its key.
    pub fn add(&mut self, now: Time, id: u64, kind: Kind, message: Vec<u8>) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        let until = now + self.try_timeout;
        let request =
            Request { id, kind, message, tries: 1, until, sent: false, hop_by_hop: Vec::new() };
        self.pending.insert(key, request);
        self.timers.insert((until, key));
        key
    }

    /// The octets to send for a request now; its try begins anew if it was never sent.
    pub fn transmit(&mut self, now: Time, key: u64) -> Option<(Vec<u8>, bool)> {
        let hop = self.next_hop();
        let request = self.pending.get_mut(&key)?;
        let repeated = request.sent;
        readdress(&mut request.message, repeated, hop);
        request.hop_by_hop.push(hop);
        self.hops.insert(hop, key);
        if !repeated {
            request.sent = true;
            self.timers.remove(&(request.until, key));
            request.until = now + self.try_timeout;
            self.timers.insert((request.until, key));
        }
        Some((request.message.clone(), repeated))
    }

    /// Takes a request out, to be given to another server.
    pub fn take(&mut self, key: u64) -> Option<Handed> {
        let (message, tries, sent) = {
            let request = self.pending.get_mut(&key)?;
            (std::mem::take(&mut request.message), request.tries, request.sent)
        };
        let (id, kind) = self.finish(key)?;
        Some(Handed { id, kind, message, tries, sent })
    }

    /// Takes a request over from another server: its try begins anew; sent before, it will have the T bit.
    pub fn adopt(&mut self, now: Time, handed: Handed) -> u64 {
        let Handed { id, kind, message, tries, sent } = handed;
        let key = self.add(now, id, kind, message);
        if let Some(request) = self.pending.get_mut(&key) {
            (request.tries, request.sent) = (tries, sent);
        }
        key
    }

    /// Every request, oldest first: what a new connection sends.
    pub fn keys(&self) -> Vec<u64> {
        self.pending.keys().copied().collect()
    }

    /// The connection is gone: no answer can come for what was sent on it.
    pub fn disconnected(&mut self) {
        self.hops.clear();
        for request in self.pending.values_mut() {
            request.hop_by_hop.clear();
        }
    }

    /// The request an answer belongs to.
    pub fn find(&self, hop_by_hop: u32) -> Option<u64> {
        self.hops.get(&hop_by_hop).copied()
    }

    /// What the request with this key awaits.
    pub fn kind(&self, key: u64) -> Option<Kind> {
        self.pending.get(&key).map(|request| request.kind)
    }

    /// Ends a request.
    pub fn finish(&mut self, key: u64) -> Option<(u64, Kind)> {
        let request = self.pending.remove(&key)?;
        self.timers.remove(&(request.until, key));
        for hop in &request.hop_by_hop {
            self.hops.remove(hop);
        }
        Some((request.id, request.kind))
    }

    /// The peer could not serve this transmission (3xxx). Ends the request if its last try is running, else the next
    /// try comes when it is due.
    pub fn rejected(&mut self, key: u64, hop_by_hop: u32) -> Option<(u64, Kind)> {
        let request = self.pending.get_mut(&key)?;
        if request.tries >= self.max_tries {
            return self.finish(key);
        }
        self.hops.remove(&hop_by_hop);
        request.hop_by_hop.retain(|hop| *hop != hop_by_hop);
        None
    }

    /// The next request whose try is over.
    pub fn expire(&mut self, now: Time) -> Option<Expired> {
        let &(until, key) = self.timers.first().filter(|(until, _)| *until <= now)?;
        let request = self.pending.get_mut(&key)?;
        if request.tries >= self.max_tries {
            return self.finish(key).map(|(id, kind)| Expired::Over { id, kind });
        }
        request.tries += 1;
        request.until = now + self.try_timeout;
        self.timers.remove(&(until, key));
        self.timers.insert((request.until, key));
        Some(Expired::Again(key))
    }

    /// When the next try is over.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(state_id: u32, seed: u64) -> Requests {
        Requests::new(state_id, Duration::from_secs(2), 3, &mut Rng::new(seed))
    }

    #[test]
    fn a_restart_one_second_later_uses_other_end_to_end_identifiers() {
        for seed in 0..200 {
            let first = requests(1_767_225_600, seed).next_ids().1;
            let second = requests(1_767_225_601, seed + 1).next_ids().1;
            assert!(second.wrapping_sub(first) > 0x7_ffff, "{first:x} {second:x}");
        }
    }

    #[test]
    fn a_repeat_has_the_t_bit_a_new_hop_by_hop_and_answers_to_either_count() {
        let mut requests = requests(1, 1);
        let key = requests.add(Duration::ZERO, 9, Kind::Authorize, vec![0; 20]);
        let (first, _) = requests.transmit(Duration::ZERO, key).unwrap();
        let Some(Expired::Again(again)) = requests.expire(Duration::from_secs(2)) else { panic!() };
        let (second, repeated) = requests.transmit(Duration::from_secs(2), again).unwrap();
        assert!(repeated);
        assert_eq!((first[4], second[4]), (0, 0x10));
        let hop = |m: &[u8]| u32::from_be_bytes(m[12..16].try_into().unwrap());
        assert_ne!(hop(&first), hop(&second));
        assert_eq!(requests.find(hop(&first)), Some(key));
        assert_eq!(requests.finish(key), Some((9, Kind::Authorize)));
        assert_eq!(requests.find(hop(&second)), None);
    }
}
