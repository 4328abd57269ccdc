// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path MTU to each peer (R-29, R-31; RFC 8201): what routers of the core told, until it is forgotten. Kept by peer, so
//! that nobody else's tunnel gets smaller; the workers learn it with their next snapshot.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ip6;
use wire::time::Instant;

/// How long a path is held to be smaller than its first link (RFC 8201 §4: at least 5 minutes, better 10).
const AGE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Told {
    mtu: u16,
    until: Instant,
}

/// The paths that are smaller than their first link.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    told: BTreeMap<Ipv6Addr, Told>,
    changed: bool,
}

impl Paths {
    /// A Packet Too Big of a router on the way to `peer`, whose first link takes `link`. A path never grows by one, and
    /// one that names less than every link must take is no word about it (RFC 8201 §4). The MTU now, if it is another
    /// one.
    pub(crate) fn too_big(
        &mut self,
        now: Instant,
        peer: Ipv6Addr,
        mtu: u32,
        link: u16,
    ) -> Option<u16> {
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        let was = self.mtu(peer).unwrap_or(link);
        if usize::from(mtu) < ip6::MIN_MTU || mtu > was || mtu >= link {
            return None;
        }
        self.told.insert(peer, Told { mtu, until: now + AGE });
        self.changed |= mtu < was;
        (mtu < was).then_some(mtu)
    }

    /// What was told of the path to `peer`.
    pub(crate) fn mtu(&self, peer: Ipv6Addr) -> Option<u16> {
        self.told.get(&peer).map(|told| told.mtu)
    }

    /// Forgets what is old; the peers whose paths are as wide as their links again.
    pub(crate) fn forget(&mut self, now: Instant) -> Vec<Ipv6Addr> {
        let old = self.told.iter().filter(|(_, told)| told.until <= now);
        let old: Vec<_> = old.map(|(&peer, _)| peer).collect();
        for peer in &old {
            self.told.remove(peer);
            self.changed = true;
        }
        old
    }

    /// When something is forgotten next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.told.values().map(|told| told.until).min()
    }

    /// Whether a path is another one since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa3);

    #[test]
    fn a_path_gets_smaller_for_its_peer_alone_and_never_grows_by_what_is_told() {
        let (mut paths, now) = (Paths::default(), Instant(0));
        assert_eq!(paths.too_big(now, PEER, 1400, 1500), Some(1400));
        assert_eq!((paths.mtu(PEER), paths.mtu(OTHER)), (Some(1400), None));
        for no_news in [1400, 1401, 1500, 9000, 65_576, u32::MAX] {
            assert_eq!(paths.too_big(now, PEER, no_news, 1500), None, "{no_news}");
        }
        assert_eq!(paths.too_big(now, PEER, 1300, 1500), Some(1300));
        assert_eq!(paths.mtu(PEER), Some(1300));
    }

    #[test]
    fn what_no_path_may_be_is_not_believed() {
        for told in [0, 1, 600, 1279] {
            let mut paths = Paths::default();
            assert_eq!(paths.too_big(Instant(0), PEER, told, 1500), None);
            assert_eq!((paths.mtu(PEER), paths.deadline()), (None, None));
        }
        assert_eq!(Paths::default().too_big(Instant(0), PEER, 1280, 1500), Some(1280));
    }

    #[test]
    fn what_is_told_is_forgotten_ten_minutes_after_it_was_told_last() {
        let (mut paths, minute) = (Paths::default(), 60_000_000);
        paths.too_big(Instant(0), PEER, 1400, 1500);
        assert!(paths.take_changed() && !paths.take_changed());
        assert_eq!(paths.too_big(Instant(5 * minute), PEER, 1400, 1500), None, "told again");
        assert!(!paths.take_changed());
        assert!(paths.forget(Instant(15 * minute - 1)).is_empty());
        assert_eq!(paths.deadline(), Some(Instant(15 * minute)));
        assert_eq!(paths.forget(Instant(15 * minute)), [PEER]);
        assert_eq!((paths.mtu(PEER), paths.deadline(), paths.take_changed()), (None, None, true));
    }
}
