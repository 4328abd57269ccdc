// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EAL options as a program means them. Several instances on one machine do not clash: the prefix is the instance's
//! name, and lcores are mapped to CPUs, which instances may share.

use std::fmt::Write as _;

/// Where packet memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages without files in hugetlbfs: nothing is left behind, also by a killed process.
    Hugepages {
        /// Reserved at start, in MiB; `None`: taken as pools are made.
        mib: Option<u32>,
    },
    /// Ordinary pages, all reserved at start. For tap, af_packet, memif, pcap, ring and null ports; slower.
    Ordinary {
        /// How much, in MiB.
        mib: u32,
    },
}

/// Builds what [`Eal::init`](crate::Eal::init) takes.
///
/// ```
/// use dpdk::eal::{Args, Memory};
/// let args = Args::new("maar1").memory(Memory::Ordinary { mib: 64 }).lcore(0, 0).lcore(1, 1).build();
/// assert_eq!(args.join(" "), "--file-prefix maar1 --lcores 0@0,1@1 --main-lcore 0 --no-huge -m 64 --no-pci --log-level 4");
/// ```
#[derive(Debug, Clone)]
pub struct Args {
    name: String,
    memory: Memory,
    lcores: Vec<(u32, u32)>,
    pci: Vec<String>,
    log_level: u32,
    more: Vec<String>,
}

impl Args {
    /// For the instance of this name; the name becomes part of a path, so other characters than letters, digits, `.`,
    /// `_` and `-` are replaced.
    pub fn new(name: &str) -> Args {
        let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        Args {
            name: name.chars().map(keep).collect(),
            memory: Memory::Hugepages { mib: None },
            lcores: Vec::new(),
            pci: Vec::new(),
            log_level: LOG_ERROR,
            more: Vec::new(),
        }
    }

    /// Where packet memory comes from; hugepages by default.
    pub fn memory(mut self, memory: Memory) -> Args {
        self.memory = memory;
        self
    }

    /// Adds an lcore and the CPU it runs on. The first one is the main lcore: the thread that calls `Eal::init`.
    pub fn lcore(mut self, lcore: u32, cpu: u32) -> Args {
        self.lcores.push((lcore, cpu));
        self
    }

    /// Lets DPDK have the NIC at this PCI address (device arguments behind a comma). Without one, the PCI bus is left
    /// alone; device strings of virtual ports may be passed too and change nothing.
    pub fn device(mut self, device: &str) -> Args {
        if crate::port::is_pci(device) {
            self.pci.push(device.to_owned());
        }
        self
    }

    /// DPDK's own log level, 1 (emergencies) to 8 (debug); 4, errors, by default. It goes to the `log` facade.
    pub fn log_level(mut self, level: u32) -> Args {
        self.log_level = level;
        self
    }

    /// Anything else, as DPDK spells it.
    pub fn option(mut self, option: &str) -> Args {
        self.more.push(option.to_owned());
        self
    }

    /// The options in order.
    pub fn build(&self) -> Vec<String> {
        let mut args = vec!["--file-prefix".into(), self.name.clone()];
        if let Some(&(main, _)) = self.lcores.first() {
            args.extend([
                "--lcores".into(),
                lcore_map(&self.lcores),
                "--main-lcore".into(),
                main.to_string(),
            ]);
        }
        match self.memory {
            Memory::Hugepages { mib } => {
                args.push("--in-memory".into());
                args.extend(mib.into_iter().flat_map(|mib| ["-m".into(), mib.to_string()]));
            }
            Memory::Ordinary { mib } => {
                args.extend(["--no-huge".into(), "-m".into(), mib.to_string()])
            }
        }
        if self.pci.is_empty() {
            args.push("--no-pci".into());
        }
        for device in &self.pci {
            args.extend(["-a".into(), device.clone()]);
        }
        args.extend(["--log-level".into(), self.log_level.to_string()]);
        args.extend(self.more.iter().cloned());
        args
    }
}

/// RTE_LOG_ERR.
const LOG_ERROR: u32 = 4;

fn lcore_map(lcores: &[(u32, u32)]) -> String {
    let mut map = String::new();
    for (n, (lcore, cpu)) in lcores.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(map, "{comma}{lcore}@{cpu}");
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lcores_may_share_one_cpu() {
        let args = Args::new("a").lcore(0, 1).lcore(1, 1).lcore(5, 0).build();
        assert!(args.windows(2).any(|pair| pair == ["--lcores", "0@1,1@1,5@0"]));
        assert!(args.windows(2).any(|pair| pair == ["--main-lcore", "0"]));
    }

    #[test]
    fn the_pci_bus_is_left_alone_until_a_pci_port_is_named() {
        let virtual_only = Args::new("a").device("net_tap0,iface=core").build();
        assert!(virtual_only.contains(&"--no-pci".into()));
        let with_nic = Args::new("a").device("net_tap0").device("0000:01:00.0,foo=1").build();
        assert!(!with_nic.contains(&"--no-pci".into()));
        assert!(with_nic.windows(2).any(|pair| pair == ["-a", "0000:01:00.0,foo=1"]));
    }

    #[test]
    fn hugepages_are_never_left_behind_as_files() {
        assert!(
            Args::new("a")
                .memory(Memory::Hugepages { mib: Some(64) })
                .build()
                .contains(&"--in-memory".into())
        );
    }

    #[test]
    fn a_name_cannot_leave_the_runtime_folder() {
        assert_eq!(Args::new("../x y").build()[1], ".._x_y");
    }
}
