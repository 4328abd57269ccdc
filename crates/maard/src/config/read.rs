// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tree -> values, section by section in the order of `config/maard.yaml`. What cannot be read is a problem and left
//! out of the [`Draft`]; the rest goes on to `check.rs`.

use super::scalar::{self, PrefixText};
use super::tree::{At, Field, Map, Node, Problems};
use super::{Aaa, Config, Cores, Eal, Peer, Poll, Port};
use dataplane::fib::Role;
use mobility::config::Prefix;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::addr::{Mac, Nai};
use wire::mh::Key;

/// What could be read of a file.
pub struct Draft {
    file: PathBuf,
    pub name: Option<String>,
    pub address: Option<At<Ipv6Addr>>,
    pub pool: Option<At<Prefix>>,
    pub eal: Option<Eal>,
    pub cores: Option<Cores>,
    pub poll: Poll,
    pub bindings: usize,
    /// Where the list stands.
    pub ports_at: super::Place,
    /// `None` when one of them could not be read.
    pub ports: Vec<Option<Port>>,
    pub peers: Vec<Option<Peer>>,
    pub anchors: Vec<At<(Prefix, Ipv6Addr)>>,
    pub routes: Vec<At<(Prefix, Ipv6Addr)>>,
    pub aaa: Option<Aaa>,
    pub mobile_nodes: Vec<At<(Mac, Nai)>>,
    trust_rs_mnid: bool,
    rdnss: Vec<Ipv6Addr>,
    initial_bindack: Option<Duration>,
    tunnel_hop_limit: u8,
    pub control: Option<At<PathBuf>>,
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
            tunnel_hop_limit: self.tunnel_hop_limit,
            control: self.control?,
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
    "tunnel_hop_limit",
    "control",
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
        bindings: reader.or(&top, "bindings", "a number from 1024 to 16777216", 65_536, |t| {
            scalar::number(t, 1024..=16_777_216).map(|n| n as usize)
        }),
        ports_at: top.get("ports").map_or_else(|| top.at.clone(), |f| f.at.clone()),
        ports: top
            .need(problems, "ports", "list at least one access and one core port")
            .map_or(Vec::new(), |f| f.list(problems).iter().map(|f| reader.port(f)).collect()),
        peers: reader.list(&top, "peers").iter().map(|f| reader.peer(f)).collect(),
        anchors: reader
            .list(&top, "anchors")
            .iter()
            .filter_map(|f| reader.leads(f, "maar"))
            .collect(),
        routes: reader.list(&top, "routes").iter().filter_map(|f| reader.leads(f, "via")).collect(),
        aaa: top
            .need(problems, "aaa", "no AAA is configured: give aaa.server, aaa.host and aaa.realm")
            .and_then(|f| reader.aaa(&f)),
        mobile_nodes: reader
            .list(&top, "mobile_nodes")
            .iter()
            .filter_map(|f| reader.mobile_node(f))
            .collect(),
        trust_rs_mnid: reader.or(&top, "trust_rs_mnid", BOOLEAN, false, scalar::boolean),
        rdnss: reader
            .list(&top, "rdnss")
            .iter()
            .filter_map(|f| Some(f.parse(problems, ADDRESS, |t| t.parse().ok())?.value))
            .collect(),
        initial_bindack: reader.or(
            &top,
            "initial_bindack_ms",
            "a number of milliseconds from 50 to 5000",
            None,
            |t| scalar::number(t, 50..=5000).map(|ms| Some(Duration::from_millis(ms))),
        ),
        tunnel_hop_limit: reader.or(&top, "tunnel_hop_limit", "a number from 1 to 255", 64, |t| {
            scalar::number(t, 1..=255).map(|n| n as u8)
        }),
        control: reader.control(&top, name.as_deref()),
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

    fn list<'n>(&self, map: &Map<'n>, key: &str) -> Vec<Field<'n>> {
        map.get(key).map_or(Vec::new(), |f| f.list(self.p))
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

    fn eal(&self, top: &Map<'_>) -> Option<Eal> {
        const KEYS: &[&str] = &["hugepages", "memory", "mbufs"];
        let default_mbufs = || At { value: 32_768, at: top.at.clone() };
        let Some(field) = top.get("eal") else {
            return Some(Eal { hugepages: false, memory: 256, mbufs: default_mbufs() });
        };
        let map = field.map(self.p, KEYS)?;
        let count = |t: &str| scalar::number(t, 1024..=4_194_304).map(|n| n as u32);
        let mbufs = match map.get("mbufs") {
            Some(f) => f.parse(self.p, "a number of packet buffers from 1024 to 4194304", count)?,
            None => default_mbufs(),
        };
        Some(Eal {
            hugepages: self.or(&map, "hugepages", BOOLEAN, false, scalar::boolean),
            memory: self.or(&map, "memory", "a number of MiB from 64 to 1048576", 256, |t| {
                scalar::number(t, 64..=1_048_576).map(|n| n as u32)
            }),
            mbufs,
        })
    }

    fn cores(&self, top: &Map<'_>) -> Option<Cores> {
        let field = top.need(self.p, "cores", "say which CPU runs the slow path and which the workers: cores: {slowpath: 0, workers: [1]}")?;
        let map = field.map(self.p, &["slowpath", "workers"])?;
        let cpu = |t: &str| scalar::number(t, 0..=4095).map(|n| n as usize);
        let slowpath =
            self.need(&map, "slowpath", "give the CPU of the slow path", "a CPU number", cpu);
        let list = map.need(self.p, "workers", "list the CPUs of the workers, like [1]")?;
        let workers: Vec<_> =
            list.list(self.p).iter().filter_map(|f| f.parse(self.p, "a CPU number", cpu)).collect();
        if !(1..=32).contains(&workers.len()) {
            self.p.add(&list.at, format!("{} workers; there may be 1 to 32", workers.len()));
        }
        Some(Cores { slowpath: slowpath?, workers })
    }

    fn port(&self, field: &Field<'_>) -> Option<Port> {
        let map = field.map(self.p, &["device", "role", "mtu", "attach", "link"])?;
        let device = self.need(
            &map,
            "device",
            "give a PCI address or a vdev string like net_tap0,iface=acc0",
            "a DPDK device string without spaces",
            |t| {
                let good = !t.is_empty() && !t.contains(char::is_whitespace) && !t.starts_with(',');
                good.then(|| t.to_owned())
            },
        );
        let role = self.need(
            &map,
            "role",
            "say `access` (mobile nodes) or `core` (the other MAARs)",
            "`access` or `core`",
            |t| match t {
                "access" => Some(Role::Access),
                "core" => Some(Role::Core),
                _ => None,
            },
        )?;
        let mtu = self.or(&map, "mtu", "an IPv6 MTU from 1280 to 9600", 1500, |t| {
            scalar::number(t, 1280..=9600).map(|n| n as u16)
        });
        let attach_on_frame = self.or(&map, "attach", "`any` or `event`", true, |t| match t {
            "any" => Some(true),
            "event" => Some(false),
            _ => None,
        });
        let link = match role.value {
            Role::Access => {
                self.not_here(
                    &map,
                    "link",
                    "belongs to core ports; an access link has no prefix of its own",
                );
                None
            }
            Role::Core => {
                self.not_here(
                    &map,
                    "attach",
                    "belongs to access ports; nothing attaches on a core port",
                );
                let link = map.need(
                    self.p,
                    "link",
                    "give the prefix on this core link, like 2001:db8:ff::/64",
                )?;
                Some(self.prefix(&link)?)
            }
        };
        Some(Port { device: device?, role: role.value, mtu, attach_on_frame, link })
    }

    fn not_here(&self, map: &Map<'_>, key: &str, why: &str) {
        if let Some(field) = map.get(key) {
            self.p.add(&field.at, format!("{why}; delete it"));
        }
    }

    fn peer(&self, field: &Field<'_>) -> Option<Peer> {
        let map = field.map(self.p, &["address", "auth"])?;
        let address = self.need(&map, "address", "give the peer's core address", ADDRESS, global);
        let auth = map.need(self.p, "auth", "give a list of one or two keys, or `none`")?;
        let keys = if auth.is_text() {
            auth.parse(self.p, "`none` or a list of keys", |t| (t == "none").then(Vec::new))?.value
        } else {
            self.keys(&auth)?
        };
        Some(Peer { address: address?, keys })
    }

    /// One or two keys; both SPIs in sight so that a rollover cannot pick the same one twice.
    fn keys(&self, auth: &Field<'_>) -> Option<Vec<Key>> {
        let fields = auth.list(self.p);
        let read: Vec<Option<Key>> = fields.iter().map(|f| self.key(f)).collect();
        if !(1..=2).contains(&fields.len()) {
            self.p.add(
                &auth.at,
                format!("{} keys; there may be one or two, or `none`", fields.len()),
            );
            return None;
        }
        let keys: Vec<Key> = read.into_iter().collect::<Option<_>>()?;
        if let [first, second] = &keys[..]
            && first.spi == second.spi
        {
            self.p.add(
                &fields[1].at,
                format!("SPI {} is given twice; a key has its own SPI", first.spi),
            );
            return None;
        }
        Some(keys)
    }

    fn key(&self, field: &Field<'_>) -> Option<Key> {
        let map = field.map(self.p, &["spi", "key"])?;
        let spi =
            self.need(&map, "spi", "give the key's SPI", "an SPI from 256 to 4294967295", |t| {
                scalar::number(t, 256..=u64::from(u32::MAX)).map(|n| n as u32)
            });
        let secret = map.need(self.p, "key", "give the key in hexadecimal digits, quoted")?;
        let secret = self.secret(&secret);
        Some(Key { spi: spi?.value, secret: secret? })
    }

    /// A problem never repeats the text: it may be most of a secret.
    fn secret(&self, field: &Field<'_>) -> Option<Box<[u8]>> {
        let secret = scalar::hex(field.text(self.p)?);
        match &secret {
            None => self.p.add(
                &field.at,
                "is not an even number of hexadecimal digits; quote it, so that no tool takes it for a number",
            ),
            Some(octets) if !(16..=64).contains(&octets.len()) => self.p.add(
                &field.at,
                format!("has {} octets; give 16 to 64 (32 to 128 digits)", octets.len()),
            ),
            Some(_) => return secret,
        }
        None
    }

    /// `{prefix, maar}` and `{prefix, via}`.
    fn leads(&self, field: &Field<'_>, to: &'static str) -> Option<At<(Prefix, Ipv6Addr)>> {
        let (keys, mend): (&'static [&'static str], _) = match to {
            "maar" => (&["prefix", "maar"], "give the MAAR's core address"),
            _ => (&["prefix", "via"], "give the next hop, an address on a core link"),
        };
        let map = field.map(self.p, keys)?;
        let prefix = map.need(self.p, "prefix", "give the prefix").and_then(|f| self.prefix(&f));
        let to = self.need(&map, to, mend, ADDRESS, global);
        let prefix = prefix?;
        Some(At { value: (prefix.value, to?.value), at: prefix.at })
    }

    fn aaa(&self, field: &Field<'_>) -> Option<Aaa> {
        let map = field.map(self.p, &["server", "host", "realm", "destination_realm"])?;
        let expected = "an address and a port like \"[2001:db8::1]:3868\"";
        let server = self.need(&map, "server", "give the AAA's address and port", expected, |t| {
            t.parse::<SocketAddr>().ok().filter(|a| a.port() != 0)
        });
        let name = "a host name like maar1.example.org";
        let host =
            self.need(&map, "host", "give this MAAR's Diameter identity", name, scalar::host_name);
        let realm = self.need(
            &map,
            "realm",
            "give this MAAR's realm",
            "a realm like example.org",
            scalar::host_name,
        );
        let realm = realm?.value;
        let destination_realm = self.or(
            &map,
            "destination_realm",
            "a realm like example.org",
            realm.clone(),
            scalar::host_name,
        );
        Some(Aaa { server: server?.value, host: host?.value, realm, destination_realm })
    }

    fn mobile_node(&self, field: &Field<'_>) -> Option<At<(Mac, Nai)>> {
        let map = field.map(self.p, &["mac", "mn_id"])?;
        let mac = map.need(self.p, "mac", "give the mobile node's MAC").and_then(|f| self.mac(&f));
        let mn_id = self.need(
            &map,
            "mn_id",
            "give the mobile node's identity",
            "an MN-ID of 1 to 253 octets like user@example.org",
            |t| Nai::new(t).ok(),
        );
        let mac = mac?;
        Some(At { value: (mac.value, mn_id?.value), at: mac.at })
    }

    fn mac(&self, field: &Field<'_>) -> Option<At<Mac>> {
        let text = field.text(self.p)?;
        let value = scalar::mac(text).filter(|mac| mac.is_unicast());
        match value {
            Some(value) => return Some(At { value, at: field.at.clone() }),
            None if text.bytes().all(|b| b.is_ascii_digit() || b == b'_') => self.p.add(
                &field.at,
                format!("`{text}` is a number: some tool read a MAC without quotes in base 60; write it again as \"02:00:00:00:00:0a\", quoted"),
            ),
            None => self.p.add(
                &field.at,
                format!("`{text}` is not a station's MAC like \"02:00:00:00:00:0a\""),
            ),
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
