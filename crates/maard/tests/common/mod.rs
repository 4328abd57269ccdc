// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Real daemons in network namespaces, without hugepages. Names carry the test process's id, so that runs do not
//! meet; everything is taken down when dropped, also after a failure.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Polls `done` until it gives something; fails after `bound`, which is ten times what the thing may take.
pub fn until<T>(what: &str, bound: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(start.elapsed() < bound, "{what}: not within {bound:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder and namespaces of this test.
pub struct Net {
    id: String,
    /// Configurations, sockets, logs.
    pub dir: tempfile::TempDir,
    namespaces: Vec<String>,
}

impl Net {
    /// `test` is one letter or two that no other test of this process uses.
    pub fn new(test: &str) -> Net {
        assert!(nix_is_root(), "this test makes network namespaces: run it as root");
        let dir = tempfile::tempdir().expect("a folder");
        Net { id: format!("m{}{test}", std::process::id()), dir, namespaces: Vec::new() }
    }

    /// The name of an instance or namespace.
    pub fn name(&self, what: &str) -> String {
        format!("{}{what}", self.id)
    }

    /// Makes a namespace and gives its name.
    pub fn namespace(&mut self, what: &str) -> String {
        let name = self.name(what);
        run("ip", &["netns", "add", &name]);
        self.namespaces.push(name.clone());
        ip(&name, "link set lo up");
        name
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the folder takes a file");
        path
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn nix_is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs a program to its end; it has to succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {}: {told}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs lines of `ip` in a namespace.
pub fn ip(namespace: &str, lines: &str) {
    let ip =
        Command::new("ip").args(["-n", namespace, "-batch", "-"]).stdin(Stdio::piped()).spawn();
    let mut ip = ip.expect("ip is installed");
    let mut stdin = ip.stdin.take().expect("piped");
    stdin.write_all(lines.as_bytes()).expect("ip reads");
    drop(stdin);
    assert!(ip.wait().expect("ip ends").success(), "ip -n {namespace}: {lines}");
}

/// Whether a namespace has an interface.
pub fn has_link(namespace: &str, link: &str) -> bool {
    let args = ["-n", namespace, "link", "show", "dev", link];
    Command::new("ip").args(args).output().expect("ip is installed").status.success()
}

/// A command inside a namespace.
pub fn inside(namespace: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program.as_ref());
    command
}

/// One echo; whether it was answered within a second.
pub fn ping_once(namespace: &str, to: &str) -> bool {
    let output = inside(namespace, "ping").args(["-6", "-c", "1", "-W", "1", to]).output();
    output.expect("ping is installed").status.success()
}

/// `count` echoes at 200 a second; ping's summary.
pub fn ping(namespace: &str, count: u32, to: &str) -> String {
    let count = count.to_string();
    let args = ["-6", "-c", &count, "-i", "0.005", "-W", "2", to];
    let output = inside(namespace, "ping").args(args).output().expect("ping is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command`; what it says goes into the folder, and is shown when the test fails.
    pub fn start(net: &Net, name: &str, mut command: Command) -> Daemon {
        let log = net.dir.path().join(format!("{name}.log"));
        let file = std::fs::File::create(&log).expect("the folder takes a file");
        let copy = file.try_clone().expect("a file");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        Daemon { child: child.expect("it can be started"), log }
    }

    /// `maard` in a namespace, answering on its control socket.
    pub fn maard(net: &Net, namespace: &str, config: &Path, control: &Path) -> Daemon {
        Daemon::maard_with(net, namespace, config, control, &[])
    }

    /// The same with more arguments.
    pub fn maard_with(
        net: &Net,
        namespace: &str,
        config: &Path,
        control: &Path,
        more: &[&str],
    ) -> Daemon {
        let mut command = inside(namespace, env!("CARGO_BIN_EXE_maard"));
        command.arg("--config").arg(config).args(more);
        let mut daemon = Daemon::start(net, "maard", command);
        until("maard answers on its control socket", Duration::from_secs(30), || {
            assert!(daemon.child.try_wait().expect("a child").is_none(), "maard ended");
            ask(control, r#"{"do":"show","what":"mns"}"#)
        });
        daemon
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id: `ip netns exec` becomes the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end; how it ended, and what it said.
    pub fn terminate(mut self, signal: &str) -> (ExitStatus, String) {
        run("kill", &[signal, &self.pid().to_string()]);
        let status = until("the daemon ends", Duration::from_secs(60), || {
            self.child.try_wait().expect("a child")
        });
        (status, self.said())
    }
}

/// From the daemon's line `stopping` to `stopped`, by its own clock: what follows is the kernel's, which closes taps
/// one namespace at a time and takes its time where other tests do the same.
pub fn stopping_took(said: &str) -> Duration {
    let at = |word: &str| {
        let line = said.lines().find(|line| line.ends_with(word));
        let line = line.unwrap_or_else(|| panic!("a line {word:?} in\n{said}"));
        let (_, time) = line.split_once('T').expect("2026-01-01T00:00:00.000Z");
        let parts = time.split(':').map(|part| part.split('Z').next().expect("one at least"));
        let parts = parts.take(3).map(|part| part.parse::<f64>().expect("a number"));
        parts.fold(0.0, |sum, part| sum * 60.0 + part)
    };
    Duration::from_secs_f64((at(": stopped") - at(": stopping")).rem_euclid(86_400.0))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.said());
        }
    }
}

/// `aaad`, built if need be: cargo gives a test the programs of its own package only.
pub fn aaad(net: &Net, namespace: &str) -> Daemon {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    run(&cargo, &["build", "--quiet", "--package", "aaad"]);
    let aaad = Path::new(env!("CARGO_BIN_EXE_maard")).with_file_name("aaad");
    assert!(aaad.exists(), "{} is not there: run `cargo build -p aaad`", aaad.display());
    let config = net.file(
        "aaad.yaml",
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:3868\"]\n\
         clients: [\"*.example.org\"]\naccept: realm\nstore: memory\n",
    );
    let mut command = inside(namespace, aaad);
    command.arg("--config").arg(config);
    Daemon::start(net, "aaad", command)
}

/// The configuration of a router with an access port `acc0` and core ports `core0` (2001:db8:ff::/64), `core1`
/// (2001:db8:fe::/64); its AAA is in its own namespace.
pub fn config(name: &str, control: &Path) -> String {
    let cpus = cpus();
    let (first, last) = (cpus[0], cpus[cpus.len() - 1]);
    format!(
        "name: {name}
address: 2001:db8:ff::b2
pool: 2001:db8:b2::/48
eal: {{ memory: 64, mbufs: 8192 }}
cores: {{ slowpath: {first}, workers: [{last}] }}
poll: adaptive
ports:
  - {{ device: 'net_tap0,iface=acc0', role: access }}
  - {{ device: 'net_tap1,iface=core0', role: core, link: '2001:db8:ff::/64' }}
  - {{ device: 'net_tap2,iface=core1', role: core, link: '2001:db8:fe::/64' }}
peers:
  - {{ address: '2001:db8:ff::a3', auth: none }}
aaa: {{ server: '[::1]:3868', host: maar.example.org, realm: example.org }}
control: {}
log: debug
",
        control.display()
    )
}

/// CPUs of this process.
pub fn cpus() -> Vec<usize> {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("Linux tells");
    (0..nix::sched::CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect()
}

/// Makes a tap the interface of a host: it leaves the router's namespace, with a MAC of its own, since the kernel
/// gives it the port's.
pub fn give(router: &str, link: &str, host: &str, mac: &str) {
    ip(router, &format!("link set {link} address {mac}\nlink set {link} netns {host}\n"));
}

/// A question to a control socket; the answer when there is one.
pub fn ask(control: &Path, question: &str) -> Option<serde_json::Value> {
    let mut stream = UnixStream::connect(control).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    writeln!(stream, "{question}").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// One row of `show counters`.
pub fn counter(control: &Path, name: &str) -> u64 {
    let answer = ask(control, r#"{"do":"show","what":"counters"}"#).expect("maard answers");
    let rows = answer["ok"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("a counter {name}"))["value"].as_u64().expect("a number")
}

/// Runs `maard` to its end.
pub fn maard(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maard")).args(args).output().expect("maard can be run")
}
