// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a port is to be, checked against what its device can be: queue counts, MTU and buffers first, then DPDK's own
//! order of calls.

use std::ptr::null;

use dpdk_sys as sys;

use super::device::Device;
use super::error::PortError;
use crate::mempool::Mempool;

/// What a port is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Places in each receive ring.
    pub rx_descriptors: u16,
    /// Places in each transmit ring.
    pub tx_descriptors: u16,
    /// Octets of the largest IPv6 packet.
    pub mtu: u16,
    /// Takes frames for any MAC address.
    pub promiscuous: bool,
    /// Takes frames for any multicast address: neighbour discovery lives on them.
    pub all_multicast: bool,
    /// Which headers are hashed to choose among several receive queues.
    pub rss: Rss,
}

/// Which headers a port hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rss {
    /// The outer ones, if the device hashes at all.
    Outer,
    /// Those inside a tunnel, where the device can ([`super::Capabilities::rss_inner`]); else as `Outer`.
    Inner,
}

impl Default for PortConfig {
    fn default() -> PortConfig {
        PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            promiscuous: false,
            all_multicast: true,
            rss: Rss::Outer,
        }
    }
}

/// The bits that send the hash to the inner headers, of a device that offers it.
fn level(wanted: Rss, info: &sys::rte_eth_dev_info) -> u64 {
    match wanted {
        Rss::Inner => info.flow_type_rss_offloads & sys::SHIM_RSS_LEVEL_INNERMOST,
        Rss::Outer => 0,
    }
}

/// Ethernet header, and two 802.1Q tags that may stand in it.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4;
/// These hand over what they hold, however many mbufs it takes, and announce no offload for it.
const SCATTER_UNASKED: &[&str] = &["net_ring", "net_pcap", "net_null"];
const ENOTSUP: i32 = 95;

impl Device {
    /// See [`super::Port::configure`]. The caller made sure that no queue lives and the port does not run.
    pub(super) fn configure(
        &mut self,
        config: PortConfig,
        pool: &Mempool,
    ) -> Result<(), PortError> {
        let info = self.info();
        self.check_queues(&config)?;
        self.check_mtu(&config)?;
        let scatter = self.check_buffers(&config, pool, &info)?;
        self.setup = None;
        self.lay_out(&config, &info, scatter)?;
        let (rx_places, tx_places) = self.fit_descriptors(&config)?;
        for queue in 0..config.rx_queues {
            // SAFETY: the port is configured with more than `queue` queues and stopped; the pool lives as long as the
            // port, which keeps a handle of it (below); a null configuration means the device's default.
            let rc = unsafe {
                sys::rte_eth_rx_queue_setup(
                    self.id(),
                    queue,
                    rx_places,
                    self.socket(),
                    null(),
                    pool.raw(),
                )
            };
            self.check("setting up a receive queue", rc)?;
        }
        for queue in 0..config.tx_queues {
            // SAFETY: as for the receive queue.
            let rc = unsafe {
                sys::rte_eth_tx_queue_setup(self.id(), queue, tx_places, self.socket(), null())
            };
            self.check("setting up a transmit queue", rc)?;
        }
        self.set_mtu(&config)?;
        self.setup = Some((config, pool.clone()));
        Ok(())
    }

    /// See [`super::Port::start`].
    pub(super) fn start(&mut self) -> Result<(), PortError> {
        let Some((config, _)) = &self.setup else {
            return Err(PortError::NotConfigured { port: self.name().to_owned() });
        };
        let config = *config;
        // SAFETY: the port is configured, all its queues are set up, and it does not run.
        let rc = unsafe { sys::rte_eth_dev_start(self.id()) };
        self.check("starting", rc)?;
        self.running = true;
        self.set_filters(&config).inspect_err(|_| self.stop())
    }

    fn check_queues(&self, config: &PortConfig) -> Result<(), PortError> {
        let port = self.name().to_owned();
        let (wanted_rx, wanted_tx) = (config.rx_queues, config.tx_queues);
        let can = self.capabilities();
        if wanted_rx > can.max_rx_queues || wanted_tx > can.max_tx_queues {
            let (possible_rx, possible_tx) = (can.max_rx_queues, can.max_tx_queues);
            return Err(PortError::Queues { port, wanted_rx, wanted_tx, possible_rx, possible_tx });
        }
        if can.paired_queues && wanted_rx != wanted_tx {
            return Err(PortError::UnpairedQueues { port, wanted_rx, wanted_tx });
        }
        Ok(())
    }

    fn check_mtu(&self, config: &PortConfig) -> Result<(), PortError> {
        let can = self.capabilities();
        if (can.min_mtu..=can.max_mtu).contains(&config.mtu) {
            Ok(())
        } else {
            Err(self.mtu_error(config, ""))
        }
    }

    fn mtu_error(&self, config: &PortConfig, why: &str) -> PortError {
        let can = self.capabilities();
        let (least, most) = (can.min_mtu, can.max_mtu);
        PortError::Mtu {
            port: self.name().to_owned(),
            wanted: config.mtu,
            least,
            most,
            why: why.to_owned(),
        }
    }

    /// Whether frames are to be scattered over several mbufs.
    fn check_buffers(
        &self,
        config: &PortConfig,
        pool: &Mempool,
        info: &sys::rte_eth_dev_info,
    ) -> Result<bool, PortError> {
        let frame = u32::from(config.mtu) + FRAME_OVERHEAD;
        let data_room = pool.data_room();
        if frame <= u32::from(data_room) {
            return Ok(false);
        }
        let can = info.rx_offload_capa & sys::SHIM_RX_OFFLOAD_SCATTER != 0;
        if can || SCATTER_UNASKED.contains(&self.driver()) {
            return Ok(can);
        }
        Err(PortError::DataRoom { port: self.name().to_owned(), frame, data_room })
    }

    fn lay_out(
        &self,
        config: &PortConfig,
        info: &sys::rte_eth_dev_info,
        scatter: bool,
    ) -> Result<(), PortError> {
        // SAFETY: the struct is numbers and pointers, for which zero is a value: DPDK's examples start so too. Zero
        // also leaves link interrupts off: e1000 behind vfio-pci reports its link down for good with them.
        let mut conf: sys::rte_eth_conf = unsafe { std::mem::zeroed() };
        conf.rxmode.mtu = u32::from(config.mtu);
        if scatter {
            conf.rxmode.offloads |= sys::SHIM_RX_OFFLOAD_SCATTER;
        }
        conf.txmode.offloads |= info.tx_offload_capa & sys::SHIM_TX_OFFLOAD_MULTI_SEGS;
        let hash = info.flow_type_rss_offloads & sys::SHIM_RSS_IP;
        if config.rx_queues > 1 && hash != 0 {
            // Addresses only: with ports in the hash, the fragments of a flow part from its other packets.
            conf.rxmode.mq_mode = sys::RTE_ETH_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = hash | level(config.rss, info);
        }
        // SAFETY: the port exists and does not run; DPDK copies the configuration.
        let rc = unsafe {
            sys::rte_eth_dev_configure(self.id(), config.rx_queues, config.tx_queues, &conf)
        };
        self.check("configuring", rc)
    }

    fn fit_descriptors(&self, config: &PortConfig) -> Result<(u16, u16), PortError> {
        let (mut rx, mut tx) = (config.rx_descriptors, config.tx_descriptors);
        // SAFETY: the port exists, both numbers are ours to be written.
        let rc = unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.id(), &mut rx, &mut tx) };
        self.check("fitting the descriptor counts", rc)?;
        Ok((rx, tx))
    }

    /// For drivers that set the MTU of a kernel interface; others know it from the configuration.
    fn set_mtu(&self, config: &PortConfig) -> Result<(), PortError> {
        // SAFETY: the port exists and does not run.
        let rc = unsafe { sys::rte_eth_dev_set_mtu(self.id(), config.mtu) };
        match self.check("setting the MTU", if rc == -ENOTSUP { 0 } else { rc }) {
            Err(PortError::Refused { why, .. }) => {
                Err(self.mtu_error(config, &format!(", and the driver refused: {why}")))
            }
            done => done,
        }
    }

    fn set_filters(&self, config: &PortConfig) -> Result<(), PortError> {
        let unless_unsupported = |rc: i32| if rc == -ENOTSUP { 0 } else { rc };
        let promiscuous = if config.promiscuous {
            sys::rte_eth_promiscuous_enable
        } else {
            sys::rte_eth_promiscuous_disable
        };
        // SAFETY: the port exists.
        let rc = unsafe { promiscuous(self.id()) };
        self.check("setting promiscuous mode", unless_unsupported(rc))?;
        let all_multicast = if config.all_multicast {
            sys::rte_eth_allmulticast_enable
        } else {
            sys::rte_eth_allmulticast_disable
        };
        // SAFETY: the port exists.
        let rc = unsafe { all_multicast(self.id()) };
        self.check("setting all-multicast mode", unless_unsupported(rc))
    }
}
