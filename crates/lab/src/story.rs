// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The draft's story (section 4), played: A attaches to A_MAAR1 and B to B_MAAR1; a session begins; A moves to
//! A_MAAR2, B to B_MAAR2, A to A_MAAR3, while the session goes on.

use crate::Folder;
use crate::capture::{self, Capture};
use crate::clock::{SECOND, now_ns};
use crate::control::Control;
use crate::error::{Attempt, Result, failed};
use crate::host::{Host, INTERFACE};
use crate::interrupt::Interrupt;
use crate::late::Late;
use crate::names::{Maar, User};
use crate::probe::{Counted, Probes};
use crate::process::Process;
use crate::progress::Progress;
pub use crate::radio::Moved;
use crate::radio::Radio;
use crate::scene::Scene;
use crate::topology::{CORE, Topology, access_bridge};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// From one move to the next.
const BETWEEN: Duration = Duration::from_secs(3);
/// The first move comes this much later: not on a multiple of ping's interval, or a request would leave in the very
/// millisecond of every move.
const OFFBEAT: Duration = Duration::from_millis(40);
/// After the last move; more than the five seconds that are judged.
const AFTER: Duration = Duration::from_secs(7);
/// Of these at least so much, where the machine was too busy to move on time.
const REST: Duration = Duration::from_millis(5500);
/// For the first attachment.
const ATTACH: Duration = Duration::from_secs(30);
/// For a program to say its result at the end.
const RESULT: Duration = Duration::from_secs(10);

/// A move of the script.
#[derive(Clone, Copy, Debug)]
struct Script {
    who: User,
    from: Maar,
    to: Maar,
    /// The new access point gives the L2 attach event; else the host sends an RS. That the host left the old one says.
    l2_event: bool,
}

const SCRIPT: [Script; 3] = [
    Script { who: User::A, from: Maar::A1, to: Maar::A2, l2_event: true },
    Script { who: User::B, from: Maar::B1, to: Maar::B2, l2_event: true },
    Script { who: User::A, from: Maar::A2, to: Maar::A3, l2_event: false },
];

/// A move that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// Who.
    pub who: User,
    /// The MAAR it left.
    pub from: Maar,
    /// The MAAR it came to.
    pub to: Maar,
    /// When the radio carried it over.
    pub moved: Moved,
    /// When the L2 attach event was sent.
    pub l2_event: Option<u64>,
    /// When the user's first frame appeared on the new access link.
    pub first_frame: Option<u64>,
}

impl Move {
    /// When the attachment began, by what came first.
    pub fn attached(&self) -> u64 {
        let first = [self.l2_event, self.first_frame].into_iter().flatten().min();
        first.unwrap_or(self.moved.began)
    }
}

/// What iperf3 said at the end.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Iperf {
    /// Octets the server's program received.
    pub received: u64,
    /// Octets the client's program wrote.
    pub written: u64,
    /// Its error.
    pub error: Option<String>,
}

/// The story as it went.
#[derive(Debug)]
pub struct Played {
    /// When the streams began, nanoseconds since 1970.
    pub began: u64,
    /// The moves.
    pub moves: Vec<Move>,
    /// What the users sent on the access link of each router.
    pub access: BTreeMap<Maar, PathBuf>,
    /// Retransmission time-outs of A's TCP.
    pub tcp_timeouts: u64,
    /// What the probes' sockets counted.
    pub counted: Counted,
    /// What iperf3 said.
    pub iperf: Iperf,
    /// What `ping` counted: sent, received.
    pub ping: (u64, u64),
    /// What the last MAAR says showed it the user: `rs`, `l2` or `frame`.
    pub via: String,
    /// `core.pcap`.
    pub core: PathBuf,
    /// `a.pcap`, `b.pcap`.
    pub users: [PathBuf; 2],
}

/// Everything that runs while the story is played. Streams end before the hosts they run on.
struct Stage<'a> {
    folder: &'a Folder,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    scene: &'a Scene,
    topology: &'a mut Topology,
    radio: Radio,
    captures: Vec<Capture>,
    a: Host,
    b: Host,
}

/// Plays it on a network that stands.
pub fn play(
    folder: &Folder,
    interrupt: &Interrupt,
    progress: &Progress,
    scene: &Scene,
    topology: &mut Topology,
) -> Result<Played> {
    let core = folder.file("core.pcap");
    let capture = Capture::start(&topology.net, CORE, &core, &folder.log("tcpdump-core"), "")?;
    let delay = scene.sdba_delay;
    let _late = (!delay.is_zero()).then(|| Late::sdba(&topology.net, delay)).transpose()?;
    let radio = Radio::start(&topology.net)?;
    let a = Host::start(&topology.net, User::A)?;
    let b = Host::start(&topology.net, User::B)?;
    let mut stage = Stage {
        folder,
        interrupt,
        progress,
        scene,
        topology,
        radio,
        captures: vec![capture],
        a,
        b,
    };
    let users = stage.capture_users()?;
    let access = stage.capture_access()?;
    stage.attach_first()?;
    let played = stage.session()?;
    std::thread::sleep(capture::LAST);
    for capture in stage.captures.drain(..) {
        capture.finish()?;
    }
    Ok(Played { core, users, access, ..played })
}

impl Stage<'_> {
    fn capture_users(&mut self) -> Result<[PathBuf; 2]> {
        let files = User::ALL.map(|user| self.folder.file(&format!("{}.pcap", user.short())));
        for (host, file) in [&self.a, &self.b].into_iter().zip(&files) {
            let log = self.folder.log(&format!("tcpdump-{}", host.user.short()));
            self.captures.push(Capture::start(&host.netns, INTERFACE, file, &log, "")?);
        }
        Ok(files)
    }

    /// What a user sent and is on no access link reached nobody.
    fn capture_access(&mut self) -> Result<BTreeMap<Maar, PathBuf>> {
        let mut files = BTreeMap::new();
        for user in User::ALL {
            for maar in user.visits() {
                let name = format!("access-{}", maar.short());
                let file = self.folder.logs().join(format!("{name}.pcap"));
                let (net, log) = (&self.topology.net, self.folder.log(&name));
                let filter = format!("ether src {}", user.mac());
                let bridge = access_bridge(*maar);
                self.captures.push(Capture::start(net, &bridge, &file, &log, &filter)?);
                files.insert(*maar, file);
            }
        }
        Ok(files)
    }

    /// A at A_MAAR1, B at B_MAAR1, by the L2 event; until both kernels have their addresses.
    fn attach_first(&mut self) -> Result<()> {
        for user in User::ALL {
            let mut control = self.control(user.home())?;
            attach(&mut control, user)?;
            self.progress.say(&format!("{user} at {}", user.home()));
        }
        let what = "both users have the addresses their first MAARs assign";
        let (topology, hosts) = (&mut *self.topology, [&self.a, &self.b]);
        self.interrupt.until(ATTACH, what, || {
            topology.check_running()?;
            Ok((hosts[0].has_hoa1()? && hosts[1].has_hoa1()?).then_some(()))
        })?;
        for user in User::ALL {
            self.progress.say(&format!("{user}_HoA1 is {}", user.hoa1()));
        }
        // Their routers may still be asking for each other's MAC.
        self.interrupt.until(ATTACH, "A reaches B", || Ok(self.a.reaches_peer().then_some(())))?;
        self.progress.say("A reaches B");
        Ok(())
    }

    fn control(&self, maar: Maar) -> Result<Control> {
        Control::connect(&self.folder.socket(maar)).attempt(format!("talk to {maar}"))
    }

    /// The session and the moves.
    fn session(&mut self) -> Result<Played> {
        let seconds = (BETWEEN * SCRIPT.len() as u32 + AFTER).as_secs();
        let mut server = self.b.iperf_server(self.folder)?;
        self.interrupt.until(RESULT, "iperf3's server listens", || {
            server.check_running()?;
            Ok(server.said().contains("listening").then_some(()))
        })?;
        let (start, began) = (Instant::now(), now_ns());
        let probes = Probes::start(&self.a, &self.b, self.scene.rate)?;
        let mut ping = self.a.ping(self.folder)?;
        let mut client = self.a.iperf_client(self.folder, seconds - 1)?;
        let rate = self.scene.rate;
        self.progress.say(&format!("session: probes {rate} a second each way, iperf3, ping"));

        let mut moves = Vec::new();
        let mut next = start + BETWEEN + OFFBEAT;
        for script in SCRIPT {
            self.play_until(next, &probes)?;
            moves.push(self.make(&script)?);
            next = (next + BETWEEN).max(Instant::now() + BETWEEN / 2);
        }
        // Whatever held the moves up, what follows the last one is whole.
        let end = start + Duration::from_secs(seconds);
        self.play_until(end.max(Instant::now() + REST), &probes)?;
        let via = self.via()?;
        let counted = probes.finish()?;
        self.progress.say(&format!(
            "{} probes of A and {} of B sent",
            counted.a_to_b.sent.len(),
            counted.b_to_a.sent.len()
        ));
        let ping = ping_result(&mut ping)?;
        let iperf = iperf_result(&mut client)?;
        Ok(Played {
            began,
            moves,
            access: BTreeMap::new(),
            tcp_timeouts: self.a.tcp_timeouts()?,
            counted,
            iperf,
            ping,
            via,
            core: PathBuf::new(),
            users: Default::default(),
        })
    }

    fn play_until(&mut self, until: Instant, probes: &Probes) -> Result<()> {
        let topology = &mut *self.topology;
        self.interrupt.sleep_until(until, || {
            probes.check_running()?;
            topology.check_running()
        })
    }

    fn make(&mut self, script: &Script) -> Result<Move> {
        let Script { who, from, to, .. } = *script;
        // Connected before the move, as access points are.
        let (mut left, mut control) = (self.control(from)?, self.control(to)?);
        let began = self.radio.mute(who)?;
        // The answer comes when the router's workers hold what is for it: then its link may go.
        left.detach(&who.mac().to_string())
            .attempt(format!("give the L2 detach event of {who}"))?;
        self.radio.drop_off(who)?;
        std::thread::sleep(self.scene.gap);
        let done = self.radio.pick_up(who, to)?;
        let l2_event = script.l2_event.then(now_ns);
        if script.l2_event {
            attach(&mut control, who)?;
            self.progress.say(&format!("{who} moves to {to}; the access points say so"));
        } else {
            let host = if who == User::A { &self.a } else { &self.b };
            // Ends with the first RA.
            let _ = host.solicit(self.folder)?.wait(Duration::from_secs(2))?;
            self.progress.say(&format!("{who} moves to {to}; its host sends an RS"));
        }
        Ok(Move { who, from, to, moved: Moved { began, done }, l2_event, first_frame: None })
    }

    /// What the last MAAR notes as the cause of the last handover.
    fn via(&self) -> Result<String> {
        let last = SCRIPT[SCRIPT.len() - 1];
        let rows = self.control(last.to)?.show("handovers").attempt("see the last handover")?;
        let row = rows.iter().rfind(|row| row["mn_id"] == last.who.mn_id());
        let via = row.and_then(|row| row["steps"][0]["via"].as_str().or(row["via"].as_str()));
        via.map(str::to_owned).ok_or_else(|| {
            failed(format!("{} does not say what showed it {}: {rows:?}", last.to, last.who))
        })
    }
}

fn attach(control: &mut Control, user: User) -> Result<()> {
    let mac = user.mac().to_string();
    control
        .attach(&mac, None, None)
        .attempt(format!("give the L2 attach event of {user}"))
        .map(drop)
}

/// "152 packets transmitted, 152 received, ..."
fn ping_result(ping: &mut Process) -> Result<(u64, u64)> {
    ping.stop(Signal::SIGINT, RESULT)?;
    let said = ping.said();
    let line = said.lines().find(|l| l.contains("packets transmitted")).unwrap_or_default();
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(sent), Some(received)) => Ok((sent, received)),
        _ => Err(failed(format!("ping says nothing of its result: {said}"))),
    }
}

fn iperf_result(client: &mut Process) -> Result<Iperf> {
    let status = client.wait(RESULT)?;
    let said: serde_json::Value = serde_json::from_str(&client.said()).unwrap_or_default();
    let octets = |end: &str| said["end"][end]["bytes"].as_u64().unwrap_or(0);
    let error = match status {
        Some(status) if status.success() => said["error"].as_str().map(str::to_owned),
        Some(status) => Some(said["error"].as_str().map_or(status.to_string(), str::to_owned)),
        None => Some("it hangs".to_owned()),
    };
    Ok(Iperf { received: octets("sum_received"), written: octets("sum_sent"), error })
}

/// The window of a move: from it to the next one, or to the end.
pub fn windows(moves: &[Move], ended: u64) -> Vec<std::ops::Range<u64>> {
    let ends = moves.iter().skip(1).map(|m| m.moved.began).chain([ended]);
    moves.iter().zip(ends).map(|(m, end)| m.moved.began..end).collect()
}

/// The last five seconds: when nothing of the session may pass a MAAR it has left.
pub fn last_seconds(ended: u64) -> std::ops::Range<u64> {
    ended.saturating_sub(5 * SECOND)..ended
}
