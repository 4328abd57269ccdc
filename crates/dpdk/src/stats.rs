// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a port counts itself, in 64 bits, since it was started.

use dpdk_sys as sys;

/// A port's own counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames given to the program.
    pub rx_packets: u64,
    /// Frames taken from the program and sent.
    pub tx_packets: u64,
    /// Octets of the frames given.
    pub rx_octets: u64,
    /// Octets of the frames sent.
    pub tx_octets: u64,
    /// Frames the NIC dropped because the program did not fetch them in time.
    pub rx_missed: u64,
    /// Frames received damaged.
    pub rx_errors: u64,
    /// Frames taken and not sent.
    pub tx_errors: u64,
    /// Frames dropped because the mempool was empty.
    pub rx_no_mbuf: u64,
}

impl From<sys::rte_eth_stats> for Stats {
    fn from(stats: sys::rte_eth_stats) -> Stats {
        Stats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_octets: stats.ibytes,
            tx_octets: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_mbuf: stats.rx_nombuf,
        }
    }
}
