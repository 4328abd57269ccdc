// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why DPDK did not start, in one sentence with the mend. `rte_eal_init` gives -1, an error number that several causes
//! share, and log lines: the cause is found from all three and from the machine.

use dpdk_sys as sys;

use super::hugepages::Hugepages;

/// Why [`Eal::init`](super::Eal::init) failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EalError {
    /// A second start in one process.
    #[error("DPDK was started before in this process; it starts once, also after a failure")]
    StartedBefore,
    /// An option with a NUL in it.
    #[error("DPDK option {argument:?} has a NUL octet in it")]
    Argument {
        /// The option.
        argument: String,
    },
    /// More options than an `int` counts.
    #[error("too many DPDK options")]
    TooManyArguments,
    /// The kernel has not the pages.
    #[error(
        "not enough hugepages: wanted {wanted} MiB ({} pages of {} KiB), free {} MiB ({} pages); mend: `{}`, or run without hugepages",
        .pages.pages_for(*.wanted), .pages.page_kib, .pages.free_mib(), .pages.free, .pages.command_for(*.wanted)
    )]
    Hugepages {
        /// MiB asked for.
        wanted: u64,
        /// What the kernel has.
        pages: Hugepages,
    },
    /// Ordinary memory did not suffice.
    #[error(
        "not enough memory for {wanted} MiB of packet buffers without hugepages ({why}); mend: ask for less"
    )]
    Memory {
        /// MiB asked for.
        wanted: u64,
        /// DPDK's words.
        why: String,
    },
    /// Another process runs with this prefix.
    #[error(
        "another DPDK process with the name {prefix:?} is running; mend: give this instance another name, or stop the other"
    )]
    PrefixInUse {
        /// The `--file-prefix`.
        prefix: String,
    },
    /// The container or the user may not set a memory policy.
    #[error(
        "no permission to place memory ({why}); mend: give the capability SYS_NICE (docker: `--cap-add SYS_NICE`), or run without hugepages"
    )]
    MemoryPolicy {
        /// DPDK's words.
        why: String,
    },
    /// A file or device DPDK needs is not permitted.
    #[error("DPDK has no permission ({why}); mend: run as root, or give access to what is named")]
    Permission {
        /// DPDK's words.
        why: String,
    },
    /// A CPU of the lcore map is not there.
    #[error(
        "CPU {cpu} does not exist or is not allowed for this process (allowed: {allowed}); mend: use other CPUs"
    )]
    Cpu {
        /// The first one missing.
        cpu: u32,
        /// The process's CPUs as the kernel lists them.
        allowed: String,
    },
    /// An option DPDK refuses.
    #[error("DPDK refused its options `{options}` ({why}); mend: correct the option named")]
    Options {
        /// All options.
        options: String,
        /// DPDK's words.
        why: String,
    },
    /// Everything else, in DPDK's words.
    #[error("DPDK did not start: {why}")]
    Other {
        /// Error text and DPDK's last log lines.
        why: String,
    },
}

const EINVAL: i32 = 22;
/// MiB to advise where none were asked for: a pool of 16,384 mbufs and DPDK's own needs.
const LEAST: u64 = 64;

/// Finds the cause of a failed `rte_eal_init`.
pub(super) fn explain(args: &[String], errno: i32, log: &str) -> EalError {
    let why = if log.is_empty() { super::errno_text(errno) } else { log.to_owned() };
    // SAFETY: a null path means this process's own configuration file; the function only tries its lock.
    if log.contains("lock") && unsafe { sys::rte_eal_primary_proc_alive(std::ptr::null()) } == 1 {
        return EalError::PrefixInUse {
            prefix: value(args, "--file-prefix").unwrap_or("rte").to_owned(),
        };
    }
    if log.contains("mempolicy") {
        return EalError::MemoryPolicy { why };
    }
    let wanted = value(args, "-m").and_then(|mib| mib.parse().ok());
    if args.iter().any(|arg| arg == "--no-huge") {
        if log.contains("memory") {
            return EalError::Memory { wanted: wanted.unwrap_or(64), why };
        }
    } else {
        let pages = Hugepages::read();
        if pages.pages_for(wanted.unwrap_or(1)) > pages.free {
            return EalError::Hugepages { wanted: wanted.unwrap_or(LEAST), pages };
        }
    }
    if log.contains("ermission denied") || log.contains("not permitted") {
        return EalError::Permission { why };
    }
    match errno {
        EINVAL => EalError::Options { options: args.join(" "), why },
        _ => EalError::Other { why },
    }
}

fn value<'a>(args: &'a [String], option: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == option)?;
    args.get(at + 1).map(String::as_str)
}

/// Refuses a `lcore@cpu` map with a CPU that the kernel does not let this process use. To be asked before the start:
/// DPDK narrows the list down to the main lcore's CPU.
pub(super) fn check_cpus(args: &[String]) -> Result<(), EalError> {
    missing_cpu(args).map_or(Ok(()), |(cpu, allowed)| Err(EalError::Cpu { cpu, allowed }))
}

fn missing_cpu(args: &[String]) -> Option<(u32, String)> {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let mut cpus =
        value(args, "--lcores")?.split(',').filter_map(|pair| pair.split_once('@')?.1.parse().ok());
    let missing = cpus.find(|cpu| !lists(allowed, *cpu))?;
    Some((missing, allowed.to_owned()))
}

/// Whether a kernel CPU list (`0-3,8`) names the CPU.
fn lists(list: &str, cpu: u32) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if (first..=last).contains(&cpu))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_list_is_read_as_the_kernel_writes_it() {
        assert!(lists("0-3,8", 3) && lists("0-3,8", 8) && lists("5", 5));
        assert!(!lists("0-3,8", 4) && !lists("", 0));
    }

    #[test]
    fn too_few_hugepages_say_wanted_free_and_the_command() {
        let pages = Hugepages { total: 4, free: 1, page_kib: 2048 };
        let text = EalError::Hugepages { wanted: 64, pages }.to_string();
        assert!(text.contains("wanted 64 MiB (32 pages"), "{text}");
        assert!(text.contains("free 2 MiB (1 pages)"), "{text}");
        assert!(text.contains("`sysctl -w vm.nr_hugepages=35`"), "{text}");
    }
}
