// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames for the tests of the analysis.

use crate::frames::{Frame, Segment, What};
use crate::host::IPERF_PORT;
use crate::names::{Maar, User};
use crate::probe::Probe;
use wire::addr::ROUTER_MAC;

/// A packet of the session as its sender's interface shows it.
pub(crate) fn frame(at: u64, sender: User, what: What) -> Frame {
    Frame {
        at,
        from: sender.mac(),
        to: ROUTER_MAC,
        tunnel: None,
        src: sender.hoa1(),
        dst: sender.peer().hoa1(),
        what,
    }
}

pub(crate) fn probe(at: u64, sender: User, seq: u64) -> Frame {
    frame(at, sender, What::Probe(Probe { seq, sent: at }))
}

pub(crate) fn echo(at: u64, sender: User, request: bool, seq: u16) -> Frame {
    let what = if request { What::EchoRequest(seq) } else { What::EchoReply(seq) };
    frame(at, sender, what)
}

/// A segment to iperf3's server.
pub(crate) fn segment(
    at: u64,
    sender: User,
    src_port: u16,
    seq: u32,
    len: u32,
    syn: bool,
) -> Frame {
    let segment = Segment { src_port, dst_port: IPERF_PORT, seq, syn, rst: false, len };
    frame(at, sender, What::Tcp(segment))
}

/// The frame on its way over the core link.
pub(crate) fn on_core(frame: Frame, from: Maar, to: Maar, tunnelled: bool) -> Frame {
    Frame {
        from: from.core_mac(),
        to: to.core_mac(),
        tunnel: tunnelled.then(|| (from.address(), to.address())),
        ..frame
    }
}

/// A Mobility Header from one router to another.
pub(crate) fn signal(at: u64, from: Maar, to: Maar, message: wire::mh::Message) -> Frame {
    Frame {
        at,
        from: from.core_mac(),
        to: to.core_mac(),
        tunnel: None,
        src: from.address(),
        dst: to.address(),
        what: What::Signal(Box::new(message)),
    }
}
