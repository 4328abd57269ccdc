// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is on the wire between a MAAR, its mobile nodes and its peers, as far as smoltcp's `wire`
//! module lacks it, and what a packet buffer is. No I/O, no clock.
//!
//! Two levels, as in smoltcp: a *view* checks lengths once and then reads fields in place (packet
//! path); a *repr* is a value that can only be built valid (control path).
//!
//! Every decoder takes any octets without a panic, and each is a fuzz target as it stands: [`eth::EthHeader::parse`],
//! [`ip6::Ip6View`], [`nd::parse`], [`nd::parse_router_advert`], [`mh::MhView`].

pub mod addr;
pub mod buf;
pub mod eth;
pub mod ip6;
pub mod mh;
pub mod nd;
pub mod time;
