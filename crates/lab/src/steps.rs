// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figure 1 out of the captures: the eight steps of the last move, and whether they are all there was.

use crate::diameter::{self, Command};
use crate::frames::{Frame, What};
use crate::names::{AAA, Maar, Node};
use crate::story::Move;
use serde::Serialize;
use wire::mh::Message;

/// A step of Figure 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// 1 to 8.
    pub n: u8,
    /// The message, as the draft abbreviates it.
    pub name: &'static str,
    /// Step 1: what showed the MN to its new MAAR, `rs`, `l2` or `frame`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Sender.
    pub from: &'static str,
    /// Receiver.
    pub to: &'static str,
    /// Microseconds after step 1.
    pub t_us: i64,
}

/// The names of the steps, by their number less one.
pub const NAMES: [&str; 8] = ["RS", "AAR", "AAA", "RA", "sDBU", "sDBA", "dDBU", "dDBA"];

/// What was found, in order of the figure; a missing step is left out. And what should not be there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The steps.
    pub steps: Vec<Step>,
    /// A sentence for each step that is missing, doubled, out of order, or not part of the figure.
    pub wrong: Vec<String>,
}

/// The captures one handover is read from.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// The moving user's interface.
    pub user: &'a [Frame],
    /// The core link.
    pub core: &'a [Frame],
    /// When the story ended.
    pub ended: u64,
    /// Messages are late on purpose: they may be repeated.
    pub repeats: bool,
}

/// Reads the handover of `step` from the captures. `cn` is where the correspondent was attached, `via` what the new
/// MAAR says showed it the user.
pub fn read(witness: &Witness<'_>, last: &Move, cn: Maar, via: &str) -> Found {
    let mut found = Found::default();
    let Some(start) = arrival(witness.user, last, via) else {
        found.wrong.push(format!("no frame of {} on its new link in its capture", last.who));
        return found;
    };
    let stamps = Stamps { witness, last, cn, start };
    let times = stamps.all();
    let ends = ends(last, cn);
    for (n, ((at, name), (from, to))) in times.into_iter().zip(NAMES).zip(ends).enumerate() {
        let n = n as u8 + 1;
        match at {
            Some(at) => found.steps.push(Step {
                n,
                name,
                via: (n == 1).then(|| via.to_owned()),
                from: from.name(),
                to: to.name(),
                t_us: (at as i64 - start as i64).div_euclid(1000),
            }),
            None => found.wrong.push(format!("step {n}, {name} from {from} to {to}, is missing")),
        }
    }
    found.wrong.extend(out_of_order(&times));
    found.wrong.extend(stamps.aaa_names_another());
    found.wrong.extend(stamps.strangers());
    found
}

/// Sender and receiver of each step.
fn ends(last: &Move, cn: Maar) -> [(Node, Node); 8] {
    let (user, new) = (Node::User(last.who), Node::Maar(last.to));
    let (old, cn) = (Node::Maar(last.from), Node::Maar(cn));
    [
        (user, new),
        (new, Node::Aaa),
        (Node::Aaa, new),
        (new, user),
        (new, old),
        (old, new),
        (new, cn),
        (cn, new),
    ]
}

/// Step 1 in the user's capture: the first RS after the move, or the frame that was first on the new link (or the last
/// before the L2 event, when that came first).
fn arrival(user: &[Frame], last: &Move, via: &str) -> Option<u64> {
    let own = || user.iter().filter(|f| f.from == last.who.mac());
    if via == "rs" {
        let rs = own().find(|f| f.at >= last.moved.began && f.what == What::RouterSolicit);
        return rs.map(|f| f.at);
    }
    // The bridge's stamp of that frame is a little later than the interface's.
    let seen = last.first_frame?;
    own().rfind(|f| f.at >= last.moved.began && f.at <= seen).map(|f| f.at)
}

/// Finds each step's stamp.
struct Stamps<'a> {
    witness: &'a Witness<'a>,
    last: &'a Move,
    cn: Maar,
    start: u64,
}

impl Stamps<'_> {
    fn all(&self) -> [Option<u64>; 8] {
        let aar = self.aaa_exchange(true, None);
        let aaa = aar.as_ref().and_then(|(_, c)| self.aaa_exchange(false, Some(c.hop_by_hop)));
        let ra = |f: &&Frame| f.at >= self.start && f.what == What::RouterAdvert;
        let (new, old) = (self.last.to, self.last.from);
        [
            Some(self.start),
            aar.map(|(at, _)| at),
            aaa.map(|(at, _)| at),
            self.witness.user.iter().find(ra).map(|f| f.at),
            self.signal(new, old, |m| matches!(m, Message::Sdbu(_))),
            self.signal(old, new, |m| matches!(m, Message::Sdba(_))),
            self.signal(new, self.cn, |m| matches!(m, Message::Ddbu(d) if d.hoa == self.hoa())),
            self.signal(
                self.cn,
                new,
                |m| matches!(m, Message::Ddba(d) if d.hoa == Some(self.hoa())),
            ),
        ]
    }

    fn hoa(&self) -> std::net::Ipv6Addr {
        self.last.who.hoa1()
    }

    fn core(&self) -> impl Iterator<Item = &Frame> {
        let (start, ended) = (self.start, self.witness.ended);
        self.witness.core.iter().filter(move |f| f.at >= start && f.at <= ended)
    }

    /// The first AAR of the user from its new MAAR, or the AAA that answers it.
    fn aaa_exchange(&self, request: bool, answers: Option<u32>) -> Option<(u64, Command)> {
        let end = |f: &Frame| if request { f.src } else { f.dst };
        let ours = |c: &&Command| {
            c.code == diameter::AA
                && c.request == request
                && answers.is_none_or(|id| c.hop_by_hop == id)
                && (!request || c.user.as_deref() == Some(self.last.who.mn_id()))
        };
        self.core().find_map(|f| {
            let What::Diameter(commands) = &f.what else { return None };
            let here = [f.src, f.dst].contains(&AAA)
                && Node::of_address(end(f)) == Some(Node::Maar(self.last.to));
            let command = commands.iter().find(ours).filter(|_| here)?;
            Some((f.at, command.clone()))
        })
    }

    fn signal(&self, from: Maar, to: Maar, is: impl Fn(&Message) -> bool) -> Option<u64> {
        self.signals().find(|(_, f, t, m)| *f == from && *t == to && is(m)).map(|(at, ..)| at)
    }

    /// Every Mobility Header between routers since step 1.
    fn signals(&self) -> impl Iterator<Item = (u64, Maar, Maar, &Message)> {
        self.core().filter_map(|f| {
            let What::Signal(message) = &f.what else { return None };
            match (Node::of_address(f.src)?, Node::of_address(f.dst)?) {
                (Node::Maar(from), Node::Maar(to)) => Some((f.at, from, to, message.as_ref())),
                _ => None,
            }
        })
    }

    /// Step 3 must name the MAAR the user left.
    fn aaa_names_another(&self) -> Option<String> {
        let (_, request) = self.aaa_exchange(true, None)?;
        let (_, answer) = self.aaa_exchange(false, Some(request.hop_by_hop))?;
        (answer.agent != Some(self.last.from.address()))
            .then(|| format!("the AAA names {:?}, not {}", answer.agent, self.last.from))
    }

    /// Messages of the handover that the figure does not have: a second one of a step, or one that is no dDBU or dDBA
    /// with an anchor.
    fn strangers(&self) -> Vec<String> {
        let (new, old, cn) = (self.last.to, self.last.from, self.cn);
        let mut seen = [0u32; 4];
        let mut wrong = Vec::new();
        for (_, from, to, message) in self.signals() {
            let step = match message {
                Message::Sdbu(_) if (from, to) == (new, old) => Some(0),
                Message::Sdba(_) if (from, to) == (old, new) => Some(1),
                Message::Ddbu(_) if (from, to) == (new, cn) => Some(2),
                Message::Ddba(_) if (from, to) == (cn, new) => Some(3),
                Message::Heartbeat(_) => None,
                Message::Ddbu(d) if from == new && anchors(to, d.hoa) => None,
                Message::Ddba(d) if to == new && d.hoa.is_some_and(|h| anchors(from, h)) => None,
                other => {
                    wrong.push(format!("from {from} to {to}, outside the figure: {other:?}"));
                    None
                }
            };
            if let Some(step) = step {
                seen[step] += 1;
            }
        }
        let most = if self.witness.repeats { u32::MAX } else { 1 };
        let doubled = seen.iter().zip(&NAMES[4..]).filter(|(times, _)| **times > most);
        wrong.extend(doubled.map(|(times, name)| format!("{times} {name} instead of one")));
        wrong
    }
}

/// Whether `maar`'s pool, a /48, holds the address.
fn anchors(maar: Maar, hoa: std::net::Ipv6Addr) -> bool {
    let octets = hoa.octets();
    format!("2001:db8:{:x}::/48", u16::from_be_bytes([octets[4], octets[5]])) == maar.pool()
        && octets[..4] == [0x20, 0x01, 0x0d, 0xb8]
}

/// Steps 1, 2, 3 follow each other; so do 4 and 5 to 8 behind 3. The RA (4) and the sDBU (5) leave at the same moment
/// by two ports, so their order on two links says nothing.
fn out_of_order(times: &[Option<u64>; 8]) -> Vec<String> {
    let pairs = [(1, 2), (2, 3), (3, 4), (3, 5), (5, 6), (6, 7), (7, 8)];
    let late = |(first, second): &(usize, usize)| matches!((times[first - 1], times[second - 1]), (Some(a), Some(b)) if a > b);
    let sentence = |(first, second)| format!("step {second} comes before step {first}");
    pairs.into_iter().filter(late).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diameter::build;
    use crate::names::User;
    use crate::story::Moved;
    use crate::testing::{frame, probe, signal};
    use std::net::Ipv6Addr;
    use wire::mh::{Ddba, Ddbu, Sdba, Sdbu, Status};

    const MS: u64 = 1_000_000;

    fn last() -> Move {
        Move {
            who: User::A,
            from: Maar::A2,
            to: Maar::A3,
            moved: Moved { began: 100 * MS, done: 101 * MS },
            l2_event: None,
            first_frame: Some(102 * MS + 30_000),
        }
    }

    fn diameter(at: u64, request: bool, agent: Ipv6Addr) -> Frame {
        let octets = build::aa(request, 7, User::A.mn_id(), agent);
        let mut frame = frame(at, User::A, What::Diameter(diameter::commands(&octets)));
        let (maar, aaa) = (Maar::A3.management(), AAA);
        (frame.src, frame.dst) = if request { (maar, aaa) } else { (aaa, maar) };
        frame
    }

    fn sdbu(seq: u16) -> Message {
        Message::Sdbu(Sdbu {
            seq,
            lifetime: 23,
            mn_id: wire::addr::Nai::new(User::A.mn_id()).unwrap(),
            attach_time: None,
            groups: Vec::new(),
            cursor: None,
        })
    }

    fn sdba() -> Message {
        Message::Sdba(Sdba {
            status: Status::ACCEPTED,
            seq: 1,
            lifetime: 23,
            mn_id: None,
            attach_time: None,
            groups: Vec::new(),
        })
    }

    fn ddbu(hoa: Ipv6Addr) -> Message {
        let serving = Maar::A3.address();
        Message::Ddbu(Ddbu {
            seq: 1,
            lifetime: 150,
            attach_time: None,
            hoa,
            serving,
            cns: Vec::new(),
        })
    }

    fn ddba(hoa: Ipv6Addr) -> Message {
        Message::Ddba(Ddba {
            status: Status::ACCEPTED,
            seq: 1,
            lifetime: 150,
            attach_time: None,
            hoa: Some(hoa),
            cns: Vec::new(),
        })
    }

    /// The handover as it should be: A's capture and the core's.
    fn good() -> (Vec<Frame>, Vec<Frame>) {
        let user = vec![
            probe(99 * MS, User::A, 1),
            probe(102 * MS, User::A, 2),
            Frame { from: wire::addr::ROUTER_MAC, ..frame(105 * MS, User::A, What::RouterAdvert) },
        ];
        let hoa = User::A.hoa1();
        let core = vec![
            diameter(103 * MS, true, Maar::A3.address()),
            diameter(104 * MS, false, Maar::A2.address()),
            signal(105 * MS, Maar::A3, Maar::A2, sdbu(1)),
            signal(106 * MS, Maar::A2, Maar::A3, sdba()),
            signal(107 * MS, Maar::A3, Maar::B2, ddbu(hoa)),
            signal(107 * MS, Maar::A3, Maar::A1, ddbu(hoa)),
            signal(108 * MS, Maar::A1, Maar::A3, ddba(hoa)),
            signal(108 * MS, Maar::B2, Maar::A3, ddba(hoa)),
        ];
        (user, core)
    }

    fn found(user: &[Frame], core: &[Frame], via: &str) -> Found {
        read(&Witness { user, core, ended: 500 * MS, repeats: false }, &last(), Maar::B2, via)
    }

    #[test]
    fn the_eight_steps_are_found_with_their_times() {
        let (user, core) = good();
        let found = found(&user, &core, "frame");
        assert_eq!(found.wrong, Vec::<String>::new());
        let times: Vec<i64> = found.steps.iter().map(|s| s.t_us).collect();
        assert_eq!(times, [0, 1000, 2000, 3000, 3000, 4000, 5000, 6000]);
        assert_eq!((found.steps[4].from, found.steps[4].to), ("A_MAAR3", "A_MAAR2"));
        assert_eq!(found.steps[0].via.as_deref(), Some("frame"));
        assert_eq!(found.steps[1].via, None);
    }

    #[test]
    fn via_rs_begins_with_the_solicitation() {
        let (mut user, core) = good();
        user.insert(2, frame(102 * MS + 500_000, User::A, What::RouterSolicit));
        assert_eq!(found(&user, &core, "rs").steps[1].t_us, 500);
    }

    #[test]
    fn a_missing_a_doubled_and_a_strange_message_are_each_named() {
        let (user, core) = good();
        let (mut missing, mut doubled, mut strange) = (core.clone(), core.clone(), core);
        missing.pop();
        doubled.push(signal(300 * MS, Maar::A3, Maar::A2, sdbu(2)));
        strange.push(signal(300 * MS, Maar::A3, Maar::B1, ddbu(User::A.hoa1())));
        for (core, word) in [(missing, "missing"), (doubled, "2 sDBU"), (strange, "B_MAAR1")] {
            let wrong = found(&user, &core, "frame").wrong;
            assert!(wrong.len() == 1 && wrong[0].contains(word), "{word}: {wrong:?}");
        }
    }

    #[test]
    fn an_answer_that_names_another_maar_is_wrong_and_so_is_the_wrong_order() {
        let (user, mut core) = good();
        core[1] = diameter(104 * MS, false, Maar::A1.address());
        assert!(found(&user, &core, "frame").wrong[0].contains("not A_MAAR2"));
        let (user, mut core) = good();
        core[4].at = 105 * MS + 1;
        assert_eq!(found(&user, &core, "frame").wrong, ["step 7 comes before step 6"]);
    }
}
