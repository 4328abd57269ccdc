// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the radio does in the real world: it carries a user's link to one access bridge at a time.
//!
//! ```text
//!                       air-a1 -- ap-a1 [acc-a1]
//!   user-a ---[air-a]--- air-a2 -- ap-a2 [acc-a2]      one of the three ports forwards, the others are disabled
//!                       air-a3 -- ap-a3 [acc-a3]
//! ```
//!
//! A move goes as a station's does that takes its leave: it sends no more (its frames are not flooded into the old
//! port), the old access point may say so, then the old port is disabled; a gap later the new one is enabled. Moving the user's port itself from bridge to bridge would wait for a
//! grace period of the kernel (RCU), during which the user is on no link at all: under a millisecond on an idle machine,
//! 200 ms and more on a busy one, and the lab would measure that instead of the routers.

use crate::clock::now_ns;
use crate::error::{Attempt, Result, failed};
use crate::names::{Maar, User};
use crate::netns::Netns;
use crate::topology::access_bridge;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// For the kernel to notice that a link is up.
const LINK_UP: Duration = Duration::from_secs(10);

/// The bridge that is a user's air.
fn air(user: User) -> String {
    format!("air-{}", user.short())
}

/// The air's port towards a router.
fn port(maar: Maar) -> String {
    format!("air-{}", maar.short())
}

/// Name of the network side of a user's link.
pub fn user_port(user: User) -> String {
    format!("user-{}", user.short())
}

/// Both users' air, and one `bridge -batch` that runs all the time: a move takes a fraction of a millisecond, and its
/// moment is known.
#[derive(Debug)]
pub struct Radio {
    at: BTreeMap<User, Maar>,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// When a move was made, nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Before the first order was given: everything earlier took the old link.
    pub began: u64,
    /// After the last one was confirmed: everything later takes the new link.
    pub done: u64,
}

impl Radio {
    /// Builds both users' air; each is at its first MAAR.
    pub fn start(net: &Netns) -> Result<Radio> {
        for user in User::ALL {
            net.ip(lines(user))?;
        }
        let mut child = Command::new("bridge")
            .args(["-n", net.name(), "-oneline", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .attempt("run bridge (apt install iproute2)")?;
        let orders = child.stdin.take().expect("stdin was asked for");
        let answers = BufReader::new(child.stdout.take().expect("stdout was asked for"));
        let at = User::ALL.into_iter().map(|user| (user, user.home())).collect();
        let mut radio = Radio { at, child, orders, answers };
        let visits = || User::ALL.into_iter().flat_map(User::visits).copied();
        visits().try_for_each(|maar| radio.wait_live(maar))?;
        for maar in visits() {
            let home = User::ALL.iter().any(|user| user.home() == maar);
            radio.order(&[(maar, if home { FORWARDING } else { DISABLED })])?;
        }
        Ok(radio)
    }

    /// Until the kernel has noticed that the port's link is up and has let it forward by itself: it would do so later
    /// with a port that is disabled before.
    fn wait_live(&mut self, maar: Maar) -> Result<()> {
        let until = Instant::now() + LINK_UP;
        while !self.ask("", maar)?.contains(" state forwarding ") {
            if Instant::now() > until {
                return Err(failed(format!("the link of {} does not come up", port(maar))));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The user takes its leave: it sends nothing more on its link, what is on its way to it still arrives. When that
    /// began.
    pub fn mute(&mut self, user: User) -> Result<u64> {
        let began = now_ns();
        self.order(&[(self.at(user), MUTE)])?;
        Ok(began)
    }

    /// The user is on no link.
    pub fn drop_off(&mut self, user: User) -> Result<()> {
        self.order(&[(self.at(user), DISABLED)])
    }

    /// The user is on the access link of `maar`. When that was done.
    pub fn pick_up(&mut self, user: User, maar: Maar) -> Result<u64> {
        self.at.insert(user, maar);
        self.order(&[(maar, FORWARDING)])?;
        Ok(now_ns())
    }

    fn at(&self, user: User) -> Maar {
        self.at.get(&user).copied().unwrap_or_else(|| user.home())
    }

    /// Sets states of ports and waits for the last one's confirmation.
    fn order(&mut self, states: &[(Maar, State)]) -> Result<()> {
        let Some((last, state)) = states.last() else { return Ok(()) };
        // Learning off: every MAAR has the same MAC, so what was learnt of the old one would hold up the new one.
        let order = |(maar, state): &(Maar, State)| {
            format!("link set dev {} learning off {}\n", port(*maar), state.order)
        };
        let lines: String = states.iter().map(order).collect();
        let line = self.ask(&lines, *last)?;
        if line.contains(&format!(" state {} ", state.shown)) {
            Ok(())
        } else {
            Err(failed(format!("bridge did not do\n{lines}{line}")))
        }
    }

    /// Gives orders and reads what `bridge` then says of a port.
    fn ask(&mut self, orders: &str, maar: Maar) -> Result<String> {
        let lines = format!("{orders}link show dev {}\n", port(maar));
        self.orders.write_all(lines.as_bytes()).attempt("give bridge an order")?;
        let mut line = String::new();
        self.answers.read_line(&mut line).attempt("read bridge's answer")?;
        if line.is_empty() {
            Err(failed(format!("bridge refused one of\n{lines}")))
        } else {
            Ok(line)
        }
    }
}

/// A state of a bridge's port: how it is ordered and how it shows.
#[derive(Clone, Copy)]
struct State {
    order: &'static str,
    shown: &'static str,
}

const DISABLED: State = State { order: "state 0", shown: "disabled" };
/// Frames from the user go to an address nobody was learnt for, or to a group: they are flooded or go nowhere.
const MUTE: State =
    State { order: "flood off mcast_flood off bcast_flood off", shown: "forwarding" };
const FORWARDING: State =
    State { order: "flood on mcast_flood on bcast_flood on state 3", shown: "forwarding" };

/// What makes a user's air.
fn lines(user: User) -> Vec<String> {
    let air = air(user);
    let mut lines = vec![
        format!("link add {air} type bridge stp_state 0 mcast_snooping 0"),
        format!("link set {air} up"),
    ];
    for maar in user.visits() {
        let (port, ap) = (port(*maar), format!("ap-{}", maar.short()));
        lines.extend([
            format!("link add {port} type veth peer name {ap}"),
            format!("link set {port} master {air} up"),
            format!("link set {ap} master {} up", access_bridge(*maar)),
        ]);
    }
    lines
}

impl User {
    /// The MAARs it can be at.
    pub(crate) fn visits(self) -> &'static [Maar] {
        match self {
            User::A => &[Maar::A1, Maar::A2, Maar::A3],
            User::B => &[Maar::B1, Maar::B2],
        }
    }

    /// What plugs its port, `user-a`, into its air.
    pub(crate) fn plug(self) -> String {
        format!("link set {} master {} up", user_port(self), air(self))
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_on_one_access_link_at_a_time() {
        let net = Netns::create("test-radio").expect("root is needed");
        for maar in Maar::ALL {
            let bridge = access_bridge(maar);
            net.ip([format!("link add {bridge} type bridge"), format!("link set {bridge} up")])
                .unwrap();
        }
        let mut radio = Radio::start(&net).unwrap();
        let live = || {
            let mut show = net.command("bridge");
            let text = crate::netns::run(show.args(["-oneline", "link", "show"])).unwrap();
            let lines = text.lines().filter(|l| l.contains(" air-a") && l.contains(" forwarding "));
            lines.filter_map(|l| l.split([' ', '@']).nth(1)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(live(), ["air-a1"]);
        for maar in [Maar::A2, Maar::A3] {
            let began = radio.mute(User::A).unwrap();
            assert_eq!(live().len(), 1, "what is on its way to it still arrives");
            radio.drop_off(User::A).unwrap();
            assert!(live().is_empty());
            assert!(began <= radio.pick_up(User::A, maar).unwrap());
            assert_eq!(live(), [port(maar)]);
        }
    }
}
