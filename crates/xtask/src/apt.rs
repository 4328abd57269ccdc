// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian packages by the job that needs them; installs those that are missing.

use crate::run::{Failed, program};
use std::process::{Command, Stdio};

/// To build: DPDK's headers, libraries and (by its dependencies) every PMD; libclang for bindgen.
pub const BUILD: &[&str] = &["build-essential", "pkg-config", "libdpdk-dev", "libclang-dev"];

/// To run the lab and the tests in namespaces.
pub const LAB: &[&str] = &[
    "ethtool",
    "iproute2",
    "iputils-ping",
    "iperf3",
    "ndisc6",
    "procps",
    "strace",
    "tcpdump",
    "tshark",
];

/// The other AAA server: speed side by side, and interop.
pub const FREEDIAMETER: &[&str] = &[
    "freediameterd",
    "freediameter-extensions",
    "gcc",
    "iproute2",
    "libc6-dev",
    "libfreediameter-dev",
];
/// A store of several aaads.
pub const POSTGRES: &[&str] = &["postgresql"];
/// To measure: testpmd, and the examples that l3fwd is built from.
pub const BENCH: &[&str] = &["dpdk-dev", "dpdk-doc", "make"];
/// To count instructions.
pub const COUNT: &[&str] = &["build-essential", "valgrind"];

/// Installs what is missing of `lists`; with everything there it asks nobody and needs no root.
pub fn install(lists: &[&[&'static str]]) -> Result<(), Failed> {
    let missing: Vec<&str> = lists.concat().into_iter().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        eprintln!("nothing");
        return Ok(());
    }
    eprintln!("missing: {}", missing.join(" "));
    let mend = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(Failed(format!(
            "no apt-get here; install what these Debian packages hold: {}",
            missing.join(" ")
        )));
    }
    let failed = |Failed(why)| Failed(format!("{why}; as root: {mend}"));
    apt(&["update", "-q"]).map_err(failed)?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], &missing[..]].concat())
        .map_err(failed)
}

/// apt-get without questions (tshark and iperf3 ask some).
fn apt(args: &[&str]) -> Result<(), Failed> {
    program("env", &[&["DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat())
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|out| out.stdout == b"installed")
}
