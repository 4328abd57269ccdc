// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask bench aaa`: aaad and freeDiameter side by side, in one run, under the same client: requests per second and
//! per CPU-second of all threads with the kernel's share, latencies, wrong answers. freeDiameter answers from a map in
//! memory (crates/aaad/interop/locations.c) and keeps nothing; aaad's answers are durable but for `store: memory`, which is
//! there as a measure of everything around the store.

use crate::apt;
use crate::run::{Failed, Steps, cargo, program, root, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of freeDiameter's threads `lo` needs an address that is not loopback's: others it leaves out.
const ADDRESS: &str = "10.77.0.1";
const WINDOWS: [u32; 3] = [1, 64, 256];

#[derive(clap::Args)]
pub struct Options {
    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Length of each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    seconds: u32,
    /// Rounds over all servers and windows; the median of each is shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Subscribers
    #[arg(long, value_name = "M", default_value_t = 100_000)]
    subscribers: u32,
}

/// A program under load.
#[derive(Clone, Copy, PartialEq)]
struct Side {
    program: &'static str,
    store: &'static str,
}

const SIDES: [Side; 3] = [
    Side { program: "freediameter", store: "memory" },
    Side { program: "aaad", store: "redb" },
    Side { program: "aaad", store: "memory" },
];

/// One measurement: what `romip bench aaa --json` printed.
struct Row {
    side: Side,
    window: u32,
    object: String,
}

impl Row {
    fn figure(&self, name: &str) -> f64 {
        let text = self.object.split_once(&format!("\"{name}\":")).map_or("", |(_, rest)| rest);
        text.split([',', '}']).next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
    }

    fn json(&self) -> String {
        let Side { program, store } = self.side;
        let rest = self.object.trim().trim_start_matches('{');
        format!("{{\"program\":\"{program}\",\"store\":\"{store}\",{rest}")
    }
}

pub fn run(options: Options) -> Result<(), Failed> {
    crate::needs_root("freeDiameter gets a network namespace of its own")?;
    let json = options.json.as_deref().map(std::path::absolute).transpose();
    let json = json.map_err(|e| Failed(format!("--json: {e}")))?;
    let mut steps = Steps::new(3);
    steps.next("what apt has to bring");
    apt::install(&[apt::FREEDIAMETER])?;
    steps.next("build aaad, romip (release) and freeDiameter's extension");
    cargo(&["build", "--release", "-p", "aaad", "-p", "romip"])?;
    let place = Place::new()?;
    place.compile()?;
    steps.next("side by side");
    let mut rows = Vec::new();
    for round in 1..=options.rounds {
        for window in WINDOWS {
            for side in SIDES {
                eprintln!("round {round}: {} ({}), window {window}", side.program, side.store);
                rows.push(place.measure(side, window, &options)?);
            }
        }
    }
    let rows = medians(rows);
    show(&rows);
    if let Some(file) = json {
        let list: Vec<String> = rows.iter().map(Row::json).collect();
        fs::write(&file, format!("{{\"rows\":[\n{}\n]}}\n", list.join(",\n")))
            .map_err(|e| Failed(format!("{}: {e}", file.display())))?;
    }
    match rows.iter().any(|row| row.side.program == "aaad" && row.figure("wrong_answers") > 0.0) {
        true => Err(Failed("aaad gave wrong answers".into())),
        false => Ok(()),
    }
}

/// Of each side and window the row with the median rate per CPU-second.
fn medians(rows: Vec<Row>) -> Vec<Row> {
    let mut medians = Vec::new();
    let mut rest = rows;
    while let Some(Row { side, window, .. }) = rest.first() {
        let (side, window) = (*side, *window);
        let (mut same, others): (Vec<Row>, Vec<Row>) =
            rest.into_iter().partition(|row| row.side == side && row.window == window);
        rest = others;
        let rate = |row: &Row| row.figure("requests_per_cpu_second");
        same.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
        medians.push(same.swap_remove(same.len() / 2));
    }
    medians
}

fn show(rows: &[Row]) {
    println!(
        "program       store   window  requests/s  per CPU-s  p50 us   p99 us   wrong  x freeDiameter"
    );
    for row in rows {
        let base = rows.iter().find(|base| base.side == SIDES[0] && base.window == row.window);
        let rate = row.figure("requests_per_cpu_second");
        let times = base.map_or(0.0, |base| rate / base.figure("requests_per_cpu_second"));
        println!(
            "{:<13} {:<7} {:>6} {:>11} {:>10} {:>8} {:>8} {:>6} {:>6.1}",
            row.side.program,
            row.side.store,
            row.window,
            row.figure("requests_per_second"),
            rate,
            row.figure("p50_us"),
            row.figure("p99_us"),
            row.figure("wrong_answers"),
            times
        );
    }
    println!("freeDiameter processes a repeated request twice: those are its wrong answers.");
}

/// A directory and a network namespace, removed at the end.
struct Place {
    directory: PathBuf,
    namespace: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Place {
    fn new() -> Result<Place, Failed> {
        let namespace = format!("romip-bench-aaa-{}", std::process::id());
        // Beside what was built: /tmp may be a memory disk, on which durable costs nothing.
        let directory = target_dir().join(&namespace);
        fs::create_dir_all(&directory)
            .map_err(|e| Failed(format!("{}: {e}", directory.display())))?;
        program("ip", &["netns", "add", &namespace])?;
        let place = Place { directory, namespace };
        program("ip", &["-n", &place.namespace, "link", "set", "lo", "up"])?;
        let address = format!("{ADDRESS}/32");
        program("ip", &["-n", &place.namespace, "addr", "add", &address, "dev", "lo"])?;
        Ok(place)
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<String, Failed> {
        let file = self.file(name);
        fs::write(&file, text).map_err(|e| Failed(format!("{file}: {e}")))?;
        Ok(file)
    }

    fn compile(&self) -> Result<(), Failed> {
        let source = root().join("crates/aaad/interop/locations.c").display().to_string();
        let output = self.file("locations.fdx");
        program("cc", &["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-o", &output, &source])
    }

    fn inside(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program.as_ref());
        command
    }

    /// A new server, a load, the figures.
    fn measure(&self, side: Side, window: u32, options: &Options) -> Result<Row, Failed> {
        let mut server = Running(self.start(side)?);
        self.wait_for(&mut server)?;
        let [window_text, seconds, subscribers, pid] =
            [window, options.seconds, options.subscribers, server.0.id()].map(|n| n.to_string());
        let output = self
            .inside(target_dir().join("release/romip"))
            .args(["bench", "aaa", &format!("{ADDRESS}:3868"), "--json", "--window", &window_text])
            .args(["--seconds", &seconds, "--subscribers", &subscribers, "--pid", &pid])
            .stderr(Stdio::piped())
            .output()
            .map_err(|e| Failed(format!("romip did not start: {e}")))?;
        let object = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !object.starts_with('{') {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failed(format!("romip bench aaa failed: {said}")));
        }
        Ok(Row { side, window, object })
    }

    fn start(&self, side: Side) -> Result<Child, Failed> {
        let mut command = if side.program == "freediameter" {
            self.freediameter()?
        } else {
            self.aaad(side.store)?
        };
        let log = fs::File::create(self.file("log"))
            .map_err(|e| Failed(format!("{}: {e}", self.file("log"))))?;
        let again = log.try_clone().map_err(|e| Failed(e.to_string()))?;
        command.stdout(log).stderr(again);
        command.spawn().map_err(|e| Failed(format!("{} did not start: {e}", side.program)))
    }

    fn freediameter(&self) -> Result<Command, Failed> {
        let acl = self.write("acl", "ALLOW_IPSEC *.example.org\n")?;
        let own = self.file("locations.fdx");
        let library = |name: &str| format!("LoadExtension = \"/usr/lib/freeDiameter/{name}.fdx\"");
        let [nasreq, rfc5777, mip6a, acl_wl] =
            ["dict_nasreq", "dict_rfc5777", "dict_mip6a", "acl_wl"].map(library);
        let text = format!(
            "Identity = \"aaa.example.org\";\nRealm = \"example.org\";\nPort = 3868;\nSecPort = 0;\nNo_SCTP;\n\
             ListenOn = \"{ADDRESS}\";\n{nasreq};\n{rfc5777};\n{mip6a};\n{acl_wl} : \"{acl}\";\n\
             LoadExtension = \"{own}\";\n"
        );
        let file = self.write("freediameter.conf", &text)?;
        let mut command = self.inside("freeDiameterd");
        command.args(["-c", &file]);
        Ok(command)
    }

    fn aaad(&self, store: &str) -> Result<Command, Failed> {
        let directory = self.file("store");
        // What an earlier server left is no part of this measurement.
        let _ = fs::remove_dir_all(&directory);
        let store =
            if store == "memory" { "memory".into() } else { format!("{{path: \"{directory}\"}}") };
        let text = format!(
            "host: aaa.example.org\nrealm: example.org\nlisten: [\"{ADDRESS}:3868\"]\n\
             clients: [\"*.example.org\"]\naccept: realm\nstore: {store}\n"
        );
        let file = self.write("aaad.yaml", &text)?;
        let mut command = self.inside(target_dir().join("release/aaad"));
        command.args(["--config", &file]);
        Ok(command)
    }

    /// Until the server listens.
    fn wait_for(&self, server: &mut Running) -> Result<(), Failed> {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            let listening = self
                .inside("ss")
                .args(["-Hltn", "sport = :3868"])
                .output()
                .is_ok_and(|output| !output.stdout.is_empty());
            if listening {
                return Ok(());
            }
            if matches!(server.0.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.file("log")).unwrap_or_default();
        Err(Failed(format!("the server does not listen; it said: {log}")))
    }
}

/// A server that ends when this is dropped. `ip netns exec` becomes the program, so the pid is the program's.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
