// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Diameter base protocol (RFC 6733): codec and peer state machine, sans-IO; and the messages of the NASREQ
//! application that romip uses (protocol.md 3.7). Used by maard (client) and aaad (server).

pub mod avp;
pub mod message;
pub mod nasreq;
pub mod peer;
