// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Diameter base protocol (RFC 6733): codec and peer state machine, sans-IO; and the messages of the NASREQ
//! application that romip uses (PROTOCOL.md 3.7). Used by maard (client) and aaad (server).
//!
//! Reading order: [`avp`] and [`message`] (the codec, bounded by construction), [`dictionary`] (what is known),
//! [`nasreq`] and [`base`] (typed messages), [`peer`] (the two ends of a connection).

pub mod avp;
pub mod base;
pub mod dictionary;
pub mod fields;
pub mod message;
pub mod nasreq;
pub mod peer;
pub mod refuse;
pub mod stream;
pub mod tls;
