// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The address table of the draft's story: who is who in Figure 1 and Figure 2. Names, addresses and MACs are the
//! only thing the topology, the configurations and the analysis share.

use std::fmt;
use std::net::Ipv6Addr;
use wire::addr::Mac;

/// The core link, 2001:db8:ff::/64.
const fn core(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, last)
}

/// One of the five routers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Maar {
    /// Where A starts: anchors A_HoA1.
    A1,
    /// Where A goes first.
    A2,
    /// Where A goes last.
    A3,
    /// Where B starts: anchors B_HoA1.
    B1,
    /// Where B goes.
    B2,
}

impl Maar {
    /// In the order of `report.json`.
    pub const ALL: [Maar; 5] = [Maar::A1, Maar::A2, Maar::A3, Maar::B1, Maar::B2];

    /// 0xa1 and so on: the digits all its addresses are made of.
    const fn digits(self) -> u8 {
        match self {
            Maar::A1 => 0xa1,
            Maar::A2 => 0xa2,
            Maar::A3 => 0xa3,
            Maar::B1 => 0xb1,
            Maar::B2 => 0xb2,
        }
    }

    /// The draft's name, as in Figure 1.
    pub const fn name(self) -> &'static str {
        match self {
            Maar::A1 => "A_MAAR1",
            Maar::A2 => "A_MAAR2",
            Maar::A3 => "A_MAAR3",
            Maar::B1 => "B_MAAR1",
            Maar::B2 => "B_MAAR2",
        }
    }

    /// `a1` and so on: part of interface and namespace names.
    pub fn short(self) -> String {
        format!("{:x}", self.digits())
    }

    /// Core address: source and destination of tunnels and signalling.
    pub const fn address(self) -> Ipv6Addr {
        core(self.digits() as u16)
    }

    /// Address of the kernel in its namespace, for the TCP connection to the AAA.
    pub const fn management(self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 1, self.digits() as u16)
    }

    /// The /48 its leases come from, as text.
    pub fn pool(self) -> String {
        format!("2001:db8:{}::/48", self.short())
    }

    /// MAC of its core port, by which a capture of the core link tells the routers apart.
    pub const fn core_mac(self) -> Mac {
        Mac([2, 0, 0, 0, 0xc0, self.digits()])
    }
}

/// One of the two mobile users.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum User {
    /// The user A.
    A,
    /// The user B.
    B,
}

impl User {
    /// Both.
    pub const ALL: [User; 2] = [User::A, User::B];

    /// `A` or `B`.
    pub const fn name(self) -> &'static str {
        match self {
            User::A => "A",
            User::B => "B",
        }
    }

    /// `a` or `b`: part of interface and namespace names.
    pub const fn short(self) -> &'static str {
        match self {
            User::A => "a",
            User::B => "b",
        }
    }

    /// The other one.
    pub const fn peer(self) -> User {
        match self {
            User::A => User::B,
            User::B => User::A,
        }
    }

    /// MAC of its only interface.
    pub const fn mac(self) -> Mac {
        Mac([2, 0, 0, 0, 0, if matches!(self, User::A) { 0x0a } else { 0x0b }])
    }

    /// Its NAI.
    pub const fn mn_id(self) -> &'static str {
        match self {
            User::A => "usera@example.org",
            User::B => "userb@example.org",
        }
    }

    /// A_HoA1, B_HoA1: the address its first MAAR assigns, by which it is known for the whole story.
    pub const fn hoa1(self) -> Ipv6Addr {
        match self {
            User::A => Ipv6Addr::new(0x2001, 0xdb8, 0xa1, 0xa, 0, 0xff, 0xfe00, 0xa),
            User::B => Ipv6Addr::new(0x2001, 0xdb8, 0xb1, 0xb, 0, 0xff, 0xfe00, 0xb),
        }
    }

    /// Where it attaches first.
    pub const fn home(self) -> Maar {
        match self {
            User::A => Maar::A1,
            User::B => Maar::B1,
        }
    }
}

/// The AAA server's address; it listens on [`AAA_PORT`].
pub const AAA: Ipv6Addr = core(0xaaaa);

/// Diameter's TCP port.
pub const AAA_PORT: u16 = 3868;

/// A node of Figure 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    /// A user.
    User(User),
    /// A router.
    Maar(Maar),
    /// The AAA server.
    Aaa,
}

impl Node {
    /// Whose core or management address this is.
    pub fn of_address(address: Ipv6Addr) -> Option<Node> {
        if address == AAA {
            return Some(Node::Aaa);
        }
        let is = |m: &Maar| m.address() == address || m.management() == address;
        Maar::ALL.into_iter().find(is).map(Node::Maar)
    }

    /// The draft's name.
    pub const fn name(self) -> &'static str {
        match self {
            Node::User(user) => user.name(),
            Node::Maar(maar) => maar.name(),
            Node::Aaa => "AAA",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Maar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_drafts_worked_example() {
        assert_eq!(Maar::A3.address().to_string(), "2001:db8:ff::a3");
        assert_eq!(Maar::B2.management().to_string(), "2001:db8:ff::1:b2");
        assert_eq!(Maar::B1.pool(), "2001:db8:b1::/48");
        assert_eq!(User::A.hoa1().to_string(), "2001:db8:a1:a:0:ff:fe00:a");
        assert_eq!(User::B.hoa1().to_string(), "2001:db8:b1:b:0:ff:fe00:b");
        assert_eq!(AAA.to_string(), "2001:db8:ff::aaaa");
    }

    #[test]
    fn a_core_and_a_management_address_name_the_same_router() {
        for maar in Maar::ALL {
            assert_eq!(Node::of_address(maar.address()), Some(Node::Maar(maar)));
            assert_eq!(Node::of_address(maar.management()), Some(Node::Maar(maar)));
        }
        assert_eq!(Node::of_address(AAA), Some(Node::Aaa));
        assert_eq!(Node::of_address(User::A.hoa1()), None);
    }
}
