// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was sent, when and by whom; its short form, in which a test tells the story it expects:
//!
//! ```text
//! A>a3 RS(A_HoA1/B_HoA1)   A>a3 L2   A>a3 frame
//! a3>AAA AAR A             AAA>a3 AAA a2              a3>A RA A_HoA3 old A_HoA1
//! a3>a2 sDBU A A_HoA1/B_HoA1                          a2>a3 sDBA 0 A_HoA1/B_HoA1@b2
//! a3>b2 dDBU A_HoA1 B_HoA1                            b2>a3 dDBA 0 A_HoA1 B_HoA1@b3
//! ```

use super::world::{AAA, User, lease_name, name};
use mobility::{AaaAnswer, AaaRequest};
use std::fmt;
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::mh::{Ddba, Ddbu, Message, MhView, Sdba, Sdbu};
use wire::nd::{RouterAdvert, RouterSolicit};
use wire::time::Instant;

/// One message on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When it was sent.
    pub at: Instant,
    /// The MAAR it comes from or goes to, if the other end is a user or the AAA.
    pub from: Node,
    pub to: Node,
    pub what: What,
}

/// An end of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    Router(Ipv6Addr),
    User(User),
}

#[derive(Clone, Debug)]
pub enum What {
    Rs(RouterSolicit),
    L2Attach,
    L2Detach,
    Frame(Option<Ipv6Addr>),
    Ra(RouterAdvert),
    Request(AaaRequest),
    Answer(u64, AaaAnswer),
    Stop {
        mn_id: Nai,
        attachment: u64,
    },
    /// The octets are what travels.
    Mh(Vec<u8>),
}

impl Sent {
    /// The message of a Mobility Header that can be read.
    pub fn message(&self) -> Option<Message> {
        let What::Mh(octets) = &self.what else { return None };
        MhView::new_checked(octets).ok()?.parse().ok()
    }

    pub fn sdbu(&self) -> Option<Sdbu> {
        if let Some(Message::Sdbu(m)) = self.message() { Some(m) } else { None }
    }

    pub fn sdba(&self) -> Option<Sdba> {
        if let Some(Message::Sdba(m)) = self.message() { Some(m) } else { None }
    }

    pub fn ddbu(&self) -> Option<Ddbu> {
        if let Some(Message::Ddbu(m)) = self.message() { Some(m) } else { None }
    }

    pub fn ddba(&self) -> Option<Ddba> {
        if let Some(Message::Ddba(m)) = self.message() { Some(m) } else { None }
    }

    /// The octets of a Mobility Header.
    pub fn octets(&self) -> Option<&[u8]> {
        if let What::Mh(octets) = &self.what { Some(octets) } else { None }
    }

    /// Whether it went from one MAAR (or the AAA) to another.
    pub fn is_between(&self, from: Ipv6Addr, to: Ipv6Addr) -> bool {
        self.from == Node::Router(from) && self.to == Node::Router(to)
    }

    /// Whether it is signalling between MAARs.
    pub fn is_mh(&self) -> bool {
        matches!(self.what, What::Mh(_))
    }
}

/// The end that owns a MAC.
pub fn station(mac: Mac) -> Node {
    Node::User(User::of_mac(mac).expect("only known users send frames"))
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Router(addr) => f.write_str(&name(*addr)),
            Node::User(user) => write!(f, "{}", user.letter()),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{} {}", self.from, self.to, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Rs(rs) => write!(f, "RS({})", pairs(&rs.sessions)),
            What::L2Attach => f.write_str("L2"),
            What::L2Detach => f.write_str("L2 gone"),
            What::Frame(_) => f.write_str("frame"),
            What::Ra(ra) => advert(f, ra),
            What::Request(request) => write!(f, "AAR {}", letter(&request.mn_id)),
            What::Answer(_, AaaAnswer::Granted { previous, .. }) => {
                write!(f, "AAA {}", name(*previous))
            }
            What::Answer(_, AaaAnswer::Refused { code, .. }) => write!(f, "AAA refused {code}"),
            What::Answer(_, AaaAnswer::Unavailable) => f.write_str("AAA unavailable"),
            What::Stop { mn_id, .. } => write!(f, "STR {}", letter(mn_id)),
            What::Mh(octets) => match MhView::new_checked(octets).map(|view| view.parse()) {
                Ok(Ok(message)) => f.write_str(&message_text(&message)),
                Ok(Err(refused)) => write!(f, "MH ({refused})"),
                Err(malformed) => write!(f, "MH ({malformed})"),
            },
        }
    }
}

fn letter(mn_id: &Nai) -> String {
    let user = super::world::USERS.into_iter().find(|user| user.nai() == *mn_id);
    user.map_or_else(|| mn_id.to_string(), |user| user.letter().to_string())
}

fn pairs(pairs: &[(Ipv6Addr, Ipv6Addr)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(hoa, cn)| format!("{}/{}", name(*hoa), name(*cn))).collect();
    pairs.join(" ")
}

fn advert(f: &mut fmt::Formatter<'_>, ra: &RouterAdvert) -> fmt::Result {
    write!(f, "RA {}", ra.assigned.map_or_else(|| "-".into(), name))?;
    for old in ra.prefixes.iter().filter(|prefix| prefix.preferred == 0) {
        write!(f, " old {}", lease_name(Prefix64::of(old.prefix)))?;
    }
    Ok(())
}

fn message_text(message: &Message) -> String {
    let mut words = Vec::new();
    match message {
        Message::Sdbu(m) => {
            words.push(format!("sDBU {}", letter(&m.mn_id)));
            for group in &m.groups {
                let cns = group.cns.iter().map(|cn| format!("{}/{}", name(group.hoa), name(*cn)));
                words.extend(cns);
                if group.cns.is_empty() {
                    words.push(name(group.hoa));
                }
            }
            words.extend(m.cursor.map(|(hoa, cn)| format!("after {}/{}", name(hoa), name(cn))));
            words.extend((m.lifetime == 0).then(|| "release".into()));
        }
        Message::Sdba(m) => {
            words.push(format!("sDBA {}", m.status.0));
            for group in &m.groups {
                words.extend(group.sessions.iter().map(|session| {
                    format!("{}/{}@{}", name(group.hoa), name(session.cn), name(session.maar))
                }));
            }
        }
        Message::Ddbu(m) => {
            words.push(format!("dDBU {}", name(m.hoa)));
            words.extend(m.cns.iter().map(|cn| name(*cn)));
            words.extend((m.lifetime == 0).then(|| "delete".into()));
        }
        Message::Ddba(m) => {
            words.push(format!("dDBA {}", m.status.0));
            words.extend(m.hoa.map(name));
            words.extend(m.cns.iter().map(|place| match place.moved_to {
                None => name(place.cn),
                Some(maar) => format!("{}@{}", name(place.cn), name(maar)),
            }));
        }
        Message::Heartbeat(_) => words.push("heartbeat".into()),
        Message::BindingError(status) => words.push(format!("BE {status}")),
    }
    words.join(" ")
}

/// The end of the AAA.
pub const SERVER: Node = Node::Router(AAA);
