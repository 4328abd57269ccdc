// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the radio does in the real world: a user's link leaves one access bridge and joins another. One `ip -batch` runs
//! all the time, so that a move takes under a millisecond and its moment is known.

use crate::clock::now_ns;
use crate::error::{Attempt, Result, failed};
use crate::names::{Maar, User};
use crate::netns::Netns;
use crate::topology::{access_bridge, user_port};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The running batch.
#[derive(Debug)]
pub struct Switch {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// When a move was made, nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Before the order was given: everything earlier took the old link.
    pub began: u64,
    /// After it was confirmed: everything later takes the new link.
    pub done: u64,
}

impl Switch {
    /// Starts the batch.
    pub fn start(net: &Netns) -> Result<Switch> {
        let mut child = Command::new("ip")
            .args(["-n", net.name(), "-oneline", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .attempt("run ip")?;
        let orders = child.stdin.take().expect("stdin was asked for");
        let answers = BufReader::new(child.stdout.take().expect("stdout was asked for"));
        let mut switch = Switch { child, orders, answers };
        // The first answer takes longer than later ones; it is not to be a move's.
        switch.order("", &user_port(User::A))?;
        Ok(switch)
    }

    /// Moves a user to the access link of `maar`.
    pub fn carry(&mut self, user: User, maar: Maar) -> Result<Moved> {
        let port = user_port(user);
        let began = now_ns();
        let line =
            self.order(&format!("link set {port} master {}\n", access_bridge(maar)), &port)?;
        let done = now_ns();
        if !line.contains(&format!("master {} ", access_bridge(maar))) {
            return Err(failed(format!("{port} did not move to {}: {line}", access_bridge(maar))));
        }
        Ok(Moved { began, done })
    }

    /// Gives an order and reads what `ip link show` says behind it.
    fn order(&mut self, order: &str, port: &str) -> Result<String> {
        let lines = format!("{order}link show dev {port}\n");
        self.orders.write_all(lines.as_bytes()).attempt("give ip an order")?;
        let mut line = String::new();
        self.answers.read_line(&mut line).attempt("read ip's answer")?;
        if line.is_empty() {
            return Err(failed(format!("ip refused one of\n{lines}")));
        }
        Ok(line)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
