// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Real PostgreSQL servers in temporary directories: only a Unix socket, no user of the machine's own server is touched.
//! A server ends with the test process, however that ends: a shell holds the other end of a pipe.
#![allow(dead_code)] // Each test file uses its part.

use postgres::{Client, NoTls};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The server all tests of a program share; each takes a database of its own.
static SHARED: OnceLock<Server> = OnceLock::new();

/// A connection string for a new, empty database.
pub fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = SHARED.get_or_init(Server::start);
    let name = format!("aaad{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.sql(&format!("CREATE DATABASE {name}"));
    server.url(&name)
}

/// A PostgreSQL server.
pub struct Server {
    directory: PathBuf,
    data: PathBuf,
    port: u16,
    /// Ends it when its standard input is closed.
    keeper: Child,
}

impl Server {
    /// A new one without a standby.
    pub fn start() -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("aaad-pg-{}-{n}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let (uid, gid) = user();
        chown(&directory, Some(uid), Some(gid)).unwrap();
        let data = directory.join("primary");
        run(program("initdb").arg("-D").arg(&data).args([
            "-U",
            "aaad",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        configure(&data, "max_connections = 60\nshared_buffers = 16MB\nwal_level = replica\n");
        Server::run(directory, data, 5432)
    }

    fn run(directory: PathBuf, data: PathBuf, port: u16) -> Server {
        let text = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nport = {port}\n",
            directory.display()
        );
        configure(&data, &text);
        // The shell is the user postgres, too; `exec` would leave nobody to read.
        let script = "\"$1\" -D \"$2\" >\"$2.log\" 2>&1 & read -r _; kill -QUIT $! 2>/dev/null; wait; rm -rf \"$3\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(binary("postgres")).arg(&data).arg(&directory);
        let keeper = as_user(&mut command).stdin(Stdio::piped()).spawn().unwrap();
        let server = Server { directory, data, port, keeper };
        server.client();
        server
    }

    /// A standby of it that is asked before a commit is answered, if `synchronous`.
    pub fn standby(&self, synchronous: bool) -> Server {
        let data = self.directory.join("standby");
        run(program("pg_basebackup").arg("-D").arg(&data).arg("-h").arg(&self.directory).args([
            "-p",
            &self.port.to_string(),
            "-U",
            "aaad",
            "-R",
            "--no-sync",
            "--checkpoint=fast",
        ]));
        let standby = Server::run(self.directory.clone(), data, self.port + 1);
        if synchronous {
            self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
            self.sql("SELECT pg_reload_conf()");
        }
        let state = if synchronous { "sync" } else { "async" };
        self.until(&format!(
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"
        ));
        standby
    }

    /// For both, whichever takes writes.
    pub fn url_of_both(&self, other: &Server) -> String {
        let host = self.directory.display();
        let (a, b) = (self.port, other.port);
        format!("host={host},{host} port={a},{b} user=aaad dbname=postgres")
    }

    pub fn url(&self, database: &str) -> String {
        let (host, port) = (self.directory.display(), self.port);
        format!("host={host} port={port} user=aaad dbname={database}")
    }

    /// kill -9 of the postmaster; its children end when they notice.
    pub fn kill(&self) {
        let pid = fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        signal("KILL", pid.lines().next().unwrap());
    }

    pub fn promote(&self) {
        run(program("pg_ctl").arg("-D").arg(&self.data).args(["promote", "-W"]));
    }

    /// From now on nothing reaches this standby.
    pub fn stop_receiving(&self) -> String {
        let row = self.client().query_one("SELECT pid FROM pg_stat_wal_receiver", &[]).unwrap();
        let pid = row.get::<_, i32>(0).to_string();
        signal("STOP", &pid);
        pid
    }

    pub fn sql(&self, text: &str) {
        self.client().batch_execute(text).unwrap();
    }

    fn until(&self, question: &str) {
        let (mut client, begun) = (self.client(), Instant::now());
        while !client.query_one(question, &[]).unwrap().get::<_, bool>(0) {
            assert!(begun.elapsed() < PATIENCE, "{question}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it answers.
    fn client(&self) -> Client {
        let begun = Instant::now();
        loop {
            match Client::connect(&self.url("postgres"), NoTls) {
                Ok(client) => return client,
                Err(error) if begun.elapsed() >= PATIENCE => {
                    let mut log = self.data.clone().into_os_string();
                    log.push(".log");
                    panic!("{error}; {}", fs::read_to_string(log).unwrap_or_default());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

pub fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", name, pid]).status().unwrap().success());
}

fn configure(data: &Path, text: &str) {
    use std::io::Write;
    let file = data.join("postgresql.conf");
    fs::OpenOptions::new().append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Debian keeps the servers' programs out of PATH.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|v| v.path().join("bin").join(name)).filter(|p| p.exists()).max();
    found.unwrap_or_else(|| panic!("no {name}: apt-get install postgresql"))
}

fn program(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    as_user(&mut command);
    command
}

/// PostgreSQL refuses to run as root.
fn as_user(command: &mut Command) -> &mut Command {
    let (uid, gid) = user();
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/")
}

fn user() -> (u32, u32) {
    let own = fs::metadata("/proc/self").unwrap();
    let (uid, gid) = {
        use std::os::unix::fs::MetadataExt;
        (own.uid(), own.gid())
    };
    if uid != 0 {
        return (uid, gid);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> =
        line.expect("a user postgres: apt-get install postgresql").split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
