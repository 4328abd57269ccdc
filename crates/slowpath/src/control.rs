// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one may ask over the control socket: one JSON object a line, one JSON line back.
//!
//! ```text
//! {"do":"show","what":"mns"}                                   -> {"ok":[{...},...]}
//! {"do":"attach","mac":"02:00:00:00:00:0a","port":0,"mn_id":"usera@example.org"} -> {"ok":{...}}   (port, mn_id optional)
//! {"do":"detach","mac":"02:00:00:00:00:0a"}                    -> {"ok":{...}} or {"error":"..."}
//! ```

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
    /// MN records: mn_id, mac, port, state, hoa, lease, attach_time, link_local.
    Mns,
    /// Both lists: list (external, internal), hoa, coa or maar, state, source, expires_s, mn_id.
    Bindings,
    /// name, value; the slow path's here, maard adds the workers'.
    Counters,
    /// mn_id, attachment, previous, status, steps [{n, name, t_us, with}].
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
