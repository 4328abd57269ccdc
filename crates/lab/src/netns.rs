// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Network namespaces: made, entered, removed; `ip -batch` and `ip -json`. Every name begins with [`PREFIX`], by which
//! the leftovers of a run that was killed are found.

use crate::error::{Attempt, Result, failed};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What the names of the lab's namespaces begin with.
pub const PREFIX: &str = "romip-lab-";

/// A namespace that exists until this is dropped; then its processes are ended and it is deleted.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes `romip-lab-<short>`. Nothing in it speaks IPv6 of its own accord: `disable_ipv6` is the default for
    /// interfaces to come, so that no bridge, port or tap sends RS or DAD that look like an MN's.
    pub fn create(short: &str) -> Result<Netns> {
        let name = format!("{PREFIX}{short}");
        run(Command::new("ip").args(["netns", "add", &name]))
            .attempt(format!("make the namespace {name}"))?;
        let netns = Netns { name };
        netns.sysctl("conf/default/disable_ipv6", "1")?;
        netns.ip(["link set lo up"])?;
        Ok(netns)
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs lines of `ip` in it, as one batch; the first that fails ends it.
    pub fn ip<L: AsRef<str>>(&self, lines: impl IntoIterator<Item = L>) -> Result<()> {
        let batch: String =
            lines.into_iter().flat_map(|l| [l.as_ref().to_owned(), "\n".to_owned()]).collect();
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .attempt("run ip (apt install iproute2)")?;
        let mut input = child.stdin.take().expect("stdin was asked for");
        // A line that fails ends `ip` before it has read the rest: a broken pipe says less than its message.
        let _ = input.write_all(batch.as_bytes());
        drop(input);
        let output = child.wait_with_output().attempt("wait for ip")?;
        succeeded(output)
            .map(drop)
            .map_err(|why| failed(format!("ip in {} refused one of\n{batch}{why}", self.name)))
    }

    /// What `ip -json ARGS` says in it.
    pub fn ip_json(&self, args: &[&str]) -> Result<serde_json::Value> {
        let text = run(Command::new("ip").args(["-n", &self.name, "-json"]).args(args))
            .attempt(format!("ask ip {} in {}", args.join(" "), self.name))?;
        if text.trim().is_empty() {
            return Ok(serde_json::Value::Array(Vec::new()));
        }
        serde_json::from_str(&text).attempt("read what ip -json says")
    }

    /// Sets `net.ipv6.<key>` in it; slashes between the parts.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.inside(|| std::fs::write(format!("/proc/sys/net/ipv6/{key}"), value))
            .attempt(format!("set net/ipv6/{key}={value} in {}", self.name))
    }

    /// Runs `f` on a thread of its own that is inside the namespace. A socket opened there stays there.
    pub fn inside<T: Send>(
        &self,
        f: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        let netns = File::open(format!("/run/netns/{}", self.name))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(netns, CloneFlags::CLONE_NEWNET)?;
                f()
            });
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// `program` with `args`, to be started inside the namespace. `ip netns exec` becomes the program: the pid is its.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Namespaces of the lab that are there now.
pub fn leftovers() -> Result<Vec<String>> {
    match std::fs::read_dir("/run/netns") {
        Ok(entries) => Ok(entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(PREFIX))
            .collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e).attempt("read /run/netns"),
    }
}

/// Ends what runs in the lab's namespaces and deletes them. Returns how many there were. Only for one who holds the
/// lab's lock: whatever it finds is nobody's any more.
pub fn sweep() -> Result<usize> {
    let names = leftovers()?;
    // All signals first: several routers end in the time of one.
    for name in &names {
        signal(name, Signal::SIGTERM);
    }
    for name in &names {
        remove(name);
    }
    match leftovers()?.as_slice() {
        [] => Ok(names.len()),
        left => Err(failed(format!(
            "the namespaces {} of an earlier run cannot be removed; try `ip netns delete` on each",
            left.join(", ")
        ))),
    }
}

/// How long processes in a namespace have for a clean end.
const GRACE: Duration = Duration::from_secs(5);

/// Ends the processes in a namespace, by force if they take too long, and deletes it. Errors leave it for [`sweep`].
fn remove(name: &str) {
    let until = Instant::now() + GRACE;
    signal(name, Signal::SIGTERM);
    while !pids(name).is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    if signal(name, Signal::SIGKILL) {
        let until = Instant::now() + GRACE;
        while !pids(name).is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
}

/// Whether there was anybody to signal.
fn signal(name: &str, signal: Signal) -> bool {
    let pids = pids(name);
    for pid in &pids {
        let _ = kill(*pid, signal);
    }
    !pids.is_empty()
}

/// Processes whose network namespace it is, this one never (a thread of ours may be inside).
fn pids(name: &str) -> Vec<Pid> {
    let Ok(text) = run(Command::new("ip").args(["netns", "pids", name])) else {
        return Vec::new();
    };
    let pids = text.split_whitespace().filter_map(|p| p.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| *pid != Pid::this()).collect()
}

/// Runs it to its end: what it printed, or why it failed.
pub(crate) fn run(command: &mut Command) -> std::result::Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) => succeeded(output),
        Err(e) => Err(format!("{program} did not start: {e}")),
    }
}

fn succeeded(output: Output) -> std::result::Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ({})", said.trim(), output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of their own: the tests of one program run side by side.
    fn exists(netns: &str) -> bool {
        leftovers().unwrap().iter().any(|n| n == netns)
    }

    #[test]
    fn a_namespace_goes_with_its_guard_and_takes_its_processes_along() {
        let netns = Netns::create("test-guard").expect("root is needed");
        let name = netns.name().to_owned();
        let mut child = netns.command("sleep").arg("1000").spawn().unwrap();
        while pids(&name).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "sleep ended by itself");
            std::thread::yield_now();
        }
        drop(netns);
        assert!(!exists(&name));
        assert!(!child.wait().unwrap().success(), "ended by a signal");
    }

    #[test]
    fn a_socket_opened_inside_stays_inside() {
        let netns = Netns::create("test-inside").expect("root is needed");
        netns.sysctl("conf/lo/disable_ipv6", "0").unwrap();
        netns.ip(["addr replace 2001:db8::77/128 dev lo nodad"]).unwrap();
        let bind = || std::net::UdpSocket::bind("[2001:db8::77]:0");
        assert!(netns.inside(bind).is_ok());
        assert!(bind().is_err(), "this thread is where it was");
    }

    #[test]
    fn a_line_that_ip_refuses_is_named() {
        let netns = Netns::create("test-refuse").expect("root is needed");
        let said = netns.ip(["link set lo up", "link set nosuch up"]).unwrap_err().to_string();
        assert!(said.contains("nosuch"), "{said}");
    }
}
