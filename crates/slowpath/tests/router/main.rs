// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole control sides, driven from outside: frames in, frames out, in virtual time.
//! Read first: `net` (routers, a core link, an AAA), then `handover` (Figure 1).

mod aaa;
mod access_link;
mod attach;
mod core_link;
mod frames;
mod handover;
mod icmp;
mod net;
mod next_hops;
mod noise;
mod order;
mod orders;
mod outer;
mod parking;
mod restart;
mod servers;
mod traffic;
