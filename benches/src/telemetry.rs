// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DPDK's telemetry socket: the port counters of every program, asked in one way.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde_json::Value;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

/// A connection.
pub struct Telemetry(OwnedFd);

/// Port counters and when they were read.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub at: Instant,
    pub rx: u64,
    pub tx: u64,
    /// Frames a port did not get or did not send.
    pub lost: u64,
}

impl Telemetry {
    /// Connects to the program of this `--file-prefix`; `None` while it does not listen.
    pub fn connect(prefix: &str) -> Option<Telemetry> {
        let path = PathBuf::from(format!("/run/dpdk/{prefix}/dpdk_telemetry.v2"));
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(10)).ok()?;
        connect(fd.as_raw_fd(), &UnixAddr::new(&path).ok()?).ok()?;
        let telemetry = Telemetry(fd);
        // It says who it is first.
        telemetry.receive().ok()?;
        Some(telemetry)
    }

    fn receive(&self) -> Result<Value, String> {
        let mut octets = vec![0; 16 * 1024];
        let n = recv(self.0.as_raw_fd(), &mut octets, MsgFlags::empty())
            .map_err(|error| format!("telemetry does not answer: {error}"))?;
        serde_json::from_slice(&octets[..n]).map_err(|error| format!("telemetry: {error}"))
    }

    /// The counters of a port.
    pub fn port(&self, port: u16) -> Result<Counts, String> {
        let question = format!("/ethdev/stats,{port}");
        let before = Instant::now();
        send(self.0.as_raw_fd(), question.as_bytes(), MsgFlags::empty())
            .map_err(|error| format!("telemetry: {error}"))?;
        let answer = self.receive()?;
        // They were read between question and answer.
        let at = before + before.elapsed() / 2;
        let stats = &answer["/ethdev/stats"];
        let get = |name: &str| stats[name].as_u64().ok_or(format!("telemetry: no {name}"));
        let lost = get("imissed")? + get("ierrors")? + get("oerrors")? + get("rx_nombuf")?;
        Ok(Counts { at, rx: get("ipackets")?, tx: get("opackets")?, lost })
    }
}
