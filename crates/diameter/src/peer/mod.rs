// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection to a Diameter peer (RFC 6733 §5, RFC 3539 watchdog), as client or server. Sans-IO:
//!
//! ```text
//! transport up -> handle(now, Connected); octets -> handle(now, Octets); gone -> handle(now, Closed)
//! poll_output() until None; handle(now, Timeout) at deadline()
//! ```
//!
//! `Close` means: close once everything given to `Send` before it has left. The connection is over for the state machine
//! from then on; a `Closed` that still comes for it does no harm.
//!
//! Reading order: `client.rs` (maard's end) with `requests.rs` and `reconnect.rs`; `server.rs` (aaad's end) with
//! `inspect.rs`; both use `watchdog.rs`.

mod client;
mod inspect;
mod reconnect;
mod requests;
mod rng;
mod server;
mod watchdog;

pub use client::{AskedTicket, Client, ClientConfig, ClientInput, ClientOutput, Unavailable};
pub use requests::Handed;
pub use server::{Server, ServerConfig, ServerInput, ServerOutput, Ticket};

use std::time::Duration;

/// Monotonic time since an origin the caller chose.
pub type Time = Duration;

/// The longest wait for CER, CEA, DPA and for TCP to come up.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);
