// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Leases: each MN its own /64 out of the pool, the same one each time it comes.

use crate::config::Prefix;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::Instant;

/// Valid lifetime of a prefix in an RA, seconds.
pub(crate) const VALID: u32 = 14_400;
/// A /64 is not given to another MN before its valid lifetime plus this has passed.
const QUARANTINE: Duration = Duration::from_secs(VALID as u64 + 600);
/// A lease from which nothing was ever sent is free this soon after the MN left.
const UNUSED: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Lease {
    mn: Nai,
    /// The last time an RA or a default binding promised it to its MN.
    renewed: Instant,
    /// A packet with a source in it has been seen.
    used: bool,
    /// Since when its MN is not served here; `None`: it is.
    left: Option<Instant>,
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Leases {
    pool: Prefix,
    by_prefix: BTreeMap<Prefix64, Lease>,
    by_mn: HashMap<Nai, Prefix64, foldhash::fast::FixedState>,
    /// Whose lease became another's.
    pub(crate) evicted: Vec<Nai>,
}

impl Leases {
    pub(crate) fn new(pool: Prefix) -> Leases {
        Leases { pool, by_prefix: BTreeMap::new(), by_mn: HashMap::default(), evicted: Vec::new() }
    }

    /// The MN's /64: its old one, else the one the MAC's low bits name, else the next free behind that.
    /// `None` when the pool is used up. `bound` are not free although they look so: an internal entry names them.
    pub(crate) fn lease(
        &mut self,
        now: Instant,
        mn: &Nai,
        mac: Mac,
        bound: impl Fn(Prefix64) -> bool,
    ) -> Option<Prefix64> {
        if let Some(&prefix) = self.by_mn.get(mn) {
            self.renew(now, prefix);
            if let Some(lease) = self.by_prefix.get_mut(&prefix) {
                lease.left = None;
            }
            return Some(prefix);
        }
        let prefix = self.first_free(now, mac.to_u64(), bound)?;
        let lease = Lease { mn: mn.clone(), renewed: now, used: false, left: None };
        if let Some(old) = self.by_prefix.insert(prefix, lease) {
            self.by_mn.remove(&old.mn);
            self.evicted.push(old.mn);
        }
        self.by_mn.insert(mn.clone(), prefix);
        Some(prefix)
    }

    /// As it was before a restart, promised at `now`; `false` when the pool has no such /64 (any more).
    pub(crate) fn restore(&mut self, now: Instant, mn: &Nai, prefix: Prefix64) -> bool {
        let fits = self.pool.contains(prefix.with_iid(0)) && !self.by_prefix.contains_key(&prefix);
        if fits {
            let lease = Lease { mn: mn.clone(), renewed: now, used: true, left: Some(now) };
            self.by_prefix.insert(prefix, lease);
            self.by_mn.insert(mn.clone(), prefix);
        }
        fits
    }

    /// Walks the leases that lie in a row behind the preferred one, so the search costs what is taken there.
    fn first_free(
        &self,
        now: Instant,
        preferred: u64,
        bound: impl Fn(Prefix64) -> bool,
    ) -> Option<Prefix64> {
        let size = 1u64 << (64 - u32::from(self.pool.len).min(63));
        let base = Prefix64::of(self.pool.addr).0;
        (0..size)
            .map(|i| Prefix64(base | (preferred.wrapping_add(i) & (size - 1))))
            .find(|p| self.is_free(now, *p) && !bound(*p))
    }

    fn is_free(&self, now: Instant, prefix: Prefix64) -> bool {
        self.by_prefix.get(&prefix).is_none_or(|lease| {
            lease.left.is_some_and(|left| {
                let end = if lease.used { lease.renewed + QUARANTINE } else { left + UNUSED };
                now > end
            })
        })
    }

    /// The MN is not served here any more.
    pub(crate) fn leave(&mut self, now: Instant, mn: &Nai) {
        let lease = self.by_mn.get(mn).and_then(|prefix| self.by_prefix.get_mut(prefix));
        if let Some(lease) = lease {
            lease.left.get_or_insert(now);
        }
    }

    /// The prefix is promised to its MN again.
    pub(crate) fn renew(&mut self, now: Instant, prefix: Prefix64) {
        if let Some(lease) = self.by_prefix.get_mut(&prefix) {
            lease.renewed = now;
        }
    }

    /// A packet of the MN has been seen with a source in it.
    pub(crate) fn mark_used(&mut self, prefix: Prefix64) {
        if let Some(lease) = self.by_prefix.get_mut(&prefix) {
            lease.used = true;
        }
    }

    /// Whose /64 it is.
    pub(crate) fn holder(&self, prefix: Prefix64) -> Option<&Nai> {
        self.by_prefix.get(&prefix).map(|lease| &lease.mn)
    }

    /// The MN's /64, if it has one.
    pub(crate) fn of(&self, mn: &Nai) -> Option<Prefix64> {
        self.by_mn.get(mn).copied()
    }

    /// The MN is known by its canonical name from now on.
    pub(crate) fn rename(&mut self, from: &Nai, to: &Nai) {
        if self.by_mn.contains_key(to) {
            return;
        }
        if let Some(prefix) = self.by_mn.remove(from) {
            self.by_mn.insert(to.clone(), prefix);
            if let Some(lease) = self.by_prefix.get_mut(&prefix) {
                lease.mn = to.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(text: &str, len: u8) -> Leases {
        Leases::new(Prefix { addr: text.parse().unwrap(), len })
    }

    fn free(_: Prefix64) -> bool {
        false
    }

    fn nai(n: u32) -> Nai {
        Nai::new(&format!("user{n}@example.org")).unwrap()
    }

    #[test]
    fn the_low_bits_of_the_mac_choose_the_lease_and_it_stays() {
        let mut leases = pool("2001:db8:a1::", 48);
        let got = leases.lease(Instant(0), &nai(1), Mac([2, 0, 0, 0, 0, 0x0a]), free).unwrap();
        assert_eq!(got.to_string(), "2001:db8:a1:a::/64");
        let again = leases.lease(Instant(9), &nai(1), Mac([2, 0, 0, 0, 0, 0x77]), free).unwrap();
        assert_eq!(again, got);
    }

    #[test]
    fn a_full_pool_gives_no_lease_and_takes_none_from_the_living() {
        let mut leases = pool("2001:db8:b2::", 56);
        let t = Instant(0);
        for n in 0..256 {
            let prefix = leases.lease(t, &nai(n), Mac::from_u64(u64::from(n) * 7), free).unwrap();
            leases.mark_used(prefix);
        }
        let later = t + QUARANTINE + Duration::from_secs(1);
        assert_eq!(leases.lease(later, &nai(999), Mac([2; 6]), free), None, "all are here");
        (0..256).for_each(|n| leases.leave(t, &nai(n)));
        assert_eq!(leases.lease(t + QUARANTINE, &nai(999), Mac([2; 6]), free), None);
        assert_eq!(leases.lease(later, &nai(999), Mac([2; 6]), |_| true), None, "all are bound");
        assert!(leases.lease(later, &nai(999), Mac([2; 6]), free).is_some());
    }

    #[test]
    fn a_lease_nobody_used_is_free_a_minute_after_its_mn_left() {
        let mut leases = pool("2001:db8:b2::", 63);
        for n in 0..2 {
            assert!(leases.lease(Instant(0), &nai(n), Mac([2; 6]), free).is_some());
        }
        let at = |seconds| Instant(0) + Duration::from_secs(seconds);
        assert_eq!(leases.lease(at(1000), &nai(2), Mac([2; 6]), free), None);
        leases.leave(at(1000), &nai(0));
        assert_eq!(leases.lease(at(1060), &nai(2), Mac([2; 6]), free), None);
        assert!(leases.lease(at(1061), &nai(2), Mac([2; 6]), free).is_some());
    }
}
