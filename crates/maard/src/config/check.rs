// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values against each other and against this machine: what is given twice, overlaps, or leads nowhere.

use super::read::Draft;
use super::tree::{At, Problems};
use super::{Place, Port};
use dataplane::fib::Role;
use dataplane::lpm::Lpm;
use slowpath::config::Prefix;
use std::collections::BTreeMap;

/// All checks; each tells its own problems.
pub fn all(draft: &Draft, cpus: &[usize], p: &Problems) {
    devices(draft, p);
    roles(draft, p);
    links(draft, p);
    pool(draft, p);
    peers(draft, p);
    anchors(draft, p);
    routes(draft, p);
    mobile_nodes(draft, p);
    cores(draft, cpus, p);
}

fn ports(draft: &Draft) -> impl Iterator<Item = &Port> {
    draft.ports.iter().flatten()
}

/// Whether the ports can be compared with: there are some, and each could be read.
fn whole(draft: &Draft) -> bool {
    !draft.ports.is_empty() && draft.ports.iter().all(Option::is_some)
}

fn core_links(draft: &Draft) -> impl Iterator<Item = &At<Prefix>> {
    ports(draft).filter_map(|port| port.link.as_ref())
}

/// Tells each later one of two equal things, naming the line of the first.
fn twice<K: Ord>(items: impl Iterator<Item = (K, Place)>, what: &str, p: &Problems) {
    let mut seen: BTreeMap<K, Place> = BTreeMap::new();
    for (key, at) in items {
        match seen.get(&key) {
            Some(first) => {
                p.add(&at, format!("{what} is given twice, first as {first}; delete one"))
            }
            None => drop(seen.insert(key, at)),
        }
    }
}

/// The part of a device string that names the device: a PCI address with its domain, or a vdev's name; and the
/// kernel interface a vdev takes, since two ports cannot have one.
fn device_names(device: &str) -> Vec<String> {
    let mut parts = device.split(',');
    let name = parts.next().unwrap_or("").to_ascii_lowercase();
    let short_pci = name.len() == 7 && name.as_bytes()[2] == b':' && name.as_bytes()[5] == b'.';
    let name = if short_pci { format!("0000:{name}") } else { name };
    let driver: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let iface = parts.find_map(|arg| arg.strip_prefix("iface="));
    let iface = iface.map(|iface| format!("{driver} iface={iface}"));
    std::iter::once(name).chain(iface).collect()
}

fn devices(draft: &Draft, p: &Problems) {
    let names = ports(draft).flat_map(|port| {
        device_names(&port.device.value).into_iter().map(|name| (name, port.device.at.clone()))
    });
    twice(names, "this device", p);
    // A verdict holds a port in five bits.
    if draft.ports.len() > 32 {
        p.add(&draft.ports_at, format!("{} ports; there may be 32", draft.ports.len()));
    }
}

fn roles(draft: &Draft, p: &Problems) {
    if !whole(draft) {
        return;
    }
    for (role, name, use_) in
        [(Role::Access, "access", "mobile nodes"), (Role::Core, "core", "the other MAARs")]
    {
        if !ports(draft).any(|port| port.role == role) {
            p.add(&draft.ports_at, format!("no port has role `{name}` (for {use_}); add one"));
        }
    }
}

fn overlap(a: Prefix, b: Prefix) -> bool {
    a.contains(b.addr) || b.contains(a.addr)
}

fn links(draft: &Draft, p: &Problems) {
    let links: Vec<_> = core_links(draft).collect();
    for (i, link) in links.iter().enumerate() {
        if let Some(other) = links[..i].iter().find(|other| overlap(other.value, link.value)) {
            p.add(&link.at, format!("overlaps {}; give each core link its own prefix", other.at));
        }
        if link.value.len > 126 {
            p.add(
                &link.at,
                format!("/{} leaves no room for a neighbour; give 126 at most", link.value.len),
            );
        }
    }
    let whole = draft.ports.iter().all(Option::is_some) && !links.is_empty();
    if let Some(address) = &draft.address
        && whole
        && !links.iter().any(|link| link.value.contains(address.value))
    {
        let list = links.iter().map(|l| show(l.value)).collect::<Vec<_>>().join(", ");
        p.add(
            &address.at,
            format!("{} is in no core link ({list}); mend it or ports[].link", address.value),
        );
    }
}

fn show(prefix: Prefix) -> String {
    format!("{}/{}", prefix.addr, prefix.len)
}

/// Pools and core links are different worlds: what may be bound is never a MAAR.
fn off_links(draft: &Draft, prefix: &At<Prefix>, p: &Problems) {
    if let Some(link) = core_links(draft).find(|link| overlap(link.value, prefix.value)) {
        p.add(
            &prefix.at,
            format!("overlaps the core link {}; mobile nodes need a prefix of their own", link.at),
        );
    }
}

fn pool(draft: &Draft, p: &Problems) {
    let Some(pool) = &draft.pool else { return };
    if !(32..=56).contains(&pool.value.len) {
        p.add(&pool.at, format!("/{} is not a pool; give /32 to /56", pool.value.len));
    }
    off_links(draft, pool, p);
}

fn peers(draft: &Draft, p: &Problems) {
    let own = draft.address.as_ref().map(|own| own.value);
    let peers = || draft.peers.iter().flatten().map(|peer| &peer.address);
    twice(peers().map(|a| (a.value, a.at.clone())), "this peer", p);
    let routes = draft.routes.iter().map(|route| route.value.0);
    let prefixes = core_links(draft).map(|link| link.value).chain(routes);
    let reached = Lpm::new(prefixes.map(|prefix| (prefix.addr, prefix.len, ())));
    for peer in peers() {
        if own == Some(peer.value) {
            p.add(&peer.at, "is this MAAR's own address; list the others only");
        } else if whole(draft) && reached.get(peer.value).is_none() {
            p.add(&peer.at, format!("no core link or route leads to {}; add a route", peer.value));
        }
    }
}

/// Each prefix is anchored at one MAAR, and every MAAR that anchors is a peer.
fn anchors(draft: &Draft, p: &Problems) {
    let own = draft.address.as_ref().map(|own| own.value);
    for (i, anchor) in draft.anchors.iter().enumerate() {
        let (prefix, maar) = anchor.value;
        off_links(draft, &At { value: prefix, at: anchor.at.clone() }, p);
        if let Some(other) = draft.anchors[..i].iter().find(|other| overlap(other.value.0, prefix))
        {
            p.add(
                &anchor.at,
                format!("{} overlaps {}; a prefix is anchored once", show(prefix), other.at),
            );
        }
        if let Some(pool) = &draft.pool
            && overlap(pool.value, prefix)
            && !(own == Some(maar) && pool.value == prefix)
        {
            p.add(
                &anchor.at,
                format!("{} overlaps the own {}; pools must not overlap", show(prefix), pool.at),
            );
        } else if own == Some(maar) && draft.pool.as_ref().is_some_and(|pool| pool.value != prefix)
        {
            p.add(
                &anchor.at,
                "names this MAAR, which anchors its pool only; delete it or mend `maar`",
            );
        }
        let known = draft
            .peers
            .iter()
            .any(|peer| peer.as_ref().is_none_or(|peer| peer.address.value == maar));
        if own.is_some_and(|own| own != maar) && !known {
            p.add(&anchor.at, format!("its MAAR {maar} is no peer; add it to `peers`"));
        }
    }
}

fn routes(draft: &Draft, p: &Problems) {
    twice(draft.routes.iter().map(|r| (r.value.0, r.at.clone())), "this prefix", p);
    let whole = whole(draft);
    for route in &draft.routes {
        let (prefix, via) = &route.value;
        for &via in via {
            if draft.address.as_ref().is_some_and(|own| own.value == via) {
                p.add(&route.at, "leads to this MAAR itself; give another next hop");
            } else if whole && !core_links(draft).any(|link| link.value.contains(via)) {
                p.add(
                    &route.at,
                    format!("its next hop {via} is on no core link; give a neighbour's address"),
                );
            }
        }
        if draft
            .pool
            .as_ref()
            .is_some_and(|pool| pool.value.contains(prefix.addr) && prefix.len >= pool.value.len)
        {
            p.add(&route.at, "lies in the own pool, which no route serves (R-35); delete it");
        }
    }
}

fn mobile_nodes(draft: &Draft, p: &Problems) {
    let macs = draft.mobile_nodes.iter().map(|mn| (mn.value.0, mn.at.clone()));
    twice(macs, "this MAC", p);
}

fn cores(draft: &Draft, cpus: &[usize], p: &Problems) {
    let Some(cores) = &draft.cores else { return };
    for cpu in std::iter::once(&cores.slowpath).chain(&cores.workers) {
        if !cpus.contains(&cpu.value) {
            p.add(
                &cpu.at,
                format!(
                    "CPU {} is not among the allowed CPUs {cpus:?}; choose from these",
                    cpu.value
                ),
            );
        }
    }
}
