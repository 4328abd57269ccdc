// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An Ethernet port: plugged in by its device string, configured, started; then its queues do the work. What the
//! device cannot do is said before DPDK is asked, with what was wanted and what is possible.
//!
//! Read `device.rs` for the device string, `setup.rs` for the configuration, `error.rs` for what can be wrong.

mod device;
mod error;
mod setup;
mod why;

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys as sys;

pub(crate) use device::{Device, is_pci};
pub use error::PortError;
pub use setup::{PortConfig, Rss};
pub(crate) use why::debian_package;

use crate::Eal;
use crate::eal::log;
use crate::mempool::Mempool;
use crate::queue::{RxQueue, TxQueue};
use crate::stats::Stats;

/// A port of which this is the only control handle: `Send`, not `Sync` (DPDK's control calls do not take turns).
///
/// Its queues keep the device alive: it is stopped and unplugged when the port and all its queues are gone.
pub struct Port {
    device: Arc<Device>,
    one_thread: PhantomData<Cell<()>>,
}

/// What a device can do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Receive queues.
    pub max_rx_queues: u16,
    /// Transmit queues.
    pub max_tx_queues: u16,
    /// The driver wants as many receive as transmit queues (net_tap does).
    pub paired_queues: bool,
    /// The smallest MTU.
    pub min_mtu: u16,
    /// The largest MTU.
    pub max_mtu: u16,
    /// The device spreads IPv6 flows over its receive queues by hash.
    pub rss: bool,
    /// The hash can be told to look at the headers inside a tunnel.
    pub rss_inner: bool,
}

impl Port {
    /// Plugs in the device that this string names, as DPDK writes it: a PCI address (`0000:01:00.0`, `01:00.0`) or a
    /// virtual device (`net_tap0,iface=core`), arguments behind commas.
    ///
    /// # Errors
    /// [`PortError::NoSuchPort`] with the reason, [`PortError::Twice`] for a device that has an owner.
    pub fn by_device(eal: &Eal, device: &str) -> Result<Port, PortError> {
        Ok(Port { device: Arc::new(Device::plug(eal, device)?), one_thread: PhantomData })
    }

    /// Whether [`Port::by_device`] would find this device, as far as that shows without opening it: nothing is plugged in,
    /// and no interface is made. Ask for every port before the first one is plugged in.
    ///
    /// # Errors
    /// [`PortError::NoSuchPort`] with the reason and the mend, [`PortError::NoDeviceString`].
    pub fn look_for(eal: &Eal, device: &str) -> Result<(), PortError> {
        device::look_for(eal, device).map(drop)
    }

    /// The device's name: the device string up to its first comma.
    pub fn name(&self) -> &str {
        self.device.name()
    }

    /// DPDK's number of the port, by which its telemetry names it.
    pub fn number(&self) -> u16 {
        self.device.id()
    }

    /// The MAC address.
    pub fn mac(&self) -> [u8; 6] {
        self.device.mac()
    }

    /// What the device can do at most.
    pub fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    /// Lays down queues, MTU and filters; receive queues fill their mbufs from `pool`. The port must not run.
    ///
    /// Descriptor counts are brought within the device's limits. The filters are asked for; a virtual device that has
    /// none gives every frame anyway.
    ///
    /// # Errors
    /// What the device cannot do, each with the port's name, what was wanted and what is possible.
    pub fn configure(&mut self, config: PortConfig, pool: &Mempool) -> Result<(), PortError> {
        self.idle()?.configure(config, pool)
    }

    /// Starts the port and gives its queues, in the order of their numbers.
    ///
    /// # Errors
    /// Not configured, running already, or refused by the driver.
    pub fn start(&mut self) -> Result<(Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let device = self.idle()?;
        device.start()?;
        let (rx, tx) = device.queues();
        let rx = (0..rx).map(|queue| RxQueue::new(&self.device, queue)).collect();
        let tx = (0..tx).map(|queue| TxQueue::new(&self.device, queue)).collect();
        Ok((rx, tx))
    }

    /// Stops the port; drop its queues first. It can be configured and started again.
    ///
    /// # Errors
    /// [`PortError::QueuesInUse`] while a queue of it lives: a burst on a stopped port would read freed memory.
    pub fn stop(&mut self) -> Result<(), PortError> {
        let name = self.device.name().to_owned();
        let device = Arc::get_mut(&mut self.device).ok_or(PortError::QueuesInUse { port: name })?;
        device.stop();
        Ok(())
    }

    /// Whether the link is up. A driver without link state counts as up once started; so does a kernel interface that
    /// was moved to another namespace, where the driver cannot see it and would say down for good.
    pub fn link_up(&self) -> bool {
        if self.device.is_out_of_sight() {
            return true;
        }
        let mut up = 0;
        // SAFETY: the port exists (Device), `up` is ours to be written.
        let rc = unsafe { sys::shim_link_up(self.number(), &mut up) };
        rc != 0 || up == 1
    }

    /// The MTU in force: octets of an IPv6 packet, Ethernet header not counted.
    pub fn mtu(&self) -> u16 {
        let mut mtu = 0;
        // SAFETY: the port exists (Device), `mtu` is ours to be written.
        unsafe { sys::rte_eth_dev_get_mtu(self.number(), &mut mtu) };
        mtu
    }

    /// The port's own counters; zero for a driver that has none.
    pub fn stats(&self) -> Stats {
        // SAFETY: the struct is plain numbers, for which zero is a value.
        let mut stats: sys::rte_eth_stats = unsafe { std::mem::zeroed() };
        // SAFETY: the port exists (Device), `stats` is ours to be written.
        unsafe { sys::rte_eth_stats_get(self.number(), &mut stats) };
        stats.into()
    }

    /// The device while nobody else has a hand in it: no queue lives and it does not run.
    fn idle(&mut self) -> Result<&mut Device, PortError> {
        let name = self.device.name().to_owned();
        log::forget();
        match Arc::get_mut(&mut self.device) {
            Some(device) if device.is_running() => Err(PortError::Running { port: name }),
            Some(device) => Ok(device),
            None => Err(PortError::QueuesInUse { port: name }),
        }
    }
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port({} is {})", self.number(), self.name())
    }
}
