// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which correspondents an MN talks to, by HoA. A missed session costs only optimality.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::time::Instant;

/// Pairs kept per MN; the oldest is replaced.
const MOST: usize = 256;

/// (HoA, CN) -> what is known of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(BTreeMap<(Ipv6Addr, Ipv6Addr), Session>);

#[derive(Clone, Copy, Debug)]
struct Session {
    /// The last report.
    at: Instant,
    /// The CN's MAAR named this very pair in a dDBU, then: it knows where the HoA is, until that is as old as an entry
    /// may be.
    known_at: Option<(Ipv6Addr, Instant)>,
}

impl Sessions {
    /// The pair has been seen.
    pub(crate) fn note(&mut self, now: Instant, hoa: Ipv6Addr, cn: Ipv6Addr) {
        if self.0.len() == MOST && !self.0.contains_key(&(hoa, cn)) {
            let oldest = self
                .0
                .iter()
                .min_by_key(|&(pair, session)| (session.at, *pair))
                .map(|(pair, _)| *pair);
            oldest.and_then(|pair| self.0.remove(&pair));
        }
        self.0.entry((hoa, cn)).or_insert(Session { at: now, known_at: None }).at = now;
    }

    /// The CN's MAAR `maar` has named the pair.
    pub(crate) fn note_known(&mut self, now: Instant, hoa: Ipv6Addr, cn: Ipv6Addr, maar: Ipv6Addr) {
        self.note(now, hoa, cn);
        if let Some(session) = self.0.get_mut(&(hoa, cn)) {
            session.known_at = Some((maar, now));
        }
    }

    /// Whether `maar` knows by its own dDBU, not older than `lifetime`, where `hoa` is.
    pub(crate) fn is_known_at(
        &self,
        now: Instant,
        lifetime: Duration,
        (hoa, cn): (Ipv6Addr, Ipv6Addr),
        maar: Ipv6Addr,
    ) -> bool {
        let known = self.0.get(&(hoa, cn)).and_then(|session| session.known_at);
        known.is_some_and(|(by, at)| by == maar && now - at < lifetime)
    }

    /// The MN is attached anew: who knew where it was has to be told.
    pub(crate) fn forget_known(&mut self) {
        self.0.values_mut().for_each(|session| session.known_at = None);
    }

    /// The pairs reported within `idle`, ascending.
    pub(crate) fn live(
        &self,
        now: Instant,
        idle: Duration,
    ) -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr)> {
        self.0.iter().filter(move |&(_, session)| now - session.at < idle).map(|(pair, _)| *pair)
    }

    /// Every pair, ascending.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr)> {
        self.0.keys().copied()
    }

    /// Whether some HoA in `mn` talks to a CN in `cn`.
    pub(crate) fn joins(&self, now: Instant, idle: Duration, hoa: Prefix64, cn: Ipv6Addr) -> bool {
        self.live(now, idle).any(|(h, c)| Prefix64::of(h) == hoa && c == cn)
    }

    /// Takes over another record's pairs.
    pub(crate) fn absorb(&mut self, other: Sessions) {
        for ((hoa, cn), session) in other.0 {
            self.note(session.at, hoa, cn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xb1, n, 0, 0, 0, 1)
    }

    #[test]
    fn the_257th_pair_replaces_the_oldest() {
        let mut sessions = Sessions::default();
        for n in 0..=256u16 {
            sessions.note(Instant(u64::from(n)), addr(0xffff), addr(n));
        }
        assert_eq!(sessions.all().count(), 256);
        assert!(!sessions.all().any(|(_, cn)| cn == addr(0)));
        assert!(sessions.all().any(|(_, cn)| cn == addr(256)));
    }

    #[test]
    fn what_a_maar_knows_is_forgotten_with_the_attachment() {
        let mut sessions = Sessions::default();
        sessions.note_known(Instant(0), addr(1), addr(2), addr(9));
        sessions.note(Instant(1), addr(1), addr(2));
        let known = |sessions: &Sessions, at: Instant, maar| {
            sessions.is_known_at(at, Duration::from_secs(600), (addr(1), addr(2)), maar)
        };
        assert!(known(&sessions, Instant(1), addr(9)));
        assert!(!known(&sessions, Instant(1), addr(8)));
        let expired = Instant(0) + Duration::from_secs(600);
        assert!(!known(&sessions, expired, addr(9)), "its entry has ended too");
        sessions.forget_known();
        assert!(!known(&sessions, Instant(1), addr(9)));
    }

    #[test]
    fn a_pair_is_idle_after_its_time() {
        let mut sessions = Sessions::default();
        sessions.note(Instant(0), addr(1), addr(2));
        let idle = Duration::from_secs(300);
        assert_eq!(sessions.live(Instant(0) + Duration::from_secs(299), idle).count(), 1);
        assert_eq!(sessions.live(Instant(0) + idle, idle).count(), 0);
    }
}
