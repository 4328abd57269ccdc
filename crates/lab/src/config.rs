// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration files of the lab's five `maard` and its `aaad`, made from the address table.

use crate::names::{AAA, AAA_PORT, Maar, User};
use std::fmt::Write;
use std::path::Path;

/// Octets of DPDK memory and packet buffers per router: five of them share an ordinary machine.
const MEMORY_MIB: u32 = 192;
const MBUFS: u32 = 16_384;

/// The name a lab router has, apart from a real one's: DPDK's file prefix must not meet it.
pub fn instance(maar: Maar) -> String {
    format!("lab_{}", maar.name().to_lowercase())
}

/// Name of the kernel side of a router's port towards its users.
pub fn access_tap(maar: Maar) -> String {
    format!("tap_acc_{}", maar.short())
}

/// Name of the kernel side of a router's core port.
pub fn core_tap(maar: Maar) -> String {
    format!("tap_core_{}", maar.short())
}

/// `maard`'s configuration of `maar`. `cpus` are those this process may use, in order; routers share them.
pub fn maard(maar: Maar, control: &Path, cpus: &[usize]) -> String {
    let (slowpath, worker) = cores(maar, cpus);
    let mut yaml = format!(
        "name: {name}\n\
         address: {address}\n\
         pool: {pool}\n\
         eal: {{ hugepages: false, memory: {MEMORY_MIB}, mbufs: {MBUFS} }}\n\
         cores: {{ slowpath: {slowpath}, workers: [{worker}] }}\n\
         poll: adaptive\n\
         ports:\n\
         \x20 - device: net_tap0,iface={access}\n\
         \x20   role: access\n\
         \x20 - device: net_tap1,iface={core},mac={core_mac}\n\
         \x20   role: core\n\
         \x20   link: 2001:db8:ff::/64\n\
         control: {control}\n",
        name = instance(maar),
        address = maar.address(),
        pool = maar.pool(),
        access = access_tap(maar),
        core = core_tap(maar),
        core_mac = maar.core_mac(),
        control = control.display(),
    );
    neighbours(&mut yaml, maar).expect("a String takes every write");
    let _ = write!(
        yaml,
        "aaa:\n\
         \x20 server: \"[{AAA}]:{AAA_PORT}\"\n\
         \x20 host: {host}.example.org\n\
         \x20 realm: example.org\n",
        host = maar.name().replace('_', "").to_lowercase(),
    );
    yaml.push_str("mobile_nodes:\n");
    for user in User::ALL {
        let _ = writeln!(yaml, "  - {{ mac: \"{}\", mn_id: {} }}", user.mac(), user.mn_id());
    }
    yaml
}

/// Peers, anchor map and static routes: every other router.
fn neighbours(yaml: &mut String, maar: Maar) -> std::fmt::Result {
    let others = || Maar::ALL.into_iter().filter(move |other| *other != maar);
    yaml.push_str("peers:\n");
    for other in others() {
        writeln!(
            yaml,
            "  - address: {}\n    auth: [{{ spi: 256, key: \"{}\" }}]",
            other.address(),
            key(maar, other)
        )?;
    }
    yaml.push_str("anchors:\n");
    for other in others() {
        writeln!(yaml, "  - {{ prefix: \"{}\", maar: \"{}\" }}", other.pool(), other.address())?;
    }
    yaml.push_str("routes:\n");
    for other in others() {
        writeln!(yaml, "  - {{ prefix: \"{}\", via: \"{}\" }}", other.pool(), other.address())?;
    }
    Ok(())
}

/// A key per pair, the same from both ends. Made of public addresses: good for a lab, secret to nobody.
fn key(one: Maar, other: Maar) -> String {
    let (low, high) = (one.min(other).address().to_bits(), one.max(other).address().to_bits());
    format!("{low:032x}{high:032x}")
}

/// CPU of the slow path and of the worker, spread over what there is.
fn cores(maar: Maar, cpus: &[usize]) -> (usize, usize) {
    let n = Maar::ALL.iter().position(|m| *m == maar).unwrap_or(0);
    let cpu = |i: usize| cpus.get(i % cpus.len().max(1)).copied().unwrap_or(0);
    (cpu(2 * n), cpu(2 * n + 1))
}

/// `aaad`'s configuration.
pub fn aaad() -> String {
    format!(
        "host: aaa.example.org\n\
         realm: example.org\n\
         listen: [\"[{AAA}]:{AAA_PORT}\"]\n\
         clients: [\"*.example.org\"]\n\
         accept: realm\n\
         store: memory\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_pair_have_the_same_key_and_no_two_pairs_share_one() {
        let mut keys = std::collections::BTreeSet::new();
        for one in Maar::ALL {
            for other in Maar::ALL.into_iter().filter(|o| *o != one) {
                assert_eq!(key(one, other), key(other, one));
                keys.insert(key(one, other));
            }
        }
        assert_eq!(keys.len(), 10);
    }

    #[test]
    fn a_router_knows_each_of_the_others_three_times_and_itself_never() {
        let yaml = maard(Maar::A3, Path::new("/run/romip-lab/a3.sock"), &[0, 1]);
        for other in Maar::ALL.into_iter().filter(|o| *o != Maar::A3) {
            let address = other.address().to_string();
            // As a word: ::a1 is no part of ::1:a1.
            let times = yaml.split([' ', '"', '\n']).filter(|word| *word == address).count();
            assert_eq!(times, 3, "{other} as peer, anchor and next hop in\n{yaml}");
        }
        assert_eq!(yaml.matches("2001:db8:ff::a3").count(), 1, "its own address only\n{yaml}");
    }

    #[test]
    fn routers_share_the_cpus_there_are() {
        assert_eq!(cores(Maar::A1, &[0, 1]), (0, 1));
        assert_eq!(cores(Maar::B2, &[0, 1]), (0, 1));
        assert_eq!(cores(Maar::A2, &[4, 5, 6, 7]), (6, 7));
        assert_eq!(cores(Maar::A2, &[3]), (3, 3));
    }
}
