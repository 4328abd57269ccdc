// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many hugepages the kernel has: what start-up errors and `doctor`-like checks compare with what is wanted.

/// The kernel's pool of hugepages of the default size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hugepages {
    /// Pages in the pool.
    pub total: u64,
    /// Pages nobody has.
    pub free: u64,
    /// Size of one page in KiB.
    pub page_kib: u64,
}

impl Hugepages {
    /// Reads /proc/meminfo; all zero where the kernel has no hugepages.
    pub fn read() -> Hugepages {
        Hugepages::of(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default())
    }

    fn of(meminfo: &str) -> Hugepages {
        let value = |key: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Hugepages {
            total: value("HugePages_Total:"),
            free: value("HugePages_Free:"),
            page_kib: value("Hugepagesize:"),
        }
    }

    /// Pages that hold so many MiB.
    pub fn pages_for(&self, mib: u64) -> u64 {
        (mib * 1024).div_ceil(self.page_kib.max(1))
    }

    /// What is free, in MiB.
    pub fn free_mib(&self) -> u64 {
        self.free * self.page_kib / 1024
    }

    /// The command after which `mib` are free. It raises the pool: a smaller number would take pages away from others.
    pub fn command_for(&self, mib: u64) -> String {
        let missing = self.pages_for(mib).saturating_sub(self.free);
        format!("sysctl -w vm.nr_hugepages={}", self.total + missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 1 kB\nHugePages_Total:      10\nHugePages_Free:        4\nHugePages_Rsvd:        0\nHugepagesize:       2048 kB\n";

    #[test]
    fn the_command_counts_the_pages_others_hold() {
        let pages = Hugepages::of(MEMINFO);
        assert_eq!(pages, Hugepages { total: 10, free: 4, page_kib: 2048 });
        assert_eq!(pages.free_mib(), 8);
        assert_eq!(pages.pages_for(33), 17);
        assert_eq!(pages.command_for(32), "sysctl -w vm.nr_hugepages=22");
    }

    #[test]
    fn a_kernel_without_hugepages_has_none() {
        assert_eq!(Hugepages::of("MemTotal: 1 kB\n").free, 0);
    }
}
