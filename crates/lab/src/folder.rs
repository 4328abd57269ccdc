// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run needs before it touches the network: root, the programs, the folder for its results, and the lock that
//! keeps a second one away.

use crate::error::{Attempt, Result, failed};
use crate::names::Maar;
use crate::topology::beside;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Control sockets and the lock: on a file system that every run sees, apart from the real routers' directory.
const RUN: &str = "/run/romip-lab";

/// Programs by the Debian package that brings them.
const PROGRAMS: [(&str, &str); 6] = [
    ("ip", "iproute2"),
    ("tcpdump", "tcpdump"),
    ("ping", "iputils-ping"),
    ("iperf3", "iperf3"),
    ("rdisc6", "ndisc6"),
    ("ethtool", "ethtool"),
];

/// The lab's place on disk while it runs.
#[derive(Debug)]
pub struct Folder {
    out: PathBuf,
    /// The router.
    pub maard: PathBuf,
    /// The AAA server.
    pub aaad: PathBuf,
    /// Held until the run has ended, also by SIGKILL.
    _lock: File,
}

impl Folder {
    /// Checks what is needed and makes the folders.
    pub fn prepare(out: &Path) -> Result<Folder> {
        if !nix::unistd::geteuid().is_root() {
            return Err(failed("the lab makes network namespaces: run it as root"));
        }
        let (maard, aaad) = (beside("maard")?, beside("aaad")?);
        for (program, package) in PROGRAMS {
            if !in_path(program) {
                return Err(failed(format!("no {program} here: apt install {package}")));
            }
        }
        let lock = lock(Path::new(RUN))?;
        for folder in ["logs", "config"] {
            let folder = out.join(folder);
            std::fs::create_dir_all(&folder).attempt(format!("make {}", folder.display()))?;
        }
        forget(out)?;
        Ok(Folder { out: out.to_owned(), maard, aaad, _lock: lock })
    }

    /// A result.
    pub fn file(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Where the programs' outputs are.
    pub fn logs(&self) -> PathBuf {
        self.out.join("logs")
    }

    /// The output of a program.
    pub fn log(&self, program: &str) -> PathBuf {
        self.logs().join(format!("{program}.log"))
    }

    /// The configuration of a program.
    pub fn config(&self, program: &str) -> PathBuf {
        self.out.join("config").join(format!("{program}.yaml"))
    }

    /// The control socket of a router; not in `out`, whose path may be too long for a socket's.
    pub fn socket(&self, maar: Maar) -> PathBuf {
        socket(maar)
    }
}

/// Removes what an earlier run left: a report that this run may not reach, and sockets of routers that were killed.
fn forget(out: &Path) -> Result<()> {
    let results = ["report.json", "core.pcap", "a.pcap", "b.pcap"].map(|name| out.join(name));
    let sockets = Maar::ALL.map(socket);
    for file in results.into_iter().chain(sockets) {
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).attempt(format!("remove {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn socket(maar: Maar) -> PathBuf {
    Path::new(RUN).join(format!("{}.sock", maar.name().to_lowercase()))
}

/// Takes the lock or says that another run has it.
fn lock(run: &Path) -> Result<File> {
    std::fs::create_dir_all(run).attempt(format!("make {}", run.display()))?;
    let path = run.join("lock");
    let file = File::create(&path).attempt(format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(failed("a lab runs on this machine already; wait for its end"))
        }
        Err(TryLockError::Error(e)) => Err(e).attempt(format!("lock {}", path.display())),
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lab_is_refused_until_the_first_has_ended() {
        let run = tempfile::tempdir().unwrap();
        let first = lock(run.path()).unwrap();
        let said = lock(run.path()).unwrap_err().to_string();
        assert!(said.contains("already"), "{said}");
        drop(first);
        assert!(lock(run.path()).is_ok());
    }
}
