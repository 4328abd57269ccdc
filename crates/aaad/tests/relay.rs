// SPDX-License-Identifier: Apache-2.0 OR MIT
//! aaad behind freeDiameter's relay, in a network namespace of the test (root): first attachment, handover, an unknown realm,
//! and one of two aaads killed with requests under way.

mod common;

use common::postgres::new_database;
use diameter::base;
use diameter::message::{FLAG_ERROR, Message};
use diameter::nasreq::{AaAnswer, AaRequest, Identity, Origin};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RELAY: &str = "10.77.0.1";
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace with three addresses; it and what runs there end with this.
struct Net {
    name: String,
    directory: tempfile::TempDir,
    children: Vec<Child>,
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "{program} {arguments:?}: root and iproute2 are needed"
    );
}

impl Net {
    fn new() -> Net {
        let name = format!("romip-relay-{}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let net = Net { name, directory: tempfile::tempdir().unwrap(), children: Vec::new() };
        run("ip", &["-n", &net.name, "link", "set", "lo", "up"]);
        for n in 1..=3 {
            run("ip", &["-n", &net.name, "addr", "add", &format!("10.77.0.{n}/32"), "dev", "lo"]);
        }
        net
    }

    fn start(&mut self, log: &str, program: &Path, arguments: &[&str]) -> usize {
        let log = File::create(self.directory.path().join(log)).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children.push(child);
        self.children.len() - 1
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn aaad(&mut self, n: u8, database: &str) -> usize {
        let text = format!(
            "host: aaa{n}.home.test\nrealm: home.test\nlisten: [\"10.77.0.{n}:3868\"]\nclients: [relay.core.test]\naccept: realm\nstore: {{postgres: \"{database}\"}}\n"
        );
        let file = self.file(&format!("aaa{n}.yaml"), &text);
        let program = Path::new(env!("CARGO_BIN_EXE_aaad"));
        self.start(&format!("aaa{n}.log"), program, &["--config", &file])
    }

    fn relay(&mut self) {
        let acl = self.file("acl", "ALLOW_IPSEC *.access.test\n");
        let library = |name: &str| format!("LoadExtension = \"/usr/lib/freeDiameter/{name}.fdx\"");
        let peer = |n: u8| {
            format!(
                "ConnectPeer = \"aaa{n}.home.test\" {{ No_TLS; ConnectTo = \"10.77.0.{n}\"; Port = 3868; }};\n"
            )
        };
        let text = format!(
            "Identity = \"relay.core.test\";\nRealm = \"core.test\";\nPort = 3868;\nSecPort = 0;\nNo_SCTP;\n\
             ListenOn = \"{RELAY}\";\nTwTimer = 6;\nTcTimer = 5;\n{};\n{};\n{};\n{} : \"{acl}\";\n{}{}",
            library("dict_nasreq"),
            library("dict_rfc5777"),
            library("dict_mip6a"),
            library("acl_wl"),
            peer(2),
            peer(3)
        );
        let file = self.file("relay.conf", &text);
        self.start("relay.log", Path::new("freeDiameterd"), &["-c", &file]);
    }

    fn until(&self, is_so: impl Fn(&Net) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let logs = ["relay.log", "aaa2.log", "aaa3.log"].map(|name| self.log(name));
            assert!(begun.elapsed() < PATIENCE, "{}", logs.join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A MAAR that speaks to the relay.
struct Maar {
    stream: TcpStream,
    origin: Origin,
    address: Ipv6Addr,
    next: u32,
}

impl Maar {
    fn connect(n: u16) -> Option<Maar> {
        let stream = TcpStream::connect((RELAY, 3868)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let identity =
            Identity { host: format!("amaar{n}.access.test"), realm: "access.test".into() };
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa0 + n);
        let mut maar = Maar { stream, origin: Origin { identity, state_id: 7 }, address, next: 1 };
        let cer = base::cer(&maar.origin, "10.77.0.1".parse().unwrap(), (0, 0));
        let cea = maar.exchange(&cer)?;
        (common::result_code(&cea) == 2001).then_some(maar)
    }

    fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// The next answer; what the relay asks (DWR) is answered.
    fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut octets = vec![0; 20];
            self.stream.read_exact(&mut octets).ok()?;
            let length = u32::from_be_bytes([0, octets[1], octets[2], octets[3]]) as usize;
            octets.resize(length, 0);
            self.stream.read_exact(&mut octets[20..]).ok()?;
            let header = Message::parse(&octets).unwrap().header;
            if !header.is_request() {
                return Some(octets);
            }
            let answer = base::base_answer(&self.origin, &header);
            self.send(&answer);
        }
    }

    fn exchange(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        self.send(octets);
        self.receive()
    }

    fn aar(&mut self, user: &str, realm: &str) -> Vec<u8> {
        self.next += 1;
        let request = AaRequest {
            session_id: format!("{};1;{};{user}", self.origin.identity.host, self.next),
            destination_realm: realm.into(),
            user_name: format!("{user}@home.test"),
            calling_station_id: None,
            maar: self.address,
            attach_time: None,
        };
        request.encode(&self.origin, (self.next, self.next))
    }

    fn attach(&mut self, user: &str) -> AaAnswer {
        let aar = self.aar(user, "home.test");
        AaAnswer::decode(&Message::parse(&self.exchange(&aar).unwrap()).unwrap()).unwrap()
    }
}

#[test]
fn behind_freediameters_relay_moves_are_told_and_one_of_two_aaads_may_die() {
    let database = new_database();
    let mut net = Net::new();
    let first = net.aaad(2, &database);
    net.aaad(3, &database);
    net.relay();
    // This thread alone, and what it connects.
    let namespace = File::open(format!("/var/run/netns/{}", net.name)).unwrap();
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
    let up = |net: &Net, name: &str| {
        let log = net.log("relay.log");
        log.lines().any(|line| line.contains("-> 'STATE_OPEN'") && line.contains(name))
    };
    // Both AAAs: the relay shares the requests out.
    net.until(|net| up(net, "aaa2.home.test") && up(net, "aaa3.home.test"));
    let connect = |n| Maar::connect(n).expect("the relay takes it");
    let (mut a1, mut a2) = (connect(1), connect(2));

    let one = a1.attach("usera");
    assert_eq!((one.result_code, one.previous), (2001, Some(Ipv6Addr::UNSPECIFIED)));
    let two = a2.attach("usera");
    assert_eq!((two.result_code, two.previous), (2001, Some(a1.address)));
    assert!(two.attach_time > one.attach_time);

    let aar = a1.aar("usera", "nowhere.test");
    let refused = a1.exchange(&aar).unwrap();
    let header = Message::parse(&refused).unwrap().header;
    assert_eq!((common::result_code(&refused), header.flags & FLAG_ERROR), (3002, FLAG_ERROR));

    // By turns over both MAARs; the chain of previous addresses shows what was applied, and that it was once.
    let mut at = a2.address;
    for n in 0..400 {
        let maar = if n % 2 == 0 { &mut a1 } else { &mut a2 };
        let aar = maar.aar("usera", "home.test");
        maar.send(&aar);
        if n == 100 {
            net.children[first].kill().unwrap();
        }
        let answer = maar.receive().unwrap();
        let answer = AaAnswer::decode(&Message::parse(&answer).unwrap()).unwrap();
        assert_eq!((answer.result_code, answer.previous), (2001, Some(at)), "request {n}");
        at = maar.address;
    }
}
