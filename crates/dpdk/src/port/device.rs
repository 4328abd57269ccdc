// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A plugged device: found by its string, owned once, and unplugged when its last owner goes.

use std::ffi::{CStr, CString};
use std::sync::{Arc, PoisonError};

use dpdk_sys as sys;

use super::error::PortError;
use super::{Capabilities, PortConfig, why};
use crate::Eal;
use crate::eal::{Root, errno_text, log};
use crate::mempool::Mempool;

/// The device behind a [`super::Port`] and its queues. Dropped last, it stops and unplugs itself.
pub(crate) struct Device {
    id: u16,
    name: String,
    driver: String,
    pub(super) running: bool,
    /// The configuration in force, and the pool that the receive queues fill themselves from.
    pub(super) setup: Option<(PortConfig, Mempool)>,
    root: Arc<Root>,
}

impl Device {
    /// See [`super::Port::by_device`].
    pub(super) fn plug(eal: &Eal, device: &str) -> Result<Device, PortError> {
        let (name, c_device) = look_for(eal, device)?;
        // Held to the end: two threads must not plug the same device.
        let mut ports = eal.root.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let twin = ports.values().find(|owned| same_interface(owned, device)).cloned();
        // A PCI device that was allowed at start is plugged already.
        let id = match (twin, find(&name)) {
            (Some(other), _) => return Err(PortError::Twice { device: device.to_owned(), other }),
            (None, Some(id)) => id,
            (None, None) => probe(eal, device, &c_device, &name)?,
        };
        if let Some(other) = ports.get(&id) {
            return Err(PortError::Twice { device: device.to_owned(), other: other.clone() });
        }
        ports.insert(id, device.to_owned());
        let mut device = Device {
            id,
            name,
            driver: String::new(),
            running: false,
            setup: None,
            root: eal.root.clone(),
        };
        device.driver = text(device.info().driver_name);
        Ok(device)
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn driver(&self) -> &str {
        &self.driver
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Receive and transmit queues of the configuration in force.
    pub(super) fn queues(&self) -> (u16, u16) {
        self.setup.as_ref().map_or((0, 0), |(config, _)| (config.rx_queues, config.tx_queues))
    }

    pub(super) fn info(&self) -> sys::rte_eth_dev_info {
        info(self.id)
    }

    /// The NUMA socket whose memory is nearest.
    pub(super) fn socket(&self) -> u32 {
        // SAFETY: the port exists. A negative answer (unknown) is what the callees take for "any".
        unsafe { sys::rte_eth_dev_socket_id(self.id) as u32 }
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        let mut mac = sys::rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: the port exists, `mac` is ours to be written.
        unsafe { sys::rte_eth_macaddr_get(self.id, &mut mac) };
        mac.addr_bytes
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let info = self.info();
        Capabilities {
            max_rx_queues: info.max_rx_queues,
            max_tx_queues: info.max_tx_queues,
            paired_queues: self.driver == "net_tap",
            min_mtu: info.min_mtu,
            max_mtu: largest_mtu(&info),
            rss: info.flow_type_rss_offloads & sys::SHIM_RSS_IP != 0,
            rss_inner: info.flow_type_rss_offloads & sys::SHIM_RSS_LEVEL_INNERMOST != 0,
        }
    }

    /// Whether its kernel interface (net_tap, net_af_packet) is not in this process's network namespace any more.
    pub(super) fn is_out_of_sight(&self) -> bool {
        let index = self.info().if_index;
        // nix 0.32 gives an empty name for an index that is not there.
        let here = |index| nix::net::if_::if_indextoname(index).is_ok_and(|name| !name.is_empty());
        index != 0 && !here(index)
    }

    /// DPDK's answer to a step as a result.
    pub(super) fn check(&self, step: &'static str, rc: i32) -> Result<(), PortError> {
        if rc >= 0 {
            return Ok(());
        }
        Err(PortError::Refused { port: self.name.clone(), step, why: in_words(rc) })
    }

    pub(super) fn stop(&mut self) {
        if std::mem::take(&mut self.running) {
            // SAFETY: the port exists; no queue lives, as the caller has the device for itself.
            unsafe { sys::rte_eth_dev_stop(self.id) };
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let device = self.info().device;
        self.stop();
        // SAFETY: the port exists, is stopped and has no queue left; its number is not used after this.
        unsafe { sys::rte_eth_dev_close(self.id) };
        let mut ports = self.root.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.remove(&self.id);
        // A NIC may carry several ports: the last one takes it along.
        if !device.is_null() && !all_ports().any(|id| info(id).device == device) {
            // SAFETY: the device was plugged and no port is on it; buses free it in this call at the latest.
            unsafe { sys::rte_dev_remove(device) };
        }
    }
}

/// The part before the first comma, a PCI address in DPDK's long form; `None` for what is no name.
fn name_of(device: &str) -> Option<String> {
    let name = device.split(',').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    match pci_address(name) {
        Some(address) => Some(address),
        None => Some(name.to_owned()),
    }
}

/// Whether the device string starts with a PCI address.
pub(crate) fn is_pci(device: &str) -> bool {
    device.split(',').next().and_then(pci_address).is_some()
}

/// `[domain:]bus:device.function` as DPDK names ports: `0000:01:00.0`.
fn pci_address(name: &str) -> Option<String> {
    let (rest, function) = name.split_once('.')?;
    let mut parts = rest.rsplit(':');
    let (slot, bus, domain) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let hex =
        |text: &str, most: u32| u32::from_str_radix(text, 16).ok().filter(|value| *value <= most);
    if parts.next().is_some() {
        return None;
    }
    let (domain, bus) = (hex(domain, u32::MAX)?, hex(bus, 0xff)?);
    Some(format!("{domain:04x}:{bus:02x}:{:02x}.{}", hex(slot, 0x1f)?, hex(function, 7)?))
}

/// Whether two device strings take the same kernel interface by the same driver: `net_tap0,iface=x net_tap1,iface=x`
/// would get one half of its frames each.
fn same_interface(one: &str, other: &str) -> bool {
    let key = |device: &str| {
        why::argument(device, "iface")
            .map(|iface| (why::driver(device).to_owned(), iface.to_owned()))
    };
    key(one).is_some_and(|one| Some(one) == key(other))
}

/// See [`super::Port::look_for`]; the device's name, and its string for DPDK.
pub(super) fn look_for(eal: &Eal, device: &str) -> Result<(String, CString), PortError> {
    let no_string = || PortError::NoDeviceString { device: device.to_owned() };
    let name = name_of(device).ok_or_else(no_string)?;
    let c_device = CString::new(device).map_err(|_| no_string())?;
    match why::missing(eal, device, &name, has_driver(eal, &c_device)) {
        None => Ok((name, c_device)),
        Some(why) => Err(PortError::NoSuchPort { device: device.to_owned(), why }),
    }
}

/// Whether a bus of DPDK's takes this device: PCI by the form of the name, virtual ones by a driver of that name.
fn has_driver(_eal: &Eal, device: &CStr) -> bool {
    // SAFETY: the struct is numbers, pointers and a C string, for which zero is a value.
    let mut arguments: sys::rte_devargs = unsafe { std::mem::zeroed() };
    log::hush(|| {
        // SAFETY: the EAL runs (_eal), so its buses are registered; DPDK copies the string into `arguments`, which is ours,
        // and `reset` frees that copy, also after a refusal (it takes null).
        unsafe {
            let rc = sys::rte_devargs_parse(&mut arguments, device.as_ptr());
            sys::rte_devargs_reset(&mut arguments);
            rc == 0
        }
    })
}

/// Plugs the device in and gives the port it made.
fn probe(_eal: &Eal, device: &str, c_device: &CStr, name: &str) -> Result<u16, PortError> {
    let no_such_port = |why| PortError::NoSuchPort { device: device.to_owned(), why };
    log::forget();
    // SAFETY: the EAL runs (_eal); DPDK copies the string.
    let rc = unsafe { sys::rte_dev_probe(c_device.as_ptr()) };
    if rc != 0 {
        return Err(no_such_port(why::not_plugged(device, name, &in_words(rc))));
    }
    find(name)
        .ok_or_else(|| no_such_port("the device was found, but it is no network port".to_owned()))
}

/// The port of this name; of a NIC with several, the first.
fn find(name: &str) -> Option<u16> {
    all_ports().find(|id| {
        port_name(*id)
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

fn all_ports() -> impl Iterator<Item = u16> {
    let next = |from: u16| {
        // SAFETY: walks DPDK's table of ports; any number may be given.
        let id = unsafe { sys::rte_eth_find_next(from) };
        (u32::from(id) < sys::RTE_MAX_ETHPORTS).then_some(id)
    };
    std::iter::successors(next(0), move |id| next(id + 1))
}

fn port_name(id: u16) -> String {
    let mut name = [0; NAME_LEN];
    // SAFETY: RTE_ETH_NAME_MAX_LEN octets are ours to be written; an unknown port leaves them.
    unsafe { sys::rte_eth_dev_get_name_by_port(id, name.as_mut_ptr()) };
    text(name.as_ptr())
}

/// RTE_ETH_NAME_MAX_LEN, which is RTE_DEV_NAME_MAX_LEN.
const NAME_LEN: usize = 64;

fn info(id: u16) -> sys::rte_eth_dev_info {
    // SAFETY: the struct is numbers and pointers, for which zero is a value.
    let mut info: sys::rte_eth_dev_info = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is ours to be written; for an unknown port it stays zero.
    unsafe { sys::rte_eth_dev_info_get(id, &mut info) };
    info
}

/// As ethdev reckons it: some drivers give a largest frame only, with or without the overhead of theirs.
fn largest_mtu(info: &sys::rte_eth_dev_info) -> u16 {
    const HEADER_AND_CRC: u32 = 18;
    let known = info.max_mtu != u16::MAX && info.max_rx_pktlen > u32::from(info.max_mtu);
    let overhead =
        if known { info.max_rx_pktlen - u32::from(info.max_mtu) } else { HEADER_AND_CRC };
    let by_frame = info.max_rx_pktlen.saturating_sub(overhead);
    u16::try_from(by_frame).unwrap_or(u16::MAX).min(info.max_mtu)
}

/// The error's text and what the driver logged.
fn in_words(rc: i32) -> String {
    let logged = log::recent();
    let error = errno_text(rc);
    if logged.is_empty() { error } else { format!("{logged} ({error})") }
}

/// A C string that may be null.
fn text(chars: *const std::ffi::c_char) -> String {
    if chars.is_null() {
        return String::new();
    }
    // SAFETY: DPDK's names are NUL-terminated, and live while the port does.
    unsafe { CStr::from_ptr(chars) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_has_one_spelling() {
        assert_eq!(name_of("01:00.0").as_deref(), Some("0000:01:00.0"));
        assert_eq!(name_of("0000:AF:1f.7,arg=1").as_deref(), Some("0000:af:1f.7"));
        assert!(is_pci("0000:01:00.0,x=y") && !is_pci("net_tap0,iface=a.b"));
        assert!(!is_pci("01:00.8") && !is_pci("0:01:00:00.0:1"));
    }

    #[test]
    fn what_is_no_name_is_no_device() {
        assert_eq!(name_of(""), None);
        assert_eq!(name_of(",iface=x"), None);
        assert_eq!(name_of("net tap0"), None);
    }

    #[test]
    fn one_kernel_interface_under_two_names_is_the_same_device() {
        assert!(same_interface("net_tap0,iface=core", "net_tap1,mac=fixed,iface=core"));
        assert!(!same_interface("net_tap0,iface=core", "net_tap1,iface=acc"));
        assert!(!same_interface("net_ring0", "net_ring1"));
    }
}
