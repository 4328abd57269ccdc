// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes sDBAs late on the core link, exactly and one by one: the traffic controller redirects them out of the routers'
//! core ports to a relay that puts them back onto the bridge when their time has come.
//!
//! ```text
//!   tap_core_xx --(tc: sDBA)--> late-in = late-rx [relay: waits] late-tx = late-out --[core]
//! ```

use crate::config::core_tap;
use crate::error::{Attempt, Result, failed};
use crate::names::Maar;
use crate::netns::Netns;
use crate::topology::CORE;
use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender};
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The relay; dropped, it ends. What it holds then is lost.
#[derive(Debug)]
pub struct Late {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How exact the delay is.
const GRAIN: Duration = Duration::from_millis(1);

impl Late {
    /// From now on each sDBA on the core link of `net` is late by `delay`.
    pub fn sdba(net: &Netns, delay: Duration) -> Result<Late> {
        net.ip([
            "link add late-in type veth peer name late-rx".to_owned(),
            "link add late-tx type veth peer name late-out".to_owned(),
            format!("link set late-out master {CORE}"),
            // The sources of what comes out of it are elsewhere.
            "link set late-out type bridge_slave learning off".to_owned(),
            "link set late-in up".to_owned(),
            "link set late-rx up".to_owned(),
            "link set late-tx up".to_owned(),
            "link set late-out up".to_owned(),
        ])?;
        let config = Config { read_timeout: Some(GRAIN), ..Config::default() };
        let open = |name| net.inside(move || open(name, config));
        let (_, receive) = open("late-rx").attempt("listen on late-rx")?;
        let (send, _) = open("late-tx").attempt("send on late-tx")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || relay(receive, send, delay, &stopped));
        redirect(net)?;
        Ok(Late { stop, thread: Some(thread) })
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

type Ends = (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>);

fn open(name: &str, config: Config) -> std::io::Result<Ends> {
    let found = pnet_datalink::interfaces().into_iter().find(|i| i.name == name);
    let interface = found.ok_or_else(|| std::io::Error::from(ErrorKind::NotFound))?;
    match pnet_datalink::channel(&interface, config)? {
        Channel::Ethernet(send, receive) => Ok((send, receive)),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

fn relay(
    mut receive: Box<dyn DataLinkReceiver>,
    mut send: Box<dyn DataLinkSender>,
    delay: Duration,
    stop: &AtomicBool,
) {
    let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        // Returns after GRAIN when nothing comes.
        if let Ok(frame) = receive.next() {
            held.push_back((Instant::now() + delay, frame.to_vec()));
        }
        while let Some((_, frame)) = held.pop_front_if(|(at, _)| *at <= Instant::now()) {
            let _ = send.send_to(&frame, None);
        }
    }
}

/// What a router sends and is an sDBA goes to the relay: next header 135, MH type 6, D set and E clear (PROTOCOL.md 3.1).
fn redirect(net: &Netns) -> Result<()> {
    let lines: String = Maar::ALL
        .map(core_tap)
        .iter()
        .map(|tap| {
            format!(
                "qdisc add dev {tap} clsact\n\
                 filter add dev {tap} ingress protocol ipv6 u32 match u8 135 0xff at 6 \
                 match u8 6 0xff at 42 match u8 0x20 0x30 at 47 \
                 action mirred egress redirect dev late-in\n"
            )
        })
        .collect();
    let mut child = Command::new("tc")
        .args(["-n", net.name(), "-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .attempt("run tc (apt install iproute2)")?;
    child
        .stdin
        .take()
        .expect("stdin was asked for")
        .write_all(lines.as_bytes())
        .attempt("give tc an order")?;
    let status = child.wait().attempt("wait for tc")?;
    if status.success() { Ok(()) } else { Err(failed(format!("tc refused one of\n{lines}"))) }
}
