// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong with a port, each in one sentence with the port, what was wanted and what is possible.

/// Why a port operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The device string leads to no port.
    #[error("no such port {device:?}: {why}")]
    NoSuchPort {
        /// The device string.
        device: String,
        /// The reason, and the mend where it is known.
        why: String,
    },
    /// The device has an owner.
    #[error("port {device:?} is given twice: it is the device of {other:?}")]
    Twice {
        /// The device string.
        device: String,
        /// The device string of the owner.
        other: String,
    },
    /// The string cannot be a device.
    #[error(
        "port {device:?} is no device string; mend: a PCI address or a virtual device such as `net_tap0,iface=core`"
    )]
    NoDeviceString {
        /// The string.
        device: String,
    },
    /// More queues than the device has.
    #[error(
        "port {port}: {wanted_rx} receive and {wanted_tx} transmit queues wanted, {possible_rx} and {possible_tx} possible"
    )]
    Queues {
        /// The port.
        port: String,
        /// Receive queues wanted.
        wanted_rx: u16,
        /// Transmit queues wanted.
        wanted_tx: u16,
        /// Receive queues the device has.
        possible_rx: u16,
        /// Transmit queues the device has.
        possible_tx: u16,
    },
    /// The driver wants them in pairs.
    #[error(
        "port {port}: its driver wants as many receive as transmit queues, wanted were {wanted_rx} and {wanted_tx}"
    )]
    UnpairedQueues {
        /// The port.
        port: String,
        /// Receive queues wanted.
        wanted_rx: u16,
        /// Transmit queues wanted.
        wanted_tx: u16,
    },
    /// The device's frames are shorter or longer.
    #[error("port {port}: MTU {wanted} wanted, {least} to {most} possible{why}")]
    Mtu {
        /// The port.
        port: String,
        /// Octets wanted.
        wanted: u16,
        /// The smallest.
        least: u16,
        /// The largest.
        most: u16,
        /// The driver's words, where it refused an MTU within the limits.
        why: String,
    },
    /// A frame needs several mbufs, and the driver gives none such.
    #[error(
        "port {port}: frames of {frame} octets do not fit the mempool's {data_room} and the driver cannot scatter; mend: a larger data room or a smaller MTU"
    )]
    DataRoom {
        /// The port.
        port: String,
        /// Octets of the largest frame.
        frame: u32,
        /// Octets of an mbuf.
        data_room: u16,
    },
    /// The port runs: stop it first.
    #[error("port {port} is running")]
    Running {
        /// The port.
        port: String,
    },
    /// The port was not configured.
    #[error("port {port} is not configured")]
    NotConfigured {
        /// The port.
        port: String,
    },
    /// Queues of the port live.
    #[error("port {port} has queues in use; drop them first")]
    QueuesInUse {
        /// The port.
        port: String,
    },
    /// The driver refused, in its words.
    #[error("port {port}: {step} failed: {why}")]
    Refused {
        /// The port.
        port: String,
        /// What was asked of it.
        step: &'static str,
        /// The error's text and the driver's log lines.
        why: String,
    },
}
