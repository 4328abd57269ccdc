// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one may ask over the control socket: one JSON object a line, one JSON line back.
//!
//! ```text
//! {"do":"show","what":"mns"}                                   -> {"ok":[{...},...]}
//! {"do":"attach","mac":"02:00:00:00:00:0a","port":0,"mn_id":"usera@example.org"} -> {"ok":{...}}   (port, mn_id optional)
//! {"do":"detach","mac":"02:00:00:00:00:0a"}                    -> {"ok":{...}} or {"error":"..."}
//! ```
//! The answer to attach and detach is the MN's row of `show mns` as it is now, or `{"mac":...}` when it has none. That to
//! detach comes when the workers hold what arrives for the MN: an access point that waits for it before it ends the link
//! loses nothing.

use serde::{Deserialize, Serialize};

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A table.
    Show {
        /// Which.
        what: Table,
    },
    /// L2 attach event.
    Attach {
        /// Station.
        mac: String,
        /// Access port by number; default: the first access port.
        port: Option<u8>,
        /// 802.1X identity.
        mn_id: Option<String>,
    },
    /// L2 detach event.
    Detach {
        /// Station.
        mac: String,
    },
}

/// The tables of `romip show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// MN records by MN-ID: mn_id, mac, port, state, hoa (the address assigned here), lease, attach_time_us (since
    /// 1970), link_local. What is not known is null.
    Mns,
    /// Both lists by HoA: list (`external`, `internal`), hoa, coa (external) or maar (internal), mn_id (external),
    /// state (external: `Tentative`, `Active`; internal: `fresh`, `stale`), source (internal), expires_s (internal).
    /// What does not apply is null.
    Bindings,
    /// name, value, by name: the slow path's; maard adds the workers'.
    Counters,
    /// The last 1,000, oldest first: mn_id, attachment, via (`rs`, `l2`, `frame`), previous, status (null: no sDBA
    /// came), done, started_us (step 1, since 1970), steps [{n (1 to 8), name (`RS`, `AAR`, ...), t_us (after step
    /// 1), with (address or null)}] in the order they happened.
    Handovers,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The rows or a confirmation.
    Ok(serde_json::Value),
    /// One sentence.
    Error(String),
}
