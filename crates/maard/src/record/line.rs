// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One line of the record, with its checksum.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slowpath::{Persist, Record, Served};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::AttachTime;

/// Digits of the checksum.
const DIGITS: usize = 16;

/// What a line says.
pub enum Entry {
    /// The number of a start.
    Boot(u64),
    /// A word about an MN.
    Change(Persist),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Boot(u64),
    Keep(KeepLine),
    Drop(String),
}

#[derive(Serialize, Deserialize)]
struct KeepLine {
    mn: String,
    lease: Ipv6Addr,
    here: Option<HereLine>,
}

#[derive(Serialize, Deserialize)]
struct HereLine {
    mac: [u8; 6],
    port: u8,
    time: u64,
    attachment: u64,
    hoas: Vec<Ipv6Addr>,
}

/// The line of a start.
pub fn boot(boot: u64) -> String {
    write(&Line::Boot(boot))
}

/// The line of a change.
pub fn change(change: &Persist) -> String {
    write(&match change {
        Persist::Keep(Record { mn_id, lease, here }) => Line::Keep(KeepLine {
            mn: mn_id.as_str().to_owned(),
            lease: lease.with_iid(0),
            here: here.as_ref().map(|served| HereLine {
                mac: served.mac.0,
                port: served.port,
                time: served.attach_time.0,
                attachment: served.attachment,
                hoas: served.hoas.clone(),
            }),
        }),
        Persist::Drop(mn) => Line::Drop(mn.as_str().to_owned()),
    })
}

/// Numbers and texts always have a JSON form.
fn write(line: &Line) -> String {
    let json = serde_json::to_string(line).unwrap_or_default();
    format!("{} {json}\n", checksum(json.as_bytes()))
}

fn checksum(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().take(DIGITS / 2).map(|octet| format!("{octet:02x}")).collect()
}

/// What a whole line says; `None` for a damaged one.
pub fn read(line: &[u8]) -> Option<Entry> {
    let (sum, json) = line.strip_suffix(b"\n")?.split_at_checked(DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    if checksum(json).as_bytes() != sum {
        return None;
    }
    Some(match serde_json::from_slice(json).ok()? {
        Line::Boot(boot) => Entry::Boot(boot),
        Line::Drop(mn) => Entry::Change(Persist::Drop(Nai::new(&mn).ok()?)),
        Line::Keep(KeepLine { mn, lease, here }) => {
            let served = |here: HereLine| Served {
                mac: Mac(here.mac),
                port: here.port,
                attach_time: AttachTime(here.time),
                attachment: here.attachment,
                hoas: here.hoas,
            };
            let mn_id = Nai::new(&mn).ok()?;
            let lease = Prefix64::of(lease);
            Entry::Change(Persist::Keep(Record { mn_id, lease, here: here.map(served) }))
        }
    })
}
