// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The network of Figure 2 on one machine: a namespace `net` with the core bridge and one access bridge per router;
//! one namespace per router, for the AAA and for each user. Routers are `maard` processes whose taps are plugged into
//! the bridges.
//!
//! ```text
//!   air of A --[acc-a1]-- tap_acc_a1 (maard) tap_core_a1 --[core]-- tap_core_b1 (maard) tap_acc_b1 --[acc-b1]-- air of B
//!              [acc-a2]-- ...                               | |                                ... --[acc-b2]
//!              [acc-a3]-- ...                             aaa mg-a1 .. mg-b2, each router's TCP to the AAA
//! ```
//!
//! How a user gets from one access link to another is in [`crate::radio`].

use crate::Folder;
use crate::config;
use crate::control::Control;
use crate::error::{Attempt, Result, failed};
use crate::interrupt::Interrupt;
use crate::names::{AAA, Maar};
use crate::netns::{self, Netns};
use crate::process::Process;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the core bridge.
pub const CORE: &str = "core";

/// For a program to start and answer; DPDK takes a second or two on a busy machine.
const START: Duration = Duration::from_secs(30);
/// For a program to end after SIGTERM.
const END: Duration = Duration::from_secs(10);

/// Name of the access bridge of a router.
pub fn access_bridge(maar: Maar) -> String {
    format!("acc-{}", maar.short())
}

/// One router: its process and its namespace (which goes last).
#[derive(Debug)]
struct Router {
    process: Process,
    netns: Netns,
}

/// Everything that is there. Dropped, everything is gone.
#[derive(Debug)]
pub struct Topology {
    routers: BTreeMap<Maar, Router>,
    aaa: Process,
    aaa_netns: Netns,
    /// The namespace of the bridges.
    pub net: Netns,
    /// Last: while a router runs it needs them.
    _dpdk: DpdkFiles,
}

/// DPDK leaves a few files of each instance behind, also after a clean end.
#[derive(Debug)]
struct DpdkFiles;

impl Drop for DpdkFiles {
    fn drop(&mut self) {
        for maar in Maar::ALL {
            // Not there when the router never started.
            let _ =
                std::fs::remove_dir_all(Path::new("/var/run/dpdk").join(config::instance(maar)));
        }
    }
}

impl Topology {
    /// Builds it and returns when every router answers on the core link.
    pub fn build(folder: &Folder, interrupt: &Interrupt) -> Result<Topology> {
        let net = Netns::create("net")?;
        let bridges = [CORE.to_owned()].into_iter().chain(Maar::ALL.map(access_bridge));
        net.ip(bridges.flat_map(|bridge| {
            [
                format!("link add {bridge} type bridge stp_state 0 mcast_snooping 0"),
                format!("link set {bridge} up"),
            ]
        }))?;
        let aaa_netns = Netns::create("aaa")?;
        core_host(&net, &aaa_netns, "aaa", AAA)?;
        let aaa = start_aaa(folder, &aaa_netns)?;
        let routers = BTreeMap::new();
        let mut topology = Topology { routers, aaa, aaa_netns, net, _dpdk: DpdkFiles };
        for maar in Maar::ALL {
            let router = topology.start_router(folder, maar)?;
            topology.routers.insert(maar, router);
        }
        for maar in Maar::ALL {
            topology.wait_router(folder, maar, interrupt)?;
            topology.plug(maar)?;
        }
        for maar in Maar::ALL {
            topology.wait_reachable(maar, interrupt)?;
        }
        Ok(topology)
    }

    fn start_router(&self, folder: &Folder, maar: Maar) -> Result<Router> {
        let netns = Netns::create(&maar.short())?;
        core_host(&self.net, &netns, &format!("mg-{}", maar.short()), maar.management())?;
        let file = folder.config(&config::instance(maar));
        let yaml = config::maard(maar, &folder.socket(maar), &cpus());
        std::fs::write(&file, yaml).attempt(format!("write {}", file.display()))?;
        let mut command = netns.command(&folder.maard);
        command.arg("--config").arg(&file);
        let name = maar.name().to_lowercase();
        let process = Process::spawn(&format!("maard {name}"), command, &folder.log(&name))?;
        Ok(Router { process, netns })
    }

    /// Until its control socket answers: then its ports are started.
    fn wait_router(&mut self, folder: &Folder, maar: Maar, interrupt: &Interrupt) -> Result<()> {
        let socket = folder.socket(maar);
        interrupt.until(START, &format!("{maar} answers on its control socket"), || {
            self.check_running()?;
            Ok(Control::connect(&socket).and_then(|mut c| c.show("mns")).is_ok().then_some(()))
        })
    }

    /// Moves the kernel sides of its taps into `net` and into their bridges. net_tap gave them the ports' own MACs,
    /// and a bridge takes frames for the MAC of one of its ports as its own: so the kernel side gets another.
    fn plug(&self, maar: Maar) -> Result<()> {
        let router = self.routers.get(&maar).expect("every router was started");
        let net = self.net.name();
        let taps = [
            (config::access_tap(maar), access_bridge(maar), "06:00:00:00:ac"),
            (config::core_tap(maar), CORE.to_owned(), "06:00:00:00:c0"),
        ];
        for (tap, bridge, mac) in taps {
            router.netns.ip([
                format!("link set {tap} address {mac}:{}", maar.short()),
                format!("link set {tap} netns {net}"),
            ])?;
            self.net.ip([format!("link set {tap} master {bridge} up")])?;
        }
        Ok(())
    }

    /// Until it answers a ping from the AAA's host: frames pass its core port both ways.
    fn wait_reachable(&mut self, maar: Maar, interrupt: &Interrupt) -> Result<()> {
        interrupt.until(START, &format!("{maar} answers a ping on the core link"), || {
            self.check_running()?;
            let mut ping = self.aaa_netns.command("ping");
            ping.args(["-6", "-n", "-c1", "-W1", &maar.address().to_string()]);
            Ok(netns::run(&mut ping).is_ok().then_some(()))
        })
    }

    /// An error when a program of the network has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.aaa.check_running()?;
        self.routers.values_mut().try_for_each(|r| r.process.check_running())
    }

    fn terminate(&mut self) {
        self.aaa.signal(Signal::SIGTERM);
        for router in self.routers.values_mut() {
            router.process.signal(Signal::SIGTERM);
        }
    }

    /// Ends every program by SIGTERM. What did not end by itself with status 0 is named.
    pub fn take_down(mut self) -> Result<Vec<String>> {
        self.check_running()?;
        self.terminate();
        let mut unclean = Vec::new();
        let routers = self.routers.values_mut().map(|r| &mut r.process);
        for process in routers.chain([&mut self.aaa]) {
            match process.wait(END)? {
                Some(status) if status.success() => {}
                Some(status) => unclean.push(process.ended(status).to_string()),
                None => unclean.push(process.lingers()),
            }
        }
        Ok(unclean)
    }
}

impl Drop for Topology {
    /// All signals before the first wait, which is the fields' own.
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Gives `netns` an interface on the core link with `address`, for the kernel's TCP.
fn core_host(net: &Netns, netns: &Netns, port: &str, address: std::net::Ipv6Addr) -> Result<()> {
    net.ip([
        format!("link add {port} type veth peer name eth0 netns {}", netns.name()),
        format!("link set {port} master {CORE} up"),
    ])?;
    netns.sysctl("conf/eth0/accept_ra", "0")?;
    netns.sysctl("conf/eth0/disable_ipv6", "0")?;
    netns.ip([format!("addr add {address}/64 dev eth0 nodad"), "link set eth0 up".to_owned()])
}

fn start_aaa(folder: &Folder, netns: &Netns) -> Result<Process> {
    let file = folder.config("aaad");
    std::fs::write(&file, config::aaad()).attempt(format!("write {}", file.display()))?;
    let mut command = netns.command(&folder.aaad);
    command.arg("--config").arg(&file);
    Process::spawn("aaad", command, &folder.log("aaad"))
}

/// CPUs this process may run on.
fn cpus() -> Vec<usize> {
    let mine = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    let Ok(set) = mine else { return vec![0] };
    (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// Where the programs are: beside the running executable, or one folder up (a test runs in `deps`).
pub fn beside(program: &str) -> Result<PathBuf> {
    let me = std::env::current_exe().attempt("find the running executable")?;
    let folders = me.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file()).ok_or_else(|| {
        failed(format!(
            "no {program} beside {}; build it first: cargo build{} -p maard -p aaad -p romip",
            me.display(),
            if cfg!(debug_assertions) { "" } else { " --release" },
        ))
    })
}
