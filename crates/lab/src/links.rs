// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figure 2 out of the capture of the core link: which packets of the session went from which router to which, and how.

use crate::frames::Frame;
use crate::names::{Maar, Node, User};
use std::collections::BTreeMap;
use std::ops::Range;

/// A way over the core link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// Who sent it on the link.
    pub from: Maar,
    /// To whom.
    pub to: Maar,
    /// IPv6 in IPv6 between these two, or native.
    pub tunnelled: bool,
    /// Which user's packet it is.
    pub sender: User,
}

/// Packets of the session on each way in a window of time.
pub fn used(core: &[Frame], window: &Range<u64>) -> BTreeMap<Link, u64> {
    let mut links = BTreeMap::new();
    for frame in core.iter().filter(|f| window.contains(&f.at)) {
        if let Some(link) = link(frame) {
            *links.entry(link).or_default() += 1;
        }
    }
    links
}

fn link(frame: &Frame) -> Option<Link> {
    let sender = frame.session_from()?;
    // By MAC: what a packet's addresses say is one thing, which port it left and entered another.
    let port = |mac| Maar::ALL.into_iter().find(|m| m.core_mac() == mac);
    let (from, to) = (port(frame.from)?, port(frame.to)?);
    let ends = (Some(Node::Maar(from)), Some(Node::Maar(to)));
    let tunnelled = frame
        .tunnel
        .is_some_and(|(src, dst)| (Node::of_address(src), Node::of_address(dst)) == ends);
    Some(Link { from, to, tunnelled, sender })
}

/// Packets of the session that each router's core port sent or received in a window, by its Ethernet address.
pub fn seen(core: &[Frame], window: &Range<u64>) -> BTreeMap<Maar, u64> {
    let mut seen: BTreeMap<Maar, u64> = Maar::ALL.into_iter().map(|m| (m, 0)).collect();
    let session = core.iter().filter(|f| window.contains(&f.at) && f.session_from().is_some());
    for frame in session {
        for (maar, packets) in &mut seen {
            *packets += u64::from([frame.from, frame.to].contains(&maar.core_mac()));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_core, probe};

    #[test]
    fn a_tunnelled_and_a_native_packet_take_different_ways() {
        let frames = [
            on_core(probe(1, User::A, 0), Maar::A3, Maar::B2, true),
            on_core(probe(2, User::A, 1), Maar::A3, Maar::B2, true),
            on_core(probe(3, User::B, 0), Maar::B1, Maar::A1, false),
            on_core(probe(9, User::B, 1), Maar::B1, Maar::A1, false),
        ];
        let used = used(&frames, &(0..5));
        let way = |from, to, tunnelled, sender| Link { from, to, tunnelled, sender };
        assert_eq!(
            used,
            BTreeMap::from([
                (way(Maar::A3, Maar::B2, true, User::A), 2),
                (way(Maar::B1, Maar::A1, false, User::B), 1),
            ])
        );
    }

    #[test]
    fn both_ends_of_a_way_see_the_packet() {
        let frames = [on_core(probe(1, User::A, 0), Maar::A3, Maar::B2, true)];
        let seen = seen(&frames, &(0..5));
        assert_eq!(seen[&Maar::A3], 1);
        assert_eq!(seen[&Maar::B2], 1);
        assert_eq!(seen[&Maar::A1] + seen[&Maar::A2] + seen[&Maar::B1], 0);
    }
}
