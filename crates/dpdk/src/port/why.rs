// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a device string led to no port. DPDK answers -22 or -19 to most of it; the machine knows more: which driver
//! plug-ins are loaded, which interfaces and PCI devices there are, what this process may do.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Eal;

/// Virtual drivers by the start of their device names, with the plug-in (`librte_<plug-in>.so`) that holds them.
const PLUGINS: &[(&str, &str)] = &[
    ("net_af_packet", "net_af_packet"),
    ("net_af_xdp", "net_af_xdp"),
    ("net_bonding", "net_bond"),
    ("net_memif", "net_memif"),
    ("net_null", "net_null"),
    ("net_pcap", "net_pcap"),
    ("net_ring", "net_ring"),
    ("net_tap", "net_tap"),
    ("net_vhost", "net_vhost"),
    ("net_virtio_user", "net_virtio"),
];

/// CAP_NET_ADMIN and CAP_NET_RAW of linux/capability.h.
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

/// What shows before the device is opened: the reason, and the mend. `has_driver`: DPDK knows what the string means.
pub(super) fn missing(eal: &Eal, device: &str, name: &str, has_driver: bool) -> Option<String> {
    if super::is_pci(device) {
        return no_pci(eal, name);
    }
    let plugin = PLUGINS.iter().find(|(start, _)| *start == driver(device));
    match plugin {
        Some((_, plugin)) if !is_loaded(plugin) => Some(format!(
            "its driver is not installed; mend: `apt-get install {}`",
            debian_package(plugin)
        )),
        _ if !has_driver => Some(no_driver(name)),
        _ => no_interface(device),
    }
}

/// Why opening it failed, as far as it can be found, with the mend; else DPDK's own words.
pub(super) fn not_plugged(device: &str, name: &str, words: &str) -> String {
    let known = if super::is_pci(device) { foreign_driver(name) } else { no_permission(device) };
    known.unwrap_or_else(|| words.to_owned())
}

fn no_driver(name: &str) -> String {
    if has_interface(name) {
        return format!(
            "it is an interface of the kernel; mend: `net_af_packet0,iface={name}`, or its PCI address"
        );
    }
    let known: Vec<&str> = PLUGINS.iter().map(|(start, _)| *start).collect();
    format!(
        "no driver has this name; mend: a PCI address, or a name that starts with one of the known drivers of virtual \
         ports: {}",
        known.join(", ")
    )
}

/// The driver's name in a device string: `net_tap` of `net_tap0,iface=x`.
pub(super) fn driver(device: &str) -> &str {
    let name = device.split(',').next().unwrap_or_default();
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// The value of an argument of a device string.
pub(super) fn argument<'a>(device: &'a str, key: &str) -> Option<&'a str> {
    device.split(',').skip(1).find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

/// The Debian package of a DPDK plug-in: named by the library's ABI, which each November release raises to the coming
/// year; a name that ends in a digit gets a hyphen.
pub(crate) fn debian_package(plugin: &str) -> String {
    let name = plugin.replace('_', "-");
    let hyphen = if name.ends_with(|c: char| c.is_ascii_digit()) { "-" } else { "" };
    format!("librte-{name}{hyphen}{}", abi_of(&crate::version()))
}

fn abi_of(version: &str) -> u32 {
    let mut numbers =
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let (year, month) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if month >= 11 { year + 1 } else { year }
}

/// Plug-ins are shared objects that EAL loaded at start; in a static build there are none to miss.
fn is_loaded(plugin: &str) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    !maps.contains("/librte_eal.so") || maps.contains(&format!("/librte_{plugin}.so"))
}

fn pci_device(address: &str) -> PathBuf {
    Path::new("/sys/bus/pci/devices").join(address)
}

fn no_pci(eal: &Eal, address: &str) -> Option<String> {
    let why = if !eal.root.pci {
        "DPDK was started without the PCI bus; mend: name the device at start (`eal::Args::device`)"
    } else if !pci_device(address).exists() {
        "no PCI device has this address; mend: `dpdk-devbind.py --status-dev net` lists them"
    } else {
        return None;
    };
    Some(why.into())
}

/// A device that exists was not taken: the kernel has it.
fn foreign_driver(address: &str) -> Option<String> {
    let driver = fs::read_link(pci_device(address).join("driver")).ok();
    let driver = driver
        .as_deref()
        .and_then(Path::file_name)
        .map_or("no driver".into(), |name| name.to_string_lossy());
    if ["vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core", "mlx4_core"].contains(&&*driver) {
        return None;
    }
    Some(format!(
        "the device is bound to {driver}; mend: `dpdk-devbind.py --bind=vfio-pci {address}`"
    ))
}

/// What a driver that opens a kernel interface needs the kernel to have.
fn no_interface(device: &str) -> Option<String> {
    let iface = argument(device, "iface");
    match driver(device) {
        "net_tap" if !Path::new("/dev/net/tun").exists() => Some(
            "there is no /dev/net/tun; mend: `modprobe tun` (docker: `--device /dev/net/tun`)"
                .into(),
        ),
        "net_tap" => {
            let name = iface.filter(|name| !(1..=MAX_INTERFACE).contains(&name.len()))?;
            Some(format!(
                "{name:?} cannot be an interface's name; mend: 1 to {MAX_INTERFACE} octets"
            ))
        }
        "net_af_packet" | "net_af_xdp" => {
            let name = iface.filter(|name| !has_interface(name))?;
            Some(format!("there is no network interface {name:?}; mend: `ip link` lists them"))
        }
        _ => None,
    }
}

/// IFNAMSIZ without its final zero.
const MAX_INTERFACE: usize = 15;

/// In this process's network namespace, of which /sys may not tell.
fn has_interface(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

/// What a driver that opens a kernel interface needs to be allowed.
fn no_permission(device: &str) -> Option<String> {
    let (needs, names): (&[u32], _) = match driver(device) {
        "net_tap" => (&[NET_ADMIN], "NET_ADMIN"),
        "net_af_packet" | "net_af_xdp" => (&[NET_ADMIN, NET_RAW], "NET_ADMIN and NET_RAW"),
        _ => return None,
    };
    let allowed = needs.iter().all(|capability| has_capability(*capability));
    (!allowed).then(|| format!("no permission; mend: run as root or give the capability {names}"))
}

fn has_capability(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // Unknown is no reason to blame the permission.
    held.is_none_or(|held| held & (1 << capability) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_string_falls_into_driver_and_arguments() {
        assert_eq!(driver("net_af_packet12,iface=x"), "net_af_packet");
        assert_eq!(argument("net_tap0,mac=fixed,iface=core", "iface"), Some("core"));
        assert_eq!(argument("net_tap0,ifacex=core", "iface"), None);
    }

    #[test]
    fn the_package_carries_the_abi_of_the_release() {
        assert_eq!(abi_of("DPDK 22.11.11"), 23);
        assert_eq!(abi_of("DPDK 23.07.0"), 23);
        assert_eq!(abi_of("DPDK 24.11.1-rc1"), 25);
        assert!(debian_package("net_af_packet").starts_with("librte-net-af-packet"));
        assert!(debian_package("net_mlx5").starts_with("librte-net-mlx5-"));
    }
}
