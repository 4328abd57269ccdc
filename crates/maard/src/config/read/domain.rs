// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the domain is made of: peers and their keys, anchors and routes, the AAA, mobile nodes.

use super::{ADDRESS, Reader, global};
use crate::config::scalar;
use crate::config::tree::{At, Field, Map};
use crate::config::{Aaa, Peer};
use slowpath::config::Prefix;
use std::net::{Ipv6Addr, SocketAddr};
use wire::addr::{Mac, Nai};
use wire::mh::Key;

/// Next hops of a route at most: a worker ranks all of them for each packet.
const NEXT_HOPS: usize = 16;

impl Reader<'_> {
    pub(super) fn peer(&self, field: &Field<'_>) -> Option<Peer> {
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

    /// `{prefix, maar}`.
    pub(super) fn anchor(&self, field: &Field<'_>) -> Option<At<(Prefix, Ipv6Addr)>> {
        let map = field.map(self.p, &["prefix", "maar"])?;
        let prefix = map.need(self.p, "prefix", "give the prefix").and_then(|f| self.prefix(&f));
        let maar = self.need(&map, "maar", "give the MAAR's core address", ADDRESS, global);
        let prefix = prefix?;
        Some(At { value: (prefix.value, maar?.value), at: prefix.at })
    }

    /// `{prefix, via}`, where `via` is a next hop or a list of some.
    pub(super) fn route(&self, field: &Field<'_>) -> Option<At<(Prefix, Vec<Ipv6Addr>)>> {
        let map = field.map(self.p, &["prefix", "via"])?;
        let prefix = map.need(self.p, "prefix", "give the prefix").and_then(|f| self.prefix(&f));
        let mend = "give the next hop, an address on a core link, or a list of them";
        let via = map.need(self.p, "via", mend).and_then(|f| self.next_hops(&f));
        let prefix = prefix?;
        Some(At { value: (prefix.value, via?), at: prefix.at })
    }

    fn next_hops(&self, via: &Field<'_>) -> Option<Vec<Ipv6Addr>> {
        if via.is_text() {
            return Some(vec![via.parse(self.p, ADDRESS, global)?.value]);
        }
        let fields = via.list(self.p);
        let hops: Vec<_> = fields.iter().map(|f| f.parse(self.p, ADDRESS, global)).collect();
        if !(1..=NEXT_HOPS).contains(&fields.len()) {
            self.p.add(&via.at, format!("{} next hops; give 1 to {NEXT_HOPS}", fields.len()));
        }
        let hops: Vec<Ipv6Addr> =
            hops.into_iter().map(|hop| Some(hop?.value)).collect::<Option<_>>()?;
        for (n, hop) in hops.iter().enumerate() {
            if hops[..n].contains(hop) {
                self.p.add(&fields[n].at, format!("{hop} is given twice; delete one"));
            }
        }
        Some(hops)
    }

    pub(super) fn aaa(&self, field: &Field<'_>) -> Option<Aaa> {
        const KEYS: &[&str] =
            &["server", "servers", "host", "realm", "destination_realm", "fail_open"];
        let map = field.map(self.p, KEYS)?;
        let servers = self.aaa_servers(&map);
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
        let fail_open = self.or(&map, "fail_open", super::BOOLEAN, false, scalar::boolean);
        let (servers, host) = (servers?, host?.value);
        Some(Aaa { servers, host, realm, destination_realm, fail_open })
    }

    /// `server`, or several in `servers`, the preferred one first.
    fn aaa_servers(&self, map: &Map<'_>) -> Option<Vec<SocketAddr>> {
        let expected = "an address and a port like \"[2001:db8::1]:3868\"";
        let read = |text: &str| text.parse::<SocketAddr>().ok().filter(|a| a.port() != 0);
        let Some(several) = map.get("servers") else {
            let mend = "give the AAA's address and port";
            return Some(vec![self.need(map, "server", mend, expected, read)?.value]);
        };
        if map.get("server").is_some() {
            self.p.add(&several.at, "give either server or servers".to_owned());
            return None;
        }
        let items = several.list(self.p);
        let servers: Vec<SocketAddr> = items
            .iter()
            .filter_map(|item| Some(item.parse(self.p, expected, read)?.value))
            .collect();
        if servers.is_empty() || servers.len() > crate::control::MOST_AAA {
            let most = crate::control::MOST_AAA;
            self.p.add(&several.at, format!("give 1 to {most} AAA servers"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (item, server) in items.iter().zip(&servers).filter(|(_, s)| !seen.insert(**s)) {
            self.p.add(&item.at, format!("{server} is named twice"));
        }
        (servers.len() == items.len()).then_some(servers)
    }

    pub(super) fn mobile_node(&self, field: &Field<'_>) -> Option<At<(Mac, Nai)>> {
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
                format!(
                    "`{text}` is a number: some tool read a MAC without quotes in base 60; \
                     write it again as \"02:00:00:00:00:0a\", quoted"
                ),
            ),
            None => self.p.add(
                &field.at,
                format!("`{text}` is not a station's MAC like \"02:00:00:00:00:0a\""),
            ),
        }
        None
    }
}
