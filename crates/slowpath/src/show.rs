// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows of `romip show` as JSON; the fields are said at [`crate::control::Table`]. Addresses are text, times
//! are numbers with the unit in their name.

use mobility::show::{BindingRow, MnRow};
use serde_json::{Value, json};
use wire::time::AttachTime;

pub(crate) fn mn(row: &MnRow) -> Value {
    json!({
        "mn_id": row.mn_id.as_str(),
        "mac": row.mac.to_string(),
        "port": row.port,
        "state": row.state,
        "hoa": row.coa.map(|coa| coa.to_string()),
        "lease": row.lease.map(|lease| lease.to_string()),
        "attach_time_us": row.attach_time.map(micros),
        "link_local": row.link_local.map(|address| address.to_string()),
    })
}

pub(crate) fn binding(row: &BindingRow) -> Value {
    match row {
        BindingRow::External { hoa, coa, mn_id, state } => json!({
            "list": "external",
            "hoa": hoa.to_string(),
            "coa": coa.to_string(),
            "maar": null,
            "mn_id": mn_id.as_str(),
            "state": state,
            "source": null,
            "expires_s": null,
        }),
        BindingRow::Internal { hoa, maar, source, stale, expires_in } => json!({
            "list": "internal",
            "hoa": hoa.to_string(),
            "coa": null,
            "maar": maar.to_string(),
            "mn_id": null,
            "state": if *stale { "stale" } else { "fresh" },
            "source": source,
            "expires_s": expires_in.map(|left| left.as_secs()),
        }),
    }
}

pub(crate) fn counter((name, value): (&'static str, u64)) -> Value {
    json!({ "name": name, "value": value })
}

/// Microseconds since 1970 of a 48.16 fixed-point time.
fn micros(time: AttachTime) -> u64 {
    let fraction = ((time.0 & 0xffff) * 1_000_000) >> 16;
    (time.0 >> 16).saturating_mul(1_000_000).saturating_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_time_is_shown_in_microseconds() {
        assert_eq!(micros(AttachTime(0x6955_b900_8000)), 1_767_225_600_500_000);
    }
}
