// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real server on an ephemeral port of the loopback, and raw clients.
#![allow(dead_code)] // Each test file uses its part.

pub mod contract;
pub mod disk;
pub mod driver;
pub mod load;
pub mod model;
pub mod postgres;

use aaad::config::Config;
use aaad::server::{Server, Stopper};
use aaad::store::Opening;
use diameter::base;
use diameter::message::Message;
use diameter::nasreq::{AaAnswer, AaRequest, Identity, Origin, StRequest};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ten times the longest deadline a test waits for.
const PATIENCE: Duration = Duration::from_secs(50);

pub struct Running {
    pub address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

pub fn start() -> Running {
    start_with("accept: realm\nstore: memory")
}

pub fn config(more: &str) -> Config {
    let text = format!(
        "host: aaa.example.org\nrealm: example.org\nlisten: [\"[::1]:0\"]\nclients: [\"*.example.org\"]\n{more}\n"
    );
    Config::parse(text.as_bytes()).unwrap()
}

pub fn start_with(subscribers: &str) -> Running {
    Running::of(Server::bind(config(subscribers), Opening::AsItIs).unwrap())
}

impl Running {
    /// Runs a server that is bound.
    pub fn of(server: Server) -> Running {
        let (address, stopper) = (server.addresses()[0], server.stopper());
        let thread = Some(std::thread::spawn(move || server.run()));
        Running { address, stopper, thread }
    }

    /// Waits for the planned stop.
    pub fn stop(mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub fn begin_stop(&self) {
        self.stopper.stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

/// A peer that writes what it is told.
pub struct Raw {
    stream: TcpStream,
    pub origin: Origin,
    next: u32,
}

pub fn address(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, n)
}

impl Raw {
    pub fn connect(server: &Running, host: &str) -> Raw {
        Raw::connect_to(server.address, host)
    }

    /// With CER and CEA done, to a server of another process.
    pub fn open_at(server: SocketAddr, host: &str) -> Raw {
        let mut raw = Raw::connect_to(server, host);
        assert_eq!(raw.exchange_capabilities(), 2001);
        raw
    }

    fn connect_to(server: SocketAddr, host: &str) -> Raw {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let identity = Identity { host: host.into(), realm: "example.org".into() };
        Raw { stream, origin: Origin { identity, state_id: 7 }, next: 1 }
    }

    /// With CER and CEA done.
    pub fn open(server: &Running, host: &str) -> Raw {
        let mut raw = Raw::connect(server, host);
        assert_eq!(raw.exchange_capabilities(), 2001);
        raw
    }

    pub fn exchange_capabilities(&mut self) -> u32 {
        let cer = base::cer(&self.origin, address(0xa1).into(), (1, 1));
        self.send(&cer);
        result_code(&self.receive().unwrap())
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    pub fn give_up_writing_after(&self, wait: Duration) {
        self.stream.set_write_timeout(Some(wait)).unwrap();
    }

    /// Like `send`, but the peer may be gone, or not read.
    pub fn try_send(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    /// The next message, or `None` at the end of the connection.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut octets = vec![0; 20];
        match self.stream.read_exact(&mut octets) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("no message in {PATIENCE:?}")
            }
            Err(_) => return None,
            Ok(()) => {}
        }
        let length = u32::from_be_bytes([0, octets[1], octets[2], octets[3]]) as usize;
        octets.resize(length, 0);
        self.stream.read_exact(&mut octets[20..]).unwrap();
        Some(octets)
    }

    pub fn ids(&mut self) -> (u32, u32) {
        self.next += 1;
        (self.next, self.next)
    }

    pub fn request(&self, maar: Ipv6Addr) -> AaRequest {
        AaRequest {
            session_id: format!("{};1;1;usera", self.origin.identity.host),
            destination_realm: "example.org".into(),
            user_name: "usera@example.org".into(),
            calling_station_id: None,
            maar,
            attach_time: None,
        }
    }

    pub fn attach(&mut self, maar: Ipv6Addr) -> AaAnswer {
        let octets = self.request(maar);
        let ids = self.ids();
        self.ask(&octets.encode(&self.origin.clone(), ids))
    }

    pub fn ask(&mut self, octets: &[u8]) -> AaAnswer {
        self.send(octets);
        let answer = self.receive().unwrap();
        AaAnswer::decode(&Message::parse(&answer).unwrap()).unwrap()
    }

    pub fn stop_request(&mut self, session_id: &str) -> Vec<u8> {
        let request = StRequest {
            session_id: session_id.into(),
            destination_realm: "example.org".into(),
            user_name: "usera@example.org".into(),
            cause: 1,
        };
        let ids = self.ids();
        request.encode(&self.origin, ids)
    }
}

pub fn result_code(octets: &[u8]) -> u32 {
    Message::parse(octets).unwrap().find(268).unwrap().u32().unwrap()
}

pub fn failed_avp(octets: &[u8]) -> Vec<u8> {
    Message::parse(octets).unwrap().find(279).unwrap().data.to_vec()
}
