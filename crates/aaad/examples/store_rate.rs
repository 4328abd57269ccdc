// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests per CPU-second of aaad, by store: `store_rate [memory | DIR] [WINDOW [SECONDS [SUBSCRIBERS]]]`, in a release
//! build. The server is a process of its own, so that its CPU time, all threads and the kernel's share, is its alone. The
//! client checks every answer against its own model. With a directory the store is made in a new one inside it.

#[path = "../tests/common/disk.rs"]
mod disk;
#[path = "../tests/common/load.rs"]
mod load;

use aaad::config::Config;
use aaad::server::Server;
use aaad::store::Opening;
use load::Client;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(&arguments[1]),
        store => {
            let number = |n: usize, default| arguments.get(n).map_or(Ok(default), |a| a.parse());
            measure(
                store.unwrap_or("memory"),
                number(1, 256)?,
                number(2, 5)? as u64,
                number(3, 100_000)?,
            )
        }
    }
}

/// The child.
fn serve(store: &str) -> Outcome<()> {
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\naccept: realm\nstore: {store}\n"
    );
    let config = Config::parse(text.as_bytes()).map_err(|problems| format!("{problems:?}"))?;
    let server = Server::bind(config, Opening::AsItIs)?;
    println!("{}", server.addresses()[0]);
    Ok(server.run()?)
}

fn measure(store: &str, window: usize, seconds: u64, subscribers: usize) -> Outcome<()> {
    let directory = if store == "memory" { None } else { Some(new_directory(Path::new(store))?) };
    let value = directory.as_ref().map_or("memory".into(), |d| format!("{{path: {d}}}"));
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve", &value])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let result = load(&mut child, line.trim().parse()?, window, seconds, subscribers);
    child.kill()?;
    child.wait()?;
    if let Some(directory) = directory {
        std::fs::remove_dir_all(directory)?;
    }
    println!("store {store}, window {window}, {subscribers} subscribers: {}", result?);
    Ok(())
}

fn new_directory(parent: &Path) -> Outcome<String> {
    let directory = parent.join(format!("store-rate-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(std::fs::canonicalize(directory)?.to_str().ok_or("no UTF-8")?.to_owned())
}

fn load(
    child: &mut Child,
    server: SocketAddr,
    window: usize,
    seconds: u64,
    subscribers: usize,
) -> Outcome<String> {
    let mut client = Client::new("amaar1.example.org", subscribers, 1);
    client.run(server, window, client.pass())?;
    let (begun, cpu, answered) = (Instant::now(), cpu_time(child)?, client.answered);
    let mut stay = 20_000;
    while begun.elapsed() < Duration::from_secs(seconds) {
        client.run(server, window, stay)?;
        stay = 100_000;
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_time(child)? - cpu);
    let answered = (client.answered - answered) as f64;
    Ok(format!(
        "{:.0} requests/s, {:.0} requests/CPU-second, {} wrong answers",
        answered / wall,
        answered / cpu,
        client.wrong.len()
    ))
}

/// User and system time of all threads, seconds.
fn cpu_time(child: &Child) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // USER_HZ is 100 on every architecture Linux runs DPDK on.
    Ok(ticks / 100.0)
}
