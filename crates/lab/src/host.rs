// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two users: plain Linux kernels, each in a namespace, with no mobility software. A builds its addresses from its
//! MAC; B has a stable-privacy link-local address (RFC 7217) and a fixed interface identifier for its global ones.
//!
//! What is set on them, and why: no DAD and no delay before the first RS, so that the lab starts in a moment instead of
//! in two seconds. Neither changes what a move does: a silent move makes a stock host send nothing.

use crate::Folder;
use crate::error::{Attempt, Result, failed};
use crate::names::User;
use crate::netns::{self, Netns};
use crate::process::Process;
use crate::radio::user_port;
use std::process::Command;

/// The only interface of a user.
pub const INTERFACE: &str = "eth0";
/// TCP port of iperf3.
pub const IPERF_PORT: u16 = 5201;
/// What iperf3 sends, bits a second: enough for a stream that never pauses, little enough for two CPUs.
const IPERF_RATE: &str = "4M";

/// One user.
#[derive(Debug)]
pub struct Host {
    /// Who.
    pub user: User,
    /// Where its kernel is.
    pub netns: Netns,
}

impl Host {
    /// A host that is switched on, in the air of its first MAAR.
    pub fn start(net: &Netns, user: User) -> Result<Host> {
        let netns = Netns::create(user.short())?;
        let port = user_port(user);
        net.ip([
            format!(
                "link add {port} type veth peer name {INTERFACE} address {} netns {}",
                user.mac(),
                netns.name()
            ),
            user.plug(),
        ])?;
        let host = Host { user, netns };
        host.configure()?;
        host.netns.ip([format!("link set {INTERFACE} up")])?;
        Ok(host)
    }

    fn configure(&self) -> Result<()> {
        let set =
            |key: &str, value: &str| self.netns.sysctl(&format!("conf/{INTERFACE}/{key}"), value);
        set("addr_gen_mode", if self.user == User::A { "0" } else { "3" })?;
        set("accept_ra", "1")?;
        set("accept_dad", "0")?;
        set("dad_transmits", "0")?;
        set("router_solicitation_delay", "0")?;
        set("disable_ipv6", "0")?;
        if self.user == User::B {
            self.netns.ip([format!("token set ::ff:fe00:b dev {INTERFACE}")])?;
        }
        // Checksums and segments as on a wire, so that the captures hold what a wire would.
        let mut offloads = self.netns.command("ethtool");
        offloads.args(["-K", INTERFACE, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
        netns::run(&mut offloads).attempt("switch offloads off (apt install ethtool)").map(drop)
    }

    /// Whether its kernel has made the address its MAAR assigned it, and may use it.
    pub fn has_hoa1(&self) -> Result<bool> {
        let links = self.netns.ip_json(&["-6", "addr", "show", "dev", INTERFACE])?;
        let addresses = links.as_array().into_iter().flatten().filter_map(|l| l.get("addr_info"));
        let wanted = self.user.hoa1().to_string();
        Ok(addresses
            .filter_map(serde_json::Value::as_array)
            .flatten()
            .any(|a| a["local"] == wanted.as_str() && a.get("tentative").is_none()))
    }

    /// Whether one ping from HoA1 to the other's HoA1 is answered.
    pub fn reaches_peer(&self) -> bool {
        let mut ping = self.netns.command("ping");
        ping.args(["-6", "-n", "-c1", "-W1", "-I", &self.user.hoa1().to_string()]);
        netns::run(ping.arg(self.user.peer().hoa1().to_string())).is_ok()
    }

    /// Retransmission time-outs of its TCP so far (RFC 6298).
    pub fn tcp_timeouts(&self) -> Result<u64> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/netstat");
        let text = self.netns.inside(read).attempt("read the counters of TCP")?;
        let mut rows = text.lines().filter(|line| line.starts_with("TcpExt:"));
        let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let found =
            names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "TCPTimeouts");
        found
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| failed("the kernel does not count TCPTimeouts"))
    }

    /// The stock tool that sends one RS.
    pub fn solicit(&self, folder: &Folder) -> Result<Process> {
        let mut command = self.netns.command("rdisc6");
        command.args(["-1", INTERFACE]);
        Process::spawn("rdisc6", command, &folder.log("rdisc6"))
    }

    /// `ping` of the other user, ten a second, from HoA1 to HoA1.
    pub fn ping(&self, folder: &Folder) -> Result<Process> {
        let mut command = self.netns.command("ping");
        command.args(["-6", "-n", "-i", "0.1", "-I", &self.user.hoa1().to_string()]);
        command.arg(self.user.peer().hoa1().to_string());
        Process::spawn("ping", command, &folder.log("ping"))
    }

    /// `iperf3` as server for one test, on HoA1.
    pub fn iperf_server(&self, folder: &Folder) -> Result<Process> {
        let mut command = self.iperf();
        command.args(["--server", "--one-off", "--forceflush"]);
        Process::spawn("iperf3 server", command, &folder.log("iperf3-server"))
    }

    /// `iperf3` as client: a TCP stream from HoA1 to the other's HoA1; its JSON goes into the log.
    pub fn iperf_client(&self, folder: &Folder, seconds: u64) -> Result<Process> {
        let mut command = self.iperf();
        command.args(["--client", &self.user.peer().hoa1().to_string()]);
        command.args(["--time", &seconds.to_string(), "--bitrate", IPERF_RATE, "--json"]);
        Process::spawn("iperf3 client", command, &folder.log("iperf3-client"))
    }

    fn iperf(&self) -> Command {
        let mut command = self.netns.command("iperf3");
        command.args(["-6", "--bind", &self.user.hoa1().to_string()]);
        command.args(["--port", &IPERF_PORT.to_string()]);
        command
    }
}
