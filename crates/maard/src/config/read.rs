// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tree -> values, section by section in the order of `config/maard.yaml`. What cannot be read is a problem and left
//! out of the [`Draft`]; the rest goes on to `check.rs`.

mod domain;
mod machine;

use super::scalar::{self, PrefixText};
use super::tree::{At, Field, Map, Node, Problems};
use super::{Aaa, Config, Cores, Eal, Peer, Poll, Port, Spread};
use slowpath::config::Prefix;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::addr::{Mac, Nai};

/// What could be read of a file.
pub struct Draft {
    file: PathBuf,
    pub name: Option<String>,
    pub address: Option<At<Ipv6Addr>>,
    pub pool: Option<At<Prefix>>,
    pub eal: Option<Eal>,
    pub cores: Option<Cores>,
    pub poll: Poll,
    spread: Spread,
    pub bindings: usize,
    /// Where the list stands.
    pub ports_at: super::Place,
    /// `None` when one of them could not be read.
    pub ports: Vec<Option<Port>>,
    pub peers: Vec<Option<Peer>>,
    pub anchors: Vec<At<(Prefix, Ipv6Addr)>>,
    pub routes: Vec<At<(Prefix, Vec<Ipv6Addr>)>>,
    pub aaa: Option<Aaa>,
    pub mobile_nodes: Vec<At<(Mac, Nai)>>,
    trust_rs_mnid: bool,
    rdnss: Vec<Ipv6Addr>,
    initial_bindack: Option<Duration>,
    end_marker: Duration,
    tunnel_hop_limit: u8,
    state: Option<PathBuf>,
    pub control: Option<At<PathBuf>>,
    metrics: Option<At<SocketAddr>>,
    log: log::LevelFilter,
}

impl Draft {
    /// The configuration, if nothing needed is missing. A list's unreadable items have been told as problems.
    pub fn complete(self) -> Option<Config> {
        Some(Config {
            file: self.file,
            name: self.name?,
            address: self.address?,
            pool: self.pool?,
            eal: self.eal?,
            cores: self.cores?,
            poll: self.poll,
            spread: self.spread,
            bindings: self.bindings,
            ports: self.ports.into_iter().collect::<Option<_>>()?,
            peers: self.peers.into_iter().collect::<Option<_>>()?,
            anchors: self.anchors,
            routes: self.routes,
            aaa: self.aaa?,
            mobile_nodes: self.mobile_nodes,
            trust_rs_mnid: self.trust_rs_mnid,
            rdnss: self.rdnss,
            initial_bindack: self.initial_bindack,
            end_marker: self.end_marker,
            tunnel_hop_limit: self.tunnel_hop_limit,
            state: self.state,
            control: self.control?,
            metrics: self.metrics,
            log: self.log,
        })
    }
}

const TOP: &[&str] = &[
    "name",
    "address",
    "pool",
    "eal",
    "cores",
    "poll",
    "spread",
    "bindings",
    "ports",
    "peers",
    "anchors",
    "routes",
    "aaa",
    "mobile_nodes",
    "trust_rs_mnid",
    "rdnss",
    "initial_bindack_ms",
    "end_marker_ms",
    "tunnel_hop_limit",
    "state",
    "control",
    "metrics",
    "log",
];

/// Reads the whole file; `None` when it is no mapping at all.
pub fn config(file: &Path, root: &Node, problems: &Problems) -> Option<Draft> {
    let top = Field::root(root).map(problems, TOP)?;
    let reader = Reader { p: problems };
    let name = reader
        .need(
            &top,
            "name",
            "give this instance a name",
            "a name of letters, digits, `-` and `_`, 32 at most",
            scalar::instance_name,
        )
        .map(|name| name.value);
    Some(Draft {
        file: file.into(),
        address: reader.need(&top, "address", "give this MAAR's core address", ADDRESS, global),
        pool: top
            .need(problems, "pool", "give the prefix the /64s of mobile nodes are leased from")
            .and_then(|f| reader.prefix(&f)),
        eal: reader.eal(&top),
        cores: reader.cores(&top),
        poll: reader.or(&top, "poll", "`busy` or `adaptive`", Poll::Busy, |t| match t {
            "busy" => Some(Poll::Busy),
            "adaptive" => Some(Poll::Adaptive),
            _ => None,
        }),
        spread: reader.or(
            &top,
            "spread",
            "`auto`, `nic`, `software` or `off`",
            Spread::Auto,
            |t| match t {
                "auto" => Some(Spread::Auto),
                "nic" => Some(Spread::Nic),
                "software" => Some(Spread::Software),
                "off" => Some(Spread::Off),
                _ => None,
            },
        ),
        bindings: reader.or(&top, "bindings", "a number from 1024 to 16777216", 1 << 20, |t| {
            scalar::number(t, 1024..=16_777_216).map(|n| n as usize)
        }),
        ports_at: top.get("ports").map_or_else(|| top.at.clone(), |f| f.at.clone()),
        ports: top
            .need(problems, "ports", "list at least one access and one core port")
            .map_or(Vec::new(), |f| f.list(problems).iter().map(|f| reader.port(f)).collect()),
        peers: reader.each(&top, "peers", |f| Some(reader.peer(f))),
        anchors: reader.each(&top, "anchors", |f| reader.anchor(f)),
        routes: reader.each(&top, "routes", |f| reader.route(f)),
        aaa: top
            .need(problems, "aaa", "no AAA is configured: give aaa.server, aaa.host and aaa.realm")
            .and_then(|f| reader.aaa(&f)),
        mobile_nodes: reader.each(&top, "mobile_nodes", |f| reader.mobile_node(f)),
        trust_rs_mnid: reader.or(&top, "trust_rs_mnid", BOOLEAN, false, scalar::boolean),
        rdnss: reader.each(&top, "rdnss", |f| Some(f.parse(problems, ADDRESS, global)?.value)),
        initial_bindack: reader.or(
            &top,
            "initial_bindack_ms",
            "a number of milliseconds from 50 to 5000",
            None,
            |t| scalar::number(t, 50..=5000).map(|ms| Some(Duration::from_millis(ms))),
        ),
        end_marker: reader.or(
            &top,
            "end_marker_ms",
            "a number of milliseconds from 0 to 1000",
            Duration::from_millis(30),
            |t| scalar::number(t, 0..=1000).map(Duration::from_millis),
        ),
        tunnel_hop_limit: reader.or(&top, "tunnel_hop_limit", "a number from 1 to 255", 64, |t| {
            scalar::number(t, 1..=255).map(|n| n as u8)
        }),
        state: reader.or(&top, "state", "a directory", None, |t| Some(Some(PathBuf::from(t)))),
        control: reader.control(&top, name.as_deref()),
        metrics: top.get("metrics").and_then(|f| {
            f.parse(problems, "an address and port like \"[::1]:9464\"", |t| t.parse().ok())
        }),
        log: reader.or(
            &top,
            "log",
            "off, error, warn, info, debug or trace",
            log::LevelFilter::Info,
            |t| t.parse().ok(),
        ),
        name,
    })
}

const ADDRESS: &str = "a global IPv6 address like 2001:db8::1";
const BOOLEAN: &str = "`true` or `false`";

/// A unicast address that may stand in a packet's source on the core.
fn global(text: &str) -> Option<Ipv6Addr> {
    text.parse::<Ipv6Addr>().ok().filter(|a| {
        !a.is_multicast() && !a.is_unspecified() && !a.is_loopback() && !a.is_unicast_link_local()
    })
}

struct Reader<'p> {
    p: &'p Problems,
}

impl Reader<'_> {
    fn or<T>(
        &self,
        map: &Map<'_>,
        key: &str,
        expected: &str,
        default: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        map.get(key).and_then(|f| f.parse(self.p, expected, read)).map_or(default, |at| at.value)
    }

    fn need<T>(
        &self,
        map: &Map<'_>,
        key: &str,
        mend: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<At<T>> {
        map.need(self.p, key, mend)?.parse(self.p, expected, read)
    }

    /// What can be read of a list's items.
    fn each<T>(
        &self,
        map: &Map<'_>,
        key: &str,
        read: impl FnMut(&Field<'_>) -> Option<T>,
    ) -> Vec<T> {
        let items = map.get(key).map_or(Vec::new(), |f| f.list(self.p));
        items.iter().filter_map(read).collect()
    }

    fn prefix(&self, field: &Field<'_>) -> Option<At<Prefix>> {
        let text = field.text(self.p)?;
        match scalar::prefix(text) {
            PrefixText::Good(value) => return Some(At { value, at: field.at.clone() }),
            PrefixText::HostBits(net) => self.p.add(
                &field.at,
                format!("`{text}` has host bits set; did you mean {}/{}?", net.addr, net.len),
            ),
            PrefixText::Bad => {
                self.p.add(&field.at, format!("`{text}` is not an IPv6 prefix like 2001:db8::/48"));
            }
        }
        None
    }

    fn control(&self, top: &Map<'_>, name: Option<&str>) -> Option<At<PathBuf>> {
        let Some(field) = top.get("control") else {
            let value = PathBuf::from(format!("/run/romip/{}.sock", name?));
            return Some(At { value, at: top.at.clone() });
        };
        /// `sun_path` without its final zero (unix(7)).
        const LIMIT: usize = 107;
        let path = field.parse(self.p, "a path", |t| (!t.is_empty()).then(|| PathBuf::from(t)))?;
        let len = path.value.as_os_str().len();
        if len > LIMIT {
            self.p.add(
                &path.at,
                format!("has {len} octets; a Unix socket's path has {LIMIT} at most"),
            );
            return None;
        }
        Some(path)
    }
}
