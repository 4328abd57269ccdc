// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Overload of aaad (cases 22 and 25): 3004 at once, everything else served, the other peers unaffected.

mod common;

use aaad::config::Config;
use aaad::server::Server;
use aaad::store::memory::Memory;
use aaad::store::{LocationStore, Opening, Outcome, Request, Wake};
use common::{Raw, Running, address, result_code};
use diameter::base;
use diameter::message::{Message, Writer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::time::Now;

/// A store that answers nothing before it is told to.
#[derive(Debug)]
struct Slow {
    inner: Memory,
    go: Arc<AtomicBool>,
    held: Vec<(Now, Vec<Request>)>,
}

impl LocationStore for Slow {
    fn state_id(&self) -> u32 {
        self.inner.state_id()
    }

    fn known(&self) -> u64 {
        self.inner.known()
    }

    fn submit(&mut self, now: Now, group: Vec<Request>) {
        self.held.push((now, group));
    }

    fn finished(&mut self, into: &mut Vec<(u64, Outcome)>) {
        if self.go.load(Ordering::Acquire) {
            for (now, group) in self.held.drain(..) {
                self.inner.submit(now, group);
            }
            self.inner.finished(into);
        }
    }

    fn close(self: Box<Self>) {}
}

fn config(more: &str) -> Config {
    common::config(&format!("accept: realm\nstore: memory\n{more}"))
}

#[test]
fn over_the_limit_an_aar_is_3004_with_the_e_bit_at_once_and_dwr_and_str_are_served() {
    const EACH: usize = 1024;
    let go = Arc::new(AtomicBool::new(false));
    let waker: Arc<Mutex<Option<Wake>>> = Arc::default();
    let (its_go, its_waker) = (go.clone(), waker.clone());
    let server = Server::bind_with(config(""), move |wake| {
        *its_waker.lock().unwrap() = Some(wake);
        let inner = Memory::new(Duration::from_secs(1_767_225_600));
        Ok(Box::new(Slow { inner, go: its_go, held: Vec::new() }) as Box<dyn LocationStore>)
    });
    let server = Running::of(server.unwrap());
    let mut peers: Vec<Raw> =
        (0..64).map(|n| Raw::open(&server, &format!("maar{n}.example.org"))).collect();
    for peer in &mut peers {
        let mut octets = Vec::new();
        for _ in 0..EACH {
            let ids = peer.ids();
            octets.extend(peer.request(address(1)).encode(&peer.origin, ids));
        }
        peer.send(&octets);
    }
    let mut last = Raw::open(&server, "last.example.org");
    let session = last.request(address(2)).session_id;
    // The others' requests may still be on their way: some of these take their places.
    let mut taken = 0;
    let answer = loop {
        let ids = last.ids();
        let aar = last.request(address(2)).encode(&last.origin, ids);
        last.send(&aar);
        let dwr = base::dwr(&last.origin, (7, 7));
        last.send(&dwr);
        let answer = last.receive().unwrap();
        if Message::parse(&answer).unwrap().header.command == 265 {
            assert_eq!(result_code(&last.receive().unwrap()), 2001, "the DWR is answered");
            break answer;
        }
        taken += 1;
    };
    let header = Message::parse(&answer).unwrap().header;
    assert_eq!((result_code(&answer), header.flags & 0x20), (3004, 0x20));
    let stop = last.stop_request(&session);
    last.send(&stop);
    go.store(true, Ordering::Release);
    let wake = waker.lock().unwrap().clone().unwrap();
    wake();
    loop {
        let answer = last.receive().unwrap();
        assert_eq!(result_code(&answer), 2001);
        if Message::parse(&answer).unwrap().header.command == 275 {
            break;
        }
    }
    let mut refused = 0;
    for peer in &mut peers {
        for _ in 0..EACH {
            let code = result_code(&peer.receive().unwrap());
            assert!([2001, 3004].contains(&code), "{code}");
            refused += usize::from(code == 3004);
        }
    }
    assert!(refused <= taken, "{refused} for the {taken} that came between");
}

#[test]
fn a_flood_of_one_peer_is_3004_beyond_its_rate_and_the_others_are_unaffected() {
    let server = Server::bind(config("rate: 50\n"), Opening::AsItIs).unwrap();
    let server = Running::of(server);
    let mut flood = Raw::open(&server, "amaar1.example.org");
    let mut octets = Vec::new();
    for _ in 0..2000 {
        let ids = flood.ids();
        octets.extend(flood.request(address(1)).encode(&flood.origin, ids));
    }
    flood.send(&octets);
    let mut other = Raw::open(&server, "amaar2.example.org");
    for _ in 0..50 {
        assert_eq!(other.attach(address(2)).result_code, 2001);
    }
    let codes: Vec<u32> = (0..2000).map(|_| result_code(&flood.receive().unwrap())).collect();
    let taken = codes.iter().filter(|code| **code == 2001).count();
    assert!((50..1000).contains(&taken), "{taken}");
    assert!(codes.iter().all(|code| [2001, 3004].contains(code)));
}

#[test]
fn a_peer_that_knows_overload_control_is_told_by_how_much_to_ask_less() {
    let server = Server::bind(config("rate: 5\n"), Opening::AsItIs).unwrap();
    let server = Running::of(server);
    let mut peer = Raw::open(&server, "amaar1.example.org");
    let mut seen = Vec::new();
    for n in 0..20 {
        let ids = peer.ids();
        let aar = peer.request(address(1)).encode(&peer.origin, ids);
        let header = Message::parse(&aar).unwrap().header;
        let with =
            Writer::new(header).raw(&aar[20..]).group(621, |group| group.u64(622, 1)).finish();
        peer.send(if n == 19 { &aar } else { &with });
        seen.push(peer.receive().unwrap());
    }
    let find = |octets: &Vec<u8>, code| {
        Message::parse(octets).unwrap().find(code).map(|avp| avp.data.to_vec())
    };
    assert_eq!(result_code(&seen[0]), 2001);
    assert!(find(&seen[0], 621).is_some() && find(&seen[0], 623).is_none());
    assert_eq!(result_code(&seen[18]), 3004);
    let report = find(&seen[18], 623).expect("OC-OLR");
    let percentage: Vec<u8> = diameter::avp::Avps::new(&report)
        .map(Result::unwrap)
        .find(|a| a.code == 627)
        .unwrap()
        .data
        .into();
    let percentage = u32::from_be_bytes(percentage.try_into().unwrap());
    assert!((30..=100).contains(&percentage), "{percentage}");
    assert!(find(&seen[19], 621).is_none(), "it did not announce it");
}
